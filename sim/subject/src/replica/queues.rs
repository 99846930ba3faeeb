//! The master's trees and lists: entries by deadline, by pid, and in order of arrival.
//!
//! Entries are identified by address. The release decides which of two equal keys comes first, when a new node
//! becomes the cached leftmost, and which word an erase writes last ([`EqualKeys`], [`LeftmostRule`],
//! [`LastInErase`]); nothing else differs here.

use core::cmp::Ordering;

use treefall_model::index::{List, Tree};
use treefall_model::release::{Behaviour, CachedCalls, EqualKeys, FirstArmed, LastInErase, LeftmostRule};
use treefall_model::time::Deadline;
use treefall_model::trace::HeapPolicy;

use super::entry::MASTER_AT;
use super::entry::{
    Addr, DUE, MICROS, NEVER, PID, PID_NODE, PLACE, SIGNAL_EVENT, TIMER_EVENT, deadline_of, due_words,
    head_of, pid_of,
};
use super::fault::{Fault, Trap};
use super::heap::{EntryState, Heap};
use super::mutant::Mutant;
use super::rbtree::{self, LEFT, RIGHT};

/// Offset from a list's link to that of the previous entry.
const PREVIOUS: u64 = 8;
/// Offset from a tree's root to its cached leftmost node.
const LEFTMOST: u64 = 8;

/// The five trees and three lists of one master, with their memory.
#[derive(Clone)]
pub(super) struct Queues {
    pub(super) heap: Heap,
    equal_keys: EqualKeys,
    leftmost: LeftmostRule,
    last_in_erase: LastInErase,
    first_armed: FirstArmed,
    cached_calls: CachedCalls,
}

impl Queues {
    /// Returns empty trees and lists.
    pub(super) fn new(policy: HeapPolicy, behaviour: &Behaviour) -> Self {
        let mut heap = Heap::new(policy);
        heap.set_child_pid(behaviour.layout.child_pid);
        let mut queues = Self {
            heap,
            equal_keys: behaviour.equal_keys,
            leftmost: behaviour.leftmost,
            last_in_erase: behaviour.last_in_erase,
            first_armed: behaviour.first_armed,
            cached_calls: behaviour.cached_calls,
        };
        for list in List::ALL {
            let head = MASTER_AT + head_of(list);
            // The master is always mapped.
            let _ = queues.heap.set(head, head);
            let _ = queues.heap.set(head + PREVIOUS, head);
        }
        queues
    }

    /// Reads a field of an entry.
    #[inline]
    pub(super) fn field(&mut self, entry: Addr, offset: u64) -> Result<u64, Fault> {
        self.heap.get(entry.wrapping_add(offset)).map_err(|trap| self.heap.fault(trap))
    }

    /// Writes a field of an entry.
    #[inline]
    pub(super) fn write(&mut self, entry: Addr, offset: u64, value: u64) -> Result<(), Fault> {
        self.heap.set(entry.wrapping_add(offset), value).map_err(|trap| self.heap.fault(trap))
    }

    /// Writes the lower half of a field: a number of 32 bits. The upper half stays.
    #[inline]
    pub(super) fn write_half(&mut self, entry: Addr, offset: u64, value: u32) -> Result<(), Fault> {
        let word = self.field(entry, offset)?;
        self.write(entry, offset, word & !u64::from(u32::MAX) | u64::from(value))
    }

    /// The deadline that an entry bears.
    #[inline]
    pub(super) fn due(&mut self, entry: Addr) -> Result<Deadline, Fault> {
        let seconds = self.field(entry, DUE)?;
        Ok(deadline_of(seconds, self.field(entry, MICROS)?))
    }

    /// Writes an entry's deadline.
    #[inline]
    pub(super) fn write_due(&mut self, entry: Addr, due: Deadline) -> Result<(), Fault> {
        let (seconds, micros) = due_words(due);
        self.write(entry, DUE, seconds)?;
        micros.map_or(Ok(()), |micros| self.write(entry, MICROS, micros))
    }

    /// The program writes to what it keeps of a descriptor; that of the two descriptors is not simulated.
    pub(super) fn event_forgets(&mut self, event: Addr) -> Result<(), Fault> {
        if matches!(event, TIMER_EVENT | SIGNAL_EVENT) { Ok(()) } else { self.write(event, 0, 0) }
    }

