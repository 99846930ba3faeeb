//! Runs and judges a fuzz input twice, and reports failures by a panic.

use std::fmt::Write as _;

use treefall_model::event::SubjectKind;
use treefall_model::observe::Watch;
use treefall_model::release::Rules;
use treefall_model::trace::Trace;
use treefall_model::verdict::Verdict;

use super::states::StateObserver;
use treefall_scenario::{self as scenario, Scenario};
use treefall_subject::Options;
use treefall_subject::replica::{Replica, run_replica};

/// Receives the number of each state ([`STATES`](super::STATES)) that a run reaches.
pub type OnState<'t> = &'t mut dyn FnMut(usize);

/// Returns the verdict, which must be the same twice. Reports the states of the first run.
pub(super) fn judged(target: &str, trace: &Trace, rules: Rules, tell: OnState<'_>) -> Verdict {
    let watch = Watch::new(trace.setup(), SubjectKind::Replica, Options::VERDICT);
    let run = Replica::new(trace, rules, StateObserver { inner: watch, tell }).run();
    let first = run.observer.inner.finish(run.outcome).verdict;
    let second = run_replica(trace, rules, Options::WHOLE).verdict;
    if first != second {
        let mut text = format!("{target}: two runs of one trace were judged differently\n");
        let _ = writeln!(text, "one: {first:#?}\nthe other: {second:#?}");
        panic!("{text}{}", as_scenario(trace));
    }
    first
}

pub(super) fn as_scenario(trace: &Trace) -> String {
    scenario::write(&Scenario::new("Found by the fuzzer", trace.clone()))
}

pub(super) fn fail(target: &str, trace: &Trace, verdict: &Verdict, why: &str) -> ! {
    let mut text = format!("{target} breaks a law, and {why}\n");
    for broken in &verdict.breaks {
        let _ = writeln!(text, "{} at {:?}: {}", broken.signature, broken.at, broken.detail);
    }
    let _ = writeln!(text, "outcome: {}", verdict.outcome);
    let _ = writeln!(text, "replay: treefall replay FILE --target {target}, FILE being:\n");
    panic!("{text}{}", as_scenario(trace));
}

/// Returns whether the fixed defects explain the verdict: with them fixed, the run survives and shows none of its
/// signatures. New signatures do not count, because a release with only some defects fixed never existed.
pub(super) fn explained(verdict: &Verdict, mended: &Verdict) -> bool {
    mended.outcome.survived() && !verdict.signatures().any(|signature| mended.shows(signature))
}
