//! A trace: everything that the outside world does to a scheduler, as a plain value.
//!
//! A [`Trace`] is a [`Setup`] and a list of [`Wake`]s. It holds no random numbers and nothing about a release, so every
//! subject can run the same trace. [`Trace::new`] refuses what no run could mean, so every trace is valid.
//!
//! Events that arrive while handlers run belong to the next wake, at +0. Between two blocking calls the program sees
//! the outside world only through the descriptors that the next blocking call reports, and the kernel merges and sorts
//! the signals of one read. A signal inside a handler therefore equals that signal at the handler's end.
//!
//! The world itself makes children die of signals that the program sends them: [`Habit`] says when, and the world adds
//! wakes of its own for them (see `treefall_world::kernel`).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::id::{ConfigId, Generation, LinkId, Run, ScriptId, ScriptRef, StartNo};
use crate::outside;
pub use crate::outside::{EVENTS_MAX, External, LINKS_MAX, Link, Rank};
use crate::signal::{ExitStatus, Signal};
use crate::time::Span;
pub use crate::valid::{COST_MAX, LINK_DELAY_MAX, LINK_NAME_MAX, NAME_MAX, Name, START_NO_MAX, TraceError};

/// Most configurations of one trace.
pub const CONFIGS_MAX: usize = 16;
/// Most scripts of one configuration.
pub const SCRIPTS_MAX: usize = 4_096;
/// Most wakes of one trace.
pub const WAKES_MAX: usize = 4_000_000;
/// Most exits in one wake.
pub const EXITS_MAX: usize = 4_096;
/// Most starts that can be made to fail.
pub const FORK_FAILURES_MAX: usize = 4_096;

/// Purpose of a script; it decides which handlers the script's entry has (keepalived.md, section 5).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ScriptKind {
    /// A `track_script` of the vrrp process: started at each tick of its interval.
    #[default]
    Track,
    /// A `MISC_CHECK` of the checker process: the next start is armed after the exit.
    Misc,
    /// A notify fifo's script: started once in each generation; its entry has no deadline.
    Fifo,
    /// A track script that does not wait: a tick that finds the last run still going cancels that run's entry, kills
    /// the child and starts the next. keepalived has no such script; it exists so that entries are cancelled.
    Cancelling,
}

impl ScriptKind {
    /// Whether it is started at each tick and its results are counted.
    #[must_use]
    pub const fn is_track(self) -> bool {
        matches!(self, Self::Track | Self::Cancelling)
    }
}

/// What a script's child does when it is told to die.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Habit {
    /// Reaction to SIGTERM.
    pub on_term: OnTerm,
    /// How long it lives on after a SIGKILL, as a process in an uninterruptible wait does.
    pub kill_linger: Span,
}

/// Reaction of a child to SIGTERM.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum OnTerm {
    /// Dies of it after this span.
    Dies(Span),
    /// Ignores it; ends when the trace says so, or by SIGKILL.
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
    /// The name, unique in its configuration; a reload carries results over by it.
    pub name: Name,
    /// The purpose.
    pub kind: ScriptKind,
    /// Time between ticks (Misc: `delay_loop`), at least 1 us.
    pub interval: Span,
    /// Time after which a run is told to end, at least 1 us.
    pub timeout: Span,
    /// Successes in a row after which it counts as up, 1 to 255.
    pub rise: u8,
    /// Failures in a row after which it counts as down, 1 to 255.
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

/// A configuration: its scripts in the order of the file.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Config {
    /// The scripts, at most [`SCRIPTS_MAX`].
    pub scripts: Vec<Script>,
}

/// Policy for the pids of children.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PidPolicy {
    /// Each pid is higher than the last.
    #[default]
    Ascending,
    /// Pids are spread over the pid space, so that the pid tree takes other shapes.
    Scattered,
    /// The lowest pid of no living or unreaped child.
    Reused,
}

