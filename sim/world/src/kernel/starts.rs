//! Starts of children: `fork`, as the kernel serves it.
//!
//! Always: a start that the setup lets fail makes no child. A child is known to the kernel from the moment that its
//! run is known; whoever forks before that names the run before anything but the clock is asked for.

use treefall_model::event::Event;
use treefall_model::id::{Pid, Run, StartNo};
use treefall_model::observe::Observer;
use treefall_model::time::Instant;
use treefall_model::trace::Habit;

use super::{Kernel, Recorder};

/// A child that was started and of which the kernel does not know yet what it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unnamed {
    /// Its pid.
    pub pid: Pid,
    /// When it was started.
    at: Instant,
}

impl Kernel<'_> {
    /// `fork`: starts `run`, unless the setup says that this start fails.
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

    /// Whether the setup says that the next start fails.
    pub(crate) fn next_start_fails(&mut self) -> bool {
        let next = StartNo(self.starts);
        self.failures.peek().is_some_and(|failing| **failing == next)
    }

    fn count_start(&mut self) -> StartNo {
        let start = StartNo(self.starts);
        self.starts = self.starts.saturating_add(1);
        start
    }

    /// `fork`, of a run that will be named before anything else is asked of the kernel but its clock.
    pub(crate) fn fork_unnamed(&mut self) -> Unnamed {
        self.count_start();
        let children = &self.children;
        let pid = self.pids.take(|pid| children.with_pid(pid).is_some());
        let unnamed = Unnamed { pid, at: self.now };
        self.spend(self.costs().start);
        unnamed
    }

    /// It is this run that was started.
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
