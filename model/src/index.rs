//! A look at a scheduler's trees and lists between steps, without seeing whose they are.
//!
//! An [`IndexView`] walks by [`Block`]s, the numbers of the heap blocks that were handed out for entries: the
//! first block that a run's heap ever handed out is 0, and one handed out again keeps its number. Addresses
//! never show. A link that leads to no block at all is [`Link::Wild`]. A view answers for any block, freed
//! ones too (their bytes are still there); only [`is_live`](IndexView::is_live) tells them apart, and it asks
//! the list of live blocks, never the walk.

use crate::event::{EntryKind, Handler};
use crate::id::{Pid, ScriptRef};
use crate::time::Deadline;

/// One of the heap's blocks, by the order in which the heap made them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Block(pub u32);

/// Where a link leads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Link {
    /// Nowhere: a null pointer; in a list, back to its head.
    End,
    /// To an entry's block, at the place where such a link belongs.
    To(Block),
    /// To no entry: outside all blocks, or into the middle of one.
    Wild,
}

/// The trees.
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
    /// All five.
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Timer, Self::Child, Self::ChildPid];
    /// Those with a cached leftmost node.
    pub const BY_DEADLINE: [Self; 4] = [Self::Read, Self::Write, Self::Timer, Self::Child];

    /// As keepalived's users would call it.
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

/// The lists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum List {
    /// To be run next.
    Event,
    /// To be run when EVENT is empty.
    Ready,
    /// Retired entries.
    Unuse,
}

impl List {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Event, Self::Ready, Self::Unuse];

    /// As keepalived's users would call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event => "EVENT",
            Self::Ready => "READY",
            Self::Unuse => "UNUSE",
        }
    }
}

/// A node as it lies in a tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    /// Above it.
    pub parent: Link,
    /// Lower keys.
    pub left: Link,
    /// Higher keys.
    pub right: Link,
    /// Red, not black.
    pub red: bool,
}

/// Links as plain numbers, for walks that ask millions of times a second and only want to know whether all is as
/// it should be: a block's own number, [`NOWHERE`] for [`Link::End`], and any other number that is no block's
/// for [`Link::Wild`].
pub const NOWHERE: u32 = u32::MAX;

/// What a [`Link::Wild`] is as a number.
pub const NO_BLOCK: u32 = u32::MAX - 1;

impl Link {
    /// As a number.
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

/// A [`Node`] whose links are numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Branch {
    /// Above it.
    pub parent: u32,
    /// Lower keys.
    pub left: u32,
    /// Higher keys.
    pub right: u32,
    /// Red, not black.
    pub red: bool,
}

/// A [`Node`] whose links are words as they lie in memory: for walks that only compare them, and ask of each word
/// that they follow, once, which block it leads to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Words {
    /// Above it.
    pub parent: u64,
    /// Lower keys.
    pub left: u64,
    /// Higher keys.
    pub right: u64,
    /// Red, not black.
    pub red: bool,
}

/// The words of a list's head.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Head {
    /// To the first entry.
    pub first: u64,
    /// To the last one.
    pub last: u64,
    /// To the head itself: where the links of first and last lead back to.
    pub end: u64,
}

/// What an entry says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Entry {
    /// Its type.
    pub kind: EntryKind,
    /// Its deadline, meaningful in the deadline trees.
    pub deadline: Deadline,
    /// Its pid, meaningful for children; `None` when the field holds no pid.
    pub pid: Option<Pid>,
    /// The function that it calls; `None` when it is none that the world knows.
    pub handler: Option<Handler>,
    /// The script that its argument points at; `None` when it is null or no script.
    pub argument: Option<ScriptRef>,
}

impl Entry {
    /// Its place in the order of a tree: its pid, or its deadline in microseconds. "Never" is greatest, an entry
    /// without a pid is least.
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

/// Parts of an entry's block, as a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parts(u8);

impl Parts {
    /// None.
    pub const NONE: Self = Self(0);
    /// The node of a deadline tree, or the links of a list.
    pub const PLACE: Self = Self(1);
    /// The node of the pid tree.
    pub const PID_NODE: Self = Self(2);
    /// The deadline that the entry says.
    pub const DUE: Self = Self(4);
    /// The pid that the entry says.
    pub const PID: Self = Self(8);
    /// The kind and the argument that the entry says.
    pub const SAYS: Self = Self(16);
    /// Whether the block is handed out.
    pub const LIFE: Self = Self(32);
    /// All.
    pub const ALL: Self = Self(63);

    /// These and those.
    #[inline]
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether any of `others` is among them.
    #[inline]
    #[must_use]
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

/// Of trees the root and the cached leftmost node, of lists the first and the last entry: a set of the indexes
/// that are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends(u8);

impl Ends {
    /// Those of no index.
    pub const NONE: Self = Self(0);
    /// Those of all.
    pub const ALL: Self = Self(u8::MAX);

    /// Those of a tree.
    #[inline]
    #[must_use]
    pub const fn tree(tree: Tree) -> Self {
        Self(1 << tree as u8)
    }

