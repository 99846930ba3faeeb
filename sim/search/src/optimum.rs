//! Finds the smallest trace that shows a signature, independently of the shrinker, by running all smaller ones.
//!
//! The order is [`Structure`]: fewest wakes, then fewest scripts, configurations, exits, signals; within one
//! structure, fewest policies. (Times, which follow in the shrinker's order, are not compared.) [`Optima`] runs every
//! trace of its alphabet, structure by structure in that order, and keeps the plainest of the first structure that
//! shows a signature: nothing smaller in the alphabet shows it. It ends when each requested signature has shown. It
//! shares no code and no order with [`crate::shrink`].
//!
//! The alphabet: one configuration; track scripts, each with an interval and a timeout, that die of a SIGTERM at
//! once, after a second, or never; for a single script also one that survives SIGKILL for a while, one with a long
//! timeout, and a misc check. Wakes to the next timer, at once, or after two seconds (for a single wake also after
//! half a second); any living children exit with success, of a single script also by a SIGTERM; SIGHUP, SIGTERM, or
//! both; both orders. Pids ascend or are reused, from three scripts on also scattered. [`LEVELS`] lists the numbers
//! of wakes, scripts and their kinds, exits and signals. Freed blocks are reused, the last one first; for signatures
//! that do not show in this way, everything is repeated with blocks that are never reused. More scripts, costs and
//! failing starts are not tried. A signature that has not shown then shows in no trace smaller than one whose wakes
//! and scripts [`Optima::covers`].
//!
//! Some traces are not run, because another trace shows the same and is no larger (a test compares with a search that
//! runs all):
//! - the exit of a run that is not alive then: the subject does not notice it;
//! - a wake after a memory violation or after the end of the process: nothing of it is judged, or nothing happens;
//! - an order where the timer is not due, and a span that ends at the next timer: the subject sees the same.

mod measure;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use treefall_model::event::{End, Event};
use treefall_model::id::{ConfigId, Run};
use treefall_model::release::Rules;
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::{Deadline, Span};
use treefall_model::trace::{
    Advance, Config, Habit, HeapPolicy, Name, OnTerm, Order, PidPolicy, Script, ScriptKind, Setup, Trace,
    Wake, run,
};
use treefall_model::verdict::Signature;

pub use measure::{Measured, measure};

use treefall_subject::Options;
use treefall_subject::replica::run_replica;

/// Numbers of wakes, scripts, configurations, exits, signals.
pub type Structure = [usize; 5];

/// Returns the structure of a trace.
#[must_use]
pub fn structure(trace: &Trace) -> Structure {
    let (configs, wakes) = (&trace.setup().configs, trace.wakes());
    let count = |of: fn(&Wake) -> usize| wakes.iter().map(of).sum();
    [
        wakes.len(),
        configs.iter().map(|config| config.scripts.len()).sum(),
        configs.len(),
        count(|wake| wake.exits.len()),
        count(|wake| wake.external_events() - wake.exits.len()),
    ]
}

/// Returns the number of policies, costs, failing starts, habits, kinds of script and orders that are not the
/// default.
#[must_use]
pub fn policies(trace: &Trace) -> u64 {
    let setup = trace.setup();
    let costs = setup.costs.each();
    let of_script = |script: &Script| {
        u64::from(script.habit.on_term != OnTerm::default())
            + u64::from(!script.habit.kill_linger.is_zero())
            + u64::from(script.kind != ScriptKind::default())
            + u64::from(script.rise.max(1) - 1)
            + u64::from(script.fall.max(1) - 1)
    };
    u64::from(setup.pids != PidPolicy::default())
        + u64::from(setup.heap != HeapPolicy::default())
        + costs.into_iter().filter(|cost| !cost.is_zero()).count() as u64
        + setup.fork_failures.len() as u64
        + setup.configs.iter().flat_map(|config| &config.scripts).map(of_script).sum::<u64>()
        + trace.wakes().iter().filter(|wake| wake.order != Order::default()).count() as u64
}

/// The possible continuations of a trace.
#[derive(Clone, Debug)]
struct Tail {
    /// The living children; `None`: not determined, any run may be alive.
    living: Option<Vec<Run>>,
    /// Time to the next timer, `Some(None)` if none is armed; `None`: not determined.
    gap: Option<Option<Span>>,
    /// Whether later events are noticed and judged.
    goes_on: bool,
}

/// A level of the search: numbers of wakes and scripts, kinds of script to choose from, most exits and signals.
#[derive(Clone, Copy, Debug)]
pub struct Level {
    wakes: usize,
    scripts: usize,
    kinds: usize,
    exits: usize,
    signals: usize,
}

