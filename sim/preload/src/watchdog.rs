//! Hangs of the program, found by CPU time.
//!
//! Invariants: a hang is CPU time of the program's own code without progress between ticks, never time on the wall clock. It
//! can also be proved sooner ([`single_step`]); that is tried often once a memory law is broken, because
//! most hangs come after one. After a hang nothing of the program runs again in this process.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::escape::{Left, escape, is_sheltered};
use crate::fatal::fatal;
use crate::progress::{done, in_harness, set_in_harness};
use crate::registers::Interrupted;
use crate::single::{Mode, mode};
use crate::stopped::Place;
use crate::{asleep, heap, program, progress, single_step, stopped, sys};

/// CPU time between ticks, in milliseconds. An operation of the scheduler takes microseconds, and hunts that meet many
/// hangs spend most of their time here.
const TICK_MILLIS: u64 = 10;
/// The same for a daemon, which reads files and loads libraries between its calls.
const DAEMON_TICK_MILLIS: u64 = 40;
static LAST_PROGRESS: AtomicU64 = AtomicU64::new(0);
/// Ticks in a row that found the harness's own code at work without progress.
static OWN_TICKS: AtomicU64 = AtomicU64::new(0);
/// Ticks in a row that found the program's own code at work without progress.
static IDLE_TICKS: AtomicU64 = AtomicU64::new(0);
/// Most ticks that one attempt to prove a hang takes.
const TRIAL_TICKS: u64 = 3;
/// Ticks after which it is a hang wherever the program is, even if seldom in its own functions.
const IDLE_TICKS_MAX: u64 = 8;
/// Ticks after which the harness is at fault: ten seconds and more.
const OWN_TICKS_MAX: u64 = 1_000;

/// Counts progress and memory from here: the loop blocks, or a run begins.
#[inline]
pub fn blocked() {
    heap::blocked();
    progress::restart();
}

/// Starts to watch CPU time, and calls that never return; a forked process begins unwatched.
pub fn start_clock() {
    WATCHED.store(true, Ordering::Relaxed);
    let is_daemon = matches!(mode(), Mode::Daemon | Mode::Script);
    sys::tick_cpu(if is_daemon { DAEMON_TICK_MILLIS } else { TICK_MILLIS });
    asleep::start();
}

/// Stops the watch.
pub fn stop_clock() {
    WATCHED.store(false, Ordering::Relaxed);
    sys::tick_cpu(0);
    sys::tick_wall(0);
}

/// Whether hangs are looked for; not under a debugger.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// Looks for hangs often from now on: a memory law is violated.
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
    // An attempt to prove a hang takes CPU time that is not the program's.
    let enough = if single_step::was_tried(now) { 1 + TRIAL_TICKS } else { 1 };
    if idle > enough + IDLE_TICKS_MAX {
        stopped::keep(Place::Stopped, interrupted.registers());
        escape(Left::Hung);
    }
    if idle >= enough {
        single_step::begin(&interrupted, now, false);
    }
}
