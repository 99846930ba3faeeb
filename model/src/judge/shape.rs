//! The memory laws: `no-dangling-node` and `tree-shape`, by walking links.
//!
//! A walk ends at the first flaw and is bounded whatever the links say: a red-black tree of n nodes is no
//! higher than 2 log2(n + 1), so that a descent beyond [`HEIGHT_MAX`] is in a cycle; each node's parent link
//! must lead back to where the walk came from, so that none is met twice (but as both children of one node,
//! which is looked for); and a list has no more entries than there are blocks. Nothing is allocated.

use crate::index::{Block, Entry, IndexView, Link, List, Node, Tree};
use crate::law::Law;

/// No red-black tree with fewer than 2^32 nodes is higher.
pub(super) const HEIGHT_MAX: u32 = 64;

/// What can be wrong with an entry's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wrong {
    Wild,
    GivenBack,
    RootHasParent,
    RootIsRed,
    TooDeep,
    RedBelowRed,
    OneChildTwice,
    OutOfOrder,
    BlackHeights,
    Parent,
    Leftmost,
    ListTooLong,
    ListBack,
    ListLast,
}

impl Wrong {
    /// The law that it breaks.
    pub(super) const fn law(self) -> Law {
        match self {
            Self::Wild | Self::GivenBack => Law::NoDanglingNode,
            _ => Law::TreeShape,
        }
    }

    /// In words, of the entry.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Wild => "a link leads to no entry",
            Self::GivenBack => "it is not live: it was given back",
            Self::RootHasParent => "it is the root and has a parent",
            Self::RootIsRed => "it is the root and red",
            Self::TooDeep => "the way down to it is longer than a tree can be high",
            Self::RedBelowRed => "it is red, as its parent is",
            Self::OneChildTwice => "both its children are one node",
            Self::OutOfOrder => "it stands right of a greater one",
            Self::BlackHeights => "the black heights below it differ",
            Self::Parent => "its parent link does not lead to its parent",
            Self::Leftmost => "the cached leftmost node is not the leftmost",
            Self::ListTooLong => "the list has more entries than there are",
            Self::ListBack => "its link back does not lead to the entry before it",
            Self::ListLast => "the list's last entry is another",
        }
    }
}

/// What is wrong, and with which entry. Small, so that a walk's results stay in registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Flaw {
    pub(super) wrong: Wrong,
    at: u32,
}

impl Flaw {
    #[inline]
    const fn new(wrong: Wrong, block: Block) -> Self {
        Self { wrong, at: block.0 }
    }

    /// The entry; `None` when a link leads to none.
    pub(super) fn block(self) -> Option<Block> {
        (self.wrong != Wrong::Wild).then_some(Block(self.at))
    }
}

/// The block that a link leads to, which must be live.
#[inline]
fn live<V: IndexView>(view: &V, link: Link) -> Result<Option<Block>, Flaw> {
    match link {
        Link::End => Ok(None),
        Link::To(block) if view.is_live(block) => Ok(Some(block)),
        Link::To(block) => Err(Flaw::new(Wrong::GivenBack, block)),
        Link::Wild => Err(Flaw { wrong: Wrong::Wild, at: 0 }),
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
pub(super) fn tree<V: IndexView>(view: &V, tree: Tree, visit: impl FnMut(Block, &Entry)) -> Result<(), Flaw> {
    let mut walk = Walk { view, tree, first: None, last_key: 0, visit };
    if let Some(root) = live(view, view.root(tree))? {
        let node = view.node(tree, root);
        if node.parent != Link::End {
            return Err(Flaw::new(Wrong::RootHasParent, root));
        }
        if node.red {
            return Err(Flaw::new(Wrong::RootIsRed, root));
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
    other.map_or(Ok(()), |block| Err(Flaw::new(Wrong::Leftmost, block)))
}

impl<V: IndexView, F: FnMut(Block, &Entry)> Walk<'_, V, F> {
    /// Walks below `block` and gives its black height. `block` is live, and its parent link is right.
    fn subtree(&mut self, block: Block, node: Node, height: u32) -> Result<u32, Flaw> {
        if height == HEIGHT_MAX {
            return Err(Flaw::new(Wrong::TooDeep, block));
        }
        if node.left == node.right && node.left != Link::End {
            return Err(Flaw::new(Wrong::OneChildTwice, block));
        }
        let left = self.child(block, node.left, node.red, height)?;
        let entry = self.view.entry(block);
        let key = entry.key(self.tree);
        if key < self.last_key {
            return Err(Flaw::new(Wrong::OutOfOrder, block));
        }
        self.last_key = key;
        if self.first.is_none() {
            self.first = Some(block);
        }
        (self.visit)(block, &entry);
        let right = self.child(block, node.right, node.red, height)?;
        if left != right {
            return Err(Flaw::new(Wrong::BlackHeights, block));
        }
        Ok(left + u32::from(!node.red))
    }

    #[inline(always)]
    fn child(&mut self, parent: Block, link: Link, below_red: bool, height: u32) -> Result<u32, Flaw> {
        let Some(block) = live(self.view, link)? else { return Ok(0) };
        let node = self.view.node(self.tree, block);
        if node.parent != Link::To(parent) {
            return Err(Flaw::new(Wrong::Parent, block));
        }
        if node.red && below_red {
            return Err(Flaw::new(Wrong::RedBelowRed, block));
        }
        self.subtree(block, node, height + 1)
    }
}

/// Walks a list and says the first flaw; `visit` is told each entry's block.
#[inline]
pub(super) fn list<V: IndexView>(view: &V, list: List, mut visit: impl FnMut(Block)) -> Result<(), Flaw> {
    let mut before = Link::End;
    let mut link = view.first(list);
    let mut left = view.blocks();
    while let Some(block) = live(view, link)? {
        if left == 0 {
            return Err(Flaw::new(Wrong::ListTooLong, block));
        }
        left -= 1;
        if view.previous(list, block) != before {
            return Err(Flaw::new(Wrong::ListBack, block));
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
    other.map_or(Ok(()), |block| Err(Flaw::new(Wrong::ListLast, block)))
}
