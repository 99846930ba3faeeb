//! Crashes and endless loops of the program, caught in the process and left by an escape.
//!
//! Always: a crash or a hang is the program's only when the harness's own code was not at work
//! ([`watching`]); else it is an error of the harness. A hang is CPU time without progress: no call to the
//! kernel and no handler between two ticks of CPU time, never a span of the wall clock; or more calls and
//! handlers, without the loop blocking once, than any trace asks for.
//! After a crash or hang nothing of the program is run again in this process.
//! A hang may also be proved ([`follow`]), without waiting for so much time: that is tried often
//! once a memory law is broken, for of what hangs nearly everything comes after that.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::fatal::fatal;
use crate::program;
use crate::shelter::{Left, escape, is_sheltered, restorer};
use crate::single::{Mode, Single, mode};
use crate::stopped::{self, Registers};
use crate::sys;
use crate::{asleep, filter, follow, heap};

/// CPU time from one tick to the next, in milliseconds. A scheduler's operation takes microseconds, and of hunts that
/// meet many hangs most of the time goes by here.
const TICK_MILLIS: u64 = 10;
/// The same for a daemon, which reads files and loads libraries between its calls.
const DAEMON_TICK_MILLIS: u64 = 40;
/// Of the stack that signals are handled on.
const STACK_BYTES: usize = 64 << 10;

const ABORT: i32 = 6;
const TRAP: i32 = 5;
const PROFILE: i32 = 27;
const ALARM: i32 = 14;
/// SIGSYS.
const NO_SUCH_CALL: i32 = 31;
/// ILL, ABRT, BUS, FPE, SEGV.
const CRASHES: [i32; 5] = [4, ABORT, 7, 8, 11];

/// The signal of the last crash.
static SIGNAL: Single<u8> = Single::new(0);

static WATCHING: AtomicBool = AtomicBool::new(false);
static PROGRESS: AtomicU64 = AtomicU64::new(0);
/// The progress when the loop last blocked.
static BLOCKED_AT: AtomicU64 = AtomicU64::new(0);
/// Most calls and handlers from one blocking to the next: a thousand scripts that do all that they can in one
/// wake come to some ten thousand.
const CALLS_MAX: u64 = 1 << 20;
static LAST_PROGRESS: AtomicU64 = AtomicU64::new(0);
/// Ticks in a row that found the harness's own code at work on one and the same thing.
static OWN_TICKS: AtomicU64 = AtomicU64::new(0);
/// Ticks in a row that found the program's own code at work on one and the same thing.
static IDLE_TICKS: AtomicU64 = AtomicU64::new(0);
/// So many take the instructions of one attempt to prove a hang, at most.
const TRIAL_TICKS: u64 = 3;
/// After so many more it is a hang wherever it is found: one that is seldom in the program's own functions.
const IDLE_TICKS_MAX: u64 = 8;
/// So many are a fault of the harness: ten seconds and more.
const OWN_TICKS_MAX: u64 = 1_000;

/// Whether the harness's own code is at work.
pub fn watching() -> bool {
    WATCHING.load(Ordering::Relaxed)
}

/// The harness's own code is at work, or is done.
#[inline]
pub fn set_watching(on: bool) {
    WATCHING.store(on, Ordering::Relaxed);
}

/// The program did something: a call to the kernel, a line for the log, a handler. Does not return when that
/// has no end.
#[inline]
pub fn progress() {
    let done = PROGRESS.load(Ordering::Relaxed).wrapping_add(1);
    PROGRESS.store(done, Ordering::Relaxed);
    if done.wrapping_sub(BLOCKED_AT.load(Ordering::Relaxed)) > CALLS_MAX {
        endless();
    }
}

/// The loop blocks, or a run begins.
#[inline]
pub fn blocked() {
    heap::blocked();
    resume();
}

/// Calls are counted from here.
fn resume() {
    BLOCKED_AT.store(PROGRESS.load(Ordering::Relaxed), Ordering::Relaxed);
}

/// The program asks for more than any trace needs: a hang. Returns only when there is nothing to escape to.
#[cold]
pub fn endless() {
    resume();
    if is_sheltered() {
        stopped::keep(Registers::here());
        escape(Left::Hung);
    }
}

/// The signal of the last crash.
pub fn signal() -> u8 {
    SIGNAL.get()
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
        sys::on_signal(TRAP, follow::trapped, restorer());
        sys::on_signal(NO_SUCH_CALL, filter::refused, restorer());
        sys::on_signal(ALARM, asleep::looked, restorer());
    }
}

/// Starts the watch over CPU time, and over calls that do not come back; a forked process begins without.
pub fn start_clock() {
    WATCHED.store(true, Ordering::Relaxed);
    let is_daemon = matches!(mode(), Mode::Daemon | Mode::Script);
    sys::tick_cpu(if is_daemon { DAEMON_TICK_MILLIS } else { TICK_MILLIS });
    asleep::start();
}

/// Stops it.
pub fn stop_clock() {
    WATCHED.store(false, Ordering::Relaxed);
    sys::tick_cpu(0);
    sys::tick_wall(0);
}

/// Hangs are looked for: nobody is there with a debugger.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// A memory law is broken: a hang is looked for at once, and often.
pub fn hurry() {
    if WATCHED.load(Ordering::Relaxed) {
        asleep::start_often();
    }
}

/// The progress when the last look found the program's own code at work; the greatest number: it did not.
static LOOKED: AtomicU64 = AtomicU64::new(u64::MAX);

