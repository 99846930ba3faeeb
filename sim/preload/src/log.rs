//! What the program logs by itself: one line matters, that the loop came late.
//!
//! Always: other lines are formatted for nobody and dropped; the script layer's lines are the world's own.

use treefall_model::event::LogLine;
use treefall_model::time::Span;

use crate::drive;
use crate::single::{Mode, mode};

/// Longest line that is looked at.
const LINE_MAX: usize = 256;

/// The program logs a line.
///
/// # Safety
/// `format` and `arguments` must fit, as for `vsyslog`.
pub unsafe fn line(format: *const u8, arguments: *mut u8) {
    unsafe extern "C" {
        fn vsnprintf(buffer: *mut u8, bytes: usize, format: *const u8, arguments: *mut u8) -> i32;
    }
    if mode() != Mode::Run {
        return;
    }
    let mut buffer = [0_u8; LINE_MAX];
    // SAFETY: a buffer of ours of the size told; the caller answers for the rest.
    let length = unsafe { vsnprintf(buffer.as_mut_ptr(), LINE_MAX, format, arguments) };
    let length = usize::try_from(length).unwrap_or(0).min(LINE_MAX - 1);
    if let Some(by) = core::str::from_utf8(&buffer[..length]).ok().and_then(late) {
        drive::with(|session| session.world.logged(LogLine::Late { by }));
    }
}

/// By how much the loop was late, if the line says so.
fn late(line: &str) -> Option<Span> {
    let rest = line.split_once("A thread timer expired ")?.1;
    let (seconds, rest) = rest.split_once('.')?;
    let (micros, rest) = rest.split_once(' ')?;
    if !rest.starts_with("seconds ago") || micros.len() != 6 {
        return None;
    }
    let (seconds, micros): (u64, u64) = (seconds.parse().ok()?, micros.parse().ok()?);
    Some(Span::from_micros(seconds.checked_mul(1_000_000)?.checked_add(micros)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_wake_is_read_from_the_log() {
        let line = "(Line 5) A thread timer expired 2.000300 seconds ago";
        assert_eq!(late(line), Some(Span::from_micros(2_000_300)));
        assert_eq!(late("A thread timer expired yesterday"), None);
        assert_eq!(late(""), None);
    }
}
