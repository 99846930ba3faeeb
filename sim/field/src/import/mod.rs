//! Turns keepalived's logs into scenarios: the signatures that the story of a log can produce, and those that it
//! cannot.
//!
//! - `load`: reads and decompresses a file; `lines`: splits it into lines in any rendering, each stamp an interval;
//! - `crash`: backtraces; `sites`: the defects that end where a backtrace ends;
//! - `messages`: the meaning of a message;
//! - `signs`: other evidence of crashes, hangs and missing lines;
//! - `item`, `story`: what happened to one vrrp process, in order; `process`: which process that is;
//! - `scripts`: the scripts, from a configuration or from the log;
//! - `past`: a script's result before a window; `matching`: compares a line of the log with one of the replica;
//! - `windows`: the parts of a story that are searched; `log_replay`: replays one on a replica, wake by wake;
//! - `search`, `beam`: search the interleavings; `scenarios`: writes what was found as scenarios;
//! - `found`: runs all of these.
//!
//! Invariant: the same log and options give the same answer. On the replica of the release, each reported
//! interleaving logs every line that the log has of the scripts, in the log's order and intervals, up to the
//! violation. ItemKind a log leaves open is assumed by the rules of [`ASSUMPTIONS`], and reported.

mod beam;
pub mod crash;
mod error;
mod found;
mod item;
pub mod line;
pub mod lines;
mod load;
mod log_replay;
mod matching;
pub mod messages;
pub mod others;
mod past;
mod process;
mod release;
mod scenarios;
mod scripts;
mod search;
pub mod signs;
pub mod sites;
pub mod story;
pub mod symbols;
mod windows;

pub use error::{ImportError, SIZE_MAX};
pub use found::{ASSUMPTIONS, Bounds, Imported, Leniency, NOT_LOOKED_FOR, UnmatchedWindow, import};
pub use item::{ItemKind, LogItem};
pub use load::load;
pub use release::named_release;
pub use scenarios::{Reproduction, line_range};
pub use scripts::{Assumed, Scripts};
pub use search::Searched;
pub use story::{LineCounts, SetBack, Story, Unknown, tell};
