//! What is known of the indexes since the last look, so that the next one need only see what changed.
//!
//! A subject that can tell what changed ([`IndexView::changed`]) is not walked at every step. [`Known`] answers
//! one question: is all that a whole look would examine sound? It says yes only when it is; when it is in any
//! doubt it says no, and the whole look decides and finds the words. So the verdict is the same as if each look
//! were whole, and the cost of a step is that of the changed blocks' paths to their roots. Why:
//!
//! - *Trees.* For each node there is a [`Twig`]: what a walk of the subtree below it came to (black height, least
//!   and greatest key, first node, size). A twig rests on the blocks of its subtree alone; when one of them
//!   changes, its twig goes and with it those of all nodes above it. Then each tree of which a twig went, or the
//!   root or cached leftmost node changed, is walked from its root, down to where a twig still stands for what
//!   is below; of another tree a walk would read nothing but what it read before. A node cannot be met twice: its
//!   parent link leads to one parent. The twigs of a tree are as many as its nodes, or something fell out of it
//!   unseen: doubt.
//! - *Lists* are followed by `seats`; one whose ends and entries did not change is as it was.
//! - *Laws of one entry* (`one-entry-per-child`, `no-stale-argument`) are asked of each block that changed, came or
//!   went; the rest hold as they did. When another configuration comes into force: doubt.

use alloc::vec::Vec;

use super::follow::Loop;
use super::seats::Seats;
use super::shape::HEIGHT_MAX;
use crate::event::EntryKind;
use crate::id::Generation;
use crate::index::{Block, Ends, IndexView, List, NOWHERE, Parts, Tree};

/// So many looks after the last whole one, the next is whole whatever is known: a guard, not a need.
const LOOKS_MAX: u32 = 4_096;

/// No tree.
const NONE: u8 = u8::MAX;

/// What a walk below a node came to.
#[derive(Clone, Copy, Debug)]
struct Twig {
    least: u64,
    greatest: u64,
    parent: u32,
    first: u32,
    size: u32,
    black_height: u8,
    red: bool,
    /// The tree that it is of; [`NONE`]: there is no twig.
    tree: u8,
    /// The tree that it was of when it went, in the look under way.
    before: u8,
}

impl Twig {
    const GONE: Self = Self {
        least: 0,
        greatest: 0,
        parent: NOWHERE,
        first: NOWHERE,
        size: 0,
        black_height: 0,
        red: false,
        tree: NONE,
        before: NONE,
    };
}

/// The twigs of trees whose nodes share one place in an entry.
#[derive(Clone, Default, Debug)]
struct Twigs {
    twigs: Vec<Twig>,
    /// How many there are of each tree.
    counts: [u32; Tree::ALL.len()],
    /// Blocks whose twig went in this look.
    gone: Vec<u32>,
}

/// Blocks of which the laws of one entry are to be asked in this look, each once.
#[derive(Clone, Default, Debug)]
struct Touched {
    blocks: Vec<u32>,
    /// For each block, whether it is one of them.
    is: Vec<bool>,
}

impl Touched {
    #[inline]
    fn add(&mut self, block: u32) {
        if let Some(is) = self.is.get_mut(block as usize)
            && !*is
        {
            *is = true;
            self.blocks.push(block);
        }
    }

    fn clear(&mut self) {
        for block in self.blocks.drain(..) {
            self.is[block as usize] = false;
        }
    }
}

/// The indexes as they were at the last look.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// That look found nothing wrong, and what follows is how things were.
    sure: bool,
    looks: u32,
    generation: Generation,
    reloading: bool,
    by_deadline: Twigs,
    by_pid: Twigs,
    seats: Seats,
    touched: Touched,
}

/// What changed of a block so that what is known of its node in a deadline tree falls.
const NODE: Parts = Parts::PLACE.and(Parts::DUE).and(Parts::LIFE);
/// The same, of its node in CHILD_PID.
const PID_NODE: Parts = Parts::PID_NODE.and(Parts::PID).and(Parts::LIFE);
/// The same, of its place in a list.
const SEAT: Parts = Parts::PLACE.and(Parts::LIFE);

