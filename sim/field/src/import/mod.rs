//! From a keepalived's log to scenarios: which signatures the story that it tells can produce, and which not.
//!
//! - `load`: the text of a file, decompressed; `lines`: its lines in any rendering, each stamp an interval;
//! - `crash`: backtraces; `sites`: which defects end where a backtrace ends;
//! - `messages`: what a message says;
//! - `signs`: what else a log shows of crashes, hangs and missing lines;
//! - `story`: what happened to one vrrp process, in order; `process`: which process that is;
//! - `scripts`: the scripts, from a configuration or from the log;
//! - `past`: what a script's result was before a window; `told`: a line of the log beside one of the replica;
//! - `walk`: a replica that goes along the story, wake by wake; `search`: all ways to go along it, to a bound;
//! - `found`: what was found, as scenarios.
//!
//! Always: the same log and the same options give the same answer. A way that is told of gives, on the replica of
//! the release, each line that the log has of the scripts up to the break, in the log's order and its intervals.
//! What a log does not tell is assumed by the rules of [`ASSUMPTIONS`], and these are told.

mod beam;
pub mod crash;
mod found;
pub mod line;
pub mod lines;
mod load;
pub mod messages;
pub mod others;
mod past;
mod process;
mod release;
mod scripts;
mod search;
pub mod signs;
pub mod sites;
pub mod story;
pub mod symbols;
mod told;
mod walk;
mod windows;

use std::io;
use std::path::PathBuf;

use treefall_model::release::Defect;
use treefall_model::time::Span;

pub use found::{Imported, Leniency, NoWay, Reproduction, import, import_while, lines_told};
pub use load::load;
pub use release::release_told;
pub use scripts::{Assumed, Scripts};
pub use search::{GoOn, Searched};
pub use story::{Census, Item, SetBack, Story, Unknown, What, tell};

/// Largest log that is read, in bytes: 64 MiB.
pub const SIZE_MAX: u64 = 64 << 20;

/// What is taken for granted where a log is silent.
pub const ASSUMPTIONS: [&str; 8] = [
    "a run that the log says nothing of did what the script's last one did: it hung, or it ended within a millisecond \
     with the same result",
    "of a window that begins at a reload, children of before it are gone; results are carried over as the log tells, and \
     may be any where it does not",
    "the machine was at most 50 ms late with anything, and 2 ms more for each second of a window",
    "each reload brought the same scripts",
    "the end of the process and a reload did not fall into one wake",
    "what a whole daemon does not show, the law no-stale-argument, is not looked for; nor are misc checks",
    "forks and signals did not fail, whatever the log tells of it",
    "handlers take no time, or 200 us for each child started: both are tried",
];

/// Defects that no search here can show, by what is assumed: they are neither seen nor ruled out.
pub const NOT_LOOKED_FOR: [Defect; 4] = [
    Defect::StaleArgumentAfterReload,
    Defect::ReloadEatsTermination,
    Defect::MiscKillTestInverted,
    Defect::CancelLeavesPidEntry,
];

/// What a search is told.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How far before the end of the story a window may begin.
    pub window: Span,
    /// Most interleavings that are tried, in all windows.
    pub tries: u64,
    /// How many runs may have hung without a word of the log. `None`: 0, and one for each script where the log tells
    /// of a death.
    pub untold: Option<u32>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { window: Span::from_secs(60), tries: 4_000, untold: None }
    }
}