const fn level(wakes: usize, scripts: usize, kinds: usize, exits: usize, signals: usize) -> Level {
    Level { wakes, scripts, kinds, exits, signals }
}

/// The levels of the search.
pub const LEVELS: [Level; 15] = [
    level(1, 1, KINDS, 1, 2),
    level(1, 2, 12, 2, 2),
    level(1, 3, 6, 3, 2),
    level(1, 4, 4, 4, 2),
    level(1, 5, 2, 2, 1),
    level(2, 1, KINDS, 2, 3),
    level(2, 2, 12, 2, 2),
    level(2, 3, 4, 2, 2),
    level(2, 4, 3, 1, 2),
    level(3, 1, KINDS, 2, 3),
    level(3, 2, 13, 1, 1),
    level(3, 3, 4, 1, 1),
    level(4, 1, KINDS, 1, 1),
    level(4, 2, 4, 1, 1),
    level(5, 1, 12, 1, 1),
];

/// The levels for a fast test.
pub const LEVELS_QUICK: [Level; 6] = [
    level(1, 1, 12, 1, 2),
    level(1, 2, 6, 2, 2),
    level(1, 3, 3, 3, 1),
    level(1, 4, 2, 2, 1),
    level(2, 1, 6, 1, 2),
    level(3, 1, 2, 0, 1),
];

/// Kinds of script.
const KINDS: usize = 17;

/// The kinds of script: times and habits, the plainest first.
fn kind(number: usize) -> Script {
    let (second, two) = (Span::from_secs(1), Span::from_secs(2));
    let (now, never, late) = (OnTerm::Dies(Span::ZERO), OnTerm::Ignores, OnTerm::Dies(second));
    let track = |interval, timeout, on_term| Script {
        interval,
        timeout,
        habit: Habit { on_term, ..Habit::default() },
        ..Script::new(Name::numbered(0))
    };
    let lingers = |mut script: Script| {
        script.habit.kill_linger = Span::from_millis(2_500);
        script
    };
    let misc = |script| Script { kind: ScriptKind::Misc, ..script };
    match number {
        0 => track(second, second, now),
        1 => track(second, two, now),
        2 => track(second, second, never),
        3 => track(second, second, late),
        4 => track(second, two, never),
        5 => track(two, second, now),
        6 => track(second, two, late),
        7 => track(two, second, never),
        8 => track(two, second, late),
        9 => track(two, two, now),
        10 => track(two, two, never),
        11 => track(two, two, late),
        12 => track(second, Span::from_secs(5), now),
        13 => lingers(track(second, second, never)),
        14 => lingers(track(two, second, never)),
        15 => misc(track(second, second, now)),
        _ => misc(track(second, second, never)),
    }
}

/// The smallest trace of each signature.
#[derive(Clone, Debug)]
pub struct Optima {
    rules: Rules,
    /// Whether traces that show nothing new are left out.
    prunes: bool,
    /// Wakes and scripts of the levels.
    tried: BTreeSet<(usize, usize)>,
    smallest: BTreeMap<Signature, (Structure, u64, Trace)>,
    runs: u64,
}

impl Optima {
    /// Searches the levels on a replica with these rules, until each of `wanted` has shown, if there are any.
    #[must_use]
    pub fn search(rules: Rules, levels: &[Level], wanted: &BTreeSet<Signature>) -> Self {
        Self::search_all(rules, levels, wanted, true)
    }

    fn search_all(rules: Rules, levels: &[Level], wanted: &BTreeSet<Signature>, prunes: bool) -> Self {
        let tried = levels.iter().map(|level| (level.wakes, level.scripts)).collect();
        let mut optima = Self { rules, prunes, tried, smallest: BTreeMap::new(), runs: 0 };
        for heap in [HeapPolicy::default(), HeapPolicy::NeverAgain] {
            let known: BTreeSet<_> = optima.smallest.keys().copied().collect();
            let missing: BTreeSet<_> = wanted.difference(&known).copied().collect();
            if heap != HeapPolicy::default() && missing.is_empty() {
                break;
            }
            let mut these = Self { smallest: BTreeMap::new(), ..optima.clone() };
            these.search_heap(heap, levels, &missing);
            optima.runs = these.runs;
            // Results with reused blocks take precedence.
            for (signature, smallest) in these.smallest {
                optima.smallest.entry(signature).or_insert(smallest);
            }
        }
        optima
    }

