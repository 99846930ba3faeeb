//! How good the net is: every fault that is put into the mended replica is found, and the sound one is never accused.
//!
//! `cargo run -p treefall --example mutants` prints how soon. Mutants are in builds with debug assertions.

use treefall::generator::Source;
use treefall::generator::generate;
use treefall::model::release::Rules;
use treefall::mutants::{Fault, Net, traces_until_found};
use treefall::subject::Options;
use treefall::subject::replica::{Mutant, run_replica};

/// Within so many traces each fault is found, from each seed: generous, the medians are some tens.
const TRACES_MAX: u64 = 6_000;
const SEEDS: [u64; 3] = [1, 2, 3];

/// What keeps every law, and why: only the comparison with the sound replica can have it.
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

/// What changes nothing that happens on the mended replica, and why.
const EQUIVALENT: [(Mutant, &str); 1] = [(
    Mutant::EventsNotCleaned,
    "a reload finds nothing on EVENT but a termination, which is kept by ReloadEatsTermination's mend",
)];

/// So many traces do not find by the laws what keeps them, nor by anything what is equivalent: else it does not
/// belong into that list.
const UNSEEN_FOR: u64 = 300;

/// Traces of the sound replica.
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
fn the_laws_find_every_fault_but_those_that_keep_them() {
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
fn what_is_said_to_keep_the_laws_or_to_change_nothing_does() {
    for (mutant, why) in WITHIN_THE_LAWS {
        let found = traces_until_found(Fault::Mutant(mutant), Net::Laws, Source::swarm(1), UNSEEN_FOR);
        assert_eq!(found, None, "{} breaks a law: {why}", mutant.name());
    }
    for (mutant, why) in EQUIVALENT {
        let found = traces_until_found(Fault::Mutant(mutant), Net::Equality, Source::swarm(1), UNSEEN_FOR);
        assert_eq!(found, None, "{} changes something: {why}", mutant.name());
    }
}

#[test]
fn the_sound_replica_is_never_accused() {
    let mut events = 0;
    for number in 0..SOUND {
        let ran = run_replica(&generate(11, number), Rules::mended(), Options::VERDICT);
        assert!(ran.verdict.is_clean(), "trace {number} of seed 11: {:?}", ran.verdict);
        events += ran.counts.external();
    }
    assert!(events > 100_000, "{events} events");
}
