//! The simulated trees and lists as an observer sees them. Reading them changes nothing and cannot fault.

use treefall_model::event::EntryKind;
use treefall_model::id::{Pid, ScriptRef};
use treefall_model::index::{
    Block, Branch, Ends, Entry, Head, IndexView, Link, List, NO_BLOCK, NOWHERE, Node, Parts, Tree, Words,
};

use super::changes::Changes;
use super::entry::{
    ARGUMENT, Addr, DUE, FUNCTION, Function, MICROS, PID, PLACE, TYPE, Type, argument_of, deadline_of,
    due_micros, head_of, node_in, pid_of,
};
use super::entry::{BLOCK_WORDS, MASTER_AT, MASTER_WORDS};
use super::heap::Heap;
use super::rbtree::{LEFT, RIGHT, is_red, parent_in};

/// Offset from a list's link to that of the previous entry, and from a root to its cached leftmost node.
const SECOND: u64 = 8;

/// The indexes of a replica between two steps.
#[derive(Clone, Copy)]
pub struct View<'a> {
    heap: &'a Heap,
    /// All of its words.
    words: &'a [u64],
}

impl<'a> View<'a> {
    /// Returns a view of the master and the entries in `heap`.
    #[inline]
    pub(super) fn of(heap: &'a Heap) -> Self {
        Self { heap, words: heap.all() }
    }

    #[inline]
    fn word(&self, address: Addr) -> u64 {
        self.words.get(Heap::word_of(address)).copied().unwrap_or(0)
    }

    /// Returns the words of a block; zeros if it does not exist.
    #[inline]
    fn block(&self, block: Block) -> &'a [u64; BLOCK_WORDS] {
        let from = MASTER_WORDS + block.0 as usize * BLOCK_WORDS;
        self.words.get(from..).and_then(|words| words.first_chunk()).unwrap_or(&[0; BLOCK_WORDS])
    }

    /// Returns where a link leads that should lead `offset` bytes into an entry.
    #[inline]
    fn link(&self, address: Addr, offset: u64) -> Link {
        if address == 0 {
            return Link::End;
        }
        self.heap.block_with(address, offset).map_or(Link::Wild, Link::To)
    }

    /// Returns the same as a number.
    #[inline]
    fn number(&self, address: Addr, offset: u64) -> u32 {
        if address == 0 {
            return NOWHERE;
        }
        self.heap.block_with(address, offset).map_or(NO_BLOCK, |block| block.0)
    }

    #[inline]
    fn list_link(&self, list: List, address: Addr) -> Link {
        if address == MASTER_AT + head_of(list) {
            return Link::End;
        }
        match self.link(address, PLACE) {
            // No list ends in a null pointer.
            Link::End => Link::Wild,
            link => link,
        }
    }
}