    fn search_heap(&mut self, heap: HeapPolicy, levels: &[Level], wanted: &BTreeSet<Signature>) {
        for level in levels {
            let setups = level.setups(heap);
            for (exits, signals) in level.events() {
                if !wanted.is_empty() && wanted.iter().all(|one| self.smallest.contains_key(one)) {
                    return;
                }
                for setup in &setups {
                    let start = self.end(setup, &[]);
                    let left = (exits, signals);
                    level.each(setup, left, &mut Vec::new(), &start, self);
                }
            }
        }
    }

    /// Returns whether all traces smaller than this structure that the levels contain were run: all numbers of fewer
    /// wakes, and for as many wakes all smaller numbers of scripts.
    #[must_use]
    pub fn covers(&self, [wakes, scripts, ..]: Structure) -> bool {
        (1..wakes).all(|fewer| self.tried.contains(&(fewer, 1)))
            && (1..scripts).all(|fewer| self.tried.contains(&(wakes, fewer)))
    }

    fn run(&mut self, trace: &Trace) {
        self.runs += 1;
        for broken in run_replica(trace, self.rules, Options::VERDICT).verdict.breaks {
            // Structures are tried in order: the first is the smallest, and of one structure the plainest counts.
            let (structure, policies) = (structure(trace), policies(trace));
            let smallest = || (structure, policies, trace.clone());
            let known = self.smallest.entry(broken.signature).or_insert_with(smallest);
            if (structure, policies) < (known.0, known.1) {
                *known = smallest();
            }
        }
    }

    /// Returns the possible continuations of a trace.
    fn end(&mut self, setup: &Setup, wakes: &[Wake]) -> Tail {
        let any = Tail { living: None, gap: None, goes_on: true };
        let Ok(trace) = Trace::new(setup.clone(), wakes.to_vec()) else { return any };
        if !self.prunes {
            return any;
        }
        self.runs += 1;
        let ran = run_replica(&trace, self.rules, Options::COMPARE);
        let mut living = Vec::new();
        for record in &ran.records {
            match record.event {
                Event::Started { run, .. } => living.push(run),
                Event::Exited { run, .. } => living.retain(|other| *other != run),
                _ => {}
            }
        }
        let blocked = ran.records.iter().rev().find_map(|record| match record.event {
            Event::Blocked { deadline } => Some((record.at, deadline)),
            _ => None,
        });
        let gap = blocked.map(|(at, deadline)| match deadline {
            Deadline::At(due) => Some(due.saturating_since(at)),
            Deadline::Never => None,
        });
        let ended = ran
            .records
            .iter()
            .any(|record| matches!(record.event, Event::Ended(end) if end != End::TraceExhausted));
        let goes_on = ran.verdict.memory_break().is_none() && ran.verdict.outcome.survived() && !ended;
        Tail { living: Some(living), gap, goes_on }
    }

    /// Returns the number of policies of the plainest trace with the smallest structure.
    #[must_use]
    pub fn policies_of(&self, signature: Signature) -> Option<u64> {
        self.smallest.get(&signature).map(|(_, policies, _)| *policies)
    }

    /// Returns the smallest structure that shows `signature`, with a trace; `None` if no trace of the alphabet does.
    #[must_use]
    pub fn of(&self, signature: Signature) -> Option<(Structure, &Trace)> {
        self.smallest.get(&signature).map(|(structure, _, trace)| (*structure, trace))
    }

    /// Returns the number of signatures that show.
    #[must_use]
    pub fn len(&self) -> usize {
        self.smallest.len()
    }

    /// Returns whether no signature shows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.smallest.is_empty()
    }

    /// Returns the number of traces run.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.runs
    }
}

impl Level {
    /// Returns numbers of exits and signals, in the order of size.
    fn events(self) -> impl Iterator<Item = (usize, usize)> {
        (0..=self.exits).flat_map(move |exits| (0..=self.signals).map(move |signals| (exits, signals)))
    }

    fn setups(self, heap: HeapPolicy) -> Vec<Setup> {
        let policies: &[PidPolicy] = match self.scripts {
            ..=2 => &[PidPolicy::Ascending, PidPolicy::Reused],
            _ => &[PidPolicy::Ascending, PidPolicy::Scattered, PidPolicy::Reused],
        };
        let script = |number: usize, place: usize| Script {
            name: Name::numbered(place),
            ..kind(number / self.kinds.pow(place as u32) % self.kinds)
        };
        let config =
            |number| Config { scripts: (0..self.scripts).map(|place| script(number, place)).collect() };
        let setup = |number, pids| Setup { configs: vec![config(number)], pids, heap, ..Setup::default() };
        let numbers = 0..self.kinds.pow(self.scripts as u32);
        numbers.flat_map(|number| policies.iter().map(move |pids| setup(number, *pids))).collect()
    }

