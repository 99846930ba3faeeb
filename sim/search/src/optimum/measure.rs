//! Shrinks and times what hunts find on a replica, for comparison with the optimum.
//!
//! Invariant: hunts and shrinking are those of `treefall hunt`.

use treefall_model::trace::Trace;
use treefall_model::verdict::Signature;

use super::{Structure, policies, structure};
use crate::hunt::{Failure, Plan, hunt};
use crate::known::KnownCauses;
use crate::triage::triage;
use treefall_base::control::Control;
use treefall_subject::Subject;
use treefall_subject::replica::ReplicaSubject;
use treefall_subject::target::ReplicaName;

/// A shrunk failure.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The hunt's seed.
    pub seed: u64,
    /// The number of the trace that was found.
    pub number: u64,
    /// It is the first law that breaks in its hunt, and the last that breaks in its trace.
    pub first: bool,
    /// The law.
    pub signature: Signature,
    /// The smallest trace.
    pub trace: Trace,
    /// Its structure.
    pub structure: Structure,
    /// Its [`policies`].
    pub policies: u64,
    /// Runs of shrinking.
    pub runs: u64,
    /// Time of shrinking and confirming, by the given clock.
    pub cost: u64,
    /// The second check found it minimal, and it was confirmed.
    pub sound: bool,
}

/// Traces of each hunt, if something was found by then; otherwise the same number again.
const TRACES: u64 = 150;
const TRACES_MAX: u64 = 1_000;

/// Hunts on a replica until the first memory violation, and shrinks each failure separately, as `treefall hunt` does.
///
/// # Panics
/// When a replica cannot run, which cannot be.
#[must_use]
pub fn measure(name: &ReplicaName, seed: u64, build_up_max: u64, clock: &dyn Fn() -> u64) -> Vec<Measured> {
    let mut workers: [Box<dyn Subject>; 1] = [Box::new(ReplicaSubject::new(name.clone()))];
    let mut failures = Vec::<Failure>::new();
    for traces in [TRACES, TRACES_MAX] {
        if failures.is_empty() {
            let plan = Plan::new(seed, Some(traces), false);
            hunt(&mut workers, plan, &mut KnownCauses::default(), &mut failures).expect("a replica runs");
        }
    }
    let fresh = || Ok::<Box<dyn Subject>, _>(Box::new(ReplicaSubject::new(name.clone())));
    let first = failures.first().map(|failure| failure.number);
    let mut one = |failure: &Failure| {
        let start = clock();
        let finding = triage(workers[0].as_mut(), &fresh, failure, build_up_max, Control::none())
            .expect("a replica runs")
            .finished()
            .expect("nothing interrupts it");
        Measured {
            seed,
            number: failure.number,
            first: Some(failure.number) == first && failure.verdict.breaks.last() == Some(&failure.broken),
            signature: failure.signature(),
            structure: structure(&finding.trace),
            policies: policies(&finding.trace),
            runs: finding.runs,
            cost: clock() - start,
            sound: finding.minimal && finding.confirmed,
            trace: finding.trace,
        }
    };
    failures.iter().map(&mut one).collect()
}
