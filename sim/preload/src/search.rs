//! Searches memory that the program wrote for the values that it was called with.
//!
//! Invariants: a place is accepted only when it is the only one that fits. Only blocks that the program was given are
//! read.

use alloc::format;
use alloc::string::String;
use core::mem::size_of;
use core::ptr::NonNull;

use treefall_model::event::EntryKind;
use treefall_model::index::{List, Tree};
use treefall_model::trace::HeapPolicy;

use crate::clocks::real_start;
use crate::layout::{KINDS_MAX, LEFT, LEFTMOST, Layout, NEXT, PARENT, PREVIOUS, RIGHT, field};
use crate::probe::{self, CHILD, NOW, SECOND, STATUS, probe};
use crate::program::{self, NEVER};
use crate::single::Single;
use crate::{descriptors, heap};

/// What fits, or the reason why not, for a person.
pub type Fits<T> = Result<T, String>;

/// Whether the fields of entries, and most trees and lists, were found.
static KNOWN: Single<bool> = Single::new(false);

/// Whether the layout was found as far as it is told by where data lie.
pub fn is_known() -> bool {
    KNOWN.get()
}

/// Notes that the layout is one that cannot be driven after all.
pub fn forget() {
    KNOWN.set(false);
}

/// Argument of the calibration's entries.
const ARGUMENT: usize = 0x5e41;

/// Refuses the program: `what` was not found.
pub fn refuse<T>(what: &str) -> Fits<T> {
    Err(match is_known() {
        true => format!("{what} is not what it should be"),
        false => format!(
            "{what} could not be found in memory: this build lays out its data in a way that is not known"
        ),
    })
}

/// Refuses the program unless `holds`.
pub fn check(holds: bool, what: &str) -> Fits<()> {
    if holds { Ok(()) } else { refuse(what) }
}

/// Returns the offsets in a block of `bytes` bytes, in steps of `T`'s size, at which `is` holds.
fn places<T: Copy>(at: usize, bytes: usize, is: impl Fn(T) -> bool) -> impl Iterator<Item = usize> {
    (0..bytes).step_by(size_of::<T>()).filter(move |offset| {
        // SAFETY: inside a block of the heap.
        offset + size_of::<T>() <= bytes && is(unsafe { field(at + offset) })
    })
}

/// Returns the only such offset; none or several do not fit.
fn the_place<T: Copy>(at: usize, bytes: usize, what: &str, is: impl Fn(T) -> bool) -> Fits<usize> {
    let mut found = places(at, bytes, is);
    match (found.next(), found.next()) {
        (Some(place), None) => Ok(place),
        _ => refuse(what),
    }
}

/// A block of the program that is searched.
#[derive(Clone, Copy)]
pub struct Piece {
    /// Address.
    pub at: usize,
    /// Size in bytes.
    pub bytes: usize,
}

impl Piece {
    /// Returns the offsets of words that point into `other`, each with the offset there.
    fn links(self, other: Self) -> impl Iterator<Item = (usize, usize)> {
        let range = other.at..other.at + other.bytes;
        places::<usize>(self.at, self.bytes, move |word| range.contains(&word))
            .map(move |place| (place, self.word(place) - other.at))
    }

    /// Returns two neighbouring words that point at the same place of `other`: the first offset, and that place.
    fn pair(self, other: Self, what: &str) -> Fits<(usize, usize)> {
        let mut links = self.links(other);
        match (links.next(), links.next(), links.next()) {
            (Some((first, place)), Some((second, same)), None) if second == first + 8 && place == same => {
                Ok((first, place))
            }
            _ => refuse(what),
        }
    }

    /// Reads a word.
    pub fn word(self, offset: usize) -> usize {
        // SAFETY: inside a block of the heap.
        unsafe { field(self.at + offset) }
    }

    /// Reads a 32-bit number.
    pub fn number(self, offset: usize) -> i32 {
        // SAFETY: inside a block of the heap.
        unsafe { field(self.at + offset) }
    }

    fn kind(self, layout: &Layout) -> i32 {
        self.number(layout.kind)
    }
}

/// What is being found, and the blocks that are searched.
pub struct LayoutSearch {
    /// Results so far.
    pub layout: Layout,
    /// The master.
    pub master: Piece,
    /// An entry.
    pub child: Piece,
}

