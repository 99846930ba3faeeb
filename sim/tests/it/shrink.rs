//! Compares the shrinker with the optimum, which an independent search of all smaller traces finds. Also checks that
//! signatures met on the way are kept, that runs are counted, and that minimal results are minimal.
//!
//! This test uses a few seeds and a small alphabet; `cargo run --release --example optimum -- --seeds 100` uses a
//! hundred and a large one.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::findings::{explanation_of, findings};
use treefall::base::control::Control;
use treefall::cause::Cause;
use treefall::generator::generate;
use treefall::hunt::{Failure, Plan, hunt};
use treefall::known::KnownCauses;
use treefall::optimum::{LEVELS_QUICK, Measured, Optima, measure};
use treefall::report::{self, Report};
use treefall::shrink::{Limits, Shrunk, Size, is_minimal, shrink};
use treefall::subject::replica::run_replica;
use treefall::subject::target::ReplicaName;
use treefall::subject::{Options, Ran, Subject, SubjectError};
use treefall::triage::{Finding, ShrunkOn, Triaged, triage, triage_partly};
use treefall_model::event::{Step, SubjectKind};
use treefall_model::law::Law;
use treefall_model::release::{Defect, Release, Rules};
use treefall_model::trace::{Trace, Wake};
use treefall_model::verdict::{Outcome, Signature, Verdict, Violation};

/// Seeds of each defect in `cargo test`.
const SEEDS: u64 = 4;
/// Most runs of building up, which is enough for these seeds.
const BUILD_UP: u64 = 20_000;

#[test]
fn the_first_failure_of_each_defect_is_shrunk_optimally() {
    let mut above = Vec::new();
    for defect in Defect::ALL.into_iter().filter(|defect| defect.is_one_of_the_eight()) {
        let name = ReplicaName { with: vec![defect], ..ReplicaName::mended() };
        let optima = Optima::search(name.rules(), &LEVELS_QUICK, &BTreeSet::new());
        assert!(!optima.is_empty(), "{defect} shows nothing in {} traces", optima.runs());
        let measured = (0..SEEDS).flat_map(|seed| measure(&name, seed, BUILD_UP, &|| 0));
        for Measured { seed, number, first, signature, trace, structure, sound, .. } in measured {
            assert!(sound, "{signature} of trace {number}, seed {seed}: not minimal or confirmed");
            let optimum = optima.of(signature).filter(|(optimum, _)| first && structure > *optimum);
            above.extend(optimum.map(|(optimum, smaller)| {
                format!("{defect}, {signature} of trace {number}, seed {seed}: {structure:?} not {optimum:?}\n{trace:?}\n{smaller:?}")
            }));
        }
    }
    assert!(above.is_empty(), "{}", above.join("\n"));
}

#[test]
fn single_edits_alone_miss_the_optimum() {
    // Checks that the test above can fail: without building up, some failures stay above the optimum.
    let defect = Defect::ExitErasesTwice;
    let name = ReplicaName { with: vec![defect], ..ReplicaName::mended() };
    let optima = Optima::search(name.rules(), &LEVELS_QUICK, &BTreeSet::new());
    let measured = (0..2 * SEEDS).flat_map(|seed| measure(&name, seed, 0, &|| 0));
    let above =
        measured.filter(|one| optima.of(one.signature).is_some_and(|(least, _)| one.structure > least));
    assert!(above.count() > 0);
}

fn rules(release: &str) -> Rules {
    Rules::of(Release::parse(release).expect("a release of the table"))
}

/// Shrinks the first trace that violates a memory law of 2.3.1; also returns how often it was judged.
fn shrunk() -> (Shrunk, Signature, u64) {
    let judge = |trace: &Trace| run_replica(trace, rules("2.3.1"), Options::VERDICT).verdict;
    let found = (0..100).map(|number| generate(1, number)).find_map(|trace| {
        let verdict = judge(&trace);
        let signature = verdict.memory_break()?.signature;
        Some((trace, verdict, signature))
    });
    let (trace, verdict, signature) = found.expect("a hundred traces break the memory of 2.3.1");
    let mut asked = 0;
    let judge = |trace: &Trace| {
        asked += 1;
        Ok::<_, ()>(judge(trace))
    };
    let shrunk =
        shrink(trace, verdict, signature, Limits::default(), judge).expect("the judge has no errors");
    (shrunk, signature, asked)
}

