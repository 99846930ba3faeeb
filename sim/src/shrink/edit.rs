//! The single changes that the shrinker tries, and that its minimality is measured by.

use treefall_model::id::{ConfigId, Generation, ScriptId, StartNo};
use treefall_model::signal::ExitStatus;
use treefall_model::time::Span;
use treefall_model::trace::{
    Advance, Costs, Habit, HeapPolicy, Name, OnTerm, Order, PidPolicy, Script, ScriptKind, Setup, Trace, Wake,
};

/// Above so many wakes, pairs of edits are not tried: their number grows with the square.
pub(super) const PAIRS_WAKES_MAX: usize = 5;

/// One change of a trace. `config` and `script` are places in the setup, `wake` and `exit` in the wakes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is its own sentence")]
pub enum Edit {
    /// The wakes `start..end` go; runs of generations that their reloads made go with them.
    DropWakes {
        start: usize,
        end: usize,
    },
    /// A wake and the next become one: exits and signals together, the clock moves as in the second.
    MergeWakes {
        wake: usize,
    },
    /// A wake and the next become one, the clock moves as in the first.
    MergeIntoFirst {
        wake: usize,
    },
    /// A wake and the next become one that comes late: the clock moves by this span.
    MergeLate {
        wake: usize,
        span: Span,
    },
    /// This place goes from every configuration.
    DropScript {
        script: usize,
    },
    /// One configuration loses its last script.
    DropLastScript {
        config: usize,
    },
    /// A configuration goes; reloads of it bring the first.
    DropConfig {
        config: usize,
    },
    DropExit {
        wake: usize,
        exit: usize,
    },
    DropHup {
        wake: usize,
    },
    DropTerm {
        wake: usize,
    },
    HupConfig {
        wake: usize,
        config: u8,
    },
    ExitNth {
        wake: usize,
        exit: usize,
        nth: u32,
    },
    ExitGeneration {
        wake: usize,
        exit: usize,
        generation: u32,
    },
    ExitStatus {
        wake: usize,
        exit: usize,
        status: ExitStatus,
    },
    SimplePids,
    SimpleHeap,
    NoCosts,
    NoCost {
        kind: u8,
    },
    ForksSucceed,
    ForkSucceeds {
        start: StartNo,
    },
    OrderOf {
        wake: usize,
        order: Order,
    },
    AdvanceOf {
        wake: usize,
        advance: Advance,
    },
    /// All scripts get this interval.
    AllIntervals {
        interval: Span,
    },
    /// All scripts get this timeout.
    AllTimeouts {
        timeout: Span,
    },
    /// Every script's timeout becomes its interval.
    TimeoutsAsIntervals,
    Interval {
        config: usize,
        script: usize,
        interval: Span,
    },
    Timeout {
        config: usize,
        script: usize,
        timeout: Span,
    },
    SimpleHabits,
    SimpleHabit {
        config: usize,
        script: usize,
    },
    Ignores {
        config: usize,
        script: usize,
    },
    DiesAtOnce {
        config: usize,
        script: usize,
    },
    NoLinger {
        config: usize,
        script: usize,
    },
    Kind {
        config: usize,
        script: usize,
    },
    RiseAndFall {
        config: usize,
        script: usize,
    },
    Names,
}

/// The whole seconds that times are tried at.
const SECONDS: [u64; 4] = [1, 2, 3, 5];

impl Edit {
    /// The edits that take a wake, a script, a configuration, an exit or a signal away.
    #[must_use]
    pub fn taking_away(trace: &Trace) -> Vec<Self> {
        let mut edits = Vec::new();
        of_wakes(trace.wakes(), &mut edits);
        let configs = &trace.setup().configs;
        let widest = configs.iter().map(|config| config.scripts.len()).max().unwrap_or(0);
        edits.extend((0..widest).rev().map(|script| Self::DropScript { script }));
        edits.extend((0..configs.len()).rev().map(|config| Self::DropConfig { config }));
        edits.extend((0..configs.len()).rev().map(|config| Self::DropLastScript { config }));
        for (wake, value) in trace.wakes().iter().enumerate() {
            edits.extend((0..value.exits.len()).rev().map(|exit| Self::DropExit { wake, exit }));
            edits.extend(value.hup.map(|_| Self::DropHup { wake }));
            edits.extend(value.term.then_some(Self::DropTerm { wake }));
        }
        edits
    }

