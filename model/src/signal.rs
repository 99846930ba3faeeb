//! Signals and exit statuses, with the kernel's numbers.

use core::fmt;

/// A signal, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

impl Signal {
    /// Asks for a reload.
    pub const HUP: Self = Self(1);
    /// Kills; cannot be ignored.
    pub const KILL: Self = Self(9);
    /// Marks a program that its allocator ended.
    pub const ABRT: Self = Self(6);
    /// Marks a crash.
    pub const SEGV: Self = Self(11);
    /// Asks to end.
    pub const TERM: Self = Self(15);
    /// Tells that a child changed its state.
    pub const CHLD: Self = Self(17);
    /// The highest number.
    pub const MAX: u8 = 64;

    /// Returns a signal, if `number` is 1 to 64.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number >= 1 && number <= Self::MAX { Some(Self(number)) } else { None }
    }

    /// Returns the number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Returns the name, of a signal that this project uses.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1 => "SIGHUP",
            2 => "SIGINT",
            4 => "SIGILL",
            6 => "SIGABRT",
            7 => "SIGBUS",
            8 => "SIGFPE",
            9 => "SIGKILL",
            10 => "SIGUSR1",
            11 => "SIGSEGV",
            12 => "SIGUSR2",
            15 => "SIGTERM",
            17 => "SIGCHLD",
            _ => return None,
        })
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a child ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ExitStatus {
    /// It exited with this code.
    Code(u8),
    /// It died of this signal.
    Signal(Signal),
}

impl ExitStatus {
    /// Success.
    pub const SUCCESS: Self = Self::Code(0);

    /// Returns the status as `waitpid` stores it.
    #[must_use]
    pub const fn raw(self) -> i32 {
        match self {
            Self::Code(code) => (code as i32) << 8,
            Self::Signal(signal) => signal.0 as i32,
        }
    }

    /// Reads a status that `waitpid` stored; `None` if it is not that of a child that ended.
    #[must_use]
    pub fn from_raw(raw: i32) -> Option<Self> {
        let low = u8::try_from(raw & 0x7f).ok()?;
        if low == 0 {
            u8::try_from((raw >> 8) & 0xff).ok().map(Self::Code)
        } else {
            Signal::new(low).map(Self::Signal)
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit {code}"),
            Self::Signal(signal) => write!(f, "{signal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_survives_the_way_through_waitpid() {
        for code in 0..=u8::MAX {
            let status = ExitStatus::Code(code);
            assert_eq!(ExitStatus::from_raw(status.raw()), Some(status));
        }
        for signal in (1..=Signal::MAX).filter_map(Signal::new) {
            let status = ExitStatus::Signal(signal);
            assert_eq!(ExitStatus::from_raw(status.raw()), Some(status));
        }
    }
}
