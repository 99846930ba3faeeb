//! A trace: all that the outside world does to a scheduler, as a plain value.
//!
//! A [`Trace`] is a [`Setup`] and a list of [`Wake`]s. No random number is in it and nothing about a release:
//! the same trace can be given to every subject. It is built through [`Trace::new`], which refuses what no
//! run could mean, so that whoever holds a trace holds a valid one.
//!
//! What arrives while handlers run is the next wake at +0: between two blocking calls the program cannot see
//! the outside world but through the descriptors that the next blocking call reports, and the signals of one
//! read are merged and sorted by the kernel. A signal at any moment inside a handler is therefore the same as
//! that signal at the handler's end. Children that die of a signal sent to them are the world's own doing:
//! [`Habit`] says when, and the world makes a wake of its own for them (see `treefall_world::kernel`).

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::id::{ConfigId, Generation, Run, ScriptId, ScriptRef, StartNo};
use crate::signal::{ExitStatus, Signal};
use crate::time::Span;

/// Most configurations of one trace.
pub const CONFIGS_MAX: usize = 16;
/// Most scripts of one configuration.
pub const SCRIPTS_MAX: usize = 4_096;
/// Most wakes of one trace.
pub const WAKES_MAX: usize = 4_000_000;
/// Most exits in one wake.
pub const EXITS_MAX: usize = 4_096;
/// Longest name of a script, in bytes.
pub const NAME_MAX: usize = 64;
/// Highest number of a start that can be told to fail.
pub const START_NO_MAX: u32 = 1 << 24;
/// Most starts that can be told to fail.
pub const FORK_FAILURES_MAX: usize = 4_096;

/// What keepalived runs a script for; it decides which handlers its entry has (keepalived.md, section 5).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ScriptKind {
    /// A `track_script` of the vrrp process: started at each tick of its interval.
    #[default]
    Track,
    /// A `MISC_CHECK` of the checker process: the next start is armed only after the exit.
    Misc,
    /// A notify fifo's script: started once a generation, its entry has no deadline.
    Fifo,
    /// A track script that does not wait: a tick that finds its last run not ended cancels that run's entry, kills
    /// the child and starts the next. keepalived has none; it is here to have entries cancelled.
    Cancelling,
}

impl ScriptKind {
    /// Whether it is started at each tick and its results are counted.
    #[must_use]
    pub const fn is_track(self) -> bool {
        matches!(self, Self::Track | Self::Cancelling)
    }
}

/// What a child of this script does when it is told to die.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Habit {
    /// On SIGTERM.
    pub on_term: OnTerm,
    /// How long after a SIGKILL it is still there (a process in an uninterruptible wait dies late).
    pub kill_linger: Span,
}

/// What a child does on SIGTERM.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum OnTerm {
    /// Dies of it, this long after.
    Dies(Span),
    /// Ignores it: it ends when the trace says so, or by SIGKILL.
    Ignores,
}

impl Default for OnTerm {
    fn default() -> Self {
        Self::Dies(Span::ZERO)
    }
}

/// A script of a configuration.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Script {
    /// Its name; reload carries results over by it. Unique in its configuration.
    pub name: Name,
    /// What it is run for.
    pub kind: ScriptKind,
    /// From one tick to the next (Misc: `delay_loop`), at least 1 us.
    pub interval: Span,
    /// How long a run may take before it is told to end, at least 1 us.
    pub timeout: Span,
    /// Successes in a row until it counts as up, 1 to 255.
    pub rise: u8,
    /// Failures in a row until it counts as down, 1 to 255.
    pub fall: u8,
    /// What its children do when told to die.
    pub habit: Habit,
}

impl Script {
    /// A track script with keepalived's defaults: rise and fall 1, interval 1 s, timeout as the interval.
    #[must_use]
    pub fn new(name: Name) -> Self {
        let second = Span::from_secs(1);
        Self {
            name,
            kind: ScriptKind::Track,
            interval: second,
            timeout: second,
            rise: 1,
            fall: 1,
            habit: Habit::default(),
        }
    }
}

/// The name of a script: 1 to [`NAME_MAX`] letters, digits, `_`, `-` and `.`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Name(String);

