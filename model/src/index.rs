//! Read-only views of a scheduler's trees and lists between steps, the same for every subject.
//!
//! An [`IndexView`] walks by [`Block`]s, the numbers of the heap blocks that were handed out for entries: a run's first
//! block is 0, and a block that is handed out again keeps its number. Addresses never show. A link that leads to no
//! block is [`Link::Wild`]. A view answers for freed blocks too, whose bytes are still there;
//! [`is_live`](IndexView::is_live) tells them apart by the list of live blocks, never by the walk.

use crate::event::{EntryKind, Handler};
use crate::id::{Pid, ScriptRef};
use crate::time::Deadline;

/// A heap block, by the order in which the heap made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Block(pub u32);

/// Target of a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Link {
    /// Null; in a list, back to its head.
    End,
    /// An entry's block, at the place where such a link belongs.
    To(Block),
    /// No entry: outside all blocks, or inside one.
    Wild,
}

/// A tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Tree {
    /// By deadline: descriptors to read.
    Read,
    /// By deadline: descriptors to write.
    Write,
    /// By deadline: timers.
    Timer,
    /// By deadline: children.
    Child,
    /// By pid: children, also those whose timeout is queued.
    ChildPid,
}

impl Tree {
    /// All trees.
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Timer, Self::Child, Self::ChildPid];
    /// The trees with a cached leftmost node.
    pub const BY_DEADLINE: [Self; 4] = [Self::Read, Self::Write, Self::Timer, Self::Child];

    /// Returns keepalived's own name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::Timer => "TIMER",
            Self::Child => "CHILD",
            Self::ChildPid => "CHILD_PID",
        }
    }
}

/// A list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum List {
    /// Entries that run next.
    Event,
    /// Entries that run when EVENT is empty.
    Ready,
    /// Retired entries.
    Unuse,
}

impl List {
    /// All lists.
    pub const ALL: [Self; 3] = [Self::Event, Self::Ready, Self::Unuse];

    /// Returns keepalived's own name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event => "EVENT",
            Self::Ready => "READY",
            Self::Unuse => "UNUSE",
        }
    }
}

/// A node of a tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    /// Link to the parent.
    pub parent: Link,
    /// Link to lower keys.
    pub left: Link,
    /// Link to higher keys.
    pub right: Link,
    /// Whether it is red; otherwise black.
    pub red: bool,
}

/// [`Link::End`] as a number. Walks that run millions of times a second use links as numbers: a block's own number,
/// this one, or any number that is no block's for [`Link::Wild`].
pub const NOWHERE: u32 = u32::MAX;

/// [`Link::Wild`] as a number.
pub const NO_BLOCK: u32 = u32::MAX - 1;

impl Link {
    /// Returns the link as a number.
    #[inline]
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::End => NOWHERE,
            Self::To(block) => block.0,
            Self::Wild => NO_BLOCK,
        }
    }
}

/// A [`Node`] with links as numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Branch {
    /// Link to the parent.
    pub parent: u32,
    /// Link to lower keys.
    pub left: u32,
    /// Link to higher keys.
    pub right: u32,
    /// Whether it is red; otherwise black.
    pub red: bool,
}

/// A [`Node`] with links as words in memory, for walks that mostly compare links and resolve a word to a block only
/// when they follow it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Words {
    /// Link to the parent.
    pub parent: u64,
    /// Link to lower keys.
    pub left: u64,
    /// Link to higher keys.
    pub right: u64,
    /// Whether it is red; otherwise black.
    pub red: bool,
}

/// Words of a list's head.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Head {
    /// Link to the first entry.
    pub first: u64,
    /// Link to the last entry.
    pub last: u64,
    /// Address of the head itself, to which the outer links of first and last lead.
    pub end: u64,
}

/// Contents of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Entry {
    /// The type.
    pub kind: EntryKind,
    /// The deadline; meaningful in the deadline trees.
    pub deadline: Deadline,
    /// The pid, meaningful for children; `None` when the field holds no pid.
    pub pid: Option<Pid>,
    /// The function that it calls; `None` when the world does not know it.
    pub handler: Option<Handler>,
    /// The script that its argument points at; `None` when it is null or no script.
    pub argument: Option<ScriptRef>,
}

impl Entry {
    /// Returns the key in a tree: the pid, or the deadline in microseconds. "Never" is greatest, an entry without a pid
    /// is least.
    #[inline]
    #[must_use]
    pub const fn key(&self, tree: Tree) -> u64 {
        match (tree, self.deadline) {
            (Tree::ChildPid, _) => match self.pid {
                Some(pid) => pid.get().unsigned_abs() as u64,
                None => 0,
            },
            (_, Deadline::At(instant)) => instant.as_micros(),
            (_, Deadline::Never) => u64::MAX,
        }
    }
}

/// Set of parts of an entry's block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parts(u8);

impl Parts {
    /// No part.
    pub const NONE: Self = Self(0);
    /// The node of a deadline tree, or the links of a list.
    pub const PLACE: Self = Self(1);
    /// The node of the pid tree.
    pub const PID_NODE: Self = Self(2);
    /// The deadline field.
    pub const DUE: Self = Self(4);
    /// The pid field.
    pub const PID: Self = Self(8);
    /// The fields of kind and argument.
    pub const SAYS: Self = Self(16);
    /// Whether the block is handed out.
    pub const LIFE: Self = Self(32);
    /// All parts.
    pub const ALL: Self = Self(63);

    /// Returns the union.
    #[inline]
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether the two sets share a part.
    #[inline]
    #[must_use]
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

/// Set of indexes whose ends are meant: the root and the cached leftmost node of trees, the first and the last entry of
/// lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends(u8);

impl Ends {
    /// No index.
    pub const NONE: Self = Self(0);
    /// All indexes.
    pub const ALL: Self = Self(u8::MAX);

