//! All trees and lists in one pass that knows only yes and no: the quick form of a whole look.
//!
//! A [`Sweep`] answers one question: would a whole look at these indexes find nothing at all? It follows every
//! link that [`shape`](super::shape) follows and asks of every entry what `indexes` asks. What it does not do is
//! tell: it stops at the first thing that is not as it should be, and the whole look, which has the words and
//! the order in which flaws are reported, is taken from the start. So yes is the verdict of a whole look, and no
//! costs a second one.
//!
//! Nothing is kept from one sweep to the next: with few entries that costs less than knowing what changed. For many
//! [`known`](super::known), which does not walk a changed tree all over, is cheaper.
//!
//! A walk compares links as the words that lie in memory, and asks what a word leads to only where it follows it.
//!
//! Always, as there: a walk is bounded whatever the links say. Each node's parent link must lead back to where
//! the walk came from and no node has one child twice, so that no node is met twice in a tree; none is deeper
//! than [`HEIGHT_MAX`]; a list has no more entries than there are blocks.

use alloc::vec::Vec;

use super::follow::Loop;
use super::shape::HEIGHT_MAX;
use crate::event::EntryKind;
use crate::id::ScriptRef;
use crate::index::{Block, IndexView, List, NOWHERE, Tree};

/// In CHILD, in the sweep under way.
const IN_CHILD: u32 = 1;
/// A child's timeout on READY, in the sweep under way.
const ON_READY: u32 = 2;
/// Bits of a place.
const PLACES: u32 = 2;

/// A node whose left side is being walked, or is done.
#[derive(Clone, Copy, Debug)]
struct Open {
    block: Block,
    /// The word of a link to it.
    word: u64,
    right: u64,
    /// Twice the black nodes from the root down to it, and one more if it is red.
    rank: u32,
}

/// The nodes that lead down to where a walk is, but those whose right side it is in.
type Path = [Open; HEIGHT_MAX as usize];
const NO_PATH: Path = [Open { block: Block(NOWHERE), word: 0, right: 0, rank: 0 }; HEIGHT_MAX as usize];

/// Room for sweeps.
#[derive(Clone, Debug)]
pub(super) struct Sweep {
    path: Path,
    spots: Spots,
}

/// For each block the sweep that last met it as a child's, and where.
#[derive(Clone, Debug)]
struct Spots {
    met: Vec<u32>,
    sweep: u32,
}

impl Spots {
    /// A new sweep, over so many blocks.
    fn begin(&mut self, blocks: usize) {
        self.sweep = self.sweep.wrapping_add(1) & (u32::MAX >> PLACES);
        if self.sweep == 0 {
            self.met.fill(0);
            self.sweep = 1;
        }
        if self.met.len() < blocks {
            self.met.resize(blocks.next_power_of_two(), 0);
        }
    }

    #[inline]
    fn meet(&mut self, block: Block, place: u32) {
        if let Some(met) = self.met.get_mut(block.0 as usize) {
            *met = self.sweep << PLACES | place;
        }
    }

    #[inline]
    fn was_met(&self, block: Block, place: u32) -> bool {
        self.met.get(block.0 as usize) == Some(&(self.sweep << PLACES | place))
    }
}

impl Sweep {
    pub(super) const fn new() -> Self {
        Self { path: NO_PATH, spots: Spots { met: Vec::new(), sweep: 0 } }
    }

    /// Whether a whole look would find nothing wrong.
    pub(super) fn is_clean<V: IndexView>(&mut self, turn: &Loop<'_>, view: &V) -> bool {
        self.spots.begin(view.blocks() as usize);
        self.walk(turn, view).is_some()
    }

