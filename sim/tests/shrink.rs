//! The shrinker against the optimum: what a hunt finds on each of the eight defects alone is shrunk to no more
//! wakes, scripts, configurations, exits and signals than the smallest trace that a search of **all** traces over
//! a small alphabet knows for its signature.
//!
//! The alphabet. Scripts: 1 to 4, each with an interval and a timeout of 1 or 2 s, that dies of a SIGTERM at once,
//! after 1 s, or never; from three scripts on all are alike. Wakes: to the next timer, at once, or after half a
//! second; with or without a SIGHUP; any of the first and second starts end with success; both orders. One wake
//! with all of this, two with one script (in a long run with two), three with one script and no exits. Pids ascend or are scattered.
//!
//! In `cargo test` a few seeds; `TREEFALL_SEEDS=100 cargo test --release -p treefall --test shrink -- --nocapture`
//! takes a hundred, and prints what each defect's finds took.

use std::collections::{BTreeMap, BTreeSet};

use treefall::finding::{CATALOG_WAKES_MAX, work_out_all};
use treefall::hunt::{Find, Plan, hunt};
use treefall::shrink::Size;
use treefall::subject::replica::run_replica;
use treefall::subject::target::{ReplicaName, Target};
use treefall::subject::{Options, Subject, build};
use treefall_model::id::ConfigId;
use treefall_model::release::{Defect, Rules};
use treefall_model::signal::ExitStatus;
use treefall_model::time::Span;
use treefall_model::trace::{
    Advance, Config, Habit, Name, OnTerm, Order, PidPolicy, Script, Setup, Trace, Wake, run,
};
use treefall_model::verdict::Signature;

/// Traces of each hunt.
const TRACES: u64 = 150;
/// Seeds in `cargo test`.
const SEEDS: u64 = 3;

/// What the optimum is about: policies, times and names come after it in the shrinker's order.
type Structure = [usize; 5];

fn structure(trace: &Trace) -> Structure {
    let Size { wakes, scripts, configs, exits, signals, .. } = Size::of(trace);
    [wakes, scripts, configs, exits, signals]
}

fn script(place: usize, kind: usize) -> Script {
    let (times, habit) = (kind % 4, kind / 4);
    let seconds = |n| Span::from_secs(n);
    Script {
        interval: seconds([1, 2, 1, 2][times]),
        timeout: seconds([1, 1, 2, 2][times]),
        habit: Habit {
            on_term: [OnTerm::Dies(Span::ZERO), OnTerm::Ignores, OnTerm::Dies(seconds(1))][habit],
            ..Habit::default()
        },
        ..Script::new(Name::numbered(place))
    }
}

/// Kinds of script.
const KINDS: usize = 12;

fn setups(scripts: usize) -> Vec<Setup> {
    let alike = |kind| vec![kind; scripts];
    let kinds: Vec<Vec<usize>> = match scripts {
        2 => (0..KINDS * KINDS).map(|n| vec![n / KINDS, n % KINDS]).collect(),
        _ => (0..KINDS).map(alike).collect(),
    };
    let policies: &[PidPolicy] =
        if scripts > 2 { &[PidPolicy::Ascending, PidPolicy::Scattered] } else { &[PidPolicy::Ascending] };
    let setup = |kinds: &Vec<usize>, pids| Setup {
        configs: vec![Config {
            scripts: kinds.iter().enumerate().map(|(at, kind)| script(at, *kind)).collect(),
        }],
        pids,
        ..Setup::default()
    };
    policies.iter().flat_map(|pids| kinds.iter().map(|kinds| setup(kinds, *pids))).collect()
}

/// The wakes that can come at `place`, after so many reloads.
fn wakes(place: usize, scripts: usize, reloads: u32, exits: bool) -> Vec<Wake> {
    let mut runs: Vec<_> = (0..scripts).map(|script| run(script as u16, 0, 1)).collect();
    if place > 0 && scripts == 1 {
        runs.push(run(0, 0, 2));
        runs.extend((reloads > 0).then(|| run(0, 1, 1)));
    }
    let subsets = if exits { 1 << runs.len() } else { 1 };
    let mut wakes = Vec::new();
    for advance in [Advance::NextTimer, Advance::By(Span::ZERO), Advance::By(Span::from_millis(500))] {
        for ended in 0..subsets {
            for hup in [false, true] {
                let runs = runs.iter().enumerate().filter(|(bit, _)| ended >> bit & 1 == 1);
                let wake =
                    runs.fold(Wake::new(advance), |wake, (_, run)| wake.exit(*run, ExitStatus::SUCCESS));
                let wake = if hup { wake.hup(ConfigId(0)) } else { wake };
                let orders = if ended == 0 && !hup { 1 } else { 2 };
                wakes.extend(
                    [Order::TimerFirst, Order::SignalsFirst]
                        .into_iter()
                        .take(orders)
                        .map(|order| Wake { order, ..wake.clone() }),
                );
            }
        }
    }
    wakes
}