    /// Returns the set of one tree.
    #[inline]
    #[must_use]
    pub const fn tree(tree: Tree) -> Self {
        Self(1 << tree as u8)
    }

    /// Returns the set of one list.
    #[inline]
    #[must_use]
    pub const fn list(list: List) -> Self {
        Self(1 << (Tree::ALL.len() as u8 + list as u8))
    }

    /// Returns the union.
    #[inline]
    #[must_use]
    pub const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Returns the intersection.
    #[inline]
    #[must_use]
    pub const fn among(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// Returns the difference.
    #[inline]
    #[must_use]
    pub const fn but(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether the two sets share an index.
    #[inline]
    #[must_use]
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

/// A scheduler's indexes between two steps.
pub trait IndexView {
    /// Returns the root of a tree.
    fn root(&self, tree: Tree) -> Link;

    /// Returns the cached leftmost node of a tree; `None` for a tree without that cache.
    fn leftmost(&self, tree: Tree) -> Option<Link>;

    /// Returns the node of `block` in `tree`.
    fn node(&self, tree: Tree, block: Block) -> Node;

    /// Returns the first entry of a list.
    fn first(&self, list: List) -> Link;

    /// Returns the last entry of a list, by the head's own link.
    fn last(&self, list: List) -> Link;

    /// Returns the entry after `block` in its list; an entry is in one list at most.
    fn next(&self, list: List, block: Block) -> Link;

    /// Returns the entry before `block` in its list.
    fn previous(&self, list: List, block: Block) -> Link;

    /// Returns the contents of the entry in `block`, freed or not.
    fn entry(&self, block: Block) -> Entry;

    /// Whether `block` is handed out.
    fn is_live(&self, block: Block) -> bool;

    /// Returns how many blocks the heap has made: every [`Block`] is below it.
    fn blocks(&self) -> u32;

    /// Returns [`node`](Self::node) with links as numbers.
    #[inline]
    fn branch(&self, tree: Tree, block: Block) -> Branch {
        let Node { parent, left, right, red } = self.node(tree, block);
        Branch { parent: parent.number(), left: left.number(), right: right.number(), red }
    }

    /// Returns [`previous`](Self::previous) and [`next`](Self::next) as numbers.
    #[inline]
    fn neighbours(&self, list: List, block: Block) -> (u32, u32) {
        (self.previous(list, block).number(), self.next(list, block).number())
    }

    /// The word of a null link in a tree.
    const NULL: u64 = NOWHERE as u64;

    /// Returns [`root`](Self::root) as a word.
    #[inline]
    fn root_word(&self, tree: Tree) -> u64 {
        self.root(tree).number().into()
    }

    /// Returns [`leftmost`](Self::leftmost) as a word.
    #[inline]
    fn leftmost_word(&self, tree: Tree) -> Option<u64> {
        self.leftmost(tree).map(|cached| cached.number().into())
    }

    /// Returns [`node`](Self::node) with links as words.
    #[inline]
    fn words(&self, tree: Tree, block: Block) -> Words {
        let Branch { parent, left, right, red } = self.branch(tree, block);
        Words { parent: parent.into(), left: left.into(), right: right.into(), red }
    }

    /// Returns the live entry whose node in `tree` this word points at. Distinct words point at distinct nodes.
    #[inline]
    fn node_at(&self, _tree: Tree, word: u64) -> Option<Block> {
        let block = Block(u32::try_from(word).ok()?);
        (block.0 < self.blocks() && self.is_live(block)).then_some(block)
    }

    /// Returns [`Entry::key`] of the entry in `block`.
    #[inline]
    fn key(&self, tree: Tree, block: Block) -> u64 {
        self.entry(block).key(tree)
    }

    /// Returns the head of a list, as words.
    #[inline]
    fn head(&self, list: List) -> Head {
        let [first, last] = [self.first(list), self.last(list)].map(|link| link.number().into());
        Head { first, last, end: NOWHERE.into() }
    }

    /// Returns [`previous`](Self::previous) and [`next`](Self::next) as words.
    #[inline]
    fn neighbour_words(&self, list: List, block: Block) -> (u64, u64) {
        let (previous, next) = self.neighbours(list, block);
        (previous.into(), next.into())
    }

    /// Returns the live entry whose list links this word points at. Distinct words point at distinct entries.
    #[inline]
    fn seat_at(&self, word: u64) -> Option<Block> {
        let block = Block(u32::try_from(word).ok()?);
        (block.0 < self.blocks() && self.is_live(block)).then_some(block)
    }

    /// Returns the kind and the argument of [`entry`](Self::entry).
    #[inline]
    fn says(&self, block: Block) -> (EntryKind, Option<ScriptRef>) {
        let Entry { kind, argument, .. } = self.entry(block);
        (kind, argument)
    }

    /// Returns the blocks that may have changed since the observer last saw a view, in any order: a byte was written,
    /// or the block was handed out or given back. `None` when the subject cannot tell. A subject may also name blocks
    /// that were linked or unlinked without such a change; that saves the observer a check.
    #[inline]
    fn changed(&self) -> Option<&[Block]> {
        None
    }

    /// Returns the parts that may have changed of a block from [`changed`](Self::changed).
    #[inline]
    fn changed_parts(&self, _: Block) -> Parts {
        Parts::ALL
    }

    /// Returns the indexes whose ends may have changed in that time.
    #[inline]
    fn changed_ends(&self) -> Ends {
        Ends::ALL
    }
}
