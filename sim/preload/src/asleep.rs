//! Detects a real call that never returns: a waiting process uses no CPU time, so ticks of CPU time cannot find it.
//!
//! Invariants: such a call is an error of the harness with the call's name, never a verdict, because time on the wall
//! clock finds it. A process that is merely not scheduled does not count: the kernel must say, several times in a row,
//! that the same call at the same place was asleep, with no CPU time used in between.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::escape::is_sheltered;
use crate::fatal::stray;
use crate::filter::name_of;
use crate::progress::{done, in_harness};
use crate::registers::Interrupted;
use crate::single::Single;
use crate::stopped::Place;
use crate::{program, single_step, stopped, sys};

/// Time between looks, in microseconds.
const LOOK_EVERY: u64 = 400_000;
/// Looks in a row with the same result that prove a wait.
const LOOKS: u32 = 5;
/// Most CPU time that the looks themselves use.
const LOOK_MICROS: u64 = 20_000;

/// Result of one look.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    instruction: usize,
    stack: usize,
    done: u64,
}

#[derive(Clone, Copy)]
struct Look {
    seen: Option<Seen>,
    micros: u64,
    times: u32,
}

static LAST: Single<Look> = Single::new(Look { seen: None, micros: 0, times: 0 });

/// Time between ticks in microseconds when hangs are looked for often; each tick looks for a hang. Waiting for the
/// second look takes much of the time of `conform` on a release whose trees break.
const OFTEN_EVERY: u64 = 250;

/// Ticks per look, and ticks since the last look.
static TICKS: Single<(u64, u64)> = Single::new((1, 0));

/// Starts the looks.
pub fn start() {
    TICKS.set((1, 0));
    sys::tick_wall(LOOK_EVERY);
}

/// Makes ticks frequent.
pub fn start_often() {
    TICKS.set((LOOK_EVERY / OFTEN_EVERY, 0));
    sys::tick_wall(OFTEN_EVERY);
}

/// Returns the system call that the interrupted code was asleep in, with its number if the kernel still has it.
fn asleep_in(interrupted: &Interrupted) -> Option<Option<usize>> {
    const CALL: [u8; 2] = [0x0f, 0x05];
    const INTERRUPTED: usize = -4_isize as usize;
    let at = interrupted.registers().instruction;
    let is_call = |at: usize| {
        // SAFETY: two bytes in pages that are mapped; what was executed can be read here.
        sys::is_mapped(at)
            && sys::is_mapped(at + 1)
            && unsafe { (at as *const [u8; 2]).read_unaligned() } == CALL
    };
    if is_call(at) {
        // The call will be made again, with the same number.
        return Some(Some(interrupted.result()));
    }
    (interrupted.result() == INTERRUPTED && is_call(at.wrapping_sub(2))).then_some(None)
}

/// Progress when the last look found the program's own code at work; the greatest number when it did not.
static LOOKED: AtomicU64 = AtomicU64::new(u64::MAX);

/// Looks for a hang: two looks in a row that find the program's own code at work without progress start
/// single-stepping.
fn look_often(interrupted: &Interrupted) {
    let is_ours = in_harness() || !is_sheltered() || program::in_library(interrupted.registers().instruction);
    let now = if is_ours { u64::MAX } else { done() };
    if LOOKED.swap(now, Ordering::Relaxed) == now && !is_ours {
        single_step::begin(interrupted, now, true);
    }
}

/// Handles SIGALRM: a tick of the wall clock.
pub(crate) unsafe extern "C" fn looked(_: i32, _: *const u8, context: *const u8) {
    // SAFETY: the kernel's own record.
    let interrupted = unsafe { Interrupted::new(context) };
    let (ticks, since) = TICKS.get();
    if ticks > 1 {
        look_often(&interrupted);
    }
    if since + 1 < ticks {
        TICKS.set((ticks, since + 1));
        return;
    }
    TICKS.set((ticks, 0));
    let registers = interrupted.registers();
    let asleep = asleep_in(&interrupted);
    let is_ours = in_harness() || program::in_library(registers.instruction) || !is_sheltered();
    let micros = sys::cpu_micros(0).unwrap_or(0);
    let seen = asleep.filter(|_| !is_ours).map(|_| Seen {
        instruction: registers.instruction,
        stack: registers.stack,
        done: done(),
    });
    let last = LAST.get();
    let same = seen.is_some() && seen == last.seen && micros.saturating_sub(last.micros) < LOOK_MICROS;
    let times = if same { last.times + 1 } else { 0 };
    LAST.set(Look { seen, micros, times });
    if times < LOOKS {
        return;
    }
    stopped::keep(Place::Stopped, registers);
    match asleep.flatten() {
        Some(number) => stray(format_args!(
            "it waits in system call `{}` for what does not come, where nothing is to wait but its event loop",
            name_of(number)
        )),
        None => stray(format_args!(
            "it waits in a system call for what does not come, where nothing is to wait but its event loop"
        )),
    }
}
