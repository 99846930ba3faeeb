//! All trees and lists in one pass that knows only yes and no: the quick form of a whole look.
//!
//! A [`Sweep`] answers one question: would a whole look at these indexes find nothing at all? It follows every
//! link that [`shape`](super::shape) follows and asks of every entry what `indexes` asks. What it does not do is
//! tell: it stops at the first thing that is not as it should be, and the whole look, which has the words and
//! the order in which flaws are reported, is taken from the start. So yes is the verdict of a whole look, and no
//! costs a second one.
//!
//! Where the subject tells what changed, an index is passed over when the sweep before said yes and nothing has
//! changed since then of what a walk of it reads: its ends, and the blocks that the last walk of it met. CHILD,
//! READY and CHILD_PID, which one law holds together, are walked all three or not at all; UNUSE, of whose entries
//! nothing is asked but their links, is followed by [`seats`](super::seats). For many entries
//! [`known`](super::known), which does not walk a changed tree all over, is cheaper.
//!
//! Always, as there: a walk is bounded whatever the links say. Each node's parent link must lead back to where
//! the walk came from and no node has one child twice, so that no node is met twice in a tree; none is deeper
//! than [`HEIGHT_MAX`]; a list has no more entries than there are blocks.

use alloc::vec::Vec;

use super::follow::Loop;
use super::seats::Seats;
use super::shape::{HEIGHT_MAX, key};
use crate::event::EntryKind;
use crate::id::{Generation, ScriptRef};
use crate::index::{Block, Ends, IndexView, List, NOWHERE, Parts, Tree};

/// So many sweeps after the last that passed over nothing, the next does not either: a guard, not a need.
const SWEEPS_MAX: u32 = 4_096;

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

/// What of an entry is read in CHILD_PID, and what anywhere else.
const BY_PID: Parts = Parts::PID_NODE.and(Parts::PID).and(Parts::SAYS).and(Parts::LIFE);
const ELSEWHERE: Parts = Parts::PLACE.and(Parts::DUE).and(Parts::SAYS).and(Parts::LIFE);
const NOT_BY_PID: Ends = Ends::ALL.but(Ends::tree(Tree::ChildPid));
/// What is read of an entry in UNUSE.
const SEAT: Parts = Parts::PLACE.and(Parts::LIFE);
/// The indexes that `one-entry-per-child` is about.
const CHILDREN: Ends = Ends::tree(Tree::Child).with(Ends::list(List::Ready)).with(Ends::tree(Tree::ChildPid));

/// What is known of a block.
#[derive(Clone, Copy, Debug)]
struct Spot {
    /// The sweep that last met it as a child's, and where.
    met: u32,
    /// At least the indexes whose last walk met it.
    places: Ends,
}

/// What sweeps keep from one to the next.
#[derive(Clone, Debug)]
pub(super) struct Sweep {
    path: Path,
    spots: Spots,
    /// Of UNUSE alone.
    seats: Seats,
    /// The last look was a sweep that said yes.
    sure: bool,
    /// Sweeps since the last that passed over nothing.
    partial: u32,
    generation: Generation,
    reloading: bool,
}

#[derive(Clone, Debug)]
struct Spots {
    blocks: Vec<Spot>,
    sweep: u32,
}

impl Spots {
    /// A new sweep, over so many blocks.
    fn begin(&mut self, blocks: usize) {
        const UNMET: Spot = Spot { met: 0, places: Ends::NONE };
        self.sweep = self.sweep.wrapping_add(1) & (u32::MAX >> PLACES);
        if self.sweep == 0 {
            self.blocks.iter_mut().for_each(|spot| spot.met = 0);
            self.sweep = 1;
        }
        if self.blocks.len() < blocks {
            self.blocks.resize(blocks.next_power_of_two(), UNMET);
        }
    }

    /// A walk of this index met `block`. Each is below the number of blocks.
    #[inline]
    fn walked(&mut self, block: Block, of: Ends) {
        if let Some(spot) = self.blocks.get_mut(block.0 as usize) {
            spot.places = spot.places.with(of);
        }
    }

    #[inline]
    fn meet(&mut self, block: Block, of: Ends, place: u32) {
        if let Some(spot) = self.blocks.get_mut(block.0 as usize) {
            *spot = Spot { met: self.sweep << PLACES | place, places: spot.places.with(of) };
        }
    }

    #[inline]
    fn was_met(&self, block: Block, place: u32) -> bool {
        self.blocks.get(block.0 as usize).is_some_and(|spot| spot.met == self.sweep << PLACES | place)
    }
}