/// Policy for reusing freed heap blocks.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HeapPolicy {
    /// The block freed last is reused first, as most allocators do.
    #[default]
    LastFreedFirst,
    /// The block freed first is reused first.
    FirstFreedFirst,
    /// A freed block is never reused.
    NeverAgain,
    /// A freed block is never reused, and a real program that uses a freed scheduler entry ends there
    /// ([`Law::NoUseAfterFree`](crate::law::Law::NoUseAfterFree)). On a replica, as [`NeverAgain`](Self::NeverAgain).
    Guarded,
}

impl HeapPolicy {
    /// All policies.
    pub const ALL: [Self; 4] = [Self::LastFreedFirst, Self::FirstFreedFirst, Self::NeverAgain, Self::Guarded];
}

/// Time that passes inside an iteration of the loop. All zero: handlers take no time, and ties stay ties.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Costs {
    /// Cost of each callback of the script layer, when it begins.
    pub callback: Span,
    /// Cost of each attempt to start a child.
    pub start: Span,
    /// Cost of each log line.
    pub log: Span,
    /// Cost of each child reaped while signals are read, such as a log line there.
    pub reap: Span,
    /// Cost of reading the configuration at a reload, after the old entries end and before the new scripts start.
    pub reload: Span,
}

impl Costs {
    /// Names of the costs, in the order of [`each`](Self::each).
    pub const NAMES: [&str; 5] = ["callback", "start", "log", "reap", "reload"];

    /// Returns all costs.
    #[must_use]
    pub const fn each(self) -> [Span; 5] {
        [self.callback, self.start, self.log, self.reap, self.reload]
    }

    /// Builds costs from values in the same order.
    #[must_use]
    pub const fn of([callback, start, log, reap, reload]: [Span; 5]) -> Self {
        Self { callback, start, log, reap, reload }
    }
}

/// The part of a trace that stays the same from wake to wake.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Setup {
    /// One or more configurations; the first is in force at the start, a SIGHUP names the one that it brings.
    pub configs: Vec<Config>,
    /// Starts whose fork fails, by number.
    pub fork_failures: BTreeSet<StartNo>,
    /// The pid policy.
    pub pids: PidPolicy,
    /// The heap policy.
    pub heap: HeapPolicy,
    /// Costs inside an iteration of the loop.
    pub costs: Costs,
    /// The network interfaces that events name, at most [`LINKS_MAX`]; all are up at the start.
    pub links: Vec<Link>,
}

impl Setup {
    /// Whether any configuration has a script of this kind.
    #[must_use]
    pub fn has_kind(&self, kind: ScriptKind) -> bool {
        self.configs.iter().flat_map(|config| &config.scripts).any(|script| script.kind == kind)
    }
}

/// How far the clock moves until the blocking call returns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Advance {
    /// To the deadline of the timerfd; not at all if it is disarmed or overdue.
    NextTimer,
    /// By this span, from the moment the loop blocked. Past the armed deadline, the loop is late.
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

/// Exit of a child.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Exit {
    /// The run; if it is not alive, the exit is recorded as moot.
    pub run: Run,
    /// The exit status.
    pub status: ExitStatus,
}

/// One return of the blocking call, with everything that the outside world did before it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Wake {
    /// How far the clock moves.
    pub advance: Advance,
    /// The children that exit, sorted by run: zombies are reaped in the order in which they were forked.
    pub exits: Vec<Exit>,
    /// A SIGHUP, with the configuration that its reload will read.
    pub hup: Option<ConfigId>,
    /// Whether there is a SIGTERM.
    pub term: bool,
    /// Which of timerfd and signalfd is reported first when both are ready.
    pub order: Order,
    /// External events, in their order, at most [`EVENTS_MAX`].
    pub events: Vec<External>,
    /// Where their descriptor is reported; [`Rank::Last`] in a trace without interfaces.
    pub rank: Rank,
}

impl Wake {
    /// Creates a wake at the next timer.
    #[must_use]
    pub const fn next_timer() -> Self {
        Self::new(Advance::NextTimer)
    }

    /// Creates a wake with this advance and no events.
    #[must_use]
    pub const fn new(advance: Advance) -> Self {
        Self {
            advance,
            exits: Vec::new(),
            hup: None,
            term: false,
            order: Order::TimerFirst,
            events: Vec::new(),
            rank: Rank::Last,
        }
    }

