//! The world's part of a state's canonical form: see [`treefall_model::canon`].
//!
//! A setup that is explored has no script that cancels, so no entries are remembered, and no interface, so no message
//! waits. Results of scripts are left out,
//! because they show only in log lines, which no law reads; where log lines take time, results are written too.

use treefall_model::canon::{Canon, Part};
use treefall_model::id::{Run, ScriptId};
use treefall_model::observe::Observer;
use treefall_model::signal::ExitStatus;
use treefall_model::time::Deadline;
use treefall_model::trace::ScriptKind;

use crate::kernel::Kernel;
use crate::layer::{Layer, ScriptState};
use crate::pids::Pids;
use crate::world::World;

/// Number of the world's own wakes that is never reached before a wake of a trace with few children; more need not be
/// written. See [`World::own_wakes_left`].
pub const OWN_WAKES_ENOUGH: usize = 32;

impl<O: Observer> World<'_, O> {
    /// Begins to write the state of a blocked loop: the instant, the generation, and the living children.
    pub fn start_canon(&self, canon: &mut Canon) {
        canon.start(self.kernel.now(), self.layer.generation());
        self.kernel.children.each_unreaped(|child| canon.child(child.run, child.pid));
    }

    /// Writes the state after all scripts have numbers. `freed`: scripts of the generation before may still be needed.
    pub fn canon(&self, canon: &mut Canon, freed: bool) {
        self.kernel.canon(canon);
        canon.part(Part::Scripts);
        self.layer.canon(canon, !self.kernel.log_is_free(), freed);
    }

    /// Calls `tell` with each living run, in the order of births.
    pub fn each_living(&self, mut tell: impl FnMut(Run)) {
        self.kernel.children.each_unreaped(|child| {
            if child.ended.is_none() {
                tell(child.run);
            }
        });
    }

    /// Returns the instant that the timerfd is armed for.
    #[must_use]
    pub fn armed(&self) -> Deadline {
        self.kernel.timer.map_or(Deadline::Never, Deadline::At)
    }

    /// Returns how many wakes of its own the world may still make before the next wake of the trace.
    #[must_use]
    pub fn own_wakes_left(&self) -> usize {
        self.kernel.own_left
    }
}

impl Kernel<'_> {
    fn log_is_free(&self) -> bool {
        self.trace.setup().costs.log.is_zero()
    }

    fn canon(&self, canon: &mut Canon) {
        canon.part(Part::Kernel);
        canon.maybe_at(self.timer);
        canon.word(self.pending as u64);
        canon.word((self.pending >> 64) as u64);
        canon.flag(self.reading);
        canon.byte(self.hup_brings.0);
        canon.byte(self.file.0);
        canon.flag(self.own_at == self.now);
        canon.byte(self.own_left.min(OWN_WAKES_ENOUGH) as u8);
        // The bounds on the loop are not written: an explored trace stays far below them between two wakes. The number
        // of a start decides whether it fails.
        let mut failures = self.failures.clone();
        canon.word(failures.len() as u64);
        failures.by_ref().for_each(|failure| canon.word(u64::from(failure.0.wrapping_sub(self.starts))));
        let ascends = self.pids.canon(canon);
        canon.part(Part::Children);
        canon.byte(u8::try_from(canon.children().len()).unwrap_or(u8::MAX));
        self.children.each_unreaped(|child| {
            if !ascends {
                canon.word(child.pid.get() as u64);
            }
            canon.parent(child.run);
            canon.byte(canon.class_of(child.run.of.script));
            match child.ended {
                None => canon.byte(0),
                Some(status) => {
                    canon.byte(1);
                    canon.word(ExitStatus::raw(status) as u64);
                }
            }
            canon.flag(child.death.is_some());
            if let Some((at, signal)) = child.death {
                canon.at(at);
                canon.byte(signal.number());
            }
        });
    }
}

impl Pids {
    /// Writes what the coming pids depend on. Returns whether pids only ascend, so that ranks stand for them.
    fn canon(&self, canon: &mut Canon) -> bool {
        match self {
            Self::Ascending { .. } => return true,
            Self::Scattered { power } => canon.word(*power),
            Self::Reused { next, free } => {
                canon.word(*next as u64);
                free.clone().into_sorted_vec().iter().for_each(|pid| canon.word(pid.0 as u64));
                canon.word(0);
            }
        }
        false
    }
}

impl Layer<'_> {
    fn canon(&self, canon: &mut Canon, results: bool, freed: bool) {
        canon.word((self.actions.len() + usize::from(self.counting.is_some())) as u64);
        canon.flag(self.has_instance);
        for place in 0..canon.scripts().len() {
            let number = canon.scripts()[place];
            canon.byte(canon.class_of(ScriptId(number)));
            if let Some(script) = self.current.get(usize::from(number)) {
                script.canon(canon, results);
            }
        }
        if freed {
            self.freed.iter().for_each(|script| script.canon(canon, results));
        }
    }
}

impl ScriptState<'_> {
    fn canon(&self, canon: &mut Canon, results: bool) {
        canon.byte(self.state as u8);
        canon.pid(self.last_pid.map_or(0, |pid| pid.get()));
        if self.spec.kind == ScriptKind::Misc {
            canon.at(self.last_start);
        }
        if results {
            canon.byte(self.init as u8);
            canon.word(u64::from(self.result));
            canon.byte(self.last_code);
        }
    }
}
