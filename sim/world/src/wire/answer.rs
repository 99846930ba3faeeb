//! Replies of the library to `treefall`: facts about the program, results of traces, or a refusal.
//!
//! Invariant: a reply holds addresses, never names of functions; the parent has the files to resolve them.

use alloc::string::String;
use alloc::vec::Vec;

use treefall_model::observe::Observed;

use super::Wire;
use crate::Counts;

/// Reply of the library to `treefall`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// The program can be driven.
    Ready(Facts),
    /// The program cannot be driven, or the harness failed.
    Refused(Refusal),
    /// Results of the next traces, in order.
    Results(Vec<TraceResult>),
    /// The daemon has reached its first fork and waits for traces.
    Serving,
}
/// First byte of [`Reply::Results`]; the list follows.
pub const RESULTS: u8 = 2;
wire_enum!(Reply { 0 = Ready(facts), 1 = Refused(refusal), 2 = Results(results), 3 = Serving });

/// Results of the calibration, for a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// Size of an entry in bytes.
    pub entry: u32,
    /// Whether the program logs late wakes as a real daemon does.
    pub late_wake: bool,
    /// Whether the cached clock can be refreshed on its own.
    pub clock: bool,
    /// Whether there is a timer that runs in a shutdown.
    pub shutdown_timer: bool,
    /// Whether a reload installs a killer of the program's own.
    pub reload_killer: bool,
    /// Whether a shutdown installs a killer of the program's own.
    pub shutdown_killer: bool,
}
wire_struct!(Facts { entry, late_wake, clock, shutdown_timer, reload_killer, shutdown_killer });

/// Result of one trace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceResult {
    /// What was observed. The outcome names no function.
    pub observed: Observed,
    /// Where the program was when it crashed or hung, or came to the moment that was asked for.
    pub stopped: Option<Stopped>,
    /// Where the entry that [`Options::follow`](super::Options) names was handed out.
    pub handed_out: Option<Stopped>,
    /// Where that entry was freed.
    pub freed: Option<Stopped>,
    /// Counts of what happened.
    pub counts: Counts,
    /// The calls that the program made, if they were asked for.
    pub ledger: Vec<Called>,
}
wire_struct!(TraceResult { observed, stopped, handed_out, freed, counts, ledger });

/// A call, with how often it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Called {
    /// Number on the list of [`calls`](crate::calls).
    pub call: u16,
    /// How often, at least once.
    pub times: u32,
}
wire_struct!(Called { call, times });

/// Reason why the library does not continue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The reason, for a person.
    pub why: String,
    /// Whether its data lay where they were looked for, and its functions did something else than they should.
    pub misbehaves: bool,
    /// Where the program was, if the reason concerns a place in it.
    pub stopped: Option<Stopped>,
}
wire_struct!(Refusal { why, misbehaves, stopped });

/// Where the program was at one moment, as addresses of its process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stopped {
    /// Address of the next instruction.
    pub instruction: u64,
    /// The stack pointer.
    pub stack: u64,
    /// The frame pointer.
    pub base: u64,
    /// Contents of the stack from the stack pointer on, at most [`STACK_MAX`](super::STACK_MAX) bytes.
    pub bytes: Vec<u8>,
}
wire_struct!(Stopped { instruction, stack, base, bytes });
