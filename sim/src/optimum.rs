//! How small a trace can be that shows a signature: told without the shrinker, by running all smaller ones.
//!
//! *Smaller* is [`Structure`]: fewest wakes, then fewest scripts, configurations, exits, signals (what comes after
//! that in the shrinker's order, policies and times, is not compared). [`Optima`] takes structure by structure in
//! that order, runs every trace of it that its alphabet has, and keeps the first that shows a signature: nothing
//! smaller over that alphabet does. No code and no order is shared with [`crate::shrink`].
//!
//! The alphabet. One configuration; track scripts, each with an interval and a timeout, that dies of a SIGTERM at
//! once, after a second, or never; of one script also one that lingers after SIGKILL and a misc check. Wakes to the
//! next timer, at once, or after two seconds (of one wake, after half a second too); any of the first and second
//! starts, and of the first starts after each reload, end with success; SIGHUP, SIGTERM, both; both orders. Pids
//! ascend, from three scripts on they are also scattered. How many scripts of which kinds, exits and signals:
//! one wake with up to four scripts, two with up to two, three with one; two exits and two signals, in some more.

use std::collections::{BTreeMap, BTreeSet};

use treefall_model::id::{ConfigId, Run};
use treefall_model::release::Rules;
use treefall_model::signal::ExitStatus;
use treefall_model::time::Span;
use treefall_model::trace::{
    Advance, Config, Habit, Name, OnTerm, Order, PidPolicy, Script, ScriptKind, Setup, Trace, Wake, run,
};
use treefall_model::verdict::Signature;

use crate::finding::work_out;
use crate::hunt::{Find, Plan, hunt};
use crate::subject::replica::{ReplicaSubject, run_replica};
use crate::subject::target::ReplicaName;
use crate::subject::{Options, Subject};

/// Wakes, scripts, configurations, exits, signals.
pub type Structure = [usize; 5];

/// The structure of a trace.
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

/// How many kinds of script there are to choose from, the first of [`kinds`].
#[derive(Clone, Copy, Debug)]
struct Level {
    wakes: usize,
    scripts: usize,
    kinds: usize,
    exits: usize,
    signals: usize,
}

const fn level(wakes: usize, scripts: usize, kinds: usize, exits: usize, signals: usize) -> Level {
    Level { wakes, scripts, kinds, exits, signals }
}

/// What is tried: so many wakes and scripts, each script of one of so many kinds, at most so many exits and signals.
const LEVELS: [Level; 7] = [
    level(1, 1, KINDS, 1, 2),
    level(1, 2, 12, 2, 2),
    level(1, 3, 6, 3, 2),
    level(1, 4, 4, 4, 2),
    level(2, 1, KINDS, 2, 3),
    level(2, 2, 6, 2, 2),
    level(3, 1, 12, 2, 3),
];

/// As [`LEVELS`], for a test that has little time.
const LEVELS_QUICK: [Level; 6] = [
    level(1, 1, 12, 1, 2),
    level(1, 2, 6, 2, 2),
    level(1, 3, 3, 3, 1),
    level(1, 4, 2, 2, 1),
    level(2, 1, 6, 1, 2),
    level(3, 1, 2, 0, 1),
];

/// Kinds of script.
const KINDS: usize = 16;

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
        12 => lingers(track(second, second, never)),
        13 => lingers(track(two, second, never)),
        14 => misc(track(second, second, now)),
        _ => misc(track(second, second, never)),
    }
}

/// The smallest trace of each signature.
#[derive(Clone, Debug)]
pub struct Optima {
    smallest: BTreeMap<Signature, (Structure, Trace)>,
    runs: u64,
}

impl Optima {
    /// Those of a replica with these rules; over a smaller alphabet if it is to be `quick`.
    #[must_use]
    pub fn search(rules: Rules, quick: bool) -> Self {
        let mut optima = Self { smallest: BTreeMap::new(), runs: 0 };
        let levels: &[Level] = if quick { &LEVELS_QUICK } else { &LEVELS };
        for level in levels {
            let setups = level.setups();
            for (exits, signals) in level.events() {
                for setup in &setups {
                    level.each(setup, (exits, signals), &mut Vec::new(), &mut |trace| {
                        optima.run(trace, rules)
                    });
                }
            }
        }
        optima
    }

    fn run(&mut self, trace: &Trace, rules: Rules) {
        self.runs += 1;
        for broken in run_replica(trace, rules, Options::VERDICT).verdict.breaks {
            // Structures come in their order: the first is the smallest.
            self.smallest.entry(broken.signature).or_insert_with(|| (structure(trace), trace.clone()));
        }
    }

    /// The smallest structure that shows `signature`, and a trace of it; `None` if none of the alphabet does.
    #[must_use]
    pub fn of(&self, signature: Signature) -> Option<(Structure, &Trace)> {
        self.smallest.get(&signature).map(|(structure, trace)| (*structure, trace))
    }

    /// How many signatures show.
    #[must_use]
    pub fn len(&self) -> usize {
        self.smallest.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.smallest.is_empty()
    }

    /// Traces run.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.runs
    }
}

impl Level {
    /// Numbers of exits and signals, in the order of size.
    fn events(self) -> impl Iterator<Item = (usize, usize)> {
        (0..=self.exits).flat_map(move |exits| (0..=self.signals).map(move |signals| (exits, signals)))
    }

