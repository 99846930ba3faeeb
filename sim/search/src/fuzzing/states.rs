//! Abstracts states of a scheduler for the fuzzer: coarse enough to be few, fine enough that a new one is progress.
//!
//! A state is the number of entries of each kind (none, one, more) in each tree and list, without pids, times and
//! addresses. libFuzzer sees no coverage of a real program: there, these states alone guide it.

use treefall_model::event::{EntryKind, Record, Step};
use treefall_model::index::{Block, IndexView, Link, List, Tree};
use treefall_model::observe::Observer;
use treefall_model::time::Instant;

/// Number of distinct states: a power of two.
pub const STATES: usize = 1 << 15;

/// Counts by kind, up to two.
type Counts = [u8; EntryKind::ALL.len()];

/// Observes a run for another observer, and reports each state that it reaches.
pub struct StateObserver<O, F> {
    /// The other observer.
    pub inner: O,
    /// Receives the number of each state, below [`STATES`].
    pub tell: F,
}

impl<O: Observer, F: FnMut(usize)> Observer for StateObserver<O, F> {
    fn record(&mut self, record: &Record) {
        self.inner.record(record);
    }

    fn step<V: IndexView>(&mut self, step: Step, at: Instant, view: &V) {
        (self.tell)(state(step, view));
        self.inner.step(step, at, view);
    }
}

/// Returns the number of a scheduler's state after a step.
pub fn state<V: IndexView>(step: Step, view: &V) -> usize {
    // FNV-1a suffices for so few bytes.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut mix = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    mix(step as u8);
    for tree in Tree::ALL {
        for count in in_tree(view, tree) {
            mix(count);
        }
    }
    for list in [List::Event, List::Ready] {
        for count in in_list(view, list) {
            mix(count);
        }
    }
    usize::try_from((hash ^ hash >> 32) % STATES as u64).unwrap_or(0)
}

fn count(counts: &mut Counts, kind: EntryKind) {
    if let Some(count) = counts.get_mut(kind as usize) {
        *count = (*count + 1).min(2);
    }
}

/// Counts the entries of a tree. In a broken tree it stops after as many nodes as there are blocks.
fn in_tree<V: IndexView>(view: &V, tree: Tree) -> Counts {
    let mut counts = Counts::default();
    let (mut waiting, mut left) = (vec![view.root(tree)], view.blocks());
    while let (Some(link), true) = (waiting.pop(), left > 0) {
        let Link::To(block) = link else { continue };
        left -= 1;
        count(&mut counts, view.entry(block).kind);
        let node = view.node(tree, block);
        waiting.extend([node.left, node.right]);
    }
    counts
}

fn in_list<V: IndexView>(view: &V, list: List) -> Counts {
    let mut counts = Counts::default();
    let mut next = view.first(list);
    for _ in 0..view.blocks() {
        let Link::To(Block(number)) = next else { break };
        count(&mut counts, view.entry(Block(number)).kind);
        next = view.next(list, Block(number));
    }
    counts
}
