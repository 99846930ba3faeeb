//! Searches trace numbers of a campaign for the first trace of each signature and cause.
//!
//! Invariant: results are processed in the order of trace numbers, in chunks of fixed sizes. Failures, and the number
//! of traces at which a search ends, therefore do not depend on the number of jobs.

use serde::{Deserialize, Serialize};
use treefall_model::trace::Trace;
use treefall_model::verdict::{Signature, Verdict, Violation, Weight};
use treefall_world::Counts;

use crate::apart::play_apart;
use crate::cause::{Ablation, CauseKey};
use crate::generator::Source;
use crate::known::{FindingId, KnownCauses, NewCause, new_cause};
use crate::shard::Shard;
use treefall_subject::{Options, Ran, Subject, SubjectError};

/// Traces in the first chunk. A search ends between traces, and the rest of its chunk is wasted; on a real program
/// that breaks at once, that is most of its time.
const CHUNK_FIRST: u64 = 2;
/// Largest chunk: each is twice the last. A search checks the time between chunks.
const CHUNK_MAX: u64 = 256;

/// Which traces to search, and when to end.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The campaign's seed, and how it draws traces.
    pub source: Source,
    /// Trace numbers below this are tried; `None`: no limit.
    pub traces_max: Option<u64>,
    /// Whether to continue after the first memory violation.
    pub all: bool,
    /// The part of these numbers to search.
    pub shard: Shard,
    /// Counts of an earlier search of the same plan, which this one continues.
    pub so_far: Tally,
}

impl Plan {
    /// Returns the plan of all traces below `traces_max` of the swarm of this seed.
    #[must_use]
    pub fn new(seed: u64, traces_max: Option<u64>, all: bool) -> Self {
        Self { source: Source::swarm(seed), traces_max, all, shard: Shard::WHOLE, so_far: Tally::default() }
    }

    /// Returns the number of traces to run in all; [`u64::MAX`]: no limit.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.traces_max.map_or(u64::MAX, |max| self.shard.length(max))
    }
}

/// A trace that broke a law, by a signature and cause that were not met before.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its number in the campaign.
    pub number: u64,
    /// The trace, as it was drawn.
    pub trace: Trace,
    /// The violation.
    pub broken: Violation,
    /// The complete verdict on the trace.
    pub verdict: Verdict,
    /// Its cause, and the part of the trace that shows it; `None`: not determined.
    pub new_cause: Option<NewCause>,
}

impl Failure {
    /// Returns a failure whose cause is not determined.
    #[must_use]
    pub const fn new(number: u64, trace: Trace, broken: Violation, verdict: Verdict) -> Self {
        Self { number, trace, broken, verdict, new_cause: None }
    }

    /// Returns the failure's signature.
    #[must_use]
    pub fn signature(&self) -> Signature {
        self.broken.signature
    }

    /// Determines the cause with the whole trace.
    #[must_use]
    pub fn with_cause(self, subject: &dyn Subject) -> Self {
        let cause = Ablation::of(subject).cause_of(&self.trace, self.signature(), &self.verdict);
        let new_cause = Some(NewCause { cause, start: self.trace.clone() });
        Self { new_cause, ..self }
    }

    /// Returns the identity of the failure: signature and cause.
    #[must_use]
    pub fn id(&self) -> FindingId {
        FindingId { signature: self.signature(), cause: self.key() }
    }

    /// Returns the key of its cause, if it is determined.
    #[must_use]
    pub fn key(&self) -> Option<CauseKey> {
        self.new_cause.as_ref().map(|new_cause| new_cause.cause.key())
    }
}

/// Counts of a search.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Tally {
    /// Traces run.
    pub traces: u64,
    /// External events: timers, exits, signals.
    pub events: u64,
    /// Records in the histories.
    pub records: u64,
    /// Calls of the subjects into their surroundings: operations, handlers, system calls.
    pub steps: u64,
    /// Traces with a reload, a timeout and an exit.
    pub whole: u64,
    /// Traces that broke a memory law.
    pub memory: u64,
    /// Runs that did not survive.
    pub ended_badly: u64,
    /// Traces with a violation that cannot be compared, because the baseline's judging had ended before.
    #[serde(default)]
    pub cannot_tell: u64,
}

