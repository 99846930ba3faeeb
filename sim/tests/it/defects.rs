//! Each of the eight defects alone is found by a short hunt and told by its cause; without any defect nothing
//! is found; and the traces that hunts are made of hold what they are to hold.

use std::collections::{BTreeMap, BTreeSet};

use crate::findings::findings;
use treefall::cause::{Cause, CauseKey, cause};
use treefall::finding::Finding;
use treefall::generator::Source;
use treefall::hunt::{Find, Plan, Tally, found_again, hunt};
use treefall::subject::replica::run_replica;
use treefall::subject::target::{ReplicaName, Target, parse};
use treefall::subject::{Options, Subject, build};
use treefall::triage::Known;
use treefall_model::event::SubjectKind;
use treefall_model::release::{Defect, Defects, Release, Rules};
use treefall_model::verdict::{Signature, Weight};

/// Traces of one hunt for one defect.
const TRACES: u64 = 1_000;

fn crew(target: &Target, jobs: usize) -> Vec<Box<dyn Subject>> {
    (0..jobs).map(|_| build(target).expect("a replica is always there")).collect()
}

fn search(target: &Target, seed: u64, traces: u64, jobs: usize) -> (Vec<Find>, Tally) {
    let plan = Plan::new(seed, Some(traces), true);
    let mut keep = Vec::<Find>::new();
    let tally =
        hunt(&mut crew(target, jobs), plan, &mut Known::default(), &mut keep).expect("a replica runs");
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
        let findings = findings(&mut crew(&target, jobs), &|| build(&target), &finds, BUILD_UP);
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
        let ran = subject.run_one(&trace, Options::VERDICT).expect("a replica runs");
        for broken in ran.verdict.breaks {
            first.entry(broken.signature).or_insert(number);
        }
    }
    let mut found: BTreeMap<Signature, u64> = BTreeMap::new();
    for find in &finds {
        found.entry(find.signature()).or_insert(find.number);
    }
    assert_eq!(found, first);
}

fn keys(finds: &[Find]) -> Vec<(String, CauseKey, u64)> {
    let key = |find: &Find| find.key().expect("a hunt asks for the cause");
    finds.iter().map(|find| (find.signature().to_string(), key(find), find.number)).collect()
}

#[test]
fn a_signature_is_found_once_for_each_cause() {
    let (finds, _) = search(&target("replica:2.2.4"), 1, 1_000, 2);
    let found: Vec<_> = keys(&finds).into_iter().map(|(signature, cause, _)| (signature, cause)).collect();
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len(), "{found:?}");
    let of = |cause| ("kill-follows-term/blocked/child".to_owned(), CauseKey::Defect(cause));
    for cause in [Defect::SkippedRunStillStarts, Defect::ReloadForgetsChildren] {
        assert!(found.contains(&of(cause)), "{cause}: {found:?}");
    }
}

#[test]
fn a_search_that_is_gone_on_with_keeps_causes_apart_as_one_search_does() {
    let target = target("replica:2.2.4");
    let (whole, tally) = search(&target, 1, 300, 2);
    for end in [1, 7, 40, 299] {
        let (part, so_far) = search(&target, 1, end, 1);
        let numbers: Vec<u64> = part.iter().map(|find| find.number).collect();
        let (mut crew, mut known) = (crew(&target, 2), Known::default());
        let mut finds =
            found_again(crew[0].as_mut(), Source::swarm(1), &numbers, &mut known).expect("it runs");
        assert_eq!(keys(&finds), keys(&part), "after {end}");
        let rest = Plan { so_far, ..Plan::new(1, Some(300), true) };
        assert_eq!(hunt(&mut crew, rest, &mut known, &mut finds).expect("it runs"), tally);
        assert_eq!(keys(&finds), keys(&whole), "after {end}");
    }
}

/// On each release with defects of its own: a broken memory law is led by a defect that can break memory, and where one
/// of the causes breaks the law alone, such a one leads.
#[test]
fn the_leading_cause_breaks_the_law_alone_or_can_break_memory() {
    let mut several = 0;
    for group in Release::with_defects_of_their_own() {
        let target = target(&format!("replica:{}", group.last));
        let rules = Rules::of(group.last);
        for find in search(&target, 1, 400, 2).0 {
            let triaged = find.triaged.as_ref().expect("a hunt asks for the cause");
            let told = format!(
                "{} of trace {} on {}: {:?}",
                find.signature(),
                find.number,
                group.last,
                triaged.cause
            );
            let Cause::Known(defects) = &triaged.cause else { continue };
            several += usize::from(defects.len() > 1);
            let law = find.signature().law;
            let alone = |defect: &Defect| {
                let only = Rules { defects: Defects::NONE.with(*defect), ..rules };
                let verdict = run_replica(&triaged.start, only, Options::VERDICT).verdict;
                verdict.breaks.iter().any(|broken| broken.signature.law == law)
            };
            if defects.iter().any(alone) {
                assert!(alone(&defects[0]), "{told}");
            } else if law.weight() == Weight::Memory && defects.iter().any(|it| it.breaks_memory()) {
                assert!(defects[0].breaks_memory(), "{told}");
            }
            if law.weight() == Weight::Memory {
                assert!(defects[0].breaks_memory(), "{told}");
            }
        }
    }
    assert!(several > 10, "{several} finds had several causes to rank");
}

#[test]
fn broken_memory_is_led_by_the_defect_that_upstream_mended() {
    for (name, expected) in [
        ("replica:2.0.10", Defect::TimeoutLeavesPidEntry),
        ("replica:2.2.8", Defect::ReloadFreesQueuedTimeout),
        ("replica:2.3.1", Defect::ReloadFreesQueuedTimeout),
        ("replica:2.3.2", Defect::ExitErasesTwice),
    ] {
        let target = target(name);
        let memory = |find: &Find| find.signature().law.weight() == Weight::Memory;
        let finds: Vec<Find> = search(&target, 2, 300, 2).0.into_iter().filter(memory).collect();
        assert!(!finds.is_empty(), "{name}");
        for find in finds {
            assert_eq!(find.key(), Some(CauseKey::Defect(expected)), "{} on {name}", find.signature());
        }
    }
}

#[test]
fn one_finding_of_each_cause_gets_the_full_effort_and_its_variants_name_it() {
    let target = target("replica:2.1.5");
    let (finds, _) = search(&target, 1, 400, 1);
    let found = |jobs| findings(&mut crew(&target, jobs), &|| build(&target), &finds, BUILD_UP);
    let all = found(1);
    let (variants, leading): (Vec<_>, Vec<_>) = all.iter().partition(|it| it.variant_of.is_some());
    assert!(!variants.is_empty() && leading.len() > 2, "there is something to tell apart");
    for variant in variants {
        let id = variant.variant_of.expect("a variant");
        let leader = leading.iter().find(|it| it.id() == id).expect("its representative is no variant");
        assert_eq!(leader.cause.key(), variant.cause.key());
        assert!(leader.trace.wakes().len() <= variant.trace.wakes().len());
    }
    let causes: BTreeSet<_> = leading.iter().map(|it| it.cause.key()).collect();
    assert_eq!(causes.len(), leading.len(), "no law of memory breaks here, so each cause has one");
    let ids = |all: &[Finding]| all.iter().map(|it| (it.id(), it.variant_of, it.digest)).collect::<Vec<_>>();
    assert_eq!(ids(&found(2)), ids(&all));
}
