//! Virtual time: instants and spans, in whole microseconds.
//!
//! An [`Instant`] is a point on the trace's own clock, which starts at zero; a [`Span`] is a distance. An instant minus
//! an instant is a span, an instant plus a span is an instant, and two instants cannot be added. [`Span::MAX`] and
//! [`Instant::MAX`] bound both, so that no sum overflows.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};

/// Microseconds in a second.
pub const MICROS_PER_SECOND: u64 = 1_000_000;

/// A length of virtual time, in microseconds, at most [`Span::MAX`].
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

impl Span {
    /// No time.
    pub const ZERO: Self = Self(0);
    /// The longest span in a trace: 10^8 seconds, a little over three years.
    pub const MAX: Self = Self(100_000_000 * MICROS_PER_SECOND);

    /// Returns a span of `micros` microseconds, at most [`Span::MAX`].
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        if micros > Self::MAX.0 { Self::MAX } else { Self(micros) }
    }

    /// Returns a span of `millis` milliseconds, at most [`Span::MAX`].
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self::from_micros(millis.saturating_mul(1_000))
    }

    /// Returns a span of `seconds` seconds, at most [`Span::MAX`].
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self::from_micros(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// Returns the span in microseconds.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Whether the span is zero.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Returns `self` less `other`, at least zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::from_micros(self.0 + other.0)
    }
}

/// Writes the span as scenario files do, in the largest unit that divides it: `3s`, `250ms`, `7us`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0s"),
            n if n % MICROS_PER_SECOND == 0 => write!(f, "{}s", n / MICROS_PER_SECOND),
            n if n % 1_000 == 0 => write!(f, "{}ms", n / 1_000),
            n => write!(f, "{n}us"),
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A point in virtual time, in microseconds since the trace began.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The beginning of a trace.
    pub const START: Self = Self(0);
    /// The last instant, after about 300 years; a trace that reaches it stands still.
    pub const MAX: Self = Self(10_000_000_000 * MICROS_PER_SECOND);

    /// Returns the instant `micros` microseconds after the start, at most [`Instant::MAX`].
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        if micros > Self::MAX.0 { Self::MAX } else { Self(micros) }
    }

    /// Returns microseconds since the start.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Returns the span since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Span {
        Span::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Instant {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self::from_micros(self.0 + span.0)
    }
}

impl AddAssign<Span> for Instant {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

/// Returns the span between two instants.
///
/// # Panics
/// When `earlier` is after `self`. Use [`saturating_since`](Instant::saturating_since) where that can happen.
impl Sub for Instant {
    type Output = Span;
    fn sub(self, earlier: Self) -> Span {
        assert!(earlier <= self, "{earlier} is not before {self}");
        Span(self.0 - earlier.0)
    }
}

/// Writes seconds with six decimals, as keepalived's log does: `3.000000`.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / MICROS_PER_SECOND, self.0 % MICROS_PER_SECOND)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Instant at which an entry is due; `Never` sorts after every instant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Deadline {
    /// Due at this instant.
    At(Instant),
    /// Never due by time.
    Never,
}

impl Deadline {
    /// Whether the deadline has come at `now`.
    #[must_use]
    pub fn is_due(self, now: Instant) -> bool {
        self <= Self::At(now)
    }
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(instant) => instant.fmt(f),
            Self::Never => f.write_str("never"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_span_is_written_in_the_largest_unit_that_divides_it() {
        let texts =
            [0, 7, 1_500, 250_000, 1_000_000, 90_000_000].map(|n| format!("{}", Span::from_micros(n)));
        assert_eq!(texts, ["0s", "7us", "1500us", "250ms", "1s", "90s"]);
    }

    #[test]
    fn never_is_after_every_instant() {
        assert!(Deadline::At(Instant::MAX) < Deadline::Never);
        assert!(!Deadline::Never.is_due(Instant::MAX));
        assert!(Deadline::At(Instant::START).is_due(Instant::START));
    }

    #[test]
    #[should_panic(expected = "0.000002 is not before 0.000001")]
    fn a_span_cannot_be_negative() {
        let _ = Instant::from_micros(1) - Instant::from_micros(2);
    }
}
