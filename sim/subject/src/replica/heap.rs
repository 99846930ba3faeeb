//! The simulated memory: the master, and the heap blocks that hold entries, word by word.
//!
//! Every access is by address. An address outside the memory traps, as it would kill the program; one inside
//! reads or writes what lies there, also in a freed block, whose bytes stay until it is handed out again,
//! zeroed. Nothing else protects: trees and lists break here exactly as they do there.
//!
//! Beside the words the heap keeps, unseen by the program, what is true of each block: whether it is live, and
//! whether something still links it. So the first access to a block through a link that should be gone is
//! told in a [`Note`]. This costs one test of a flag until a block is freed that something links.

use std::collections::VecDeque;

use treefall_model::event::End;
use treefall_model::index::{Block, Parts, Tree};
use treefall_model::time::Instant;
use treefall_model::trace::HeapPolicy;

use super::changes::Changes;
use super::entry::{Addr, ENTRY_BYTES, MASTER_BYTES, PID_NODE, is_index, root_of};
use super::mutant::Mutant;

/// Where the first block lies, as on the engine: where a broken tree has a pid or a deadline compared with a part of an
/// address, it counts.
const BLOCKS_AT: Addr = 0x2000_0000_0000;
/// Where the master lies: the first block comes right behind what it takes up.
pub(super) const MASTER_AT: Addr = BLOCKS_AT - MASTER_BYTES.next_multiple_of(STRIDE);
/// Where the pid tree's root lies in the master of most releases.
const CHILD_PID: u64 = 120;
/// From one block to the next: an entry and the allocator's own word.
const STRIDE: u64 = 128;
/// Words of a block with what is between it and the next.
pub(super) const BLOCK_WORDS: usize = (STRIDE / 8) as usize;
/// Words of the master with what is between it and the first block.
pub(super) const MASTER_WORDS: usize = ((BLOCKS_AT - MASTER_AT) / 8) as usize;
/// Words of an entry.
const ENTRY_WORDS: usize = (ENTRY_BYTES / 8) as usize;

/// Room for so many blocks there is from the start, which is all that a small trace needs: a shrinker runs thousands
/// of these, and growing step by step would be a tenth of it.
const BLOCKS_FIRST: usize = 16;

/// How many links one operation may follow: so many, and so many more for each block there is. A sound
/// operation follows a few for each level of a tree and each entry of a list.
const VISITS_BASE: u64 = 4_000;
const VISITS_EACH: u64 = 64;

/// Why an access or a loop has no end; in which function of the program is for the caller to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Trap(Addr);

/// What was to be freed is no block that is handed out: the allocator ends the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NoBlock;

impl Trap {
    /// A loop that does not end. No access can trap at this address.
    const ENDLESS: Self = Self(u64::MAX);

    /// The fault that this is in `function`.
    #[cold]
    pub(super) fn inside(self, function: &'static str) -> Fault {
        if self == Self::ENDLESS {
            Fault::Endless { function }
        } else {
            Fault::Segv { address: self.0, function }
        }
    }
}

/// How the simulated program came to grief.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It accessed an address where nothing is: it dies of SIGSEGV.
    Segv {
        /// The address; below 4096 it comes from a null pointer.
        address: u64,
        /// The program's function that did it.
        function: &'static str,
    },
    /// It frees what is not handed out: the allocator ends it by SIGABRT.
    Aborted {
        /// The program's function that did it.
        function: &'static str,
    },
    /// It calls the kernel more often than the world allows: the world ends the run.
    Over {
        /// How.
        end: End,
    },
    /// It follows links in a circle.
    Endless {
        /// The program's function that does.
        function: &'static str,
    },
}

/// When and in which function of the program something was done to a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// When.
    pub at: Instant,
    /// In which of the program's functions.
    pub function: &'static str,
    /// How often the observer had looked before: in which of the run's steps.
    pub looks: u64,
}

impl Mark {
    const START: Self = Self { at: Instant::START, function: "thread_make_master", looks: 0 };
}

/// A block that was accessed through a link that had outlived it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Note {
    /// The block.
    pub block: Block,
    /// When the link was made.
    pub linked_at: Mark,
    /// When the block was given back.
    pub freed_at: Mark,
    /// When the link was followed.
    pub used_at: Mark,
}

/// Most second erases that are kept: the first ones.
const SECOND_ERASES_MAX: usize = 16;

