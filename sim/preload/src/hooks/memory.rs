//! Hooks of malloc, calloc, realloc and free.
//!
//! Invariant: a block of libc's is freed by libc, whenever that happens.

use core::ptr::{NonNull, null_mut};

use crate::ledger::{self, number};
use crate::single::{Mode, mode};
use crate::{heap, progress};

/// Whether memory is libc's: before the program, or a trace of the daemon, is taken over.
fn is_native() -> bool {
    matches!(mode(), Mode::Off | Mode::Parent)
}

/// Allocates a block of our heap. It counts as progress, so that an endless loop of requests ends at the heap's or the
/// calls' bound and never at a tick of the clock, whichever comes first.
fn allocate(bytes: usize) -> *mut u8 {
    progress::made();
    heap::allocate(bytes, 16)
}

unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut u8;
    fn __libc_calloc(count: usize, size: usize) -> *mut u8;
    fn __libc_realloc(block: *mut u8, size: usize) -> *mut u8;
    fn __libc_free(block: *mut u8);
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn malloc(size: usize) -> *mut u8 {
    if is_native() {
        // SAFETY: the caller's own arguments.
        return unsafe { __libc_malloc(size) };
    }
    ledger::count(number!("malloc"));
    allocate(size)
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut u8 {
    if is_native() {
        // SAFETY: the caller's own arguments.
        return unsafe { __libc_calloc(count, size) };
    }
    ledger::count(number!("calloc"));
    count.checked_mul(size).map_or(null_mut(), allocate)
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn free(block: *mut u8) {
    if let Some(ours) = NonNull::new(block)
        && !is_native()
        && heap::holds(block as usize)
    {
        ledger::count(number!("free"));
        heap::release(ours);
        return;
    }
    // SAFETY: the caller's own argument, which is not ours.
    unsafe { __libc_free(block) }
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn realloc(block: *mut u8, size: usize) -> *mut u8 {
    let Some(ours) = NonNull::new(block).filter(|_| !is_native() && heap::holds(block as usize)) else {
        if block.is_null() && !is_native() {
            ledger::count(number!("realloc"));
            return allocate(size);
        }
        // SAFETY: the caller's own arguments, not ours.
        return unsafe { __libc_realloc(block, size) };
    };
    ledger::count(number!("realloc"));
    let kept = heap::bytes_of(ours).min(size);
    let larger = allocate(size);
    // SAFETY: two blocks that do not overlap, each at least this long.
    unsafe { core::ptr::copy_nonoverlapping(block, larger, kept) };
    heap::release(ours);
    larger
}