    /// One more turn of a loop over entries.
    #[inline]
    pub(super) fn visit(&mut self) -> Result<(), Fault> {
        self.heap.visit().map_err(|trap| self.heap.fault(trap))
    }

    /// Links an entry in a deadline tree, by its deadline.
    #[inline]
    pub(super) fn insert_due(&mut self, tree: Tree, entry: Addr) -> Result<(), Fault> {
        self.heap.placed(entry, EntryState::Tree(tree));
        let root = self.heap.root(tree);
        self.link_due(root, entry).map_err(|trap| self.heap.fault(trap))?;
        let function = match self.cached_calls {
            CachedCalls::OfTheirOwn => "rb_insert_color_cached",
            CachedCalls::Shared => "rb_insert_color",
        };
        rbtree::settle_inserted(&mut self.heap, root, entry + PLACE).map_err(|trap| trap.inside(function))
    }

    fn link_due(&mut self, root: Addr, entry: Addr) -> Result<(), Trap> {
        let heap = &mut self.heap;
        let due = (heap.get(entry + DUE)?, heap.get(entry + MICROS)?);
        let (mut parent, mut link, mut went_right) = (0, root, false);
        loop {
            let below = heap.get(link)?;
            if below == 0 {
                break;
            }
            heap.visit()?;
            parent = below;
            let there = parent.wrapping_sub(PLACE);
            let left = match self.equal_keys {
                EqualKeys::GoLeft => order_of(heap, due, there, by_difference)?.is_le(),
                EqualKeys::GoRight => {
                    let order = order_of(heap, due, there, as_signed)?;
                    order.is_lt() || heap.has(Mutant::TieOrderFlipped) && order.is_eq()
                }
            };
            went_right |= !left;
            link = parent + if left { LEFT } else { RIGHT };
        }
        let node = entry + PLACE;
        rbtree::hang(heap, node, parent, link)?;
        let cached = heap.get(root + LEFTMOST)?;
        let first = match self.leftmost {
            LeftmostRule::LeftOfCached => cached == 0 || link == cached + LEFT,
            LeftmostRule::NeverWentRight => !went_right,
        };
        let kept = heap.has(Mutant::LeftmostNotLowered) && cached != 0;
        if first && !kept { heap.set(root + LEFTMOST, node) } else { Ok(()) }
    }

    /// Removes an entry from a deadline tree.
    #[inline]
    pub(super) fn erase_due(&mut self, tree: Tree, entry: Addr) -> Result<(), Fault> {
        self.heap.taken_out(entry, EntryState::Tree(tree));
        let (root, node) = (self.heap.root(tree), entry.wrapping_add(PLACE));
        let cached = self.field(root, LEFTMOST)?;
        if cached == node && !self.heap.has(Mutant::LeftmostNotAdvanced) {
            let next = self.next_node(node)?;
            self.write(root, LEFTMOST, next)?;
        }
        let function = match self.cached_calls {
            CachedCalls::OfTheirOwn => "rb_erase_cached",
            CachedCalls::Shared => "rb_erase",
        };
        let erased = rbtree::erase(&mut self.heap, root, node, self.last_in_erase);
        erased.map_err(|trap| trap.inside(function))
    }

    fn next_node(&mut self, node: Addr) -> Result<Addr, Fault> {
        rbtree::next(&mut self.heap, node).map_err(|trap| trap.inside("rb_next"))
    }

    /// Returns the cached first entry of a deadline tree.
    #[inline]
    pub(super) fn first_due(&mut self, tree: Tree) -> Result<Option<Addr>, Fault> {
        let cached = self.field(self.heap.root(tree), LEFTMOST)?;
        Ok(entry_of(cached, PLACE))
    }

    /// Returns the entry whose deadline counts for arming the timerfd. If the root decides, a tree with a root but
    /// without a cached first entry gives an address near null.
    #[inline]
    pub(super) fn first_armed(&mut self, tree: Tree) -> Result<Option<Addr>, Fault> {
        if self.first_armed == FirstArmed::Cached {
            return self.first_due(tree);
        }
        if self.is_empty(tree)? {
            return Ok(None);
        }
        let cached = self.field(self.heap.root(tree), LEFTMOST)?;
        Ok(Some(cached.wrapping_sub(PLACE)))
    }

