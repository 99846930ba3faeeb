//! Finds out how the program lays out its master and its entries, by calling its functions with values that
//! are looked for afterwards.
//!
//! Always: nothing is assumed of an offset that is not checked; what does not fit is refused with its name, so
//! that a build that differs is never driven by guesses. The kernel's answers here are the few that the calls
//! below need: a clock that stands, one child that exits, one wake with both descriptors ready.

use alloc::format;
use alloc::string::String;
use core::mem::size_of;
use core::ptr::NonNull;

use treefall_model::event::EntryKind;
use treefall_model::id::Pid;
use treefall_model::index::{Block, List, Tree};
use treefall_model::signal::ExitStatus;
use treefall_model::time::Span;
use treefall_model::trace::HeapPolicy;
use treefall_world::Descriptor;
use treefall_world::wire::Facts;

use crate::hooks::kernel::{self, REAL_START_SECONDS};
use crate::layout::{KINDS_MAX, LAYOUT, LEFT, LEFTMOST, Layout, NEXT, PARENT, PREVIOUS, RIGHT, field};
use crate::shelter::{Left, escape, shelter};
use crate::single::{Mode, Single, set_mode};
use crate::{fatal, guard, heap, program};

/// What the clock shows, in microseconds: neither of its two parts is a number found elsewhere.
const NOW: u64 = 7_000_123;
const CHILD: i32 = 0x7a_7a7a;
const STATUS: ExitStatus = ExitStatus::Code(0x5a);
const ARGUMENT: usize = 0x5e41;
const SECOND: u64 = 1_000_000;
/// As the program's users of timers that never fire have it.
pub const NEVER: u64 = u64::MAX;

type Fits<T> = Result<T, String>;

/// The kernel of the calibration, and what the probe saw.
#[derive(Clone, Copy)]
struct Bench {
    now: u64,
    zombie: Option<Pid>,
    /// Times that the loop blocked.
    blocked: u32,
    /// The base entries, and their types when the timerfd was read.
    base: [usize; 2],
    base_types: [i32; 2],
    /// Entries run, and their types then.
    ran: [(usize, i32); 8],
    ran_count: usize,
    type_offset: usize,
}

static BENCH: Single<Bench> = Single::new(Bench {
    now: NOW,
    zombie: None,
    blocked: 0,
    base: [0; 2],
    base_types: [-1; 2],
    ran: [(0, -1); 8],
    ran_count: 0,
    type_offset: 0,
});

/// The clock.
pub fn clock() -> u64 {
    BENCH.get().now
}

/// The timerfd is armed: nothing comes of it by itself.
pub fn arm_timer(_: Option<Span>) {}

/// The first time both descriptors are ready, two seconds later; the second time it is over.
pub fn block() -> [Option<Descriptor>; 2] {
    let mut bench = BENCH.get();
    bench.blocked += 1;
    bench.now += 2 * SECOND;
    BENCH.set(bench);
    if bench.blocked > 1 {
        escape(Left::Ended);
    }
    [Some(Descriptor::Timer), Some(Descriptor::Signals)]
}

/// The timerfd has expired. The base entries are looked at: one of them waits on READY.
pub fn read_timer() -> bool {
    let mut bench = BENCH.get();
    for (entry, seen) in bench.base.into_iter().zip(&mut bench.base_types) {
        if entry != 0 {
            // SAFETY: a base entry, that the program has not given back.
            *seen = unsafe { field(entry + bench.type_offset) };
        }
    }
    BENCH.set(bench);
    true
}

/// The one zombie, if there is one.
pub fn reap() -> Option<(Pid, ExitStatus)> {
    let mut bench = BENCH.get();
    let zombie = bench.zombie.take();
    BENCH.set(bench);
    zombie.map(|pid| (pid, STATUS))
}

extern "C" fn probe(entry: usize) -> i32 {
    let mut bench = BENCH.get();
    if bench.ran_count < bench.ran.len() {
        // SAFETY: the program hands over its entry.
        let kind = unsafe { field(entry + bench.type_offset) };
        bench.ran[bench.ran_count] = (entry, kind);
        bench.ran_count += 1;
    }
    BENCH.set(bench);
    0
}

static RESULT: Single<Option<Fits<Facts>>> = Single::new(None);

extern "C" fn calibrate_sheltered() {
    let result = find_layout().and_then(watch_one_wake);
    // SAFETY: one thread; nobody refers to the result yet.
    unsafe { *RESULT.as_ptr() = Some(result) };
}