/// Finds the layout, with a master on which no loop runs, and the size of an entry.
///
/// # Errors
/// What does not fit.
pub fn find_layout() -> Fits<(Layout, usize)> {
    heap::set_entry_size(0);
    heap::reset(HeapPolicy::LastFreedFirst);
    descriptors::reset();
    // SAFETY: as the program's main would begin.
    let at = unsafe { program::thread_make_master() };
    check(heap::holds(at), "the master")?;
    let bytes = NonNull::new(at as *mut u8).map_or(0, heap::bytes_of);
    let master = Piece { at, bytes };
    // SAFETY: as the program's main goes on.
    unsafe { program::set_master(at) };
    let mut search = LayoutSearch { layout: Layout::NONE, master, child: Piece { at: 0, bytes: 0 } };
    KNOWN.set(false);
    search.child_alone()?;
    search.queues()?;
    // What does not fit from here on is no question of where data lie.
    KNOWN.set(true);
    search.descriptors()?;
    search.tree_links()?;
    search.other_types()?;
    search.killers()?;
    search.never()?;
    search.exit()?;
    Ok((search.layout, search.child.bytes))
}

impl LayoutSearch {
    /// Sets the kind for the program's number of a type.
    ///
    /// # Errors
    /// When no type can have that number.
    pub fn name_kind(&mut self, number: i32, kind: EntryKind) -> Fits<()> {
        match usize::try_from(number).ok().and_then(|n| self.layout.kinds.get_mut(n)) {
            Some(slot) => {
                *slot = kind;
                Ok(())
            }
            None => Err(format!("type {number} of an entry is not among the first {KINDS_MAX}")),
        }
    }

    /// Checks an entry that the program just made.
    fn entry(&self, at: usize) -> Fits<Piece> {
        check(heap::holds(at), "a new entry")?;
        Ok(Piece { at, bytes: self.child.bytes })
    }

    /// Adds a timer.
    ///
    /// # Errors
    /// What does not fit.
    pub fn timer(&self, seconds: u64) -> Fits<Piece> {
        // SAFETY: a call as the program makes it, on its own master.
        self.entry(unsafe { program::thread_add_timer(self.master.at, probe, 0, seconds * SECOND) })
    }

    fn event(&self) -> Fits<Piece> {
        // SAFETY: a call as the program makes it, on its own master.
        self.entry(unsafe { program::thread_add_event(self.master.at, probe, 0, 0) })
    }

    /// Adds a child.
    ///
    /// # Errors
    /// What does not fit.
    pub fn child_of(&self, pid: i32, micros: u64) -> Fits<Piece> {
        // SAFETY: a call as the program makes it, on its own master.
        self.entry(unsafe { program::thread_add_child(self.master.at, probe, ARGUMENT, pid, micros) })
    }

    /// Finds the fields of a child, CHILD and CHILD_PID.
    fn child_alone(&mut self) -> Fits<()> {
        let at = self.child_of(CHILD, 5 * SECOND)?.at;
        let (last, bytes) = heap::last();
        check(last == at, "a child's entry")?;
        let child = Piece { at, bytes };
        self.child = child;
        let layout = &mut self.layout;
        let handler = probe as *const () as usize;
        layout.handler = the_place::<usize>(at, bytes, "an entry's handler", |word| word == handler)?;
        layout.argument = the_place::<usize>(at, bytes, "an entry's argument", |word| word == ARGUMENT)?;
        layout.pid = the_place::<i32>(at, bytes, "a child's pid", |word| word == CHILD)?;
        let seconds = real_start() + (NOW / SECOND) as i64 + 5;
        layout.deadline = the_place::<i64>(at, bytes, "an entry's deadline", |word| word == seconds)?;
        check(child.word(layout.deadline + 8) == (NOW % SECOND) as usize, "a deadline's microseconds")?;
        let mut links = self.master.links(child);
        let (Some((root, node)), Some((leftmost, same)), Some((pid_root, pid_node)), None) =
            (links.next(), links.next(), links.next(), links.next())
        else {
            return refuse("CHILD and CHILD_PID");
        };
        check(leftmost == root + LEFTMOST && node == same && node != pid_node, "CHILD and CHILD_PID")?;
        layout.roots[Tree::Child as usize] = root;
        layout.roots[Tree::ChildPid as usize] = pid_root;
        layout.node = node;
        layout.pid_node = pid_node;
        Ok(())
    }

