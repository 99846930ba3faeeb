//! Lines that the program itself logs. Of the engine's program only a late wake matters, because the world writes the
//! script layer's lines. A daemon's lines are all read.
//!
//! Invariant: lines are cut to a fixed length and never kept.

use treefall_model::event::LogLine;

use crate::single::{Mode, has_world, mode};
use crate::{daemon, drive, sys};

/// Most bytes of a line that are read.
const LINE_MAX: usize = 256;

/// Handles a line that the program logs.
///
/// # Safety
/// `format` and `arguments` must fit, as for `vsyslog`.
pub unsafe fn line(format: *const u8, arguments: *mut u8) {
    unsafe extern "C" {
        fn vsnprintf(buffer: *mut u8, bytes: usize, format: *const u8, arguments: *mut u8) -> i32;
    }
    if !has_world() && mode() != Mode::Parent {
        return;
    }
    let mut buffer = [0_u8; LINE_MAX];
    // SAFETY: a buffer of ours of this size; the caller guarantees the rest.
    let length = unsafe { vsnprintf(buffer.as_mut_ptr(), LINE_MAX, format, arguments) };
    let length = usize::try_from(length).unwrap_or(0).min(LINE_MAX - 1);
    let Ok(line) = core::str::from_utf8(&buffer[..length]) else { return };
    if mode() == Mode::Daemon {
        daemon::line(line);
    } else if mode() == Mode::Parent {
        // It tells why a daemon never reaches its first fork.
        sys::write_all(2, line.as_bytes());
        sys::write_all(2, b"\n");
    } else if let Some(by) = daemon::late(line) {
        drive::with(|session| session.world.logged(LogLine::Late { by }));
    }
}
