//! Tests exhaustive search: the canonical form is sound, merging loses nothing, and known failures are found.

use std::collections::BTreeMap;
use std::fs;

use treefall::explore::checkpoint::{self, CheckpointError};
use treefall::explore::{Bound, Explorer, FoundTrace, Merging, Space, Standing};
use treefall::generator::generate;
use treefall::model::canon::Part;
use treefall::model::event::{Event, SubjectKind};
use treefall::model::observe::{Options, Watch};
use treefall::model::release::{Defect, Release, Rules};
use treefall::model::trace::Trace;
use treefall::model::verdict::{Outcome, Signature};
use treefall::subject::replica::{Replica, Stands, run_replica};

const MEMORY: u64 = 1 << 30;

fn bound(scripts: u8, kinds: u8, wakes: u8) -> Bound {
    Bound { scripts, kinds, wakes, living: 6 }
}

fn release(name: &str) -> Rules {
    Rules::of(Release::parse(name).expect("a release of the table"))
}

fn space(rules: Rules, bound: Bound) -> Space {
    Space::new(rules, bound).expect("a bound in range")
}

/// Returns the signatures that a search finds, each with its number of wakes, and the number of covered traces.
fn finds(space: &Space, merging: Merging) -> (BTreeMap<Signature, usize>, Option<u128>) {
    let mut explorer = Explorer::merging(space, 1, MEMORY, merging);
    explorer.run().expect("a replica runs");
    let found = explorer.found().into_iter().map(|found| (found.signature, found.wakes)).collect();
    (found, explorer.traces())
}

/// Rules with all defects of memory and conduct, and with none.
fn samples() -> Vec<Rules> {
    let releases = ["2.0.8", "2.0.11", "2.1.3", "2.2.5", "2.3.1", "2.3.2", "2.3.4"].map(release);
    releases.into_iter().chain([Rules::mended()]).collect()
}

#[test]
fn stepping_a_replica_equals_running_the_whole_trace() {
    for rules in ["2.0.8", "2.2.5", "2.3.2"].map(release).into_iter().chain([Rules::mended()]) {
        for number in 0..10 {
            let trace = generate(7, number);
            let whole = run_replica(&trace, rules, Options::COMPARE);
            let start = Trace::new(trace.setup().clone(), Vec::new()).expect("a setup");
            let watch = Watch::new(start.setup(), SubjectKind::Replica, Options::COMPARE);
            let mut replica = Replica::new(&start, rules, watch);
            let mut stands = replica.begin(|_| true);
            for wake in trace.wakes() {
                if stands != Stands::Blocked {
                    break;
                }
                // From a copy, as a search does.
                replica = replica.clone();
                stands = replica.wake(wake, |_| true);
            }
            let outcome = match stands {
                Stands::Over(outcome) => outcome,
                Stands::Blocked | Stands::Stopped => Outcome::Survived,
            };
            let seen = replica.observer().clone().finish(outcome);
            let ended = |event: Event| matches!(event, Event::Ended(_));
            let but_the_end = |records: &[_]| -> Vec<_> {
                let records: Vec<treefall::model::event::Record> = records.to_vec();
                records.into_iter().filter(|record| !ended(record.event)).collect()
            };
            assert_eq!(but_the_end(&seen.records), but_the_end(&whole.records), "trace {number}");
            assert_eq!(seen.marks, whole.marks, "trace {number}");
            assert_eq!(seen.verdict.outcome, whole.verdict.outcome, "trace {number}");
        }
    }
}

#[test]
fn merging_loses_no_signature_and_makes_none_longer() {
    for rules in samples() {
        for bound in [bound(1, 2, 3), bound(2, 1, 3), bound(1, 4, 2)] {
            let space = space(rules, bound);
            let merged = finds(&space, Merging::Canonical);
            assert_eq!(merged, finds(&space, Merging::Never), "{bound:?}, {:?}", rules.defects);
            assert!(merged.1.is_some_and(|traces| traces > 1_000));
        }
    }
}

#[test]
fn merged_states_have_the_same_future() {
    for rules in ["2.0.8", "2.3.1", "2.3.4"].map(release).into_iter().chain([Rules::mended()]) {
        for bound in [bound(1, 2, 3), bound(2, 2, 1), bound(3, 1, 1)] {
            let space = space(rules, bound);
            let mut explorer = Explorer::new(&space, 1, MEMORY);
            explorer.run().expect("a replica runs");
            match explorer.check() {
                Ok(compared) => assert!(compared > 10, "{compared} compared"),
                Err(unlike) => panic!("{:?}: {unlike:?}", rules.defects),
            }
        }
    }
}

/// Reports whether looking ahead detects that `part` is left out.
fn noticed(part: Part) -> bool {
    ["2.3.4", "2.0.11"].into_iter().map(release).any(|rules| {
        let space = space(rules, bound(1, 6, 3));
        let mut explorer = Explorer::merging(&space, 1, MEMORY, Merging::Without(part));
        explorer.run().expect("a replica runs");
        explorer.check().is_err()
    })
}

#[test]
fn each_part_of_a_state_is_needed() {
    // The other parts are included as a precaution: up to this bound they make no difference.
    for part in [Part::Children, Part::Scripts, Part::Entries, Part::Debts] {
        assert!(noticed(part), "nobody misses {part:?}");
    }
}

