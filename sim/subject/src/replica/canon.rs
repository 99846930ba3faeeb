//! Writes the canonical form of a blocked replica, which is equal for equal futures: see [`treefall_model::canon`].
//!
//! While the loop is blocked, EVENT and READY are empty, and the future depends on the deadline trees, CHILD_PID and
//! the contents of their entries. Retired entries are reused with everything that is read of them overwritten, and
//! nothing depends on an entry's address, so that UNUSE and the heap are left out. This holds as long as CHILD_PID
//! contains exactly the entries of CHILD. Otherwise (after a violation that judging continues after), or if the rules
//! may link a retired entry, the whole memory is written as it is.
//!
//! Trees are written in the order of their entries. Their shapes are written too if the rules remove entries that are
//! not linked, which follows links of an earlier shape; in a sound tree the order alone decides.

use treefall_model::canon::{Canon, Part};
use treefall_model::id::ScriptRef;
use treefall_model::index::{Block, List, Tree};
use treefall_model::judge::Judge;
use treefall_model::observe::Observer;

use super::entry::{
    ARGUMENT, Addr, DUE, FUNCTION, Function, MICROS, NEVER, PID, PLACE, TYPE, Type, argument_of, deadline_of,
    head_of, node_in, pid_of, status_of,
};
use super::entry::{BLOCK_WORDS, MASTER_AT, MASTER_WORDS};
use super::heap::Heap;
use super::rbtree::{LEFT, RIGHT, is_red};
use super::rule;
use super::scheduler::Replica;

/// Deeper than any tree that fits into memory.
const DEPTH_MAX: u32 = 64;

impl<O: Observer> Replica<'_, O> {
    /// Writes what decides the future of this blocked replica and of its judge, for whom no memory law has broken.
    pub fn canon(&self, canon: &mut Canon, judge: &Judge<'_>) {
        let heap = &self.queues.heap;
        self.world.start_canon(canon);
        let sound = Sound::look(self);
        // If memory is written as it is, scripts keep the order of the configuration, which entries of old
        // generations contain.
        let met: &[Tree] = if sound.regular { &[Tree::Timer, Tree::Child] } else { &[] };
        for tree in met {
            each(heap, *tree, |entry| {
                if let Some(argument) = argument_at(heap, entry)
                    && canon.age(argument.generation) == 0
                {
                    canon.meet(argument.script);
                }
            });
        }
        canon.meet_rest();
        self.world.canon(canon, !sound.regular);
        canon.part(Part::Entries);
        canon.flag(self.timer_entry.is_some());
        canon.flag(self.signal_entry.is_some());
        canon.flag(self.shutting_down);
        canon.flag(self.shutdown_timer_runs);
        canon.flag(sound.regular);
        each(heap, Tree::Timer, |entry| tell(heap, canon, judge, entry, false));
        canon.byte(0);
        each(heap, Tree::Child, |entry| tell(heap, canon, judge, entry, false));
        canon.byte(0);
        each(heap, Tree::ChildPid, |entry| {
            let place = sound.children.iter().position(|child| *child == entry);
            canon.byte(place.and_then(|place| u8::try_from(place + 1).ok()).unwrap_or(u8::MAX));
        });
        canon.byte(0);
        if !sound.regular {
            self.whole_memory(canon, judge);
        }
        if rule::shapes_count(&self.rules) {
            canon.part(Part::Shapes);
            for tree in [Tree::Child, Tree::ChildPid] {
                shape(heap, peek(heap, heap.root(tree)), canon, 0);
            }
        }
        judge.canon(canon);
    }

    /// Writes every word, block by block.
    fn whole_memory(&self, canon: &mut Canon, judge: &Judge<'_>) {
        let heap = &self.queues.heap;
        canon.exactly();
        (0..MASTER_WORDS as u64).for_each(|word| canon.word(peek(heap, MASTER_AT + 8 * word)));
        for block in (0..heap.blocks()).map(Block) {
            let at = Heap::address_of(block);
            canon.flag(heap.is_live(block));
            tell(heap, canon, judge, at, true);
            // Words from the links on have no better form in `tell`.
            (PLACE / 8..BLOCK_WORDS as u64).for_each(|word| canon.word(peek(heap, at + 8 * word)));
        }
        heap.each_freed(|block| canon.word(u64::from(block)));
        canon.word(self.timer_entry.unwrap_or(0));
        canon.word(self.signal_entry.unwrap_or(0));
        self.kept.into_iter().for_each(|kept| canon.flag(kept));
        canon.word(self.room as u64);
    }
}

