//! The functions that the program calls for its entries, one for each handler of the script layer.
//!
//! Invariants: an entry's function alone identifies its handler. The functions lie at even distances, so that a
//! division finds handler and function from each other: the observer asks for every entry at every step.

use core::arch::global_asm;

use treefall_model::event::Handler;

use crate::program::EntryHandler;
use crate::single::Single;

/// Distance between functions in bytes.
const STEP: usize = 16;

global_asm!(
    ".hidden treefall_callbacks",
    ".globl treefall_callbacks",
    ".p2align 4",
    "treefall_callbacks:",
    ".set number, 0",
    ".rept {count}",
    // rdi already holds the entry.
    "mov esi, number",
    "jmp {called}",
    ".p2align 4",
    ".set number, number + 1",
    ".endr",
    count = const Handler::ALL.len(),
    called = sym called,
);

unsafe extern "C" {
    fn treefall_callbacks();
}

/// Returns the address of the first function.
#[inline]
fn row() -> usize {
    treefall_callbacks as *const () as usize
}

/// What runs when the program calls a handler for an entry.
pub type Dispatched = fn(Handler, usize);

static DISPATCHED: Single<Option<Dispatched>> = Single::new(None);

/// Sets what runs when the program calls a handler.
pub fn set_dispatched(dispatched: Dispatched) {
    DISPATCHED.set(Some(dispatched));
}

extern "C" fn called(entry: usize, number: u32) -> i32 {
    if let (Some(handler), Some(dispatched)) = (Handler::ALL.get(number as usize), DISPATCHED.get()) {
        dispatched(*handler, entry);
    }
    0
}

/// Returns the function of a handler.
#[inline]
pub fn function(handler: Handler) -> EntryHandler {
    // SAFETY: the row has a function of this signature for every handler.
    unsafe { core::mem::transmute::<usize, EntryHandler>(row() + handler as usize * STEP) }
}

/// Returns the handler of a function.
#[inline]
pub fn known(address: usize) -> Option<Handler> {
    let from_start = address.wrapping_sub(row());
    if !from_start.is_multiple_of(STEP) {
        return None;
    }
    Handler::ALL.get(from_start / STEP).copied()
}
