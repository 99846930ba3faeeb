//! What is known of the indexes since the last look, so that the next one need only see what changed.
//!
//! A subject that can tell which blocks changed ([`IndexView::changed`]) is not walked at every step. [`Known`]
//! answers one question: is all that a whole look would examine sound? It says yes only when it is; when it is
//! in any doubt it says no, and the whole look decides and finds the words. So the verdict is the same as if
//! each look were whole, and the cost of a step is that of the changed blocks' paths to their roots. Why:
//!
//! - *Trees.* For each node there is a [`Twig`]: what a walk of the subtree below it came to (black height, least
//!   and greatest key, first node, size). A twig rests on the blocks of its subtree alone; when one of them
//!   changes, its twig goes and with it those of all nodes above it. Then each tree is walked from its root,
//!   down to where a twig still stands for what is below. A node cannot be met twice: its parent link leads to
//!   one parent. The twigs of a tree are as many as its nodes, or something fell out of it unseen: doubt.
//! - *Lists.* Entries leave at the head and join at the tail; what stands between is known, each with its
//!   neighbours. Any other change: doubt.
//! - *Laws of one entry* (`one-entry-per-child`, `no-stale-argument`) are asked of each block that changed, came or
//!   went; the rest hold as they did. When another configuration comes into force: doubt.

use alloc::vec::Vec;

use super::follow::Loop;
use super::shape::{HEIGHT_MAX, key};
use crate::event::EntryKind;
use crate::id::Generation;
use crate::index::{Block, IndexView, Link, List, Tree};

/// So many looks after the last whole one, the next is whole whatever is known: a guard, not a need.
const LOOKS_MAX: u32 = 4_096;

/// No block.
const NONE: u32 = u32::MAX;
/// The lists in the order in which they are followed.
const LISTS: usize = List::ALL.len();
/// No tree or list.
const NOWHERE: u8 = u8::MAX;

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
    /// The tree that it is of; [`NOWHERE`]: there is no twig.
    tree: u8,
    /// The tree that it was of when it went, in the look under way.
    before: u8,
}

impl Twig {
    const GONE: Self = Self {
        least: 0,
        greatest: 0,
        parent: NONE,
        first: NONE,
        size: 0,
        black_height: 0,
        red: false,
        tree: NOWHERE,
        before: NOWHERE,
    };
}

/// Where an entry stands in a list.
#[derive(Clone, Copy, Debug)]
struct Seat {
    before: u32,
    after: u32,
    list: u8,
}

impl Seat {
    const NONE: Self = Self { before: NONE, after: NONE, list: NOWHERE };
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

/// The indexes as they were at the last look.
#[derive(Clone, Default, Debug)]
pub(super) struct Known {
    /// That look found nothing wrong, and what follows is how things were.
    sure: bool,
    looks: u32,
    generation: Generation,
    reloading: bool,
    by_deadline: Twigs,
    by_pid: Twigs,
    seats: Vec<Seat>,
    /// First and last of each list.
    ends: [(u32, u32); LISTS],
    /// Blocks that changed, came or went in this look.
    touched: Vec<u32>,
    joining: Vec<u32>,
}

/// As a number: the block, [`NONE`] for nowhere; `None` for a wild link.
#[inline]
fn number(link: Link) -> Option<u32> {
    match link {
        Link::End => Some(NONE),
        Link::To(block) => Some(block.0),
        Link::Wild => None,
    }
}

#[inline]
fn is(link: Link, block: u32) -> bool {
    number(link) == Some(block)
}

impl Known {
    /// Whether all is sound, as far as what was known and what changed can tell.
    pub(super) fn follow<V: IndexView>(&mut self, turn: &Loop<'_>, view: &V) -> bool {
        let Some(changed) = view.changed() else { return false };
        let same = self.generation == turn.generation && self.reloading == turn.reloading;
        self.looks += 1;
        self.sure &= same && self.looks < LOOKS_MAX;
        self.sure = self.sure && self.advance(view, changed).is_some();
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
        self.seats.fill(Seat::NONE);
        self.ends = [(NONE, NONE); LISTS];
        (self.generation, self.reloading, self.looks) = (turn.generation, turn.reloading, 0);
        self.sure = self.advance(view, &[]).is_some();
    }

