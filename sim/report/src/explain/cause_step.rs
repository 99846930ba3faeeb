//! One step of the chain of cause and effect that ends in a violation.

use schemars::JsonSchema;
use serde::Serialize;

/// What a link of the chain tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The entry was linked.
    Linked,
    /// It went elsewhere.
    Moved,
    /// It stayed, with another deadline.
    Due,
    /// Its block was given back.
    Freed,
    /// Its block was handed out again.
    Reused,
    /// A link that had outlived it was followed.
    Used,
    /// Something happened to it, or around it.
    Happened,
    /// The law broke.
    Broke,
    /// The program came to its end.
    Ended,
    /// Links that were left out.
    LeftOut,
}

impl Role {
    /// As a report writes it before the link.
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

/// One link of the chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct CauseStep {
    /// What it tells.
    pub role: Role,
    /// When, in seconds.
    pub at: String,
    /// At which step, from 1.
    pub step: usize,
    /// In which function of the program, if that is known.
    pub function: Option<String>,
    /// In words.
    pub text: String,
}
