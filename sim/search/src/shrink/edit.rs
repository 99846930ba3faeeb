//! The single changes that the shrinker tries, and that define minimality.

use treefall_model::id::{ConfigId, Generation, ScriptId, StartNo};
use treefall_model::signal::ExitStatus;
use treefall_model::time::Span;
use treefall_model::trace::retain_links;
use treefall_model::trace::{
    Advance, Costs, EVENTS_MAX, Habit, HeapPolicy, Name, OnTerm, Order, PidPolicy, Rank, Script, ScriptKind,
    Setup, Trace, Wake,
};

/// One change of a trace. `config` and `script` are places in the setup, `wake` and `exit` in the wakes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is its own sentence")]
pub enum Edit {
    /// The wakes `start..end` are removed, with the runs of generations that their reloads made.
    DropWakes {
        start: usize,
        end: usize,
    },
    /// A wake and the next become one: exits, signals and events together, the clock moves as in the second.
    MergeWakes {
        wake: usize,
    },
    /// A wake and the next become one; the clock advances as in the first.
    MergeIntoFirst {
        wake: usize,
    },
    /// A wake and the next become one late wake; the clock advances by this span.
    MergeLate {
        wake: usize,
        span: Span,
    },
    /// The script at this place is removed from every configuration.
    DropScript {
        script: usize,
    },
    /// One configuration loses its last script.
    DropLastScript {
        config: usize,
    },
    /// A configuration is removed; reloads of it load the first one instead.
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
    DropEvent {
        wake: usize,
        event: usize,
    },
    /// An interface goes, with its events.
    DropLink {
        link: usize,
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
        kind: usize,
    },
    ForksSucceed,
    ForkSucceeds {
        start: StartNo,
    },
    OrderOf {
        wake: usize,
        order: Order,
    },
    RankOf {
        wake: usize,
        rank: Rank,
    },
    /// Changes of an interface to this state count after this time.
    DelayOf {
        link: usize,
        up: bool,
        delay: Span,
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

impl Edit {
    /// Returns whether it sets one policy, cost, failing start, habit or order, or all of a kind, to the default.
    pub(super) fn is_plainer(self) -> bool {
        matches!(
            self,
            Self::SimplePids
                | Self::SimpleHeap
                | Self::NoCosts
                | Self::NoCost { .. }
                | Self::ForksSucceed
                | Self::ForkSucceeds { .. }
                | Self::OrderOf { .. }
                | Self::RankOf { .. }
                | Self::SimpleHabits
                | Self::SimpleHabit { .. }
                | Self::DiesAtOnce { .. }
                | Self::NoLinger { .. }
                | Self::Kind { .. }
                | Self::RiseAndFall { .. }
        )
    }

    /// Returns whether it renames a run. It must not be swapped with a removal, which removes the exits of a run by
    /// its name.
    pub(super) fn renames(self) -> bool {
        matches!(self, Self::ExitNth { .. } | Self::ExitGeneration { .. })
    }

    /// Returns whether applying this after the removal `first` gives the same as another pair.
    ///
    /// Of two removals one order is enough: wakes, scripts, configurations, exits and signals can be removed in any
    /// order. Merges come last, because two reloads do not fit into one wake. Merging and then moving a wake gives
    /// the same as a plain merge that is moved.
    pub(super) fn is_tried_otherwise(self, first: Self) -> bool {
        match (first, self) {
            (Self::MergeIntoFirst { .. } | Self::MergeLate { .. }, Self::AdvanceOf { .. }) => true,
            _ => self.rank().is_some_and(|rank| Some(rank) < first.rank()),
        }
    }

    fn rank(self) -> Option<u8> {
        match self {
            Self::DropWakes { .. } => Some(0),
            Self::DropScript { .. } => Some(1),
            Self::DropLastScript { .. } => Some(2),
            Self::DropConfig { .. } => Some(3),
            Self::DropExit { .. } => Some(4),
            Self::DropHup { .. } => Some(5),
            Self::DropTerm { .. } => Some(6),
            Self::DropEvent { .. } => Some(7),
            Self::DropLink { .. } => Some(8),
            Self::MergeWakes { .. } | Self::MergeIntoFirst { .. } | Self::MergeLate { .. } => Some(9),
            _ => None,
        }
    }

    /// Returns the changed trace; `None`: there is nothing to change, or the result is no valid trace.
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
            Self::DropEvent { wake, event } => {
                let wake = wakes.get_mut(wake)?;
                (event < wake.events.len()).then(|| wake.events.remove(event))?;
            }
            Self::DropLink { link } => retain_links(setup, wakes, |place, _| place != link),
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
            Self::RankOf { wake, rank } => wakes.get_mut(wake)?.rank = rank,
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
            Self::NoCost { kind } => {
                let mut costs = setup.costs.each();
                *costs.get_mut(kind)? = Span::ZERO;
                setup.costs = Costs::of(costs);
            }
            Self::DelayOf { link, up, delay } => {
                let link = setup.links.get_mut(link)?;
                *if up { &mut link.up_delay } else { &mut link.down_delay } = delay;
            }
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

/// Removes the wakes, and renumbers the generations that their reloads made.
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

/// Removes the generations `first..first + many`: their exits are removed, later generations move down.
fn forget_generations(wakes: &mut [Wake], first: u32, many: u32) {
    for wake in wakes {
        wake.exits.retain(|exit| !(first..first + many).contains(&exit.run.of.generation.0));
        for exit in wake.exits.iter_mut().filter(|exit| exit.run.of.generation.0 >= first + many) {
            exit.run.of.generation.0 -= many;
        }
    }
}

/// Merges two neighbouring wakes. Two reloads do not fit into one wake.
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
    // What came first is reported first.
    first.rank = match (first.events.is_empty(), second.events.is_empty()) {
        (false, true) => Rank::First,
        (true, false) => Rank::Last,
        _ => second.rank,
    };
    first.events.extend(second.events);
    first.events.truncate(EVENTS_MAX);
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
