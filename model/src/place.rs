//! Where in a run something was seen: signatures, and the places by which two runs of one trace are compared.

use core::fmt;

use crate::event::{EntryKind, Step};
use crate::id::Run;
use crate::law::Law;

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

/// What is seen at a place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Sight {
    /// A broken law.
    Breaks(Law),
    /// An event in which one run differs from another of the same trace.
    Differs,
}

impl Sight {
    /// The law's name, or `differs`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Breaks(law) => law.name(),
            Self::Differs => "differs",
        }
    }
}

/// A place in the run of a trace. Times, pids and addresses are not in it: they differ between releases.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// What is seen there.
    pub sight: Sight,
    /// The kind of event.
    pub step: Step,
    /// The kind of entry; `None` when no entry is concerned.
    pub entry: Option<EntryKind>,
    /// The child concerned; `None` when none is, or none is known.
    pub run: Option<Run>,
}

impl Place {
    /// Where a law with this signature broke.
    #[must_use]
    pub const fn of(signature: Signature, run: Option<Run>) -> Self {
        let Signature { law, step, entry } = signature;
        Self { sight: Sight::Breaks(law), step, entry, run }
    }

    /// The signature of the law that broke there, if one did.
    #[must_use]
    pub const fn signature(&self) -> Option<Signature> {
        match self.sight {
            Sight::Breaks(law) => Some(Signature { law, step: self.step, entry: self.entry }),
            Sight::Differs => None,
        }
    }
}

/// `no-child-forgotten/reload/child of 0@0#2`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.entry.map_or("none", EntryKind::name);
        write!(f, "{}/{}/{entry}", self.sight.name(), self.step.name())?;
        self.run.map_or(Ok(()), |run| write!(f, " of {run}"))
    }
}
