//! The process that the daemon takes itself for: the one that came to its configuration, in each process that is forked
//! there.
//!
//! Invariant: what the daemon has kept of its pid and its parent's is still true when it asks again.

use crate::single::{Mode, Single, mode};
use crate::sys;

/// Pid and parent of the process in which the daemon began.
static BEGAN: Single<Option<[i32; 2]>> = Single::new(None);

/// Makes this process the one that the daemon takes itself for.
pub fn keep() {
    BEGAN.set(Some([sys::pid(), sys::parent()]));
}

/// Returns the pid of this process, for the daemon.
pub fn pid() -> i32 {
    match (mode(), BEGAN.get()) {
        (Mode::Daemon, Some([pid, _])) => pid,
        _ => sys::pid(),
    }
}

/// Returns the pid of this process's parent, for the daemon.
pub fn parent() -> i32 {
    match (mode(), BEGAN.get()) {
        (Mode::Daemon, Some([_, parent])) => parent,
        (Mode::Script, Some([pid, _])) => pid,
        _ => sys::parent(),
    }
}