    /// Returns the entry after `entry` in its deadline tree.
    #[inline]
    pub(super) fn next_due(&mut self, entry: Addr) -> Result<Option<Addr>, Fault> {
        let next = self.next_node(entry.wrapping_add(PLACE))?;
        Ok(entry_of(next, PLACE))
    }

    /// Returns whether a tree has no root.
    #[inline]
    pub(super) fn is_empty(&mut self, tree: Tree) -> Result<bool, Fault> {
        Ok(self.field(self.heap.root(tree), 0)? == 0)
    }

    /// Returns the first entry of a deadline tree in post-order.
    pub(super) fn first_in_postorder(&mut self, tree: Tree) -> Result<Option<Addr>, Fault> {
        let root = self.heap.root(tree);
        let first = rbtree::first_in_postorder(&mut self.heap, root);
        Ok(entry_of(first.map_err(|trap| trap.inside("rb_first_postorder"))?, PLACE))
    }

    /// Returns the entry after `entry` of a deadline tree in post-order.
    pub(super) fn next_in_postorder(&mut self, entry: Addr) -> Result<Option<Addr>, Fault> {
        let next = rbtree::next_in_postorder(&mut self.heap, entry.wrapping_add(PLACE));
        Ok(entry_of(next.map_err(|trap| trap.inside("rb_next_postorder"))?, PLACE))
    }

    /// Resets a tree's root, and its cached leftmost node if it has one; its nodes stay unchanged.
    pub(super) fn reset(&mut self, tree: Tree) -> Result<(), Fault> {
        self.write(self.heap.root(tree), 0, 0)?;
        if tree == Tree::ChildPid {
            self.heap.pid_tree_reset();
            return Ok(());
        }
        self.write(self.heap.root(tree), LEFTMOST, 0)
    }

    /// Links an entry in the pid tree, by its pid.
    #[inline]
    pub(super) fn insert_pid(&mut self, entry: Addr) -> Result<(), Fault> {
        self.heap.pid_linked(entry, true);
        let root = self.heap.root(Tree::ChildPid);
        self.link_pid(root, entry).map_err(|trap| self.heap.fault(trap))?;
        rbtree::settle_inserted(&mut self.heap, root, entry + PID_NODE)
            .map_err(|trap| trap.inside("rb_insert_color"))
    }

    fn link_pid(&mut self, root: Addr, entry: Addr) -> Result<(), Trap> {
        let heap = &mut self.heap;
        let pid = pid_of(heap.get(entry + PID)?);
        let (mut parent, mut link) = (0, root);
        loop {
            let below = heap.get(link)?;
            if below == 0 {
                break;
            }
            heap.visit()?;
            parent = below;
            let there = pid_of(heap.get(parent.wrapping_sub(PID_NODE - PID))?);
            let left = match self.equal_keys {
                EqualKeys::GoLeft => pid <= there,
                EqualKeys::GoRight => pid < there,
            };
            link = parent + if left { LEFT } else { RIGHT };
        }
        rbtree::hang(heap, entry + PID_NODE, parent, link)
    }

    /// Removes an entry from the pid tree.
    #[inline]
    pub(super) fn erase_pid(&mut self, entry: Addr) -> Result<(), Fault> {
        self.heap.pid_linked(entry, false);
        let root = self.heap.root(Tree::ChildPid);
        let erased = rbtree::erase(&mut self.heap, root, entry.wrapping_add(PID_NODE), self.last_in_erase);
        erased.map_err(|trap| trap.inside("rb_erase"))
    }

    /// Returns the first entry with `pid`, searching from the root of the pid tree.
    #[inline]
    pub(super) fn find_pid(&mut self, pid: i32) -> Result<Option<Addr>, Fault> {
        self.search_pid(pid).map_err(|trap| self.heap.fault(trap))
    }

    fn search_pid(&mut self, pid: i32) -> Result<Option<Addr>, Trap> {
        let heap = &mut self.heap;
        let mut node = heap.get(heap.root(Tree::ChildPid))?;
        while node != 0 {
            heap.visit()?;
            let there = pid_of(heap.get(node.wrapping_sub(PID_NODE - PID))?);
            if there == pid {
                return Ok(entry_of(node, PID_NODE));
            }
            let left = (pid < there) != heap.has(Mutant::FoundByTheWrongSide);
            node = heap.get(node + if left { LEFT } else { RIGHT })?;
        }
        Ok(None)
    }

