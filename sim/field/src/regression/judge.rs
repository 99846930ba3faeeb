//! Judges one trace on a new program and an old one: same, better or worse.
//!
//! Rules, in this order:
//!
//! 1. What both show alike is the same, including laws that both break.
//! 2. A difference is better if the new program breaks the laws that a replica of the old one's release breaks with one of
//!    its defects mended, or does exactly what that replica does.
//! 3. A law that the new program alone breaks is worse.
//! 4. A difference is better if the old program alone breaks a law in the trace, or in the trace with time behind it.
//! 5. Any other difference is worse.

use std::collections::BTreeSet;

use treefall_model::event::SubjectKind;
use treefall_model::place::Place;
use treefall_model::release::{Defect, Rules};
use treefall_model::time::Span;
use treefall_model::trace::{Advance, Trace, Wake};
use treefall_model::verdict::{Signature, Verdict, Violation};
use treefall_search::oracle::{Closeness, DifferenceKey, SideBySide};
use treefall_subject::replica::run_replica_as;
use treefall_subject::{Ran, SubjectError};

use super::lane::{Lane, PlayedPair, Side};

/// Wakes to append to a trace, so that a law that needs time can fail.
const TIMERS_BEHIND: usize = 12;
/// Time from the end of the trace to the last of these wakes.
const TIME_BEHIND: Span = Span::from_secs(20);

/// The identity of a finding: equal keys are one finding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Key {
    /// The new program alone breaks a law.
    Breaks(Signature),
    /// The new program cannot be driven through the trace, but the old one can.
    NotDriven,
    /// The two differ although they break the same laws.
    Differs(DifferenceKey),
}

/// Formats it short enough for the name of a folder.
impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Breaks(signature) => signature.fmt(f),
            Self::NotDriven => f.write_str("not-driven"),
            Self::Differs(key) => key.fmt(f),
        }
    }
}

/// Why the new program is better in a trace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Better {
    /// It does what a replica of the old one's release does with this defect mended.
    Mends(Defect),
    /// It no longer breaks a law with this signature.
    NoLonger(Signature),
}

/// The verdict on one trace.
#[derive(Clone, Debug)]
pub enum TraceVerdict {
    /// Both programs show the same.
    Same,
    /// The old program cannot be driven through the trace, so nothing can be compared.
    NoReference(String),
    /// The new program is better.
    Better(BTreeSet<Better>),
    /// The new program is worse in this trace, which may be the played one with time appended.
    Worse {
        /// What makes it worse.
        keys: BTreeSet<Key>,
        /// The trace.
        trace: Trace,
    },
}

/// Judges a trace that was played in detail.
///
/// # Errors
/// When a program cannot be restarted, or the harness fails.
pub fn judge(
    lane: &mut Lane,
    closeness: Closeness,
    played: &PlayedPair,
) -> Result<TraceVerdict, SubjectError> {
    let (new, old) = match (&played.new, &played.old) {
        (_, Side::NotDriven(why)) => return Ok(TraceVerdict::NoReference(why.clone())),
        (Side::NotDriven(_), _) => return Ok(worse([Key::NotDriven], &played.trace)),
        (Side::Ran(new), Side::Ran(old)) => (new.as_ref(), old.as_ref()),
    };
    let seen = SideBySide::of(new, old);
    if seen.is_same() {
        return Ok(TraceVerdict::Same);
    }
    let explain = Explain { kind: lane.sides().kind, old: lane.rules().1, closeness };
    if let Some(defect) = explain.mended(&played.trace, new, old) {
        return Ok(TraceVerdict::Better([Better::Mends(defect)].into()));
    }
    if let Some(judged) = by_laws(&seen, &played.trace) {
        return Ok(judged);
    }
    let Some(difference) = &seen.difference else { return Ok(TraceVerdict::Same) };
    // No law is broken yet; with more time one may be.
    if let Some(longer) = with_time_behind(&played.trace).filter(|trace| lane.takes(trace)) {
        let again = lane.play_one(longer, closeness.in_detail())?;
        if let (Side::Ran(new), Side::Ran(old)) = (&again.new, &again.old) {
            if let Some(defect) = explain.mended(&again.trace, new, old) {
                return Ok(TraceVerdict::Better([Better::Mends(defect)].into()));
            }
            if let Some(judged) = by_laws(&SideBySide::of(new, old), &again.trace) {
                return Ok(judged);
            }
        }
    }
    Ok(worse([Key::Differs(DifferenceKey::of(difference))], &played.trace))
}

