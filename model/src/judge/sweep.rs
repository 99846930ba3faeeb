//! All trees and lists in one pass that knows only yes and no: the quick form of a whole look.
//!
//! A [`Sweep`] answers one question: would a whole look at these indexes find nothing at all? It follows every
//! link that [`shape`](super::shape) follows and asks of every entry what `indexes` asks. What it does not do is
//! tell: it stops at the first thing that is not as it should be, and the whole look, which has the words and
//! the order in which flaws are reported, is taken from the start. So yes is the verdict of a whole look, and no
//! costs a second one.
//!
//! Always, as there: a walk is bounded whatever the links say. Each node's parent link must lead back to where
//! the walk came from and no node has one child twice, so that no node is met twice in a tree; none is deeper
//! than [`HEIGHT_MAX`]; a list has no more entries than there are blocks.

use alloc::vec::Vec;

use super::follow::Loop;
use super::shape::{HEIGHT_MAX, key};
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
    block: u32,
    right: u32,
    /// Twice the black nodes from the root down to it, and one more if it is red.
    rank: u32,
}

/// Above the root: as if that stood below a red node, it must be black.
const ABOVE_ROOT: Open = Open { block: NOWHERE, right: NOWHERE, rank: 1 };

/// The nodes that lead down to where a walk is, but those whose right side it is in.
type Path = [Open; HEIGHT_MAX as usize];

/// Room for sweeps, used again.
#[derive(Clone, Debug)]
pub(super) struct Sweep {
    path: Path,
    met: Met,
}

/// For each block the sweep that last met it as a child's, and where.
#[derive(Clone, Debug)]
struct Met {
    blocks: Vec<u32>,
    sweep: u32,
}

impl Met {
    /// A new sweep, over so many blocks.
    fn begin(&mut self, blocks: usize) {
        self.sweep = self.sweep.wrapping_add(1) & (u32::MAX >> PLACES);
        if self.sweep == 0 {
            self.blocks.fill(0);
            self.sweep = 1;
        }
        if self.blocks.len() < blocks {
            self.blocks.resize(blocks.next_power_of_two(), 0);
        }
    }

    #[inline]
    fn note(&mut self, block: Block, place: u32) {
        if let Some(met) = self.blocks.get_mut(block.0 as usize) {
            *met = self.sweep << PLACES | place;
        }
    }

    #[inline]
    fn has(&self, block: Block, place: u32) -> bool {
        self.blocks.get(block.0 as usize) == Some(&(self.sweep << PLACES | place))
    }
}

impl Sweep {
    pub(super) const fn new() -> Self {
        Self { path: [ABOVE_ROOT; HEIGHT_MAX as usize], met: Met { blocks: Vec::new(), sweep: 0 } }
    }

    /// Whether a whole look would find nothing wrong.
    pub(super) fn is_clean<V: IndexView>(&mut self, turn: &Loop<'_>, view: &V) -> bool {
        self.met.begin(view.blocks() as usize);
        self.all(turn, view).is_some()
    }

    fn all<V: IndexView>(&mut self, turn: &Loop<'_>, view: &V) -> Option<()> {
        let Self { path, met } = self;
        let in_force = |argument: Option<ScriptRef>| {
            argument.is_none_or(|argument| argument.generation == turn.generation) || turn.reloading
        };
        let due = |block| key(Tree::Timer, &view.entry(block));
        let obeys = |block| in_force(view.entry(block).argument);
        list(view, List::Unuse, |_| true)?;
        list(view, List::Event, obeys)?;
        let mut tracked = 0_u32;
        list(view, List::Ready, |block| {
            let entry = view.entry(block);
            if entry.kind == EntryKind::ChildTimeout {
                tracked += 1;
                met.note(block, ON_READY);
            }
            in_force(entry.argument)
        })?;
        tree(view, Tree::Read, path, due, obeys)?;
        tree(view, Tree::Write, path, due, obeys)?;
        tree(view, Tree::Timer, path, due, obeys)?;
        tree(view, Tree::Child, path, due, |block| {
            let entry = view.entry(block);
            tracked += 1;
            met.note(block, IN_CHILD);
            entry.kind == EntryKind::Child && in_force(entry.argument)
        })?;
        let mut by_pid = 0_u32;
        let pid = |block| key(Tree::ChildPid, &view.entry(block));
        tree(view, Tree::ChildPid, path, pid, |block| {
            by_pid += 1;
            match view.entry(block).kind {
                EntryKind::Child => met.has(block, IN_CHILD),
                EntryKind::ChildTimeout => met.has(block, ON_READY),
                _ => false,
            }
        })?;
        // Each that is in CHILD_PID is tracked: if there are as many, each that is tracked is in CHILD_PID.
        (by_pid == tracked).then_some(())
    }
}

/// Whether it is below the number of blocks and live.
#[inline(always)]
fn is_live<V: IndexView>(view: &V, block: u32) -> bool {
    block < view.blocks() && view.is_live(Block(block))
}

/// Walks a list; `visit` says whether an entry is as it should be.
#[inline(always)]
fn list<V: IndexView>(view: &V, list: List, mut visit: impl FnMut(Block) -> bool) -> Option<()> {
    let (mut at, mut before, mut left) = (view.first(list).number(), NOWHERE, view.blocks());
    while at != NOWHERE {
        if left == 0 || !is_live(view, at) {
            return None;
        }
        let (previous, next) = view.neighbours(list, Block(at));
        if previous != before || !visit(Block(at)) {
            return None;
        }
        left -= 1;
        (before, at) = (at, next);
    }
    (view.last(list).number() == before).then_some(())
}

/// Walks a tree in order of its keys; `visit` says whether an entry is as it should be.
#[inline(always)]
fn tree<V: IndexView>(
    view: &V,
    tree: Tree,
    path: &mut Path,
    key: impl Fn(Block) -> u64,
    mut visit: impl FnMut(Block) -> bool,
) -> Option<()> {
    let mut at = view.root(tree).number();
    let mut above = ABOVE_ROOT;
    let (mut height, mut last_key, mut first, mut rank_below) = (0, 0, NOWHERE, None);
    loop {
        while at != NOWHERE {
            if !is_live(view, at) {
                return None;
            }
            let node = view.branch(tree, Block(at));
            let twins = node.left == node.right && node.left != NOWHERE;
            let reds = node.red && above.rank & 1 == 1;
            if node.parent != above.block || twins || reds {
                return None;
            }
            let blacks = above.rank & !1;
            let rank = blacks + if node.red { 1 } else { 2 };
            above = Open { block: at, right: node.right, rank };
            *path.get_mut(height)? = above;
            height += 1;
            at = node.left;
        }
        // A link to nowhere: as many black nodes lead to each.
        let rank = above.rank >> 1;
        if *rank_below.get_or_insert(rank) != rank {
            return None;
        }
        if height == 0 {
            break;
        }
        height -= 1;
        above = *path.get(height)?;
        let own = key(Block(above.block));
        if own < last_key || !visit(Block(above.block)) {
            return None;
        }
        last_key = own;
        if first == NOWHERE {
            first = above.block;
        }
        at = above.right;
    }
    view.leftmost(tree).is_none_or(|cached| cached.number() == first).then_some(())
}