/// One of the many looks. When two in a row find the program's own code at work on the same thing, it is followed.
pub(crate) fn look_often(interrupted: &Interrupted) {
    let is_ours = watching() || !is_sheltered() || program::in_library(interrupted.registers().instruction);
    let now = if is_ours { u64::MAX } else { done() };
    if LOOKED.swap(now, Ordering::Relaxed) == now && !is_ours {
        follow::begin(interrupted, now, true);
    }
}

/// What the program has done since the process began, counted.
pub fn done() -> u64 {
    PROGRESS.load(Ordering::Relaxed)
}

/// The registers that a program counts with, and the place of its next instruction.
pub const REGISTERS: usize = 17;

/// The interrupted code, as the kernel saved it: the registers stand in a row, of which these are three.
pub(crate) struct Interrupted(*mut usize);

impl Interrupted {
    const FIRST_ARGUMENT: usize = 8;
    const BASE: usize = 10;
    const RESULT: usize = 13;
    const STACK: usize = 15;
    const INSTRUCTION: usize = 16;
    const FLAGS: usize = 17;
    /// The flag that stops the program after each instruction.
    const STEP_BY_STEP: usize = 0x100;

    /// # Safety
    /// `context` must be what the kernel handed to a handler that has not returned.
    pub(crate) unsafe fn new(context: *const u8) -> Self {
        // Flags and link, the stack's description, then the registers.
        const REGISTERS: usize = 40;
        // SAFETY: the kernel's own record, which is larger than this.
        Self(unsafe { context.add(REGISTERS) } as *mut usize)
    }

    /// All registers that a program counts with, and where it is.
    pub(crate) fn all(&self) -> [usize; REGISTERS] {
        // SAFETY: the kernel's own record, of 23 registers.
        unsafe { self.0.cast::<[usize; REGISTERS]>().read() }
    }

    /// The first argument of a system call.
    pub(crate) fn first_argument(&self) -> usize {
        // SAFETY: the kernel's own record, of 23 registers.
        unsafe { self.0.add(Self::FIRST_ARGUMENT).read() }
    }

    /// The number of a system call that is to be made, or the result of one that was.
    pub(crate) fn result(&self) -> usize {
        // SAFETY: as above.
        unsafe { self.0.add(Self::RESULT).read() }
    }

    pub(crate) fn registers(&self) -> Registers {
        // SAFETY: the kernel's own record, of 23 registers.
        unsafe {
            Registers {
                instruction: self.0.add(Self::INSTRUCTION).read(),
                stack: self.0.add(Self::STACK).read(),
                base: self.0.add(Self::BASE).read(),
            }
        }
    }

    /// From the handler's end on the code goes on step by step, or does not any more.
    pub(crate) fn set_step_by_step(&self, on: bool) {
        // SAFETY: the kernel's own record, which it reads again when the handler ends.
        unsafe {
            let flags = self.0.add(Self::FLAGS);
            flags.write(flags.read() & !Self::STEP_BY_STEP | if on { Self::STEP_BY_STEP } else { 0 });
        }
    }
}

/// The handler of crashes.
pub(crate) unsafe extern "C" fn crashed(signal: i32, _: *const u8, context: *const u8) {
    // SAFETY: the kernel's own record.
    let registers = unsafe { Interrupted::new(context) }.registers();
    if watching() {
        set_watching(false);
        fatal(format_args!(
            "the engine's own code got signal {signal} at library offset {:#x}",
            program::library_offset(registers.instruction)
        ));
    }
    if !is_sheltered() {
        sys::exit(crate::EXIT_UNSHELTERED);
    }
    SIGNAL.set(signal as u8);
    stopped::keep(registers);
    escape(Left::Crashed)
}

/// A sanitizer in the program has told of an error of the program's: as if the program had called `abort`.
pub fn sanitizer_reported() {
    if is_sheltered() {
        SIGNAL.set(ABORT as u8);
        stopped::keep(Registers::here());
        escape(Left::Crashed)
    }
}

unsafe extern "C" fn ticked(_: i32, _: *const u8, context: *const u8) {
    let now = PROGRESS.load(Ordering::Relaxed);
    let before = LAST_PROGRESS.swap(now, Ordering::Relaxed);
    if now != before || !is_sheltered() {
        OWN_TICKS.store(0, Ordering::Relaxed);
        IDLE_TICKS.store(0, Ordering::Relaxed);
        return;
    }
    if follow::is_followed() {
        return;
    }
    // SAFETY: the kernel's own record.
    let interrupted = unsafe { Interrupted::new(context) };
    let instruction = interrupted.registers().instruction;
    if watching() || program::in_library(instruction) {
        if OWN_TICKS.fetch_add(1, Ordering::Relaxed) > OWN_TICKS_MAX {
            set_watching(false);
            let at = program::library_offset(instruction);
            fatal(format_args!("the engine's own code does not come to an end, at library offset {at:#x}"));
        }
        return;
    }
    let idle = IDLE_TICKS.fetch_add(1, Ordering::Relaxed) + 1;
    // To try to prove a hang takes CPU time itself, which is not the program's.
    let enough = if follow::was_tried(now) { 1 + TRIAL_TICKS } else { 1 };
    if idle > enough + IDLE_TICKS_MAX {
        stopped::keep(interrupted.registers());
        escape(Left::Hung);
    }
    if idle >= enough {
        follow::begin(&interrupted, now, false);
    }
}
