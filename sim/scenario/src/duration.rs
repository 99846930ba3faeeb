//! Spans as people write them: `3s`, `1.5s`, `250ms`, `7us`, `2min`, `1h`. Always whole microseconds.

use treefall_model::Span;

use treefall_base::nearest::{nearest, offer};

/// A unit of time.
pub struct Unit {
    /// Its notation.
    name: &'static str,
    /// Its length in microseconds.
    micros: u64,
    /// Other common notations, for suggestions.
    also: &'static [&'static str],
}

/// A day, which only some durations accept.
pub const DAY: Unit = Unit { name: "d", micros: 86_400_000_000, also: &["day", "days"] };

/// A minute, in its notation for real time.
pub const SHORT_MINUTE: Unit = Unit { name: "m", micros: 60_000_000, also: &["min", "minutes"] };

/// The units of a duration.
pub const UNITS: [Unit; 5] = [
    Unit { name: "us", micros: 1, also: &["µs", "usec", "micros", "microseconds"] },
    Unit { name: "ms", micros: 1_000, also: &["msec", "millis", "milliseconds"] },
    Unit { name: "s", micros: 1_000_000, also: &["sec", "seconds"] },
    Unit { name: "min", micros: 60_000_000, also: &["m", "minutes"] },
    Unit { name: "h", micros: 3_600_000_000, also: &["hr", "hours"] },
];

/// The examples in every message about a duration.
pub(super) const EXAMPLES: &str =
    "a number and one of the units us, ms, s, min, h, such as \"250ms\" or \"1.5s\"";

/// A text is no duration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{why}{units}{}", offer(meant.as_ref()))]
pub struct NoDuration {
    /// The problem, as a continuation of "this duration ".
    pub why: String,
    /// The list of units, if the unit is the problem.
    units: String,
    /// The nearest duration, if there is one.
    pub meant: Option<String>,
}

impl From<String> for NoDuration {
    fn from(why: String) -> Self {
        Self { why, units: String::new(), meant: None }
    }
}

/// Parses a span.
///
/// # Errors
/// The problem of the text.
pub fn parse(text: &str) -> Result<Span, NoDuration> {
    parse_in(text, &UNITS)
}

/// Parses a span in one of these units.
///
/// # Errors
/// The problem of the text.
pub fn parse_in(text: &str, units: &[Unit]) -> Result<Span, NoDuration> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err("does not begin with a number".to_owned().into());
    }
    let Some(Unit { micros: factor, .. }) = units.iter().find(|known| known.name == unit) else {
        let why = match unit {
            "" => "has no unit".to_owned(),
            unit => format!("has a unit that is not known, {unit:?}"),
        };
        let meant = meant(unit, units).map(|unit| format!("{number}{unit}"));
        let names: Vec<&str> = units.iter().map(|known| known.name).collect();
        return Err(NoDuration { why, units: format!("; units are {}", names.join(", ")), meant });
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return Err(format!("has a number that is none, {number:?}").into());
    }
    match micros(whole, fraction.trim_end_matches('0'), *factor)? {
        Some(micros) if micros <= Span::MAX.as_micros() => Ok(Span::from_micros(micros)),
        _ => Err(format!("is too long: the longest is {}", Span::MAX).into()),
    }
}

/// Returns the unit that was probably meant, in any of its notations.
fn meant(unit: &str, units: &[Unit]) -> Option<&'static str> {
    let spellings = || units.iter().flat_map(|known| std::iter::once(&known.name).chain(known.also));
    let near = nearest(unit.trim(), spellings().copied())?;
    units.iter().find(|known| known.name == near || known.also.contains(&near)).map(|known| known.name)
}

/// Most digits after the point: no unit is divisible by ten more often.
const PLACES_MAX: usize = 15;

/// Multiplies a decimal fraction by `factor`; `None` when the product is out of range.
fn micros(whole: &str, fraction: &str, factor: u64) -> Result<Option<u64>, String> {
    let uneven = || "is not a whole number of microseconds".to_owned();
    let places =
        u32::try_from(fraction.len()).ok().filter(|_| fraction.len() <= PLACES_MAX).ok_or_else(uneven)?;
    let parts = 10_u128.pow(places);
    let part = fraction.parse::<u128>().unwrap_or(0) * u128::from(factor);
    if part % parts != 0 {
        return Err(uneven());
    }
    let whole = whole.parse::<u64>().ok().and_then(|whole| whole.checked_mul(factor));
    let part = u64::try_from(part / parts).ok();
    Ok(whole.zip(part).and_then(|(whole, part)| whole.checked_add(part)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_and_fractions_come_to_whole_microseconds() {
        let micros = |text| parse(text).map(Span::as_micros);
        assert_eq!(micros("3s"), Ok(3_000_000));
        assert_eq!(micros("1.5s"), Ok(1_500_000));
        assert_eq!(micros("0.000001s"), Ok(1));
        assert_eq!(micros("1.25000000000s"), Ok(1_250_000));
        assert_eq!(micros("250ms"), Ok(250_000));
        assert_eq!(micros("2min"), Ok(120_000_000));
        assert_eq!(micros("0.5h"), Ok(1_800_000_000));
    }

    #[test]
    fn what_is_no_duration_says_why() {
        for (text, why) in [
            ("", "does not begin with a number"),
            ("s", "does not begin with a number"),
            ("-1s", "does not begin with a number"),
            ("3", "has no unit"),
            ("3 s", "has a unit that is not known, \" s\""),
            ("3m", "has a unit that is not known, \"m\""),
            ("1..5s", "has a number that is none, \"1..5\""),
            (".5s", "has a number that is none, \".5\""),
            ("1.s", "has a number that is none, \"1.\""),
            ("0.000000055min", "is not a whole number of microseconds"),
            ("0.5us", "is not a whole number of microseconds"),
            ("1.0000001s", "is not a whole number of microseconds"),
            ("100000001s", "is too long: the longest is 100000000s"),
            ("99999999999999999999999999s", "is too long: the longest is 100000000s"),
        ] {
            assert_eq!(parse(text).map_err(|no| no.why), Err(why.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn a_unit_by_another_name_is_answered_with_the_one_that_was_meant() {
        let long: Vec<Unit> = UNITS.into_iter().chain([DAY]).collect();
        for (text, of_scenarios, of_long) in [
            ("2sec", Some("2s"), Some("2s")),
            ("2 s", Some("2s"), Some("2s")),
            ("2S", Some("2s"), Some("2s")),
            ("1.5mss", Some("1.5ms"), Some("1.5ms")),
            ("3m", Some("3min"), Some("3min")),
            ("3mins", Some("3min"), Some("3min")),
            ("7µs", Some("7us"), Some("7us")),
            ("4hours", Some("4h"), Some("4h")),
            ("5days", None, Some("5d")),
            ("5xyz", None, None),
        ] {
            let meant = |units: &[Unit]| parse_in(text, units).err().and_then(|no| no.meant);
            assert_eq!(meant(&UNITS).as_deref(), of_scenarios, "{text}");
            assert_eq!(meant(&long).as_deref(), of_long, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_span_is_read_back_from_its_text(micros in 0..=Span::MAX.as_micros()) {
            let span = Span::from_micros(micros);
            prop_assert_eq!(parse(&span.to_string()), Ok(span));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9.a-zµ+ -]{0,24}") {
            let _ = parse(&text);
        }
    }
}
