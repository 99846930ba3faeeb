//! Records which parts of the simulated memory changed since the last observation, as a view shows them.
//!
//! Invariant: a word with another value, and a block that was allocated, freed, linked or removed, is among the
//! changes until they are observed. Writing an unchanged value is no change.

use treefall_model::index::{Block, Ends, List, Parts, Tree};

use super::entry::{ARGUMENT, DUE, MICROS, PID, PID_NODE, PLACE, TYPE, head_of, root_of};
use super::entry::{BLOCK_WORDS, MASTER_WORDS};

/// Words of a tree's node.
const NODE_WORDS: usize = 3;

/// The parts that a view shows for each word of a block; other words are internal to the program.
const PARTS: [Parts; BLOCK_WORDS] = {
    let mut parts = [Parts::NONE; BLOCK_WORDS];
    parts[(TYPE / 8) as usize] = Parts::SAYS;
    parts[(ARGUMENT / 8) as usize] = Parts::SAYS;
    parts[(DUE / 8) as usize] = Parts::DUE;
    parts[(MICROS / 8) as usize] = Parts::DUE;
    parts[(PID / 8) as usize] = Parts::PID;
    let mut word = 0;
    while word < NODE_WORDS {
        parts[(PLACE / 8) as usize + word] = Parts::PLACE;
        parts[(PID_NODE / 8) as usize + word] = Parts::PID_NODE;
        word += 1;
    }
    parts
};

/// The deadline tree or list whose end each word of the master is.
const ENDS: [Ends; MASTER_WORDS] = {
    let mut ends = [Ends::NONE; MASTER_WORDS];
    let mut nth = 0;
    while nth < Tree::ALL.len() {
        let tree = Tree::ALL[nth];
        if !matches!(tree, Tree::ChildPid) {
            let root = (root_of(tree, 0) / 8) as usize;
            (ends[root], ends[root + 1]) = (Ends::tree(tree), Ends::tree(tree));
        }
        nth += 1;
    }
    nth = 0;
    while nth < List::ALL.len() {
        let list = List::ALL[nth];
        ends[(head_of(list) / 8) as usize] = Ends::list(list);
        ends[(head_of(list) / 8) as usize + 1] = Ends::list(list);
        nth += 1;
    }
    ends
};

/// The changes since the last observation.
#[derive(Clone)]
pub(super) struct Changes {
    blocks: Vec<Block>,
    /// The changed parts of each block.
    parts: Vec<Parts>,
    ends: Ends,
    /// The word of the master that is the pid tree's root.
    pid_root: usize,
}

impl Changes {
    /// Returns an empty set of changes; `child_pid` is the offset of the pid tree's root in the master.
    pub(super) const fn new(child_pid: u64) -> Self {
        let pid_root = (child_pid / 8) as usize;
        Self { blocks: Vec::new(), parts: Vec::new(), ends: Ends::NONE, pid_root }
    }

    /// Adds a block.
    pub(super) fn make_room(&mut self) {
        self.parts.push(Parts::NONE);
    }

    /// Records a changed word, by its index in the memory.
    #[inline]
    pub(super) fn written(&mut self, word: usize) {
        match word.checked_sub(MASTER_WORDS) {
            Some(beyond) => self.add(beyond / BLOCK_WORDS, PARTS[beyond % BLOCK_WORDS]),
            None if word == self.pid_root => self.ends = self.ends.with(Ends::tree(Tree::ChildPid)),
            None => self.ends = self.ends.with(ENDS[word]),
        }
    }

    /// Records changed parts of a block, if it exists.
    #[inline]
    pub(super) fn add(&mut self, block: usize, parts: Parts) {
        if let Some(changed) = self.parts.get_mut(block)
            && parts != Parts::NONE
        {
            if *changed == Parts::NONE {
                // There are fewer blocks than numbers.
                self.blocks.push(Block(block as u32));
            }
            *changed = changed.and(parts);
        }
    }

    /// Returns the changed blocks.
    #[inline]
    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Returns the changed parts of a block.
    #[inline]
    pub(super) fn parts(&self, block: Block) -> Parts {
        self.parts.get(block.0 as usize).copied().unwrap_or(Parts::ALL)
    }

    /// Returns the trees and lists whose ends changed.
    #[inline]
    pub(super) fn ends(&self) -> Ends {
        self.ends
    }

    /// Marks the changes as observed.
    #[inline]
    pub(super) fn seen(&mut self) {
        self.ends = Ends::NONE;
        for block in self.blocks.drain(..) {
            if let Some(parts) = self.parts.get_mut(block.0 as usize) {
                *parts = Parts::NONE;
            }
        }
    }
}
