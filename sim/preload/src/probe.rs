//! The kernel's answers during calibration, and the handler that records what ran.
//!
//! The calibration's calls need few answers: a clock that stands still, one child that exits, one wake with both
//! descriptors ready.

use alloc::vec::Vec;

use treefall_model::id::Pid;
use treefall_model::signal::ExitStatus;
use treefall_model::time::Span;
use treefall_world::Descriptor;

use crate::escape::{Left, escape};
use crate::layout::field;
use crate::single::Single;

/// Time that the clock shows, in microseconds: neither part of it is a number found elsewhere.
pub const NOW: u64 = 7_000_123;
/// Pid of the child.
pub const CHILD: i32 = 0x7a_7a7a;
/// Exit status of the child.
pub const STATUS: ExitStatus = ExitStatus::Code(0x5a);
/// One second, in microseconds.
pub const SECOND: u64 = 1_000_000;
/// State of the kernel during calibration, and records of the probe.
#[derive(Clone, Copy)]
struct Bench {
    now: u64,
    zombie: Option<Pid>,
    /// Number of times that the loop blocked.
    blocked: u32,
    /// The base entries, and their types when the timerfd was read.
    base: [usize; 2],
    base_types: [i32; 2],
    /// Entries that ran, and their types then.
    ran: [(usize, i32); 8],
    ran_count: usize,
    type_offset: usize,
}

static BENCH: Single<Bench> = Single::new(Bench {
    now: NOW,
    zombie: None,
    blocked: 0,
    base: [0; 2],
    base_types: [-1; 2],
    ran: [(0, -1); 8],
    ran_count: 0,
    type_offset: 0,
});

/// Returns the clock.
pub fn clock() -> u64 {
    BENCH.get().now
}

/// Arms the timerfd, which has no effect.
pub fn arm_timer(_: Option<Span>) {}

/// Returns both descriptors ready the first time, two seconds later; ends the run the second time.
pub fn block() -> [Option<Descriptor>; 3] {
    let mut bench = BENCH.get();
    bench.blocked += 1;
    bench.now += 2 * SECOND;
    BENCH.set(bench);
    if bench.blocked > 1 {
        escape(Left::Ended);
    }
    [Some(Descriptor::Timer), Some(Descriptor::Signals), None]
}

/// Reads the timerfd as expired. Records the base entries' types: one of them is on READY.
pub fn read_timer() -> bool {
    let mut bench = BENCH.get();
    for (entry, seen) in bench.base.into_iter().zip(&mut bench.base_types) {
        if entry != 0 {
            // SAFETY: a base entry, that the program has not given back.
            *seen = unsafe { field(entry + bench.type_offset) };
        }
    }
    BENCH.set(bench);
    true
}

/// Reaps the zombie, if there is one.
pub fn reap() -> Option<(Pid, ExitStatus)> {
    let mut bench = BENCH.get();
    let zombie = bench.zombie.take();
    BENCH.set(bench);
    zombie.map(|pid| (pid, STATUS))
}

/// Makes this child exit.
pub fn set_zombie(pid: i32) {
    let mut bench = BENCH.get();
    bench.zombie = Pid::new(pid);
    BENCH.set(bench);
}

/// Handler of all entries: records its call.
pub extern "C" fn probe(entry: usize) -> i32 {
    let mut bench = BENCH.get();
    if bench.ran_count < bench.ran.len() {
        // SAFETY: the program hands over its entry.
        let kind = unsafe { field(entry + bench.type_offset) };
        bench.ran[bench.ran_count] = (entry, kind);
        bench.ran_count += 1;
    }
    BENCH.set(bench);
    0
}

/// Records of the probe.
pub struct Seen {
    /// Types of the two base entries when the timerfd was read; -1: it was not.
    pub base_types: [i32; 2],
    /// Each entry that ran, with its type then; at most eight.
    pub ran: Vec<(usize, i32)>,
}

/// Sets the base entries and the offset of their type.
pub fn watch(base: [usize; 2], type_offset: usize) {
    BENCH.set(Bench { base, type_offset, ..BENCH.get() });
}

/// Returns the records.
pub fn seen() -> Seen {
    let Bench { base_types, ran, ran_count, .. } = BENCH.get();
    Seen { base_types, ran: ran[..ran_count].to_vec() }
}
