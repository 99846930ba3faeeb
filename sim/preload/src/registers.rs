//! The registers of code that stopped, and of code that a signal interrupted.

use core::arch::asm;

/// What is needed to find out who called whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registers {
    /// Of the next instruction.
    pub instruction: usize,
    /// The stack pointer.
    pub stack: usize,
    /// The frame pointer, or whatever else the compiler keeps there.
    pub base: usize,
}

impl Registers {
    /// Those of the code that asks.
    #[inline(always)]
    pub fn here() -> Self {
        let (instruction, stack, base);
        // SAFETY: three registers are read.
        unsafe {
            asm!("lea {}, [rip]", "mov {}, rsp", "mov {}, rbp", out(reg) instruction, out(reg) stack,
                 out(reg) base, options(nomem, nostack, preserves_flags));
        }
        Self { instruction, stack, base }
    }

    /// Those of the caller of a function that has just begun, where `stack` points at what it returns to.
    ///
    /// # Safety
    /// `stack` must be the stack pointer at the beginning of a function.
    pub unsafe fn of_caller(stack: usize, base: usize) -> Self {
        // A call that never returns may be the last of its function: what it would return to is the next one.
        // SAFETY: as told: the word that the call left there.
        let instruction = unsafe { *(stack as *const usize) } - 1;
        Self { instruction, stack: stack + size_of::<usize>(), base }
    }
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

    /// The three registers that tell where the code is.
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
