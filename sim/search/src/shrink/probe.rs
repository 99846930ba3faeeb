//! Runs a trace on the replica to find out how it could be extended: the children alive at its end, and the next
//! timer.
//!
//! Invariant: the run ends early if the signature shows, or no other violation can follow.

use std::collections::BTreeMap;

use treefall_model::digest::Digest;
use treefall_model::event::{Event, Record, Step, SubjectKind};
use treefall_model::id::Run;
use treefall_model::index::IndexView;
use treefall_model::judge::Judge;
use treefall_model::observe::Observer;
use treefall_model::release::Rules;
use treefall_model::time::{Deadline, Instant, Span};
use treefall_model::trace::Trace;
use treefall_model::verdict::Signature;

use crate::shrink::EndState;
use treefall_subject::replica::Replica;

struct Probe<'s> {
    judge: Judge<'s>,
    digest: Digest,
    living: Vec<Run>,
    gap: Option<Span>,
}

/// Searches for one signature on a replica, and caches the results. Building up extends several traces in several
/// passes, which repeat most traces.
pub(crate) struct ProbeCache {
    rules: Rules,
    signature: Signature,
    seen: BTreeMap<Trace, EndState>,
    runs: u64,
}

/// Most cached results: later ones are rarely repeated.
const SEEN_MAX: usize = 40_000;

impl ProbeCache {
    /// Returns an empty cache for `signature` on a replica with these `rules`.
    #[must_use]
    pub(crate) fn new(rules: Rules, signature: Signature) -> Self {
        Self { rules, signature, seen: BTreeMap::new(), runs: 0 }
    }

    /// Returns the result of [`probe`], which runs each trace once.
    pub(crate) fn probe(&mut self, trace: &Trace) -> EndState {
        if let Some(seen) = self.seen.get(trace) {
            return seen.clone();
        }
        self.runs += 1;
        let seen = probe(trace, self.rules, self.signature);
        if self.seen.len() < SEEN_MAX {
            self.seen.insert(trace.clone(), seen.clone());
        }
        seen
    }

    /// Returns the number of runs so far.
    #[must_use]
    pub(crate) fn runs(&self) -> u64 {
        self.runs
    }
}

/// Runs `trace` on a replica with these `rules` to see whether `signature` shows, and how to extend the trace.
#[must_use]
pub(crate) fn probe(trace: &Trace, rules: Rules, signature: Signature) -> EndState {
    let judge = Judge::of(trace.setup(), SubjectKind::Replica);
    let probe = Probe { judge, digest: Digest::new(), living: Vec::new(), gap: None };
    let run = Replica::new(trace, rules, probe)
        .run_while(|probe| !probe.judge.is_over() && !probe.judge.shows(signature));
    let Probe { judge, digest, living, gap } = run.observer;
    EndState { verdict: judge.finish(run.outcome), digest: digest.value(), living, gap }
}

impl Observer for Probe<'_> {
    fn record(&mut self, record: &Record) {
        self.digest.record(record);
        match record.event {
            Event::Started { run, .. } => self.living.push(run),
            Event::Exited { run, .. } => self.living.retain(|other| *other != run),
            Event::Blocked { deadline: Deadline::At(due) } => {
                self.gap = Some(due.saturating_since(record.at))
            }
            Event::Blocked { deadline: Deadline::Never } => self.gap = None,
            _ => {}
        }
        self.judge.record(record);
    }

    fn step<V: IndexView>(&mut self, step: Step, at: Instant, view: &V) {
        if !self.judge.is_over() {
            self.judge.step(step, at, view);
        }
    }
}
