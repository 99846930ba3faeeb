//! Counts of what happened in a run, and the recorder that keeps them.

use treefall_model::event::{Event, Record};
use treefall_model::observe::Observer;
use treefall_model::time::Instant;

/// Counts of what happened in a run.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Blocking calls that returned with the timerfd ready.
    pub timer_wakes: u64,
    /// Zombies reaped.
    pub exits: u64,
    /// SIGHUPs sent to the program, merged ones included.
    pub hups: u64,
    /// SIGTERMs sent to the program.
    pub terms: u64,
    /// Records of the history.
    pub records: u64,
    /// Wakes of the trace used up.
    pub wakes: u64,
    /// Children started.
    pub starts: u64,
    /// Starts that failed.
    pub failed_starts: u64,
    /// Reloads that finished.
    pub reloads: u64,
    /// Child timeouts dispatched.
    pub timeouts: u64,
    /// Entries cancelled.
    pub cancels: u64,
    /// Calls into the world.
    pub steps: u64,
}

impl Counts {
    /// Returns the number of external events: timers, exits, signals.
    #[must_use]
    pub const fn external(&self) -> u64 {
        self.timer_wakes + self.exits + self.hups + self.terms
    }
}

/// Sends events to the observer, and counts them.
#[derive(Clone)]
pub(crate) struct Recorder<O> {
    pub(crate) observer: O,
    pub(crate) counts: Counts,
}

impl<O: Observer> Recorder<O> {
    pub(crate) fn emit(&mut self, at: Instant, event: Event) {
        self.counts.records += 1;
        self.observer.record(&Record { at, event });
    }
}
