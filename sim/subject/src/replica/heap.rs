//! The simulated memory: the master, and the heap blocks that hold entries, word by word.
//!
//! Every access is by address. An address outside the memory traps, as it would kill the program. One inside reads or
//! writes the word there, even in a freed block, whose bytes stay until it is allocated again and zeroed. There is no
//! other protection: trees and lists break exactly as in the program.
//!
//! Besides the words the heap records facts about each block that the program cannot see: whether it is live, and
//! whether something still links it. The first access to a block through a dangling link is therefore recorded as a
//! [`Note`]. Until a linked block is freed, this costs one test of a flag.

use std::collections::VecDeque;

use treefall_model::index::{Block, Parts, Tree};
use treefall_model::time::Instant;
use treefall_model::trace::HeapPolicy;

use super::changes::Changes;
use super::entry::{
    Addr, BLOCK_WORDS, BLOCKS_AT, ENTRY_BYTES, MASTER_AT, MASTER_WORDS, PID_NODE, STRIDE, is_index, root_of,
};
use super::fault::{Fault, Mark, NoBlock, Note, Trap};
use super::mutant::Mutant;

/// Offset of the pid tree's root in the master of most releases.
const CHILD_PID: u64 = 120;
/// Words of an entry.
const ENTRY_WORDS: usize = (ENTRY_BYTES / 8) as usize;

/// Number of blocks for which there is room from the start, enough for a small trace. A shrinker runs thousands of
/// these, and growing step by step would take a tenth of its time.
const BLOCKS_FIRST: usize = 16;

/// Most links that one operation may follow: a constant, and a number for each block. A sound operation follows a few
/// for each level of a tree and each entry of a list.
const VISITS_BASE: u64 = 4_000;
const VISITS_EACH: u64 = 64;

/// Most second erases that are recorded.
const SECOND_ERASES_MAX: usize = 16;

/// The index that links an entry's first node or links.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EntryState {
    /// A deadline tree.
    Tree(Tree),
    /// A list.
    List,
}

/// The recorded facts about a block, independent of its bytes.
#[derive(Clone, Copy, Debug)]
struct Truth {
    live: bool,
    /// The deadline tree or list that linked it last; `None`: it was removed.
    placed: Option<EntryState>,
    /// The number of resets of the pid tree's root, plus one, when it was linked there; 0: not linked.
    pid_tree: u32,
    /// It was freed while something linked it.
    stale: bool,
    /// A note about it exists.
    noted: bool,
    linked: Mark,
    freed: Mark,
}

impl Truth {
    const NEW: Self = Self {
        live: true,
        placed: None,
        pid_tree: 0,
        stale: false,
        noted: false,
        linked: Mark::START,
        freed: Mark::START,
    };
}

/// The memory of one run.
#[derive(Clone)]
pub(super) struct Heap {
    /// All words, or empty while accesses are watched: then they are in `watched`. An unwatched access therefore
    /// costs one comparison.
    words: Vec<u64>,
    watched: Vec<u64>,
    truths: Vec<Truth>,
    freed: VecDeque<u32>,
    /// Changes since the last observation.
    changes: Changes,
    /// Whether changes are recorded.
    tells: bool,
    policy: HeapPolicy,
    /// The mutant, if there is one.
    mutant: Option<Mutant>,
    /// Offset of the pid tree's root in the master.
    child_pid: u64,
    /// Number of resets of the pid tree's root, plus one.
    pid_tree: u32,
    /// Some link may lead to a freed block, so that accesses are watched.
    watching: bool,
    /// Links that the operation may still follow.
    visits_left: u64,
    /// The program's current operation.
    here: Mark,
    /// Number of observations.
    looks: u64,
    notes: Vec<Note>,
    second_erases: Vec<(Block, Mark)>,
    /// Memory that is not simulated was accessed.
    left_known: bool,
}

