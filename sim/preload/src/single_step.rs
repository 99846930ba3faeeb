//! Proves a hang by single-stepping the program.
//!
//! A tick finds the program at a random place of its loop. The program is therefore stepped over many rounds of any
//! short loop, and the outermost place seen counts: that of the function whose loop it is.
//!
//! Invariant: a program hangs when CPU time passed without progress for too long ([`watchdog`](crate::watchdog)), or
//! when a hang is proved: at the outermost place, all registers and all memory that the program works on are as some
//! rounds before, with no call in between. Such a state repeats for ever.

use treefall_model::index::Block;

use crate::crash::crashed;
use crate::escape::{self, Left, escape};
use crate::progress::{done, in_harness};
use crate::registers::{Interrupted, REGISTERS, Registers};
use crate::single::Single;
use crate::stopped::Place;
use crate::{heap, program, stopped, sys};

/// Most instructions that are stepped; each costs more than a system call.
const STEPS: u32 = 4_096;
/// Visits of the outermost place that are enough rounds of its loop.
const ROUNDS: u32 = 8;
/// Bytes of stack that are compared: the frames around a loop.
const STACK_BYTES: usize = 4_096;
/// Most memory without entries that is compared; with more, nothing is proved.
const REST_MAX: usize = 4 << 20;

/// Offset of `si_code` in the kernel's record of a signal, in words of four bytes.
const CODE: usize = 2;
/// `TRAP_TRACE`: one instruction is done.
const ONE_STEP: i32 = 2;

/// State of single-stepping.
#[derive(Clone, Copy)]
struct Followed {
    /// Instructions left; 0: none is stepped.
    steps: u32,
    /// Number of escapes at the beginning; after another one, stepping is over.
    escapes: u32,
    /// Progress at the beginning.
    progress: u64,
    /// Whether only a proof counts.
    to_prove: bool,
    /// Outermost place seen.
    outermost: Option<Registers>,
    /// Visits of that place.
    rounds: u32,
    /// All registers at that place in an earlier round.
    then: [usize; REGISTERS],
    /// Round at which those registers are replaced.
    anew: u32,
    /// Memory when the registers were last the same.
    memory: Option<u64>,
}

const NOT: Followed = Followed {
    steps: 0,
    escapes: 0,
    progress: 0,
    to_prove: false,
    outermost: None,
    rounds: 0,
    then: [0; REGISTERS],
    anew: 1,
    memory: None,
};

static FOLLOWED: Single<Followed> = Single::new(NOT);
/// Progress at which a proof failed.
static UNPROVED: Single<u64> = Single::new(u64::MAX);

/// Whether the program is being stepped.
pub fn is_followed() -> bool {
    let Followed { steps, escapes, .. } = FOLLOWED.get();
    steps > 0 && escapes == escape::escapes()
}

/// Whether a proof was tried and failed since the program last made progress.
pub fn was_tried(progress: u64) -> bool {
    UNPROVED.get() == progress
}

/// Starts to step the interrupted program. A proof is tried once for each progress.
pub(crate) fn begin(interrupted: &Interrupted, progress: u64, to_prove: bool) {
    if is_followed() || (to_prove && was_tried(progress)) {
        return;
    }
    FOLLOWED.set(Followed { steps: STEPS, escapes: escape::escapes(), progress, to_prove, ..NOT });
    interrupted.set_step_by_step(true);
}

/// Handles SIGTRAP: an instruction is done, or the program has a trap of its own.
pub(crate) unsafe extern "C" fn trapped(signal: i32, info: *const u8, context: *const u8) {
    let mut followed = FOLLOWED.get();
    // SAFETY: the kernel's own record.
    let interrupted = unsafe { Interrupted::new(context) };
    if !is_followed() {
        // SAFETY: the kernel's own record of a signal.
        if unsafe { info.cast::<i32>().add(CODE).read() } == ONE_STEP {
            interrupted.set_step_by_step(false);
        } else {
            // SAFETY: handed on as it came: the program's own trap.
            unsafe { crashed(signal, info, context) };
        }
        return;
    }
    let went_on = done() != followed.progress;
    followed.steps -= 1;
    let found = followed.step(&interrupted);
    if went_on || found || followed.steps == 0 {
        let proved = found && followed.to_prove;
        let is_hang = !went_on && followed.outermost.is_some() && (proved || !followed.to_prove);
        followed.steps = 0;
        interrupted.set_step_by_step(false);
        if followed.to_prove && !is_hang {
            UNPROVED.set(followed.progress);
        }
        FOLLOWED.set(followed);
        if let (true, Some(outermost)) = (is_hang, followed.outermost) {
            stopped::keep(Place::Stopped, outermost);
            escape(Left::Hung);
        }
        return;
    }
    FOLLOWED.set(followed);
}

impl Followed {
    /// Notes one more instruction. Returns whether enough was seen.
    fn step(&mut self, interrupted: &Interrupted) -> bool {
        let registers = interrupted.registers();
        let place = |registers: Registers| (registers.stack, usize::MAX - registers.instruction);
        let is_outer = self.outermost.is_none_or(|outermost| place(registers) > place(outermost));
        if is_outer && !in_harness() && program::text_offset(registers.instruction).is_some() {
            *self = Self { outermost: Some(registers), rounds: 0, anew: 1, memory: None, ..*self };
        }
        if self.outermost.is_none_or(|outermost| place(registers) != place(outermost)) {
            return false;
        }
        self.rounds += 1;
        if !self.to_prove {
            return self.rounds == ROUNDS;
        }
        let now = interrupted.all();
        if self.rounds > 1 && now == self.then {
            let memory = memory(registers.stack);
            if memory.is_some() && memory == self.memory && self.rounds >= ROUNDS {
                return true;
            }
            if self.memory.is_none() || memory != self.memory {
                self.memory = memory;
            }
        } else if self.rounds == self.anew {
            // Registers are saved in rounds one, two, four, eight and so on, which finds loops of any period.
            *self = Self { then: now, anew: self.anew * 2, memory: None, ..*self };
        }
        false
    }
}

/// Hashes the memory that the program works on: variables, entries and other blocks, the frames around the loop.
/// `None`: there is too much.
fn memory(stack: usize) -> Option<u64> {
    let (variables, bytes) = program::variables();
    let rest = heap::rest();
    if rest.1 > REST_MAX {
        return None;
    }
    let end = escape::stack_end().min(stack + STACK_BYTES);
    let end = if sys::is_mapped(end - 1) { end } else { (stack | 4_095) + 1 };
    let parts = [(variables, bytes), rest, (stack, end - stack)];
    let blocks = heap::now();
    let entries = (0..blocks.made()).map(|entry| (blocks.address(Block(entry)), heap::STRIDE));
    let mut hash = 0_u64;
    for (start, bytes) in parts.into_iter().chain(entries) {
        for word in 0..bytes / 8 {
            // SAFETY: whole words inside the program's writable segment, the heap's mappings, or the mapped stack.
            let word = unsafe { ((start + word * 8) as *const u64).read_unaligned() };
            hash = (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }
    Some(hash)
}