    fn setups(self) -> Vec<Setup> {
        let policies: &[PidPolicy] = match self.scripts {
            ..=2 => &[PidPolicy::Ascending],
            _ => &[PidPolicy::Ascending, PidPolicy::Scattered],
        };
        let script = |number: usize, place: usize| Script {
            name: Name::numbered(place),
            ..kind(number / self.kinds.pow(place as u32) % self.kinds)
        };
        let config =
            |number| Config { scripts: (0..self.scripts).map(|place| script(number, place)).collect() };
        let setup = |number, pids| Setup { configs: vec![config(number)], pids, ..Setup::default() };
        let numbers = 0..self.kinds.pow(self.scripts as u32);
        numbers.flat_map(|number| policies.iter().map(move |pids| setup(number, *pids))).collect()
    }

    /// All ways to go on from `before` with so many exits and signals.
    fn each(
        self,
        setup: &Setup,
        (exits, signals): (usize, usize),
        before: &mut Vec<Wake>,
        visit: &mut dyn FnMut(&Trace),
    ) {
        let left = self.wakes - before.len();
        if left == 0 {
            // Two exits of one run are no trace.
            if let Ok(trace) = Trace::new(setup.clone(), before.clone()) {
                visit(&trace);
            }
            return;
        }
        let here = if left == 1 { exits..=exits } else { 0..=exits };
        for exits_here in here {
            // A wake has two signals at most.
            let least = signals.saturating_sub(2 * (left - 1));
            for signals_here in least..=signals.min(2) {
                for wake in self.wakes_with(before, exits_here, signals_here) {
                    before.push(wake);
                    self.each(setup, (exits - exits_here, signals - signals_here), before, visit);
                    before.pop();
                }
            }
        }
    }

    /// The wakes that can come now, with so many exits and signals.
    fn wakes_with(self, before: &[Wake], exits: usize, signals: usize) -> Vec<Wake> {
        let half = (self.wakes == 1).then_some(Advance::By(Span::from_millis(500)));
        let advances = [Advance::NextTimer, Advance::By(Span::ZERO), Advance::By(Span::from_secs(2))];
        let calls: &[(bool, bool)] = match signals {
            0 => &[(false, false)],
            1 => &[(true, false), (false, true)],
            _ => &[(true, true)],
        };
        let orders: &[Order] = match exits + signals {
            0 => &[Order::TimerFirst],
            _ => &[Order::TimerFirst, Order::SignalsFirst],
        };
        let mut wakes = Vec::new();
        for ended in choose(&self.runs(before), exits) {
            for advance in advances.into_iter().chain(half) {
                for (hup, term) in calls {
                    for order in orders {
                        let mut wake = Wake::new(advance);
                        for run in &ended {
                            wake = wake.exit(*run, ExitStatus::SUCCESS);
                        }
                        let hup = hup.then_some(ConfigId(0));
                        wakes.push(Wake { hup, term: *term, order: *order, ..wake });
                    }
                }
            }
        }
        wakes
    }

    /// The runs that may be there: first starts, later second ones, and those of each reload.
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

/// A find, shrunk.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The hunt's seed.
    pub seed: u64,
    /// The number of the trace that was found.
    pub number: u64,
    /// No trace of the hunt broke a law before it, and it broke no law after this.
    pub first: bool,
    /// The law that it breaks.
    pub signature: Signature,
    /// What it was shrunk to.
    pub trace: Trace,
    /// Its structure.
    pub structure: Structure,
    /// Runs that it took.
    pub runs: u64,
    /// By the clock given: what shrinking and confirming it took.
    pub cost: u64,
    /// Minimal by the second check, and confirmed.
    pub sound: bool,
}

/// Traces of each hunt, if something was found by then; so many more otherwise.
const TRACES: u64 = 150;
const TRACES_MAX: u64 = 1_000;

/// Hunts on a replica until the first memory break, as `treefall hunt` does, and shrinks each find by itself.
///
/// # Panics
/// When a replica cannot run, which cannot be.
#[must_use]
pub fn measure(name: &ReplicaName, seed: u64, build_up_max: u64, clock: &dyn Fn() -> u64) -> Vec<Measured> {
    let mut crew: [Box<dyn Subject>; 1] = [Box::new(ReplicaSubject::new(name.clone()))];
    let mut finds = Vec::<Find>::new();
    for traces in [TRACES, TRACES_MAX] {
        if finds.is_empty() {
            let plan = Plan::new(seed, Some(traces), false);
            hunt(&mut crew, plan, &mut BTreeSet::new(), &mut finds).expect("a replica runs");
        }
    }
    let fresh = || Ok::<Box<dyn Subject>, _>(Box::new(ReplicaSubject::new(name.clone())));
    let first = finds.first().map(|find| find.number);
    let mut one = |find: &Find| {
        let start = clock();
        let finding = work_out(crew[0].as_mut(), &fresh, find, build_up_max).expect("a replica runs");
        Measured {
            seed,
            number: find.number,
            first: Some(find.number) == first && find.verdict.breaks.last() == Some(&find.broken),
            signature: find.signature(),
            structure: structure(&finding.trace),
            runs: finding.runs,
            cost: clock() - start,
            sound: finding.minimal && finding.confirmed,
            trace: finding.trace,
        }
    };
    finds.iter().map(&mut one).collect()
}

/// All choices of `many` of the runs.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_come_in_their_order_and_each_trace_once() {
        let mut last = [0; 5];
        for level in LEVELS_QUICK {
            let mut known = BTreeSet::new();
            for (exits, signals) in level.events() {
                for setup in level.setups() {
                    level.each(&setup, (exits, signals), &mut Vec::new(), &mut |trace| {
                        let now = structure(trace);
                        assert!(now >= last, "{now:?} after {last:?}");
                        assert_eq!(now, [level.wakes, level.scripts, 1, exits, signals]);
                        assert!(known.insert(trace.clone()), "{trace:?} twice");
                        last = now;
                    });
                }
            }
            assert!(known.len() > 100, "{level:?} has {}", known.len());
        }
    }
}
