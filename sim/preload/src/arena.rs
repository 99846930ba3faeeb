//! The library's own memory: one large mapping, never the program's heap.
//!
//! Always: blocks are handed out in an order that depends on nothing but the requests; all that was handed out
//! since a [`mark`] is dropped at once by [`reset`], so that each trace begins with the same memory.

#[cfg(panic = "abort")]
use core::alloc::{GlobalAlloc, Layout};

use crate::single::Single;
use crate::sys;

/// Most of it: far more than any trace that can be named needs. Taken from the machine only when touched.
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

/// The size that a request is served with, and its class.
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

/// What was handed out up to here stays.
#[derive(Clone, Copy)]
pub struct Mark(usize);

/// The present end of what was handed out.
pub fn mark() -> Mark {
    // SAFETY: one thread; no reference into the arena's state outlives this block.
    unsafe {
        let arena = &mut *ARENA.as_ptr();
        arena.open();
        Mark(arena.at)
    }
}

/// Drops all that was handed out since `mark`.
///
/// # Safety
/// Nothing handed out since may be used again, nor dropped.
pub unsafe fn reset(mark: Mark) {
    /// Keep so much of what was used: touched pages are dear to get anew.
    const KEEP: usize = 64 << 20;
    // SAFETY: one thread; the caller answers for what lay above the mark.
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
