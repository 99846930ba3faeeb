//! The trees of the simulated memory, beside ordered maps and beside what double erases are known to do.

use std::collections::BTreeSet;

use proptest::prelude::*;
use treefall_model::index::{Block, IndexView, Link, Tree};
use treefall_model::release::{Behaviour, Release};
use treefall_model::trace::HeapPolicy;

use super::entry::{Addr, DUE, PID, pid_word};
use super::heap::{Fault, Heap};
use super::queues::Queues;
use super::view::View;

/// What keeps a red-black tree is kept: parents, colours, black height, cached leftmost. Its nodes in order, or
/// what is wrong.
pub(super) fn sound<V: IndexView>(view: &V, tree: Tree) -> Result<Vec<Block>, String> {
    let mut nodes = Vec::new();
    let depth = view.blocks() as usize;
    below(view, tree, (view.root(tree), Link::End, false), depth, &mut nodes)?;
    let first = nodes.first().map_or(Link::End, |block| Link::To(*block));
    match view.leftmost(tree) {
        Some(cached) if cached != first => Err(format!("cached {cached:?}, leftmost {first:?}")),
        _ => Ok(nodes),
    }
}

/// As [`sound`], by addresses.
fn check(queues: &Queues, tree: Tree) -> Result<Vec<Addr>, String> {
    let nodes = sound(&View(&queues.heap), tree)?;
    Ok(nodes.into_iter().map(Heap::address_of).collect())
}

/// The black height below a link, given with the parent that it should name and whether that is red; the nodes
/// there are appended in order. At most `depth` levels are followed.
fn below<V: IndexView>(
    view: &V,
    tree: Tree,
    (link, parent, under_red): (Link, Link, bool),
    depth: usize,
    nodes: &mut Vec<Block>,
) -> Result<usize, String> {
    let block = match link {
        Link::End => return Ok(0),
        Link::Wild => return Err("wild link".into()),
        Link::To(block) => block,
    };
    let depth = depth.checked_sub(1).ok_or("too deep: a cycle")?;
    let node = view.node(tree, block);
    if node.parent != parent {
        return Err(format!("{block:?} has parent {:?}, not {parent:?}", node.parent));
    }
    if node.red && (under_red || parent == Link::End) {
        return Err(format!("{block:?} is red under red, or a red root"));
    }
    let left = below(view, tree, (node.left, link, node.red), depth, nodes)?;
    nodes.push(block);
    let right = below(view, tree, (node.right, link, node.red), depth, nodes)?;
    if left != right {
        return Err(format!("black heights {left} and {right} below {block:?}"));
    }
    Ok(left + usize::from(!node.red))
}

fn behaviour(release: &str) -> Behaviour {
    Behaviour::of(Release::parse(release).expect("a release of the table"))
}

/// Both rules for equal keys and the cached leftmost.
const BOTH: [&str; 2] = ["2.2.4", "2.2.5"];

fn queues(release: &str) -> Queues {
    Queues::new(HeapPolicy::LastFreedFirst, &behaviour(release))
}

/// A tree's operation: insert this key, or erase the n-th node there is.
#[derive(Clone, Copy, Debug)]
enum TreeOp {
    Insert(u8),
    Erase(u16),
}

fn tree_ops() -> impl Strategy<Value = Vec<TreeOp>> {
    let op = prop_oneof![
        3 => (0..24_u8).prop_map(TreeOp::Insert),
        2 => any::<u16>().prop_map(TreeOp::Erase),
    ];
    proptest::collection::vec(op, 0..200)
}

/// Plays `ops` on CHILD and CHILD_PID at once, and on a list of keys kept in order beside them.
fn play_beside_a_sorted_list(release: &str, ops: &[TreeOp]) -> Result<(), String> {
    let mut queues = queues(release);
    let last_in_first = release == BOTH[0];
    let mut beside: Vec<(u8, Addr)> = Vec::new();
    let told = |fault: Fault| format!("{fault:?}");
    for op in ops {
        queues.heap.enter(treefall_model::time::Instant::START, "test");
        match *op {
            TreeOp::Insert(key) => {
                let entry = queues.heap.allocate();
                queues.write(entry, DUE, u64::from(key)).map_err(told)?;
                queues.write(entry, PID, pid_word(i32::from(key) - 12, 0)).map_err(told)?;
                queues.insert_due(Tree::Child, entry).map_err(told)?;
                queues.insert_pid(entry).map_err(told)?;
                let place = beside.partition_point(|(k, _)| if last_in_first { *k < key } else { *k <= key });
                beside.insert(place, (key, entry));
            }
            TreeOp::Erase(nth) if !beside.is_empty() => {
                let (_, entry) = beside.remove(usize::from(nth) % beside.len());
                queues.erase_due(Tree::Child, entry).map_err(told)?;
                queues.erase_pid(entry).map_err(told)?;
                queues.heap.free(entry);
            }
            TreeOp::Erase(_) => {}
        }
        let expected: Vec<Addr> = beside.iter().map(|(_, entry)| *entry).collect();
        for tree in [Tree::Child, Tree::ChildPid] {
            let nodes = check(&queues, tree)?;
            if nodes != expected {
                return Err(format!("{}: {nodes:x?}, not {expected:x?}", tree.name()));
            }
        }
        for key in 0..24_u8 {
            let found = queues.find_pid(i32::from(key) - 12).map_err(told)?;
            let known = found.map(|entry| beside.contains(&(key, entry)));
            if known != beside.iter().any(|(k, _)| *k == key).then_some(true) {
                return Err(format!("key {key}: found {found:x?}"));
            }
        }
    }
    if queues.heap.notes().is_empty() { Ok(()) } else { Err("a sound use was noted".into()) }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn trees_hold_what_a_sorted_list_holds_under_both_rules(ops in tree_ops()) {
        for release in BOTH {
            let played = play_beside_a_sorted_list(release, &ops);
            prop_assert!(played.is_ok(), "{release}: {}", played.unwrap_err());
        }
    }

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
                    heap.free(entry);
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