    /// All single edits of a trace, those that take most away first.
    #[must_use]
    pub fn all(trace: &Trace) -> Vec<Self> {
        let mut edits = Self::taking_away(trace);
        of_setup(trace.setup(), &mut edits);
        for (wake, value) in trace.wakes().iter().enumerate() {
            of_wake(wake, value, trace.setup(), &mut edits);
        }
        for (config, value) in trace.setup().configs.iter().enumerate() {
            for (script, value) in value.scripts.iter().enumerate() {
                of_script(config, script, value, &mut edits);
            }
        }
        edits
    }

    /// The trace with this change; `None` when there is nothing to change or the result is no trace.
    #[must_use]
    pub fn apply(self, trace: &Trace) -> Option<Trace> {
        let (mut setup, mut wakes) = trace.clone().into_parts();
        self.change(&mut setup, &mut wakes)?;
        Trace::new(setup, wakes).ok().filter(|changed| changed != trace)
    }

    fn change(self, setup: &mut Setup, wakes: &mut Vec<Wake>) -> Option<()> {
        match self {
            Self::DropWakes { start, end } => drop_wakes(wakes, start, end)?,
            Self::MergeWakes { wake } => {
                let advance = wakes.get(wake + 1)?.advance;
                merge(wakes, wake, advance)?;
            }
            Self::MergeIntoFirst { wake } => {
                let advance = wakes.get(wake)?.advance;
                merge(wakes, wake, advance)?;
            }
            Self::MergeLate { wake, span } => merge(wakes, wake, Advance::By(span))?,
            Self::DropScript { script } => drop_script(setup, wakes, script)?,
            Self::DropLastScript { config } => {
                setup.configs.get_mut(config)?.scripts.pop()?;
            }
            Self::DropConfig { config } => drop_config(setup, wakes, config)?,
            Self::DropExit { wake, exit } => {
                let wake = wakes.get_mut(wake)?;
                (exit < wake.exits.len()).then(|| wake.exits.remove(exit))?;
            }
            Self::DropHup { wake } => drop_hup(wakes, wake)?,
            Self::DropTerm { wake } => wakes.get_mut(wake)?.term = false,
            Self::HupConfig { wake, config } => {
                wakes.get_mut(wake)?.hup.replace(ConfigId(config))?;
            }
            Self::ExitNth { wake, exit, nth } => wakes.get_mut(wake)?.exits.get_mut(exit)?.run.nth = nth,
            Self::ExitGeneration { wake, exit, generation } => {
                wakes.get_mut(wake)?.exits.get_mut(exit)?.run.of.generation = Generation(generation);
            }
            Self::ExitStatus { wake, exit, status } => {
                wakes.get_mut(wake)?.exits.get_mut(exit)?.status = status;
            }
            Self::OrderOf { wake, order } => wakes.get_mut(wake)?.order = order,
            Self::AdvanceOf { wake, advance } => wakes.get_mut(wake)?.advance = advance,
            _ => return self.change_setup(setup),
        }
        Some(())
    }

    fn change_setup(self, setup: &mut Setup) -> Option<()> {
        match self {
            Self::SimplePids => setup.pids = PidPolicy::default(),
            Self::SimpleHeap => setup.heap = HeapPolicy::default(),
            Self::NoCosts => setup.costs = Costs::default(),
            Self::NoCost { kind: 0 } => setup.costs.callback = Span::ZERO,
            Self::NoCost { kind: 1 } => setup.costs.start = Span::ZERO,
            Self::NoCost { .. } => setup.costs.log = Span::ZERO,
            Self::ForksSucceed => setup.fork_failures.clear(),
            Self::ForkSucceeds { start } => drop(setup.fork_failures.remove(&start)),
            Self::AllIntervals { interval } => each_script(setup, |script, _| script.interval = interval),
            Self::AllTimeouts { timeout } => each_script(setup, |script, _| script.timeout = timeout),
            Self::TimeoutsAsIntervals => each_script(setup, |script, _| script.timeout = script.interval),
            Self::SimpleHabits => each_script(setup, |script, _| script.habit = Habit::default()),
            Self::Names => each_script(setup, |script, place| script.name = Name::numbered(place)),
            _ => return self.change_script(setup),
        }
        Some(())
    }