impl Known {
    pub(super) fn new() -> Self {
        Self {
            sure: false,
            looks: 0,
            generation: Generation(0),
            reloading: false,
            by_deadline: Twigs::default(),
            by_pid: Twigs::default(),
            seats: Seats::new(),
            touched: Touched::default(),
        }
    }

    /// Whether all is sound, as far as what was known and what changed can tell.
    pub(super) fn follow<V: IndexView>(&mut self, turn: &Loop<'_>, view: &V) -> bool {
        let Some(changed) = view.changed() else { return false };
        let same = self.generation == turn.generation && self.reloading == turn.reloading;
        self.looks += 1;
        self.sure &= same && self.looks < LOOKS_MAX;
        self.sure = self.sure && self.advance(view, changed, view.changed_ends()).is_some();
        self.sure
    }

    /// A whole look found nothing wrong: all is learnt anew.
    pub(super) fn learn<V: IndexView>(&mut self, turn: &Loop<'_>, view: &V) {
        if view.changed().is_none() {
            return;
        }
        for twigs in [&mut self.by_deadline, &mut self.by_pid] {
            twigs.twigs.fill(Twig::GONE);
            twigs.counts = [0; Tree::ALL.len()];
            twigs.gone.clear();
        }
        self.seats.clear();
        (self.generation, self.reloading, self.looks) = (turn.generation, turn.reloading, 0);
        self.sure = self.advance(view, &[], Ends::ALL).is_some();
    }

    /// Goes on from what was known. `None`: in doubt.
    fn advance<V: IndexView>(&mut self, view: &V, changed: &[Block], mut stale: Ends) -> Option<()> {
        self.make_room(view.blocks() as usize);
        self.touched.clear();
        for block in changed {
            let parts = view.changed_parts(*block);
            if parts.has(NODE) {
                stale = stale.with(self.by_deadline.uproot(block.0)?);
            }
            if parts.has(PID_NODE) {
                stale = stale.with(self.by_pid.uproot(block.0)?);
            }
            self.touched.add(block.0);
        }
        for tree in Tree::BY_DEADLINE {
            if stale.has(Ends::tree(tree)) {
                self.by_deadline.walk(view, tree, &mut self.touched)?;
            }
        }
        if stale.has(Ends::tree(Tree::ChildPid)) {
            self.by_pid.walk(view, Tree::ChildPid, &mut self.touched)?;
        }
        self.by_deadline.forget(&mut self.touched);
        self.by_pid.forget(&mut self.touched);
        for list in List::ALL {
            if stale.has(Ends::list(list)) {
                self.seats.leave(view, list, |block| self.touched.add(block))?;
            }
        }
        for list in List::ALL {
            if stale.has(Ends::list(list)) {
                self.seats.join(view, list, |block| self.touched.add(block))?;
            }
        }
        for block in changed {
            if view.changed_parts(*block).has(SEAT) {
                self.seats.stay(view, *block)?;
            }
        }
        self.touched.blocks.iter().all(|block| self.obeys(view, *block)).then_some(())
    }

    #[inline]
    fn make_room(&mut self, blocks: usize) {
        self.seats.make_room(blocks);
        if self.touched.is.len() < blocks {
            let room = blocks.next_power_of_two();
            self.by_deadline.twigs.resize(room, Twig::GONE);
            self.by_pid.twigs.resize(room, Twig::GONE);
            self.touched.is.resize(room, false);
        }
    }

    /// Whether an entry is where one of its kind belongs, and its argument is in force.
    #[inline]
    fn obeys<V: IndexView>(&self, view: &V, block: u32) -> bool {
        let by_deadline = self.by_deadline.twigs[block as usize].tree;
        let tracked = by_deadline == Tree::Child as u8;
        let by_pid = self.by_pid.twigs[block as usize].tree != NONE;
        let ready = self.seats.is_in(block, List::Ready);
        let waits = ready || self.seats.is_in(block, List::Event);
        if by_deadline == NONE && !by_pid && !waits {
            return true;
        }
        let entry = view.entry(Block(block));
        let queued = ready && entry.kind == EntryKind::ChildTimeout;
        let child = tracked && entry.kind == EntryKind::Child;
        let placed = (!tracked || child) && by_pid == (child || queued);
        let stale = |generation| generation != self.generation && !self.reloading;
        let judged = by_deadline != NONE || waits;
        placed && !(judged && entry.argument.is_some_and(|argument| stale(argument.generation)))
    }
}