/// Where an entry's first node or links are linked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EntryState {
    /// In a deadline tree.
    Tree(Tree),
    /// In one of the lists.
    List,
}

/// What is true of a block, whatever its bytes say.
#[derive(Clone, Copy, Debug)]
struct Truth {
    live: bool,
    /// The deadline tree or list that it was linked in last; `None`: it was taken out.
    placed: Option<EntryState>,
    /// Linked in the pid tree as it has been since its root was reset so many times; 0: not linked.
    pid_tree: u32,
    /// Freed while something linked it, ever.
    stale: bool,
    /// A note tells of it.
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
    /// All of it, or nothing while accesses are looked at: then it lies in `watched`. So an access that nobody looks
    /// at costs one comparison.
    words: Vec<u64>,
    watched: Vec<u64>,
    truths: Vec<Truth>,
    freed: VecDeque<u32>,
    /// What changed since the observer last looked.
    changes: Changes,
    /// Changes are told.
    tells: bool,
    policy: HeapPolicy,
    /// The fault that was put in, if one was.
    mutant: Option<Mutant>,
    /// Where the pid tree's root lies in the master.
    child_pid: u64,
    /// The pid tree's root was reset so often, plus one.
    pid_tree: u32,
    /// Some link may lead to a freed block: accesses are looked at.
    watching: bool,
    /// Links that the operation may still follow.
    visits_left: u64,
    /// Where the program is.
    here: Mark,
    /// How often the observer looked.
    looks: u64,
    notes: Vec<Note>,
    second_erases: Vec<(Block, Mark)>,
    /// Something was accessed that is not simulated.
    left_known: bool,
}

impl Heap {
    /// A memory with a zeroed master and no block.
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

    /// The pid tree's root lies here in the master. Nothing was written yet.
    pub(super) fn set_child_pid(&mut self, place: u64) {
        self.child_pid = place;
        self.changes = Changes::new(place);
    }

    /// The address of a tree's root.
    #[inline]
    pub(super) fn root(&self, tree: Tree) -> Addr {
        MASTER_AT + root_of(tree, self.child_pid)
    }

    /// From here on there is this fault.
    pub(super) fn put_in(&mut self, mutant: Mutant) {
        self.mutant = Some(mutant);
    }

    /// Whether this fault was put in.
    #[inline]
    pub(super) fn has(&self, mutant: Mutant) -> bool {
        super::mutant::AVAILABLE && self.mutant == Some(mutant)
    }

    /// The program enters `function` to carry out one operation.
    #[inline]
    pub(super) fn enter(&mut self, at: Instant, function: &'static str) {
        self.here = Mark { at, function, looks: self.looks };
        self.visits_left = VISITS_BASE + VISITS_EACH * self.truths.len() as u64;
    }