    fn change_script(self, setup: &mut Setup) -> Option<()> {
        match self {
            Self::Interval { config, script, interval } => {
                script_at(setup, config, script)?.interval = interval
            }
            Self::Timeout { config, script, timeout } => script_at(setup, config, script)?.timeout = timeout,
            Self::SimpleHabit { config, script } => {
                script_at(setup, config, script)?.habit = Habit::default()
            }
            Self::Ignores { config, script } => {
                script_at(setup, config, script)?.habit.on_term = OnTerm::Ignores
            }
            Self::DiesAtOnce { config, script } => {
                script_at(setup, config, script)?.habit.on_term = OnTerm::Dies(Span::ZERO);
            }
            Self::NoLinger { config, script } => {
                script_at(setup, config, script)?.habit.kill_linger = Span::ZERO
            }
            Self::Kind { config, script } => script_at(setup, config, script)?.kind = ScriptKind::Track,
            Self::RiseAndFall { config, script } => {
                let script = script_at(setup, config, script)?;
                (script.rise, script.fall) = (1, 1);
            }
            _ => return None,
        }
        Some(())
    }
}

fn of_wakes(wakes: &[Wake], edits: &mut Vec<Edit>) {
    let length = wakes.len();
    edits.extend((0..length).rev().map(|start| Edit::DropWakes { start, end: start + 1 }));
    edits.extend((1..length).map(|end| Edit::DropWakes { start: 0, end }));
    for wake in (0..length.saturating_sub(1)).rev() {
        edits.push(Edit::MergeWakes { wake });
        edits.push(Edit::MergeIntoFirst { wake });
        edits.extend(SECONDS.map(|seconds| Edit::MergeLate { wake, span: Span::from_secs(seconds) }));
    }
}

fn of_setup(setup: &Setup, edits: &mut Vec<Edit>) {
    edits.extend([Edit::SimplePids, Edit::SimpleHeap, Edit::ForksSucceed, Edit::NoCosts]);
    edits.extend(setup.fork_failures.iter().map(|start| Edit::ForkSucceeds { start: *start }));
    edits.extend((0..3).map(|kind| Edit::NoCost { kind }));
    edits.extend([Edit::SimpleHabits, Edit::TimeoutsAsIntervals, Edit::Names]);
    for seconds in SECONDS.map(Span::from_secs) {
        edits.push(Edit::AllIntervals { interval: seconds });
        edits.push(Edit::AllTimeouts { timeout: seconds });
    }
}

fn of_wake(wake: usize, value: &Wake, setup: &Setup, edits: &mut Vec<Edit>) {
    for (exit, ended) in value.exits.iter().enumerate().rev() {
        edits.push(Edit::ExitStatus { wake, exit, status: ExitStatus::SUCCESS });
        edits.push(Edit::ExitStatus { wake, exit, status: ExitStatus::Code(1) });
        for nth in [1, ended.run.nth / 2, ended.run.nth - 1].into_iter().filter(|nth| *nth > 0) {
            edits.push(Edit::ExitNth { wake, exit, nth });
        }
        for generation in [0, ended.run.of.generation.0.saturating_sub(1)] {
            edits.push(Edit::ExitGeneration { wake, exit, generation });
        }
    }
    if value.hup.is_some() {
        edits.extend(
            (0..setup.configs.len().min(4)).map(|config| Edit::HupConfig { wake, config: config as u8 }),
        );
    }
    edits.push(Edit::OrderOf { wake, order: Order::TimerFirst });
    edits.push(Edit::AdvanceOf { wake, advance: Advance::NextTimer });
    let by = |span| Edit::AdvanceOf { wake, advance: Advance::By(span) };
    edits.push(by(Span::ZERO));
    edits.extend(SECONDS.map(|seconds| by(Span::from_secs(seconds))));
    if let Advance::By(span) = value.advance {
        let micros = span.as_micros();
        edits.extend(
            [micros / 1_000_000 * 1_000_000, micros / 2, micros.saturating_sub(1)]
                .map(Span::from_micros)
                .map(by),
        );
    }
}

