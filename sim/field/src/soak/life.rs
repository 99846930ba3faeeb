//! One life: a fresh program under the workload, until it fails or was followed long enough.
//!
//! Always: a life is a function of workload, rules, seed and its number; a failure that has a trace was replayed, and
//! failed alike.

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

/// Wakes that are kept: some minutes of a busy daemon.
const TAIL: usize = 8_192;
/// Most wakes of a life that is kept whole because no part of it fails alike.
const WHOLE_MAX: usize = 1_000_000;
/// So many of the last reloads are tried as a trace's beginning, one by one; then each twice as far back as the last.
const STARTS_EACH: usize = 16;

/// What counts as a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// The program crashes or hangs. Nothing is checked on the way, which is fastest.
    Crash,
    /// A memory law is broken, or it crashes or hangs. All is checked after every step.
    Memory,
    /// Any law is broken. All is checked after every step.
    Law,
}

/// How a life is followed.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// Until when.
    pub until: Until,
    /// No longer than this.
    pub span: Span,
}

/// A life as far as it was followed.
#[derive(Clone, Debug)]
pub struct Life {
    /// How long it was.
    pub lasted: Span,
    /// Reloads in it.
    pub reloads: u64,
    /// External events in it.
    pub events: u64,
    /// What ended it, if something did before its span was over.
    pub failure: Option<Failure>,
}

/// What ended a life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The law, as the trace shows it when it is replayed; `None`: no law broke, or there is no trace.
    pub signature: Option<Signature>,
    /// The program's end, if this was one.
    pub outcome: Outcome,
    /// A trace that fails alike, cut from the life or the whole of it. `None`: the life had more wakes than are kept, and
    /// no part of it that was kept fails alike.
    pub trace: Option<Box<Trace>>,
}

/// Follows life number `number` of the soak of `seed`.
///
/// Reports now and then how long it was followed. Once interrupted, it is a life of that length without a failure.
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
    let (mut field, verdict, counts) = run(TAIL);
    let failed = has_failed(&verdict, watch.until);
    let lasted = if failed || field.stopped { field.at.saturating_since(Instant::START) } else { watch.span };
    let life = Life { lasted, reloads: counts.reloads, events: counts.external(), failure: None };
    if !failed {
        return Ok(life);
    }
    let mut trace = cut(&bare, rules, watch.until, &field, &verdict);
    if trace.is_none() && !field.tail.is_whole() && counts.wakes <= WHOLE_MAX as u64 {
        // Once more, to keep all of it: the same draws, the same life.
        (field, _, _) = run(WHOLE_MAX);
        trace = cut(&bare, rules, watch.until, &field, &verdict);
    }
    let (trace, signature) = trace.unzip();
    let failure =
        Failure { signature: signature.flatten(), outcome: verdict.outcome, trace: trace.map(Box::new) };
    // The reload in which it failed was a chance to fail as well.
    Ok(Life { reloads: life.reloads + 1, failure: Some(failure), ..life })
}

/// Runs a life until it fails or the outside has nothing more.
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

/// The shortest trace that was tried and fails as the life did, with the signature that it shows.
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

/// Whether `trace` fails as the life did, by its last wake, and the signature that it shows.
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

/// What a verdict is told by: its memory break, else the first.
fn main_signature(verdict: &Verdict) -> Option<Signature> {
    verdict.memory_break().or(verdict.breaks.first()).map(|broken| broken.signature)
}
