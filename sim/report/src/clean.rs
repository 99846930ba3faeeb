//! The report of a run that breaks no law: the other side of a failure, such as the order that does no harm.

use treefall_model::trace::Trace;

use crate::document::{Document, Story, happened, stepped};
use crate::explain::{CleanRun, NOT_ASKED, Releases, Suspects, releases};
use crate::section::{Content, Fact, Section, Stepper, Timeline};
use crate::timeline::Length;
use crate::wording::releases_in_words;
use crate::words::Names;
use crate::{narrow, text};

/// All that such a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct CleanReport<'r> {
    /// The target.
    pub target: &'r str,
    /// The trace.
    pub trace: &'r Trace,
    /// Its run.
    pub run: &'r CleanRun,
    /// What a person wrote about the trace.
    pub story: Option<Story<'r>>,
    /// The file.
    pub origin: &'r str,
    /// The command that replays it.
    pub replay: &'r str,
    /// The trace as a scenario file.
    pub scenario: &'r str,
}

/// Suspects nobody.
static NOBODY: Suspects = Suspects::nobody();

impl<'r> CleanReport<'r> {
    /// The report in one sentence.
    pub(crate) fn claim(&self) -> String {
        format!("{} breaks no law in this trace.", self.target)
    }

    /// The report before it takes a form.
    pub(crate) fn document(&self) -> Document<'r> {
        let run = self.run;
        let timeline = Timeline {
            trace: self.trace,
            history: &run.history,
            verdict: &run.verdict,
            broke_at: None,
            because: &[],
            run_log: None,
        };
        let steps = run.run_log.as_ref().map(|run_log| {
            stepped(Stepper { run_log, suspects: &NOBODY, broke_in: None, borrowed: !run.own })
        });
        let mut facts: Vec<Fact> = self.story.map(Story::fact).into_iter().collect();
        facts.extend([
            Fact::line("outcome", run.verdict.outcome.to_string()),
            Fact::line("releases", breaking(&run.releases)),
            Fact::line("file", self.origin),
            Fact::line("digest", format!("{:032x}", run.digest)),
            Fact::command("replay", self.replay),
        ]);
        let facts = vec![Content::Facts(facts), Content::File("the scenario", self.scenario)];
        let mut sections = vec![Section::new("facts", "", "Result", facts), happened(timeline)];
        sections.extend(steps);
        sections.push(releases::section(&run.releases, "Which releases break a law in it"));
        Document {
            about: format!("a trace on {}", self.target),
            title: self.claim(),
            claim: self.claim(),
            answer: String::new(),
            sections,
            names: Names::new(self.trace).with_pids(&run.history),
        }
    }
}

/// Which releases break a law, in one line.
fn breaking(releases: &Releases) -> String {
    match releases_in_words(releases) {
        Some(words) => format!("a law breaks on {words}"),
        None if !releases.were_asked() => NOT_ASKED.to_owned(),
        None => "no replica of a release breaks a law".to_owned(),
    }
}

/// Returns the report as plain text.
#[must_use]
pub fn clean(report: &CleanReport<'_>) -> String {
    text::render(&report.document(), text::WIDTH, Length::Whole)
}

/// Returns the report for a terminal of so many columns.
#[must_use]
pub fn clean_within(report: &CleanReport<'_>, columns: u16) -> String {
    narrow::fitted(&text::render(&report.document(), columns, Length::Whole), columns)
}
