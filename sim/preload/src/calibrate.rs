//! Finds out how the program lays out its master and its entries, by calling its functions with values that
//! are looked for afterwards.
//!
//! Always: nothing is assumed of an offset that is not checked; what does not fit is refused with its name, so
//! that a build that differs is never driven by guesses. The kernel's answers here are the few that the calls
//! below need: a clock that stands, one child that exits, one wake with both descriptors ready.

use alloc::format;
use alloc::string::String;

use treefall_model::event::EntryKind;
use treefall_model::id::Pid;
use treefall_model::index::Block;
use treefall_model::signal::ExitStatus;
use treefall_model::time::Span;
use treefall_model::trace::HeapPolicy;
use treefall_world::Descriptor;
use treefall_world::wire::Facts;

use crate::hooks::kernel;
use crate::layout::{LAYOUT, Layout, field};
use crate::search::{Fits, Piece, Search, check, find_layout};
use crate::shelter::{Left, escape, shelter};
use crate::single::{Mode, Single, set_mode};
use crate::{fatal, guard, heap, program, stopped};

/// What the clock shows, in microseconds: neither of its two parts is a number found elsewhere.
pub const NOW: u64 = 7_000_123;
/// The pid of a child.
pub const CHILD: i32 = 0x7a_7a7a;
/// How a child exits.
pub const STATUS: ExitStatus = ExitStatus::Code(0x5a);
/// In microseconds.
pub const SECOND: u64 = 1_000_000;
/// As the program's users of timers that never fire have it.
pub const NEVER: u64 = u64::MAX;

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

/// This child exits.
pub fn set_zombie(pid: i32) {
    let mut bench = BENCH.get();
    bench.zombie = Pid::new(pid);
    BENCH.set(bench);
}

/// The handler of all entries here: writes down that it was called.
pub extern "C" fn probe(entry: usize) -> i32 {
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
    guard::blocked();
    stopped::forget();
    guard::start_clock();
    let left = shelter(calibrate_sheltered);
    guard::stop_clock();
    match left {
        Left::Returned => {
            // SAFETY: one thread; the sheltered call is over.
            let result = unsafe { (*RESULT.as_ptr()).take() };
            result.unwrap_or_else(|| Err(String::from("no result")))
        }
        Left::Crashed => {
            Err(String::from("its functions crash when they are called as this release has them"))
        }
        Left::Hung => {
            Err(String::from("its functions do not return when they are called as this release has them"))
        }
        Left::Ended => Err(String::from("its loop blocked again where it was to return")),
        Left::Fatal => Err(fatal::noted()),
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
            check(
                entry.word(self.layout.deadline) as i64 == self.layout.never,
                "a deadline that never comes",
            )?;
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
