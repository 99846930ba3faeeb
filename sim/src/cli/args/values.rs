//! Parses the values of arguments.
//!
//! Invariant: an error names what would be accepted.

use std::time::Duration;

use clap::Args;
use treefall_model::release::Release;
use treefall_model::time::Span;

use treefall_base::nearest::{nearest, offer};
use treefall_model::law::Law;
use treefall_scenario::{self as scenario, DAY, SHORT_MINUTE, UNITS};

/// Parses the name of a law.
pub(super) fn parse_law(text: &str) -> Result<Law, String> {
    let names = Law::ALL.map(Law::name);
    Law::named(text)
        .ok_or_else(|| format!("no such law; there are {}{}", names.join(", "), offer(nearest(text, names))))
}

/// Returns the time units of the command line.
fn units() -> [scenario::Unit; 7] {
    let [us, ms, s, min, h] = UNITS;
    [us, ms, s, min, SHORT_MINUTE, h, DAY]
}

/// Parses a known release.
fn parse_release(text: &str) -> Result<Release, String> {
    Release::look_up(text).map_err(|_| {
        let (oldest, newest) = (Release::OLDEST, Release::NEWEST);
        format!("no release that treefall knows; name one of {oldest} to {newest}")
    })
}

/// How real programs are driven.
#[derive(Args, Debug, Clone, Copy, Default)]
pub(in crate::cli) struct Driven {
    /// Drive real programs as this release, whatever version they report [default: the version they report, or the
    /// last known release before it].
    #[arg(long = "as", value_name = "RELEASE", value_parser = parse_release)]
    pub(in crate::cli) as_release: Option<Release>,
}

/// Parses a virtual duration above zero: the units of scenarios, or days.
pub(in crate::cli) fn parse_span(text: &str) -> Result<Span, String> {
    match scenario::parse_duration_in(text, &units()) {
        Ok(Span::ZERO) => Err("the duration must be greater than zero".to_owned()),
        Ok(span) => Ok(span),
        Err(no) => Err(format!("the duration {no}")),
    }
}

/// Parses a real duration above zero: `500ms`, `60s`, `10m`, `8h`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    match scenario::parse_duration_in(text, &units()) {
        Ok(Span::ZERO) => Err("the time must be greater than zero".to_owned()),
        Ok(span) => Ok(Duration::from_micros(span.as_micros())),
        Err(no) => Err(format!("the time {no}")),
    }
}
