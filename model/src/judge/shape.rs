//! The memory laws: `no-dangling-node` and `tree-shape`, by walking links.
//!
//! A walk ends at the first flaw and is bounded whatever the links say: a red-black tree of n nodes is no
//! higher than 2 log2(n + 1), so that a descent beyond [`HEIGHT_MAX`] is in a cycle; each node's parent link
//! must lead back to where the walk came from, so that none is met twice (but as both children of one node,
//! which is looked for); and a list has no more entries than there are blocks. Nothing is allocated.

use crate::index::{Block, Entry, IndexView, Link, List, Node, Tree};
use crate::law::Law;
use crate::time::Deadline;

/// No red-black tree with fewer than 2^32 nodes is higher.
const HEIGHT_MAX: u32 = 64;

/// What is wrong with a tree or list, and with which entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flaw {
    pub(crate) law: Law,
    /// The entry; `None` when a link leads to none.
    pub(crate) block: Option<Block>,
    pub(crate) what: &'static str,
}

const fn shape(block: Block, what: &'static str) -> Flaw {
    Flaw { law: Law::TreeShape, block: Some(block), what }
}

/// The block that a link leads to, which must be live.
#[inline]
fn live<V: IndexView>(view: &V, link: Link) -> Result<Option<Block>, Flaw> {
    match link {
        Link::End => Ok(None),
        Link::To(block) if view.is_live(block) => Ok(Some(block)),
        Link::To(block) => Err(Flaw {
            law: Law::NoDanglingNode,
            block: Some(block),
            what: "it is not live: it was given back",
        }),
        Link::Wild => Err(Flaw { law: Law::NoDanglingNode, block: None, what: "a link leads to no entry" }),
    }
}

/// A node's place in the order of its tree. "Never" is greatest, an entry without a pid is least.
#[inline]
fn key(tree: Tree, entry: &Entry) -> u64 {
    match (tree, entry.deadline) {
        (Tree::ChildPid, _) => entry.pid.map_or(0, |pid| u64::from(pid.get().unsigned_abs())),
        (_, Deadline::At(instant)) => instant.as_micros(),
        (_, Deadline::Never) => u64::MAX,
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
pub(crate) fn tree<V: IndexView>(view: &V, tree: Tree, visit: impl FnMut(Block, &Entry)) -> Result<(), Flaw> {
    let mut walk = Walk { view, tree, first: None, last_key: 0, visit };
    let root = live(view, view.root(tree))?;
    if let Some(root) = root {
        let node = view.node(tree, root);
        if node.parent != Link::End {
            return Err(shape(root, "it is the root and has a parent"));
        }
        if node.red {
            return Err(shape(root, "it is the root and red"));
        }
        walk.subtree(root, node, false, 0)?;
    }
    let cached = match view.leftmost(tree) {
        None => return Ok(()),
        Some(cached) => cached,
    };
    let first = walk.first.map_or(Link::End, Link::To);
    if cached == first {
        return Ok(());
    }
    match live(view, cached)?.or(walk.first) {
        Some(block) => Err(shape(block, "the cached leftmost node is not the leftmost")),
        None => Ok(()),
    }
}

impl<V: IndexView, F: FnMut(Block, &Entry)> Walk<'_, V, F> {
    /// Walks below `block` and gives its black height. `block` is live, and its parent link is right.
    fn subtree(&mut self, block: Block, node: Node, below_red: bool, height: u32) -> Result<u32, Flaw> {
        if height == HEIGHT_MAX {
            return Err(shape(block, "the way down to it is longer than a tree can be high"));
        }
        if node.red && below_red {
            return Err(shape(block, "it is red, as its parent is"));
        }
        if node.left == node.right && node.left != Link::End {
            return Err(shape(block, "both its children are one node"));
        }
        let left = self.child(block, node.left, node.red, height)?;
        let entry = self.view.entry(block);
        let key = key(self.tree, &entry);
        if key < self.last_key {
            return Err(shape(block, "it stands right of a greater one"));
        }
        self.last_key = key;
        if self.first.is_none() {
            self.first = Some(block);
        }
        (self.visit)(block, &entry);
        let right = self.child(block, node.right, node.red, height)?;
        if left != right {
            return Err(shape(block, "the black heights below it differ"));
        }
        Ok(left + u32::from(!node.red))
    }

    #[inline(always)]
    fn child(&mut self, parent: Block, link: Link, below_red: bool, height: u32) -> Result<u32, Flaw> {
        let Some(block) = live(self.view, link)? else { return Ok(0) };
        let node = self.view.node(self.tree, block);
        if node.parent != Link::To(parent) {
            return Err(shape(block, "its parent link does not lead to its parent"));
        }
        self.subtree(block, node, below_red, height + 1)
    }
}

/// Walks a list and says the first flaw; `visit` is told each entry's block.
pub(crate) fn list<V: IndexView>(view: &V, list: List, mut visit: impl FnMut(Block)) -> Result<(), Flaw> {
    let mut before = Link::End;
    let mut link = view.first(list);
    let mut left = view.blocks();
    while let Some(block) = live(view, link)? {
        if left == 0 {
            return Err(shape(block, "the list has more entries than there are"));
        }
        left -= 1;
        if view.previous(list, block) != before {
            return Err(shape(block, "its link back does not lead to the entry before it"));
        }
        visit(block);
        before = link;
        link = view.next(list, block);
    }
    let last = view.last(list);
    if last != before {
        let block = live(view, last)?.or(live(view, before)?);
        return Err(Flaw { law: Law::TreeShape, block, what: "the list's last entry is another" });
    }
    Ok(())
}