    /// Those of a list.
    #[inline]
    #[must_use]
    pub const fn list(list: List) -> Self {
        Self(1 << (Tree::ALL.len() as u8 + list as u8))
    }

    /// These and those.
    #[inline]
    #[must_use]
    pub const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// These, as far as they are among `others`.
    #[inline]
    #[must_use]
    pub const fn among(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// These without `others`.
    #[inline]
    #[must_use]
    pub const fn but(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether any of `others` is among them.
    #[inline]
    #[must_use]
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

/// A scheduler's indexes, between two steps.
pub trait IndexView {
    /// The root of a tree.
    fn root(&self, tree: Tree) -> Link;

    /// The cached leftmost node of a tree; `None` for a tree that has no such cache.
    fn leftmost(&self, tree: Tree) -> Option<Link>;

    /// The node of `block` in `tree`.
    fn node(&self, tree: Tree, block: Block) -> Node;

    /// The first entry of a list.
    fn first(&self, list: List) -> Link;

    /// The last entry of a list, by its own link.
    fn last(&self, list: List) -> Link;

    /// The entry after `block` in a list. An entry stands in one list at most, so that its links tell.
    fn next(&self, list: List, block: Block) -> Link;

    /// The entry before `block` in a list.
    fn previous(&self, list: List, block: Block) -> Link;

    /// What the entry in `block` says of itself, also when it was freed.
    fn entry(&self, block: Block) -> Entry;

    /// Whether `block` is handed out and not given back.
    fn is_live(&self, block: Block) -> bool;

    /// How many blocks the heap has made: every [`Block`] is below it.
    fn blocks(&self) -> u32;

    /// [`node`](Self::node) as numbers.
    #[inline]
    fn branch(&self, tree: Tree, block: Block) -> Branch {
        let Node { parent, left, right, red } = self.node(tree, block);
        Branch { parent: parent.number(), left: left.number(), right: right.number(), red }
    }

    /// [`previous`](Self::previous) and [`next`](Self::next) as numbers.
    #[inline]
    fn neighbours(&self, list: List, block: Block) -> (u32, u32) {
        (self.previous(list, block).number(), self.next(list, block).number())
    }

    /// The word of a tree's link to nowhere.
    const NULL: u64 = NOWHERE as u64;

    /// [`root`](Self::root) as a word.
    #[inline]
    fn root_word(&self, tree: Tree) -> u64 {
        self.root(tree).number().into()
    }

    /// [`leftmost`](Self::leftmost) as a word.
    #[inline]
    fn leftmost_word(&self, tree: Tree) -> Option<u64> {
        self.leftmost(tree).map(|cached| cached.number().into())
    }

    /// [`node`](Self::node) as words.
    #[inline]
    fn words(&self, tree: Tree, block: Block) -> Words {
        let Branch { parent, left, right, red } = self.branch(tree, block);
        Words { parent: parent.into(), left: left.into(), right: right.into(), red }
    }

    /// The live entry to whose node in `tree` this word leads. No two words lead to one node.
    #[inline]
    fn node_at(&self, _tree: Tree, word: u64) -> Option<Block> {
        let block = Block(u32::try_from(word).ok()?);
        (block.0 < self.blocks() && self.is_live(block)).then_some(block)
    }

    /// [`Entry::key`] of the entry in `block`.
    #[inline]
    fn key(&self, tree: Tree, block: Block) -> u64 {
        self.entry(block).key(tree)
    }

    /// The head of a list, as words.
    #[inline]
    fn head(&self, list: List) -> Head {
        let [first, last] = [self.first(list), self.last(list)].map(|link| link.number().into());
        Head { first, last, end: NOWHERE.into() }
    }

    /// [`previous`](Self::previous) and [`next`](Self::next) as words.
    #[inline]
    fn neighbour_words(&self, list: List, block: Block) -> (u64, u64) {
        let (previous, next) = self.neighbours(list, block);
        (previous.into(), next.into())
    }

    /// The live entry to whose links in a list this word leads. No two words lead to one entry's.
    #[inline]
    fn seat_at(&self, word: u64) -> Option<Block> {
        let block = Block(u32::try_from(word).ok()?);
        (block.0 < self.blocks() && self.is_live(block)).then_some(block)
    }

    /// Of [`entry`](Self::entry) the kind and the argument alone.
    #[inline]
    fn says(&self, block: Block) -> (EntryKind, Option<ScriptRef>) {
        let Entry { kind, argument, .. } = self.entry(block);
        (kind, argument)
    }

    /// The blocks that may have changed since the observer was last shown a view, each at least once, in any
    /// order: a byte in them was written, or they were handed out or given back. `None` when the subject cannot
    /// tell. Those that were linked or taken out without that are named as well where the subject knows it: it
    /// spares the observer a doubt.
    #[inline]
    fn changed(&self) -> Option<&[Block]> {
        None
    }

    /// Which parts of a block that [`changed`](Self::changed) names may have.
    #[inline]
    fn changed_parts(&self, _: Block) -> Parts {
        Parts::ALL
    }

    /// The indexes whose ends may have changed in that time.
    #[inline]
    fn changed_ends(&self) -> Ends {
        Ends::ALL
    }
}
