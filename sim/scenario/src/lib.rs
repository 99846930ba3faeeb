//! Scenarios: traces on disk, with their story, what is expected of each release, and where they come from.
//!
//! The file format is known here alone. A scenario is read with [`load`] or [`read`], which say of each
//! problem where it is and what was expected; written with [`write()`]; and brought into its canonical form,
//! comments and all, with [`format()`]. `read(write(s)) == s`, and `format` changes nothing that `write` or
//! `format` wrote.

#![forbid(unsafe_code)]

mod about;
mod diagnostic;
mod duration;
mod expect;
mod fields;
mod format;
mod outside;
#[cfg(test)]
mod outside_tests;
mod page;
mod places;
mod read;
mod runs;
mod schema;
#[cfg(test)]
mod tests;
mod write;

use std::io;
use std::path::{Path, PathBuf};

pub use about::About;
pub use diagnostic::{Problem, Problems};
pub use duration::{DAY, SHORT_MINUTE, UNITS, Unit, parse as parse_duration, parse_in as parse_duration_in};
pub use expect::{Comparison, Expectation, Expectations, Failure, NoRange, UnknownPart, Whom};
pub use format::format;
pub use places::line_of_expectation;
pub use read::{never_started, read};
use treefall_model::trace::{HeapPolicy, Trace};

use treefall_base::input::{self, is_standard};
pub use write::write;

/// The newest format that is read.
pub const FORMAT: u64 = 2;

/// Returns the format that a trace is written in: the oldest that can say it, so that older programs read it.
#[must_use]
pub fn format_of(trace: &Trace) -> u64 {
    let setup = trace.setup();
    if setup.heap == HeapPolicy::Guarded || !setup.links.is_empty() { 2 } else { 1 }
}

/// Largest file that is read, in bytes: 16 MiB.
pub const SIZE_MAX: u64 = 16 << 20;

/// A trace with its story.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scenario {
    /// What goes wrong, in one line.
    pub title: String,
    /// The report that it was written from; empty when there is none.
    pub source: String,
    /// Which release and which law it tells of; `None`: a report picks them by what is expected.
    pub about: Option<About>,
    /// What happens, for a reader who wants to understand; empty when nobody told.
    pub story: String,
    /// What the outside world does.
    pub trace: Trace,
    /// What is expected of whom.
    pub expect: Expectations,
    /// Where it comes from, if a program made it.
    pub provenance: Provenance,
}

impl Scenario {
    /// A scenario of `trace` that tells nothing else.
    #[must_use]
    pub fn new(title: &str, trace: Trace) -> Self {
        Self {
            title: title.to_owned(),
            source: String::new(),
            about: None,
            story: String::new(),
            trace,
            expect: Expectations::default(),
            provenance: Provenance::default(),
        }
    }
}

/// How a scenario that a program made came about. The trace is the value: none of this is needed to replay it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Provenance {
    /// The seed of the campaign.
    pub seed: Option<u64>,
    /// The number of the trace in it.
    pub trace: Option<u64>,
    /// The version of the generator.
    pub generator: Option<u64>,
    /// The command that found it.
    pub found_by: Option<String>,
    /// The target that it was found on.
    pub found_on: Option<String>,
}

/// Why a scenario file cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is a directory.
    #[error("{}: this is a directory, a scenario is a file; name the files in it", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// It is larger than [`SIZE_MAX`].
    #[error("{}: larger than {} MiB, and so no scenario (refused before it was read whole)", path.display(), SIZE_MAX >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is not text.
    #[error(
        "{}: this is no text: byte {:#04x} at offset {offset} (line {line}) is not UTF-8; a scenario is a TOML file",
        path.display(), byte
    )]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first byte that is not UTF-8.
        byte: u8,
        /// Where it is, from 0.
        offset: usize,
        /// Its line, from 1.
        line: usize,
    },
    /// It is no valid scenario.
    #[error(transparent)]
    Invalid(#[from] Problems),
}

/// The scenario in the file at `path`.
///
/// # Errors
/// When the file cannot be read or is no valid scenario; no error leaves anything behind.
pub fn load(path: &Path) -> Result<Scenario, LoadError> {
    let text = load_text(path)?;
    Ok(read(&path.display().to_string(), &text)?)
}

/// The text of the file at `path`, if it is text and not too large.
///
/// # Errors
/// When it cannot be read, is too large or is no text.
pub fn load_text(path: &Path) -> Result<String, LoadError> {
    let path_buf = || path.to_owned();
    let unreadable = |error| LoadError::Unreadable { path: path_buf(), error };
    if !is_standard(path) {
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(LoadError::Directory { path: path_buf() });
        }
        if metadata.len() > SIZE_MAX {
            return Err(LoadError::TooLarge { path: path_buf() });
        }
    }
    // A pipe or a device tells no size beforehand.
    let bytes = input::read(path, SIZE_MAX).map_err(unreadable)?;
    if bytes.len() as u64 > SIZE_MAX {
        return Err(LoadError::TooLarge { path: path_buf() });
    }
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let line = bytes[..offset].iter().filter(|byte| **byte == b'\n').count() + 1;
        LoadError::NotText { path: path_buf(), byte: bytes[offset], offset, line }
    })
}
