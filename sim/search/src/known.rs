//! Identifies findings: violations with the same signature *and* cause are one finding.
//!
//! Invariant: the answer depends only on the trace, the rules and the known causes of the signature, so that a search
//! finds the same at once, in parts, and with any number of jobs.

use std::collections::{BTreeMap, BTreeSet};

use treefall_model::release::{Defect, Defects};
use treefall_model::trace::Trace;
use treefall_model::verdict::{Signature, Verdict};

use crate::cause::{Ablation, Cause, CauseKey};
use crate::shrink::Edit;

/// The identity of a finding within its target.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FindingId {
    /// Its signature.
    pub signature: Signature,
    /// Its cause; `None`: not determined.
    pub cause: Option<CauseKey>,
}

impl From<Signature> for FindingId {
    fn from(signature: Signature) -> Self {
        Self { signature, cause: None }
    }
}

impl From<(Signature, CauseKey)> for FindingId {
    fn from((signature, cause): (Signature, CauseKey)) -> Self {
        Self { signature, cause: Some(cause) }
    }
}

/// The known causes of each signature.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct KnownCauses(BTreeMap<Signature, BTreeSet<CauseKey>>);

/// The causes of a signature without known causes.
static NONE: BTreeSet<CauseKey> = BTreeSet::new();

impl KnownCauses {
    /// Returns the known causes of `signature`.
    #[must_use]
    pub fn causes(&self, signature: Signature) -> &BTreeSet<CauseKey> {
        self.0.get(&signature).unwrap_or(&NONE)
    }

    /// Returns whether no cause is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a cause. Returns whether it was new.
    pub fn insert(&mut self, signature: Signature, cause: CauseKey) -> bool {
        self.0.entry(signature).or_default().insert(cause)
    }
}

/// A violation whose cause was not known of its signature.
#[derive(Clone, Debug)]
pub struct NewCause {
    /// The cause, by ablation of `start`.
    pub cause: Cause,
    /// The trace up to the wake of the violation: later wakes may break the law by other causes.
    pub start: Trace,
}

/// Determines the cause of the violation of `signature` in `trace`, on which the target gave this verdict, if it is
/// none of `known`.
///
/// Takes one or two runs of a replica if the cause is known, and about two dozen otherwise.
#[must_use]
pub fn new_cause(
    ablation: &Ablation,
    known: &BTreeSet<CauseKey>,
    trace: &Trace,
    signature: Signature,
    verdict: &Verdict,
) -> Option<NewCause> {
    if !ablation.is_surely_shown() && !ablation.shows(trace, signature) {
        let cause = ablation.cause_of(trace, signature, verdict);
        return (!known.contains(&cause.key())).then(|| NewCause { cause, start: trace.clone() });
    }
    let every: Defects = Defect::ALL.into_iter().collect();
    let stays_unexplained = || ablation.shows_without(every, trace, signature);
    if known.contains(&CauseKey::NotKnown) && stays_unexplained() {
        return None;
    }
    let mended = beyond(ablation, known, trace, signature)?;
    let first = ablation.wakes_until(Defects::NONE, trace, signature);
    let there = if mended.is_empty() { first } else { ablation.wakes_until(mended, trace, signature) };
    let start = first.max(there).and_then(|wakes| prefix(trace, wakes));
    let start = start.filter(|start| ablation.shows(start, signature)).unwrap_or_else(|| trace.clone());
    let cause = ablation.cause(&start, signature);
    let new = match cause.key() {
        CauseKey::Defect(defect) => !known.contains(&CauseKey::Defect(defect)),
        // A violation that shows only with a known cause fixed is masked by that cause, not found.
        CauseKey::Both(one, other) => {
            let keys = [CauseKey::Defect(one), CauseKey::Defect(other), cause.key()];
            !keys.iter().any(|key| known.contains(key))
        }
        CauseKey::NotKnown => known.is_empty() || stays_unexplained(),
        CauseKey::Elsewhere(_) | CauseKey::NotInReplica => false,
    };
    new.then_some(NewCause { cause, start })
}

/// Returns the known causes to fix before another violation can show; `None`: they explain the violation.
fn beyond(
    ablation: &Ablation,
    known: &BTreeSet<CauseKey>,
    trace: &Trace,
    signature: Signature,
) -> Option<Defects> {
    if known.is_empty() {
        return Some(Defects::NONE);
    }
    let of = |pick: fn(&CauseKey) -> bool| -> Defects {
        known.iter().filter(|key| pick(key)).flat_map(|key| key.defects().iter()).collect()
    };
    let mended = of(|_| true);
    if ablation.shows_without(mended, trace, signature) {
        return Some(mended);
    }
    // One of two defects that were known as a pair may suffice here.
    let single = of(|key| matches!(key, CauseKey::Defect(_)));
    let mut halves = mended.iter().filter(|defect| !single.has(*defect));
    let alone = halves.any(|it| !ablation.shows_without(Defects::NONE.with(it), trace, signature));
    alone.then_some(Defects::NONE)
}

/// Returns the first `wakes` wakes of a trace.
fn prefix(trace: &Trace, wakes: usize) -> Option<Trace> {
    let end = trace.wakes().len();
    (Edit::DropWakes { start: wakes, end }).apply(trace)
}
