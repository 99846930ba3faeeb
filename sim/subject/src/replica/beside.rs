//! Compares the trees of the simulated memory with a sorted list, for the tests of this module and for the fuzzer.
//!
//! Each operation runs on CHILD, on CHILD_PID and on a sorted list of keys. After each, both trees must be sound,
//! contain the list's keys in the same order, and find them.

use arbitrary::{Arbitrary, Result as Drawn, Unstructured};
use treefall_model::index::{Block, IndexView, Link, Tree};
use treefall_model::release::{Behaviour, Release};
use treefall_model::time::{Deadline, Instant};
use treefall_model::trace::HeapPolicy;

use super::entry::{Addr, PID, pid_word};
use super::fault::Fault;
use super::heap::Heap;
use super::queues::Queues;
use super::view::View;

/// Most operations of one run, each of which is followed by a check of all nodes.
const OPS_MAX: usize = 500;

/// Checks that a red-black tree is sound: parents, colours, black height, cached leftmost. Returns its nodes in
/// order, or the fault.
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

/// Checks as [`sound`], and returns addresses.
pub(super) fn check(queues: &Queues, tree: Tree) -> Result<Vec<Addr>, String> {
    let nodes = sound(&View::of(&queues.heap), tree)?;
    Ok(nodes.into_iter().map(Heap::address_of).collect())
}

/// Returns the black height below a link, whose parent and its colour are given, and appends the nodes in order.
/// Follows at most `depth` levels.
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

pub(super) fn behaviour(release: &str) -> Behaviour {
    Behaviour::of(Release::parse(release).expect("a release of the table"))
}

/// Releases with both rules for equal keys and for the cached leftmost.
pub(super) const BOTH: [&str; 2] = ["2.2.4", "2.2.5"];

pub(super) fn queues(release: &str) -> Queues {
    Queues::new(HeapPolicy::LastFreedFirst, &behaviour(release))
}

/// Keys are below this: few, so that equal keys are common.
const KEYS: u8 = 24;

/// An operation on a tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Arbitrary)]
pub enum TreeOp {
    /// Inserts a node with this key, below 24.
    Insert(#[arbitrary(with = |u: &mut Unstructured<'_>| u.int_in_range(0..=KEYS - 1))] u8),
    /// Erases the node at this place in key order, modulo the number of nodes; nothing when there is none.
    Erase(u16),
}

/// At most 500 operations on a tree, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TreeOps(pub Vec<TreeOp>);

/// Reads operations to the end of the input. The `Vec` of `arbitrary` ends after each item with probability one half,
/// which keeps lists short.
impl<'a> Arbitrary<'a> for TreeOps {
    fn arbitrary(u: &mut Unstructured<'a>) -> Drawn<Self> {
        let mut ops = Vec::new();
        while !u.is_empty() && ops.len() < OPS_MAX {
            ops.push(u.arbitrary()?);
        }
        Ok(Self(ops))
    }
}

/// Runs `ops` on CHILD, on CHILD_PID and on a sorted list of keys.
pub(super) fn play_beside_a_sorted_list(release: &str, ops: &[TreeOp]) -> Result<(), String> {
    let mut queues = queues(release);
    let last_in_first = release == BOTH[0];
    let mut beside: Vec<(u8, Addr)> = Vec::new();
    let told = |fault: Fault| format!("{fault:?}");
    for op in ops {
        queues.heap.enter(Instant::START, "test");
        match *op {
            TreeOp::Insert(key) => {
                let entry = queues.heap.allocate();
                queues.write_due(entry, Deadline::At(Instant::from_micros(key.into()))).map_err(told)?;
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
                queues.heap.free(entry).map_err(|_| "an entry of the list is not live")?;
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
        for key in 0..KEYS {
            let found = queues.find_pid(i32::from(key) - 12).map_err(told)?;
            let known = found.map(|entry| beside.contains(&(key, entry)));
            if known != beside.iter().any(|(k, _)| *k == key).then_some(true) {
                return Err(format!("key {key}: found {found:x?}"));
            }
        }
    }
    if queues.heap.notes().is_empty() { Ok(()) } else { Err("a sound use was noted".into()) }
}

/// Runs operations with both rules for equal keys.
///
/// # Panics
/// When a tree differs from the list beside it.
pub fn play_tree_ops(TreeOps(ops): &TreeOps) {
    for release in BOTH {
        if let Err(differs) = play_beside_a_sorted_list(release, ops) {
            panic!("{release}: {differs}, after {ops:?}");
        }
    }
}
