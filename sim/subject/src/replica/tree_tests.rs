//! The trees of the simulated memory, beside ordered maps and beside what double erases are known to do.

use std::collections::BTreeSet;

use proptest::prelude::*;
use treefall_model::index::{Block, Tree};
use treefall_model::trace::HeapPolicy;

use super::beside::{behaviour, check, queues};
use super::entry::{Addr, PID, PID_NODE, pid_word};
use super::heap::Heap;
use super::rbtree::{self, LEFT, RIGHT};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn the_heap_never_hands_out_a_live_block(ops in proptest::collection::vec(any::<u8>(), 0..200)) {
        let policies = [HeapPolicy::LastFreedFirst, HeapPolicy::FirstFreedFirst, HeapPolicy::NeverAgain];
        for policy in policies {
            let mut heap = Heap::new(policy);
            let mut live: BTreeSet<Addr> = BTreeSet::new();
            for op in &ops {
                if op % 2 == 0 || live.is_empty() {
                    prop_assert!(live.insert(heap.allocate()), "a live block was handed out");
                } else {
                    let nth = usize::from(*op) % live.len();
                    let entry = *live.iter().nth(nth).expect("nth is below the length");
                    live.remove(&entry);
                    heap.free(entry).expect("it is live");
                }
                for number in 0..heap.blocks() {
                    let block = Block(number);
                    prop_assert_eq!(heap.is_live(block), live.contains(&Heap::address_of(block)));
                }
            }
        }
    }
}

/// How a pid tree fares whose node is erased twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fares {
    Unchanged,
    /// It is sound, but a node fell out of it.
    LosesNode,
    Corrupt,
    CrashesOrLoops,
}

/// Inserts `pids` in this order and erases the one at `place` twice.
fn erase_twice(pids: &[i32], place: usize) -> Fares {
    let mut queues = queues("2.3.2");
    let mut entries = Vec::new();
    for pid in pids {
        let entry = queues.heap.allocate();
        queues.write(entry, PID, pid_word(*pid, 0)).expect("mapped");
        queues.insert_pid(entry).expect("sound");
        entries.push(entry);
    }
    queues.erase_pid(entries[place]).expect("sound");
    let once = check(&queues, Tree::ChildPid).expect("sound");
    queues.heap.enter(treefall_model::time::Instant::START, "process_child_termination");
    if queues.erase_pid(entries[place]).is_err() {
        return Fares::CrashesOrLoops;
    }
    match check(&queues, Tree::ChildPid) {
        Ok(twice) if twice == once => Fares::Unchanged,
        Ok(twice) if twice.len() < once.len() => Fares::LosesNode,
        _ => Fares::Corrupt,
    }
}

fn permutations(of: &[i32]) -> Vec<Vec<i32>> {
    if of.is_empty() {
        return vec![Vec::new()];
    }
    let with_first = |place: usize| {
        let mut rest = of.to_vec();
        let first = rest.remove(place);
        permutations(&rest).into_iter().map(move |mut tail| {
            tail.insert(0, first);
            tail
        })
    };
    (0..of.len()).flat_map(with_first).collect()
}

/// All ways to insert `count` pids and erase one of them twice, with the pid erased.
fn all_double_erases(count: i32) -> Vec<(i32, Fares)> {
    let pids: Vec<i32> = (1..=count).collect();
    let mut all = Vec::new();
    for order in permutations(&pids) {
        for (place, pid) in order.iter().enumerate() {
            all.push((*pid, erase_twice(&order, place)));
        }
    }
    all
}

#[test]
fn with_one_or_two_nodes_a_second_erase_changes_nothing() {
    for count in [1, 2] {
        assert!(all_double_erases(count).iter().all(|(_, fares)| *fares == Fares::Unchanged), "{count}");
    }
}

#[test]
fn with_three_nodes_a_second_erase_corrupts_silently_unless_the_largest_is_erased() {
    for (pid, fares) in all_double_erases(3) {
        assert_ne!(fares, Fares::CrashesOrLoops, "pid {pid}");
        assert_eq!(fares == Fares::Unchanged, pid == 3, "pid {pid}");
    }
}

/// The real `rb_erase` of 2.3.4, called on the same 96 trees, leaves the same words in memory in the 72 that it
/// survives. keepalived.md counts 24 that corrupt; 12 more lose a node, the rest of the tree being sound.
#[test]
fn of_all_96_cases_with_four_nodes_24_crash_24_corrupt_and_12_lose_a_node() {
    let all = all_double_erases(4);
    let count = |what| all.iter().filter(|(_, fares)| *fares == what).count();
    let counts = [Fares::CrashesOrLoops, Fares::Corrupt, Fares::LosesNode, Fares::Unchanged].map(count);
    assert_eq!(counts, [24, 24, 12, 36]);
}

/// A broken tree of two, as cancelled entries leave it: the root's successor is its own right child. What the real
/// `rb_erase` of each release leaves of that successor's first word when the root, black or red, is taken out.
#[test]
fn a_successor_that_is_its_own_child_keeps_what_the_release_writes_last() {
    let erased = |release, root_colour: u64| {
        let mut heap = Heap::new(HeapPolicy::NeverAgain);
        let [top, low, own] = std::array::from_fn(|_| heap.allocate() + PID_NODE);
        let root = heap.root(Tree::ChildPid);
        let words = [
            (root, top),
            (top, root_colour),
            (top + LEFT, low),
            (top + RIGHT, own),
            (low, top | 1),
            (own, own),
            (own + RIGHT, own),
        ];
        for (at, word) in words {
            heap.set(at, word).expect("mapped");
        }
        rbtree::erase(&mut heap, root, top, behaviour(release).last_in_erase).expect("it ends");
        assert_eq!(heap.get(root), Ok(own), "{release}");
        // Its left child hangs below it, and its right child is itself still.
        assert_eq!([heap.get(own + LEFT), heap.get(own + RIGHT)], [Ok(low), Ok(own)], "{release}");
        (heap.get(own).expect("mapped"), own)
    };
    for colour in [0, 1] {
        for release in ["2.2.7", "2.3.3", "2.3.4"] {
            assert_eq!(erased(release, colour).0, colour, "{release}: the erased root's own word");
        }
        let (word, own) = erased("2.1.5", colour);
        assert_eq!(word, own | 1, "2.1.5: itself, black");
    }
}
