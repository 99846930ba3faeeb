//! Calls into the program that can be left from anywhere inside: at the end of a trace, on a crash, on a hang.
//!
//! Invariant: [`escape`] goes to the shelter entered last and drops the frames between without running them, so none of
//! them may own anything that must be released (the library's memory is reset as a whole). It is written in assembly,
//! because the compiler cannot express a function that returns twice.

use core::arch::global_asm;

use crate::single::Single;
use crate::{sanitizer, sys};

/// How a sheltered call came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Left {
    /// It returned.
    Returned = 0,
    /// The world ended the run.
    Ended = 1,
    /// The program crashed: see [`crash`](crate::crash).
    Crashed = 2,
    /// The program hung: see [`watchdog`](crate::watchdog).
    Hung = 3,
    /// The harness cannot continue: see [`fatal`](crate::fatal).
    Fatal = 4,
    /// The program did what it was not asked to: see [`stray`](crate::fatal::stray).
    Strayed = 5,
}

global_asm!(
    ".hidden treefall_shelter",
    ".hidden treefall_escape",
    ".hidden treefall_restorer",
    ".hidden treefall_apart",
    ".globl treefall_apart",
    ".globl treefall_shelter",
    ".globl treefall_escape",
    ".globl treefall_restorer",
    // treefall_shelter(function, saved): calls function(); returns 0, or the escape's value.
    "treefall_shelter:",
    "push rbp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "sub rsp, 8",
    "stmxcsr [rsp]",
    "fnstcw [rsp+4]",
    "mov [rsi], rsp",
    "call rdi",
    "xor eax, eax",
    "2:",
    "add rsp, 8",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    "ret",
    // treefall_escape(saved stack pointer, value)
    "treefall_escape:",
    "mov rsp, rdi",
    "mov rax, rsi",
    "ldmxcsr [rsp]",
    "fldcw [rsp+4]",
    "cld",
    "jmp 2b",
    // Target of an escape without a shelter's frame to return to.
    "treefall_apart:",
    // The frame stays as it is: another escape may come here again.
    "sub rsp, 64",
    "mov edi, eax",
    "call [rip + {apart}]",
    "ud2",
    // End of a signal handler: rt_sigreturn.
    "treefall_restorer:",
    "mov eax, 15",
    "syscall",
    apart = sym APART,
);

unsafe extern "C" {
    fn treefall_shelter(function: extern "C" fn(), saved: *mut usize) -> usize;
    fn treefall_escape(saved: usize, value: usize) -> !;
    fn treefall_restorer();
    fn treefall_apart();
}

/// Function that an escape reaches when the program was not called from here.
static APART: Single<usize> = Single::new(0);

/// Stack pointer of the shelter in force; 0: none.
static SAVED: Single<usize> = Single::new(0);

/// How many escapes there were.
static ESCAPES: Single<u32> = Single::new(0);

/// Returns how many escapes there were. What began before the last one is over.
pub fn escapes() -> u32 {
    ESCAPES.get()
}

/// Calls `function` so that code inside can [`escape`]. Shelters nest.
pub fn shelter(function: extern "C" fn()) -> Left {
    let outer = SAVED.get();
    // SAFETY: it saves what the calling convention asks for and calls a function of ours.
    let how = unsafe { treefall_shelter(function, SAVED.as_ptr()) };
    SAVED.set(outer);
    if how != 0 {
        sanitizer::frames_dropped();
    }
    how_left(how)
}

fn how_left(how: usize) -> Left {
    match how {
        0 => Left::Returned,
        1 => Left::Ended,
        2 => Left::Crashed,
        3 => Left::Hung,
        5 => Left::Strayed,
        _ => Left::Fatal,
    }
}

static THEN: Single<Option<fn(Left) -> !>> = Single::new(None);

extern "C" fn apart(how: usize) -> ! {
    match THEN.get() {
        Some(then) => then(how_left(how)),
        None => sys::exit(sys::EXIT_UNSHELTERED),
    }
}

/// Makes every later [`escape`] call `then`, on a stack of its own: for a program that runs by itself, without a frame
/// of this library below it.
pub fn stand_apart(then: fn(Left) -> !) {
    /// Words that a shelter saves: two control words, six registers, and the return address.
    const SAVED_WORDS: usize = 8;
    let Some(stack) = sys::map(STACK_BYTES, false) else { sys::exit(sys::EXIT_NO_MEMORY) };
    THEN.set(Some(then));
    APART.set(apart as *const () as usize);
    // At `treefall_apart` the stack is aligned as for a call.
    let top = stack.as_ptr() as usize + STACK_BYTES - 64;
    let frame = top - SAVED_WORDS * 8;
    // SAFETY: the top of a mapping of ours: the control words as they are now, six registers, an address.
    unsafe {
        core::arch::asm!("stmxcsr [{0}]", "fnstcw [{0} + 4]", in(reg) frame);
        *((frame + (SAVED_WORDS - 1) * 8) as *mut usize) = treefall_apart as *const () as usize;
    }
    SAVED.set(frame);
}

/// Size of that stack.
const STACK_BYTES: usize = 1 << 20;

/// Returns the end of the stack that is useful for finding callers: the shelter in force. A program that runs by itself
/// has no such end.
pub fn stack_end() -> usize {
    if THEN.get().is_some() { usize::MAX } else { SAVED.get() }
}

/// Whether there is a shelter to escape to.
pub fn is_sheltered() -> bool {
    SAVED.get() != 0
}

/// Leaves the program for the shelter. Without one the process ends.
pub fn escape(how: Left) -> ! {
    if !is_sheltered() {
        sys::exit(sys::EXIT_UNSHELTERED);
    }
    ESCAPES.set(ESCAPES.get().wrapping_add(1));
    // SAFETY: the shelter's frame is still on the stack: it resets the pointer when it is left.
    unsafe { treefall_escape(SAVED.get(), how as usize) }
}

/// Returns the address of the code that ends a signal handler.
pub fn restorer() -> usize {
    treefall_restorer as *const () as usize
}
