//! The script layer's own state: the scripts of the generations, and what the handler that began has still to do.
//!
//! Always: the scripts of the generation in force and, as they were when it was freed, those of the one before
//! are known. An argument that names an older generation's script is as a freed object that was overwritten:
//! its handler begins and does nothing.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use treefall_model::event::{Event, Handler, LogLine};
use treefall_model::id::{ConfigId, Generation, Pid, ScriptId, ScriptRef};

use treefall_model::signal::Signal;
use treefall_model::time::{Instant, Span};
use treefall_model::trace::{Config, Script, Trace};

use crate::ops::{Handle, Op};

/// Where a script's run stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Not running.
    Idle,
    /// Running.
    Running,
    /// Told to end by SIGTERM.
    Requesting,
    /// Told to end by SIGKILL.
    Forcing,
}

/// Whether a script's result is one that it earned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Init {
    /// Not yet: it is as it was at the start of the process.
    Start,
    /// Not yet: it came with a reload.
    Reload,
    /// Yes.
    Done,
}

/// A script of a generation, as the program's own object.
#[derive(Clone, Copy)]
pub(crate) struct ScriptState<'t> {
    /// What the configuration says of it.
    pub(crate) spec: &'t Script,
    /// Where its run stands.
    pub(crate) state: State,
    /// Whether its result is its own.
    pub(crate) init: Init,
    /// 0 to rise + fall - 1; up from rise on.
    pub(crate) result: u16,
    /// The last exit code of a run that exited by itself.
    pub(crate) last_code: u8,
    /// Runs started.
    pub(crate) started: u32,
    /// The pid of the last of them.
    pub(crate) last_pid: Option<Pid>,
    /// When the last start was tried.
    pub(crate) last_start: Instant,
    /// The entry that watches its run, if it is one that cancels.
    pub(crate) entry: Option<Handle>,
}

impl<'t> ScriptState<'t> {
    /// A script that never ran: one success makes it up.
    pub(crate) fn new(spec: &'t Script, init: Init) -> Self {
        Self {
            spec,
            state: State::Idle,
            init,
            result: u16::from(spec.rise) - 1,
            last_code: 0,
            started: 0,
            last_pid: None,
            last_start: Instant::START,
            entry: None,
        }
    }
}

/// A thing that a handler does.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    /// An operation of the scheduler.
    Op(Op),
    /// A log line.
    Log(LogLine),
    /// Something that only the world knows of.
    Event(Event),
    /// The fifo scripts of the generation in force start, from this script on.
    StartFifos(u16),
    /// The dispatcher goes on with this script of the generation in force.
    Dispatch(u16),
    /// A run is to start, its child watched by this handler.
    Start(ScriptRef, Handler),
    /// A child that timed out is told to end; it is given `grace` for it.
    TellToEnd {
        /// Its script.
        script: ScriptRef,
        /// By its timeout.
        handler: Handler,
        /// The child.
        pid: Pid,
        /// How.
        signal: Signal,
        /// How long it has then.
        grace: Span,
    },
    /// The entry of the script's run is cancelled.
    Cancel(ScriptRef),
    /// Its group is sent SIGKILL, whatever comes of it.
    KillGroup(Pid),
    /// A misc check's next start is armed.
    ArmMisc(ScriptRef),
    /// The children are counted, and then?
    Count(Counted),
    /// The new configuration is read and takes the place of the old.
    ReadConfig(ConfigId),
    /// The old configuration is freed, the reload's handler returns.
    ReloadDone,
}

/// For whom the children are counted.
#[derive(Clone, Copy)]
pub(crate) enum Counted {
    /// The beginning of a shutdown.
    TerminateStart,
    /// The end of the instances' time in it.
    ShutdownTimer,
    /// The backstop.
    Backstop,
}

/// The script layer's state.
#[derive(Clone)]
pub(crate) struct Layer<'t> {
    configs: &'t [Config],
    generation: Generation,
    pub(crate) current: Vec<ScriptState<'t>>,
    /// Of the generation before, freed.
    pub(crate) freed: Vec<ScriptState<'t>>,
    /// What the handler that began has still to do.
    pub(crate) actions: VecDeque<Action>,
    /// Who waits for the number of children.
    pub(crate) counting: Option<Counted>,
    /// Whose run's entry is being cancelled.
    pub(crate) cancelling: Option<ScriptRef>,
    /// The configurations have an instance, which tracks their scripts.
    pub(crate) has_instance: bool,
}

impl<'t> Layer<'t> {
    pub(crate) fn new(trace: &'t Trace) -> Self {
        let configs = &trace.setup().configs;
        let current = configs[0].scripts.iter().map(|spec| ScriptState::new(spec, Init::Start)).collect();
        Self {
            configs,
            generation: Generation::default(),
            current,
            freed: Vec::new(),
            actions: VecDeque::new(),
            counting: None,
            cancelling: None,
            has_instance: false,
        }
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    /// The next generation begins, of configuration `config`: the scripts in force become those freed, and
    /// `current` is left empty. The scripts that it is to hold are returned.
    pub(crate) fn turn(&mut self, config: ConfigId) -> &'t [Script] {
        core::mem::swap(&mut self.current, &mut self.freed);
        self.current.clear();
        self.generation = self.generation.next();
        self.configs.get(usize::from(config.0)).map_or(&[], |config| &config.scripts)
    }

    /// Script number `place` of the generation in force.
    pub(crate) fn in_force(&self, place: u16) -> ScriptRef {
        ScriptRef { generation: self.generation, script: ScriptId(place) }
    }

    /// The object that an argument points at, if it is one that is still known.
    pub(crate) fn script(&mut self, script: ScriptRef) -> Option<&mut ScriptState<'t>> {
        let place = usize::from(script.script.0);
        if script.generation == self.generation {
            self.current.get_mut(place)
        } else if script.generation.next() == self.generation {
            self.freed.get_mut(place)
        } else {
            None
        }
    }

    pub(crate) fn then(&mut self, action: Action) {
        self.actions.push_back(action);
    }
}
