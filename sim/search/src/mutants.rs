//! How good the net is: faults put into the mended replica, one at a time, and how soon a search finds each.
//!
//! The laws are one net: the judge sees the faulty replica alone, as it would see a program that it does not know.
//! Equality is the other: faulty replica and sound one, event for event and tree by tree, as a replica is
//! compared with a real program. Some faults keep all laws (laws leave open what releases do differently): the
//! second net must have those.

use treefall_model::release::{Defect, Rules};

use crate::generator::Source;
use treefall_subject::replica::{Mutant, run_mutant, run_replica};
use treefall_subject::{Options, Ran};

/// What is wrong with a replica that is mended otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A known defect of keepalived.
    Defect(Defect),
    /// A fault that no release has.
    Mutant(Mutant),
}

/// The eight that the issues speak of come first in the table of defects.
const EIGHT: usize = 8;

impl Fault {
    /// The eight defects, then all mutants.
    pub fn all() -> impl Iterator<Item = Self> {
        let defects = Defect::ALL.into_iter().take(EIGHT).map(Self::Defect);
        defects.chain(Mutant::ALL.iter().copied().map(Self::Mutant))
    }

    /// Its name.
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

/// What looks for a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Net {
    /// The reference model's laws, and the outcome.
    Laws,
    /// The comparison with a replica that has no fault.
    Equality,
}

/// How many traces of the campaign it takes until the net has the fault; `None`: more than `traces_max`.
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