#[test]
fn other_signatures_are_kept_with_a_trace() {
    let (shrunk, signature, asked) = shrunk();
    assert_eq!(shrunk.runs, asked);
    assert!(!shrunk.slipped.is_empty(), "other signatures lie on the way");
    let mut known = BTreeSet::from([signature]);
    for (slipped, trace) in &shrunk.slipped {
        assert!(known.insert(*slipped), "{slipped} twice");
        let verdict = run_replica(trace, rules("2.3.1"), Options::VERDICT).verdict;
        assert!(verdict.shows(*slipped), "{slipped} by {trace:?}");
    }
}

#[test]
fn a_bound_on_runs_is_kept_and_reported() {
    let (whole, signature, _) = shrunk();
    let judge = |trace: &Trace| Ok::<_, ()>(run_replica(trace, rules("2.3.1"), Options::VERDICT).verdict);
    let longer: Vec<Wake> = std::iter::repeat_n(Wake::next_timer(), 9).collect();
    let (setup, wakes) = whole.trace.into_parts();
    let trace = Trace::new(setup, [wakes, longer].concat()).expect("still a trace");
    let limits = Limits { runs_max: 2, pairs: true };
    let cut = shrink(trace, whole.verdict, signature, limits, judge).expect("the judge has no errors");
    assert_eq!((cut.runs, cut.minimal), (2, false));
}

/// Returns a judge that reports a violation if at least `many` wakes have a SIGHUP.
fn reloads(many: usize) -> impl Fn(&Trace) -> Result<Verdict, ()> {
    let signature = Signature { law: Law::Progress, step: Step::Blocked, entry: None };
    move |trace| {
        let shows = trace.wakes().iter().filter(|wake| wake.hup.is_some()).count() >= many;
        let broken = || Violation::bare(signature);
        Ok(Verdict { breaks: shows.then(broken).into_iter().collect(), outcome: Outcome::Survived })
    }
}

#[test]
fn the_second_check_refuses_each_trace_that_is_one_step_too_large() {
    let judge = reloads(2);
    let signature = Signature { law: Law::Progress, step: Step::Blocked, entry: None };
    let found = (0..100)
        .map(|number| generate(1, number))
        .find(|trace| judge(trace).is_ok_and(|verdict| !verdict.is_clean()) && trace.wakes().len() > 5);
    let found = found.expect("some trace reloads twice");
    let verdict = judge(&found).expect("the judge has no errors");
    let small =
        shrink(found, verdict, signature, Limits::default(), &judge).expect("the judge has no errors");
    assert_eq!(Size::of(&small.trace).wakes, 2);
    assert_eq!(is_minimal(&small.trace, signature, &judge).map(|(minimal, _)| minimal), Ok(true));
    // One more wake, one more signal, another order: each is one step from the smallest trace.
    let (setup, wakes) = small.trace.into_parts();
    let longer = [wakes.clone(), vec![Wake::next_timer()]].concat();
    let mut louder = wakes.clone();
    louder[0].term = true;
    let mut turned = wakes;
    turned[1] = turned[1].clone().signals_first();
    for wakes in [longer, louder, turned] {
        let trace = Trace::new(setup.clone(), wakes).expect("still a trace");
        let (minimal, runs) = is_minimal(&trace, signature, &judge).expect("the judge has no errors");
        assert!(!minimal && runs > 0, "{trace:?}");
    }
}

/// A replica of 2.3.1 that claims to be a real program of the release of `rules`, and hides its violations on traces
/// with fewer wakes than a minimum.
struct Pretender {
    rules: Rules,
    wakes_min: usize,
}

impl Subject for Pretender {
    fn kind(&self) -> SubjectKind {
        SubjectKind::Engine
    }

    fn name(&self) -> String {
        "replica:2.3.1".to_owned()
    }

    fn rules(&self) -> Rules {
        self.rules
    }

    fn run(&mut self, traces: &[Trace], options: Options) -> Result<Vec<Ran>, SubjectError> {
        let run = |trace: &Trace| {
            let mut ran = run_replica(trace, rules("2.3.1"), options);
            if trace.wakes().len() < self.wakes_min {
                ran.verdict.breaks.clear();
            }
            ran
        };
        Ok(traces.iter().map(run).collect())
    }
}

