//! Tests a target beside a baseline: which violations are new, which are known, and which cannot be compared.

use crate::findings::findings;
use treefall::cause::Cause;
use treefall::hunt::{Failure, Plan, Tally, hunt};
use treefall::known::KnownCauses;
use treefall::subject::baseline::{Beside, build_beside, compare};
use treefall::subject::replica::run_replica;
use treefall::subject::target::{Target, parse};
use treefall::subject::{Options, Ran, Subject, SubjectError, build};
use treefall::triage::Finding;
use treefall_model::event::{EntryKind, Step, SubjectKind};
use treefall_model::id::Run;
use treefall_model::law::Law;
use treefall_model::release::{Defect, Release, Rules};
use treefall_model::time::Instant;
use treefall_model::trace::Trace;
use treefall_model::verdict::{Again, Outcome, Signature, Verdict, Violation};
use treefall_model::violation::Detail;

fn target(name: &str) -> Target {
    parse(name, &[]).expect("a target").remove(0)
}

fn rules(release: &str) -> Rules {
    Rules::of(Release::parse(release).expect("a release"))
}

type Fresh<'f> = dyn Fn() -> Result<Box<dyn Subject>, SubjectError> + Sync + 'f;

/// Runs a complete hunt and triages its failures.
fn searched(fresh: &Fresh<'_>, seed: u64, traces: u64) -> (Vec<Finding>, Tally) {
    let mut workers: Vec<_> = (0..2).map(|_| fresh().expect("a replica")).collect();
    let mut failures = Vec::<Failure>::new();
    let plan = Plan::new(seed, Some(traces), true);
    let tally = hunt(&mut workers, plan, &mut KnownCauses::default(), &mut failures).expect("a replica runs");
    (findings(&mut workers, fresh, &failures, 2_000), tally)
}

fn beside(name: &str, baseline: &str, seed: u64, traces: u64) -> (Vec<Finding>, Tally) {
    let (target, baseline) = (target(name), target(baseline));
    searched(&|| build_beside(&target, Some(&baseline)), seed, traces)
}

#[test]
fn a_program_beside_itself_violates_nothing_new() {
    for name in ["replica:2.0.10", "replica:2.2.4", "replica:2.3.1", "replica:2.3.2", "replica:2.4.3"] {
        for seed in [1, 2, 3] {
            let (findings, tally) = beside(name, name, seed, 300);
            assert!(findings.is_empty(), "{name}, seed {seed}");
            assert_eq!((tally.traces, tally.cannot_tell), (300, 0), "{name}, seed {seed}");
        }
    }
}

/// Asserts that the smallest trace shows a violation that the baseline does not show at that place.
fn is_a_difference(finding: &Finding, name: &str, baseline: &str) {
    let run = |name: &str| {
        let mut subject = build(&target(name)).expect("a replica");
        subject.run_one(&finding.trace, Options::VERDICT).expect("a replica runs").verdict
    };
    let compared = compare(&run(name), &run(baseline));
    assert!(compared.is_new(finding.signature()), "{} on {name}", finding.signature());
    assert!(finding.confirmed && finding.minimal, "{}", finding.signature());
}

#[test]
fn a_regression_with_a_known_signature_is_found_by_its_cause() {
    for (name, baseline, regression) in [
        ("replica:2.4.3+ReloadForgetsChildren", "replica:2.4.3", Defect::ReloadForgetsChildren),
        ("replica:2.4.3+SkippedRunStillStarts", "replica:2.4.3", Defect::SkippedRunStillStarts),
        ("replica:2.3.1", "replica:2.3.2", Defect::ReloadFreesQueuedTimeout),
        ("replica:2.3.2", "replica:2.3.1", Defect::ExitErasesTwice),
    ] {
        let (findings, _) = beside(name, baseline, 1, 400);
        findings.iter().for_each(|finding| is_a_difference(finding, name, baseline));
        let led = |finding: &&Finding| finding.cause.leading() == Some(regression);
        assert!(
            findings.iter().any(|finding| led(&finding)),
            "{name} beside {baseline}: {regression} is missing"
        );
        // A signature that the baseline has too, elsewhere.
        if name.contains('+') {
            let (known, _) = searched(&|| build(&target(baseline)), 1, 400);
            let hidden = |finding: &Finding| known.iter().any(|it| it.signature() == finding.signature());
            assert!(findings.iter().any(hidden), "{name}: nothing is hidden behind a known signature");
            assert!(findings.iter().all(|it| led(&it)), "{name}: {:?}", findings[0].cause);
        }
    }
}

