//! Scenarios: traces on disk, with their story, their expectations for each release, and their origin.
//!
//! Only this crate knows the file format. [`load`] and [`read`] read a scenario, and report each problem with its
//! place and what was expected; [`write()`] writes one; [`format()`] brings a file into its canonical form, including
//! comments. `read(write(s)) == s`, and `format` does not change what `write` or `format` wrote.

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
pub use places::{line_of_expectation, never_started};
pub use read::read;
use treefall_model::trace::{HeapPolicy, Trace};

use treefall_base::input::{self, is_standard};
pub use write::write;

/// The newest format that can be read.
pub const FORMAT: u64 = 2;

/// Returns the format in which a trace is written: the oldest one that can express it, so that older programs can
/// read it.
#[must_use]
pub fn format_of(trace: &Trace) -> u64 {
    let setup = trace.setup();
    if setup.heap == HeapPolicy::Guarded || !setup.links.is_empty() { 2 } else { 1 }
}

/// Largest accepted file, in bytes: 16 MiB.
pub const SIZE_MAX: u64 = 16 << 20;

/// A trace with its story and its expectations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scenario {
    /// The failure, in one line.
    pub title: String,
    /// The report that it reproduces; may be empty.
    pub source: String,
    /// The release and the law that it is about; `None`: reports choose them by the expectations.
    pub about: Option<About>,
    /// An explanation for readers; may be empty.
    pub story: String,
    /// The events from outside.
    pub trace: Trace,
    /// The expectations for each release.
    pub expect: Expectations,
    /// Its origin, if a program made it.
    pub provenance: Provenance,
}

impl Scenario {
    /// Returns a scenario of `trace` without anything else.
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

/// The origin of a scenario that a program made. The trace is complete: none of this is needed to replay it.
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

/// Why a scenario file cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The path is a directory.
    #[error("{}: this is a directory, a scenario is a file; name the files in it", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// The file is larger than [`SIZE_MAX`].
    #[error("{}: larger than {} MiB, and so no scenario (refused before it was read whole)", path.display(), SIZE_MAX >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is not text.
    #[error(
        "{}: this is no text: byte {:#04x} at offset {offset} (line {line}) is not UTF-8; a scenario is a TOML file",
        path.display(), byte
    )]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first byte that is not UTF-8.
        byte: u8,
        /// Its offset, from 0.
        offset: usize,
        /// Its line, from 1.
        line: usize,
    },
    /// The file is not a valid scenario.
    #[error(transparent)]
    Invalid(#[from] Problems),
}

/// Loads the scenario at `path`.
///
/// # Errors
/// When the file cannot be read or is invalid.
pub fn load(path: &Path) -> Result<Scenario, LoadError> {
    let text = load_text(path)?;
    Ok(read(&path.display().to_string(), &text)?)
}

/// Loads the text of the file at `path`.
///
/// # Errors
/// When it cannot be read, is too large or is not text.
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
    // The size of a pipe or a device is not known beforehand.
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