impl Tally {
    /// Counts one run.
    pub fn add(&mut self, counts: &Counts, verdict: &Verdict) {
        self.traces += 1;
        self.events += counts.external();
        self.records += counts.records;
        self.steps += counts.steps;
        self.whole += u64::from(counts.reloads > 0 && counts.timeouts > 0 && counts.exits > 0);
        self.memory += u64::from(verdict.memory_break().is_some());
        self.ended_badly += u64::from(!verdict.outcome.survived());
    }
}

/// Receives what a search finds, and may end it.
pub trait Lookout {
    /// Why a failure cannot be stored.
    type Error: From<SubjectError>;

    /// Stores the first trace of a signature and cause. Called in the order of trace numbers, before the search
    /// continues.
    ///
    /// # Errors
    /// When the failure cannot be stored, which ends the search.
    fn found(&mut self, failure: Failure) -> Result<(), Self::Error>;

    /// Returns whether to continue after a chunk.
    fn keep_going(&mut self, tally: &Tally) -> bool;
}

/// Stores every failure, and never ends the search early.
impl Lookout for Vec<Failure> {
    type Error = SubjectError;

    fn found(&mut self, failure: Failure) -> Result<(), SubjectError> {
        self.push(failure);
        Ok(())
    }

    fn keep_going(&mut self, _: &Tally) -> bool {
        true
    }
}

/// Searches with `workers`, subjects of one kind that run in parallel.
///
/// # Errors
/// When a subject cannot run, or the lookout cannot store a failure.
pub fn hunt<L: Lookout>(
    workers: &mut [Box<dyn Subject>],
    plan: Plan,
    known: &mut KnownCauses,
    lookout: &mut L,
) -> Result<Tally, L::Error> {
    let ablation = Ablation::of(workers[0].as_ref());
    let mut tally = plan.so_far;
    let end = plan.length();
    let (mut next, mut length) = (tally.traces, CHUNK_FIRST);
    while next < end {
        let chunk = next..end.min(next.saturating_add(length));
        let numbers: Vec<u64> = chunk.clone().map(|place| plan.shard.number(place)).collect();
        let before = known.clone();
        let results = run_chunk(workers, (&ablation, &before), plan.source, &numbers)?;
        for (number, played) in numbers.into_iter().zip(results) {
            let ran = &played.ran;
            tally.add(&ran.counts, &ran.verdict);
            tally.cannot_tell += u64::from(ran.beside.as_ref().is_some_and(|it| !it.cannot_tell.is_empty()));
            for (broken, answer) in ran.counting().zip(played.answers.iter().cloned()) {
                let (trace, broken, ran) = played.of(broken);
                let signature = broken.signature;
                // Failures found meanwhile in this chunk count as well.
                let same = known.causes(signature) == before.causes(signature);
                let answer = if same { answer } else { ask(&ablation, known, trace, broken, ran) };
                take(lookout, known, (number, trace, broken, ran), answer)?;
            }
            let broke = ran.verdict.memory_break().is_some() || !ran.verdict.outcome.survived();
            if broke && !plan.all && ran.counting().last() == ran.verdict.breaks.last() {
                return Ok(tally);
            }
        }
        if !lookout.keep_going(&tally) {
            break;
        }
        next = chunk.end;
        length = CHUNK_MAX.min(length * 2);
    }
    Ok(tally)
}

/// Recreates the failures of an earlier part of a search from the numbers of their traces, in the order in which they
/// were found.
///
/// # Errors
/// When the subject cannot run.
pub fn found_again(
    subject: &mut dyn Subject,
    source: Source,
    numbers: &[u64],
    known: &mut KnownCauses,
) -> Result<Vec<Failure>, SubjectError> {
    let mut failures = Vec::<Failure>::new();
    let mut numbers = numbers.to_vec();
    // A trace with several failures appears several times.
    numbers.dedup();
    for number in numbers {
        let trace = source.trace_for(subject, number);
        failures_in(subject, number, &trace, known, &mut failures)?;
    }
    Ok(failures)
}

/// Passes the violations of one trace whose causes are new to `lookout`.
///
/// # Errors
/// When the subject cannot run, or the lookout cannot store a failure.
pub fn failures_in<L: Lookout>(
    subject: &mut dyn Subject,
    number: u64,
    trace: &Trace,
    known: &mut KnownCauses,
    lookout: &mut L,
) -> Result<(), L::Error> {
    let ablation = Ablation::of(subject);
    let ran = subject.run_one(trace, Options::VERDICT)?;
    let played = JudgedTrace::new(subject, &ablation, trace.clone(), ran)?;
    for broken in played.ran.counting() {
        let (trace, broken, ran) = played.of(broken);
        let answer = ask(&ablation, known, trace, broken, ran);
        take(lookout, known, (number, trace, broken, ran), answer)?;
    }
    Ok(())
}

