//! Crashes of the program: the handler of fatal signals, and reports of a sanitizer.
//!
//! Invariants: a crash counts as the program's only when the harness's own code was not at work; otherwise it is an error
//! of the harness. After a crash nothing of the program runs again in this process. A use of a freed entry of a guarded
//! heap is a crash at the instruction that used it.

use treefall_model::index::Block;

use crate::escape::{Left, escape, is_sheltered};
use crate::fatal::fatal;
use crate::progress::{in_harness, set_in_harness};
use crate::registers::{Interrupted, Registers};
use crate::single::{Mode, Single, mode};
use crate::stopped::{self, Place};
use crate::{heap, program, sys};

/// SIGABRT.
pub(crate) const ABORT: i32 = 6;

/// The signal of the last crash.
static SIGNAL: Single<u8> = Single::new(0);

/// SIGSEGV, and the place of the address in the kernel's record of it.
const SEGMENT: i32 = 11;
const ADDRESS_AT: usize = 16;

/// The freed entry whose use was the last crash.
static USED: Single<Option<Block>> = Single::new(None);

/// Returns the freed entry whose use was the last crash.
pub fn used_after_free() -> Option<Block> {
    USED.get()
}

/// Returns the signal of the last crash.
pub fn signal() -> u8 {
    SIGNAL.get()
}

/// Handles ILL, ABRT, BUS, FPE, SEGV, and a TRAP that is the program's own.
pub(crate) unsafe extern "C" fn crashed(signal: i32, info: *const u8, context: *const u8) {
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
    // SAFETY: the kernel's own record of a fault.
    let address = || unsafe { info.add(ADDRESS_AT).cast::<usize>().read_unaligned() };
    USED.set(if signal == SEGMENT { heap::guarded_at(address()) } else { None });
    if mode() == Mode::Script && USED.get().is_some() {
        // A child before its exec is not judged.
        return heap::lift();
    }
    SIGNAL.set(signal as u8);
    stopped::keep(Place::Stopped, registers);
    escape(Left::Crashed)
}

/// Called by a sanitizer that found an error in the program: ends the run as if the program had called `abort`.
pub(crate) unsafe extern "C" fn sanitizer_reported() {
    if is_sheltered() {
        SIGNAL.set(ABORT as u8);
        USED.set(None);
        stopped::keep(Place::Stopped, Registers::here());
        escape(Left::Crashed)
    }
}
