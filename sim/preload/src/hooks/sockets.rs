//! Hook of the call that reads netlink messages.
//!
//! Invariant: the engine does not allow it. A daemon reads its own sockets, except for the one whose messages are the
//! world's ([`netlink`]).

use crate::daemon::netlink::{self, MessageHeader};
use crate::fatal::fatal;
use crate::ledger::{self, number};
use crate::libc::next;
use crate::registers::Registers;
use crate::single::{Mode, mode};
use crate::stopped::{self, Place};

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn recvmsg(fd: i32, header: *mut MessageHeader, flags: i32) -> isize {
    match mode() {
        Mode::Off | Mode::Parent => {}
        Mode::Daemon | Mode::Script => {
            ledger::count(number!("recvmsg"));
            // SAFETY: the caller's own record.
            if let Some(answer) = unsafe { netlink::answer(fd, header, flags) } {
                return answer;
            }
        }
        Mode::Calibrate | Mode::Run => {
            ledger::count(number!("recvmsg"));
            stopped::keep(Place::Stopped, Registers::here());
            fatal(format_args!("the program called recvmsg, which the engine does not let through"))
        }
    }
    let length = next!(recvmsg(fd, header, flags) as fn(i32, *mut MessageHeader, i32) -> isize);
    // SAFETY: the call has just filled in the record.
    unsafe { netlink::received(fd, header, flags, length) };
    length
}
