//! Digests: one number for a history, the same for ever.

use treefall_model::digest::Digest;
use treefall_model::event::Record;
use treefall_model::time::Instant;

fn digest(records: &[Record]) -> u128 {
    let mut digest = Digest::new();
    records.iter().for_each(|record| digest.record(record));
    digest.value()
}

/// If this test fails, digests that people wrote down no longer mean anything: change the code back.
#[test]
fn the_digests_of_the_hand_made_histories_never_change() {
    let digests: Vec<_> =
        crate::hand::histories().iter().map(|hand| format!("{:032x}", digest(&hand.records))).collect();
    assert_eq!(
        digests,
        [
            "7aca895c6a3622bcb87205a72285be31",
            "2e1e12bd3c86176f1af26827f4448caf",
            "5c8ee0f9b32b8cf5fac116b147b9b675",
            "a55daeeb645a6e76b05da2aa99e86294",
            "22e25223aad2acb07bb604139a331b44"
        ]
    );
}

#[test]
fn a_digest_changes_with_any_record_or_their_order() {
    for hand in crate::hand::histories() {
        let whole = digest(&hand.records);
        for place in 0..hand.records.len() {
            let mut less = hand.records.clone();
            let record = less.remove(place);
            assert_ne!(digest(&less), whole);
            let at = Instant::from_micros(record.at.as_micros() + 1);
            less.insert(place, Record { at, ..record });
            assert_ne!(digest(&less), whole);
            if place > 0 {
                let mut swapped = hand.records.clone();
                swapped.swap(place - 1, place);
                assert_ne!(digest(&swapped), whole);
            }
        }
    }
}
