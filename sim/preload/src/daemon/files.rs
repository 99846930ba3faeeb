//! The files of the daemon that is taken over, and the last line that it logged.

use alloc::format;
use alloc::string::String;
use core::ffi::CStr;

use crate::single::Single;
use crate::sys;

/// The daemon's files; each text ends in zero.
#[derive(Clone, Copy)]
pub struct Files {
    /// Path of the configuration.
    pub config: &'static str,
    /// Paths that a run may leave behind.
    pub leftovers: &'static [&'static str],
    /// The root below which the program's files lie.
    pub root: &'static str,
}

static FILES: Single<Files> = Single::new(Files { config: "\0", leftovers: &[], root: "\0" });

/// Last line that the daemon logged and the model does not know: it tells why a daemon gives up.
static LAST_LINE: Single<[u8; LINE_MAX]> = Single::new([0; LINE_MAX]);
const LINE_MAX: usize = 120;

/// Sets the daemon's files.
pub fn set(files: Files) {
    FILES.set(files);
}

/// Most files that a run may leave behind.
const LEFTOVERS_MAX: usize = 8;
/// Which of those files are there when a run begins.
static THERE: Single<[bool; LEFTOVERS_MAX]> = Single::new([false; LEFTOVERS_MAX]);

/// Keeps for all later runs which files are there when a run begins.
pub fn keep_leftovers() {
    let mut there = [false; LEFTOVERS_MAX];
    for (there, path) in there.iter_mut().zip(FILES.get().leftovers) {
        *there = sys::exists(path);
    }
    THERE.set(there);
}

/// Removes what a run may have left behind, and makes anew what is there when a run begins.
pub fn remove_leftovers() {
    for (there, path) in THERE.get().iter().zip(FILES.get().leftovers) {
        if *there {
            sys::write_file(path, &[]);
        } else {
            sys::unlink(path);
        }
    }
}

/// Whether the path is that of the configuration.
pub fn is_config(path: &CStr) -> bool {
    config().strip_suffix('\0').is_some_and(|config| config.as_bytes() == path.to_bytes())
}

/// Returns the path of the configuration, ending in zero.
pub(super) fn config() -> &'static str {
    FILES.get().config
}

/// Returns the prefix of files below `/etc/keepalived`.
pub fn root() -> &'static str {
    FILES.get().root.trim_end_matches('\0')
}

/// Keeps a line, cut.
pub(super) fn remember(text: &str) {
    let mut line = [0; LINE_MAX];
    for (kept, byte) in line.iter_mut().zip(text.bytes()) {
        *kept = byte;
    }
    LAST_LINE.set(line);
}

/// Returns the line as the end of a sentence.
pub(super) fn last_line() -> String {
    let line = LAST_LINE.get();
    let end = line.iter().position(|byte| *byte == 0).unwrap_or(LINE_MAX);
    match core::str::from_utf8(&line[..end]) {
        Ok("") | Err(_) => String::new(),
        Ok(text) => format!("; the last that it logged: {text}"),
    }
}
