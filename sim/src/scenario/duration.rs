//! Spans as people write them: `3s`, `1.5s`, `250ms`, `7us`, `2min`, `1h`. Always whole microseconds.

use treefall_model::Span;

/// The units that a duration may have, and how many microseconds each is.
const UNITS: [(&str, u64); 5] =
    [("us", 1), ("ms", 1_000), ("s", 1_000_000), ("min", 60_000_000), ("h", 3_600_000_000)];

/// What every message about a duration offers.
pub(super) const EXAMPLES: &str =
    "a number and one of the units us, ms, s, min, h, such as \"250ms\" or \"1.5s\"";

/// The span that `text` tells.
///
/// # Errors
/// What is wrong with it, to go on after "this duration ".
pub(crate) fn parse(text: &str) -> Result<Span, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err("does not begin with a number".to_owned());
    }
    if unit.is_empty() {
        return Err("has no unit".to_owned());
    }
    let Some((_, factor)) = UNITS.into_iter().find(|(name, _)| *name == unit) else {
        return Err(format!("has a unit that is not known, {unit:?}"));
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return Err(format!("has a number that is none, {number:?}"));
    }
    match micros(whole, fraction.trim_end_matches('0'), factor)? {
        Some(micros) if micros <= Span::MAX.as_micros() => Ok(Span::from_micros(micros)),
        _ => Err(format!("is too long: the longest is {}", Span::MAX)),
    }
}

/// Most digits after the point: no unit has a factor that ten divides so often.
const PLACES_MAX: usize = 15;

/// Digits before and after the point, times `factor`; `None` when it is beyond all bounds.
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
            assert_eq!(parse(text), Err(why.to_owned()), "{text:?}");
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
