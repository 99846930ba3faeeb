//! What an oracle says of a run: laws broken, outcome, signature. Never an error of the harness.

use alloc::vec::Vec;

use crate::law::Law;
pub use crate::law::Weight;
pub use crate::outcome::Outcome;
pub use crate::violation::{AGAIN_MAX, Again, Moment, Signature, Violation};

/// What the model says of one run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The laws broken, each signature once, in the order in which they first broke.
    pub breaks: Vec<Violation>,
    /// How the run ended.
    pub outcome: Outcome,
}

impl Verdict {
    /// No law broken, and the run survived.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.breaks.is_empty() && self.outcome.survived()
    }

    /// Whether a law was broken with this signature.
    #[must_use]
    pub fn shows(&self, signature: Signature) -> bool {
        self.violation(signature).is_some()
    }

    /// The violation with this signature.
    #[must_use]
    pub fn violation(&self, signature: Signature) -> Option<&Violation> {
        self.breaks.iter().find(|broken| broken.signature == signature)
    }

    /// The signatures of the laws broken, in the order in which they first broke.
    pub fn signatures(&self) -> impl DoubleEndedIterator<Item = Signature> {
        self.breaks.iter().map(|broken| broken.signature)
    }

    /// Whether this law was broken, with any signature.
    #[must_use]
    pub fn breaks_law(&self, law: Law) -> bool {
        self.signatures().any(|signature| signature.law == law)
    }

    /// The memory law that ended the judging, if one did: always the last break.
    #[must_use]
    pub fn memory_break(&self) -> Option<&Violation> {
        self.breaks.last().filter(|broken| broken.signature.law.weight() == Weight::Memory)
    }

    /// The moment at which the judging ended before the trace did; `None`: it did not.
    #[must_use]
    pub fn cut_at(&self) -> Option<Moment> {
        let last = self.breaks.last().filter(|_| self.is_cut_short());
        last.map(|broken| Moment { at: broken.at, records: broken.records })
    }

    /// Whether the judging ended before the trace did, with the run or with memory: what would have come is not known.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        self.memory_break().is_some() || !self.outcome.survived()
    }
}
