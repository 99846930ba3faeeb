//! Values of arguments, from the text that was typed.
//!
//! Always: what is refused is told with what would be right.

use std::time::Duration;

use treefall_model::time::Span;

use crate::model::law::Law;
use crate::scenario::parse_duration as parse_span_text;

/// The name of a law.
pub(super) fn parse_law(text: &str) -> Result<Law, String> {
    let names = || Law::ALL.map(Law::name).join(", ");
    Law::named(text).ok_or_else(|| format!("no such law; there are {}", names()))
}

/// A virtual span of more than nothing: as scenarios have it, or in whole days.
pub(in crate::cli) fn parse_span(text: &str) -> Result<Span, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok());
    let span = match days {
        Some(days) => Ok(Span::from_secs(days.saturating_mul(86_400))),
        None => parse_span_text(text),
    };
    match span.map_err(|why| format!("the span {why}; days are written `7d`"))? {
        Span::ZERO => Err("the span must be more than nothing".to_owned()),
        span => Ok(span),
    }
}

/// `500ms`, `60s`, `10m`, `8h`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("write a whole number and a unit: `500ms`, `60s`, `10m`, `8h`".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "write a whole number first: `60s`".to_owned())?;
    match number.checked_mul(millis) {
        Some(0) | None => Err("the time must be more than nothing, and less than forever".to_owned()),
        Some(millis) => Ok(Duration::from_millis(millis)),
    }
}