    /// Goes on from what was known. `None`: in doubt.
    fn advance<V: IndexView>(&mut self, view: &V, changed: &[Block]) -> Option<()> {
        let blocks = view.blocks() as usize;
        if self.seats.len() < blocks {
            let room = blocks.next_power_of_two();
            self.seats.resize(room, Seat::NONE);
            self.by_deadline.twigs.resize(room, Twig::GONE);
            self.by_pid.twigs.resize(room, Twig::GONE);
        }
        self.touched.clear();
        for block in changed {
            self.touched.push(block.0);
            self.by_deadline.uproot(block.0)?;
            self.by_pid.uproot(block.0)?;
        }
        for tree in Tree::BY_DEADLINE {
            self.by_deadline.walk(view, tree, &mut self.touched)?;
        }
        self.by_pid.walk(view, Tree::ChildPid, &mut self.touched)?;
        self.by_deadline.forget(&mut self.touched);
        self.by_pid.forget(&mut self.touched);
        for list in List::ALL {
            self.leave(view, list)?;
        }
        for list in List::ALL {
            self.join(view, list)?;
        }
        for block in changed {
            self.stay(view, block.0)?;
        }
        self.touched.iter().all(|block| self.obeys(view, *block)).then_some(())
    }

    /// Those before a list's first entry have left it.
    fn leave<V: IndexView>(&mut self, view: &V, list: List) -> Option<()> {
        let first = number(view.first(list))?;
        let (mut known, last) = self.ends[list as usize];
        while known != first && known != NONE {
            let seat = &mut self.seats[known as usize];
            self.touched.push(known);
            known = seat.after;
            *seat = Seat::NONE;
        }
        self.ends[list as usize] = (known, if known == NONE { NONE } else { last });
        if known != NONE {
            self.seats[known as usize].before = NONE;
        }
        Some(())
    }

    /// Those behind a list's last known entry have joined it.
    fn join<V: IndexView>(&mut self, view: &V, list: List) -> Option<()> {
        let (mut first, mut last) = self.ends[list as usize];
        let end = number(view.last(list))?;
        self.joining.clear();
        let mut block = end;
        while block != NONE && self.seats[block as usize].list != list as u8 {
            let elsewhere = self.seats[block as usize].list != NOWHERE;
            let endless = self.joining.len() == self.seats.len();
            if elsewhere || endless || !view.is_live(Block(block)) {
                return None;
            }
            self.joining.push(block);
            block = number(view.previous(list, Block(block)))?;
        }
        if block != last {
            return None;
        }
        while let Some(block) = self.joining.pop() {
            if last == NONE {
                first = block;
            } else {
                self.seats[last as usize].after = block;
                if !is(view.next(list, Block(last)), block) {
                    return None;
                }
            }
            self.seats[block as usize] = Seat { before: last, after: NONE, list: list as u8 };
            self.touched.push(block);
            last = block;
        }
        self.ends[list as usize] = (first, last);
        let ends = last == NONE || view.next(list, Block(last)) == Link::End;
        (ends && is(view.first(list), first)).then_some(())
    }

    /// An entry that changed and stands in a list is live and between its neighbours.
    fn stay<V: IndexView>(&mut self, view: &V, block: u32) -> Option<()> {
        let seat = self.seats[block as usize];
        let Some(list) = List::ALL.get(usize::from(seat.list)) else { return Some(()) };
        let block = Block(block);
        let stays = view.is_live(block)
            && is(view.next(*list, block), seat.after)
            && is(view.previous(*list, block), seat.before);
        stays.then_some(())
    }

