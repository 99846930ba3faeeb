//! From a trace to a smaller one with the same signature.
//!
//! Smaller is an order on traces, [`Size`]: fewest wakes, then fewest scripts, exits, signals, events, then simplest
//! policies and times. What always holds: a candidate is taken only if it is strictly smaller and its verdict
//! still has the signature, so shrinking ends; it is bounded by [`Limits`] besides. The shrinker knows no
//! subject: it is given a function from a trace to a verdict.
//!
//! What comes after the break goes first, by bisection; then chunks of wakes; then, each to a standstill, single
//! [edits](edit::Edit) that take something away, those that simplify, and pairs of one that takes something away and
//! any (a change of a setup often must come together with the wake that it makes superfluous), or of one that makes
//! a policy plainer and any that simplifies (a cost may stand for a longer timeout).
//! Large traces are dear to run and small ones cheap: so whatever takes away comes before what simplifies. A
//! trace at which no single edit is accepted is *minimal*; [`is_minimal`] asks that again from nothing but the
//! trace.

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

/// Above so many wakes, pairs of edits are not tried: their number grows with the square.
const PAIRS_WAKES_MAX: usize = 5;

/// Bounds of one shrinking.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most runs of the subject.
    pub runs_max: u64,
    /// Whether pairs of edits are tried: many runs, for a subject whose runs are cheap.
    pub pairs: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { runs_max: 200_000, pairs: true }
    }
}

/// What shrinking came to.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest trace found.
    pub trace: Trace,
    /// Its verdict.
    pub verdict: Verdict,
    /// Runs of the subject that this took.
    pub runs: u64,
    /// How many candidates were taken.
    pub accepted: u64,
    /// No single edit makes it smaller; false when the bound on runs came first.
    pub minimal: bool,
    /// Other signatures met on the way, each with the first trace that showed it: new finds.
    pub slipped: Vec<(Signature, Trace)>,
}

impl Shrunk {
    /// Takes the place of this by what was shrunk `further` from a smaller trace: runs and slipped signatures of both.
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

/// Shrinks `trace`, which has `signature` by `judge`.
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
    let best = Shrunk { trace, verdict, runs: 0, accepted: 0, minimal: false, slipped: Vec::new() };
    let mut search = Shrinker { best, size, signature, known, limits, judge: &mut judge };
    search.prefix()?;
    search.chunks()?;
    loop {
        // To a standstill of both on one trace.
        search.singles(Edit::taking_away)?;
        while search.singles(Edit::simplifying)? && search.singles(Edit::taking_away)? {}
        if !limits.pairs || search.spent() || !search.pair()? {
            break;
        }
    }
    search.best.minimal = !search.spent();
    Ok(search.best)
}

/// Stands for whatever a caller of [`shrink_while`] looks for: no subject is judged by it.
const LOOKED_FOR: Signature = Signature { law: Law::Progress, step: Step::Ended, entry: None };

/// Shrinks `trace` while `keeps` holds of it, as of two programs that differ. The verdict of the result says nothing.
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

/// Whether no single edit of `trace` is smaller and keeps `signature`, and how many runs the answer took.
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

    /// Takes the candidate if it is smaller and keeps the signature.
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

    /// The shortest prefix that keeps the signature: what comes after the break is never needed.
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

    /// Drops runs of wakes, from half of them down to two at a time, the last ones first.
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

    /// Goes round the edits until none of a whole round is taken. Whether any was.
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
                // The next edit stands at most a little before its old place.
                edits = list(&self.best.trace);
                (place, refused) = (place - 1, 0);
            }
        }
        Ok(self.best.accepted > before)
    }

    /// Two edits of which one alone would not do: one that takes something away and any, then one that makes a
    /// policy plainer and any that takes nothing away. Whether a pair was taken; the first that can be is.
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

    /// Tries each of the edits after `first`. Whether one was taken.
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