/// Why a log cannot be imported. Each says where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It cannot be read.
    #[error("cannot read {}: {error}; name a file with the log lines of a keepalived, or `-` for standard input", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is larger than [`SIZE_MAX`].
    #[error(
        "{}: larger than {} MiB (refused before it was read whole); cut out what matters: `grep -i keepalived LOG | tail -n \
         100000 > part.log`, or `journalctl -u keepalived --since ..`",
        path.display(),
        SIZE_MAX >> 20
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is no text.
    #[error("{}: this is no text: byte 0x00 at offset {offset} (line {line}); name a log in plain text{hint}", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first of these, from 0.
        offset: usize,
        /// Its line, from 1.
        line: usize,
        /// What it may be, with what to do about it.
        hint: &'static str,
    },
    /// There is nothing in it.
    #[error(
        "the log is empty: there is no story in it; `journalctl -u keepalived > keepalived.log` writes one with systemd"
    )]
    Empty,
    /// Nothing in it is keepalived's.
    #[error(
        "none of its {lines} lines is keepalived's ({unstamped} of them without a time stamp that is known); lines look \
         like `Nov 25 10:00:00 host Keepalived_vrrp[123]: ..`, `2026-11-25T10:00:00+01:00 host Keepalived_vrrp[123]: ..` or \
         `Wed Nov 25 10:00:00 2026: ..`: leave time stamps and tags as they were written"
    )]
    NoKeepalived {
        /// How many lines there are.
        lines: u64,
        /// How many have no time stamp.
        unstamped: u64,
    },
    /// keepalived says nothing of scripts or reloads.
    #[error(
        "of its {keepalived} lines of keepalived none tells of a start, a reload, a script or a death; take the lines of the \
         vrrp process too, from its start or a reload on"
    )]
    NoStory {
        /// How many lines are keepalived's.
        keepalived: u64,
    },
    /// Lines of two daemons alternate.
    #[error(
        "line {line}: `{one}` writes again behind `{other}`: these are two daemons, whose stories are not one; import each by \
         itself: `grep -F '{one}' LOG | treefall import - --target replica:RELEASE`"
    )]
    TwoDaemons {
        /// Where the first writes again.
        line: usize,
        /// Who.
        one: String,
        /// And who wrote in between.
        other: String,
    },
    /// The log shows a crash, and cannot be searched for its cause.
    #[error("the log shows {} that these lines do not explain, in {sign}: {reason}", sign.kind.in_words())]
    NotExplained {
        /// What shows it.
        sign: signs::Sign,
        /// Why it cannot be searched.
        reason: Box<ImportError>,
    },
    /// More happened than is kept.
    #[error(
        "line {line}: more than {limit} things happened until here; cut out what came shortly before the crash"
    )]
    TooMuch {
        /// Where.
        line: usize,
        /// The bound.
        limit: usize,
    },
    /// No script is known.
    #[error("the log names no script; name the configuration that it ran with: `--config keepalived.conf`")]
    NoScripts,
    /// The configuration has none that is tracked.
    #[error("no track script in the configuration: a defect of this class cannot be it")]
    NoTrackScripts,
    /// A script cannot be followed.
    #[error("{what}; {remedy}")]
    Script {
        /// What of which script.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The release is not known.
    #[error(
        "the log {}; name the release: `--target replica:2.2.7` (`treefall targets` lists them)",
        version.as_ref().map_or_else(
            || "does not say which release wrote it (it has no line `Starting Keepalived v..`)".to_owned(),
            |version| format!("was written by keepalived {version}, which treefall does not know")
        )
    )]
    NoRelease {
        /// What it says.
        version: Option<String>,
    },
    /// No interleaving gives the log's lines.
    #[error(
        "none of the {tried} interleavings that were tried gives the log's lines: none gets past line {line} (`{text}`); \
         {remedy}"
    )]
    DoesNotFit {
        /// How many were tried.
        tried: u64,
        /// The furthest line that none gets past, from 1.
        line: usize,
        /// What it says.
        text: String,
        /// What to do.
        remedy: &'static str,
    },
}

impl ImportError {
    /// Whether it says that no defect of this class can have been met.
    #[must_use]
    pub fn is_acquittal(&self) -> bool {
        match self {
            Self::NoTrackScripts => true,
            Self::NotExplained { reason, .. } => reason.is_acquittal(),
            _ => false,
        }
    }
}
