//! Starts of children: `fork`, as the kernel serves it.
//!
//! Invariants: a start that the setup makes fail makes no child. The kernel knows a child once its run is named; a
//! caller that forks before that names the run before it asks for anything but the clock.

use treefall_model::event::Event;
use treefall_model::id::{Pid, Run, StartNo};
use treefall_model::observe::Observer;
use treefall_model::time::Instant;
use treefall_model::trace::Habit;

use super::{Kernel, Recorder};

/// A child that was started, and whose run is not yet named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unnamed {
    /// The pid.
    pub pid: Pid,
    /// Instant of the start.
    at: Instant,
}

impl Kernel<'_> {
    /// `fork`: starts `run`, unless the setup makes this start fail.
    pub(crate) fn fork<O: Observer>(&mut self, run: Run, habit: Habit, out: &mut Recorder<O>) -> Option<Pid> {
        if self.next_start_fails() {
            let start = self.count_start();
            self.failures.next();
            out.counts.failed_starts += 1;
            out.emit(self.now, Event::StartFailed { script: run.of, start });
            self.spend(self.costs().start);
            return None;
        }
        let unnamed = self.fork_unnamed();
        self.name(unnamed, run, habit, out);
        Some(unnamed.pid)
    }

    /// Whether the setup makes the next start fail.
    pub(crate) fn next_start_fails(&mut self) -> bool {
        let next = StartNo(self.starts);
        self.failures.peek().is_some_and(|failing| **failing == next)
    }

    fn count_start(&mut self) -> StartNo {
        let start = StartNo(self.starts);
        self.starts = self.starts.saturating_add(1);
        start
    }

    /// `fork` of a run that the caller names before it asks for anything but the clock.
    pub(crate) fn fork_unnamed(&mut self) -> Unnamed {
        self.count_start();
        let children = &self.children;
        let pid = self.pids.take(|pid| children.with_pid(pid).is_some());
        let unnamed = Unnamed { pid, at: self.now };
        self.spend(self.costs().start);
        unnamed
    }

    /// Names the run that was started.
    pub(crate) fn name<O: Observer>(
        &mut self,
        unnamed: Unnamed,
        run: Run,
        habit: Habit,
        out: &mut Recorder<O>,
    ) {
        let Unnamed { pid, at } = unnamed;
        self.children.add(run, pid, habit);
        if let Some(outside) = &mut self.outside.0 {
            outside.started(run, at);
        }
        out.counts.starts += 1;
        out.emit(at, Event::Started { run, pid });
    }
}