/// Judges by the laws that only one side breaks; `None` if there are none.
fn by_laws(seen: &SideBySide, trace: &Trace) -> Option<TraceVerdict> {
    let signatures = |places: &[(Place, _)]| -> BTreeSet<Signature> {
        places.iter().filter_map(|(place, _)| place.signature()).collect()
    };
    let breaks = signatures(&seen.breaks.new);
    let mends = signatures(&seen.mends.new);
    match (breaks.is_empty(), mends.is_empty()) {
        (false, _) => Some(worse(breaks.into_iter().map(Key::Breaks), trace)),
        (true, false) => Some(TraceVerdict::Better(mends.into_iter().map(Better::NoLonger).collect())),
        (true, true) => None,
    }
}

fn worse(keys: impl IntoIterator<Item = Key>, trace: &Trace) -> TraceVerdict {
    TraceVerdict::Worse { keys: keys.into_iter().collect(), trace: trace.clone() }
}

/// Returns the trace with time appended.
fn with_time_behind(trace: &Trace) -> Option<Trace> {
    let timers = std::iter::repeat_n(Advance::NextTimer, TIMERS_BEHIND);
    let behind = timers.chain([Advance::By(TIME_BEHIND)]).map(Wake::new);
    Trace::new(trace.setup().clone(), trace.wakes().iter().cloned().chain(behind).collect()).ok()
}

/// Explains a difference by known defects.
pub(super) struct Explain {
    pub(super) kind: SubjectKind,
    /// The old program's rules.
    pub(super) old: Rules,
    pub(super) closeness: Closeness,
}

impl Explain {
    /// Returns the defect of the old program's release whose mending explains what the new program did.
    fn mended(&self, trace: &Trace, new: &Ran, old: &Ran) -> Option<Defect> {
        let before = places(&old.verdict);
        let after = places(&new.verdict);
        self.old.defects.iter().find(|defect| {
            let ran = self.run(trace, self.old.without(*defect));
            let is_mend = before != after && places(&ran.verdict) == after;
            // A defect that makes no difference here explains nothing.
            is_mend || self.is_same(new, &ran) && !self.is_same(old, &ran)
        })
    }

    /// Returns the known defect which, added to the old program's release, explains what the new program did.
    pub(super) fn equivalent_defect(&self, trace: &Trace, new: &Ran, old: &Ran) -> Option<Defect> {
        let others = Defect::ALL.into_iter().filter(|defect| !self.old.has(*defect));
        others.into_iter().find(|defect| {
            let ran = self.run(trace, self.old.with(*defect));
            self.is_same(new, &ran) && !self.is_same(old, &ran)
        })
    }

    fn run(&self, trace: &Trace, rules: Rules) -> Ran {
        run_replica_as(self.kind, trace, rules, self.closeness.in_detail())
    }

    /// Returns whether a program did what a replica did.
    fn is_same(&self, new: &Ran, replica: &Ran) -> bool {
        // Nothing is compared after the first use of a freed entry: both must have broken memory there.
        if replica.first_use.is_some() && new.verdict.memory_break().is_none() {
            return false;
        }
        match self.kind {
            // A daemon has entries of its own.
            SubjectKind::Daemon => SideBySide::by_records(new, replica).is_same(),
            _ => SideBySide::of(new, replica).is_same(),
        }
    }
}

fn places(verdict: &Verdict) -> BTreeSet<Place> {
    verdict.breaks.iter().flat_map(Violation::places).map(|(place, _)| place).collect()
}
