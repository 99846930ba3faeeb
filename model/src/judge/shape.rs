//! The memory laws: `no-dangling-node` and `tree-shape`, by walking links.
//!
//! A walk ends at the first flaw and is bounded whatever the links say: a red-black tree of n nodes is no
//! higher than 2 log2(n + 1), so that a descent beyond [`HEIGHT_MAX`] is in a cycle; each node's parent link
//! must lead back to where the walk came from, so that none is met twice (but as both children of one node,
//! which is looked for); and a list has no more entries than there are blocks. Nothing is allocated.

use crate::index::{Block, Entry, IndexView, Link, List, Node, Tree};
use crate::violation::Flaw;

/// No red-black tree with fewer than 2^32 nodes is higher.
pub(super) const HEIGHT_MAX: u32 = 64;

/// What is wrong, and with which entry. Small, so that a walk's results stay in registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Flawed {
    pub(super) flaw: Flaw,
    at: u32,
}

impl Flawed {
    #[inline]
    const fn new(flaw: Flaw, block: Block) -> Self {
        Self { flaw, at: block.0 }
    }

    /// The entry; `None` when a link leads to none.
    pub(super) fn block(self) -> Option<Block> {
        (self.flaw != Flaw::Wild).then_some(Block(self.at))
    }
}

/// The block that a link leads to, which must be live.
#[inline]
fn live<V: IndexView>(view: &V, link: Link) -> Result<Option<Block>, Flawed> {
    match link {
        Link::End => Ok(None),
        Link::To(block) if view.is_live(block) => Ok(Some(block)),
        Link::To(block) => Err(Flawed::new(Flaw::GivenBack, block)),
        Link::Wild => Err(Flawed { flaw: Flaw::Wild, at: 0 }),
    }
}

struct Walk<'v, V, F> {
    view: &'v V,
    tree: Tree,
    first: Option<Block>,
    last_key: u64,
    visit: F,
}

/// Walks a tree in order and says the first flaw; `visit` is told each entry.
pub(super) fn tree<V: IndexView>(
    view: &V,
    tree: Tree,
    visit: impl FnMut(Block, &Entry),
) -> Result<(), Flawed> {
    let mut walk = Walk { view, tree, first: None, last_key: 0, visit };
    if let Some(root) = live(view, view.root(tree))? {
        let node = view.node(tree, root);
        if node.parent != Link::End {
            return Err(Flawed::new(Flaw::RootHasParent, root));
        }
        if node.red {
            return Err(Flawed::new(Flaw::RootIsRed, root));
        }
        walk.subtree(root, node, 0)?;
    }
    let Some(cached) = view.leftmost(tree) else { return Ok(()) };
    let first = walk.first.map_or(Link::End, Link::To);
    if cached == first {
        return Ok(());
    }
    // One of the two is there: they differ.
    let other = live(view, cached)?.or(walk.first);
    other.map_or(Ok(()), |block| Err(Flawed::new(Flaw::Leftmost, block)))
}

impl<V: IndexView, F: FnMut(Block, &Entry)> Walk<'_, V, F> {
    /// Walks below `block` and gives its black height. `block` is live, and its parent link is right.
    fn subtree(&mut self, block: Block, node: Node, height: u32) -> Result<u32, Flawed> {
        if height == HEIGHT_MAX {
            return Err(Flawed::new(Flaw::TooDeep, block));
        }
        if node.left == node.right && node.left != Link::End {
            return Err(Flawed::new(Flaw::OneChildTwice, block));
        }
        let left = self.child(block, node.left, node.red, height)?;
        let entry = self.view.entry(block);
        let key = entry.key(self.tree);
        if key < self.last_key {
            return Err(Flawed::new(Flaw::OutOfOrder, block));
        }
        self.last_key = key;
        if self.first.is_none() {
            self.first = Some(block);
        }
        (self.visit)(block, &entry);
        let right = self.child(block, node.right, node.red, height)?;
        if left != right {
            return Err(Flawed::new(Flaw::BlackHeights, block));
        }
        Ok(left + u32::from(!node.red))
    }

    #[inline(always)]
    fn child(&mut self, parent: Block, link: Link, below_red: bool, height: u32) -> Result<u32, Flawed> {
        let Some(block) = live(self.view, link)? else { return Ok(0) };
        let node = self.view.node(self.tree, block);
        if node.parent != Link::To(parent) {
            return Err(Flawed::new(Flaw::Parent, block));
        }
        if node.red && below_red {
            return Err(Flawed::new(Flaw::RedBelowRed, block));
        }
        self.subtree(block, node, height + 1)
    }
}

/// Walks a list and says the first flaw; `visit` is told each entry's block.
#[inline]
pub(super) fn list<V: IndexView>(view: &V, list: List, mut visit: impl FnMut(Block)) -> Result<(), Flawed> {
    let mut before = Link::End;
    let mut link = view.first(list);
    let mut left = view.blocks();
    while let Some(block) = live(view, link)? {
        if left == 0 {
            return Err(Flawed::new(Flaw::ListTooLong, block));
        }
        left -= 1;
        if view.previous(list, block) != before {
            return Err(Flawed::new(Flaw::ListBack, block));
        }
        visit(block);
        before = link;
        link = view.next(list, block);
    }
    let last = view.last(list);
    if last == before {
        return Ok(());
    }
    // One of the two is there: they differ.
    let other = live(view, last)?.or(live(view, before)?);
    other.map_or(Ok(()), |block| Err(Flawed::new(Flaw::ListLast, block)))
}
