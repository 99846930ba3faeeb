//! What is searched, and where in it something was found.

use treefall_model::release::Rules;
use treefall_model::trace::Trace;

use super::alphabet::{Bound, KINDS, LIVING_MAX, Label, SETUPS_MAX};
use super::graph::Node;

/// What is searched.
#[derive(Clone, Debug)]
pub struct Space {
    pub(super) rules: Rules,
    pub(super) bound: Bound,
    /// A trace without wakes for each setup.
    pub(super) starts: Vec<Trace>,
}

/// Why there is nothing to search.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpaceError {
    /// More setups than there are numbers for.
    #[error(
        "{0} setups are more than {SETUPS_MAX}; take fewer scripts (`--scripts`) or kinds of them (`--kinds`)"
    )]
    TooManySetups(usize),
    /// A bound that is out of range.
    #[error("{what} must be from {from} to {to}")]
    OutOfRange {
        /// Of what.
        what: &'static str,
        /// The least.
        from: usize,
        /// The most.
        to: usize,
    },
}

impl Space {
    /// All traces to `bound`, by these rules.
    ///
    /// # Errors
    /// When the bound is one that there are no numbers for.
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
        // The kinds are what a script can be.
        Ok(Self { rules, bound, starts: starts.unwrap_or_else(|error| unreachable!("{error}")) })
    }

    /// How far to go.
    #[must_use]
    pub fn bound(&self) -> Bound {
        self.bound
    }

    /// By which rules.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.rules
    }
}

/// Where a signature was found: after a state, by a label. Of what a start broke at once, by none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) node: Node,
    pub(crate) label: Option<Label>,
}