/// Triages the first memory violation of 2.3.1 on a pretender.
fn pretended(replica: Rules, wakes_min: usize) -> Finding {
    let build = || -> Result<Box<dyn Subject>, SubjectError> {
        Ok(Box::new(Pretender { rules: replica, wakes_min }))
    };
    let mut workers = vec![build().expect("a pretender")];
    let plan = Plan::new(1, Some(200), false);
    let mut failures = Vec::<Failure>::new();
    hunt(&mut workers, plan, &mut KnownCauses::default(), &mut failures).expect("a pretender runs");
    let failure = failures.last().expect("something is found");
    assert!(failure.verdict.memory_break().is_some());
    findings(&mut workers, &build, std::slice::from_ref(failure), BUILD_UP).remove(0)
}

#[test]
fn interrupted_triage_keeps_the_smallest_trace() {
    let subject = || -> Result<Box<dyn Subject>, SubjectError> {
        Ok(Box::new(Pretender { rules: rules("2.3.1"), wakes_min: 0 }))
    };
    let mut workers = vec![subject().expect("a pretender")];
    let mut failures = Vec::<Failure>::new();
    hunt(&mut workers, Plan::new(1, Some(200), false), &mut KnownCauses::default(), &mut failures)
        .expect("it runs");
    let failure = failures.last().expect("something is found");
    let last = AtomicU64::new(0);
    let until = |runs_max| {
        let keep_going = |runs| {
            last.store(runs, Ordering::Relaxed);
            runs < runs_max
        };
        let mut it = subject().expect("a pretender");
        triage(it.as_mut(), &subject, failure, BUILD_UP, Control::new(&keep_going)).expect("it runs")
    };
    let Triaged::Finished(whole) = until(u64::MAX) else { panic!("nothing interrupted it") };
    let other = triage(workers[0].as_mut(), &subject, failure, BUILD_UP, Control::none()).expect("it runs");
    let other = other.finished().expect("nothing interrupts it");
    assert_eq!((&whole.trace, whole.runs, whole.digest), (&other.trace, other.runs, other.digest));
    let (mut size, all) = (Size::of(&failure.trace), last.load(Ordering::Relaxed));
    for runs_max in [0, all / 4, all / 2, all] {
        let Triaged::Interrupted(stopped) = until(runs_max) else { panic!("{runs_max} runs were enough") };
        assert_eq!(stopped.runs, runs_max);
        assert!(Size::of(&stopped.trace) <= size, "after {runs_max} runs");
        size = Size::of(&stopped.trace);
        let mut it = subject().expect("a pretender");
        let finding = triage_partly(it.as_mut(), &subject, failure, stopped).expect("it runs");
        assert!(finding.confirmed && !finding.minimal, "it shows the failure, and is not proved minimal");
    }
    assert!(size < Size::of(&failure.trace) && Size::of(&whole.trace) <= size);
}

#[test]
fn each_shrink_on_the_replica_is_confirmed_for_real() {
    let agreed = pretended(rules("2.3.1"), 0);
    assert_eq!((agreed.shrunk_on, agreed.trace.wakes().len()), (ShrunkOn::ReplicaConfirmed, 1));
    // The replica would shrink to one wake, but the program does not show the failure there.
    let refused = pretended(rules("2.3.1"), 3);
    assert_eq!((refused.shrunk_on, refused.trace.wakes().len()), (ShrunkOn::ReplicaConfirmed, 3));
    assert!(refused.minimal && refused.confirmed);
}

#[test]
fn without_the_replica_shrinking_uses_the_program() {
    let finding = pretended(Rules::mended(), 2);
    assert_eq!((finding.shrunk_on, finding.trace.wakes().len()), (ShrunkOn::RealBecauseReplicaDiffers, 2));
    assert_eq!(finding.cause, Cause::NotInReplica);
    let mut subject = Pretender { rules: Rules::mended(), wakes_min: 2 };
    let text = report::finding(&Report {
        finding: &finding,
        explanation: &explanation_of(&finding, &mut subject),
        origin: "trace 0 of seed 1",
        replay: "treefall replay",
        scenario: "",
        as_it_is: false,
        story: None,
    });
    assert!(text.contains("on the real program: the replica does not show it"), "{text}");
}
