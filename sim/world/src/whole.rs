//! The world around a whole daemon: the kernel serves it, and its own script layer is followed.
//!
//! The driver reports what the daemon does (a reload begins, its configuration is in force). This layer only keeps the
//! scripts, so that runs, log lines and generations have names.
//!
//! Invariant: nothing is decided here that the daemon decides. [`begin`](World::begin) and [`next_op`](World::next_op)
//! are not called on such a world.

use treefall_model::event::Event;
use treefall_model::id::{ConfigId, Pid, Run, ScriptRef};
use treefall_model::observe::Observer;
use treefall_model::trace::ScriptKind;

use crate::kernel::Unnamed;
use crate::layer::{Init, ScriptState};
use crate::world::World;

/// Names of the fifos that a daemon's configuration can have, in the order in which it starts their scripts. The n-th
/// fifo script of a trace's configuration gets the n-th name; a daemon gets no more of them.
pub const FIFOS: [&str; 2] = ["notify_fifo", "vrrp_notify_fifo"];

impl<O: Observer> World<'_, O> {
    /// Notes that the daemon begins a reload; returns the configuration that it will read. From now on names mean the
    /// new scripts, because a daemon that reloads speaks of the new ones.
    pub fn reload_begins(&mut self) -> ConfigId {
        let config = self.kernel.file();
        let generation = self.layer.generation().next();
        self.emit(Event::ReloadBegun { config, generation });
        let scripts = self.layer.turn(config);
        self.layer.current.extend(scripts.iter().map(|spec| ScriptState::new(spec, Init::Reload)));
        config
    }

    /// Notes that the daemon's reload is done.
    pub fn reload_ends(&mut self) {
        self.out.counts.reloads += 1;
        self.emit(Event::ReloadDone { generation: self.layer.generation() });
    }

    /// Notes that the daemon begins its shutdown.
    pub fn termination_begins(&mut self) {
        self.emit(Event::TerminationBegun);
    }

    /// Forks for the daemon. `None`: the setup makes this start fail, and [`spawn`](World::spawn) must be called with
    /// its script.
    pub fn fork_unnamed(&mut self) -> Option<Unnamed> {
        self.count_step();
        (!self.kernel.next_start_fails()).then(|| self.kernel.fork_unnamed())
    }

    /// Names the script of a fork. Must be called before anything but the clock is asked for.
    pub fn name_start(&mut self, unnamed: Unnamed, script: ScriptRef) {
        let Some(state) = self.layer.script(script) else { return };
        let run = Run { of: script, nth: state.started + 1 };
        let habit = state.spec.habit;
        self.kernel.name(unnamed, run, habit, &mut self.out);
        self.started(run, unnamed.pid);
        self.layer.by_pid.insert(unnamed.pid, script);
    }

    /// Returns the script of the last child that the daemon started with this pid, whatever became of it.
    #[must_use]
    pub fn script_of_pid(&self, pid: Pid) -> Option<ScriptRef> {
        self.layer.by_pid.get(&pid).copied()
    }

    /// Returns the script of the generation in force that has this one of the [`FIFOS`].
    #[must_use]
    pub fn script_of_fifo(&self, fifo: &str) -> Option<ScriptRef> {
        let nth = FIFOS.iter().position(|name| *name == fifo)?;
        let scripts = self.layer.current.iter().enumerate();
        let (place, _) = scripts.filter(|(_, script)| script.spec.kind == ScriptKind::Fifo).nth(nth)?;
        Some(self.layer.in_force(u16::try_from(place).ok()?))
    }

    /// Returns the script of the generation in force with this name.
    #[must_use]
    pub fn script_named(&self, name: &str) -> Option<ScriptRef> {
        let place = self.layer.current.iter().position(|script| script.spec.name.as_str() == name)?;
        Some(self.layer.in_force(u16::try_from(place).ok()?))
    }
}