    fn walk<V: IndexView>(&mut self, turn: &Loop<'_>, view: &V) -> Option<()> {
        let Self { path, spots } = self;
        let in_force = |argument: Option<ScriptRef>| {
            argument.is_none_or(|argument| argument.generation == turn.generation) || turn.reloading
        };
        list(view, List::Unuse, |_| true)?;
        list(view, List::Event, |block| in_force(view.says(block).1))?;
        for of in [Tree::Read, Tree::Write, Tree::Timer] {
            tree(view, of, path, |block| in_force(view.says(block).1))?;
        }
        let mut tracked = 0_u32;
        list(view, List::Ready, |block| {
            let (kind, argument) = view.says(block);
            if kind == EntryKind::ChildTimeout {
                tracked += 1;
                spots.meet(block, ON_READY);
            }
            in_force(argument)
        })?;
        tree(view, Tree::Child, path, |block| {
            let (kind, argument) = view.says(block);
            tracked += 1;
            spots.meet(block, IN_CHILD);
            kind == EntryKind::Child && in_force(argument)
        })?;
        let mut by_pid = 0_u32;
        tree(view, Tree::ChildPid, path, |block| {
            by_pid += 1;
            match view.says(block).0 {
                EntryKind::Child => spots.was_met(block, IN_CHILD),
                EntryKind::ChildTimeout => spots.was_met(block, ON_READY),
                _ => false,
            }
        })?;
        // Each that is in CHILD_PID is tracked: if there are as many, each that is tracked is in CHILD_PID.
        (by_pid == tracked).then_some(())
    }
}

/// Walks a list; `visit` says whether an entry is as it should be.
#[inline(always)]
fn list<V: IndexView>(view: &V, list: List, mut visit: impl FnMut(Block) -> bool) -> Option<()> {
    let head = view.head(list);
    let (mut at, mut before, mut left) = (head.first, head.end, view.blocks());
    while at != head.end {
        let block = view.seat_at(at).filter(|_| left > 0)?;
        let (previous, next) = view.neighbour_words(list, block);
        if previous != before || !visit(block) {
            return None;
        }
        left -= 1;
        (before, at) = (at, next);
    }
    (head.last == before).then_some(())
}

/// Walks a tree in order of its keys; `visit` says whether an entry is as it should be.
#[inline(always)]
fn tree<V: IndexView>(
    view: &V,
    tree: Tree,
    path: &mut Path,
    mut visit: impl FnMut(Block) -> bool,
) -> Option<()> {
    let mut at = view.root_word(tree);
    if at == V::NULL {
        return view.leftmost_word(tree).is_none_or(|cached| cached == V::NULL).then_some(());
    }
    // Above the root: as if that stood below a red node, it must be black.
    let (mut parent, mut rank) = (V::NULL, 1);
    let (mut height, mut last_key, mut first, mut rank_below) = (0, 0, V::NULL, None);
    loop {
        // Down on the left.
        let mut open = loop {
            let block = view.node_at(tree, at)?;
            let node = view.words(tree, block);
            let twins = node.left == node.right && node.left != V::NULL;
            let reds = node.red && rank & 1 == 1;
            if node.parent != parent || twins || reds {
                return None;
            }
            rank = (rank & !1) + if node.red { 1 } else { 2 };
            let open = Open { block, word: at, right: node.right, rank };
            if node.left == V::NULL {
                break open;
            }
            *path.get_mut(height)? = open;
            height += 1;
            (parent, at) = (at, node.left);
        };
        // A link to nowhere: as many black nodes lead to each.
        if *rank_below.get_or_insert(open.rank >> 1) != open.rank >> 1 {
            return None;
        }
        if first == V::NULL {
            first = open.word;
        }
        // Up, as long as nothing is on the right.
        loop {
            let key = view.key(tree, open.block);
            if key < last_key || !visit(open.block) {
                return None;
            }
            last_key = key;
            if open.right != V::NULL {
                (parent, rank, at) = (open.word, open.rank, open.right);
                break;
            }
            if rank_below != Some(open.rank >> 1) {
                return None;
            }
            if height == 0 {
                return view.leftmost_word(tree).is_none_or(|cached| cached == first).then_some(());
            }
            height -= 1;
            open = *path.get(height)?;
        }
    }
}
