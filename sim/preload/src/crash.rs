//! Crashes of the program: the handler of fatal signals, and reports of a sanitizer.
//!
//! Invariants: a crash counts as the program's only when the harness's own code was not at work; otherwise it is an error
//! of the harness. After a crash nothing of the program runs again in this process.

use crate::escape::{Left, escape, is_sheltered};
use crate::fatal::fatal;
use crate::progress::{in_harness, set_in_harness};
use crate::registers::{Interrupted, Registers};
use crate::single::Single;
use crate::{program, stopped, sys};

/// SIGABRT.
pub(crate) const ABORT: i32 = 6;

/// The signal of the last crash.
static SIGNAL: Single<u8> = Single::new(0);

/// Returns the signal of the last crash.
pub fn signal() -> u8 {
    SIGNAL.get()
}

/// Handles ILL, ABRT, BUS, FPE, SEGV, and a TRAP that is the program's own.
pub(crate) unsafe extern "C" fn crashed(signal: i32, _: *const u8, context: *const u8) {
    // SAFETY: the kernel's own record.
    let registers = unsafe { Interrupted::new(context) }.registers();
    if in_harness() {
        set_in_harness(false);
        fatal(format_args!(
            "the engine's own code got signal {signal} at library offset {:#x}",
            program::library_offset(registers.instruction)
        ));
    }
    if !is_sheltered() {
        sys::exit(sys::EXIT_UNSHELTERED);
    }
    SIGNAL.set(signal as u8);
    stopped::keep(registers);
    escape(Left::Crashed)
}

/// Called by a sanitizer that found an error in the program: ends the run as if the program had called `abort`.
pub(crate) unsafe extern "C" fn sanitizer_reported() {
    if is_sheltered() {
        SIGNAL.set(ABORT as u8);
        stopped::keep(Registers::here());
        escape(Left::Crashed)
    }
}
