//! The library's own memory: one large mapping, never the program's heap.
//!
//! Invariants: the order of blocks depends only on the requests. [`reset`] drops at once everything handed out since a
//! [`mark`], so each trace begins with the same memory.

#[cfg(panic = "abort")]
use core::alloc::{GlobalAlloc, Layout};

use crate::single::Single;
use crate::sys;

/// Size of the mapping, far more than any trace needs; pages are taken from the machine when touched.
const BYTES: usize = 8 << 30;
/// Freed blocks are kept by size: steps of 16 bytes up to this, powers of two above.
const SMALL: usize = 1_024;
const SMALL_CLASSES: usize = SMALL / 16;
const CLASSES: usize = SMALL_CLASSES + 64;

#[derive(Clone, Copy)]
struct Arena {
    at: usize,
    end: usize,
    free: [usize; CLASSES],
}

static ARENA: Single<Arena> = Single::new(Arena { at: 0, end: 0, free: [0; CLASSES] });

/// Returns the size that serves a request, and its class.
fn class(size: usize) -> (usize, usize) {
    if size <= SMALL {
        let size = size.max(1).next_multiple_of(16);
        (size, size / 16 - 1)
    } else {
        let size = size.next_power_of_two();
        (size, SMALL_CLASSES + size.trailing_zeros() as usize)
    }
}

#[cfg_attr(not(panic = "abort"), expect(dead_code, reason = "only the preloaded build has an allocator"))]
impl Arena {
    fn open(&mut self) {
        if self.end == 0 {
            let Some(start) = sys::map(BYTES, false) else { sys::exit(sys::EXIT_NO_MEMORY) };
            self.at = start.as_ptr() as usize;
            self.end = self.at + BYTES;
        }
    }

    fn take(&mut self, size: usize, align: usize) -> usize {
        let (size, class) = class(size);
        if self.free[class] != 0 && self.free[class].is_multiple_of(align) {
            let block = self.free[class];
            // SAFETY: a freed block holds the address of the next one, written by `put`.
            self.free[class] = unsafe { *(block as *const usize) };
            return block;
        }
        self.open();
        let block = self.at.next_multiple_of(align.max(16));
        if size > self.end - block {
            sys::exit(sys::EXIT_NO_MEMORY);
        }
        self.at = block + size;
        block
    }

    fn put(&mut self, block: usize, size: usize) {
        let (_, class) = class(size);
        // SAFETY: the block is ours, freed, and at least 16 bytes long.
        unsafe { *(block as *mut usize) = self.free[class] };
        self.free[class] = block;
    }
}

/// The library's allocator.
pub struct Own;

#[cfg(panic = "abort")]
// SAFETY: blocks come from one mapping, do not overlap, are as large and as aligned as asked for, and one
// thread asks.
unsafe impl GlobalAlloc for Own {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread; no reference into the arena's state outlives this line.
        unsafe { (*ARENA.as_ptr()).take(layout.size(), layout.align()) as *mut u8 }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above; the caller gives back what it was given.
        unsafe { (*ARENA.as_ptr()).put(block as usize, layout.size()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if class(layout.size()).0 == class(size).0 {
            return block;
        }
        // SAFETY: a new block, as above, at least as large as the old one; the two do not overlap.
        unsafe {
            let larger = (*ARENA.as_ptr()).take(size, layout.align());
            core::ptr::copy_nonoverlapping(block, larger as *mut u8, layout.size());
            (*ARENA.as_ptr()).put(block as usize, layout.size());
            larger as *mut u8
        }
    }
}

/// A point in the arena: what was handed out before it stays.
#[derive(Clone, Copy)]
pub struct Mark(usize);

/// Returns the current end of what was handed out.
pub fn mark() -> Mark {
    // SAFETY: one thread; no reference into the arena's state outlives this block.
    unsafe {
        let arena = &mut *ARENA.as_ptr();
        arena.open();
        Mark(arena.at)
    }
}

/// Drops everything handed out since `mark`.
///
/// # Safety
/// Nothing handed out since may be used or dropped.
pub unsafe fn reset(mark: Mark) {
    /// Bytes that stay mapped: touched pages are expensive to get again.
    const KEEP: usize = 64 << 20;
    // SAFETY: one thread; the caller guarantees what lay above the mark.
    unsafe {
        let arena = &mut *ARENA.as_ptr();
        let keep = (mark.0 + KEEP).next_multiple_of(4_096);
        if arena.at > keep {
            sys::discard(keep, arena.at.next_multiple_of(4_096) - keep);
        }
        arena.at = mark.0;
        arena.free = [0; CLASSES];
    }
}