    /// Returns the place in the master of a tree or list that holds only this entry.
    fn alone(&self, entry: Piece, what: &str) -> Fits<usize> {
        let (place, node) = self.master.pair(entry, what)?;
        check(node == self.layout.node, what)?;
        Ok(place)
    }

    /// Finds TIMER, EVENT, UNUSE, and the types of their entries.
    fn queues(&mut self) -> Fits<()> {
        let timer = self.timer(5)?;
        self.layout.roots[Tree::Timer as usize] = self.alone(timer, "TIMER")?;
        let event = self.event()?;
        self.layout.lists[List::Event as usize] = self.alone(event, "EVENT")?;
        let second = self.event()?;
        let node = self.layout.node;
        let chained = |one: Piece, two: Piece| {
            one.word(node + NEXT) == two.at + node && two.word(node + PREVIOUS) == one.at + node
        };
        // Which of the two comes first is the program's to show when it runs.
        check(chained(event, second) || chained(second, event), "the links of a list")?;
        let later = self.timer(6)?;
        self.layout.kind = self.type_place([self.child, timer, event, later])?;
        self.name_kind(self.child.kind(&self.layout), EntryKind::Child)?;
        self.name_kind(timer.kind(&self.layout), EntryKind::Timer)?;
        self.name_kind(event.kind(&self.layout), EntryKind::Event)?;
        // SAFETY: an entry that the program has in TIMER.
        unsafe { program::thread_cancel(later.at) };
        self.layout.lists[List::Unuse as usize] = self.alone(later, "UNUSE")?;
        self.name_kind(later.kind(&self.layout), EntryKind::Unused)
    }

    /// Returns the offset at which small numbers differ between child, timer and event, and agree between two timers.
    fn type_place(&self, [child, timer, event, later]: [Piece; 4]) -> Fits<usize> {
        let tells = |offset: &usize| {
            let [a, b, c, d] = [child, timer, event, later].map(|entry| entry.number(*offset));
            let small = [a, b, c].iter().all(|n| (0..KINDS_MAX as i32).contains(n));
            small && a != b && b != c && a != c && b == d
        };
        let mut found = (0..child.bytes).step_by(4).filter(tells);
        match (found.next(), found.next()) {
            (Some(place), None) => Ok(place),
            _ => refuse("an entry's type"),
        }
    }

    /// Finds READ, which holds the base entries, and WRITE, which is empty.
    fn descriptors(&mut self) -> Fits<()> {
        const SOME_FD: i32 = 1_000_009;
        let (master, layout) = (self.master.at, self.layout);
        // SAFETY: calls as the program makes them, on its own master.
        let (read, write) = unsafe {
            (
                program::thread_add_read(master, probe, 0, SOME_FD, 5 * SECOND, 0),
                program::thread_add_write(master, probe, 0, SOME_FD + 1, 5 * SECOND, 0),
            )
        };
        let (read, write) = (self.entry(read)?, self.entry(write)?);
        // The base entries never time out, so the new entry is the leftmost, wherever the root is.
        let mut links = self.master.links(read);
        let (Some((leftmost, node)), None) = (links.next(), links.next()) else { return refuse("READ") };
        check(node == layout.node && leftmost >= LEFTMOST, "READ")?;
        self.layout.roots[Tree::Read as usize] = leftmost - LEFTMOST;
        self.layout.roots[Tree::Write as usize] = self.alone(write, "WRITE")?;
        self.name_kind(read.kind(&layout), EntryKind::Read)?;
        self.name_kind(write.kind(&layout), EntryKind::Write)
    }

    /// Checks which link of a node leads to lower keys, and which to higher ones.
    fn tree_links(&mut self) -> Fits<()> {
        let lower = self.child_of(CHILD - 1, 4 * SECOND)?;
        let higher = self.child_of(CHILD + 1, 6 * SECOND)?;
        for node in [self.layout.node, self.layout.pid_node] {
            let fits = self.child.word(node + LEFT) == lower.at + node
                && self.child.word(node + RIGHT) == higher.at + node
                && lower.word(node + PARENT) & !3 == self.child.at + node
                && higher.word(node + PARENT) & !3 == self.child.at + node
                && self.child.word(node + PARENT) == 1
                && lower.word(node + PARENT) & 3 == 0;
            check(fits, "the links of a tree's nodes")?;
        }
        let leftmost = self.layout.roots[Tree::Child as usize] + LEFTMOST;
        check(self.master.word(leftmost) == lower.at + self.layout.node, "the cached leftmost node")
    }