    /// The function that the program entered last, to carry out one operation.
    pub(super) const fn operation(&self) -> &'static str {
        self.here.function
    }

    /// The fault that `trap` is where the program is.
    #[cold]
    pub(super) fn fault(&self, trap: Trap) -> Fault {
        trap.inside(self.here.function)
    }

    /// One more link is followed.
    #[inline]
    pub(super) fn visit(&mut self) -> Result<(), Trap> {
        self.visits_left = self.visits_left.checked_sub(1).ok_or(Trap::ENDLESS)?;
        Ok(())
    }

    #[inline]
    pub(super) fn word_of(address: Addr) -> usize {
        // On a machine of 32 bits it would be cut to another word: no such machine is meant.
        (address.wrapping_sub(MASTER_AT) >> 3) as usize
    }

    /// The word at `address`.
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

    /// From here on accesses are looked at, if `odd`.
    #[inline]
    fn watch_if(&mut self, odd: bool) {
        if odd && !self.watching {
            self.watching = true;
            core::mem::swap(&mut self.words, &mut self.watched);
        }
    }

    /// All words.
    #[inline]
    pub(super) fn all(&self) -> &[u64] {
        if self.watching { &self.watched } else { &self.words }
    }

    #[inline]
    fn all_mut(&mut self) -> &mut Vec<u64> {
        if self.watching { &mut self.watched } else { &mut self.words }
    }

    /// The observer will ask what changed.
    pub(super) fn tell_changes(&mut self) {
        self.tells = true;
    }

    /// The observer has looked.
    #[inline]
    pub(super) fn changes_seen(&mut self) {
        self.looks += 1;
        if self.tells {
            self.changes.seen();
        }
    }

    /// What changed, where it is told.
    #[inline]
    pub(super) fn changed(&self) -> Option<&Changes> {
        self.tells.then_some(&self.changes)
    }

    /// Where `block` lies.
    #[inline]
    pub(super) fn address_of(block: Block) -> Addr {
        BLOCKS_AT + STRIDE * u64::from(block.0)
    }

    /// The block in which `address` lies, and how far into it.
    #[inline]
    pub(super) fn block_at(&self, address: Addr) -> Option<(Block, u64)> {
        let beyond = address.checked_sub(BLOCKS_AT)?;
        let number = u32::try_from(beyond / STRIDE).ok()?;
        let inside = (number as usize) < self.truths.len();
        inside.then_some((Block(number), beyond % STRIDE))
    }

    /// The block in which `address` lies `offset` in, exactly.
    #[inline]
    pub(super) fn block_with(&self, address: Addr, offset: u64) -> Option<Block> {
        let beyond = address.wrapping_sub(BLOCKS_AT).wrapping_sub(offset);
        // What is no multiple of the stride comes out larger than any number of a block.
        let number = beyond.rotate_right(STRIDE.trailing_zeros());
        (number < self.truths.len() as u64).then_some(Block(number as u32))
    }

    /// The live block in which `address` lies `offset` in, exactly.
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

    /// These parts of an entry change.
    #[inline]
    fn change_entry(&mut self, entry: Addr, parts: Parts) {
        if !self.tells {
            return;
        }
        let place = entry.wrapping_sub(BLOCKS_AT) / STRIDE;
        self.changes.add(usize::try_from(place).unwrap_or(usize::MAX), parts);
    }

    /// How many blocks there are.
    pub(super) fn blocks(&self) -> u32 {
        // Each has 128 bytes: memory ends before the number does.
        u32::try_from(self.truths.len()).unwrap_or(u32::MAX)
    }

    /// Whether `block` is handed out.
    #[inline]
    pub(super) fn is_live(&self, block: Block) -> bool {
        self.truths.get(block.0 as usize).is_some_and(|truth| truth.live)
    }

    /// Tells the blocks that were given back and not handed out again, the one freed first first.
    pub(super) fn each_freed(&self, tell: impl FnMut(u32)) {
        self.freed.iter().copied().for_each(tell);
    }

    /// Hands out a zeroed block: a freed one as the policy says, else a new one.
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

    /// Takes an entry's block back. What lies in it stays.
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

    /// An entry was linked here.
    #[inline]
    pub(super) fn placed(&mut self, entry: Addr, seat: EntryState) {
        self.moved(entry, None, Some(seat));
    }

    /// An entry was taken out of here.
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
        // Linked twice, or taken out of where it was not: from here on no record of what links what is sure.
        self.watch_if(odd);
    }

    /// An entry was linked in the pid tree, or (`linked` false) taken out of it.
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

    /// What the pid tree does not link was taken out of it once more.
    #[cold]
    fn erased_again(&mut self, entry: Addr) {
        if let Some((block, _)) = self.block_at(entry)
            && self.second_erases.len() < SECOND_ERASES_MAX
        {
            self.second_erases.push((block, self.here));
        }
    }

    /// The pid tree's root was reset: nothing is linked in it.
    pub(super) fn pid_tree_reset(&mut self) {
        self.pid_tree += 1;
    }

    /// An access while some link may lead astray: to a freed block, or to the pid node of one that was
    /// freed while it was linked and has been handed out since. Or to what the program alone has: what its master holds
    /// beside trees and lists, and what lies across two words (a link is read there that bears a colour).
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

    /// Whether anything was accessed that a real program may have otherwise: from here on it need not agree.
    #[inline]
    pub(super) fn may_differ(&self) -> bool {
        self.left_known || !self.notes.is_empty()
    }

    /// What was noted, and what was taken out of the pid tree that it did not link, at the end.
    pub(super) fn into_notes(self) -> (Vec<Note>, Vec<(Block, Mark)>) {
        (self.notes, self.second_erases)
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::{PID, PLACE};
    use super::*;

    fn handed_out(policy: HeapPolicy) -> Vec<u32> {
        let mut heap = Heap::new(policy);
        let entries: Vec<Addr> = (0..4).map(|_| heap.allocate()).collect();
        for entry in entries {
            heap.free(entry).expect("live");
        }
        (0..5)
            .filter_map(|_| {
                let entry = heap.allocate();
                heap.block_at(entry)
            })
            .map(|(block, _)| block.0)
            .collect()
    }

    #[test]
    fn freed_blocks_come_back_in_the_order_of_the_policy() {
        assert_eq!(handed_out(HeapPolicy::LastFreedFirst), [3, 2, 1, 0, 4]);
        assert_eq!(handed_out(HeapPolicy::FirstFreedFirst), [0, 1, 2, 3, 4]);
        assert_eq!(handed_out(HeapPolicy::NeverAgain), [4, 5, 6, 7, 8]);
    }

    #[test]
    fn a_freed_block_keeps_its_bytes_until_it_is_handed_out_again_zeroed() {
        let mut heap = Heap::new(HeapPolicy::LastFreedFirst);
        let entry = heap.allocate();
        heap.set(entry + PID, 77).expect("mapped");
        heap.free(entry).expect("live");
        assert_eq!(heap.get(entry + PID), Ok(77));
        assert_eq!(heap.allocate(), entry);
        assert_eq!(heap.get(entry + PID), Ok(0));
    }

    #[test]
    fn what_is_not_handed_out_cannot_be_freed() {
        let mut heap = Heap::new(HeapPolicy::LastFreedFirst);
        let entry = heap.allocate();
        assert_eq!(heap.free(entry), Ok(()));
        for wrong in [entry, entry + 8, entry + STRIDE, MASTER_AT] {
            assert_eq!(heap.free(wrong), Err(NoBlock));
        }
    }

    #[test]
    fn addresses_outside_the_memory_trap() {
        let mut heap = Heap::new(HeapPolicy::LastFreedFirst);
        let entry = heap.allocate();
        for wild in [0, 8, 4095, MASTER_AT - 8, entry + STRIDE, u64::MAX - 7] {
            assert_eq!(heap.get(wild), Err(Trap(wild)));
            assert_eq!(heap.set(wild, 1), Err(Trap(wild)));
        }
        assert_eq!(Trap(8).inside("rb_erase"), Fault::Segv { address: 8, function: "rb_erase" });
    }

    #[test]
    fn the_first_use_of_a_freed_linked_block_is_noted_once_and_tells_its_story() {
        let mut heap = Heap::new(HeapPolicy::LastFreedFirst);
        let (sound, entry) = (heap.allocate(), heap.allocate());
        let at = Instant::from_micros;
        heap.enter(at(1), "thread_add_child");
        heap.pid_linked(entry, true);
        heap.enter(at(2), "thread_cleanup_master");
        heap.free(entry).expect("live");
        heap.enter(at(3), "rb_erase");
        heap.get(sound + PLACE).expect("mapped");
        assert_eq!(heap.notes(), []);
        heap.get(entry + PID_NODE).expect("mapped");
        heap.get(entry + PID_NODE).expect("mapped");
        let mark = |micros, function| Mark { at: at(micros), function, looks: 0 };
        let note = Note {
            block: Block(1),
            linked_at: mark(1, "thread_add_child"),
            freed_at: mark(2, "thread_cleanup_master"),
            used_at: mark(3, "rb_erase"),
        };
        assert_eq!(heap.notes(), [note]);
    }

    #[test]
    fn the_pid_node_of_a_block_freed_while_linked_stays_suspect_when_it_is_handed_out_again() {
        let mut heap = Heap::new(HeapPolicy::LastFreedFirst);
        let entry = heap.allocate();
        heap.pid_linked(entry, true);
        heap.free(entry).expect("live");
        assert_eq!(heap.allocate(), entry);
        heap.set(entry + PLACE, 1).expect("mapped");
        assert_eq!(heap.notes(), []);
        heap.set(entry + PID_NODE, 1).expect("mapped");
        assert_eq!(heap.notes().len(), 1);
    }

    #[test]
    fn a_loop_that_does_not_end_traps() {
        let mut heap = Heap::new(HeapPolicy::LastFreedFirst);
        let trap = (0..=VISITS_BASE).find_map(|_| heap.visit().err()).expect("there is a limit");
        assert_eq!(trap.inside("rb_next"), Fault::Endless { function: "rb_next" });
    }
}