impl Name {
    /// A name, if `text` is one.
    ///
    /// # Errors
    /// [`TraceError::BadName`] when it is empty, too long, or holds another character.
    pub fn new(text: &str) -> Result<Self, TraceError> {
        let good = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.');
        if text.is_empty() || text.len() > NAME_MAX || !text.bytes().all(good) {
            return Err(TraceError::BadName(text.to_string()));
        }
        Ok(Self(text.to_string()))
    }

    /// The name that a script gets when nobody names it: `s0`, `s1`, by its place.
    #[must_use]
    pub fn numbered(place: usize) -> Self {
        Self(alloc::format!("s{place}"))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One configuration: its scripts in the order of the file.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Config {
    /// The scripts, at most [`SCRIPTS_MAX`].
    pub scripts: Vec<Script>,
}

/// Which pids children get.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PidPolicy {
    /// Each higher than the last.
    #[default]
    Ascending,
    /// Spread over the pid space in an order of its own, so that the pid tree takes other shapes.
    Scattered,
    /// The lowest that no living or unreaped child has.
    Reused,
}

/// Which of the freed blocks an allocation gets.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HeapPolicy {
    /// The one freed last, as most allocators do.
    #[default]
    LastFreedFirst,
    /// The one freed first.
    FirstFreedFirst,
    /// None: a freed block is never handed out again.
    NeverAgain,
}

/// Time that passes inside an iteration of the loop. All zero: handlers take no time and ties stay ties.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Costs {
    /// Of each callback of the script layer, when it begins.
    pub callback: Span,
    /// Of each attempt to start a child.
    pub start: Span,
    /// Of each log line.
    pub log: Span,
    /// Of each child reaped, while the signals are being read: a log line there, for one.
    pub reap: Span,
    /// Of each reload's reading of its configuration, between the old entries' end and the new scripts' start.
    pub reload: Span,
}

impl Costs {
    /// What each is called, in the order of [`each`](Self::each).
    pub const NAMES: [&str; 5] = ["callback", "start", "log", "reap", "reload"];

    /// All of them.
    #[must_use]
    pub const fn each(self) -> [Span; 5] {
        [self.callback, self.start, self.log, self.reap, self.reload]
    }

    /// These, in the same order.
    #[must_use]
    pub const fn of([callback, start, log, reap, reload]: [Span; 5]) -> Self {
        Self { callback, start, log, reap, reload }
    }
}

/// Longest cost of one kind: a second.
pub const COST_MAX: Span = Span::from_secs(1);

/// What stays the same over a trace.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Setup {
    /// One or more; the first is in force at the start, a SIGHUP names the one it brings.
    pub configs: Vec<Config>,
    /// The starts that fail to fork, by number.
    pub fork_failures: BTreeSet<StartNo>,
    /// The pid policy.
    pub pids: PidPolicy,
    /// The heap policy.
    pub heap: HeapPolicy,
    /// Costs inside an iteration.
    pub costs: Costs,
}

impl Setup {
    /// Whether any script of any configuration is of this kind.
    #[must_use]
    pub fn has_kind(&self, kind: ScriptKind) -> bool {
        self.configs.iter().flat_map(|config| &config.scripts).any(|script| script.kind == kind)
    }
}

/// How far the clock moves until the blocking call returns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Advance {
    /// To the deadline that the timerfd is armed for; not at all if it is not armed or overdue.
    NextTimer,
    /// By this span, counted from the moment the loop blocked. Past the armed deadline, the loop is late.
    By(Span),
}

/// Which of two ready descriptors the blocking call reports first.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Order {
    /// The timerfd.
    #[default]
    TimerFirst,
    /// The signalfd.
    SignalsFirst,
}

/// A child's exit, told from outside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Exit {
    /// Whose. Not alive at that moment: recorded as moot.
    pub run: Run,
    /// How.
    pub status: ExitStatus,
}

/// One return of the blocking call, and what the outside world did before it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Wake {
    /// How far the clock moves.
    pub advance: Advance,
    /// The children that exit. Sorted by run: zombies are reaped in the order they were forked.
    pub exits: Vec<Exit>,
    /// A SIGHUP, and the configuration that its reload will read.
    pub hup: Option<ConfigId>,
    /// A SIGTERM.
    pub term: bool,
    /// Which descriptor is reported first when both are ready.
    pub order: Order,
}