/// A replica that reports the newest release but has a defect that was fixed long ago.
struct Reverted;

impl Subject for Reverted {
    fn kind(&self) -> SubjectKind {
        SubjectKind::Engine
    }

    fn name(&self) -> String {
        "replica:2.4.3+ReloadForgetsChildren".to_owned()
    }

    fn rules(&self) -> Rules {
        rules("2.4.3")
    }

    fn run(&mut self, traces: &[Trace], options: Options) -> Result<Vec<Ran>, SubjectError> {
        let rules = self.rules().with(Defect::ReloadForgetsChildren);
        Ok(traces.iter().map(|trace| run_replica(trace, rules, options)).collect())
    }
}

#[test]
fn a_reverted_fix_is_explained_by_its_defect() {
    let baseline = target("replica:2.4.3");
    let fresh = || -> Result<Box<dyn Subject>, SubjectError> {
        Ok(Box::new(Beside::new(Box::new(Reverted), build(&baseline)?)))
    };
    let (findings, _) = searched(&fresh, 1, 200);
    assert!(!findings.is_empty());
    for finding in findings {
        assert_eq!(
            finding.cause,
            Cause::AsIf(vec![Defect::ReloadForgetsChildren]),
            "{}",
            finding.signature()
        );
    }
}

#[test]
fn an_earlier_memory_violation_of_the_baseline_hides_the_rest() {
    let (findings, tally) = beside("replica:2.4.3", "replica:2.3.1", 1, 400);
    assert!(tally.cannot_tell > 0, "{tally:?}");
    findings.iter().for_each(|finding| is_a_difference(finding, "replica:2.4.3", "replica:2.3.1"));
}

fn signature(law: Law) -> Signature {
    Signature { law, step: Step::Blocked, entry: Some(EntryKind::Child) }
}

fn run(nth: u32) -> Run {
    Run { nth, ..Run::default() }
}

fn broken(law: Law, at: u64, runs: &[u32]) -> Violation {
    let (at, again) = (Instant::from_micros(at), runs[1..].iter());
    let again = again.map(|nth| Again { run: Some(run(*nth)), at, records: 1 }).collect();
    Violation { run: Some(run(runs[0])), again, ..Violation::new(signature(law), at, 1, Detail::Unknown) }
}

fn verdict(breaks: Vec<Violation>) -> Verdict {
    Verdict { breaks, outcome: Outcome::Survived }
}

#[test]
fn a_violation_is_known_only_at_the_same_place() {
    let law = Law::NoChildForgotten;
    let target = verdict(vec![broken(law, 10, &[1, 2])]);
    for (baseline, new) in [
        (verdict(vec![]), vec![1, 2]),
        (verdict(vec![broken(law, 90, &[2])]), vec![1]),
        (verdict(vec![broken(law, 10, &[2, 1])]), vec![]),
        (verdict(vec![broken(Law::KillFollowsTerm, 10, &[1, 2])]), vec![1, 2]),
    ] {
        let compared = compare(&target, &baseline);
        let runs: Vec<u32> = compared.new.iter().filter_map(|(place, _)| Some(place.run?.nth)).collect();
        assert_eq!((runs, compared.cannot_tell.len()), (new, 0));
    }
}

#[test]
fn violations_after_the_baselines_judging_are_undecided() {
    let target = verdict(vec![broken(Law::NoChildForgotten, 10, &[1])]);
    for (at, new, cannot_tell) in [(9, 0, 1), (10, 0, 1), (11, 1, 0)] {
        let compared = compare(&target, &verdict(vec![broken(Law::TreeShape, at, &[7])]));
        assert_eq!((compared.new.len(), compared.cannot_tell.len()), (new, cannot_tell), "at {at}");
    }
}
