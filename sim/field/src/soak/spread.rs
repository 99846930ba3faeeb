//! A random span of time: ranges, each with its probability.
//!
//! Invariant: the shares of the ranges sum to `WHOLE`, and none is empty. The text form is `3s`, `5ms..15ms` or
//! `1%:never,5ms..15ms` (the range without a share has the rest).

use std::fmt;
use std::str::FromStr;

use treefall_model::time::Span;

use treefall_base::nearest::{nearest, offer};
use treefall_scenario::parse_duration;
use treefall_search::generator::draw::Draw;

/// The sum of all shares: one unit is a tenth of a millionth of a percent.
pub(super) const WHOLE: u64 = 1_000_000_000;
/// Most digits after the point of a share in percent.
const PLACES: usize = 7;

/// One range with its share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct SpreadRange {
    share: u64,
    /// Smallest and largest span; `None`: never.
    range: Option<(Span, Span)>,
}

/// A random span of time, which may be infinite.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spread(Vec<SpreadRange>);

/// Returns `span * times / over`.
pub(super) fn scaled(span: Span, times: u64, over: u64) -> Span {
    Span::from_micros(span.as_micros().saturating_mul(times) / over.max(1))
}

/// Why a text is no spread.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{why}; write a span (`5ms`), a range (`5ms..15ms`), `never`, or parts of these with their shares \
     (`1%:never,5ms..15ms`){}", offer(meant.as_ref())
)]
pub struct SpreadError {
    why: String,
    /// The range that was probably meant by the wrong one.
    meant: Option<String>,
}

impl SpreadError {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), meant: None }
    }
}

/// The text of an infinite span.
const NEVER: &str = "never";

impl Spread {
    /// Returns the constant spread.
    #[must_use]
    pub fn always(span: Span) -> Self {
        Self(vec![SpreadRange { share: WHOLE, range: Some((span, span)) }])
    }

    /// Returns the uniform spread between two spans, inclusive.
    #[must_use]
    pub fn between(first: Span, last: Span) -> Self {
        Self(vec![SpreadRange { share: WHOLE, range: Some((first, last.max(first))) }])
    }

    /// Returns the lifetime of a process after a SIGTERM: 1 to 3 ms, and infinite for a share of `share` / `WHOLE`.
    #[must_use]
    pub fn dies_but_for(share: u64) -> Self {
        let dies = Some((Span::from_millis(1), Span::from_millis(3)));
        if share == 0 {
            return Self(vec![SpreadRange { share: WHOLE, range: dies }]);
        }
        let share = share.min(WHOLE);
        Self(vec![SpreadRange { share, range: None }, SpreadRange { share: WHOLE - share, range: dies }])
    }

    /// Returns one range with probability `share` / `WHOLE`, and another with the rest.
    #[must_use]
    pub fn mixed(share: u64, seldom: (Span, Span), mostly: (Span, Span)) -> Self {
        let share = share.min(WHOLE);
        let rest = SpreadRange { share: WHOLE - share, range: Some(mostly) };
        Self(vec![SpreadRange { share, range: Some(seldom) }, rest])
    }

    /// Returns the infinite spread.
    #[must_use]
    pub fn never() -> Self {
        Self(vec![SpreadRange { share: WHOLE, range: None }])
    }

    /// Multiplies all spans by `times / over`.
    #[must_use]
    pub fn scaled(&self, times: u64, over: u64) -> Self {
        let scale = |span: Span| scaled(span, times, over);
        let part = |part: &SpreadRange| SpreadRange {
            range: part.range.map(|(a, b)| (scale(a), scale(b))),
            ..*part
        };
        Self(self.0.iter().map(part).collect())
    }

    /// Multiplies the first range's share by `times / over`; the last range has the rest. `None` if there is only one
    /// range, or the rest would be negative.
    #[must_use]
    pub fn first_share_scaled(&self, times: u64, over: u64) -> Option<Self> {
        let mut parts = self.0.clone();
        let (first, last) = (0, parts.len().checked_sub(1).filter(|last| *last > 0)?);
        let share = parts[first].share.checked_mul(times)? / over.max(1);
        parts[last].share = (parts[last].share + parts[first].share).checked_sub(share)?;
        parts[first].share = share;
        Some(Self(parts))
    }

    /// Returns the mean; `None` if a range is infinite.
    #[must_use]
    pub fn mean(&self) -> Option<Span> {
        let mut weighed = 0_u128;
        for part in &self.0 {
            let (first, last) = part.range?;
            let twice = u128::from(first.as_micros()) + u128::from(last.as_micros());
            weighed += twice * u128::from(part.share);
        }
        u64::try_from(weighed / u128::from(2 * WHOLE)).ok().map(Span::from_micros)
    }

    /// Draws a span. A constant spread draws nothing.
    pub(super) fn draw(&self, draw: &mut Draw) -> Option<Span> {
        let mut part = self.0[0];
        if self.0.len() > 1 {
            let mut left = draw.below(WHOLE);
            for candidate in &self.0 {
                part = *candidate;
                match left.checked_sub(candidate.share) {
                    Some(rest) => left = rest,
                    None => break,
                }
            }
        }
        let (first, last) = part.range?;
        let width = last.as_micros() - first.as_micros();
        Some(if width == 0 { first } else { first + Span::from_micros(draw.below(width + 1)) })
    }
}

impl FromStr for Spread {
    type Err = SpreadError;