    /// Adds a SIGHUP that brings configuration `config`.
    #[must_use]
    pub fn hup(mut self, config: ConfigId) -> Self {
        self.hup = Some(config);
        self
    }

    /// Adds a SIGTERM.
    #[must_use]
    pub fn term(mut self) -> Self {
        self.term = true;
        self
    }

    /// Reports the signals before the timer.
    #[must_use]
    pub fn signals_first(mut self) -> Self {
        self.order = Order::SignalsFirst;
        self
    }

    /// Adds an exit.
    #[must_use]
    pub fn exit(mut self, run: Run, status: ExitStatus) -> Self {
        self.exits.push(Exit { run, status });
        self.exits.sort_unstable();
        self
    }

    /// Adds an event of the outside world behind those that are there.
    #[must_use]
    pub fn event(mut self, event: External) -> Self {
        self.events.push(event);
        self
    }

    /// Adds a change of an interface.
    #[must_use]
    pub fn link(self, link: LinkId, up: bool) -> Self {
        self.event(External::Link { link, up })
    }

    /// Sets where the descriptor of external events is reported.
    #[must_use]
    pub fn ranked(mut self, rank: Rank) -> Self {
        self.rank = rank;
        self
    }

    /// Returns the number of external events besides the timer: exits, signals, and what happens to interfaces.
    #[must_use]
    pub fn external_events(&self) -> usize {
        self.exits.len() + usize::from(self.hup.is_some()) + usize::from(self.term) + self.events.len()
    }
}

/// A valid trace; see the [module](self).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Trace {
    setup: Setup,
    wakes: Vec<Wake>,
}

impl Trace {
    /// Checks the parts of a trace.
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
            if setup.links.is_empty() {
                wake.rank = Rank::Last;
            }
            check_wake(&setup, wake, place, reloads)?;
            reloads += u32::from(wake.hup.is_some());
        }
        Ok(Self { setup, wakes })
    }

    /// Returns the setup.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Returns the wakes, in order.
    #[must_use]
    pub fn wakes(&self) -> &[Wake] {
        &self.wakes
    }

    /// Returns the parts, to change them and build another trace.
    #[must_use]
    pub fn into_parts(self) -> (Setup, Vec<Wake>) {
        (self.setup, self.wakes)
    }
}

/// Removes the interfaces that `keeps` is false of, with their events.
pub fn retain_links(setup: &mut Setup, wakes: &mut [Wake], keeps: impl Fn(usize, &Link) -> bool) {
    let mut count = 0;
    let numbers: Vec<Option<LinkId>> = setup
        .links
        .iter()
        .enumerate()
        .map(|(place, link)| {
            let number = LinkId(count);
            let kept = keeps(place, link);
            count += u8::from(kept);
            kept.then_some(number)
        })
        .collect();
    let mut kept = numbers.iter().map(Option::is_some);
    setup.links.retain(|_| kept.next().unwrap_or(false));
    let number = |link: LinkId| numbers.get(usize::from(link.0)).copied().flatten();
    for wake in wakes {
        wake.events.retain(|event| number(event.link()).is_some());
        for External::Link { link, .. } in &mut wake.events {
            *link = number(*link).unwrap_or_default();
        }
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
    outside::check_links(&setup.links)?;
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
    outside::check_events(&setup.links, &wake.events, place)?;
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

/// Names the run of script `script`, generation `generation`, start `nth`: shorthand for tests and tables.
#[must_use]
pub const fn run(script: u16, generation: u32, nth: u32) -> Run {
    Run { of: ScriptRef { generation: Generation(generation), script: ScriptId(script) }, nth }
}

/// Returns the signals of a wake, without the SIGCHLD that its exits raise.
pub fn signals(wake: &Wake) -> impl Iterator<Item = Signal> {
    let hup = wake.hup.map(|_| Signal::HUP);
    let term = wake.term.then_some(Signal::TERM);
    hup.into_iter().chain(term)
}
