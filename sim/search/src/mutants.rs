//! Measures how well the oracles notice faults: each fault is put into the mended replica, and a search counts the
//! traces until it is found.
//!
//! One oracle is the model's laws: the judge sees only the faulty replica, like an unknown program. The other is
//! equality: the faulty and the sound replica are compared record by record and tree by tree, as a replica is
//! compared with a real program. Some faults obey all laws, which allow for differences between releases; the second
//! oracle must find these.

use treefall_model::release::{Defect, Rules};

use crate::generator::Source;
use treefall_subject::replica::{Mutant, run_mutant, run_replica};
use treefall_subject::{Options, Ran};

/// A fault of an otherwise mended replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A known defect of keepalived.
    Defect(Defect),
    /// A fault that no release has.
    Mutant(Mutant),
}

/// Number of defects from upstream's issues, which come first in the table.
const EIGHT: usize = 8;

impl Fault {
    /// Returns these defects, then all mutants.
    pub fn all() -> impl Iterator<Item = Self> {
        let defects = Defect::ALL.into_iter().take(EIGHT).map(Self::Defect);
        defects.chain(Mutant::ALL.iter().copied().map(Self::Mutant))
    }

    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Defect(defect) => defect.name(),
            Self::Mutant(mutant) => mutant.name(),
        }
    }

    fn run(self, number: u64, source: Source, options: Options) -> Ran {
        let (trace, rules) = (source.trace(number), Rules::mended());
        match self {
            Self::Defect(defect) => run_replica(&trace, rules.with(defect), options),
            Self::Mutant(mutant) => run_mutant(&trace, rules, mutant, options),
        }
    }
}

/// An oracle that can find a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Net {
    /// The reference model's laws, and the outcome.
    Laws,
    /// The comparison with a replica without faults.
    Equality,
}

/// Returns the number of traces of the campaign until the oracle finds the fault; `None`: more than `traces_max`.
#[must_use]
pub fn traces_until_found(fault: Fault, net: Net, source: Source, traces_max: u64) -> Option<u64> {
    let found = |number: &u64| match net {
        Net::Laws => !fault.run(*number, source, Options::VERDICT).verdict.is_clean(),
        Net::Equality => {
            let sound = run_replica(&source.trace(*number), Rules::mended(), Options::HASHED);
            sound.digest != fault.run(*number, source, Options::HASHED).digest
        }
    };
    (0..traces_max).find(found).map(|number| number + 1)
}