impl Heap {
    /// Returns a memory with a zeroed master and no blocks.
    pub(super) fn new(policy: HeapPolicy) -> Self {
        let mut words = Vec::with_capacity(MASTER_WORDS + BLOCKS_FIRST * BLOCK_WORDS);
        words.resize(MASTER_WORDS, 0);
        let mut heap = Self {
            words,
            watched: Vec::new(),
            truths: Vec::with_capacity(BLOCKS_FIRST),
            freed: VecDeque::new(),
            changes: Changes::new(CHILD_PID),
            tells: false,
            policy,
            mutant: None,
            child_pid: CHILD_PID,
            pid_tree: 1,
            watching: false,
            visits_left: 0,
            here: Mark::START,
            looks: 0,
            notes: Vec::new(),
            second_erases: Vec::new(),
            left_known: false,
        };
        heap.enter(Instant::START, Mark::START.function);
        heap
    }

    /// Sets the offset of the pid tree's root in the master, before anything is written.
    pub(super) fn set_child_pid(&mut self, place: u64) {
        self.child_pid = place;
        self.changes = Changes::new(place);
    }

    /// Returns the address of a tree's root.
    #[inline]
    pub(super) fn root(&self, tree: Tree) -> Addr {
        MASTER_AT + root_of(tree, self.child_pid)
    }

    /// Activates a mutant.
    pub(super) fn put_in(&mut self, mutant: Mutant) {
        self.mutant = Some(mutant);
    }

    /// Returns whether this mutant is active.
    #[inline]
    pub(super) fn has(&self, mutant: Mutant) -> bool {
        super::mutant::AVAILABLE && self.mutant == Some(mutant)
    }

    /// Enters `function`, to carry out one operation.
    #[inline]
    pub(super) fn enter(&mut self, at: Instant, function: &'static str) {
        self.here = Mark { at, function, looks: self.looks };
        self.visits_left = VISITS_BASE + VISITS_EACH * self.truths.len() as u64;
    }

