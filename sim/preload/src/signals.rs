//! Installs the signal handlers, and handles the system calls that the filter stops.

use syscalls::Sysno;

use crate::crash::{self, ABORT};
use crate::escape::restorer;
use crate::fatal::fatal;
use crate::filter::name_of;
use crate::registers::Interrupted;
use crate::single::{Mode, mode};
use crate::stopped::Place;
use crate::{asleep, daemon, single_step, stopped, sys, watchdog};

/// Size of the stack for signal handlers.
const STACK_BYTES: usize = 64 << 10;

const TRAP: i32 = 5;
const PROFILE: i32 = 27;
const ALARM: i32 = 14;
/// SIGSYS.
const NO_SUCH_CALL: i32 = 31;
/// ILL, ABRT, BUS, FPE, SEGV.
const CRASHES: [i32; 5] = [4, ABORT, 7, 8, 11];

/// Installs the handlers, before the program's code runs.
pub fn install() {
    let Some(stack) = sys::map(STACK_BYTES, false) else { sys::exit(sys::EXIT_NO_MEMORY) };
    // SAFETY: a mapping of ours that is never given back; the restorer ends handlers.
    unsafe {
        sys::alternate_stack(stack, STACK_BYTES);
        for signal in CRASHES {
            sys::on_signal(signal, crash::crashed, restorer());
        }
        sys::on_signal(PROFILE, watchdog::ticked, restorer());
        sys::on_signal(TRAP, single_step::trapped, restorer());
        sys::on_signal(NO_SUCH_CALL, refused, restorer());
        sys::on_signal(ALARM, asleep::looked, restorer());
    }
}

/// Handles SIGSYS: the filter has stopped a system call.
pub(crate) unsafe extern "C" fn refused(_: i32, information: *const u8, context: *const u8) {
    const NUMBER_AT: usize = 24;
    // SAFETY: the kernel's own records.
    let (number, interrupted) =
        unsafe { (information.add(NUMBER_AT).cast::<i32>().read(), Interrupted::new(context)) };
    let number = number as usize;
    stopped::keep(Place::Stopped, interrupted.registers());
    if matches!(Sysno::new(number), Some(Sysno::exit_group | Sysno::exit)) {
        daemon::leave(interrupted.first_argument() as i32);
    }
    let who = if mode() == Mode::Daemon { "daemon" } else { "program" };
    fatal(format_args!("the {who} made system call `{}`, which is not let through", name_of(number)))
}
