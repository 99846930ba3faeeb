//! States of a scheduler as the fuzzer is to see them: coarse enough that there are few, fine enough that a new one is
//! progress.
//!
//! A state is what stands where: for each tree and list how many entries of each kind (none, one, more). Pids, times and addresses are not in it. libFuzzer sees no coverage of a real
//! program: there the states are all that leads it.

use treefall_model::event::{EntryKind, Record, Step};
use treefall_model::index::{Block, IndexView, Link, List, Tree};
use treefall_model::observe::Observer;
use treefall_model::time::Instant;

/// How many states are told apart: a power of two.
pub const STATES: usize = 1 << 15;

/// Counts by kind, up to two.
type Counts = [u8; EntryKind::ALL.len()];

/// Watches a run for another observer and tells each state that it comes through.
pub struct Watched<O, F> {
    /// Who else watches.
    pub inner: O,
    /// Told the number of each state, below [`STATES`].
    pub tell: F,
}

impl<O: Observer, F: FnMut(usize)> Observer for Watched<O, F> {
    fn record(&mut self, record: &Record) {
        self.inner.record(record);
    }

    fn step<V: IndexView>(&mut self, step: Step, at: Instant, view: &V) {
        (self.tell)(state(step, view));
        self.inner.step(step, at, view);
    }
}

/// The number of the state that a scheduler is in after a step.
pub fn state<V: IndexView>(step: Step, view: &V) -> usize {
    // FNV-1a: the numbers are as good as the bytes are few.
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

/// Of a broken tree, what is met before as many nodes as there are blocks.
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
