//! A look at the simulated trees and lists, as the observer sees them. It touches nothing and cannot fault.

use treefall_model::event::EntryKind;
use treefall_model::id::Pid;
use treefall_model::index::{
    Block, Branch, Ends, Entry, IndexView, Link, List, NO_BLOCK, NOWHERE, Node, Parts, Tree,
};

use super::entry::{
    ARGUMENT, Addr, DUE, FUNCTION, Function, PID, PLACE, TYPE, Type, argument_of, deadline_of, head_of,
    node_in, pid_of, root_of,
};
use super::heap::{Heap, MASTER_AT};
use super::rbtree::{LEFT, RIGHT, is_red, parent_in};

/// From a list's link to the one of the entry before, and from a root to its cached leftmost node.
const SECOND: u64 = 8;

/// The indexes of a replica between two steps.
#[derive(Clone, Copy)]
pub struct View<'a>(pub(super) &'a Heap);

impl View<'_> {
    #[inline]
    fn word(&self, address: Addr) -> u64 {
        self.0.peek(address).unwrap_or(0)
    }

    /// Where a link leads that should lead `offset` bytes into an entry.
    #[inline]
    fn link(&self, address: Addr, offset: u64) -> Link {
        if address == 0 {
            return Link::End;
        }
        self.0.block_with(address, offset).map_or(Link::Wild, Link::To)
    }

    /// The same as a number.
    #[inline]
    fn number(&self, address: Addr, offset: u64) -> u32 {
        if address == 0 {
            return NOWHERE;
        }
        self.0.block_with(address, offset).map_or(NO_BLOCK, |block| block.0)
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
        self.link(self.word(MASTER_AT + root_of(tree)), node_in(tree))
    }

    #[inline]
    fn leftmost(&self, tree: Tree) -> Option<Link> {
        let cached = tree != Tree::ChildPid;
        cached.then(|| self.link(self.word(MASTER_AT + root_of(tree) + SECOND), node_in(tree)))
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
        let word = (offset / 8) as usize;
        let words = self.0.words_of(block);
        let at = |place: u64| words.map_or(0, |words| words[word + (place / 8) as usize]);
        Branch {
            parent: self.number(parent_in(at(0)), offset),
            left: self.number(at(LEFT), offset),
            right: self.number(at(RIGHT), offset),
            red: is_red(at(0)),
        }
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
        let words = self.0.words_of(block);
        let at = |place: u64| words.map_or(0, |words| words[(place / 8) as usize]);
        let number = |address| {
            if address == MASTER_AT + head_of(list) {
                return NOWHERE;
            }
            self.0.block_with(address, PLACE).map_or(NO_BLOCK, |block| block.0)
        };
        (number(at(PLACE + SECOND)), number(at(PLACE)))
    }

    #[inline]
    fn entry(&self, block: Block) -> Entry {
        let words = self.0.words_of(block);
        let word = |place: u64| words.map_or(0, |words| words[(place / 8) as usize]);
        Entry {
            kind: Type::from_word(word(TYPE)).map_or(EntryKind::Other, Type::kind),
            deadline: deadline_of(word(DUE)),
            pid: Pid::new(pid_of(word(PID))),
            handler: Function::from_word(word(FUNCTION)).map(Function::handler),
            argument: argument_of(word(ARGUMENT)),
        }
    }

    #[inline]
    fn is_live(&self, block: Block) -> bool {
        self.0.is_live(block)
    }

    #[inline]
    fn blocks(&self) -> u32 {
        self.0.blocks()
    }

    #[inline]
    fn changed(&self) -> Option<&[Block]> {
        Some(self.0.changes.blocks())
    }

    #[inline]
    fn changed_parts(&self, block: Block) -> Parts {
        self.0.changes.parts(block)
    }

    #[inline]
    fn changed_ends(&self) -> Ends {
        self.0.changes.ends()
    }
}
