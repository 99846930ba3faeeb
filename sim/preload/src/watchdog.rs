//! Hangs of the program, found by CPU time.
//!
//! Invariants: a hang is CPU time of the program's own code without progress between ticks, never time on the wall clock. It
//! can also be proved sooner ([`single_step`](crate::single_step)); that is tried often once a memory law is broken, because
//! most hangs come after one. After a hang nothing of the program runs again in this process.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::escape::{Left, escape, is_sheltered};
use crate::fatal::fatal;
use crate::progress::{done, in_harness, set_in_harness};
use crate::registers::Interrupted;
use crate::single::{Mode, mode};
use crate::{asleep, heap, program, progress, single_step, stopped, sys};

/// CPU time from one tick to the next, in milliseconds. A scheduler's operation takes microseconds, and of hunts that
/// meet many hangs most of the time goes by here.
const TICK_MILLIS: u64 = 10;
/// The same for a daemon, which reads files and loads libraries between its calls.
const DAEMON_TICK_MILLIS: u64 = 40;
static LAST_PROGRESS: AtomicU64 = AtomicU64::new(0);
/// Ticks in a row that found the harness's own code at work on one and the same thing.
static OWN_TICKS: AtomicU64 = AtomicU64::new(0);
/// Ticks in a row that found the program's own code at work on one and the same thing.
static IDLE_TICKS: AtomicU64 = AtomicU64::new(0);
/// So many take the instructions of one attempt to prove a hang, at most.
const TRIAL_TICKS: u64 = 3;
/// After so many more it is a hang wherever it is found: one that is seldom in the program's own functions.
const IDLE_TICKS_MAX: u64 = 8;
/// So many are a fault of the harness: ten seconds and more.
const OWN_TICKS_MAX: u64 = 1_000;

/// Counts progress and memory from here: the loop blocks, or a run begins.
#[inline]
pub fn blocked() {
    heap::blocked();
    progress::restart();
}

/// Starts the watch over CPU time, and over calls that do not come back; a forked process begins without.
pub fn start_clock() {
    WATCHED.store(true, Ordering::Relaxed);
    let is_daemon = matches!(mode(), Mode::Daemon | Mode::Script);
    sys::tick_cpu(if is_daemon { DAEMON_TICK_MILLIS } else { TICK_MILLIS });
    asleep::start();
}

/// Stops it.
pub fn stop_clock() {
    WATCHED.store(false, Ordering::Relaxed);
    sys::tick_cpu(0);
    sys::tick_wall(0);
}

/// Hangs are looked for: nobody is there with a debugger.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// A memory law is broken: a hang is looked for at once, and often.
pub fn hurry() {
    if WATCHED.load(Ordering::Relaxed) {
        asleep::start_often();
    }
}

/// Handles SIGPROF: a tick of CPU time.
pub(crate) unsafe extern "C" fn ticked(_: i32, _: *const u8, context: *const u8) {
    let now = done();
    let before = LAST_PROGRESS.swap(now, Ordering::Relaxed);
    if now != before || !is_sheltered() {
        OWN_TICKS.store(0, Ordering::Relaxed);
        IDLE_TICKS.store(0, Ordering::Relaxed);
        return;
    }
    if single_step::is_followed() {
        return;
    }
    // SAFETY: the kernel's own record.
    let interrupted = unsafe { Interrupted::new(context) };
    let instruction = interrupted.registers().instruction;
    if in_harness() || program::in_library(instruction) {
        if OWN_TICKS.fetch_add(1, Ordering::Relaxed) > OWN_TICKS_MAX {
            set_in_harness(false);
            let at = program::library_offset(instruction);
            fatal(format_args!("the engine's own code does not come to an end, at library offset {at:#x}"));
        }
        return;
    }
    let idle = IDLE_TICKS.fetch_add(1, Ordering::Relaxed) + 1;
    // To try to prove a hang takes CPU time itself, which is not the program's.
    let enough = if single_step::was_tried(now) { 1 + TRIAL_TICKS } else { 1 };
    if idle > enough + IDLE_TICKS_MAX {
        stopped::keep(interrupted.registers());
        escape(Left::Hung);
    }
    if idle >= enough {
        single_step::begin(&interrupted, now, false);
    }
}
