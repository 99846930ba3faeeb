//! The cause of a find, by running: the trace is replayed with each defect mended in turn.
//!
//! No table leads from a signature to a defect. What is mended and makes the find vanish is a cause; where no single
//! mend does, two together may; if nothing does, the find is not known.

use treefall_model::event::SubjectKind;
use treefall_model::release::{Defect, Rules};
use treefall_model::trace::Trace;
use treefall_model::verdict::Signature;

use treefall_subject::replica::probe_replica_as;

/// What the ablation says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// Mending one of these makes the find vanish; several, if each alone does.
    Known(Vec<Defect>),
    /// Mending both makes it vanish, and neither alone does: the first such pair, in the order of the table.
    Together([Defect; 2]),
    /// Neither a single mend nor two together make it vanish.
    NotKnown,
    /// The replica does not show the find at all, so that nothing can be mended: a difference between replica
    /// and real program, or a bug that the replica does not have.
    NotInReplica,
}

impl Cause {
    /// The defects, if any is known: one of them is enough, or both are needed.
    #[must_use]
    pub fn defects(&self) -> &[Defect] {
        match self {
            Self::Known(defects) => defects,
            Self::Together(both) => both,
            Self::NotKnown | Self::NotInReplica => &[],
        }
    }

    /// Whether it takes two defects.
    #[must_use]
    pub const fn is_together(&self) -> bool {
        matches!(self, Self::Together(_))
    }
}

/// The cause of `signature` in `trace` under `rules`, as far as a subject of this kind shows it.
#[must_use]
pub fn cause(kind: SubjectKind, trace: &Trace, signature: Signature, rules: Rules) -> Cause {
    let shows = |rules| probe_replica_as(kind, trace, rules, signature).shows(signature);
    if !shows(rules) {
        return Cause::NotInReplica;
    }
    let mends = |defect: &Defect| !shows(rules.without(*defect));
    let defects: Vec<_> = rules.defects.iter().filter(mends).collect();
    if !defects.is_empty() {
        return Cause::Known(defects);
    }
    let pairs = rules.defects.iter().flat_map(|one| {
        let later = rules.defects.iter().skip_while(move |other| *other != one).skip(1);
        later.map(move |other| [one, other])
    });
    let mut mending = pairs.filter(|[one, other]| !shows(rules.without(*one).without(*other)));
    mending.next().map_or(Cause::NotKnown, Cause::Together)
}
