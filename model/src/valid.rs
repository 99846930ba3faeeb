//! Limits of a trace's parts, names, and the reasons why a trace cannot be built.

use alloc::string::{String, ToString};
use core::fmt;

use crate::id::{ConfigId, LinkId, Run, StartNo};
use crate::time::Span;

/// Longest name of a script, in bytes.
pub const NAME_MAX: usize = 64;
/// Highest number of a start that can be made to fail.
pub const START_NO_MAX: u32 = 1 << 24;
/// Highest cost of each kind: one second.
pub const COST_MAX: Span = Span::from_secs(1);
/// Longest name of an interface, in bytes, as in the kernel.
pub const LINK_NAME_MAX: usize = 15;
/// Longest delay of an interface's changes that a configuration takes.
pub const LINK_DELAY_MAX: Span = Span::from_secs(255);

/// The name of a script: 1 to [`NAME_MAX`] letters, digits, `_`, `-` and `.`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Name(String);

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    /// [`TraceError::BadName`] when it is empty, too long, or holds another character.
    pub fn new(text: &str) -> Result<Self, TraceError> {
        let good = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.');
        if text.is_empty() || text.len() > NAME_MAX || !text.bytes().all(good) {
            return Err(TraceError::BadName(text.to_string()));
        }
        Ok(Self(text.to_string()))
    }

    /// Returns the default name of the script at this place: `s0`, `s1`.
    #[must_use]
    pub fn numbered(place: usize) -> Self {
        Self(alloc::format!("s{place}"))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reason why a trace cannot be built.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TraceError {
    /// The setup has no configuration.
    NoConfig,
    /// There is more of something than a trace may hold.
    TooMany {
        /// The kind of thing.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A text is not a valid name of a script.
    BadName(String),
    /// Two scripts of one configuration share a name.
    NameTwice {
        /// The name.
        name: Name,
        /// The configuration.
        config: ConfigId,
    },
    /// A value of a script is zero and must not be.
    ZeroInScript {
        /// The script.
        name: Name,
        /// The value.
        what: &'static str,
    },
    /// A failing start is beyond [`START_NO_MAX`].
    StartTooFar(StartNo),
    /// A cost is beyond [`COST_MAX`].
    CostTooLong,
    /// A SIGHUP brings a configuration that the setup does not have.
    NoSuchConfig {
        /// The wake, from 0.
        wake: usize,
        /// The configuration asked for.
        config: ConfigId,
    },
    /// An exit of a run that no release can have started by then.
    NoSuchRun {
        /// The wake, from 0.
        wake: usize,
        /// The run.
        run: Run,
    },
    /// The name of an interface is longer than the kernel's are.
    LinkNameTooLong(Name),
    /// A delay of an interface's changes is longer than a configuration takes.
    LinkDelayTooLong(Name),
    /// Two interfaces share a name.
    LinkTwice(Name),
    /// An event of an interface that the setup does not have.
    NoSuchLink {
        /// The wake, from 0.
        wake: usize,
        /// The interface.
        link: LinkId,
    },
    /// One wake ends a run twice.
    ExitTwice {
        /// The wake, from 0.
        wake: usize,
        /// The run.
        run: Run,
    },
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoConfig => write!(f, "a trace needs at least one configuration"),
            Self::TooMany { what, limit } => write!(f, "more than {limit} {what}"),
            Self::BadName(text) => write!(
                f,
                "{text:?} is no name for a script: 1 to {NAME_MAX} letters, digits, `_`, `-` and `.`"
            ),
            Self::NameTwice { name, config } => {
                write!(f, "two scripts of configuration {} are called {name}", config.0)
            }
            Self::ZeroInScript { name, what } => write!(f, "the {what} of script {name} must not be zero"),
            Self::StartTooFar(start) => {
                write!(f, "start {} cannot be told to fail: the highest is {START_NO_MAX}", start.0)
            }
            Self::CostTooLong => write!(f, "a cost may be at most {COST_MAX}"),
            Self::NoSuchConfig { wake, config } => {
                write!(f, "wake {wake} reloads configuration {}, which the setup does not have", config.0)
            }
            Self::NoSuchRun { wake, run } => {
                write!(f, "wake {wake} ends run {run}, which nothing can have started by then")
            }
            Self::LinkNameTooLong(name) => {
                write!(f, "{name} is no name for an interface: at most {LINK_NAME_MAX} characters")
            }
            Self::LinkDelayTooLong(name) => {
                write!(f, "a delay of interface {name} may be at most {LINK_DELAY_MAX}")
            }
            Self::LinkTwice(name) => write!(f, "two interfaces are called {name}"),
            Self::NoSuchLink { wake, link } => {
                write!(f, "wake {wake} changes interface {}, which the setup does not have", link.0)
            }
            Self::ExitTwice { wake, run } => write!(f, "wake {wake} ends run {run} twice"),
        }
    }
}

impl core::error::Error for TraceError {}
