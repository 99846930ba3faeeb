//! Simulates one life: a fresh program under the workload, until it fails or reaches its limit.
//!
//! Invariant: a life depends only on workload, rules, seed and number. A failure with a trace was replayed and failed
//! in the same way.

use treefall_base::control::Control;
use treefall_model::event::SubjectKind;
use treefall_model::judge::Judge;
use treefall_model::observe::{Blind, Options};
use treefall_model::release::Rules;
use treefall_model::time::{Instant, Span};
use treefall_model::trace::{Trace, TraceError};
use treefall_model::verdict::{Outcome, Signature, Verdict};
use treefall_world::Counts;

use super::outside::Field;
use super::workload::Workload;
use treefall_subject::replica::{Replica, run_replica};

/// Most wakes that are kept: some minutes of a busy daemon.
const KEPT_MAX: usize = 8_192;
/// Most wakes of a life that is kept whole because no part of it fails in the same way.
const WHOLE_MAX: usize = 1_000_000;
/// So many of the last reloads are tried one by one as a trace's beginning; then each twice as far back as the last.
const STARTS_EACH: usize = 16;

/// The kind of event that counts as a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// The program crashes or hangs. Nothing else is checked, which is fastest.
    Crash,
    /// A memory law is broken, or the program crashes or hangs. All is checked after every step.
    Memory,
    /// Any law is broken. All is checked after every step.
    Law,
}

/// How a life is observed.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// The event that ends it.
    pub until: Until,
    /// Longest time to simulate.
    pub span: Span,
}

/// A simulated life.
#[derive(Clone, Debug)]
pub struct Life {
    /// Its length.
    pub lasted: Span,
    /// Number of reloads.
    pub reloads: u64,
    /// Number of external events.
    pub events: u64,
    /// The failure that ended it, if any.
    pub failure: Option<Failure>,
}

/// The failure that ended a life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The law, as a replay of the trace shows it; `None`: no law broke, or there is no trace.
    pub signature: Option<Signature>,
    /// How the program ended, if it did.
    pub outcome: Outcome,
    /// A trace that fails in the same way: a part of the life, or the whole of it. `None`: the life had more wakes
    /// than are kept, and no part that was kept fails in the same way.
    pub trace: Option<Box<Trace>>,
}

/// Simulates life number `number` of the soak of `seed`.
///
/// Reports its length to `control` from time to time. An interrupted life ends there without a failure.
///
/// # Errors
/// When no trace can have the workload.
pub fn live(
    workload: &Workload,
    rules: Rules,
    (seed, number): (u64, u64),
    watch: Watch,
    control: Control<'_, Span>,
) -> Result<Life, TraceError> {
    let bare = workload.bare_trace()?;
    let run = |room| {
        let end = Instant::START + watch.span;
        let mut field = Field::new(workload, (seed, number), end, room, control);
        let (verdict, counts) = follow(&bare, rules, watch.until, &mut field);
        (field, verdict, counts)
    };
    let (mut field, verdict, counts) = run(KEPT_MAX);
    let failed = has_failed(&verdict, watch.until);
    let lasted = if failed || field.stopped { field.at.saturating_since(Instant::START) } else { watch.span };
    let life = Life { lasted, reloads: counts.reloads, events: counts.external(), failure: None };
    if !failed {
        return Ok(life);
    }
    let mut trace = cut(&bare, rules, watch.until, &field, &verdict);
    if trace.is_none() && !field.tail.is_whole() && counts.wakes <= WHOLE_MAX as u64 {
        // A second run keeps everything: the same draws give the same life.
        (field, _, _) = run(WHOLE_MAX);
        trace = cut(&bare, rules, watch.until, &field, &verdict);
    }
    let (trace, signature) = trace.unzip();
    let failure =
        Failure { signature: signature.flatten(), outcome: verdict.outcome, trace: trace.map(Box::new) };
    // The reload in which it failed could have failed as well.
    Ok(Life { reloads: life.reloads + 1, failure: Some(failure), ..life })
}

/// Runs a life until it fails or the outside ends.
fn follow(bare: &Trace, rules: Rules, until: Until, field: &mut Field<'_>) -> (Verdict, Counts) {
    if until == Until::Crash {
        let run = Replica::new(bare, rules, Blind).with_outside(field).run();
        return (Verdict { breaks: Vec::new(), outcome: run.outcome }, run.counts);
    }
    let judge = Judge::of(bare.setup(), SubjectKind::Replica);
    let goes_on = |judge: &Judge<'_>| {
        let breaks = judge.breaks();
        match until {
            Until::Law => breaks.is_empty(),
            Until::Memory | Until::Crash => !judge.is_over(),
        }
    };
    let run = Replica::new(bare, rules, judge).with_outside(field).run_while(goes_on);
    (run.observer.finish(run.outcome), run.counts)
}

fn has_failed(verdict: &Verdict, until: Until) -> bool {
    let broken = match until {
        Until::Crash => false,
        Until::Memory => verdict.memory_break().is_some(),
        Until::Law => !verdict.breaks.is_empty(),
    };
    broken || !verdict.outcome.survived()
}

/// Returns the shortest trace, of those tried, that fails as the life did, with its signature.
fn cut(
    bare: &Trace,
    rules: Rules,
    until: Until,
    field: &Field<'_>,
    failed: &Verdict,
) -> Option<(Trace, Option<Signature>)> {
    let starts = field.tail.starts();
    let last = starts.len().checked_sub(1)?;
    let mut step = 1;
    let mut place = 0;
    loop {
        let trace = Trace::new(bare.setup().clone(), field.tail.from(starts[place]));
        if let Ok(trace) = trace
            && let Some(signature) = fails_alike(&trace, rules, until, failed)
        {
            return Some((trace, signature));
        }
        if place == last {
            return None;
        }
        if place >= STARTS_EACH {
            step *= 2;
        }
        place = last.min(place + step);
    }
}

/// Returns the signature of `trace` if it fails as the life did, by its last wake.
#[expect(clippy::option_option, reason = "a crash may come without a law that it breaks")]
fn fails_alike(trace: &Trace, rules: Rules, until: Until, failed: &Verdict) -> Option<Option<Signature>> {
    let ran = run_replica(trace, rules, Options::VERDICT);
    let shown = ran.verdict;
    match until {
        Until::Crash => {
            let alike = shown.outcome == failed.outcome && ran.counts.wakes == trace.wakes().len() as u64;
            alike.then(|| main_signature(&shown))
        }
        Until::Memory | Until::Law => {
            let Some(wanted) = main_signature(failed) else {
                return (shown.outcome == failed.outcome).then_some(None);
            };
            shown.shows(wanted).then_some(Some(wanted))
        }
    }
}

/// Returns the main signature of a verdict: its memory violation, or else the first violation.
fn main_signature(verdict: &Verdict) -> Option<Signature> {
    verdict.memory_break().or(verdict.breaks.first()).map(|broken| broken.signature)
}