impl Wake {
    /// A wake by the timer alone.
    #[must_use]
    pub const fn next_timer() -> Self {
        Self::new(Advance::NextTimer)
    }

    /// A wake that nothing but the clock brings.
    #[must_use]
    pub const fn new(advance: Advance) -> Self {
        Self { advance, exits: Vec::new(), hup: None, term: false, order: Order::TimerFirst }
    }

    /// The same with a SIGHUP that brings configuration `config`.
    #[must_use]
    pub fn hup(mut self, config: ConfigId) -> Self {
        self.hup = Some(config);
        self
    }

    /// The same with a SIGTERM.
    #[must_use]
    pub fn term(mut self) -> Self {
        self.term = true;
        self
    }

    /// The same with the signals reported before the timer.
    #[must_use]
    pub fn signals_first(mut self) -> Self {
        self.order = Order::SignalsFirst;
        self
    }

    /// The same with one more exit.
    #[must_use]
    pub fn exit(mut self, run: Run, status: ExitStatus) -> Self {
        self.exits.push(Exit { run, status });
        self.exits.sort_unstable();
        self
    }

    /// External events that this wake brings besides the timer: exits and signals.
    #[must_use]
    pub fn external_events(&self) -> usize {
        self.exits.len() + usize::from(self.hup.is_some()) + usize::from(self.term)
    }
}

/// A valid trace. See the [module](self) for what holds in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Trace {
    setup: Setup,
    wakes: Vec<Wake>,
}

impl Trace {
    /// A trace of these parts.
    ///
    /// # Errors
    /// A [`TraceError`] that names the first part that no run could mean.
    pub fn new(setup: Setup, mut wakes: Vec<Wake>) -> Result<Self, TraceError> {
        check_setup(&setup)?;
        if wakes.len() > WAKES_MAX {
            return Err(TraceError::TooMany { what: "wakes", limit: WAKES_MAX });
        }
        let mut reloads = 0;
        for (place, wake) in wakes.iter_mut().enumerate() {
            wake.exits.sort_unstable();
            check_wake(&setup, wake, place, reloads)?;
            reloads += u32::from(wake.hup.is_some());
        }
        Ok(Self { setup, wakes })
    }

    /// What stays the same over the trace.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The wakes, in order.
    #[must_use]
    pub fn wakes(&self) -> &[Wake] {
        &self.wakes
    }

    /// Takes the trace apart, to change it and build another.
    #[must_use]
    pub fn into_parts(self) -> (Setup, Vec<Wake>) {
        (self.setup, self.wakes)
    }
}

fn check_setup(setup: &Setup) -> Result<(), TraceError> {
    if setup.configs.is_empty() {
        return Err(TraceError::NoConfig);
    }
    let too_many = |what, limit| Err(TraceError::TooMany { what, limit });
    if setup.configs.len() > CONFIGS_MAX {
        return too_many("configurations", CONFIGS_MAX);
    }
    if setup.fork_failures.len() > FORK_FAILURES_MAX {
        return too_many("failing starts", FORK_FAILURES_MAX);
    }
    if let Some(start) = setup.fork_failures.iter().find(|start| start.0 > START_NO_MAX) {
        return Err(TraceError::StartTooFar(*start));
    }
    if setup.costs.each().iter().any(|cost| *cost > COST_MAX) {
        return Err(TraceError::CostTooLong);
    }
    for (number, config) in setup.configs.iter().enumerate() {
        if config.scripts.len() > SCRIPTS_MAX {
            return too_many("scripts", SCRIPTS_MAX);
        }
        let mut names = BTreeSet::new();
        for script in &config.scripts {
            check_script(script)?;
            if !names.insert(&script.name) {
                let config = ConfigId(u8::try_from(number).unwrap_or(u8::MAX));
                return Err(TraceError::NameTwice { name: script.name.clone(), config });
            }
        }
    }
    Ok(())
}

fn check_script(script: &Script) -> Result<(), TraceError> {
    let wrong = |what| Err(TraceError::ZeroInScript { name: script.name.clone(), what });
    match script {
        Script { interval: Span::ZERO, .. } => wrong("interval"),
        Script { timeout: Span::ZERO, .. } => wrong("timeout"),
        Script { rise: 0, .. } => wrong("rise"),
        Script { fall: 0, .. } => wrong("fall"),
        _ => Ok(()),
    }
}

