//! Errors of reading a configuration.

use std::io;
use std::path::PathBuf;

use treefall_base::nearest::offer;

/// Largest accepted file, in bytes: 4 MiB.
pub const SIZE_MAX: u64 = 4 << 20;

/// An error in a configuration, with its place and the remedy.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {what}; {remedy}{}", offer(*meant))]
pub struct ConfError {
    /// Number of the line, from 1.
    pub line: usize,
    /// The problem.
    pub what: String,
    /// The remedy.
    pub remedy: &'static str,
    /// The word that was meant, if one is near.
    pub meant: Option<&'static str>,
}

impl ConfError {
    pub(super) fn new(line: usize, what: String, remedy: &'static str) -> Self {
        Self { line, what, remedy, meant: None }
    }
}

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfFileError {
    /// The file cannot be read.
    #[error("{}: {error}; name a file in the format of keepalived.conf", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The file is larger than [`SIZE_MAX`].
    #[error("{}: larger than {} MiB, too large for a configuration of keepalived", path.display(), SIZE_MAX >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file contains an error, or treefall cannot interpret it.
    #[error("{}, {error}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The error.
        error: ConfError,
    },
}
