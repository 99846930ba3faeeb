//! What the program has done, counted, and whether the harness's own code is at work.
//!
//! Progress is a call to the kernel, a line for the log, a request for memory, or a handler. A program that makes more of
//! it than any trace needs, without its loop blocking once, hangs.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::escape::{Left, escape, is_sheltered};
use crate::registers::Registers;
use crate::stopped::{self, Place};

/// The harness's own code is at work.
static IN_HARNESS: AtomicBool = AtomicBool::new(false);
static PROGRESS: AtomicU64 = AtomicU64::new(0);
/// The progress when the loop last blocked.
static BLOCKED_AT: AtomicU64 = AtomicU64::new(0);
/// Most progress from one blocking of the loop to the next: a thousand scripts that do all that they can in one wake make
/// some ten thousand.
const PROGRESS_MAX: u64 = 1 << 20;

/// Whether the harness's own code is at work: a crash there is an error of the harness.
pub fn in_harness() -> bool {
    IN_HARNESS.load(Ordering::Relaxed)
}

/// Sets whether the harness's own code is at work.
#[inline]
pub fn set_in_harness(on: bool) {
    IN_HARNESS.store(on, Ordering::Relaxed);
}

/// Counts one more thing that the program did. Does not return when there are more than any trace needs.
#[inline]
pub fn made() {
    let done = PROGRESS.load(Ordering::Relaxed).wrapping_add(1);
    PROGRESS.store(done, Ordering::Relaxed);
    if done.wrapping_sub(BLOCKED_AT.load(Ordering::Relaxed)) > PROGRESS_MAX {
        endless();
    }
}

/// Returns how much the program has done since the process began.
pub fn done() -> u64 {
    PROGRESS.load(Ordering::Relaxed)
}

/// Counts from here: the loop blocks, or a run begins.
pub fn restart() {
    BLOCKED_AT.store(PROGRESS.load(Ordering::Relaxed), Ordering::Relaxed);
}

/// Leaves the program as hung: it asks for more than any trace needs. Returns only when there is nothing to escape to.
#[cold]
pub fn endless() {
    restart();
    if is_sheltered() {
        stopped::keep(Place::Stopped, Registers::here());
        escape(Left::Hung);
    }
}
