//! Shrinks a trace to a smaller one with the same signature.
//!
//! Smaller is an order on traces, [`Size`]: fewest wakes, then fewest scripts, exits, signals, events, then simplest
//! policies and times. What always holds: a candidate is taken only if it is strictly smaller and its verdict
//! still has the signature, so shrinking ends; it is bounded by [`Limits`] besides. The shrinker knows no
//! subject: it is given a function from a trace to a verdict.
//!
//! First the wakes after the violation are removed, by bisection, then chunks of wakes. Then follow, each until
//! nothing more is accepted: single [edits](edit::Edit) that remove something, edits that simplify, and pairs of
//! edits. A pair removes something and makes any other change, because a change of the setup is often possible only
//! with the removal of a wake; or it makes a policy plainer and simplifies something else, because a cost may replace
//! a longer timeout.
//!
//! Removals come first because large traces are expensive to run and small ones cheap. A trace is *minimal* if no
//! single edit is accepted; [`is_minimal`] checks this from the trace alone.

mod alphabet;
mod build_up;
mod edit;
mod edits;
pub(crate) mod probe;
mod size;

use treefall_model::event::Step;
use treefall_model::law::Law;
use treefall_model::trace::Trace;
use treefall_model::verdict::{Outcome, Signature, Verdict, Violation};

pub use build_up::{Built, EndState, build_up};
pub use edit::Edit;
pub use size::Size;

/// Above this number of wakes, pairs of edits are not tried: their number grows with the square.
const PAIRS_WAKES_MAX: usize = 5;

/// Limits of one shrinking.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most runs of the subject.
    pub runs_max: u64,
    /// Whether to try pairs of edits: many runs, for a subject whose runs are cheap.
    pub pairs: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { runs_max: 200_000, pairs: true }
    }
}

/// The result of shrinking.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest trace found.
    pub trace: Trace,
    /// Its verdict.
    pub verdict: Verdict,
    /// Runs of the subject.
    pub runs: u64,
    /// Number of accepted candidates.
    pub accepted: u64,
    /// No single edit makes it smaller; `false` if the limit on runs came first.
    pub minimal: bool,
    /// Other signatures met on the way, each with the first trace that showed it: new failures.
    pub slipped: Vec<(Signature, Trace)>,
}

impl Shrunk {
    /// Returns the result before the first run: `trace` as it is, not proved minimal.
    #[must_use]
    pub const fn unchanged(trace: Trace, verdict: Verdict) -> Self {
        Self { trace, verdict, runs: 0, accepted: 0, minimal: false, slipped: Vec::new() }
    }

    /// Continues this result with one that was shrunk further: adds up the runs and merges the slipped signatures.
    pub fn take(&mut self, further: Self) {
        let (runs, accepted) = (self.runs + further.runs, self.accepted + further.accepted);
        let mut slipped = std::mem::take(&mut self.slipped);
        for (signature, trace) in further.slipped.iter() {
            if slipped.iter().all(|(known, _)| known != signature) {
                slipped.push((*signature, trace.clone()));
            }
        }
        *self = Self { runs, accepted, slipped, ..further };
    }
}

/// Shrinks `trace`, which has `signature` according to `judge`.
///
/// # Errors
/// The first error of `judge`.
pub fn shrink<E>(
    trace: Trace,
    verdict: Verdict,
    signature: Signature,
    limits: Limits,
    mut judge: impl FnMut(&Trace) -> Result<Verdict, E>,
) -> Result<Shrunk, E> {
    let known: Vec<_> = verdict.signatures().collect();
    let size = Size::of(&trace);
    let best = Shrunk::unchanged(trace, verdict);
    let mut search = Shrinker { best, size, signature, known, limits, judge: &mut judge };
    search.prefix()?;
    search.chunks()?;
    loop {
        // Until neither is accepted any more.
        search.singles(Edit::taking_away)?;
        while search.singles(Edit::simplifying)? && search.singles(Edit::taking_away)? {}
        if !limits.pairs || search.spent() || !search.pair()? {
            break;
        }
    }
    search.best.minimal = !search.spent();
    Ok(search.best)
}

/// A placeholder signature for [`shrink_while`]; no subject is judged by it.
const LOOKED_FOR: Signature = Signature { law: Law::Progress, step: Step::Ended, entry: None };

/// Shrinks `trace` while `keeps` returns `true`, as for two programs that differ. The verdict of the result is
/// meaningless.
///
/// # Errors
/// The first error of `keeps`.
pub fn shrink_while<E>(
    trace: Trace,
    limits: Limits,
    mut keeps: impl FnMut(&Trace) -> Result<bool, E>,
) -> Result<Shrunk, E> {
    let verdict = |kept: bool| Verdict {
        breaks: kept.then(|| Violation::bare(LOOKED_FOR)).into_iter().collect(),
        outcome: Outcome::Survived,
    };
    shrink(trace, verdict(true), LOOKED_FOR, limits, |trace| keeps(trace).map(verdict))
}

