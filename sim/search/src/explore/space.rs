//! The space of a search, and places in it.

use treefall_model::release::Rules;
use treefall_model::trace::Trace;

use super::alphabet::{Bound, KINDS, LIVING_MAX, Label, SETUPS_MAX};
use super::graph::Node;

/// The space of a search: rules and limits.
#[derive(Clone, Debug)]
pub struct Space {
    pub(super) rules: Rules,
    pub(super) bound: Bound,
    /// A trace without wakes for each setup.
    pub(super) starts: Vec<Trace>,
}

/// Why a space is not valid.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpaceError {
    /// There are more setups than numbers.
    #[error(
        "{0} setups are more than {SETUPS_MAX}; take fewer scripts (`--scripts`) or kinds of them (`--kinds`)"
    )]
    TooManySetups(usize),
    /// A limit is out of range.
    #[error("{what} must be from {from} to {to}")]
    OutOfRange {
        /// The limit.
        what: &'static str,
        /// Its smallest value.
        from: usize,
        /// Its largest value.
        to: usize,
    },
}

impl Space {
    /// Returns the space of all traces within `bound`, by these rules.
    ///
    /// # Errors
    /// When the limits are out of range.
    pub fn new(rules: Rules, bound: Bound) -> Result<Self, SpaceError> {
        let ranges = [
            ("the number of scripts", usize::from(bound.scripts), 1, 4),
            ("the number of kinds", usize::from(bound.kinds), 1, KINDS.len()),
            ("the number of living runs", usize::from(bound.living), 1, usize::from(LIVING_MAX)),
            ("the number of wakes", usize::from(bound.wakes), 1, usize::from(u8::MAX)),
        ];
        for (what, is, from, to) in ranges {
            if !(from..=to).contains(&is) {
                return Err(SpaceError::OutOfRange { what, from, to });
            }
        }
        if bound.setups() > SETUPS_MAX {
            return Err(SpaceError::TooManySetups(bound.setups()));
        }
        let start = |number| Trace::new(bound.setup(number), Vec::new());
        let starts = (0..bound.setups()).map(start).collect::<Result<_, _>>();
        // All kinds are valid scripts.
        Ok(Self { rules, bound, starts: starts.unwrap_or_else(|error| unreachable!("{error}")) })
    }

    /// Returns the limits.
    #[must_use]
    pub fn bound(&self) -> Bound {
        self.bound
    }

    /// Returns the rules.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.rules
    }
}

/// A place where a signature was found: after a state, by a label. For what a start broke at once, there is no label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FoundAt {
    pub(crate) node: Node,
    pub(crate) label: Option<Label>,
}