/// Properties of a replica's trees.
struct Sound {
    /// The entries of CHILD, in order.
    children: Vec<Addr>,
    /// CHILD_PID contains exactly these, nothing waits, READ has the two base entries, and this remains so.
    regular: bool,
}

impl Sound {
    fn look<O>(replica: &Replica<'_, O>) -> Self {
        let heap = &replica.queues.heap;
        let mut children = Vec::with_capacity(8);
        let mut regular = each(heap, Tree::Child, |entry| children.push(entry));
        let mut by_pid = 0;
        let mut stranger = false;
        regular &= each(heap, Tree::ChildPid, |entry| {
            by_pid += 1;
            stranger |= !children.contains(&entry);
        });
        let mut base = 0;
        regular &= each(heap, Tree::Read, |entry| {
            base += usize::from([replica.timer_entry, replica.signal_entry].contains(&Some(entry)));
            base += 4;
        });
        let empty = |list| peek(heap, MASTER_AT + head_of(list)) == MASTER_AT + head_of(list);
        regular &= peek(heap, heap.root(Tree::Write)) == 0 && empty(List::Event) && empty(List::Ready);
        // There are two base entries, and both are known.
        regular &= !stranger && by_pid == children.len() && base == 10 && replica.current.is_none();
        regular &= !rule::retires_linked(&replica.rules);
        Self { children, regular }
    }
}

fn peek(heap: &Heap, address: Addr) -> u64 {
    heap.all().get(Heap::word_of(address)).copied().unwrap_or(0)
}

fn argument_at(heap: &Heap, entry: Addr) -> Option<ScriptRef> {
    argument_of(peek(heap, entry + ARGUMENT))
}

/// Writes the contents of an entry; with `all` also those of a retired one.
fn tell(heap: &Heap, canon: &mut Canon, judge: &Judge<'_>, entry: Addr, all: bool) {
    canon.byte(1);
    canon.byte(peek(heap, entry + TYPE) as u8);
    let function = peek(heap, entry + FUNCTION);
    canon.byte(function as u8);
    let micros = peek(heap, entry + MICROS);
    canon.due(deadline_of(peek(heap, entry + DUE), micros));
    if all && peek(heap, entry + DUE) == NEVER {
        canon.word(micros);
    }
    match argument_of(peek(heap, entry + ARGUMENT)) {
        None => canon.byte(u8::MAX),
        Some(argument) => {
            let age = canon.age(argument.generation);
            canon.byte(age);
            // A killer does not read its argument, so that only its staleness matters.
            let killer = Function::from_word(function).is_some_and(Function::is_killer);
            match (age, killer) {
                (0, _) => canon.script(argument.script),
                (_, true) => {}
                (_, false) => canon.word(u64::from(argument.script.0)),
            }
        }
    }
    // For entries without a child, this is whatever the memory held.
    let ty = Type::from_word(peek(heap, entry + TYPE));
    if all || matches!(ty, Some(Type::Child | Type::ChildTimeout | Type::ChildTerminated)) {
        let pid = peek(heap, entry + PID);
        if ty.is_some_and(Type::has_pid) {
            canon.pid(pid_of(pid))
        } else {
            canon.word(pid_of(pid) as u64)
        }
        canon.word(status_of(pid) as u64);
    }
    let block = heap.block_at(entry).map(|(block, _)| judge.broken_at(block));
    block.unwrap_or_default().into_iter().for_each(|broken| canon.flag(broken));
}

/// Visits each entry of a tree, in order. Returns whether the tree ended.
fn each(heap: &Heap, tree: Tree, mut visit: impl FnMut(Addr)) -> bool {
    below(heap, node_in(tree), peek(heap, heap.root(tree)), &mut visit, 0)
}

fn below(heap: &Heap, offset: u64, node: Addr, visit: &mut dyn FnMut(Addr), depth: u32) -> bool {
    if node == 0 {
        return true;
    }
    if depth == DEPTH_MAX {
        return false;
    }
    let left = below(heap, offset, peek(heap, node + LEFT), visit, depth + 1);
    visit(node.wrapping_sub(offset));
    left && below(heap, offset, peek(heap, node + RIGHT), visit, depth + 1)
}

fn shape(heap: &Heap, node: Addr, canon: &mut Canon, depth: u32) {
    if node == 0 || depth == DEPTH_MAX {
        canon.byte(0);
        return;
    }
    canon.byte(1 + u8::from(is_red(peek(heap, node))));
    shape(heap, peek(heap, node + LEFT), canon, depth + 1);
    shape(heap, peek(heap, node + RIGHT), canon, depth + 1);
}
