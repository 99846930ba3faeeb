//! What an oracle says of a run: laws broken, outcome, signature. Never an error of the harness.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::event::{EntryKind, Step};
use crate::law::Law;
use crate::signal::Signal;
use crate::time::Instant;

/// How much a broken law weighs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Weight {
    /// After it nothing can be trusted: judging ends there.
    Memory,
    /// Recorded; judging goes on.
    Conduct,
}

/// What makes two findings the same: the law, the kind of step at which it first broke, the kind of entry.
/// Outcome, times, pids and addresses are not in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Signature {
    /// The law.
    pub law: Law,
    /// The step at which it broke.
    pub step: Step,
    /// The kind of entry that broke it; `None` when no entry did.
    pub entry: Option<EntryKind>,
}

/// `no-dangling-node/cleanup/unused`.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.entry.map_or("none", EntryKind::name);
        write!(f, "{}/{}/{entry}", self.law.name(), self.step.name())
    }
}

/// A law that a run broke, where it first did with this signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Break {
    /// Law, step and entry.
    pub signature: Signature,
    /// When.
    pub at: Instant,
    /// How many records the history held then: the break lies at the last of them.
    pub records: u64,
    /// What exactly, for a person: names and numbers.
    pub detail: String,
}

/// How a run went on, whatever laws it broke.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// To its end.
    Survived,
    /// The program died of a signal.
    Crashed {
        /// Which.
        signal: Signal,
        /// In which function of the program, if its symbols tell.
        function: Option<String>,
    },
    /// It ran on without an end.
    Hung {
        /// In which function of the program, if its symbols tell.
        function: Option<String>,
    },
}

impl Outcome {
    /// The run ended as it should.
    #[must_use]
    pub const fn survived(&self) -> bool {
        matches!(self, Self::Survived)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Survived => f.write_str("survived"),
            Self::Crashed { signal, function: None } => write!(f, "crashed by {signal}"),
            Self::Crashed { signal, function: Some(function) } => {
                write!(f, "crashed by {signal} in {function}")
            }
            Self::Hung { function: None } => f.write_str("hung"),
            Self::Hung { function: Some(function) } => write!(f, "hung in {function}"),
        }
    }
}

/// What the model says of one run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The laws broken, each signature once, in the order in which they first broke.
    pub breaks: Vec<Break>,
    /// How the run ended.
    pub outcome: Outcome,
}

impl Verdict {
    /// No law broken, and the run survived.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.breaks.is_empty() && self.outcome.survived()
    }

    /// The memory law that ended the judging, if one did: always the last break.
    #[must_use]
    pub fn memory_break(&self) -> Option<&Break> {
        self.breaks.last().filter(|broken| broken.signature.law.weight() == Weight::Memory)
    }

    /// Whether the judging ended before the trace did, with the run or with memory: what would have come is not known.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        self.memory_break().is_some() || !self.outcome.survived()
    }
}
