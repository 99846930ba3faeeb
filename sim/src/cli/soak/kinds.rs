//! Groups the failures of a soak by kind.

use std::collections::BTreeMap;

use treefall_field::soak::Life;
use treefall_model::verdict::Signature;

/// A kind of failure: its count, and the number of the first life whose trace was kept.
pub(super) struct FailureKind {
    pub(super) count: usize,
    pub(super) first: Option<usize>,
}

/// Groups failures by signature, or by outcome if they have none.
pub(super) fn kinds(lives: &[Life]) -> FailureKinds {
    let mut kinds = BTreeMap::new();
    for (number, life) in lives.iter().enumerate() {
        let Some(failure) = &life.failure else { continue };
        let what = if failure.trace.is_some() {
            failure.outcome.to_string()
        } else {
            format!("{}, too long a life to keep", failure.outcome)
        };
        let kind = kinds.entry((failure.signature, what)).or_insert(FailureKind { count: 0, first: None });
        kind.count += 1;
        if kind.first.is_none() && failure.trace.is_some() {
            kind.first = Some(number);
        }
    }
    kinds
}

pub(super) type FailureKinds = BTreeMap<(Option<Signature>, String), FailureKind>;