/// Calibrates. The layout is in force afterwards.
///
/// # Errors
/// What does not fit, for a person.
pub fn calibrate() -> Fits<Facts> {
    set_mode(Mode::Calibrate);
    guard::start_clock();
    let left = shelter(calibrate_sheltered);
    guard::stop_clock();
    match left {
        // SAFETY: one thread; the sheltered call is over.
        Left::Returned => unsafe { (*RESULT.as_ptr()).take() }.unwrap_or_else(|| Err(String::from("no result"))),
        Left::Crashed => Err(format!("its functions crash when they are called as this release has them (at {:#x})", guard::fault().frames[0])),
        Left::Hung => Err(format!("its functions do not return when they are called as this release has them (at {:#x})", guard::fault().frames[0])),
        Left::Ended => Err(String::from("its loop blocked again where it was to return")),
        Left::Fatal => Err(fatal::noted()),
    }
}

fn refuse<T>(what: &str) -> Fits<T> {
    Err(format!("{what} could not be found in memory: this build lays out its data in a way that is not known"))
}

fn check(holds: bool, what: &str) -> Fits<()> {
    if holds { Ok(()) } else { refuse(what) }
}

/// The places, in steps of `T`'s size, of a block of `bytes` bytes at which `is` says yes.
fn places<T: Copy>(at: usize, bytes: usize, is: impl Fn(T) -> bool) -> impl Iterator<Item = usize> {
    (0..bytes).step_by(size_of::<T>()).filter(move |offset| {
        // SAFETY: inside a block of the heap.
        offset + size_of::<T>() <= bytes && is(unsafe { field(at + offset) })
    })
}

/// The one place; more than one or none does not fit.
fn the_place<T: Copy>(at: usize, bytes: usize, what: &str, is: impl Fn(T) -> bool) -> Fits<usize> {
    let mut found = places(at, bytes, is);
    match (found.next(), found.next()) {
        (Some(place), None) => Ok(place),
        _ => refuse(what),
    }
}

/// A block of the program's that is looked into.
#[derive(Clone, Copy)]
struct Piece {
    at: usize,
    bytes: usize,
}

impl Piece {
    /// The places in this block that point into `other`, and where there.
    fn links(self, other: Self) -> impl Iterator<Item = (usize, usize)> {
        let range = other.at..other.at + other.bytes;
        places::<usize>(self.at, self.bytes, move |word| range.contains(&word))
            .map(move |place| (place, self.word(place) - other.at))
    }

    /// Two neighbouring words that both point at the same place of `other`: which, and at which place.
    fn pair(self, other: Self, what: &str) -> Fits<(usize, usize)> {
        let mut links = self.links(other);
        match (links.next(), links.next(), links.next()) {
            (Some((first, place)), Some((second, same)), None) if second == first + 8 && place == same => {
                Ok((first, place))
            }
            _ => refuse(what),
        }
    }

    fn word(self, offset: usize) -> usize {
        // SAFETY: inside a block of the heap.
        unsafe { field(self.at + offset) }
    }

    fn number(self, offset: usize) -> i32 {
        // SAFETY: inside a block of the heap.
        unsafe { field(self.at + offset) }
    }

    fn kind(self, layout: &Layout) -> i32 {
        self.number(layout.kind)
    }
}

/// What is being found out, and the pieces in which it is looked for.
struct Search {
    layout: Layout,
    master: Piece,
    child: Piece,
}

fn find_layout() -> Fits<(Layout, usize)> {
    heap::set_entry_size(0);
    heap::reset(HeapPolicy::LastFreedFirst);
    kernel::reset();
    // SAFETY: as the program's main would begin.
    let at = unsafe { program::thread_make_master() };
    check(heap::holds(at), "the master")?;
    let bytes = NonNull::new(at as *mut u8).map_or(0, heap::size_of);
    let master = Piece { at, bytes };
    // SAFETY: as the program's main goes on.
    unsafe { program::set_master(at) };
    let mut search = Search { layout: Layout::NONE, master, child: Piece { at: 0, bytes: 0 } };
    search.child_alone()?;
    search.queues()?;
    search.descriptors()?;
    search.tree_links()?;
    search.other_types()?;
    search.killers()?;
    search.never()?;
    search.exit()?;
    Ok((search.layout, search.child.bytes))
}

impl Search {
    fn name_kind(&mut self, number: i32, kind: EntryKind) -> Fits<()> {
        match usize::try_from(number).ok().and_then(|n| self.layout.kinds.get_mut(n)) {
            Some(slot) => {
                *slot = kind;
                Ok(())
            }
            None => Err(format!("type {number} of an entry is not among the first {KINDS_MAX}")),
        }
    }

