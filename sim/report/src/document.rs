//! The content of a report, whatever its form.

use crate::explain::Explanation;
use crate::words::Names;
use treefall_scenario::Scenario;
use treefall_search::triage::Finding;

/// All that a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Report<'f> {
    /// The failure, worked out.
    pub finding: &'f Finding,
    /// What was computed around it.
    pub explanation: &'f Explanation,
    /// Where the failure comes from, as `trace 3 of seed 1`.
    pub origin: &'f str,
    /// The command that replays it.
    pub replay: &'f str,
    /// Its smallest trace as a scenario file.
    pub scenario: &'f str,
    /// It was explained as it was found: nobody shrank it.
    pub as_it_is: bool,
    /// What a person wrote of it.
    pub story: Option<Story<'f>>,
}

impl<'f> Report<'f> {
    /// The names in it.
    pub(crate) fn names(&self) -> Names<'f> {
        let names = Names::new(&self.finding.trace).with_pids(&self.explanation.history);
        names.seen_on(self.finding.kind)
    }
}

/// What a person wrote of a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Story<'s> {
    /// In one line.
    pub title: &'s str,
    /// The report that it was written from; empty when there is none.
    pub source: &'s str,
    /// For a reader who wants to understand; empty when nobody told.
    pub text: &'s str,
}

impl<'s> Story<'s> {
    /// What the scenario says; `None`: this program wrote it, and says it better in the report.
    #[must_use]
    pub fn of(scenario: &'s Scenario) -> Option<Self> {
        let own = scenario.provenance.found_on.is_some();
        (!own).then_some(Self { title: &scenario.title, source: &scenario.source, text: &scenario.story })
    }

    /// The same, where a page breaks the lines: a paragraph each, and what is moved in by itself.
    pub(crate) fn paragraphs(&self) -> Vec<String> {
        let heads = 1 + usize::from(!self.source.is_empty());
        let mut paragraphs: Vec<String> = Vec::new();
        let mut goes_on = false;
        for (place, line) in self.lines().enumerate() {
            let own = place < heads || line.starts_with([' ', '\t', '-', '*']);
            match paragraphs.last_mut().filter(|_| goes_on && !own && !line.trim().is_empty()) {
                Some(last) => *last = format!("{last} {}", line.trim()),
                None => paragraphs.push(line.trim().to_owned()),
            }
            goes_on = !own && !line.trim().is_empty();
        }
        paragraphs.retain(|paragraph| !paragraph.is_empty());
        paragraphs
    }

    /// Title, source and story, line by line. What would steer a terminal is shown, not obeyed: a stranger wrote it.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let source = (!self.source.is_empty()).then(|| format!("({})", self.source));
        let text = self.text.trim().lines().map(str::to_owned);
        let plain = |line: String| line.replace(char::is_control, "\u{fffd}");
        std::iter::once(self.title.to_owned()).chain(source).chain(text).map(plain)
    }
}
