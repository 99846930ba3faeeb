//! The registers of code that stopped, and of code that a signal interrupted.

use core::arch::asm;

/// Registers for finding the callers of a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registers {
    /// Address of the next instruction.
    pub instruction: usize,
    /// The stack pointer.
    pub stack: usize,
    /// The frame pointer, or whatever else the compiler keeps there.
    pub base: usize,
}

impl Registers {
    /// Returns the registers of the caller.
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

    /// Returns the registers of the caller of a function that has just begun.
    ///
    /// # Safety
    /// `stack` must be the stack pointer at the beginning of a function.
    pub unsafe fn of_caller(stack: usize, base: usize) -> Self {
        // A call that never returns may be the last of its function, so the return address may belong to the next one.
        // SAFETY: as required above: the word that the call left there.
        let instruction = unsafe { *(stack as *const usize) } - 1;
        Self { instruction, stack: stack + size_of::<usize>(), base }
    }
}

/// Number of registers that are compared: the general ones, and the address of the next instruction.
pub const REGISTERS: usize = 17;

/// Interrupted code, as the kernel saved it, with its registers in one array.
pub(crate) struct Interrupted(*mut usize);

impl Interrupted {
    const FIRST_ARGUMENT: usize = 8;
    const BASE: usize = 10;
    const RESULT: usize = 13;
    const STACK: usize = 15;
    const INSTRUCTION: usize = 16;
    const FLAGS: usize = 17;
    /// Flag that traps after each instruction.
    const STEP_BY_STEP: usize = 0x100;

    /// # Safety
    /// `context` must be what the kernel handed to a handler that has not returned.
    pub(crate) unsafe fn new(context: *const u8) -> Self {
        // Flags and link, the stack's description, then the registers.
        const REGISTERS: usize = 40;
        // SAFETY: the kernel's own record, which is larger than this.
        Self(unsafe { context.add(REGISTERS) } as *mut usize)
    }

    /// Returns all general registers and the next instruction.
    pub(crate) fn all(&self) -> [usize; REGISTERS] {
        // SAFETY: the kernel's own record, of 23 registers.
        unsafe { self.0.cast::<[usize; REGISTERS]>().read() }
    }

    /// Returns the first argument of a system call.
    pub(crate) fn first_argument(&self) -> usize {
        // SAFETY: the kernel's own record, of 23 registers.
        unsafe { self.0.add(Self::FIRST_ARGUMENT).read() }
    }

    /// Returns the number of a system call about to be made, or the result of one that was made.
    pub(crate) fn result(&self) -> usize {
        // SAFETY: as above.
        unsafe { self.0.add(Self::RESULT).read() }
    }

    /// Returns the registers for finding callers.
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

    /// Sets whether the code traps after each instruction once the handler ends.
    pub(crate) fn set_step_by_step(&self, on: bool) {
        // SAFETY: the kernel's own record, which it reads again when the handler ends.
        unsafe {
            let flags = self.0.add(Self::FLAGS);
            flags.write(flags.read() & !Self::STEP_BY_STEP | if on { Self::STEP_BY_STEP } else { 0 });
        }
    }
}
