//! From the library to `treefall`: what the program is like, what became of a trace, or why not.
//!
//! Always: an answer holds no name of a function, for the library knows none; it holds addresses, and the parent
//! has the files.

use alloc::string::String;
use alloc::vec::Vec;

use treefall_model::observe::Observed;

use super::Wire;
use crate::Counts;

/// From the library to `treefall`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// The program fits.
    Ready(Facts),
    /// The program does not fit, or the harness failed.
    Refused(Refusal),
    /// Results of the next traces, in order.
    Results(Vec<Told>),
    /// The daemon has come to its first fork and waits for traces.
    Serving,
}
/// The first byte of [`Reply::Results`]: what follows is the list.
pub const RESULTS: u8 = 2;
wire_enum!(Reply { 0 = Ready(facts), 1 = Refused(refusal), 2 = Results(results), 3 = Serving });

/// What the calibration found, for a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// Bytes of an entry.
    pub entry: u32,
    /// Whether the late-wake log of a real daemon takes place.
    pub late_wake: bool,
    /// Whether the cached clock can be read anew by itself.
    pub clock: bool,
    /// Whether there is a timer that runs in a shutdown.
    pub shutdown_timer: bool,
    /// Whether a reload, and a shutdown, install killers of the program's own.
    pub reload_killer: bool,
    /// See `reload_killer`.
    pub shutdown_killer: bool,
}
wire_struct!(Facts { entry, late_wake, clock, shutdown_timer, reload_killer, shutdown_killer });

/// The result of one trace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// What was seen of it. The outcome names no function: the library knows no names.
    pub observed: Observed,
    /// Where the program was when it crashed or hung.
    pub stopped: Option<Stopped>,
    /// What happened, counted.
    pub counts: Counts,
    /// The calls that the program made, where that was asked for.
    pub ledger: Vec<Called>,
}
wire_struct!(Told { observed, stopped, counts, ledger });

/// A call, and how often it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Called {
    /// Its number on the list of [`calls`](crate::calls).
    pub call: u16,
    /// At least once.
    pub times: u32,
}
wire_struct!(Called { call, times });

/// Why the library does not go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// For a person.
    pub why: String,
    /// Where the program was, if it is about a place in it.
    pub stopped: Option<Stopped>,
}
wire_struct!(Refusal { why, stopped });

/// Where the program was at one moment, in addresses of its process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stopped {
    /// Of the next instruction.
    pub instruction: u64,
    /// The stack pointer.
    pub stack: u64,
    /// The frame pointer.
    pub base: u64,
    /// What lies on the stack, from the stack pointer on, [`STACK_MAX`](super::STACK_MAX) bytes at most.
    pub bytes: Vec<u8>,
}
wire_struct!(Stopped { instruction, stack, base, bytes });
