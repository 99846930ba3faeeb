//! A program that seems to run on without an end is followed, instruction by instruction.
//!
//! Where in its loop a tick finds it is chance. So it goes on over many rounds of any short loop, and the place that
//! counts is the outermost one seen: of the function whose loop it is.
//!
//! Always: it is a hang when CPU time went by without progress for so long that nothing else can be ([`watchdog`](crate::watchdog)), or
//! when it is proved to be one: at the outermost place all registers, and all memory that the program works on, are as
//! they were some rounds before, and it has called nothing in between. What was so once comes again for ever.

use crate::crash::crashed;
use crate::escape::{self, Left, escape};
use crate::progress::{done, in_harness};
use crate::registers::{Interrupted, REGISTERS, Registers};
use crate::single::Single;
use crate::{heap, program, stopped, sys};

/// Most instructions that a program is followed for: each costs what a system call does, and more.
const STEPS: u32 = 4_096;
/// So many times at the outermost place are rounds enough of its loop.
const ROUNDS: u32 = 8;
/// So much of the stack belongs to the memory that is compared: the frames around a loop.
const STACK_BYTES: usize = 4_096;
/// Of the memory that holds no entries so much at most is compared; where there is more nothing is proved.
const REST_MAX: usize = 4 << 20;

/// The place of `si_code` in the kernel's record of a signal, in words of four bytes.
const CODE: usize = 2;
/// `TRAP_TRACE`: one instruction is done.
const ONE_STEP: i32 = 2;

/// How a program is followed.
#[derive(Clone, Copy)]
struct Followed {
    /// Instructions to go; 0: it is not followed.
    steps: u32,
    /// The escapes when that began: after another one it is not followed any more.
    escapes: u32,
    /// The progress when that began.
    progress: u64,
    /// Nothing but a proof counts.
    to_prove: bool,
    /// The outermost place seen.
    outermost: Option<Registers>,
    /// How often.
    rounds: u32,
    /// All registers as they were there in an earlier round.
    then: [usize; REGISTERS],
    /// The round at which those are taken anew.
    anew: u32,
    /// The memory as it was when the registers were last the same.
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
/// The progress at which nothing could be proved.
static UNPROVED: Single<u64> = Single::new(u64::MAX);

/// Whether it is followed now.
pub fn is_followed() -> bool {
    let Followed { steps, escapes, .. } = FOLLOWED.get();
    steps > 0 && escapes == escape::escapes()
}

/// Whether it was tried, without a result, to prove a hang since the program last did something.
pub fn was_tried(progress: u64) -> bool {
    UNPROVED.get() == progress
}

/// Begins to follow the interrupted program. To prove that it hangs is tried once between two progresses.
pub(crate) fn begin(interrupted: &Interrupted, progress: u64, to_prove: bool) {
    if is_followed() || (to_prove && was_tried(progress)) {
        return;
    }
    FOLLOWED.set(Followed { steps: STEPS, escapes: escape::escapes(), progress, to_prove, ..NOT });
    interrupted.set_step_by_step(true);
}

/// The handler of SIGTRAP: an instruction is done, or the program has a trap of its own.
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
            stopped::keep(outermost);
            escape(Left::Hung);
        }
        return;
    }
    FOLLOWED.set(followed);
}

impl Followed {
    /// One instruction later. Whether enough was seen.
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
            // Rounds of any number are found so: what is compared with is taken at the first, second, fourth, eighth.
            *self = Self { then: now, anew: self.anew * 2, memory: None, ..*self };
        }
        false
    }
}

/// What the program works on, as one number: its variables, its entries and other blocks, the frames around the loop.
/// `None`: there is too much of it.
fn memory(stack: usize) -> Option<u64> {
    let (variables, bytes) = program::variables();
    let [entries, rest] = heap::used();
    if rest.1 > REST_MAX {
        return None;
    }
    let end = escape::stack_end().min(stack + STACK_BYTES);
    let end = if sys::is_mapped(end - 1) { end } else { (stack | 4_095) + 1 };
    let parts = [(variables, bytes), entries, rest, (stack, end - stack)];
    let mut hash = 0_u64;
    for (start, bytes) in parts {
        for word in 0..bytes / 8 {
            // SAFETY: whole words inside the program's writable segment, the heap's mappings, or the mapped stack.
            let word = unsafe { ((start + word * 8) as *const u64).read_unaligned() };
            hash = (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }
    Some(hash)
}
