//! The world around a whole daemon: its kernel serves, its script layer is the daemon's own and is followed.
//!
//! The driver tells what the daemon shows itself to be doing (a reload begins, its configuration is in force);
//! the layer here only keeps which scripts there are, so that runs, log lines and generations bear names.
//!
//! Always: nothing is decided here that the daemon decides. [`begin`](World::begin) and
//! [`next_op`](World::next_op) are not called on such a world.

use treefall_model::event::Event;
use treefall_model::id::{ConfigId, Run, ScriptRef};
use treefall_model::observe::Observer;
use treefall_model::trace::ScriptKind;

use crate::kernel::Unnamed;
use crate::layer::{Init, ScriptState};
use crate::world::World;

/// The fifos that a daemon's configuration can have, in the order in which it starts their scripts: so are the scripts
/// called that a trace's fifo scripts are given to it as, the first of a configuration as the first here. A daemon
/// is given no more of them.
pub const FIFOS: [&str; 2] = ["notify_fifo", "vrrp_notify_fifo"];

impl<O: Observer> World<'_, O> {
    /// The daemon begins a reload, and will read the configuration that is returned. From here on its scripts
    /// are the ones that names mean: what the daemon says of scripts in a reload, it says of the new ones.
    pub fn reload_begins(&mut self) -> ConfigId {
        let config = self.kernel.file();
        let generation = self.layer.generation().next();
        self.emit(Event::ReloadBegun { config, generation });
        let scripts = self.layer.turn(config);
        self.layer.current.extend(scripts.iter().map(|spec| ScriptState::new(spec, Init::Reload)));
        config
    }

    /// The daemon's reload is done.
    pub fn reload_ends(&mut self) {
        self.out.counts.reloads += 1;
        self.emit(Event::ReloadDone { generation: self.layer.generation() });
    }

    /// The daemon begins its shutdown.
    pub fn termination_begins(&mut self) {
        self.emit(Event::TerminationBegun);
    }

    /// The daemon forks. `None`: the setup says that this start fails; it is then to be told as
    /// [`spawn`](World::spawn) with its script.
    pub fn fork_unnamed(&mut self) -> Option<Unnamed> {
        self.count_step();
        (!self.kernel.next_start_fails()).then(|| self.kernel.fork_unnamed())
    }

    /// What the daemon forked is a run of `script`. To be told before anything but the clock is asked for.
    pub fn name_start(&mut self, unnamed: Unnamed, script: ScriptRef) {
        let Some(state) = self.layer.script(script) else { return };
        let run = Run { of: script, nth: state.started + 1 };
        let habit = state.spec.habit;
        self.kernel.name(unnamed, run, habit, &mut self.out);
        self.started(run, unnamed.pid);
    }

    /// The script of the generation in force that the script of this one of the [`FIFOS`] is.
    #[must_use]
    pub fn script_of_fifo(&self, fifo: &str) -> Option<ScriptRef> {
        let nth = FIFOS.iter().position(|name| *name == fifo)?;
        let scripts = self.layer.current.iter().enumerate();
        let (place, _) = scripts.filter(|(_, script)| script.spec.kind == ScriptKind::Fifo).nth(nth)?;
        Some(self.layer.in_force(u16::try_from(place).ok()?))
    }

    /// The script of the generation in force that bears this name.
    #[must_use]
    pub fn script_named(&self, name: &str) -> Option<ScriptRef> {
        let place = self.layer.current.iter().position(|script| script.spec.name.as_str() == name)?;
        Some(self.layer.in_force(u16::try_from(place).ok()?))
    }
}
