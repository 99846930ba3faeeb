//! State of the script layer: the scripts of the generations, and the actions that the current handler still has to do.
//!
//! Invariants: the scripts of the generation in force are known, and those of the one before as they were when freed.
//! An argument that names a script of an older generation is like a freed object that was overwritten: its handler
//! begins and does nothing.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use treefall_model::event::{Event, Handler, LogLine};
use treefall_model::id::{ConfigId, Generation, Pid, ScriptId, ScriptRef};

use treefall_model::signal::Signal;
use treefall_model::time::{Instant, Span};
use treefall_model::trace::{Config, Script, Trace};

use crate::ops::{Handle, Op};

/// State of a script's run.
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

/// Whether a script's result is its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Init {
    /// No: it is the initial one of the process.
    Start,
    /// No: a reload carried it over.
    Reload,
    /// Yes.
    Done,
}

/// A script of a generation, as the program's own object.
#[derive(Clone, Copy)]
pub(crate) struct ScriptState<'t> {
    /// The configuration of the script.
    pub(crate) spec: &'t Script,
    /// State of its run.
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
    /// Instant of the last attempt to start it.
    pub(crate) last_start: Instant,
    /// The entry that watches its run, of a script that cancels.
    pub(crate) entry: Option<Handle>,
}

impl<'t> ScriptState<'t> {
    /// Creates a script that never ran: one success brings it up.
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

/// One thing that a handler does.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    /// An operation of the scheduler.
    Op(Op),
    /// A log line.
    Log(LogLine),
    /// An event that only the world sees.
    Event(Event),
    /// Starts the fifo scripts of the generation in force, from this script on.
    StartFifos(u16),
    /// Dispatches the scripts of the generation in force, from this script on.
    Dispatch(u16),
    /// Starts a run, its child watched by this handler.
    Start(ScriptRef, Handler),
    /// Tells a child that timed out to end.
    TellToEnd {
        /// The script.
        script: ScriptRef,
        /// The handler of its timeout.
        handler: Handler,
        /// The child.
        pid: Pid,
        /// The signal.
        signal: Signal,
        /// Time until the next signal.
        grace: Span,
    },
    /// Cancels the entry of the script's run.
    Cancel(ScriptRef),
    /// Sends SIGKILL to the group and ignores the answer.
    KillGroup(Pid),
    /// Arms the next start of a misc check.
    ArmMisc(ScriptRef),
    /// Counts the children, for this purpose.
    Count(Counted),
    /// Reads the new configuration, which replaces the old.
    ReadConfig(ConfigId),
    /// Frees the old configuration; the reload's handler returns.
    ReloadDone,
}

/// Purpose of counting the children.
#[derive(Clone, Copy)]
pub(crate) enum Counted {
    /// The beginning of a shutdown.
    TerminateStart,
    /// The end of the instances' time in a shutdown.
    ShutdownTimer,
    /// The backstop.
    Backstop,
}

/// State of the script layer.
#[derive(Clone)]
pub(crate) struct Layer<'t> {
    configs: &'t [Config],
    generation: Generation,
    pub(crate) current: Vec<ScriptState<'t>>,
    /// Scripts of the generation before, freed.
    pub(crate) freed: Vec<ScriptState<'t>>,
    /// Actions that the current handler still has to do.
    pub(crate) actions: VecDeque<Action>,
    /// Purpose for which children are being counted.
    pub(crate) counting: Option<Counted>,
    /// The script whose run's entry is being cancelled.
    pub(crate) cancelling: Option<ScriptRef>,
    /// The script of each child that a whole daemon started.
    pub(crate) by_pid: BTreeMap<Pid, ScriptRef>,
    /// Whether the configurations have an instance, which tracks their scripts.
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
            by_pid: BTreeMap::new(),
            has_instance: false,
        }
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    /// Begins the next generation, of configuration `config`: the scripts in force become the freed ones, `current`
    /// becomes empty. Returns the scripts that it is to hold.
    pub(crate) fn turn(&mut self, config: ConfigId) -> &'t [Script] {
        core::mem::swap(&mut self.current, &mut self.freed);
        self.current.clear();
        self.generation = self.generation.next();
        self.configs.get(usize::from(config.0)).map_or(&[], |config| &config.scripts)
    }

    /// Identifies script `place` of the generation in force.
    pub(crate) fn in_force(&self, place: u16) -> ScriptRef {
        ScriptRef { generation: self.generation, script: ScriptId(place) }
    }

    /// Returns the object that an argument points at, if it is still known.
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