    /// Links an entry at the tail of a list.
    #[inline]
    pub(super) fn push(&mut self, list: List, entry: Addr) -> Result<(), Fault> {
        self.heap.placed(entry, EntryState::List);
        let (mut head, link) = (MASTER_AT + head_of(list), entry.wrapping_add(PLACE));
        if list == List::Ready && self.heap.has(Mutant::ReadyServedLastFirst) {
            // Before the first one means after the head.
            head = self.field(head, 0)?;
        }
        let last = self.field(head, PREVIOUS)?;
        self.write(head, PREVIOUS, link)?;
        self.write(link, 0, head)?;
        self.write(link, PREVIOUS, last)?;
        self.write(last, 0, link)
    }

    /// Removes an entry from its list. Its own links stay unchanged.
    #[inline]
    pub(super) fn unlink(&mut self, entry: Addr) -> Result<(), Fault> {
        self.heap.taken_out(entry, EntryState::List);
        let next = self.field(entry, PLACE)?;
        let previous = self.field(entry, PLACE + PREVIOUS)?;
        self.write(next, PREVIOUS, previous)?;
        self.write(previous, 0, next)
    }

    /// Removes the first entry of a list, whose own links then point to itself.
    #[inline]
    pub(super) fn take_off(&mut self, entry: Addr) -> Result<(), Fault> {
        self.unlink(entry)?;
        let link = entry.wrapping_add(PLACE);
        self.write(link, 0, link)?;
        self.write(link, PREVIOUS, link)
    }

    /// Returns the first entry of a list.
    #[inline]
    pub(super) fn head(&mut self, list: List) -> Result<Option<Addr>, Fault> {
        let head = MASTER_AT + head_of(list);
        let first = self.field(head, 0)?;
        Ok(if first == head { None } else { entry_of(first, PLACE) })
    }

    /// Returns the entry after `entry` in `list`.
    #[inline]
    pub(super) fn after(&mut self, list: List, entry: Addr) -> Result<Option<Addr>, Fault> {
        let next = self.field(entry, PLACE)?;
        Ok(if next == MASTER_AT + head_of(list) { None } else { entry_of(next, PLACE) })
    }
}

/// How a deadline, in seconds and microseconds, compares with the one that `entry` bears: the microseconds count where
/// the seconds are equal, and what is never due is greatest.
#[inline]
fn order_of(
    heap: &mut Heap,
    (seconds, micros): (u64, u64),
    entry: Addr,
    numbers: fn(u64, u64) -> Ordering,
) -> Result<Ordering, Trap> {
    let there = heap.get(entry.wrapping_add(DUE))?;
    Ok(match (seconds == NEVER, there == NEVER) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) if seconds != there => numbers(seconds, there),
        (false, false) => numbers(micros, heap.get(entry.wrapping_add(MICROS))?),
    })
}

/// How numbers compare whose difference is cut to 32 bits: where a broken tree has an address in place of one, it
/// counts.
#[inline]
const fn by_difference(one: u64, other: u64) -> Ordering {
    match one.wrapping_sub(other) as i32 {
        0 => Ordering::Equal,
        1.. => Ordering::Greater,
        _ => Ordering::Less,
    }
}

#[inline]
fn as_signed(one: u64, other: u64) -> Ordering {
    (one as i64).cmp(&(other as i64))
}

/// The entry whose node or link lies at `place`, which is `offset` into it; `None` for null.
#[inline]
const fn entry_of(place: Addr, offset: u64) -> Option<Addr> {
    if place == 0 { None } else { Some(place.wrapping_sub(offset)) }
}

#[cfg(test)]
mod tests {
    use treefall_model::time::Instant;

    use super::*;

    #[test]
    fn an_address_in_place_of_seconds_is_greater_than_a_deadline_but_not_by_32_bits() {
        let (seconds, _) = due_words(Deadline::At(Instant::START));
        let address = MASTER_AT;
        assert_eq!(as_signed(seconds, address), Ordering::Less);
        assert_eq!(by_difference(seconds, address), Ordering::Greater);
        assert_eq!((by_difference(7, 7), as_signed(7, 7)), (Ordering::Equal, Ordering::Equal));
        assert_eq!((by_difference(7, 8), as_signed(7, 8)), (Ordering::Less, Ordering::Less));
    }
}