impl Sweep {
    pub(super) const fn new() -> Self {
        Self {
            path: [ABOVE_ROOT; HEIGHT_MAX as usize],
            spots: Spots { blocks: Vec::new(), sweep: 0 },
            seats: Seats::new(),
            sure: false,
            partial: 0,
            generation: Generation(0),
            reloading: false,
        }
    }

    /// The look under way is not a sweep: what the subject tells of changes will not reach back to the last.
    #[inline]
    pub(super) fn is_passed_over(&mut self) {
        self.sure = false;
    }

    /// Whether a whole look would find nothing wrong.
    pub(super) fn is_clean<V: IndexView>(&mut self, turn: &Loop<'_>, view: &V) -> bool {
        self.spots.begin(view.blocks() as usize);
        let stale = self.stale(turn, view);
        self.sure = self.retired(view).is_some() && self.walk(turn, view, stale).is_some();
        self.sure
    }

    /// Follows UNUSE where the subject tells what changed, else walks it.
    #[inline]
    fn retired<V: IndexView>(&mut self, view: &V) -> Option<()> {
        let Some(changed) = view.changed() else { return list(view, List::Unuse, |_| true) };
        self.seats.make_room(view.blocks() as usize);
        let follows = self.partial > 0;
        if !follows {
            self.seats.clear();
        }
        self.seats.leave(view, List::Unuse, |_| {})?;
        self.seats.join(view, List::Unuse, |_| {})?;
        for block in changed.iter().filter(|_| follows) {
            if view.changed_parts(*block).has(SEAT) {
                self.seats.stay(view, *block)?;
            }
        }
        Some(())
    }

    /// The indexes that may not be as they were at the last look.
    #[inline]
    fn stale<V: IndexView>(&mut self, turn: &Loop<'_>, view: &V) -> Ends {
        let same = self.generation == turn.generation && self.reloading == turn.reloading;
        (self.generation, self.reloading) = (turn.generation, turn.reloading);
        let changed = view.changed().filter(|_| self.sure && same && self.partial < SWEEPS_MAX);
        let Some(changed) = changed else {
            self.partial = 0;
            return Ends::ALL;
        };
        self.partial += 1;
        let mut stale = view.changed_ends();
        for block in changed {
            let Some(spot) = self.spots.blocks.get_mut(block.0 as usize) else { continue };
            let parts = view.changed_parts(*block);
            let by_pid = if parts.has(BY_PID) { Ends::tree(Tree::ChildPid) } else { Ends::NONE };
            let elsewhere = if parts.has(ELSEWHERE) { NOT_BY_PID } else { Ends::NONE };
            let of = spot.places.among(by_pid.with(elsewhere));
            stale = stale.with(of);
            spot.places = spot.places.but(of);
        }
        if stale.has(CHILDREN) { stale.with(CHILDREN) } else { stale }
    }

    /// Walks the indexes that are stale.
    fn walk<V: IndexView>(&mut self, turn: &Loop<'_>, view: &V, stale: Ends) -> Option<()> {
        let Self { path, spots, .. } = self;
        let in_force = |argument: Option<ScriptRef>| {
            argument.is_none_or(|argument| argument.generation == turn.generation) || turn.reloading
        };
        let due = |block| key(Tree::Timer, &view.entry(block));
        if stale.has(Ends::list(List::Event)) {
            list(view, List::Event, |block| {
                spots.walked(block, Ends::list(List::Event));
                in_force(view.entry(block).argument)
            })?;
        }
        for of in [Tree::Read, Tree::Write, Tree::Timer] {
            if stale.has(Ends::tree(of)) {
                tree(view, of, path, due, |block| {
                    spots.walked(block, Ends::tree(of));
                    in_force(view.entry(block).argument)
                })?;
            }
        }
        if !stale.has(CHILDREN) {
            return Some(());
        }
        let mut tracked = 0_u32;
        list(view, List::Ready, |block| {
            let entry = view.entry(block);
            let queued = entry.kind == EntryKind::ChildTimeout;
            tracked += u32::from(queued);
            spots.meet(block, Ends::list(List::Ready), if queued { ON_READY } else { 0 });
            in_force(entry.argument)
        })?;
        tree(view, Tree::Child, path, due, |block| {
            let entry = view.entry(block);
            tracked += 1;
            spots.meet(block, Ends::tree(Tree::Child), IN_CHILD);
            entry.kind == EntryKind::Child && in_force(entry.argument)
        })?;
        let mut by_pid = 0_u32;
        let pid = |block| key(Tree::ChildPid, &view.entry(block));
        tree(view, Tree::ChildPid, path, pid, |block| {
            by_pid += 1;
            spots.walked(block, Ends::tree(Tree::ChildPid));
            match view.entry(block).kind {
                EntryKind::Child => spots.was_met(block, IN_CHILD),
                EntryKind::ChildTimeout => spots.was_met(block, ON_READY),
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
