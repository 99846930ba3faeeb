//! A line of a log, and the process that wrote it.

use std::ops::Range;

/// The process that wrote a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writer {
    /// One of keepalived's processes; the line does not say which.
    Unspecified,
    /// keepalived's first process.
    Parent,
    /// Its vrrp process: the one that runs the scripts.
    Vrrp,
    /// Another of its processes.
    Sibling,
    /// The kernel, or a program that starts or watches processes: it can report a crash.
    Outside,
    /// Any other.
    Foreign,
}

impl Writer {
    /// Whether it is one of keepalived's processes.
    #[must_use]
    pub const fn is_keepalived(self) -> bool {
        matches!(self, Self::Unspecified | Self::Parent | Self::Vrrp | Self::Sibling)
    }
}

/// A line of a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TextLine {
    /// Its number in the text, from 1.
    pub number: usize,
    /// The interval in which it was written, in microseconds since 1970 or, without a date, since some midnight.
    pub when: Option<Range<i64>>,
    /// The process that wrote it.
    pub writer: Writer,
    /// Its host and process, as the line names them; empty where it does not.
    pub source: String,
    /// Its message.
    pub text: String,
    /// The whole line, without colours.
    pub whole: String,
    /// Identifies the rendering of the line.
    pub(super) form: (bool, String),
}