#[test]
fn a_hash_that_is_too_coarse_loses_failures() {
    let lost = |part: &Part| {
        ["2.0.11", "2.3.2", "2.3.4"].into_iter().any(|name| {
            let space = space(release(name), bound(1, 2, 4));
            finds(&space, Merging::Without(*part)).0 != finds(&space, Merging::Canonical).0
        })
    };
    let lost: Vec<Part> = Part::ALL.into_iter().filter(lost).collect();
    assert!(lost.contains(&Part::Debts), "{lost:?}");
}

#[test]
fn the_result_does_not_depend_on_the_number_of_jobs() {
    let space = space(release("2.3.1"), bound(2, 2, 4));
    let result_of = |jobs| {
        let mut explorer = Explorer::new(&space, jobs, MEMORY);
        let standing = explorer.run().expect("a replica runs");
        (standing, explorer.found(), explorer.progress(), explorer.traces())
    };
    assert_eq!(result_of(1), result_of(3));
}

#[test]
fn the_first_failure_on_2_3_1_has_one_wake() {
    let space = space(release("2.3.1"), bound(1, 2, 6));
    let mut explorer = Explorer::new(&space, 1, MEMORY);
    explorer.run().expect("a replica runs");
    let found = explorer.found();
    let FoundTrace { signature, wakes, trace } = &found[0];
    assert_eq!((signature.to_string().as_str(), *wakes), ("no-dangling-node/cleanup/unused", 1));
    assert!(trace.wakes()[0].hup.is_some());
    for FoundTrace { signature, trace, .. } in &found {
        let verdict = run_replica(trace, release("2.3.1"), Options::VERDICT).verdict;
        assert!(verdict.shows(*signature), "{signature} of {trace:?}");
    }
}

#[test]
fn the_mended_replica_violates_nothing_at_any_length() {
    let one = space(Rules::mended(), bound(1, 6, 40));
    let two = space(Rules::mended(), bound(2, 1, 40));
    for space in [one, two] {
        let mut explorer = Explorer::new(&space, 1, MEMORY);
        assert_eq!((explorer.run().expect("a replica runs"), explorer.found().len()), (Standing::Closed, 0));
        // Counted over all forty wakes, of which no eleven are equal.
        assert!(explorer.traces().is_none_or(|traces| traces > 1 << 80));
    }
    // A shorter bound would show a failure.
    for defect in
        [Defect::ReloadSkipsQueuedTimeout, Defect::ExitErasesTwice, Defect::ReloadFreesQueuedTimeout]
    {
        let space = space(Rules::mended().with(defect), bound(2, 2, 4));
        assert!(!finds(&space, Merging::Canonical).0.is_empty(), "{}", defect.name());
    }
}

#[test]
fn a_search_stops_at_its_memory_limit() {
    let space = space(release("2.3.4"), bound(2, 4, 20));
    let mut explorer = Explorer::new(&space, 1, 2 << 20);
    assert_eq!(explorer.run().expect("a replica runs"), Standing::MemoryFull);
    let progress = explorer.progress();
    assert!(progress.bytes <= 2 << 20 && progress.states > 1_000, "{progress:?}");
    assert_eq!(explorer.round().expect("a replica runs"), Standing::MemoryFull, "it stays so");
}

/// Returns the whole result of a search.
fn result_of(explorer: &Explorer<'_>) -> (Standing, Vec<FoundTrace>, Option<u128>, usize, u64) {
    let progress = explorer.progress();
    (explorer.standing(), explorer.found(), explorer.traces(), progress.states, progress.transitions)
}

#[test]
fn a_resumed_search_ends_like_an_uninterrupted_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("explore.checkpoint");
    let space_of = |wakes| space(release("2.3.4"), bound(1, 6, wakes));
    let space = space_of(5);
    let mut whole = Explorer::new(&space, 1, MEMORY);
    whole.run().expect("a replica runs");
    // Interrupted after each round, as if it had been killed then.
    let mut explorer = Explorer::new(&space, 1, MEMORY);
    let mut rounds = 0;
    while explorer.round().expect("a replica runs") == Standing::UnderWay {
        rounds += 1;
        checkpoint::write(&path, "replica:2.3.4", &explorer).expect("it is written");
        let read = checkpoint::read(&path).expect("it is read");
        assert_eq!((read.header.target.as_str(), read.header.bound()), ("replica:2.3.4", space.bound()));
        explorer = read.resume(&space, 2, MEMORY).expect("it is of this search");
    }
    assert!(rounds > 4, "{rounds} rounds");
    assert_eq!(result_of(&explorer), result_of(&whole));
    // A checkpoint of another search, and a truncated one.
    let other = space_of(6);
    let read = checkpoint::read(&path).expect("it is read");
    assert!(matches!(read.resume(&other, 1, MEMORY).map(|_| ()), Err(CheckpointError::Other)));
    let good = fs::read(&path).expect("it is there");
    for (place, text) in [(good.len() / 2, "a byte changed"), (20, "the header changed")] {
        let mut bad = good.clone();
        bad[place] ^= 1;
        fs::write(&path, bad).expect("it is written");
        assert!(checkpoint::read(&path).is_err(), "{text}");
    }
    for length in [0, 5, good.len() - 1] {
        fs::write(&path, &good[..length]).expect("it is written");
        assert!(checkpoint::read(&path).is_err(), "{length} bytes");
    }
}
