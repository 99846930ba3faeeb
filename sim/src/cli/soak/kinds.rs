//! The failures of a soak, by kind.

use std::collections::BTreeMap;

use treefall_field::soak::Life;
use treefall_model::verdict::Signature;

/// A kind of failure: how many there were, and the number of the first life that it ended with a trace.
pub(super) struct Kind {
    pub(super) count: usize,
    pub(super) first: Option<usize>,
}

/// The failures by what tells them apart: the signature, or without one the outcome.
pub(super) fn kinds(lives: &[Life]) -> Kinds {
    let mut kinds = BTreeMap::new();
    for (number, life) in lives.iter().enumerate() {
        let Some(failure) = &life.failure else { continue };
        let what = if failure.trace.is_some() {
            failure.outcome.to_string()
        } else {
            format!("{}, too long a life to keep", failure.outcome)
        };
        let kind = kinds.entry((failure.signature, what)).or_insert(Kind { count: 0, first: None });
        kind.count += 1;
        if kind.first.is_none() && failure.trace.is_some() {
            kind.first = Some(number);
        }
    }
    kinds
}

pub(super) type Kinds = BTreeMap<(Option<Signature>, String), Kind>;
