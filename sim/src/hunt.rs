//! The search: from seeds and numbers to the first trace of each signature.
//!
//! What always holds: results are taken in the order of trace numbers, in chunks whose sizes depend on nothing, so
//! that the finds and the number of traces at which a search ends are the same whatever the number of jobs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use treefall_model::trace::Trace;
use treefall_model::verdict::{Break, Signature, Verdict};
use treefall_world::Counts;

use crate::campaign::Shard;
use crate::generator::Source;
use treefall_subject::{Options, Ran, Subject, SubjectError};

/// Traces that are given out together at first: a search ends between traces, and what a chunk holds beyond its
/// end was run for nothing. On a real program that breaks at once that is most of the time there is.
const CHUNK_FIRST: u64 = 2;
/// Each chunk is twice the last, up to so many. A search looks at the clock between chunks.
const CHUNK_MAX: u64 = 256;

/// What to search, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The campaign's seed, and how it draws.
    pub source: Source,
    /// Trace numbers below this are tried; `None` for no bound.
    pub traces_max: Option<u64>,
    /// Go on after the first memory break.
    pub all: bool,
    /// Which of these numbers.
    pub shard: Shard,
    /// What an earlier search of the same plan went through: this one goes on behind it.
    pub so_far: Tally,
}

impl Plan {
    /// The first traces of the swarm of this seed, all of them.
    #[must_use]
    pub fn new(seed: u64, traces_max: Option<u64>, all: bool) -> Self {
        Self { source: Source::swarm(seed), traces_max, all, shard: Shard::WHOLE, so_far: Tally::default() }
    }

    /// How many traces it is to go through in all; [`u64::MAX`] for no bound.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.traces_max.map_or(u64::MAX, |max| self.shard.length(max))
    }
}

/// The first trace that showed a signature.
#[derive(Clone, Debug)]
pub struct Find {
    /// Its number in the campaign.
    pub number: u64,
    /// The trace.
    pub trace: Trace,
    /// The law it broke.
    pub broken: Break,
    /// Its whole verdict.
    pub verdict: Verdict,
}

impl Find {
    /// What makes it the same as another.
    #[must_use]
    pub fn signature(&self) -> Signature {
        self.broken.signature
    }
}

/// What a search went through.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Tally {
    /// Traces run.
    pub traces: u64,
    /// External events: timers, exits, signals.
    pub events: u64,
    /// Records of the histories.
    pub records: u64,
    /// Calls of the subjects into the world around them: operations, handlers, system calls.
    pub steps: u64,
    /// Traces in which a reload, a timeout and an exit all happened.
    pub whole: u64,
    /// Traces that broke a memory law.
    pub memory: u64,
    /// Runs that did not survive.
    pub ended_badly: u64,
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

/// What the search asks of whoever started it.
pub trait Lookout {
    /// A signature was met for the first time. Called in the order of trace numbers, before the search goes on.
    ///
    /// # Errors
    /// What could not be kept ends the search.
    fn found(&mut self, find: Find) -> Result<(), SubjectError>;

    /// A chunk is done. Whether to go on.
    fn go_on(&mut self, tally: &Tally) -> bool;
}

/// Keeps every find, and never ends the search before its bound.
impl Lookout for Vec<Find> {
    fn found(&mut self, find: Find) -> Result<(), SubjectError> {
        self.push(find);
        Ok(())
    }

    fn go_on(&mut self, _: &Tally) -> bool {
        true
    }
}

/// Searches with `crew`, subjects of one kind that work side by side.
///
/// # Errors
/// When a subject cannot run, or the lookout cannot keep a find.
pub fn hunt(
    crew: &mut [Box<dyn Subject>],
    plan: Plan,
    known: &mut BTreeSet<Signature>,
    lookout: &mut dyn Lookout,
) -> Result<Tally, SubjectError> {
    let baseline = known.clone();
    hunt_on(crew, plan, &baseline, known, lookout)
}

/// The same of a search that is gone on with: what an earlier part of it found is known, but a trace that ends by it
/// ends this search as it would have ended the whole.
///
/// # Errors
/// As [`hunt`].
pub fn hunt_on(
    crew: &mut [Box<dyn Subject>],
    plan: Plan,
    baseline: &BTreeSet<Signature>,
    known: &mut BTreeSet<Signature>,
    lookout: &mut dyn Lookout,
) -> Result<Tally, SubjectError> {
    let mut tally = plan.so_far;
    let end = plan.length();
    let (mut next, mut length) = (tally.traces, CHUNK_FIRST);
    while next < end {
        let chunk = next..end.min(next.saturating_add(length));
        let numbers: Vec<u64> = chunk.clone().map(|place| plan.shard.number(place)).collect();
        let results = run_chunk(crew, plan.source, &numbers)?;
        for (number, (trace, ran)) in numbers.into_iter().zip(results) {
            tally.add(&ran.counts, &ran.verdict);
            for broken in &ran.verdict.breaks {
                if known.insert(broken.signature) {
                    let (trace, verdict) = (trace.clone(), ran.verdict.clone());
                    lookout.found(Find { number, trace, broken: broken.clone(), verdict })?;
                }
            }
            let broke = ran.verdict.memory_break().is_some() || !ran.verdict.outcome.survived();
            let last = ran.verdict.breaks.last();
            let known_before = last.is_some_and(|broken| baseline.contains(&broken.signature));
            if broke && !known_before && !plan.all {
                return Ok(tally);
            }
        }
        if !lookout.go_on(&tally) {
            break;
        }
        next = chunk.end;
        length = CHUNK_MAX.min(length * 2);
    }
    Ok(tally)
}

/// Runs the traces of these numbers, split over the crew; results in the order of the numbers.
fn run_chunk(
    crew: &mut [Box<dyn Subject>],
    source: Source,
    numbers: &[u64],
) -> Result<Vec<(Trace, Ran)>, SubjectError> {
    let share = numbers.len().div_ceil(crew.len()).max(1);
    let one_share = |subject: &mut Box<dyn Subject>, numbers: &[u64]| {
        let traces: Vec<Trace> =
            numbers.iter().map(|number| source.trace_for(subject.as_ref(), *number)).collect();
        let ran = subject.run(&traces, Options::VERDICT)?;
        Ok(traces.into_iter().zip(ran).collect::<Vec<_>>())
    };
    if crew.len() == 1 {
        return one_share(&mut crew[0], numbers);
    }
    let shares: Vec<Result<Vec<_>, SubjectError>> = std::thread::scope(|scope| {
        let workers: Vec<_> = crew
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