    /// An entry that the program just made.
    fn entry(&self, at: usize) -> Fits<Piece> {
        check(heap::holds(at), "a new entry")?;
        Ok(Piece { at, bytes: self.child.bytes })
    }

    fn timer(&self, seconds: u64) -> Fits<Piece> {
        // SAFETY: a call as the program makes it, on its own master.
        self.entry(unsafe { program::thread_add_timer(self.master.at, probe, 0, seconds * SECOND) })
    }

    fn event(&self) -> Fits<Piece> {
        // SAFETY: a call as the program makes it, on its own master.
        self.entry(unsafe { program::thread_add_event(self.master.at, probe, 0, 0) })
    }

    fn child_of(&self, pid: i32, micros: u64) -> Fits<Piece> {
        // SAFETY: a call as the program makes it, on its own master.
        self.entry(unsafe { program::thread_add_child(self.master.at, probe, ARGUMENT, pid, micros) })
    }

    /// A child alone: its fields, CHILD and CHILD_PID.
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
        let seconds = REAL_START_SECONDS + (NOW / SECOND) as i64 + 5;
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

    /// Where in the master an entry stands that is alone in its tree or list.
    fn alone(&self, entry: Piece, what: &str) -> Fits<usize> {
        let (place, node) = self.master.pair(entry, what)?;
        check(node == self.layout.node, what)?;
        Ok(place)
    }

    /// TIMER, EVENT, UNUSE, and the types of what is in them.
    fn queues(&mut self) -> Fits<()> {
        let timer = self.timer(5)?;
        self.layout.roots[Tree::Timer as usize] = self.alone(timer, "TIMER")?;
        let event = self.event()?;
        self.layout.lists[List::Event as usize] = self.alone(event, "EVENT")?;
        let second = self.event()?;
        let node = self.layout.node;
        let chained =
            event.word(node + NEXT) == second.at + node && second.word(node + PREVIOUS) == event.at + node;
        check(chained, "the links of a list")?;
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

    /// Where small numbers tell child, timer and event apart, and two timers not.
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

    /// READ, which holds the base entries, and WRITE, which is empty.
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
        // The base entries never time out: the new one is the leftmost, wherever the root is.
        let mut links = self.master.links(read);
        let (Some((leftmost, node)), None) = (links.next(), links.next()) else { return refuse("READ") };
        check(node == layout.node && leftmost >= LEFTMOST, "READ")?;
        self.layout.roots[Tree::Read as usize] = leftmost - LEFTMOST;
        self.layout.roots[Tree::Write as usize] = self.alone(write, "WRITE")?;
        self.name_kind(read.kind(&layout), EntryKind::Read)?;
        self.name_kind(write.kind(&layout), EntryKind::Write)
    }

    /// Which link of a node leads to lower keys, and which to higher ones.
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

    /// The types of what a shutdown adds.
    fn other_types(&mut self) -> Fits<()> {
        let master = self.master.at;
        if program::has_shutdown_timer() {
            // SAFETY: a call as the program makes it, on its own master.
            let timer = unsafe { program::thread_add_timer_shutdown(master, probe, 0, 5 * SECOND) };
            self.name_kind(self.entry(timer)?.kind(&self.layout), EntryKind::Timer)?;
        }
        // SAFETY: calls as the program makes them, on its own master; no loop runs on it afterwards.
        let events = unsafe {
            [program::thread_add_start_terminate_event(master, probe), program::thread_add_terminate_event(master)]
        };
        for event in events {
            let last = if heap::holds(event) { event } else { heap::last().0 };
            self.name_kind(self.entry(last)?.kind(&self.layout), EntryKind::Event)?;
        }
        Ok(())
    }

    /// What a reload and a shutdown make of a child's handler.
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

    /// A deadline that never comes.
    fn never(&mut self) -> Fits<()> {
        let child = self.child_of(CHILD + 2, NEVER)?;
        self.layout.never = child.word(self.layout.deadline) as i64;
        // The machine's lowest or highest number, or a time that no clock shows.
        check(self.layout.never.unsigned_abs() > 1 << 40, "a deadline that never comes")
    }

