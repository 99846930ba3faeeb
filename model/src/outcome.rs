//! How a run ended.

use alloc::string::String;
use core::fmt;

use crate::signal::Signal;

/// How a run went on, whatever laws it broke.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// To its end.
    Survived,
    /// The program died of a signal.
    Crashed {
        /// Which.
        signal: Signal,
        /// In which function of the program, if its symbols tell.
        function: Option<String>,
    },
    /// It ran on without an end.
    Hung {
        /// In which function of the program, if its symbols tell.
        function: Option<String>,
    },
}

impl Outcome {
    /// The run ended as it should.
    #[must_use]
    pub const fn survived(&self) -> bool {
        matches!(self, Self::Survived)
    }

    /// In which function of the program it crashed or hung, if that is known.
    #[must_use]
    pub fn function(&self) -> Option<&str> {
        match self {
            Self::Survived => None,
            Self::Crashed { function, .. } | Self::Hung { function } => function.as_deref(),
        }
    }

    /// The same with no function named.
    #[must_use]
    pub const fn without_function(&self) -> Self {
        match self {
            Self::Survived => Self::Survived,
            Self::Crashed { signal, .. } => Self::Crashed { signal: *signal, function: None },
            Self::Hung { .. } => Self::Hung { function: None },
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Survived => f.write_str("survived"),
            Self::Crashed { signal, function: None } => write!(f, "crashed by {signal}"),
            Self::Crashed { signal, function: Some(function) } => {
                write!(f, "crashed by {signal} in {function}")
            }
            Self::Hung { function: None } => f.write_str("hung"),
            Self::Hung { function: Some(function) } => write!(f, "hung in {function}"),
        }
    }
}
