//! One step of the chain of cause and effect that ends in a violation.

use schemars::JsonSchema;
use serde::Serialize;

/// The role of a step in the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The entry was linked.
    Linked,
    /// The entry moved.
    Moved,
    /// The entry got another deadline.
    Due,
    /// Its block was freed.
    Freed,
    /// Its block was handed out again.
    Reused,
    /// A stale link to it was followed.
    Used,
    /// An event that concerns it.
    Happened,
    /// The law broke.
    Broke,
    /// The program ended.
    Ended,
    /// Steps that are left out.
    LeftOut,
}

impl Role {
    /// Returns the word before the step in a report.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Moved => "moved",
            Self::Due => "due",
            Self::Freed => "freed",
            Self::Reused => "reused",
            Self::Used => "used",
            Self::Happened => "",
            Self::Broke => "breaks",
            Self::Ended => "ends",
            Self::LeftOut => "..",
        }
    }
}

/// One step of the chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct CauseStep {
    /// Its role.
    pub role: Role,
    /// The instant, in seconds.
    pub at: String,
    /// The step of the run, from 1.
    pub step: usize,
    /// The program's function, if it is known.
    pub function: Option<String>,
    /// The description.
    pub text: String,
}
