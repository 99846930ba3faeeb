//! Crashes and endless loops of the program, caught in the process and left by an escape.
//!
//! Always: a crash or a hang is the program's only when the harness's own code was not at work
//! ([`watching`]); else it is an error of the harness. A hang is CPU time without progress: no call to the
//! kernel and no handler between two ticks of CPU time, never a span of the wall clock.
//! After a crash or hang nothing of the program is run again in this process.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use treefall_world::wire::FRAMES_MAX;

use crate::fatal::fatal;
use crate::program;
use crate::shelter::{Left, escape, is_sheltered, restorer};
use crate::single::Single;
use crate::sys;

/// CPU time from one tick to the next, in milliseconds.
const TICK_MILLIS: u64 = 40;
/// How much of the stack is searched for the program's frames, in words.
const STACK_WORDS: usize = 512;
const STACK_BYTES: usize = 64 << 10;

const ABORT: i32 = 6;
const PROFILE: i32 = 27;
/// ILL, ABRT, BUS, FPE, SEGV.
const CRASHES: [i32; 5] = [4, ABORT, 7, 8, 11];

/// Where the program was when it crashed or hung.
#[derive(Clone, Copy)]
pub struct Fault {
    /// The signal of a crash.
    pub signal: u8,
    /// Offsets in the program's text: of the instruction, if it lies there, then of what may be its callers.
    pub frames: [u64; FRAMES_MAX],
}

static FAULT: Single<Fault> = Single::new(Fault { signal: 0, frames: [0; FRAMES_MAX] });
static WATCHING: AtomicBool = AtomicBool::new(false);
static PROGRESS: AtomicU64 = AtomicU64::new(0);
static LAST_PROGRESS: AtomicU64 = AtomicU64::new(0);
/// Ticks in a row that found the harness's own code at work on one and the same thing.
static OWN_TICKS: AtomicU64 = AtomicU64::new(0);
/// So many are a fault of the harness: ten seconds and more.
const OWN_TICKS_MAX: u64 = 250;

/// Whether the harness's own code is at work.
pub fn watching() -> bool {
    WATCHING.load(Ordering::Relaxed)
}

/// The harness's own code is at work, or is done.
#[inline]
pub fn set_watching(on: bool) {
    WATCHING.store(on, Ordering::Relaxed);
}

/// The program did something.
#[inline]
pub fn progress() {
    PROGRESS.store(PROGRESS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// Where the program was.
pub fn fault() -> Fault {
    FAULT.get()
}

/// Installs the handlers, in the process that serves.
pub fn install() {
    let Some(stack) = sys::map(STACK_BYTES, false) else { sys::exit(crate::EXIT_NO_MEMORY) };
    // SAFETY: a mapping of ours that is never given back; the restorer ends handlers.
    unsafe {
        sys::alternate_stack(stack, STACK_BYTES);
        for signal in CRASHES {
            sys::on_signal(signal, crashed, restorer());
        }
        sys::on_signal(PROFILE, ticked, restorer());
    }
}

/// Starts the watch over CPU time; a forked process begins without it.
pub fn start_clock() {
    sys::tick_cpu(TICK_MILLIS);
}

/// Stops it.
pub fn stop_clock() {
    sys::tick_cpu(0);
}

/// What the kernel saved of the interrupted code: instruction and stack pointer.
///
/// # Safety
/// `context` must be what the kernel handed to a handler.
unsafe fn interrupted(context: *const u8) -> (usize, usize) {
    // Flags and link, the stack's description, then the registers; the two are the 16th and 17th.
    const REGISTERS: usize = 40;
    // SAFETY: the kernel's own record, which is larger than this.
    unsafe {
        let registers = context.add(REGISTERS).cast::<usize>();
        (registers.add(16).read(), registers.add(15).read())
    }
}

fn write_down(signal: i32, instruction: usize, stack: usize) {
    let mut frames = [0; FRAMES_MAX];
    let mut found = 0;
    let mut note = |address: usize| {
        if found < FRAMES_MAX
            && let Some(offset) = program::text_offset(address)
        {
            frames[found] = offset;
            found += 1;
        }
    };
    note(instruction);
    for word in 0..STACK_WORDS {
        let address = (stack & !7) + word * 8;
        if address.is_multiple_of(4_096) && !sys::is_mapped(address) {
            break;
        }
        if word == 0 && !sys::is_mapped(address) {
            break;
        }
        // SAFETY: an aligned word of a page that is mapped: the program's stack.
        note(unsafe { *(address as *const usize) });
    }
    FAULT.set(Fault { signal: signal as u8, frames });
}

unsafe extern "C" fn crashed(signal: i32, _: *const u8, context: *const u8) {
    // SAFETY: the kernel's own record.
    let (instruction, stack) = unsafe { interrupted(context) };
    if watching() {
        set_watching(false);
        fatal(format_args!(
            "the engine's own code got signal {signal} at library offset {:#x}",
            program::library_offset(instruction)
        ));
    }
    if !is_sheltered() {
        sys::exit(crate::EXIT_UNSHELTERED);
    }
    write_down(signal, instruction, stack);
    escape(Left::Crashed)
}

unsafe extern "C" fn ticked(_: i32, _: *const u8, context: *const u8) {
    let now = PROGRESS.load(Ordering::Relaxed);
    let before = LAST_PROGRESS.swap(now, Ordering::Relaxed);
    if now != before || !is_sheltered() {
        OWN_TICKS.store(0, Ordering::Relaxed);
        return;
    }
    // SAFETY: the kernel's own record.
    let (instruction, stack) = unsafe { interrupted(context) };
    if watching() || program::in_library(instruction) {
        if OWN_TICKS.fetch_add(1, Ordering::Relaxed) > OWN_TICKS_MAX {
            set_watching(false);
            let at = program::library_offset(instruction);
            fatal(format_args!("the engine's own code does not come to an end, at library offset {at:#x}"));
        }
        return;
    }
    write_down(0, instruction, stack);
    escape(Left::Hung)
}