    /// Returns all continuations of `before`, whose end is `node`, with so many exits and signals.
    fn each(
        self,
        setup: &Setup,
        (exits, signals): (usize, usize),
        before: &mut Vec<Wake>,
        end: &Tail,
        optima: &mut Optima,
    ) {
        let left = self.wakes - before.len();
        if !end.goes_on {
            return;
        }
        let here = if left == 1 { exits..=exits } else { 0..=exits };
        for exits_here in here {
            // A wake has at most two signals.
            let least = signals.saturating_sub(2 * (left - 1));
            let most = signals.min(2);
            for signals_here in least..=most {
                if left == 1 && signals_here != signals {
                    continue;
                }
                for wake in self.wakes_with(before, end, exits_here, signals_here) {
                    before.push(wake);
                    if left > 1 {
                        let end = optima.end(setup, before);
                        let rest = (exits - exits_here, signals - signals_here);
                        self.each(setup, rest, before, &end, optima);
                    } else if let Ok(trace) = Trace::new(setup.clone(), before.clone()) {
                        // Two exits of one run are not valid.
                        optima.run(&trace);
                    }
                    before.pop();
                }
            }
        }
    }

    /// Returns the possible advances of the clock, and whether the order can matter.
    fn advances(self, end: &Tail) -> Vec<(Advance, bool)> {
        let mut advances = vec![(Advance::By(Span::ZERO), end.gap.is_none_or(|gap| gap == Some(Span::ZERO)))];
        if end.gap != Some(None) {
            advances.push((Advance::NextTimer, true));
        }
        let spans = [Some(Span::from_secs(2)), (self.wakes == 1).then_some(Span::from_millis(500))];
        let other = spans.into_iter().flatten().filter(|span| end.gap != Some(Some(*span)));
        advances.extend(other.map(|span| (Advance::By(span), true)));
        advances
    }

    /// Returns the possible next wakes, with so many exits and signals.
    fn wakes_with(self, before: &[Wake], end: &Tail, exits: usize, signals: usize) -> Vec<Wake> {
        let calls: &[(bool, bool)] = match signals {
            0 => &[(false, false)],
            1 => &[(true, false), (false, true)],
            _ => &[(true, true)],
        };
        let statuses: &[ExitStatus] = match self.scripts {
            1 => &[ExitStatus::SUCCESS, ExitStatus::Signal(Signal::TERM)],
            _ => &[ExitStatus::SUCCESS],
        };
        let statuses = if exits == 0 { &statuses[..1] } else { statuses };
        let living = end.living.clone().unwrap_or_else(|| self.runs(before));
        let mut wakes = Vec::new();
        for (ended, status) in
            choose(&living, exits).iter().flat_map(|it| statuses.iter().map(move |s| (it, s)))
        {
            for (advance, due) in self.advances(end) {
                let orders: &[Order] = match exits + signals {
                    1.. if due => &[Order::TimerFirst, Order::SignalsFirst],
                    _ => &[Order::TimerFirst],
                };
                for (hup, term) in calls {
                    for order in orders {
                        let wake =
                            ended.iter().fold(Wake::new(advance), |wake, run| wake.exit(*run, *status));
                        let hup = hup.then_some(ConfigId(0));
                        wakes.push(Wake { hup, term: *term, order: *order, ..wake });
                    }
                }
            }
        }
        wakes
    }

    /// Returns the runs that may be alive if this was not determined: first starts, then second ones, and those of
    /// each reload.
    fn runs(self, before: &[Wake]) -> Vec<Run> {
        let reloads = before.iter().filter(|wake| wake.hup.is_some()).count() as u32;
        let mut runs = Vec::new();
        for script in (0..self.scripts).filter_map(|script| u16::try_from(script).ok()) {
            runs.push(run(script, 0, 1));
            runs.extend((!before.is_empty()).then(|| run(script, 0, 2)));
            runs.extend((1..=reloads).map(|generation| run(script, generation, 1)));
        }
        runs
    }
}

/// Returns all choices of `many` runs.
fn choose(runs: &[Run], many: usize) -> Vec<Vec<Run>> {
    let Some(fewer) = many.checked_sub(1) else { return vec![Vec::new()] };
    let mut choices = Vec::new();
    for (place, first) in runs.iter().enumerate() {
        for mut rest in choose(&runs[place + 1..], fewer) {
            rest.push(*first);
            choices.push(rest);
        }
    }
    choices
}
