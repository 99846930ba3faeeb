//! Identifiers of configurations, scripts, runs and processes; none is a bare number.
//!
//! A [`Run`] is identified by what the trace can know beforehand (script, generation, n-th start), never by its
//! [`Pid`], so that one trace means the same on every release.

use core::fmt;
use core::num::NonZeroI32;

/// Identifies a configuration, by its index in [`Setup::configs`](crate::trace::Setup::configs).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConfigId(pub u8);

/// Identifies a script of a configuration, by its index there.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ScriptId(pub u16);

/// Counts the reloads before the configuration in force was read. The first generation is 0.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Generation(pub u32);

impl Generation {
    /// Returns the generation of the next reload.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Identifies a script of one generation: what an entry's argument points at.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ScriptRef {
    /// The generation.
    pub generation: Generation,
    /// The script.
    pub script: ScriptId,
}

/// Identifies one child process: the `nth` start, from 1, of a script in a generation.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Run {
    /// The script.
    pub of: ScriptRef,
    /// The number of the successful start in that generation, from 1.
    pub nth: u32,
}

/// Writes `script@generation#nth` with the script's index: `0@0#1`. Reports use the script's name.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}#{}", self.of.script.0, self.of.generation.0, self.nth)
    }
}

/// Identifies a network interface, by its index in [`Setup::links`](crate::trace::Setup::links).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub u8);

/// Counts attempts to start a child over the whole trace, from 0, failed ones included.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StartNo(pub u32);

/// A process id, positive. Some pid policies reuse pids, so a pid does not identify a [`Run`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(NonZeroI32);

impl Pid {
    /// The pid of the program under test.
    pub const SELF: Self = Self(NonZeroI32::new(1_000).unwrap());

    /// Returns a pid, if `raw` is positive.
    #[must_use]
    pub const fn new(raw: i32) -> Option<Self> {
        match NonZeroI32::new(raw) {
            Some(pid) if raw > 0 => Some(Self(pid)),
            _ => None,
        }
    }

    /// Returns the kernel's number.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0.get()
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
