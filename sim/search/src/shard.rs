//! One of several equal parts of a campaign.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of several equal parts of a campaign: every n-th trace number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Shard {
    /// Number of the part, from 0.
    place: u32,
    /// Number of parts; greater than `place`.
    of: u32,
}

/// A text names no shard.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("write which part of how many, from 1: `2/8`; there are at most {} parts", Shard::MAX)]
pub struct NoShard;

impl Shard {
    /// The whole campaign.
    pub const WHOLE: Self = Self { place: 0, of: 1 };
    /// Most parts.
    pub const MAX: u32 = 1_000_000;

    /// Returns the number of parts.
    #[must_use]
    pub const fn of(self) -> u32 {
        self.of
    }

    /// Returns the number of this part, from 1.
    #[must_use]
    pub const fn nth(self) -> u32 {
        self.place + 1
    }

    /// Returns the trace number at a place of this part, from 0.
    #[must_use]
    pub const fn number(self, place: u64) -> u64 {
        place.saturating_mul(self.of as u64).saturating_add(self.place as u64)
    }

    /// Returns how many trace numbers below `max` are in this part.
    #[must_use]
    pub const fn length(self, max: u64) -> u64 {
        max.saturating_sub(self.place as u64).div_ceil(self.of as u64)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.nth(), self.of)
    }
}

impl FromStr for Shard {
    type Err = NoShard;

    fn from_str(text: &str) -> Result<Self, NoShard> {
        let (nth, of) = text.split_once('/').ok_or(NoShard)?;
        let number = |text: &str| text.parse::<u32>().map_err(|_| NoShard);
        let (nth, of) = (number(nth)?, number(of)?);
        let fits = nth >= 1 && nth <= of && of <= Self::MAX;
        if fits { Ok(Self { place: nth - 1, of }) } else { Err(NoShard) }
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

impl TryFrom<String> for Shard {
    type Error = NoShard;

    fn try_from(text: String) -> Result<Self, NoShard> {
        text.parse()
    }
}
