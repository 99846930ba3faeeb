//! Errors of an import.

use std::io;
use std::path::PathBuf;

use super::signs;

/// Largest accepted log, in bytes: 64 MiB.
pub const SIZE_MAX: u64 = 64 << 20;

/// Why a log cannot be imported. Each message names the place and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}; name a file with the log lines of a keepalived, or `-` for standard input", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The file is larger than [`SIZE_MAX`].
    #[error(
        "{}: larger than {} MiB; extract the relevant lines: `grep -i keepalived LOG | tail -n \
         100000 > part.log`, or `journalctl -u keepalived --since ..`",
        path.display(),
        SIZE_MAX >> 20
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is not text.
    #[error("{}: not a text file: byte 0x00 at offset {offset} (line {line}); name a log in plain text{hint}", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The offset of the first zero byte, from 0.
        offset: usize,
        /// The line of that byte, from 1.
        line: usize,
        /// What the file may be, with the remedy.
        hint: &'static str,
    },
    /// The file is empty.
    #[error("the log is empty; with systemd, `journalctl -u keepalived > keepalived.log` writes one")]
    Empty,
    /// No line is keepalived's.
    #[error(
        "none of its {lines} lines is keepalived's ({unstamped} of them without a known time stamp); expected lines \
         like `Nov 25 10:00:00 host Keepalived_vrrp[123]: ..`, `2026-11-25T10:00:00+01:00 host Keepalived_vrrp[123]: ..` or \
         `Wed Nov 25 10:00:00 2026: ..`: leave time stamps and tags as they were written"
    )]
    NoKeepalived {
        /// How many lines there are.
        lines: u64,
        /// Number of lines without a time stamp.
        unstamped: u64,
    },
    /// No line of keepalived mentions scripts, reloads or deaths.
    #[error(
        "none of its {keepalived} lines of keepalived mentions a start, a reload, a script or a death; include the lines of \
         the vrrp process, from its start or a reload on"
    )]
    NoStory {
        /// How many lines are keepalived's.
        keepalived: u64,
    },
    /// Lines of two daemons alternate.
    #[error(
        "line {line}: `{one}` writes again after `{other}`: these are two daemons; import each by \
         itself: `grep -F '{one}' LOG | treefall import - --target replica:RELEASE`"
    )]
    TwoDaemons {
        /// The line in which the first one writes again.
        line: usize,
        /// The first writer.
        one: String,
        /// The writer in between.
        other: String,
    },
    /// The log shows a crash, and its cause cannot be searched for.
    #[error("the log shows {} that these lines do not explain, in {sign}: {reason}", sign.kind.in_words())]
    NotExplained {
        /// The evidence.
        sign: signs::Sign,
        /// Why its cause cannot be searched for.
        reason: Box<ImportError>,
    },
    /// The log has more items than the limit.
    #[error("line {line}: more than {limit} events until here; extract the lines shortly before the crash")]
    TooMuch {
        /// The line at which the limit is exceeded.
        line: usize,
        /// The bound.
        limit: usize,
    },
    /// Neither log nor configuration names a script.
    #[error("the log names no script; name the configuration that it ran with: `--config keepalived.conf`")]
    NoScripts,
    /// The configuration has no tracked script.
    #[error("no track script in the configuration: a defect of this class cannot be the cause")]
    NoTrackScripts,
    /// A script cannot be replayed.
    #[error("{what}; {remedy}")]
    Script {
        /// The script and its problem.
        what: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// The release is unknown.
    #[error(
        "the log {}; name the release: `--target replica:2.2.7` (`treefall targets` lists them)",
        version.as_ref().map_or_else(
            || "does not say which release wrote it (it has no line `Starting Keepalived v..`)".to_owned(),
            |version| format!("was written by keepalived {version}, which treefall does not know")
        )
    )]
    NoRelease {
        /// The version that the log names.
        version: Option<String>,
    },
    /// No interleaving reproduces the log's lines.
    #[error(
        "none of the {tried} interleavings that were tried reproduces the log's lines: none gets past line {line} (`{text}`); \
         {remedy}"
    )]
    DoesNotFit {
        /// Number of interleavings tried.
        tried: u64,
        /// The furthest line that none gets past, from 1.
        line: usize,
        /// Text of that line.
        text: String,
        /// What to do.
        remedy: &'static str,
    },
}

impl ImportError {
    /// Returns whether it rules out all defects of this class.
    #[must_use]
    pub fn is_acquittal(&self) -> bool {
        match self {
            Self::NoTrackScripts => true,
            Self::NotExplained { reason, .. } => reason.is_acquittal(),
            _ => false,
        }
    }
}
