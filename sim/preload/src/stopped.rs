//! Places where the program was: where it stopped, and where it got and freed the entry that is followed. Each has
//! registers, and the stack up to [`stack_end`](crate::escape::stack_end).
//!
//! Invariant: nothing is allocated and the copy is bounded, so a signal handler may keep a place. The parent, which has
//! the files, finds the functions.

use core::arch::asm;

use treefall_world::wire::{STACK_MAX, Stopped};

use crate::registers::Registers;
use crate::single::Single;
use crate::{escape, sys};

/// What the program did at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// It crashed, hung, or did what the harness refuses.
    Stopped = 0,
    /// It was given the entry that is followed.
    HandedOut = 1,
    /// It freed that entry.
    Freed = 2,
}

struct Kept {
    registers: Option<Registers>,
    length: usize,
    stack: [u8; STACK_MAX],
}

const NONE: Kept = Kept { registers: None, length: 0, stack: [0; STACK_MAX] };

static KEPT: Single<[Kept; 3]> = Single::new([NONE; 3]);

/// Forgets all places: a run begins.
pub fn forget() {
    // SAFETY: one thread; no reference into what is kept outlives a function here.
    unsafe { (*KEPT.as_ptr()).iter_mut().for_each(|kept| kept.registers = None) };
}

/// Keeps this place, unless one of its kind is kept.
pub fn keep(place: Place, registers: Registers) {
    // SAFETY: as above.
    let kept = unsafe { &mut (*KEPT.as_ptr())[place as usize] };
    if kept.registers.is_some() {
        return;
    }
    kept.registers = Some(registers);
    // A stack pointer elsewhere, as a broken program may have, gives no callers.
    let bytes = escape::stack_end().saturating_sub(registers.stack).min(STACK_MAX);
    kept.length = 0;
    while kept.length < bytes {
        let address = registers.stack + kept.length;
        let piece = (4_096 - address % 4_096).min(bytes - kept.length);
        if !sys::is_mapped(address) {
            break;
        }
        // No function of libc's: a sanitizer stands before those, and has marked this stack.
        // SAFETY: inside one page, which is mapped; the copy has room for `bytes` bytes.
        unsafe {
            let to = kept.stack.as_mut_ptr().add(kept.length);
            asm!("rep movsb", inout("rcx") piece => _, inout("rsi") address => _, inout("rdi") to => _,
                 options(nostack, preserves_flags));
        }
        kept.length += piece;
    }
}

/// Returns the place of this kind that is kept.
pub fn kept(place: Place) -> Option<Stopped> {
    // SAFETY: as above.
    let kept = unsafe { &(*KEPT.as_ptr())[place as usize] };
    kept.registers.map(|registers| Stopped {
        instruction: registers.instruction as u64,
        stack: registers.stack as u64,
        base: registers.base as u64,
        bytes: kept.stack[..kept.length].to_vec(),
    })
}