fn of_script(config: usize, script: usize, value: &Script, edits: &mut Vec<Edit>) {
    for span in SECONDS.map(Span::from_secs) {
        edits.push(Edit::Interval { config, script, interval: span });
        edits.push(Edit::Timeout { config, script, timeout: span });
    }
    edits.push(Edit::Timeout { config, script, timeout: value.interval });
    let whole = |span: Span| Span::from_micros((span.as_micros() / 1_000_000).max(1) * 1_000_000);
    edits.push(Edit::Interval { config, script, interval: whole(value.interval) });
    edits.push(Edit::Timeout { config, script, timeout: whole(value.timeout) });
    edits.push(Edit::SimpleHabit { config, script });
    edits.push(Edit::DiesAtOnce { config, script });
    edits.push(Edit::NoLinger { config, script });
    edits.push(Edit::Ignores { config, script });
    edits.push(Edit::Kind { config, script });
    edits.push(Edit::RiseAndFall { config, script });
}

fn script_at(setup: &mut Setup, config: usize, script: usize) -> Option<&mut Script> {
    setup.configs.get_mut(config)?.scripts.get_mut(script)
}

fn each_script(setup: &mut Setup, mut change: impl FnMut(&mut Script, usize)) {
    for config in &mut setup.configs {
        for (place, script) in config.scripts.iter_mut().enumerate() {
            change(script, place);
        }
    }
}

/// Drops the wakes and renames what their reloads had numbered.
fn drop_wakes(wakes: &mut Vec<Wake>, start: usize, end: usize) -> Option<()> {
    if start >= end || end > wakes.len() {
        return None;
    }
    let reloads = |wakes: &[Wake]| wakes.iter().filter(|wake| wake.hup.is_some()).count() as u32;
    let (before, dropped) = (reloads(&wakes[..start]), reloads(&wakes[start..end]));
    wakes.drain(start..end);
    forget_generations(wakes, before + 1, dropped);
    Some(())
}

fn drop_hup(wakes: &mut [Wake], place: usize) -> Option<()> {
    let before = wakes.get(..place)?.iter().filter(|wake| wake.hup.is_some()).count() as u32;
    wakes.get_mut(place)?.hup.take()?;
    forget_generations(wakes, before + 1, 1);
    Some(())
}

/// The generations `first..first + many` never came to be: their exits go, later ones move down.
fn forget_generations(wakes: &mut [Wake], first: u32, many: u32) {
    for wake in wakes {
        wake.exits.retain(|exit| !(first..first + many).contains(&exit.run.of.generation.0));
        for exit in wake.exits.iter_mut().filter(|exit| exit.run.of.generation.0 >= first + many) {
            exit.run.of.generation.0 -= many;
        }
    }
}

/// Two neighbours become one wake. Two reloads do not fit into one.
fn merge(wakes: &mut Vec<Wake>, place: usize, advance: Advance) -> Option<()> {
    let second = wakes.get(place + 1)?.clone();
    let first = wakes.get_mut(place)?;
    if first.hup.is_some() && second.hup.is_some() {
        return None;
    }
    first.advance = advance;
    first.hup = first.hup.or(second.hup);
    first.term |= second.term;
    first.order = second.order;
    for exit in second.exits {
        if !first.exits.iter().any(|known| known.run == exit.run) {
            first.exits.push(exit);
        }
    }
    wakes.remove(place + 1);
    Some(())
}

fn drop_script(setup: &mut Setup, wakes: &mut [Wake], place: usize) -> Option<()> {
    let mut gone = false;
    for config in &mut setup.configs {
        if place < config.scripts.len() {
            config.scripts.remove(place);
            gone = true;
        }
    }
    let place = ScriptId(u16::try_from(place).ok()?);
    for wake in wakes {
        wake.exits.retain(|exit| exit.run.of.script != place);
        for exit in wake.exits.iter_mut().filter(|exit| exit.run.of.script > place) {
            exit.run.of.script.0 -= 1;
        }
    }
    gone.then_some(())
}

fn drop_config(setup: &mut Setup, wakes: &mut [Wake], place: usize) -> Option<()> {
    if setup.configs.len() < 2 || place >= setup.configs.len() {
        return None;
    }
    setup.configs.remove(place);
    for config in wakes.iter_mut().filter_map(|wake| wake.hup.as_mut()) {
        let number = usize::from(config.0);
        let moved = if number == place { 0 } else { number - usize::from(number > place) };
        *config = ConfigId(u8::try_from(moved).ok()?);
    }
    Some(())
}
