//! Searches for differences of two programs: plays the known scenarios, then random traces, and judges them in order.
//!
//! Invariant: the results depend only on the traces and their order, never on time. Chunks are played together; a
//! trace without a difference at first sight is not examined further.

use std::collections::{BTreeMap, BTreeSet};

use treefall_model::trace::Trace;
use treefall_model::verdict::{Signature, Weight};
use treefall_report::PipelineError;
use treefall_search::cause::{Ablation, Cause};
use treefall_search::generator::Source;
use treefall_search::oracle::{Closeness, same_at_sight};
use treefall_search::shrink::Size;
use treefall_subject::Ran;

use super::judge::{Better, Key, TraceVerdict, judge};
use super::known;
use super::lane::{Lane, PlayedPair, Side};

/// After so many kinds of findings the search ends: the programs are unrelated.
const KEYS_MAX: usize = 8;
/// After so many worse traces the search ends: some of them are small.
const WORSE_MAX: u64 = 60;

/// The origin of a trace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TraceOrigin {
    /// A known scenario, by its path below `scenarios/`, or a file, by its name.
    Scenario(String),
    /// The trace with this number of a source.
    Drawn(Source, u64),
}

impl std::fmt::Display for TraceOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Scenario(name) => f.write_str(name),
            Self::Drawn(source, number) => write!(f, "trace {number} of {source}"),
        }
    }
}

/// A kind of finding, as the search met it.
#[derive(Clone, Debug)]
pub struct CheckFailure {
    /// Its key.
    pub key: Key,
    /// Number of traces that show it.
    pub times: u64,
    /// The smallest such trace.
    pub trace: Trace,
    /// The origin of that trace.
    pub origin: TraceOrigin,
}

/// A law that both programs break.
#[derive(Clone, Debug)]
pub struct SharedViolation {
    /// Number of traces in which both break it.
    pub times: u64,
    /// Its cause, determined in the first trace.
    pub cause: Cause,
}

/// Counts and results of one search.
#[derive(Clone, Default, Debug)]
pub struct CheckResults {
    /// Scenarios or files played.
    pub scenarios: u64,
    /// Random traces drawn.
    pub drawn: u64,
    /// Random traces that both programs accept.
    pub traces: u64,
    /// Traces with a difference.
    pub unlike: u64,
    /// Traces in which the new program is worse.
    pub worse_traces: u64,
    /// What makes the new program worse.
    pub worse: BTreeMap<Key, CheckFailure>,
    /// What makes it better, with the number of traces.
    pub better: BTreeMap<Better, u64>,
    /// Laws that both programs break.
    pub shared: BTreeMap<Signature, SharedViolation>,
    /// Scenarios that the programs do not accept.
    pub not_given: u64,
    /// Number of traces through which the reference cannot be driven, and why not through the first.
    pub no_reference: Option<(u64, String)>,
}

impl CheckResults {
    /// Returns whether both break a law of weight memory.
    #[must_use]
    pub fn shares_memory(&self) -> bool {
        self.shared.keys().any(|signature| signature.law.weight() == Weight::Memory)
    }

    /// Returns whether more traces would add nothing.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.worse.len() >= KEYS_MAX || self.worse_traces >= WORSE_MAX
    }
}

/// Receives findings while the search runs.
pub trait CheckObserver {
    /// Called when a kind of finding is met for the first time, or in a smaller trace.
    ///
    /// # Errors
    /// When the finding cannot be stored; this ends the search.
    fn seen(&mut self, lane: &Lane, seen: &CheckFailure) -> Result<(), PipelineError>;
}

/// A search that runs in chunks.
pub struct CheckSearch {
    lane: Lane,
    closeness: Closeness,
    source: Source,
    /// Number of the next trace to draw.
    next: u64,
    tally: CheckResults,
}

impl CheckSearch {
    /// Starts a search on this lane, with traces of this source.
    #[must_use]
    pub fn new(lane: Lane, strict: bool, source: Source) -> Self {
        let closeness = lane.sides().closeness(strict);
        Self { lane, closeness, source, next: 0, tally: CheckResults::default() }
    }

    /// Returns the results so far.
    #[must_use]
    pub const fn tally(&self) -> &CheckResults {
        &self.tally
    }

    /// Returns the two programs.
    #[must_use]
    pub const fn lane(&mut self) -> &mut Lane {
        &mut self.lane
    }

    /// Returns how closely they are compared.
    #[must_use]
    pub const fn closeness(&self) -> Closeness {
        self.closeness
    }

    /// Plays the known scenarios.
    ///
    /// # Errors
    /// When a program cannot be restarted, the harness fails, or a finding cannot be stored.
    pub fn play_known(&mut self, watcher: &mut dyn CheckObserver) -> Result<(), PipelineError> {
        let scenarios = known::scenarios().into_iter();
        let named = scenarios.map(|(name, scenario)| (name.to_owned(), scenario.trace));
        self.play_given(named.collect(), watcher)
    }