    /// Returns the function that was entered last.
    pub(super) const fn operation(&self) -> &'static str {
        self.here.function
    }

    /// Returns the fault of a trap at the current place of the program.
    #[cold]
    pub(super) fn fault(&self, trap: Trap) -> Fault {
        trap.inside(self.here.function)
    }

    /// Counts a link that is followed.
    #[inline]
    pub(super) fn visit(&mut self) -> Result<(), Trap> {
        self.visits_left = self.visits_left.checked_sub(1).ok_or(Trap::ENDLESS)?;
        Ok(())
    }

    #[inline]
    pub(super) fn word_of(address: Addr) -> usize {
        // A 32-bit machine would truncate the address; none is supported.
        (address.wrapping_sub(MASTER_AT) >> 3) as usize
    }

    /// Reads the word at `address`.
    #[inline]
    pub(super) fn get(&mut self, address: Addr) -> Result<u64, Trap> {
        match self.words.get(Self::word_of(address)) {
            Some(word) => Ok(*word),
            None => self.get_watched(address),
        }
    }

    #[cold]
    fn get_watched(&mut self, address: Addr) -> Result<u64, Trap> {
        let word = self.watched.get(Self::word_of(address)).copied();
        if word.is_some() {
            self.used(address);
        }
        word.ok_or(Trap(address))
    }

    /// Writes the word at `address`.
    #[inline]
    pub(super) fn set(&mut self, address: Addr, value: u64) -> Result<(), Trap> {
        let place = Self::word_of(address);
        let Some(word) = self.words.get_mut(place) else { return self.set_watched(address, value) };
        if self.tells && *word != value {
            self.changes.written(place);
        }
        *word = value;
        Ok(())
    }

    #[cold]
    fn set_watched(&mut self, address: Addr, value: u64) -> Result<(), Trap> {
        let place = Self::word_of(address);
        let Some(word) = self.watched.get_mut(place) else { return Err(Trap(address)) };
        if self.tells && *word != value {
            self.changes.written(place);
        }
        *word = value;
        self.used(address);
        Ok(())
    }

    /// Starts watching accesses if `odd`.
    #[inline]
    fn watch_if(&mut self, odd: bool) {
        if odd && !self.watching {
            self.watching = true;
            core::mem::swap(&mut self.words, &mut self.watched);
        }
    }

    /// Returns all words.
    #[inline]
    pub(super) fn all(&self) -> &[u64] {
        if self.watching { &self.watched } else { &self.words }
    }

    #[inline]
    fn all_mut(&mut self) -> &mut Vec<u64> {
        if self.watching { &mut self.watched } else { &mut self.words }
    }

    /// Starts recording changes.
    pub(super) fn tell_changes(&mut self) {
        self.tells = true;
    }

    /// Marks the changes as observed.
    #[inline]
    pub(super) fn changes_seen(&mut self) {
        self.looks += 1;
        if self.tells {
            self.changes.seen();
        }
    }

    /// Returns the changes, if they are recorded.
    #[inline]
    pub(super) fn changed(&self) -> Option<&Changes> {
        self.tells.then_some(&self.changes)
    }

    /// Returns the address of `block`.
    #[inline]
    pub(super) fn address_of(block: Block) -> Addr {
        BLOCKS_AT + STRIDE * u64::from(block.0)
    }

    /// Returns the block that contains `address`, and the offset in it.
    #[inline]
    pub(super) fn block_at(&self, address: Addr) -> Option<(Block, u64)> {
        let beyond = address.checked_sub(BLOCKS_AT)?;
        let number = u32::try_from(beyond / STRIDE).ok()?;
        let inside = (number as usize) < self.truths.len();
        inside.then_some((Block(number), beyond % STRIDE))
    }

    /// Returns the block in which `address` has exactly this offset.
    #[inline]
    pub(super) fn block_with(&self, address: Addr, offset: u64) -> Option<Block> {
        let beyond = address.wrapping_sub(BLOCKS_AT).wrapping_sub(offset);
        // A difference that is no multiple of the stride exceeds any block number.
        let number = beyond.rotate_right(STRIDE.trailing_zeros());
        (number < self.truths.len() as u64).then_some(Block(number as u32))
    }

    /// Returns the live block in which `address` has exactly this offset.
    #[inline(always)]
    pub(super) fn live_with(&self, address: Addr, offset: u64) -> Option<Block> {
        let beyond = address.wrapping_sub(BLOCKS_AT).wrapping_sub(offset);
        let number = beyond.rotate_right(STRIDE.trailing_zeros());
        let truth = self.truths.get(usize::try_from(number).ok()?)?;
        truth.live.then_some(Block(number as u32))
    }

    #[inline]
    fn truth(&mut self, entry: Addr) -> Option<&mut Truth> {
        let place = entry.wrapping_sub(BLOCKS_AT) / STRIDE;
        self.truths.get_mut(usize::try_from(place).ok()?)
    }

    /// Records a change of these parts of an entry.
    #[inline]
    fn change_entry(&mut self, entry: Addr, parts: Parts) {
        if !self.tells {
            return;
        }
        let place = entry.wrapping_sub(BLOCKS_AT) / STRIDE;
        self.changes.add(usize::try_from(place).unwrap_or(usize::MAX), parts);
    }

    /// Returns the number of blocks.
    pub(super) fn blocks(&self) -> u32 {
        // Each has 128 bytes: memory ends before the numbers do.
        u32::try_from(self.truths.len()).unwrap_or(u32::MAX)
    }

    /// Returns whether `block` is allocated.
    #[inline]
    pub(super) fn is_live(&self, block: Block) -> bool {
        self.truths.get(block.0 as usize).is_some_and(|truth| truth.live)
    }

    /// Passes the freed blocks to `tell`, in the order of their release.
    pub(super) fn each_freed(&self, tell: impl FnMut(u32)) {
        self.freed.iter().copied().for_each(tell);
    }

    /// Allocates a zeroed block: a freed one by the policy, or else a new one.
    pub(super) fn allocate(&mut self) -> Addr {
        let again = match self.policy {
            HeapPolicy::LastFreedFirst => self.freed.pop_back(),
            HeapPolicy::FirstFreedFirst => self.freed.pop_front(),
            HeapPolicy::NeverAgain | HeapPolicy::Guarded => None,
        };
        let Some(number) = again else {
            let entry = Self::address_of(Block(self.blocks()));
            let words = self.all_mut();
            words.resize(words.len() + BLOCK_WORDS, 0);
            self.truths.push(Truth::NEW);
            self.changes.make_room();
            self.change_entry(entry, Parts::ALL);
            return entry;
        };
        let entry = Self::address_of(Block(number));
        let from = Self::word_of(entry);
        self.all_mut()[from..from + ENTRY_WORDS].fill(0);
        self.change_entry(entry, Parts::ALL);
        let truth = &mut self.truths[number as usize];
        (truth.live, truth.placed, truth.pid_tree) = (true, None, 0);
        entry
    }

    /// Frees an entry's block, whose bytes stay.
    pub(super) fn free(&mut self, entry: Addr) -> Result<(), NoBlock> {
        let (here, pid_tree, watching) = (self.here, self.pid_tree, self.watching);
        self.live_with(entry, 0).ok_or(NoBlock)?;
        self.change_entry(entry, Parts::LIFE);
        let truth = self.truth(entry).ok_or(NoBlock)?;
        truth.live = false;
        truth.freed = here;
        let linked = truth.placed.is_some() || truth.pid_tree == pid_tree;
        truth.stale |= linked || watching;
        self.watch_if(linked);
        if let Some((block, _)) = self.block_at(entry) {
            self.freed.push_back(block.0);
        }
        Ok(())
    }

    /// Records that an entry was linked here.
    #[inline]
    pub(super) fn placed(&mut self, entry: Addr, seat: EntryState) {
        self.moved(entry, None, Some(seat));
    }

    /// Records that an entry was removed from here.
    #[inline]
    pub(super) fn taken_out(&mut self, entry: Addr, seat: EntryState) {
        self.moved(entry, Some(seat), None);
    }

    #[inline]
    fn moved(&mut self, entry: Addr, from: Option<EntryState>, to: Option<EntryState>) {
        self.change_entry(entry, Parts::PLACE);
        let Some(truth) = self.truth(entry) else { return };
        let odd = truth.placed != from;
        truth.placed = to;
        // It was linked twice, or removed from a place where it was not: the records are unreliable from here on.
        self.watch_if(odd);
    }

    /// Records that an entry was linked in the pid tree, or removed from it.
    #[inline]
    pub(super) fn pid_linked(&mut self, entry: Addr, linked: bool) {
        self.change_entry(entry, Parts::PID_NODE);
        let (here, pid_tree) = (self.here, self.pid_tree);
        let Some(truth) = self.truth(entry) else { return };
        let odd = (truth.pid_tree == pid_tree) == linked;
        truth.pid_tree = if linked { pid_tree } else { 0 };
        if linked {
            truth.linked = here;
        }
        self.watch_if(odd);
        if odd && !linked {
            self.erased_again(entry);
        }
    }

    /// Records the removal of an entry from the pid tree that does not link it.
    #[cold]
    fn erased_again(&mut self, entry: Addr) {
        if let Some((block, _)) = self.block_at(entry)
            && self.second_erases.len() < SECOND_ERASES_MAX
        {
            self.second_erases.push((block, self.here));
        }
    }

    /// Records a reset of the pid tree's root: nothing is linked in it.
    pub(super) fn pid_tree_reset(&mut self) {
        self.pid_tree += 1;
    }

    /// Checks an access while links may dangle: to a freed block, to the pid node of a block that was freed while
    /// linked and is allocated again, or to memory that only the program has (its master outside trees and lists, and
    /// places across two words, where a link includes a colour).
    #[cold]
    fn used(&mut self, address: Addr) {
        self.left_known |= !address.is_multiple_of(8);
        let Some((block, inside)) = self.block_at(address) else {
            self.left_known |= !is_index(address.wrapping_sub(MASTER_AT), self.child_pid);
            return;
        };
        let here = self.here;
        let truth = &mut self.truths[block.0 as usize];
        let astray = !truth.live || truth.stale && inside >= PID_NODE;
        if astray && !truth.noted {
            truth.noted = true;
            let note = Note { block, linked_at: truth.linked, freed_at: truth.freed, used_at: here };
            self.notes.push(note);
        }
    }

    /// The program goes by what is not simulated.
    #[cold]
    pub(super) fn leave_known(&mut self) {
        self.left_known = true;
    }

    /// What was noted.
    pub(super) fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Returns whether something was accessed that may differ in a real program, which need not agree from here on.
    #[inline]
    pub(super) fn may_differ(&self) -> bool {
        self.left_known || !self.notes.is_empty()
    }

    /// Returns the notes, and the removals from the pid tree of entries that it did not link.
    pub(super) fn into_notes(self) -> (Vec<Note>, Vec<(Block, Mark)>) {
        (self.notes, self.second_erases)
    }
}

#[cfg(test)]
mod tests;