    /// Learns the types of entries that a shutdown adds.
    fn other_types(&mut self) -> Fits<()> {
        let master = self.master.at;
        if program::has_shutdown_timer() {
            // SAFETY: a call as the program makes it, on its own master.
            let timer = unsafe { program::thread_add_timer_shutdown(master, probe, 0, 5 * SECOND) };
            self.name_kind(self.entry(timer)?.kind(&self.layout), EntryKind::Timer)?;
        }
        // SAFETY: calls as the program makes them, on its own master; no loop runs on it afterwards.
        let events = unsafe {
            [
                program::thread_add_start_terminate_event(master, probe),
                program::thread_add_terminate_event(master),
            ]
        };
        for event in events {
            let last = if heap::holds(event) { event } else { heap::last().0 };
            self.name_kind(self.entry(last)?.kind(&self.layout), EntryKind::Event)?;
        }
        Ok(())
    }

    /// Finds the handlers that a reload and a shutdown install for a child.
    fn killers(&mut self) -> Fits<()> {
        const TERM: i32 = 15;
        for shutdown in [0, 1] {
            // SAFETY: a call as the program makes it, on its own master.
            unsafe { program::script_killall(self.master.at, TERM, shutdown) };
            let handler = self.child.word(self.layout.handler);
            let kept = handler == probe as *const () as usize;
            check(kept || program::text_offset(handler).is_some(), "the killer of a reload or shutdown")?;
            self.layout.killers[shutdown] = if kept { 0 } else { handler };
        }
        Ok(())
    }

    /// Learns the deadline that never comes.
    fn never(&mut self) -> Fits<()> {
        let child = self.child_of(CHILD + 2, NEVER)?;
        self.layout.never = child.word(self.layout.deadline) as i64;
        // The lowest or highest number of the machine, or a time that no clock shows.
        check(self.layout.never.unsigned_abs() > 1 << 40, "a deadline that never comes")
    }

    /// Lets a child exit: finds READY, the type and the status.
    fn exit(&mut self) -> Fits<()> {
        const SIGCHLD: i32 = 17;
        probe::set_zombie(CHILD + 1);
        let before = self.layout;
        // SAFETY: the program's own handler, as its signal handler calls it.
        unsafe { program::thread_child_handler(0, SIGCHLD) };
        let list = self.heads_after_exit()?;
        self.layout.lists[List::Ready as usize] = list;
        let entry = Piece { at: self.master.word(list) - before.node, bytes: self.child.bytes };
        self.layout.status =
            the_place::<i32>(entry.at, entry.bytes, "a child's status", |word| word == STATUS.raw())?;
        check(entry.number(self.layout.pid) == CHILD + 1, "the entry of a child that exited")?;
        self.name_kind(entry.kind(&self.layout), EntryKind::ChildTerminated)
    }

    /// Returns the list whose two links lead to one entry, and that is neither EVENT nor UNUSE.
    fn heads_after_exit(&self) -> Fits<usize> {
        let known = [List::Event, List::Unuse].map(|list| self.layout.lists[list as usize]);
        let roots = self.layout.roots;
        let node = self.layout.node;
        let is_head = |place: &usize| {
            let (first, last) = (self.master.word(*place), self.master.word(place + 8));
            first == last
                && !known.contains(place)
                && !roots.contains(place)
                && heap::holds(first)
                && first >= node
                && heap::holds(first - node)
                && !(self.master.at..self.master.at + self.master.bytes).contains(&first)
                && Piece { at: first - node, bytes: self.child.bytes }.number(self.layout.pid) == CHILD + 1
        };
        let mut found = (0..self.master.bytes - 8).step_by(8).filter(is_head);
        match (found.next(), found.next()) {
            (Some(place), None) => Ok(place),
            _ => refuse("READY"),
        }
    }
}
