//! How good the net is: every fault that is put into the mended replica is found, and the sound one is never accused.
//!
//! `cargo run -p treefall --example mutants` prints how soon.

use treefall::generator::generate;
use treefall::model::release::Rules;
use treefall::mutants::{Fault, Net, traces_until_found};
use treefall::subject::Options;
use treefall::subject::replica::{MUTANTS_AVAILABLE, Mutant, run_replica};

/// Within so many traces each fault is found, from each seed: generous, the medians are some tens.
const TRACES_MAX: u64 = 3_000;
const SEEDS: [u64; 3] = [1, 2, 3];

/// What keeps every law, and why: only the comparison with the sound replica can have it.
const WITHIN_THE_LAWS: [(Mutant, &str); 0] = [];

/// So many traces do not find by the laws what keeps them: else it does not belong into that list.
const KEEPS_LAWS_FOR: u64 = 300;

/// Traces of the sound replica.
const SOUND: u64 = 4_000;

fn keeps_laws(fault: Fault) -> bool {
    WITHIN_THE_LAWS.iter().any(|(mutant, _)| fault == Fault::Mutant(*mutant))
}

#[test]
fn there_are_mutants_in_this_build_and_half_of_them_are_blind() {
    assert!(MUTANTS_AVAILABLE, "tests are built with debug assertions");
    let blind = Mutant::ALL.iter().filter(|mutant| mutant.is_blind()).count();
    assert!(Mutant::ALL.len() >= 20 && 2 * blind >= Mutant::ALL.len(), "{blind} of {}", Mutant::ALL.len());
}

#[test]
fn the_laws_find_every_fault_but_those_that_keep_them() {
    for fault in Fault::all().filter(|fault| !keeps_laws(*fault)) {
        for seed in SEEDS {
            let found = traces_until_found(fault, Net::Laws, seed, TRACES_MAX);
            assert!(found.is_some(), "{} is not found from seed {seed}", fault.name());
        }
    }
}

#[test]
fn the_comparison_finds_every_fault() {
    for fault in Fault::all() {
        for seed in SEEDS {
            let found = traces_until_found(fault, Net::Equality, seed, TRACES_MAX);
            assert!(found.is_some(), "{} is not found from seed {seed}", fault.name());
        }
    }
}

#[test]
fn what_is_said_to_keep_the_laws_keeps_them() {
    for (mutant, why) in WITHIN_THE_LAWS {
        let found = traces_until_found(Fault::Mutant(mutant), Net::Laws, 1, KEEPS_LAWS_FOR);
        assert_eq!(found, None, "{} breaks a law: {why}", mutant.name());
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