/// Returns whether no single edit of `trace` is smaller and keeps `signature`, and how many runs that took.
///
/// # Errors
/// The first error of `judge`.
pub fn is_minimal<E>(
    trace: &Trace,
    signature: Signature,
    mut judge: impl FnMut(&Trace) -> Result<Verdict, E>,
) -> Result<(bool, u64), E> {
    let size = Size::of(trace);
    let mut runs = 0;
    for candidate in Edit::all(trace).into_iter().filter_map(|edit| edit.apply(trace)) {
        if Size::of(&candidate) < size {
            runs += 1;
            if judge(&candidate)?.shows(signature) {
                return Ok((false, runs));
            }
        }
    }
    Ok((true, runs))
}

struct Shrinker<'j, E> {
    best: Shrunk,
    size: Size,
    signature: Signature,
    known: Vec<Signature>,
    limits: Limits,
    judge: &'j mut dyn FnMut(&Trace) -> Result<Verdict, E>,
}

impl<E> Shrinker<'_, E> {
    fn spent(&self) -> bool {
        self.best.runs >= self.limits.runs_max
    }

    /// Accepts the candidate if it is smaller and keeps the signature.
    fn offer(&mut self, candidate: Trace) -> Result<bool, E> {
        let size = Size::of(&candidate);
        if size >= self.size || self.spent() {
            return Ok(false);
        }
        self.best.runs += 1;
        let verdict = (self.judge)(&candidate)?;
        for broken in &verdict.breaks {
            if !self.known.contains(&broken.signature) {
                self.known.push(broken.signature);
                self.best.slipped.push((broken.signature, candidate.clone()));
            }
        }
        if !verdict.shows(self.signature) {
            return Ok(false);
        }
        (self.best.trace, self.best.verdict, self.size) = (candidate, verdict, size);
        self.best.accepted += 1;
        Ok(true)
    }

    /// Finds the shortest prefix that keeps the signature: wakes after the violation are never needed.
    fn prefix(&mut self) -> Result<(), E> {
        let mut too_short = 0;
        while too_short + 1 < self.best.trace.wakes().len() && !self.spent() {
            let end = self.best.trace.wakes().len();
            let start = too_short.midpoint(end);
            let Some(candidate) = (Edit::DropWakes { start, end }).apply(&self.best.trace) else { break };
            if !self.offer(candidate)? {
                too_short = start;
            }
        }
        Ok(())
    }

    /// Removes ranges of wakes, from half of them down to two at a time, the last ones first.
    fn chunks(&mut self) -> Result<(), E> {
        let mut length = self.best.trace.wakes().len() / 2;
        while length > 1 {
            let mut end = self.best.trace.wakes().len();
            while end > 0 && !self.spent() {
                let start = end.saturating_sub(length);
                if let Some(candidate) = (Edit::DropWakes { start, end }).apply(&self.best.trace) {
                    self.offer(candidate)?;
                }
                end = start.min(self.best.trace.wakes().len());
            }
            length /= 2;
        }
        Ok(())
    }

    /// Tries the edits in rounds until none of a round is accepted. Returns whether any was.
    fn singles(&mut self, list: fn(&Trace) -> Vec<Edit>) -> Result<bool, E> {
        let before = self.best.accepted;
        let (mut edits, mut place, mut refused) = (list(&self.best.trace), 0, 0);
        while refused < edits.len() && !self.spent() {
            place %= edits.len();
            let candidate = edits[place].apply(&self.best.trace);
            place += 1;
            refused += 1;
            if let Some(candidate) = candidate
                && self.offer(candidate)?
            {
                // The next edit is at most slightly before its old place.
                edits = list(&self.best.trace);
                (place, refused) = (place - 1, 0);
            }
        }
        Ok(self.best.accepted > before)
    }

    /// Accepts the first pair of edits that helps: one that removes something and any other, or one that makes a
    /// policy plainer and one that removes nothing. Returns whether there was one.
    fn pair(&mut self) -> Result<bool, E> {
        if self.best.trace.wakes().len() > PAIRS_WAKES_MAX {
            return Ok(false);
        }
        for first in Edit::taking_away(&self.best.trace) {
            if self.after(first, Edit::all)? {
                return Ok(true);
            }
        }
        for first in Edit::simplifying(&self.best.trace) {
            let taken = match first {
                _ if first.is_plainer() => self.after(first, Edit::simplifying)?,
                _ if first.renames() => self.after(first, Edit::taking_away)?,
                _ => false,
            };
            if taken {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Tries each of the edits after `first`. Returns whether one was accepted.
    fn after(&mut self, first: Edit, list: fn(&Trace) -> Vec<Edit>) -> Result<bool, E> {
        let Some(between) = first.apply(&self.best.trace) else { return Ok(false) };
        for second in list(&between).into_iter().filter(|second| !second.is_tried_otherwise(first)) {
            if let Some(candidate) = second.apply(&between)
                && self.offer(candidate)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
