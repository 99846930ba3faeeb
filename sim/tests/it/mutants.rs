//! Tests the strength of the oracles: every fault planted in the mended replica is found, and the correct replica is
//! never accused.
//!
//! `cargo run -p treefall --example mutants` prints how soon. Mutants are in builds with debug assertions.

use treefall::generator::Source;
use treefall::generator::generate;
use treefall::model::release::Rules;
use treefall::mutants::{Fault, Net, traces_until_found};
use treefall::subject::Options;
use treefall::subject::replica::{Mutant, run_replica};

/// Most traces until a fault is found, from each seed. Generous: the medians are some tens.
const TRACES_MAX: u64 = 6_000;
const SEEDS: [u64; 3] = [1, 2, 3];

/// Faults that obey every law, with the reason: only a comparison with the correct replica can find them.
const WITHIN_THE_LAWS: [(Mutant, &str); 7] = [
    (
        Mutant::SignalHandlerReadsOnce,
        "what it leaves is read at the next blocking call, which returns at once",
    ),
    (Mutant::ReadyBeforeEvent, "all of both runs before the loop blocks; in which order no law says"),
    (Mutant::TieOrderFlipped, "equal deadlines may come in any order: releases differ in it"),
    (Mutant::StatusNotStored, "no law judges what a script's exit is taken for"),
    (Mutant::EarliestSkipsTimers, "no law says by when a tick comes"),
    (Mutant::EntryNotRetired, "no law says that an entry is given back"),
    (Mutant::KillerKillsTheExited, "the exited child's group is not found, but where its pid was used again"),
];

/// Faults that change nothing on the mended replica, with the reason.
const EQUIVALENT: [(Mutant, &str); 1] = [(
    Mutant::EventsNotCleaned,
    "a reload finds nothing on EVENT but a termination, which is kept by ReloadEatsTermination's mend",
)];

/// This many traces must not find a fault of these lists: by the laws for the first list, by any oracle for the
/// second.
const UNSEEN_FOR: u64 = 300;

/// Traces of the correct replica.
const SOUND: u64 = 4_000;

fn among(list: &[(Mutant, &str)], fault: Fault) -> bool {
    list.iter().any(|(mutant, _)| fault == Fault::Mutant(*mutant))
}

fn not_equivalent() -> impl Iterator<Item = Fault> {
    Fault::all().filter(|fault| !among(&EQUIVALENT, *fault))
}

#[test]
fn half_of_the_mutants_are_blind() {
    let blind = Mutant::ALL.iter().filter(|mutant| mutant.is_blind()).count();
    assert!(Mutant::ALL.len() >= 20 && 2 * blind >= Mutant::ALL.len(), "{blind} of {}", Mutant::ALL.len());
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a build without debug assertions has no mutants")]
fn the_laws_find_every_fault_that_violates_them() {
    for fault in not_equivalent().filter(|fault| !among(&WITHIN_THE_LAWS, *fault)) {
        for seed in SEEDS {
            let found = traces_until_found(fault, Net::Laws, Source::swarm(seed), TRACES_MAX);
            assert!(found.is_some(), "{} is not found from seed {seed}", fault.name());
        }
    }
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a build without debug assertions has no mutants")]
fn the_comparison_finds_every_fault() {
    for fault in not_equivalent() {
        for seed in SEEDS {
            let found = traces_until_found(fault, Net::Equality, Source::swarm(seed), TRACES_MAX);
            assert!(found.is_some(), "{} is not found from seed {seed}", fault.name());
        }
    }
}

#[test]
fn faults_listed_as_lawful_or_equivalent_are() {
    for (mutant, why) in WITHIN_THE_LAWS {
        let found = traces_until_found(Fault::Mutant(mutant), Net::Laws, Source::swarm(1), UNSEEN_FOR);
        assert_eq!(found, None, "{} violates a law: {why}", mutant.name());
    }
    for (mutant, why) in EQUIVALENT {
        let found = traces_until_found(Fault::Mutant(mutant), Net::Equality, Source::swarm(1), UNSEEN_FOR);
        assert_eq!(found, None, "{} changes something: {why}", mutant.name());
    }
}

#[test]
fn the_correct_replica_is_never_accused() {
    let mut events = 0;
    for number in 0..SOUND {
        let ran = run_replica(&generate(11, number), Rules::mended(), Options::VERDICT);
        assert!(ran.verdict.is_clean(), "trace {number} of seed 11: {:?}", ran.verdict);
        events += ran.counts.external();
    }
    assert!(events > 100_000, "{events} events");
}
