//! Finds the layout of the program's master and entries: calls its functions with known values and searches memory for
//! them.
//!
//! Invariant: every offset is checked. A build that does not fit is refused by name, never driven by guesses.
//! [`probe`](mod@crate::probe) has the kernel's answers.

use alloc::format;
use alloc::string::String;

use treefall_model::event::EntryKind;
use treefall_model::index::Block;
use treefall_model::trace::HeapPolicy;
use treefall_world::wire::{Facts, Refusal};

use crate::descriptors::{self, SIGNAL_FD, TIMER_FD};
use crate::escape::{Left, shelter};
use crate::layout::{LAYOUT, Layout};
use crate::probe::{self, CHILD, SECOND, probe};
use crate::search::{Fits, LayoutSearch, Piece, check, find_layout};
use crate::single::{Mode, Single, set_mode};
use crate::{fatal, heap, program, search, stopped, watchdog};

static RESULT: Single<Option<Fits<Facts>>> = Single::new(None);

/// Why a program does not fit.
pub struct Misfit {
    /// For a person.
    pub why: String,
    /// Whether its data lay where they were looked for, and its functions did something else than they should.
    pub misbehaves: bool,
}

impl Misfit {
    /// Its data were not found.
    pub fn layout(why: &str) -> Self {
        Self { why: String::from(why), misbehaves: false }
    }

    /// Returns the refusal to be sent.
    pub fn refusal(self) -> Refusal {
        let Self { why, misbehaves } = self;
        Refusal { why, misbehaves, stopped: None }
    }
}

extern "C" fn calibrate_sheltered() {
    let result = find_layout().and_then(watch_one_wake);
    // SAFETY: one thread; nothing refers to the result yet.
    unsafe { *RESULT.as_ptr() = Some(result) };
}

/// Finds the layout and puts it in force.
///
/// # Errors
/// What does not fit, for a person.
pub fn calibrate() -> Result<Facts, Misfit> {
    set_mode(Mode::Calibrate);
    watchdog::blocked();
    stopped::forget();
    watchdog::start_clock();
    let left = shelter(calibrate_sheltered);
    watchdog::stop_clock();
    let result = match left {
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
        Left::Fatal | Left::Strayed => Err(fatal::noted()),
    };
    result.map_err(|why| Misfit { why, misbehaves: search::is_known() })
}

/// Checks a second master: its base entries, one wake, and entries that are due.
fn watch_one_wake((mut layout, bytes): (Layout, usize)) -> Fits<Facts> {
    if !heap::set_entry_size(bytes) {
        search::forget();
        return Err(format!("an entry of {bytes} bytes is larger than any known ({} at most)", heap::STRIDE));
    }
    heap::reset(HeapPolicy::LastFreedFirst);
    descriptors::reset();
    let mut search =
        LayoutSearch { layout, master: Piece { at: 0, bytes: 0 }, child: Piece { at: 0, bytes } };
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
    probe::watch([0, 1].map(|n| heap::address(Block(n))), search.layout.kind);
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

impl LayoutSearch {
    /// Checks that the base entries are the first two: the timerfd's, then the signalfd's.
    fn base_entries(&mut self) -> Fits<()> {
        check(heap::blocks() == 2, "the base entries")?;
        for (number, fd) in [TIMER_FD, SIGNAL_FD].into_iter().enumerate() {
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

    /// Learns the types that entries had when they ran.
    fn ready_types(&mut self) -> Fits<()> {
        let seen = probe::seen();
        let child = heap::address(Block(2));
        for (entry, kind) in seen.ran.iter().copied() {
            let kind_of = if entry == child { EntryKind::ChildTimeout } else { EntryKind::Ready };
            // A timer of a shutdown keeps its type when it is due.
            if self.layout.kind_of(kind) == EntryKind::Other {
                self.name_kind(kind, kind_of)?;
            }
        }
        let expected = 2 + usize::from(program::has_shutdown_timer());
        check(seen.ran.len() == expected, "what runs when it is due")?;
        for number in seen.base_types {
            if self.layout.kind_of(number) == EntryKind::Other {
                self.name_kind(number, EntryKind::Ready)?;
            }
        }
        Ok(())
    }
}
