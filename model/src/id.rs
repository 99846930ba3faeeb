//! Names of things: configurations, scripts, runs, processes. None is a bare number.
//!
//! A [`Run`] is named by what the trace can know beforehand (script, generation, n-th start), never by its
//! [`Pid`], so that one trace means the same on every release.

use core::fmt;
use core::num::NonZeroI32;

/// Which of the setup's configurations: an index into [`Setup::configs`](crate::trace::Setup::configs).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConfigId(pub u8);

/// Which script of a configuration, by its place there.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ScriptId(pub u16);

/// How many reloads had been carried out when the configuration in force was read. The first is 0.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Generation(pub u32);

impl Generation {
    /// The generation that the next reload brings.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A script of one generation: what an entry's argument points at.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ScriptRef {
    /// The generation whose object it is.
    pub generation: Generation,
    /// Which of its scripts.
    pub script: ScriptId,
}

/// One child process: the `nth` start (from 1) of a script in a generation.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Run {
    /// The script that was started.
    pub of: ScriptRef,
    /// Its n-th successful start in that generation, from 1.
    pub nth: u32,
}

/// `script@generation#nth`, the script by its index: `0@0#1`. Reports use the script's name instead.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}#{}", self.of.script.0, self.of.generation.0, self.nth)
    }
}

/// The number of an attempt to start a child, over the whole trace, from 0. Failed ones count.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StartNo(pub u32);

/// A process id: positive. Reused by some pid policies, so that it does not name a [`Run`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(NonZeroI32);

impl Pid {
    /// The pid of the program under test.
    pub const SELF: Self = Self(NonZeroI32::new(1_000).unwrap());

    /// A pid, if `raw` is positive.
    #[must_use]
    pub const fn new(raw: i32) -> Option<Self> {
        match NonZeroI32::new(raw) {
            Some(pid) if raw > 0 => Some(Self(pid)),
            _ => None,
        }
    }

    /// The number that the kernel knows it by.
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
