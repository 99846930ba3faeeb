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
//! A walk compares links as the words that lie in memory, and asks what a word leads to only where it follows it.
//!
//! Always, as there: a walk is bounded whatever the links say. Each node's parent link must lead back to where
//! the walk came from and no node has one child twice, so that no node is met twice in a tree; none is deeper
//! than [`HEIGHT_MAX`]; a list has no more entries than there are blocks.

use alloc::vec::Vec;

use super::follow::Loop;
use super::seats::Seats;
use super::shape::HEIGHT_MAX;
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
            path: NO_PATH,
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
        // Where a block was met is asked only where what changed is told.
        self.sure = if view.changed().is_some() {
            self.retired(view).is_some() && self.walk::<V, true>(turn, view, stale).is_some()
        } else {
            list(view, List::Unuse, |_| true).is_some() && self.walk::<V, false>(turn, view, stale).is_some()
        };
        self.sure
    }

    /// Follows UNUSE by what changed.
    #[inline]
    fn retired<V: IndexView>(&mut self, view: &V) -> Option<()> {
        let changed = view.changed()?;
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

    /// Walks the indexes that are stale; `NOTES` where blocks were met, for the next sweep.
    fn walk<V: IndexView, const NOTES: bool>(
        &mut self,
        turn: &Loop<'_>,
        view: &V,
        stale: Ends,
    ) -> Option<()> {
        let Self { path, spots, .. } = self;
        let in_force = |argument: Option<ScriptRef>| {
            argument.is_none_or(|argument| argument.generation == turn.generation) || turn.reloading
        };
        let note = |spots: &mut Spots, block, of| {
            if NOTES {
                spots.walked(block, of);
            }
        };
        if stale.has(Ends::list(List::Event)) {
            list(view, List::Event, |block| {
                note(spots, block, Ends::list(List::Event));
                in_force(view.says(block).1)
            })?;
        }
        for of in [Tree::Read, Tree::Write, Tree::Timer] {
            if stale.has(Ends::tree(of)) {
                tree(view, of, path, |block| {
                    note(spots, block, Ends::tree(of));
                    in_force(view.says(block).1)
                })?;
            }
        }
        if !stale.has(CHILDREN) {
            return Some(());
        }
        let mut tracked = 0_u32;
        list(view, List::Ready, |block| {
            let (kind, argument) = view.says(block);
            let queued = kind == EntryKind::ChildTimeout;
            tracked += u32::from(queued);
            spots.meet(block, Ends::list(List::Ready), if queued { ON_READY } else { 0 });
            in_force(argument)
        })?;
        tree(view, Tree::Child, path, |block| {
            let (kind, argument) = view.says(block);
            tracked += 1;
            spots.meet(block, Ends::tree(Tree::Child), IN_CHILD);
            kind == EntryKind::Child && in_force(argument)
        })?;
        let mut by_pid = 0_u32;
        tree(view, Tree::ChildPid, path, |block| {
            by_pid += 1;
            note(spots, block, Ends::tree(Tree::ChildPid));
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
