//! One run of a fuzz target, judged twice; and the panic of a failure.

use std::fmt::Write as _;

use treefall_model::event::SubjectKind;
use treefall_model::observe::Watch;
use treefall_model::release::Rules;
use treefall_model::trace::Trace;
use treefall_model::verdict::Verdict;

use super::states::Watched;
use treefall_scenario::{self as scenario, Scenario};
use treefall_subject::Options;
use treefall_subject::replica::{Replica, run_replica};

/// Told the number of each state ([`STATES`](super::STATES)) that a run comes through.
pub type Tell<'t> = &'t mut dyn FnMut(usize);

/// The verdict, if it is the same twice; the states that the first run came through are told.
pub(super) fn judged(target: &str, trace: &Trace, rules: Rules, tell: Tell<'_>) -> Verdict {
    let watch = Watch::new(trace.setup(), SubjectKind::Replica, Options::VERDICT);
    let run = Replica::new(trace, rules, Watched { inner: watch, tell }).run();
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

/// Whether the defects that were mended explain the verdict: with them mended, the run survives and has none of its
/// signatures. A signature of its own is no news of the release: it is one of a program that never was, with some
/// defects of its time mended.
pub(super) fn explained(verdict: &Verdict, mended: &Verdict) -> bool {
    mended.outcome.survived() && !verdict.signatures().any(|signature| mended.shows(signature))
}
