//! Each of the eight defects alone is found by a short hunt and told by its cause; without any defect nothing
//! is found; and the traces that hunts are made of hold what they are to hold.

use std::collections::{BTreeMap, BTreeSet};

use treefall::cause::{Cause, cause};
use treefall::finding::work_out_all;
use treefall::hunt::{Find, Plan, Tally, hunt};
use treefall::subject::target::{ReplicaName, Target, parse};
use treefall::subject::{Subject, build};
use treefall_model::event::SubjectKind;
use treefall_model::release::Defect;
use treefall_model::verdict::Signature;

/// Traces of one hunt for one defect.
const TRACES: u64 = 1_000;

fn crew(target: &Target, jobs: usize) -> Vec<Box<dyn Subject>> {
    (0..jobs).map(|_| build(target).expect("a replica is always there")).collect()
}

fn search(target: &Target, seed: u64, traces: u64, jobs: usize) -> (Vec<Find>, Tally) {
    let plan = Plan::new(seed, Some(traces), true);
    let mut keep = Vec::<Find>::new();
    let tally = hunt(&mut crew(target, jobs), plan, &mut BTreeSet::new(), &mut keep).expect("a replica runs");
    (keep, tally)
}

fn target(name: &str) -> Target {
    parse(name, &[]).expect("a target").remove(0)
}

fn with(defect: Defect) -> ReplicaName {
    ReplicaName { with: vec![defect], ..ReplicaName::mended() }
}

#[test]
fn each_of_the_eight_alone_is_found_and_told_by_its_cause() {
    for defect in Defect::ALL.into_iter().filter(|defect| defect.is_one_of_the_eight()) {
        let name = with(defect);
        let (finds, _) = search(&Target::Replica(name.clone()), 1, TRACES, 2);
        assert!(!finds.is_empty(), "{defect} was not found");
        for find in finds {
            let told = cause(SubjectKind::Replica, &find.trace, find.signature(), name.rules());
            assert_eq!(told, Cause::Known(vec![defect]), "{} of trace {}", find.signature(), find.number);
        }
    }
}

#[test]
fn without_any_defect_nothing_is_found() {
    for seed in 0..8 {
        let (finds, tally) = search(&target("replica:mended"), seed, TRACES, 2);
        let found: Vec<_> = finds.iter().map(|find| (find.number, find.signature().to_string())).collect();
        assert_eq!((found, tally.ended_badly), (Vec::new(), 0), "seed {seed}");
    }
}

/// Most runs of building up: how far it goes has nothing to do with the number of jobs.
const BUILD_UP: u64 = 5_000;

#[test]
fn a_hunt_finds_the_same_whatever_the_number_of_jobs() {
    let target = target("replica:2.3.1");
    let found = |jobs| {
        let (finds, tally) = search(&target, 7, 600, jobs);
        let findings = work_out_all(&mut crew(&target, jobs), &|| build(&target), &finds, BUILD_UP)
            .expect("a replica runs");
        let facts: Vec<_> = findings
            .into_iter()
            .map(|it| (it.find.number, it.signature(), it.trace, it.digest, it.runs, it.cause))
            .collect();
        (facts, tally.events, tally.records)
    };
    let alone = found(1);
    assert!(alone.0.len() > 3, "there is something to compare");
    assert_eq!(alone, found(2));
    assert_eq!(alone, found(3));
}

#[test]
fn half_of_the_traces_hold_a_reload_a_timeout_and_an_exit_and_a_tenth_break_the_memory_of_2_2_7() {
    let (_, mended) = search(&target("replica:mended"), 3, 2_000, 2);
    let (_, report) = search(&target("replica:2.2.7"), 3, 2_000, 2);
    let percent = |part: u64, tally: &Tally| part * 100 / tally.traces;
    println!(
        "{} % of traces whole, {} % break the memory of 2.2.7, {} external events each",
        percent(mended.whole, &mended),
        percent(report.memory, &report),
        mended.events / mended.traces
    );
    assert!(percent(mended.whole, &mended) >= 50, "whole: {mended:?}");
    assert!(percent(report.memory, &report) >= 10, "memory: {report:?}");
}

#[test]
fn a_find_is_the_first_trace_of_its_signature() {
    let target = target("replica:2.2.4");
    let (finds, _) = search(&target, 5, 400, 2);
    let mut first: BTreeMap<Signature, u64> = BTreeMap::new();
    let mut subject = build(&target).expect("a replica");
    for number in 0..400 {
        let trace = treefall::generator::generate(5, number);
        let ran = subject.run_one(&trace, treefall::subject::Options::VERDICT).expect("a replica runs");
        for broken in ran.verdict.breaks {
            first.entry(broken.signature).or_insert(number);
        }
    }
    let found: BTreeMap<_, _> = finds.iter().map(|find| (find.signature(), find.number)).collect();
    assert_eq!(found, first);
}
