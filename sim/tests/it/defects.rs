//! Tests short hunts: each of the eight defects alone is found with its cause, and nothing is found without defects.
//! Also checks the contents of the drawn traces.

use std::collections::{BTreeMap, BTreeSet};

use crate::findings::findings;
use treefall::cause::{Cause, CauseKey, cause};
use treefall::generator::Source;
use treefall::hunt::{Failure, Plan, Tally, found_again, hunt};
use treefall::known::KnownCauses;
use treefall::subject::replica::run_replica;
use treefall::subject::target::{ReplicaName, Target, parse};
use treefall::subject::{Options, Subject, build};
use treefall::triage::Finding;
use treefall_model::event::SubjectKind;
use treefall_model::release::{Defect, Defects, Release, Rules};
use treefall_model::verdict::{Signature, Weight};

/// Traces of one hunt for one defect.
const TRACES: u64 = 1_000;

fn workers(target: &Target, jobs: usize) -> Vec<Box<dyn Subject>> {
    (0..jobs).map(|_| build(target).expect("a replica is always there")).collect()
}

fn search(target: &Target, seed: u64, traces: u64, jobs: usize) -> (Vec<Failure>, Tally) {
    let plan = Plan::new(seed, Some(traces), true);
    let mut keep = Vec::<Failure>::new();
    let tally = hunt(&mut workers(target, jobs), plan, &mut KnownCauses::default(), &mut keep)
        .expect("a replica runs");
    (keep, tally)
}

fn target(name: &str) -> Target {
    parse(name, &[]).expect("a target").remove(0)
}

fn with(defect: Defect) -> ReplicaName {
    ReplicaName { with: vec![defect], ..ReplicaName::mended() }
}

#[test]
fn each_defect_alone_is_found_with_its_cause() {
    for defect in Defect::ALL.into_iter().filter(|defect| defect.is_one_of_the_eight()) {
        let name = with(defect);
        let (failures, _) = search(&Target::Replica(name.clone()), 1, TRACES, 2);
        assert!(!failures.is_empty(), "{defect} was not found");
        for failure in failures {
            let text = cause(SubjectKind::Replica, &failure.trace, failure.signature(), name.rules());
            assert_eq!(
                text,
                Cause::Known(vec![defect]),
                "{} of trace {}",
                failure.signature(),
                failure.number
            );
        }
    }
}

#[test]
fn without_any_defect_nothing_is_found() {
    for seed in 0..8 {
        let (failures, tally) = search(&target("replica:mended"), seed, TRACES, 2);
        let found: Vec<_> =
            failures.iter().map(|failure| (failure.number, failure.signature().to_string())).collect();
        assert_eq!((found, tally.ended_badly), (Vec::new(), 0), "seed {seed}");
    }
}

/// Bound for building up, which is independent of the number of jobs.
const BUILD_UP: u64 = 5_000;

#[test]
fn a_hunt_does_not_depend_on_the_number_of_jobs() {
    let target = target("replica:2.3.1");
    let found = |jobs| {
        let (failures, tally) = search(&target, 7, 600, jobs);
        let findings = findings(&mut workers(&target, jobs), &|| build(&target), &failures, BUILD_UP);
        let facts: Vec<_> = findings
            .into_iter()
            .map(|it| (it.failure.number, it.signature(), it.trace, it.digest, it.runs, it.cause))
            .collect();
        (facts, tally.events, tally.records)
    };
    let alone = found(1);
    assert!(alone.0.len() > 3, "there is something to compare");
    assert_eq!(alone, found(2));
    assert_eq!(alone, found(3));
}

#[test]
fn drawn_traces_have_enough_of_each_event() {
    let (_, mended) = search(&target("replica:mended"), 3, 2_000, 2);
    let (_, report) = search(&target("replica:2.2.7"), 3, 2_000, 2);
    let percent = |part: u64, tally: &Tally| part * 100 / tally.traces;
    println!(
        "{} % of traces have all events, {} % violate a memory law of 2.2.7, {} external events each",
        percent(mended.whole, &mended),
        percent(report.memory, &report),
        mended.events / mended.traces
    );
    assert!(percent(mended.whole, &mended) >= 50, "whole: {mended:?}");
    assert!(percent(report.memory, &report) >= 10, "memory: {report:?}");
}

#[test]
fn a_failure_is_the_first_trace_of_its_signature() {
    let target = target("replica:2.2.4");
    let (failures, _) = search(&target, 5, 400, 2);
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
    for failure in &failures {
        found.entry(failure.signature()).or_insert(failure.number);
    }
    assert_eq!(found, first);
}

fn keys(failures: &[Failure]) -> Vec<(String, CauseKey, u64)> {
    let key = |failure: &Failure| failure.key().expect("a hunt asks for the cause");
    failures.iter().map(|failure| (failure.signature().to_string(), key(failure), failure.number)).collect()
}

