//! The cause of a find, by running: the trace is replayed with each defect mended in turn.
//!
//! No table leads from a signature to a defect. What is mended and makes the find vanish is a cause; if
//! nothing does, the find is not known.

use treefall_model::release::{Defect, Rules};
use treefall_model::trace::Trace;
use treefall_model::verdict::Signature;

use crate::subject::replica::probe_replica;

/// What the ablation says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// Mending one of these makes the find vanish; several, if each alone does.
    Known(Vec<Defect>),
    /// No single mend makes it vanish.
    NotKnown,
    /// The replica does not show the find at all, so that nothing can be mended: a difference between replica
    /// and real program, or a bug that the replica does not have.
    NotInReplica,
}

impl Cause {
    /// The defects, if any is known.
    #[must_use]
    pub fn defects(&self) -> &[Defect] {
        match self {
            Self::Known(defects) => defects,
            Self::NotKnown | Self::NotInReplica => &[],
        }
    }
}

/// The cause of `signature` in `trace` under `rules`.
#[must_use]
pub fn cause(trace: &Trace, signature: Signature, rules: Rules) -> Cause {
    if !shows(trace, signature, rules) {
        return Cause::NotInReplica;
    }
    let mends = |defect: &Defect| !shows(trace, signature, rules.without(*defect));
    let defects: Vec<_> = rules.defects.iter().filter(mends).collect();
    if defects.is_empty() { Cause::NotKnown } else { Cause::Known(defects) }
}

fn shows(trace: &Trace, signature: Signature, rules: Rules) -> bool {
    probe_replica(trace, rules, signature).breaks.iter().any(|broken| broken.signature == signature)
}