    /// Plays these traces, each with its name.
    ///
    /// # Errors
    /// As [`play_known`](Self::play_known).
    pub fn play_given(
        &mut self,
        named: Vec<(String, Trace)>,
        watcher: &mut dyn CheckObserver,
    ) -> Result<(), PipelineError> {
        let (given, not): (Vec<_>, Vec<_>) = named.into_iter().partition(|(_, trace)| self.lane.takes(trace));
        self.tally.not_given += not.len() as u64;
        self.tally.scenarios += given.len() as u64;
        let (names, traces): (Vec<_>, Vec<_>) = given.into_iter().unzip();
        self.play(traces, names.into_iter().map(TraceOrigin::Scenario).collect(), watcher)
    }

    /// Draws and plays `count` more traces.
    ///
    /// # Errors
    /// As [`play_known`](Self::play_known).
    pub fn play_drawn(&mut self, count: u64, watcher: &mut dyn CheckObserver) -> Result<(), PipelineError> {
        let numbers = self.next..self.next.saturating_add(count);
        self.tally.drawn += numbers.end - numbers.start;
        self.next = numbers.end;
        let drawn = numbers.map(|number| (self.lane.draw(self.source, number), number));
        let (traces, numbers): (Vec<_>, Vec<_>) = drawn.filter(|(trace, _)| self.lane.takes(trace)).unzip();
        self.tally.traces += traces.len() as u64;
        let origins = numbers.into_iter().map(|number| TraceOrigin::Drawn(self.source, number)).collect();
        self.play(traces, origins, watcher)
    }

    fn play(
        &mut self,
        traces: Vec<Trace>,
        origins: Vec<TraceOrigin>,
        watcher: &mut dyn CheckObserver,
    ) -> Result<(), PipelineError> {
        let played = self.lane.play(traces, self.closeness.at_sight())?;
        for (played, origin) in played.into_iter().zip(origins) {
            if let (Side::Ran(new), Side::Ran(old)) = (&played.new, &played.old) {
                self.share(&played.trace, new, old);
                if same_at_sight(new, old) {
                    continue;
                }
            }
            if self.tally.is_enough() {
                return Ok(());
            }
            self.look_closer(played, origin, watcher)?;
        }
        Ok(())
    }

    /// Judges a trace that differs at first sight.
    fn look_closer(
        &mut self,
        played: PlayedPair,
        origin: TraceOrigin,
        watcher: &mut dyn CheckObserver,
    ) -> Result<(), PipelineError> {
        let driven = [&played.new, &played.old].iter().all(|side| matches!(side, Side::Ran(_)));
        let played =
            if driven { self.lane.play_one(played.trace, self.closeness.in_detail())? } else { played };
        let judged = judge(&mut self.lane, self.closeness, &played)?;
        self.tally.unlike += u64::from(!matches!(judged, TraceVerdict::Same));
        match judged {
            TraceVerdict::Same => Ok(()),
            TraceVerdict::NoReference(why) => {
                self.tally.no_reference.get_or_insert((0, why)).0 += 1;
                Ok(())
            }
            TraceVerdict::Better(better) => {
                better.into_iter().for_each(|it| *self.tally.better.entry(it).or_default() += 1);
                Ok(())
            }
            TraceVerdict::Worse { keys, trace } => self.add_worse(keys, &trace, &origin, watcher),
        }
    }

    fn add_worse(
        &mut self,
        keys: BTreeSet<Key>,
        trace: &Trace,
        origin: &TraceOrigin,
        watcher: &mut dyn CheckObserver,
    ) -> Result<(), PipelineError> {
        self.tally.worse_traces += 1;
        for key in keys {
            let new = || CheckFailure { key, times: 0, trace: trace.clone(), origin: origin.clone() };
            let known = self.tally.worse.contains_key(&key);
            let seen = self.tally.worse.entry(key).or_insert_with(new);
            seen.times += 1;
            let smaller = Size::of(trace) < Size::of(&seen.trace);
            if smaller {
                (seen.trace, seen.origin) = (trace.clone(), origin.clone());
            }
            if smaller || !known {
                watcher.seen(&self.lane, seen)?;
            }
        }
        Ok(())
    }

    /// Counts the laws that both programs break.
    fn share(&mut self, trace: &Trace, new: &Ran, old: &Ran) {
        let (rules, kind) = (self.lane.rules().0, self.lane.sides().kind);
        for signature in new.verdict.signatures().filter(|it| old.verdict.shows(*it)) {
            let cause = || Ablation::new(kind, rules).cause_of(trace, signature, &new.verdict);
            let shared = self.tally.shared.entry(signature);
            shared.or_insert_with(|| SharedViolation { times: 0, cause: cause() }).times += 1;
        }
    }
}
