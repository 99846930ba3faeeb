//! Values of arguments, from the text that was typed.
//!
//! Always: what is refused is told with what would be right.

use std::time::Duration;

use clap::Args;
use treefall_model::release::Release;
use treefall_model::time::Span;

use treefall_base::nearest::{nearest, offer};
use treefall_model::law::Law;
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

/// A release that the tables know.
fn parse_release(text: &str) -> Result<Release, String> {
    Release::look_up(text).map_err(|_| {
        let (oldest, newest) = (Release::OLDEST, Release::NEWEST);
        format!("no release that treefall knows; name one of {oldest} to {newest}")
    })
}

/// How real programs are driven.
#[derive(Args, Debug, Clone, Copy, Default)]
pub(in crate::cli) struct Driven {
    /// Drive real programs as this release, whatever they say that they are [default: as the release that they say, or
    /// the last that is known before it].
    #[arg(long = "as", value_name = "RELEASE", value_parser = parse_release)]
    pub(in crate::cli) as_release: Option<Release>,
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