    /// A child exits: READY, the type and the status.
    fn exit(&mut self) -> Fits<()> {
        const SIGCHLD: i32 = 17;
        let mut bench = BENCH.get();
        bench.zombie = Pid::new(CHILD + 1);
        BENCH.set(bench);
        let before = self.layout;
        // SAFETY: the program's own handler, as its signal handler calls it.
        unsafe { program::thread_child_handler(0, SIGCHLD) };
        let list = self.heads_after_exit()?;
        self.layout.lists[List::Ready as usize] = list;
        let entry = Piece { at: self.master.word(list) - before.node, bytes: self.child.bytes };
        self.layout.status = the_place::<i32>(entry.at, entry.bytes, "a child's status", |word| word == STATUS.raw())?;
        check(entry.number(self.layout.pid) == CHILD + 1, "the entry of a child that exited")?;
        self.name_kind(entry.kind(&self.layout), EntryKind::ChildTerminated)
    }

    /// The list whose two links lead to one entry, and are neither EVENT's nor UNUSE's.
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

/// A second master: the base entries, one wake, and what becomes of entries that are due.
fn watch_one_wake((mut layout, bytes): (Layout, usize)) -> Fits<Facts> {
    if !heap::set_entry_size(bytes) {
        return Err(format!("an entry of {bytes} bytes is larger than any known ({} at most)", heap::STRIDE));
    }
    heap::reset(HeapPolicy::LastFreedFirst);
    kernel::reset();
    let mut search = Search { layout, master: Piece { at: 0, bytes: 0 }, child: Piece { at: 0, bytes } };
    // SAFETY: as the program's main would begin.
    search.master.at = unsafe { program::thread_make_master() };
    // SAFETY: as the program's main goes on.
    unsafe { program::set_master(search.master.at) };
    search.base_entries()?;
    search.child_of(CHILD, SECOND)?;
    search.timer(1)?;
    if program::has_shutdown_timer() {
        // SAFETY: a call as the program makes it, on its own master.
        unsafe { program::thread_add_timer_shutdown(search.master.at, probe, 0, SECOND) };
    }
    let mut bench = BENCH.get();
    bench.type_offset = search.layout.kind;
    bench.base = [0, 1].map(|n| heap::address(Block(n)));
    BENCH.set(bench);
    if shelter_again(search.master.at) != Left::Ended {
        return Err(String::from("its loop returned where it was to block"));
    }
    search.ready_types()?;
    layout = search.layout;
    LAYOUT.set(layout);
    // SAFETY: a variable of the program's, between its calls.
    let late_wake = unsafe { program::set_late_wake_default() };
    program::keep_variables();
    Ok(Facts {
        entry: bytes as u32,
        late_wake,
        clock: program::has_clock(),
        shutdown_timer: program::has_shutdown_timer(),
        reload_killer: layout.killers[0] != 0,
        shutdown_killer: layout.killers[1] != 0,
    })
}

static LOOPED: Single<usize> = Single::new(0);

extern "C" fn run_loop() {
    // SAFETY: the master that was made last, as the program's main would run it.
    unsafe { program::process_threads(LOOPED.get()) }
}

/// Runs the loop inside the calibration's own shelter.
fn shelter_again(master: usize) -> Left {
    LOOPED.set(master);
    shelter(run_loop)
}

impl Search {
    /// The base entries are the first two: the timerfd's, then the signalfd's.
    fn base_entries(&mut self) -> Fits<()> {
        check(heap::blocks() == 2, "the base entries")?;
        for (number, fd) in [kernel::TIMER_FD, kernel::SIGNAL_FD].into_iter().enumerate() {
            let entry = Piece { at: heap::address(Block(number as u32)), bytes: self.child.bytes };
            check(entry.number(self.layout.pid) == fd, "the base entries")?;
            check(entry.word(self.layout.deadline) as i64 == self.layout.never, "a deadline that never comes")?;
            self.layout.base_handlers[number] = entry.word(self.layout.handler);
        }
        Ok(())
    }

    /// The types that entries had when they ran.
    fn ready_types(&mut self) -> Fits<()> {
        let bench = BENCH.get();
        let child = heap::address(Block(2));
        for (entry, kind) in bench.ran.into_iter().take(bench.ran_count) {
            let kind_of = if entry == child { EntryKind::ChildTimeout } else { EntryKind::Ready };
            // A timer of a shutdown keeps its type when it is due.
            if self.layout.kind_of(kind) == EntryKind::Other {
                self.name_kind(kind, kind_of)?;
            }
        }
        let expected = 2 + usize::from(program::has_shutdown_timer());
        check(bench.ran_count == expected, "what runs when it is due")?;
        for number in bench.base_types {
            if self.layout.kind_of(number) == EntryKind::Other {
                self.name_kind(number, EntryKind::Ready)?;
            }
        }
        Ok(())
    }
}