    /// Whether an entry is where one of its kind belongs, and its argument is in force.
    #[inline]
    fn obeys<V: IndexView>(&self, view: &V, block: u32) -> bool {
        let by_deadline = self.by_deadline.twigs[block as usize].tree;
        let tracked = by_deadline == Tree::Child as u8;
        let by_pid = self.by_pid.twigs[block as usize].tree != NOWHERE;
        let list = self.seats[block as usize].list;
        let waits = list == List::Event as u8 || list == List::Ready as u8;
        if by_deadline == NOWHERE && !by_pid && !waits {
            return true;
        }
        let entry = view.entry(Block(block));
        let queued = list == List::Ready as u8 && entry.kind == EntryKind::ChildTimeout;
        let child = tracked && entry.kind == EntryKind::Child;
        let placed = (!tracked || child) && by_pid == (child || queued);
        let stale = |generation| generation != self.generation && !self.reloading;
        let judged = by_deadline != NOWHERE || waits;
        placed && !(judged && entry.argument.is_some_and(|argument| stale(argument.generation)))
    }
}

impl Twigs {
    /// The twig of a block goes, and those above it.
    #[inline]
    fn uproot(&mut self, mut block: u32) -> Option<()> {
        while block != NONE {
            let twig = self.twigs.get_mut(block as usize)?;
            if twig.tree == NOWHERE {
                break;
            }
            self.counts[usize::from(twig.tree)] -= 1;
            (twig.before, twig.tree) = (twig.tree, NOWHERE);
            self.gone.push(block);
            block = twig.parent;
        }
        Some(())
    }

    /// Those whose twig went and did not come again have left their tree.
    fn forget(&mut self, touched: &mut Vec<u32>) {
        for block in self.gone.drain(..) {
            let twig = &mut self.twigs[block as usize];
            twig.before = NOWHERE;
            if twig.tree == NOWHERE {
                touched.push(block);
            }
        }
    }

    /// Walks a tree, down to where twigs still stand.
    #[inline]
    fn walk<V: IndexView>(&mut self, view: &V, tree: Tree, touched: &mut Vec<u32>) -> Option<()> {
        let root = number(view.root(tree))?;
        let (first, size, red) = if root == NONE {
            (NONE, 0, false)
        } else {
            self.grow(view, tree, root, (NONE, false), touched, 0)?;
            let twig = &self.twigs[root as usize];
            (twig.first, twig.size, twig.red)
        };
        let cached = view.leftmost(tree).is_none_or(|cached| is(cached, first));
        (cached && !red && size == self.counts[tree as usize]).then_some(())
    }

    /// The twig of `block` in its place below a node and that one's colour.
    fn grow<V: IndexView>(
        &mut self,
        view: &V,
        tree: Tree,
        block: u32,
        (parent, below_red): (u32, bool),
        touched: &mut Vec<u32>,
        height: u32,
    ) -> Option<()> {
        let twig = self.twigs[block as usize];
        if twig.tree != NOWHERE {
            let stands = twig.tree == tree as u8 && twig.parent == parent && !(twig.red && below_red);
            return stands.then_some(());
        }
        let at = Block(block);
        if !view.is_live(at) || height == HEIGHT_MAX {
            return None;
        }
        let node = view.node(tree, at);
        let twins = node.left == node.right && node.left != Link::End;
        if !is(node.parent, parent) || (node.red && below_red) || twins {
            return None;
        }
        let own = key(tree, &view.entry(at));
        let (left, right) = (number(node.left)?, number(node.right)?);
        let mut grown = Twig {
            least: own,
            greatest: own,
            parent,
            first: block,
            size: 1,
            black_height: 0,
            red: node.red,
            tree: tree as u8,
            before: NOWHERE,
        };
        if left != NONE {
            self.grow(view, tree, left, (block, node.red), touched, height + 1)?;
            let below = &self.twigs[left as usize];
            if below.greatest > own {
                return None;
            }
            (grown.least, grown.first) = (below.least, below.first);
            grown.black_height = below.black_height;
            grown.size += below.size;
        }
        let mut right_height = 0;
        if right != NONE {
            self.grow(view, tree, right, (block, node.red), touched, height + 1)?;
            let below = &self.twigs[right as usize];
            if below.least < own {
                return None;
            }
            grown.greatest = below.greatest;
            right_height = below.black_height;
            grown.size += below.size;
        }
        if grown.black_height != right_height {
            return None;
        }
        grown.black_height += u8::from(!node.red);
        if twig.before != tree as u8 {
            touched.push(block);
        }
        self.counts[tree as usize] += 1;
        self.twigs[block as usize] = grown;
        Some(())
    }
}