    fn from_str(text: &str) -> Result<Self, SpreadError> {
        let mut parts = Vec::new();
        let mut open = None;
        for text in text.split(',') {
            let (share, range) = match text.split_once("%:") {
                Some((share, range)) => (Some(parse_share(share)?), range),
                None => (None, text),
            };
            let range = parse_range(range)?;
            if share.is_none() && open.replace(parts.len()).is_some() {
                return Err(SpreadError::new("two parts have no share"));
            }
            parts.push(SpreadRange { share: share.unwrap_or(0), range });
        }
        let told: u64 = parts.iter().map(|part| part.share).sum();
        match open {
            Some(place) if told < WHOLE => parts[place].share = WHOLE - told,
            None if told == WHOLE => {}
            _ => return Err(SpreadError::new("the shares do not come to 100%")),
        }
        Ok(Self(parts))
    }
}

fn parse_share(text: &str) -> Result<u64, SpreadError> {
    let wrong = || SpreadError::new(format!("{text}% is no share"));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > PLACES {
        return Err(wrong());
    }
    let padded = format!("{whole}{fraction:0<PLACES$}");
    padded.parse().ok().filter(|share| (1..=WHOLE).contains(share)).ok_or_else(wrong)
}

fn parse_range(text: &str) -> Result<Option<(Span, Span)>, SpreadError> {
    if text == NEVER {
        return Ok(None);
    }
    let span = |text: &str| {
        parse_duration(text).map_err(|no| SpreadError {
            why: format!("{text:?} {}", no.why),
            meant: no.meant.or_else(|| nearest(text, [NEVER]).map(str::to_owned)),
        })
    };
    let (first, last) = match text.split_once("..") {
        Some((first, last)) => (span(first)?, span(last)?),
        None => (span(text)?, span(text)?),
    };
    if last < first {
        return Err(SpreadError::new(format!("{text:?} ends before it begins")));
    }
    Ok(Some((first, last)))
}

/// Formats it as it is parsed.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(",")?;
            }
            if self.0.len() > 1 {
                let per_percent = WHOLE / 100;
                let fraction = format!("{:0PLACES$}", part.share % per_percent);
                let fraction = fraction.trim_end_matches('0');
                let point = if fraction.is_empty() { "" } else { "." };
                write!(f, "{}{point}{fraction}%:", part.share / per_percent)?;
            }
            match part.range {
                None => f.write_str(NEVER)?,
                Some((first, last)) if first == last => write!(f, "{first}")?,
                Some((first, last)) => write!(f, "{first}..{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(text: &str) -> Spread {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_text_is_read_and_written_alike() {
        for text in ["3s", "5ms..15ms", "never", "1%:never,99%:5ms..15ms", "0.00001%:1s,99.99999%:0s"] {
            assert_eq!(spread(text).to_string(), text);
        }
        assert_eq!(spread("1%:never,5ms").to_string(), "1%:never,99%:5ms");
    }

    #[test]
    fn what_is_no_spread_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "does not begin"),
            ("5", "no unit"),
            ("9ms..5ms", "ends before"),
            ("1s,2s", "two parts"),
            ("50%:1s", "do not come to 100%"),
            ("100%:1s,2s", "do not come to 100%"),
            ("0%:1s,2s", "no share"),
            ("x%:1s,2s", "no share"),
            ("0.00000001%:1s,2s", "no share"),
        ] {
            let error = text.parse::<Spread>().expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_answered_with_the_part_that_was_meant() {
        for (text, meant) in [
            ("5mss", "5ms"),
            ("1ms..5msec", "5ms"),
            ("nevr", "never"),
            ("1%:Never,5ms", "never"),
            ("1%:never,5sec", "5s"),
        ] {
            let error = text.parse::<Spread>().expect_err(text).to_string();
            assert!(error.ends_with(&format!("; did you mean `{meant}`?")), "{text}: {error}");
        }
    }

    #[test]
    fn scaling_changes_the_spans_or_the_first_share_alone() {
        let told = spread("1%:1ms..10ms,30us");
        assert_eq!(told.scaled(1, 2).to_string(), "1%:500us..5ms,99%:15us");
        assert_eq!(
            told.first_share_scaled(10, 1).map(|it| it.to_string()).as_deref(),
            Some("10%:1ms..10ms,90%:30us")
        );
        assert_eq!(told.first_share_scaled(1_000, 1), None);
        assert_eq!(spread("3s").first_share_scaled(1, 10), None);
    }

    #[test]
    fn the_mean_weighs_each_range_by_its_share() {
        assert_eq!(spread("1ms..2ms").mean(), Some(Span::from_micros(1_500)));
        assert_eq!(spread("25%:4s,0s").mean(), Some(Span::from_secs(1)));
        assert_eq!(spread("1%:never,5ms").mean(), None);
    }

    #[test]
    fn draws_keep_to_the_ranges_and_to_the_shares() {
        let spread = spread("25%:never,25%:1ms..3ms,7ms");
        let mut draw = Draw::of_soak(1, 2, 3);
        let (mut never, mut low, mut high) = (0_u32, 0_u32, 0_u32);
        for _ in 0..40_000 {
            match spread.draw(&mut draw) {
                None => never += 1,
                Some(span) if span == Span::from_millis(7) => high += 1,
                Some(span) => {
                    assert!((Span::from_millis(1)..=Span::from_millis(3)).contains(&span));
                    low += 1;
                }
            }
        }
        for (count, expected) in [(never, 10_000), (low, 10_000), (high, 20_000)] {
            assert!(count.abs_diff(expected) < 400, "{count}, not about {expected}");
        }
    }
}