/// All ways to go on from `before` until there are `length` wakes.
fn each_trace(
    setup: &Setup,
    before: &mut Vec<Wake>,
    length: usize,
    exits: bool,
    visit: &mut dyn FnMut(Trace),
) {
    if before.len() == length {
        visit(Trace::new(setup.clone(), before.clone()).expect("the alphabet is valid"));
        return;
    }
    let reloads = before.iter().filter(|wake| wake.hup.is_some()).count() as u32;
    for wake in wakes(before.len(), setup.configs[0].scripts.len(), reloads, exits) {
        before.push(wake);
        each_trace(setup, before, length, exits, visit);
        before.pop();
    }
}

/// The smallest trace of each signature that the alphabet has.
fn optima(rules: Rules) -> BTreeMap<Signature, (Structure, Trace)> {
    let mut best: BTreeMap<Signature, (Structure, Trace)> = BTreeMap::new();
    for (length, scripts_max, exits) in [(1, 4, true), (2, 2, true), (3, 1, false)] {
        for setup in (1..=scripts_max).flat_map(setups) {
            // Two scripts in two wakes are tried when a long run is asked for, and then with equal habits only.
            let few = setup.configs[0].scripts.len() < 2;
            let alike = setup.configs[0].scripts.windows(2).all(|pair| pair[0].habit == pair[1].habit);
            if length == 2 && !few && (!alike || seeds() <= SEEDS) {
                continue;
            }
            each_trace(&setup, &mut Vec::new(), length, exits, &mut |trace| {
                for broken in run_replica(&trace, rules, Options::VERDICT).verdict.breaks {
                    let size = structure(&trace);
                    let known = best.entry(broken.signature).or_insert_with(|| (size, trace.clone()));
                    if size < known.0 {
                        *known = (size, trace.clone());
                    }
                }
            });
        }
    }
    best
}

fn seeds() -> u64 {
    std::env::var("TREEFALL_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS)
}

/// What of the finds on `defect` alone is larger than the optimum, or not minimal.
fn stuck(defect: Defect) -> Vec<String> {
    let target = Target::Replica(ReplicaName { with: vec![defect], ..ReplicaName::mended() });
    let best = optima(Rules::mended().with(defect));
    let mut crew: Vec<Box<dyn Subject>> = (0..2).map(|_| build(&target).expect("a replica")).collect();
    let (mut wrong, mut runs) = (Vec::new(), Vec::new());
    for seed in 0..seeds() {
        let plan = Plan { seed, traces_max: Some(TRACES), all: true };
        let mut keep = Vec::<Find>::new();
        hunt(&mut crew, plan, &mut BTreeSet::new(), &mut keep).expect("a replica runs");
        for finding in
            work_out_all(&mut crew, &|| build(&target), &keep, CATALOG_WAKES_MAX).expect("a replica runs")
        {
            runs.push(finding.runs);
            let (is, number) = (structure(&finding.trace), finding.find.number);
            if !finding.minimal || !finding.confirmed {
                wrong.push(format!(
                    "{} of {number}, seed {seed}: not minimal or confirmed",
                    finding.signature()
                ));
            }
            if let Some((optimum, trace)) =
                best.get(&finding.signature()).filter(|(optimum, _)| *optimum < is)
            {
                let (small, large) = (&trace, &finding.trace);
                wrong.push(format!(
                    "{} of trace {number}, seed {seed}: {is:?} not {optimum:?}\n  got {large:?}\n  not {small:?}",
                    finding.signature()
                ));
            }
        }
    }
    runs.sort_unstable();
    println!(
        "{defect}: {} finds, {:?} runs each in the middle, {} stuck",
        runs.len(),
        runs.get(runs.len() / 2),
        wrong.len()
    );
    wrong
}

#[test]
fn what_is_found_on_each_defect_alone_is_shrunk_to_the_optimum() {
    let eight = Defect::ALL.into_iter().filter(|defect| defect.is_one_of_the_eight());
    let wrong: Vec<String> = eight.flat_map(stuck).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
