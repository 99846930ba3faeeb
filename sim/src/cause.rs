//! The cause of a find, by running: the trace is replayed with each defect mended in turn.
//!
//! No table leads from a signature to a defect. What is mended and makes the find vanish is a cause; if
//! nothing does, the find is not known.

use treefall_model::event::SubjectKind;
use treefall_model::release::{Defect, Rules};
use treefall_model::trace::Trace;
use treefall_model::verdict::Signature;

use crate::subject::replica::probe_replica_as;

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

/// The cause of `signature` in `trace` under `rules`, as far as a subject of this kind shows it.
#[must_use]
pub fn cause(kind: SubjectKind, trace: &Trace, signature: Signature, rules: Rules) -> Cause {
    let shows = |rules| {
        let breaks = probe_replica_as(kind, trace, rules, signature).breaks;
        breaks.iter().any(|broken| broken.signature == signature)
    };
    if !shows(rules) {
        return Cause::NotInReplica;
    }
    let mends = |defect: &Defect| !shows(rules.without(*defect));
    let defects: Vec<_> = rules.defects.iter().filter(mends).collect();
    if defects.is_empty() { Cause::NotKnown } else { Cause::Known(defects) }
}