#[test]
fn a_signature_is_found_once_for_each_cause() {
    let (failures, _) = search(&target("replica:2.2.4"), 1, 1_000, 2);
    let found: Vec<_> = keys(&failures).into_iter().map(|(signature, cause, _)| (signature, cause)).collect();
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len(), "{found:?}");
    let of = |cause| ("kill-follows-term/blocked/child".to_owned(), CauseKey::Defect(cause));
    for cause in [Defect::SkippedRunStillStarts, Defect::ReloadForgetsChildren] {
        assert!(found.contains(&of(cause)), "{cause}: {found:?}");
    }
}

#[test]
fn a_resumed_search_distinguishes_causes_like_one_search() {
    let target = target("replica:2.2.4");
    let (whole, tally) = search(&target, 1, 300, 2);
    for end in [1, 7, 40, 299] {
        let (part, so_far) = search(&target, 1, end, 1);
        let numbers: Vec<u64> = part.iter().map(|failure| failure.number).collect();
        let (mut workers, mut known) = (workers(&target, 2), KnownCauses::default());
        let mut failures =
            found_again(workers[0].as_mut(), Source::swarm(1), &numbers, &mut known).expect("it runs");
        assert_eq!(keys(&failures), keys(&part), "after {end}");
        let rest = Plan { so_far, ..Plan::new(1, Some(300), true) };
        assert_eq!(hunt(&mut workers, rest, &mut known, &mut failures).expect("it runs"), tally);
        assert_eq!(keys(&failures), keys(&whole), "after {end}");
    }
}

/// On each release with its own set of defects, a defect that can corrupt memory leads a memory violation. If a cause
/// violates the law alone, such a cause leads.
#[test]
fn the_leading_cause_breaks_the_law_alone_or_can_break_memory() {
    let mut several = 0;
    for group in Release::with_defects_of_their_own() {
        let target = target(&format!("replica:{}", group.last));
        let rules = Rules::of(group.last);
        for failure in search(&target, 1, 400, 2).0 {
            let triaged = failure.new_cause.as_ref().expect("a hunt asks for the cause");
            let text = format!(
                "{} of trace {} on {}: {:?}",
                failure.signature(),
                failure.number,
                group.last,
                triaged.cause
            );
            let Cause::Known(defects) = &triaged.cause else { continue };
            several += usize::from(defects.len() > 1);
            let law = failure.signature().law;
            let alone = |defect: &Defect| {
                let only = Rules { defects: Defects::NONE.with(*defect), ..rules };
                let verdict = run_replica(&triaged.start, only, Options::VERDICT).verdict;
                verdict.breaks.iter().any(|broken| broken.signature.law == law)
            };
            if defects.iter().any(alone) {
                assert!(alone(&defects[0]), "{text}");
            } else if law.weight() == Weight::Memory && defects.iter().any(|it| it.breaks_memory()) {
                assert!(defects[0].breaks_memory(), "{text}");
            }
            if law.weight() == Weight::Memory {
                assert!(defects[0].breaks_memory(), "{text}");
            }
        }
    }
    assert!(several > 10, "{several} finds had several causes to rank");
}

#[test]
fn the_defect_that_upstream_fixed_leads_memory_violations() {
    for (name, expected) in [
        ("replica:2.0.10", Defect::TimeoutLeavesPidEntry),
        ("replica:2.2.8", Defect::ReloadFreesQueuedTimeout),
        ("replica:2.3.1", Defect::ReloadFreesQueuedTimeout),
        ("replica:2.3.2", Defect::ExitErasesTwice),
    ] {
        let target = target(name);
        let memory = |failure: &Failure| failure.signature().law.weight() == Weight::Memory;
        let failures: Vec<Failure> = search(&target, 2, 300, 2).0.into_iter().filter(memory).collect();
        assert!(!failures.is_empty(), "{name}");
        for failure in failures {
            assert_eq!(failure.key(), Some(CauseKey::Defect(expected)), "{} on {name}", failure.signature());
        }
    }
}

#[test]
fn variants_name_the_fully_triaged_finding() {
    let target = target("replica:2.1.5");
    let (failures, _) = search(&target, 1, 400, 1);
    let found = |jobs| findings(&mut workers(&target, jobs), &|| build(&target), &failures, BUILD_UP);
    let all = found(1);
    let (variants, leading): (Vec<_>, Vec<_>) = all.iter().partition(|it| it.variant_of.is_some());
    assert!(!variants.is_empty() && leading.len() > 2, "there is something to distinguish");
    for variant in variants {
        let id = variant.variant_of.expect("a variant");
        let leader = leading.iter().find(|it| it.id() == id).expect("its representative is no variant");
        assert_eq!(leader.cause.key(), variant.cause.key());
        assert!(leader.trace.wakes().len() <= variant.trace.wakes().len());
    }
    let causes: BTreeSet<_> = leading.iter().map(|it| it.cause.key()).collect();
    assert_eq!(causes.len(), leading.len(), "no memory law is violated here, so each cause has one finding");
    let ids = |all: &[Finding]| all.iter().map(|it| (it.id(), it.variant_of, it.digest)).collect::<Vec<_>>();
    assert_eq!(ids(&found(2)), ids(&all));
}