fn check_wake(setup: &Setup, wake: &Wake, place: usize, reloads: u32) -> Result<(), TraceError> {
    if wake.exits.len() > EXITS_MAX {
        return Err(TraceError::TooMany { what: "exits in one wake", limit: EXITS_MAX });
    }
    if let Some(config) = wake.hup
        && usize::from(config.0) >= setup.configs.len()
    {
        return Err(TraceError::NoSuchConfig { wake: place, config });
    }
    let widest = setup.configs.iter().map(|config| config.scripts.len()).max().unwrap_or(0);
    for (n, exit) in wake.exits.iter().enumerate() {
        let ScriptRef { generation, script } = exit.run.of;
        let known = usize::from(script.0) < widest && generation.0 <= reloads && exit.run.nth > 0;
        if !known {
            return Err(TraceError::NoSuchRun { wake: place, run: exit.run });
        }
        if n > 0 && wake.exits[n - 1].run == exit.run {
            return Err(TraceError::ExitTwice { wake: place, run: exit.run });
        }
    }
    Ok(())
}

/// Shorthand for tests and tables: the run of script `script`, generation `generation`, start `nth`.
#[must_use]
pub const fn run(script: u16, generation: u32, nth: u32) -> Run {
    Run { of: ScriptRef { generation: Generation(generation), script: ScriptId(script) }, nth }
}

/// Why a trace cannot be built.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TraceError {
    /// The setup has no configuration.
    NoConfig,
    /// More of something than a trace may hold.
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// Not a name for a script.
    BadName(String),
    /// Two scripts of one configuration share a name.
    NameTwice {
        /// The name.
        name: Name,
        /// The configuration.
        config: ConfigId,
    },
    /// A value of a script that must not be zero.
    ZeroInScript {
        /// The script.
        name: Name,
        /// The value.
        what: &'static str,
    },
    /// A failing start beyond [`START_NO_MAX`].
    StartTooFar(StartNo),
    /// A cost beyond [`COST_MAX`].
    CostTooLong,
    /// A SIGHUP brings a configuration that the setup does not have.
    NoSuchConfig {
        /// The wake, from 0.
        wake: usize,
        /// The configuration asked for.
        config: ConfigId,
    },
    /// An exit of a run that no release can have started by then.
    NoSuchRun {
        /// The wake, from 0.
        wake: usize,
        /// The run.
        run: Run,
    },
    /// One wake ends a run twice.
    ExitTwice {
        /// The wake, from 0.
        wake: usize,
        /// The run.
        run: Run,
    },
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoConfig => write!(f, "a trace needs at least one configuration"),
            Self::TooMany { what, limit } => write!(f, "more than {limit} {what}"),
            Self::BadName(text) => write!(
                f,
                "{text:?} is no name for a script: 1 to {NAME_MAX} letters, digits, `_`, `-` and `.`"
            ),
            Self::NameTwice { name, config } => {
                write!(f, "two scripts of configuration {} are called {name}", config.0)
            }
            Self::ZeroInScript { name, what } => write!(f, "the {what} of script {name} must not be zero"),
            Self::StartTooFar(start) => {
                write!(f, "start {} cannot be told to fail: the highest is {START_NO_MAX}", start.0)
            }
            Self::CostTooLong => write!(f, "a cost may be at most {COST_MAX}"),
            Self::NoSuchConfig { wake, config } => {
                write!(f, "wake {wake} reloads configuration {}, which the setup does not have", config.0)
            }
            Self::NoSuchRun { wake, run } => {
                write!(f, "wake {wake} ends run {run}, which nothing can have started by then")
            }
            Self::ExitTwice { wake, run } => write!(f, "wake {wake} ends run {run} twice"),
        }
    }
}

impl core::error::Error for TraceError {}

/// Signals that a wake can bring, beside the SIGCHLD that its exits raise.
pub fn signals(wake: &Wake) -> impl Iterator<Item = Signal> {
    let hup = wake.hup.map(|_| Signal::HUP);
    let term = wake.term.then_some(Signal::TERM);
    hup.into_iter().chain(term)
}