impl IndexView for View<'_> {
    #[inline]
    fn root(&self, tree: Tree) -> Link {
        self.link(self.word(self.heap.root(tree)), node_in(tree))
    }

    #[inline]
    fn leftmost(&self, tree: Tree) -> Option<Link> {
        let cached = tree != Tree::ChildPid;
        cached.then(|| self.link(self.word(self.heap.root(tree) + SECOND), node_in(tree)))
    }

    #[inline]
    fn node(&self, tree: Tree, block: Block) -> Node {
        let offset = node_in(tree);
        let at = Heap::address_of(block) + offset;
        let word = self.word(at);
        Node {
            parent: self.link(parent_in(word), offset),
            left: self.link(self.word(at + LEFT), offset),
            right: self.link(self.word(at + RIGHT), offset),
            red: is_red(word),
        }
    }

    #[inline]
    fn branch(&self, tree: Tree, block: Block) -> Branch {
        let offset = node_in(tree);
        let Words { parent, left, right, red } = self.words(tree, block);
        let number = |word| self.number(word, offset);
        Branch { parent: number(parent), left: number(left), right: number(right), red }
    }

    #[inline]
    fn first(&self, list: List) -> Link {
        self.list_link(list, self.word(MASTER_AT + head_of(list)))
    }

    #[inline]
    fn last(&self, list: List) -> Link {
        self.list_link(list, self.word(MASTER_AT + head_of(list) + SECOND))
    }

    #[inline]
    fn next(&self, list: List, block: Block) -> Link {
        self.list_link(list, self.word(Heap::address_of(block) + PLACE))
    }

    #[inline]
    fn previous(&self, list: List, block: Block) -> Link {
        self.list_link(list, self.word(Heap::address_of(block) + PLACE + SECOND))
    }

    #[inline]
    fn neighbours(&self, list: List, block: Block) -> (u32, u32) {
        let number = |address| {
            if address == MASTER_AT + head_of(list) {
                return NOWHERE;
            }
            self.heap.block_with(address, PLACE).map_or(NO_BLOCK, |block| block.0)
        };
        let (previous, next) = self.neighbour_words(list, block);
        (number(previous), number(next))
    }

    #[inline]
    fn entry(&self, block: Block) -> Entry {
        let words = self.block(block);
        let word = |place: u64| words[(place / 8) as usize];
        Entry {
            kind: Type::from_word(word(TYPE)).map_or(EntryKind::Other, Type::kind),
            deadline: deadline_of(word(DUE), word(MICROS)),
            pid: pid_said(word(TYPE), word(PID)),
            handler: Function::from_word(word(FUNCTION)).map(Function::handler),
            argument: argument_of(word(ARGUMENT)),
        }
    }

    #[inline]
    fn is_live(&self, block: Block) -> bool {
        self.heap.is_live(block)
    }

    #[inline]
    fn blocks(&self) -> u32 {
        self.heap.blocks()
    }

    const NULL: u64 = 0;

    #[inline(always)]
    fn root_word(&self, tree: Tree) -> u64 {
        self.word(self.heap.root(tree))
    }

    #[inline(always)]
    fn leftmost_word(&self, tree: Tree) -> Option<u64> {
        (tree != Tree::ChildPid).then(|| self.word(self.heap.root(tree) + SECOND))
    }

    #[inline(always)]
    fn words(&self, tree: Tree, block: Block) -> Words {
        let words = self.block(block);
        let at = |place: u64| words[((node_in(tree) + place) / 8) as usize];
        Words { parent: parent_in(at(0)), left: at(LEFT), right: at(RIGHT), red: is_red(at(0)) }
    }

    #[inline(always)]
    fn node_at(&self, tree: Tree, word: u64) -> Option<Block> {
        self.heap.live_with(word, node_in(tree))
    }

    #[inline(always)]
    fn key(&self, tree: Tree, block: Block) -> u64 {
        let words = self.block(block);
        if tree == Tree::ChildPid {
            let pid = pid_said(words[(TYPE / 8) as usize], words[(PID / 8) as usize]);
            return pid.map_or(0, |pid| pid.get().unsigned_abs().into());
        }
        // In microseconds, and what is never is greatest.
        due_micros(words[(DUE / 8) as usize], words[(MICROS / 8) as usize])
    }

    #[inline(always)]
    fn head(&self, list: List) -> Head {
        let end = MASTER_AT + head_of(list);
        Head { first: self.word(end), last: self.word(end + SECOND), end }
    }

    #[inline(always)]
    fn neighbour_words(&self, _: List, block: Block) -> (u64, u64) {
        let words = self.block(block);
        (words[((PLACE + SECOND) / 8) as usize], words[(PLACE / 8) as usize])
    }

    #[inline(always)]
    fn seat_at(&self, word: u64) -> Option<Block> {
        self.heap.live_with(word, PLACE)
    }

    #[inline(always)]
    fn says(&self, block: Block) -> (EntryKind, Option<ScriptRef>) {
        let words = self.block(block);
        let kind = Type::from_word(words[(TYPE / 8) as usize]).map_or(EntryKind::Other, Type::kind);
        (kind, argument_of(words[(ARGUMENT / 8) as usize]))
    }

    #[inline]
    fn changed(&self) -> Option<&[Block]> {
        self.heap.changed().map(Changes::blocks)
    }

    #[inline]
    fn changed_parts(&self, block: Block) -> Parts {
        self.heap.changed().map_or(Parts::ALL, |changes| changes.parts(block))
    }

    #[inline]
    fn changed_ends(&self) -> Ends {
        self.heap.changed().map_or(Ends::ALL, Changes::ends)
    }
}

/// Returns the pid of an entry of this type. Other types have a descriptor or a value in the same field.
#[inline(always)]
fn pid_said(ty: u64, word: u64) -> Option<Pid> {
    Pid::new(pid_of(word)).filter(|_| Type::from_word(ty).is_some_and(Type::has_pid))
}