impl Twigs {
    /// The twig of a block goes, and those above it. The tree that they were of.
    #[inline]
    fn uproot(&mut self, mut block: u32) -> Option<Ends> {
        let mut of = Ends::NONE;
        while block != NOWHERE {
            let twig = self.twigs.get_mut(block as usize)?;
            let Some(tree) = Tree::ALL.get(usize::from(twig.tree)) else { break };
            of = Ends::tree(*tree);
            self.counts[*tree as usize] -= 1;
            (twig.before, twig.tree) = (twig.tree, NONE);
            self.gone.push(block);
            block = twig.parent;
        }
        Some(of)
    }

    /// Those whose twig went and did not come again have left their tree.
    #[inline]
    fn forget(&mut self, touched: &mut Touched) {
        for block in self.gone.drain(..) {
            let twig = &mut self.twigs[block as usize];
            twig.before = NONE;
            if twig.tree == NONE {
                touched.add(block);
            }
        }
    }

    /// Walks a tree, down to where twigs still stand.
    #[inline]
    fn walk<V: IndexView>(&mut self, view: &V, tree: Tree, touched: &mut Touched) -> Option<()> {
        let root = view.root(tree).number();
        let (mut first, mut size) = (NOWHERE, 0);
        if root != NOWHERE {
            // As if it stood below a red node: it must be black.
            let twig = self.at(view, tree, root, (NOWHERE, true), touched, 0)?;
            (first, size) = (twig.first, twig.size);
        }
        let cached = view.leftmost(tree).is_none_or(|cached| cached.number() == first);
        (cached && size == self.counts[tree as usize]).then_some(())
    }

    /// The twig of `block` in its place below a node and that one's colour: the one that stands, or a new one.
    #[inline]
    fn at<V: IndexView>(
        &mut self,
        view: &V,
        tree: Tree,
        block: u32,
        (parent, below_red): (u32, bool),
        touched: &mut Touched,
        height: u32,
    ) -> Option<&Twig> {
        if self.twigs.get(block as usize)?.tree == NONE {
            self.grow(view, tree, block, parent, touched, height)?;
        }
        let twig = self.twigs.get(block as usize)?;
        let stands = twig.tree == tree as u8 && twig.parent == parent && !(twig.red && below_red);
        stands.then_some(twig)
    }

    /// Makes the twig of `block`, whose parent link is to lead to `parent`.
    fn grow<V: IndexView>(
        &mut self,
        view: &V,
        tree: Tree,
        block: u32,
        parent: u32,
        touched: &mut Touched,
        height: u32,
    ) -> Option<()> {
        let at = Block(block);
        if block >= view.blocks() || !view.is_live(at) || height == HEIGHT_MAX {
            return None;
        }
        let node = view.branch(tree, at);
        let twins = node.left == node.right && node.left != NOWHERE;
        if node.parent != parent || twins {
            return None;
        }
        let own = view.key(tree, at);
        let (mut least, mut greatest, mut first, mut size) = (own, own, block, 1);
        let (mut left_height, mut right_height) = (0, 0);
        if node.left != NOWHERE {
            let below = self.at(view, tree, node.left, (block, node.red), touched, height + 1)?;
            if below.greatest > own {
                return None;
            }
            (least, first, left_height) = (below.least, below.first, below.black_height);
            size += below.size;
        }
        if node.right != NOWHERE {
            let below = self.at(view, tree, node.right, (block, node.red), touched, height + 1)?;
            if below.least < own {
                return None;
            }
            (greatest, right_height) = (below.greatest, below.black_height);
            size += below.size;
        }
        if left_height != right_height {
            return None;
        }
        let twig = self.twigs.get_mut(block as usize)?;
        let before = twig.before;
        let black_height = left_height + u8::from(!node.red);
        let red = node.red;
        *twig = Twig { least, greatest, parent, first, size, black_height, red, tree: tree as u8, before };
        if before != tree as u8 {
            touched.add(block);
        }
        self.counts[tree as usize] += 1;
        Some(())
    }
}
