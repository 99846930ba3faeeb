//! A run that breaks no law, as a person reads it: most of all the other side of a failure, the order that does no harm.

use std::fmt::Write as _;

use treefall_model::trace::Trace;

use super::text::releases_in_words;
use super::timeline::{Length, timeline};
use super::{Names, Story};
use super::{narrow, sections};
use crate::explain::{CleanRun, Releases};

/// All that such a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct CleanReport<'r> {
    /// What was run.
    pub target: &'r str,
    /// The trace.
    pub trace: &'r Trace,
    /// What it did.
    pub course: &'r CleanRun,
    /// What a person wrote of it.
    pub story: Option<Story<'r>>,
    /// The file.
    pub origin: &'r str,
    /// The command that replays it.
    pub replay: &'r str,
    /// The trace as a scenario file.
    pub scenario: &'r str,
}

impl CleanReport<'_> {
    /// In one sentence.
    pub(super) fn claim(&self) -> String {
        format!("{} breaks no law in this trace.", self.target)
    }

    /// The name and the value of each fact.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        vec![
            ("outcome", self.course.verdict.outcome.to_string()),
            ("releases", breaking(&self.course.releases)),
            ("file", self.origin.to_owned()),
            ("digest", format!("{:032x}", self.course.digest)),
        ]
    }
}

/// Which releases break a law, in one line.
fn breaking(releases: &Releases) -> String {
    match releases_in_words(releases) {
        Some(words) => format!("a law breaks on {words}"),
        None => "no replica of a release breaks a law".to_owned(),
    }
}

/// The report as plain text.
#[must_use]
pub fn clean(report: &CleanReport<'_>) -> String {
    told(report, sections::WIDTH)
}

/// The same for a terminal of so many columns.
#[must_use]
pub fn clean_within(report: &CleanReport<'_>, columns: u16) -> String {
    narrow::fitted(&told(report, columns), columns)
}

fn told(report: &CleanReport<'_>, columns: u16) -> String {
    let mut text = format!("{}\n\n", report.claim());
    // Writing to a String cannot fail.
    let mut field = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<11}{value}");
    };
    for (place, line) in report.story.iter().flat_map(Story::lines).enumerate() {
        field(if place == 0 { "scenario" } else { "" }, &line);
    }
    for (name, value) in report.facts() {
        field(name, &value);
    }
    field("replay", report.replay);
    text.push('\n');
    let CleanRun { history, verdict, releases, .. } = report.course;
    text.push_str(&timeline(report.trace, history, verdict, Length::Whole));
    text.push('\n');
    sections::releases(&mut text, "which releases break a law in it", releases, columns);
    text
}

/// Names of what the trace has, with the pids that it got.
pub(super) fn names<'t>(report: &CleanReport<'t>) -> Names<'t> {
    Names::new(report.trace).with_pids(&report.course.history)
}
