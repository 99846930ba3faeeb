//! Calls into the program that may be left from anywhere below: the end of a trace, a crash, a hang.
//!
//! Always: [`escape`] goes to the shelter entered last; frames between are dropped without being run, so that
//! none of them may hold anything that must be given back (the library's memory is reset as a whole). It is
//! written in assembly because a function that returns twice cannot be told to the compiler.

use core::arch::global_asm;

use crate::single::Single;
use crate::{sanitizer, sys};

/// How a sheltered call came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Left {
    /// By itself.
    Returned = 0,
    /// The world said that the run is over.
    Ended = 1,
    /// The program crashed: see [`crash`](crate::crash).
    Crashed = 2,
    /// The program ran on without an end: see [`watchdog`](crate::watchdog).
    Hung = 3,
    /// The harness cannot go on: see [`fatal`](crate::fatal).
    Fatal = 4,
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
    // treefall_shelter(function, saved): calls function(); 0, or what the escape says.
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
    // Where an escape ends up that found no frame of a shelter to go back to.
    "treefall_apart:",
    // The frame stays as it is: whoever comes here may have to escape once more.
    "sub rsp, 64",
    "mov edi, eax",
    "call [rip + {apart}]",
    "ud2",
    // The end of a signal handler: rt_sigreturn.
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

/// What an escape from a program that was not called from here ends up in.
static APART: Single<usize> = Single::new(0);

/// The stack pointer of the shelter in force; 0: none.
static SAVED: Single<usize> = Single::new(0);

/// How many escapes there were.
static ESCAPES: Single<u32> = Single::new(0);

/// Returns how many escapes there were: what was begun before the last one is over.
pub fn escapes() -> u32 {
    ESCAPES.get()
}

/// Calls `function` so that whatever it calls can [`escape`]. One shelter may stand inside another.
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

/// From now on an [`escape`] from anywhere goes to `then`, on a stack of its own: for a program that goes on by
/// itself, so that no frame of ours is below it.
pub fn stand_apart(then: fn(Left) -> !) {
    /// What a shelter saves: two control words, six registers, and where to go on.
    const SAVED_WORDS: usize = 8;
    let Some(stack) = sys::map(STACK_BYTES, false) else { sys::exit(sys::EXIT_NO_MEMORY) };
    THEN.set(Some(then));
    APART.set(apart as *const () as usize);
    // Where the code at `treefall_apart` begins, the stack is aligned as for a call.
    let top = stack.as_ptr() as usize + STACK_BYTES - 64;
    let frame = top - SAVED_WORDS * 8;
    // SAFETY: the top of a mapping of ours: the control words as they are now, six registers, an address.
    unsafe {
        core::arch::asm!("stmxcsr [{0}]", "fnstcw [{0} + 4]", in(reg) frame);
        *((frame + (SAVED_WORDS - 1) * 8) as *mut usize) = treefall_apart as *const () as usize;
    }
    SAVED.set(frame);
}

/// Of the stack on which a program that stands apart is left.
const STACK_BYTES: usize = 1 << 20;

/// How far the program's stack can be of use for who called whom: up to the shelter in force. That of a program
/// that stands apart has no such end.
pub fn stack_end() -> usize {
    if THEN.get().is_some() { usize::MAX } else { SAVED.get() }
}

/// Whether there is a shelter to escape to.
pub fn is_sheltered() -> bool {
    SAVED.get() != 0
}

/// Goes back to the shelter. Without one the process ends.
pub fn escape(how: Left) -> ! {
    if !is_sheltered() {
        sys::exit(sys::EXIT_UNSHELTERED);
    }
    ESCAPES.set(ESCAPES.get().wrapping_add(1));
    // SAFETY: the shelter's frame is still on the stack: it resets the pointer when it is left.
    unsafe { treefall_escape(SAVED.get(), how as usize) }
}

/// The code that ends a signal handler.
pub fn restorer() -> usize {
    treefall_restorer as *const () as usize
}