/// Passes a violation to `lookout` if it is new, and adds its cause to `known`.
fn take<L: Lookout>(
    lookout: &mut L,
    known: &mut KnownCauses,
    (number, trace, broken, ran): (u64, &Trace, &Violation, &Ran),
    answer: Option<NewCause>,
) -> Result<(), L::Error> {
    let Some(new_cause) = answer else { return Ok(()) };
    known.insert(broken.signature, new_cause.cause.key());
    let failure = Failure::new(number, trace.clone(), broken.clone(), ran.verdict.clone());
    lookout.found(Failure { new_cause: Some(new_cause), ..failure })
}

/// A trace that was run, and its new violations with their causes.
struct JudgedTrace {
    trace: Trace,
    ran: Ran,
    /// The same without its interfaces, where a violation may need none.
    apart: Option<(Trace, Ran)>,
    answers: Vec<Option<NewCause>>,
}

impl JudgedTrace {
    fn new(
        subject: &mut dyn Subject,
        ablation: &Ablation,
        trace: Trace,
        ran: Ran,
    ) -> Result<Self, SubjectError> {
        let apart = play_apart(subject, ablation, &trace, &ran)?;
        Ok(Self { trace, ran, apart, answers: Vec::new() })
    }

    /// The trace, violation and run that a violation of the trace's run is taken from. What wakes the loop decides at
    /// which step a violation of conduct is seen: without interfaces it may be another.
    fn of<'p>(&'p self, broken: &'p Violation) -> (&'p Trace, &'p Violation, &'p Ran) {
        let (law, signature) = (broken.signature.law, broken.signature);
        let apart = self.apart.as_ref().and_then(|(trace, ran)| {
            let same = ran.counting().find(|other| other.signature == signature);
            let alike = |other: &&Violation| law.weight() == Weight::Conduct && other.signature.law == law;
            Some((trace, same.or_else(|| ran.counting().find(alike))?, ran))
        });
        apart.unwrap_or((&self.trace, broken, &self.ran))
    }
}

fn ask(
    ablation: &Ablation,
    known: &KnownCauses,
    trace: &Trace,
    broken: &Violation,
    ran: &Ran,
) -> Option<NewCause> {
    let signature = broken.signature;
    new_cause(ablation, known.causes(signature), trace, signature, &ran.verdict)
}

/// Runs the traces of these numbers, split among the workers. Results are in the order of the numbers.
fn run_chunk(
    workers: &mut [Box<dyn Subject>],
    (ablation, known): (&Ablation, &KnownCauses),
    source: Source,
    numbers: &[u64],
) -> Result<Vec<JudgedTrace>, SubjectError> {
    let share = numbers.len().div_ceil(workers.len()).max(1);
    let one_share = |subject: &mut Box<dyn Subject>, numbers: &[u64]| {
        let traces: Vec<Trace> =
            numbers.iter().map(|number| source.trace_for(subject.as_ref(), *number)).collect();
        let ran = subject.run(&traces, Options::VERDICT)?;
        let mut played = |(trace, ran): (Trace, Ran)| {
            let mut played = JudgedTrace::new(subject.as_mut(), ablation, trace, ran)?;
            let of = |broken| {
                let (trace, broken, ran) = played.of(broken);
                ask(ablation, known, trace, broken, ran)
            };
            played.answers = played.ran.counting().map(of).collect();
            Ok(played)
        };
        traces.into_iter().zip(ran).map(&mut played).collect::<Result<Vec<_>, SubjectError>>()
    };
    if workers.len() == 1 {
        return one_share(&mut workers[0], numbers);
    }
    let shares: Vec<Result<Vec<_>, SubjectError>> = std::thread::scope(|scope| {
        let workers: Vec<_> = workers
            .iter_mut()
            .zip(numbers.chunks(share))
            .map(|(subject, numbers)| scope.spawn(move || one_share(subject, numbers)))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    shares.into_iter().collect::<Result<Vec<_>, _>>().map(|shares| shares.into_iter().flatten().collect())
}
