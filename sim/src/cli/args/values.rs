//! Values of arguments, from the text that was typed.
//!
//! Always: what is refused is told with what would be right.

use std::time::Duration;

use treefall_model::time::Span;

use crate::model::law::Law;
use treefall_base::nearest::{nearest, offer};
use treefall_scenario::{self as scenario, DAY, SHORT_MINUTE, UNITS};

/// The name of a law.
pub(super) fn parse_law(text: &str) -> Result<Law, String> {
    let names = Law::ALL.map(Law::name);
    Law::named(text)
        .ok_or_else(|| format!("no such law; there are {}{}", names.join(", "), offer(nearest(text, names))))
}

/// The units of all times on the command line.
fn units() -> [scenario::Unit; 7] {
    let [us, ms, s, min, h] = UNITS;
    [us, ms, s, min, SHORT_MINUTE, h, DAY]
}

/// A virtual span of more than nothing: as scenarios have it, or in days.
pub(in crate::cli) fn parse_span(text: &str) -> Result<Span, String> {
    match scenario::parse_duration_in(text, &units()) {
        Ok(Span::ZERO) => Err("the span must be more than nothing".to_owned()),
        Ok(span) => Ok(span),
        Err(no) => Err(format!("the span {no}")),
    }
}

/// A person's time, of more than nothing: `500ms`, `60s`, `10m`, `8h`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    match scenario::parse_duration_in(text, &units()) {
        Ok(Span::ZERO) => Err("the time must be more than nothing".to_owned()),
        Ok(span) => Ok(Duration::from_micros(span.as_micros())),
        Err(no) => Err(format!("the time {no}")),
    }
}
