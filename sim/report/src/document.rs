//! A report as a list of sections, whatever its form.

use treefall_model::event::Record;
use treefall_model::trace::Trace;
use treefall_scenario::Scenario;
use treefall_search::triage::{Finding, ShrunkOn};
use treefall_subject::backtrace::titled;

use crate::explain::{Asked, CauseStep, Explanation, difference, minimality, releases, ties, window};
use crate::section::{Cell, Content, Fact, FactForm, Mark, Section, Stepper, Table, Timeline, Tone};
use crate::wording::{also_required, cause_line, claim, confirmed, headline, releases_line, under_gdb};
use crate::words::Names;
use treefall_model::event::SubjectKind;

/// Most lines of the histories side by side.
pub const HISTORY_MAX: usize = 400;

/// All that a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Report<'f> {
    /// The shrunk failure.
    pub finding: &'f Finding,
    /// What was computed around it.
    pub explanation: &'f Explanation,
    /// Where the failure comes from, as `trace 3 of seed 1`.
    pub origin: &'f str,
    /// The command that replays it.
    pub replay: &'f str,
    /// Its smallest trace as a scenario file.
    pub scenario: &'f str,
    /// It is explained as it was found, without shrinking.
    pub as_it_is: bool,
    /// What a person wrote about the trace.
    pub story: Option<Story<'f>>,
}

/// A report before it takes a form.
pub(crate) struct Document<'r> {
    /// What it is about: `a failure on replica:2.3.1`.
    pub(crate) about: String,
    /// The title of its page.
    pub(crate) title: String,
    /// The report in one sentence.
    pub(crate) claim: String,
    /// What a reader learns next: the cause, and which releases have it. Empty: nothing.
    pub(crate) answer: String,
    /// The sections in the order of the form.
    pub(crate) sections: Vec<Section<'r>>,
    pub(crate) names: Names<'r>,
}

/// Makes a section of a report; `None`: it has nothing to say.
type Make = for<'r> fn(&Report<'r>) -> Option<Section<'r>>;

/// The beginning of a text: what a command prints.
const SUMMARY: [Make; 5] = [facts, replay, laws, because, timeline];
/// The beginning of a page: the story at a glance.
const GLANCE: [Make; 4] = [timeline, steps, because, facts];
/// Everything else, in both.
const DETAILS: [Make; 5] = [
    |report| report.explanation.difference.as_ref().map(difference::section),
    |report| ties::section(&report.explanation.ties),
    |report| Some(minimality::section(&report.explanation.minimality)),
    |report| window::section(&report.explanation.windows),
    |report| Some(releases::section(&report.explanation.releases, "Which releases have it")),
];
/// The end of a page.
const END: [Make; 3] = [laws, histories, replay];

impl<'f> Report<'f> {
    /// The names in it.
    pub(crate) fn names(&self) -> Names<'f> {
        let names = Names::new(&self.finding.trace).with_pids(&self.explanation.history);
        names.seen_on(self.finding.kind)
    }

    /// The part of its text that a command prints.
    pub(crate) fn summary(&self) -> Document<'f> {
        self.document(&SUMMARY)
    }

    /// Its whole text.
    pub(crate) fn text(&self) -> Document<'f> {
        self.document(&[&SUMMARY[..], &DETAILS].concat())
    }

    /// Its page.
    pub(crate) fn page(&self) -> Document<'f> {
        self.document(&[&GLANCE[..], &DETAILS, &END].concat())
    }

    fn document(&self, parts: &[Make]) -> Document<'f> {
        let (finding, names) = (self.finding, self.names());
        Document {
            about: format!("a failure on {}", finding.target),
            title: format!("{} on {}", finding.signature(), finding.target),
            claim: claim(finding, &names),
            answer: format!(
                "Cause: {}. Releases: {}.",
                cause_line(&finding.cause),
                releases_line(self.explanation, &finding.cause)
            ),
            sections: parts.iter().filter_map(|make| make(self)).collect(),
            names,
        }
    }
}

fn facts<'r>(report: &Report<'r>) -> Option<Section<'r>> {
    let (finding, names) = (report.finding, report.names());
    let (broken, law) = (finding.broken(), finding.signature().law);
    let cause = std::iter::once(cause_line(&finding.cause)).chain(beside_the_cause(finding)).collect();
    let mut facts: Vec<Fact> = report.story.map(Story::fact).into_iter().collect();
    facts.extend([
        Fact::line("law", format!("`{}`: {}", law.name(), law.sentence())),
        Fact::line("seen", format!("at {} s: {}", broken.at, names.plain(&broken.detail))),
        Fact::lines("cause", cause),
        Fact::line("outcome", finding.verdict.outcome.to_string()),
        Fact::line("releases", releases_line(report.explanation, &finding.cause)),
        Fact::line("signature", format!("`{}`", finding.signature())),
    ]);
    Some(Section::new("facts", "", "What broke", vec![Content::Facts(facts)]))
}

/// What goes wrong, and what else the failure needs, a line each.
fn beside_the_cause(finding: &Finding) -> Vec<String> {
    let cause = &finding.cause;
    let mut lines: Vec<String> = headline(cause).into_iter().collect();
    if cause.is_together() {
        lines.push("vanishes when both are mended, not when either alone is".to_owned());
    }
    lines.extend(also_required(cause));
    lines
}

/// How it was found, and how to see it again.
fn replay<'r>(report: &Report<'r>) -> Option<Section<'r>> {
    let (finding, explanation) = (report.finding, report.explanation);
    let whose = match explanation.asked {
        Asked::Itself => "",
        Asked::ItsReplica => " of the replica of its release",
    };
    let mut facts: Vec<Fact> = Vec::new();
    for (name, frames) in titled(&finding.backtrace, &finding.life) {
        let lines = frames.iter().map(ToString::to_string).collect();
        facts.push(Fact { name, lines, form: FactForm::Frames });
    }
    facts.extend([
        Fact::line("found", found(report)),
        Fact::line("confirmed", confirmed(finding)),
        Fact::line("explained", format!("in {} runs{whose}", explanation.runs)),
        Fact::command("replay", report.replay),
    ]);
    facts.extend(under_gdb(finding, report.replay).map(|gdb| Fact::command("under gdb", &gdb)));
    let mut blocks = vec![Content::Facts(facts)];
    if !report.scenario.is_empty() {
        blocks.push(Content::File("the scenario", report.scenario));
    }
    Some(Section::new("tried", "replay", "How it was found, and how to replay it", blocks))
}

/// Where the failure comes from, and how far it was shrunk.
pub(crate) fn found(report: &Report<'_>) -> String {
    let Report { finding, origin, as_it_is, .. } = *report;
    if as_it_is {
        return format!("{origin}, {}; taken as it is, not shrunk", wakes(&finding.trace));
    }
    let minimal = if finding.minimal { "minimal" } else { "NOT proved minimal" };
    let on = match finding.shrunk_on {
        ShrunkOn::Itself => "",
        ShrunkOn::ReplicaConfirmed => ", each step confirmed on the real program",
        ShrunkOn::RealBecauseReplicaDiffers => ", on the real program: the replica does not show it",
    };
    let (before, after) = (&finding.failure.trace, &finding.trace);
    let variant = finding.variant_of.map_or_else(String::new, |other| {
        format!("; a variant: {} has the same cause, and got the full effort", other.signature)
    });
    let (before, after, runs) = (wakes(before), wakes(after), finding.runs);
    format!("{origin}, {before}; shrunk to {after} in {runs} runs{on}; {minimal}{variant}")
}

fn wakes(trace: &Trace) -> String {
    match trace.wakes().len() {
        1 => "1 wake".to_owned(),
        more => format!("{more} wakes"),
    }
}

/// Each violation of the run, where it is first seen.
fn laws<'r>(report: &Report<'r>) -> Option<Section<'r>> {
    let names = report.names();
    let mut table = Table::new(["second", "signature", "what is seen"]);
    for broken in &report.finding.verdict.breaks {
        let cells = [broken.at.to_string(), broken.signature.to_string(), names.plain(&broken.detail)];
        table.row(cells.map(Cell::from));
    }
    Some(Section::new("laws", "laws", "Laws broken, each where it first was", vec![Content::Table(table)]))
}

fn because<'r>(report: &Report<'r>) -> Option<Section<'r>> {
    let chain: &[CauseStep] = &report.explanation.because;
    (!chain.is_empty()).then(|| Section::new("why", "because", "Because", vec![Content::Chain(chain)]))
}

fn timeline<'r>(report: &Report<'r>) -> Option<Section<'r>> {
    let (finding, explanation) = (report.finding, report.explanation);
    let timeline = Timeline {
        trace: &finding.trace,
        history: &explanation.history,
        verdict: &finding.verdict,
        broke_at: usize::try_from(finding.broken().records).ok(),
        because: &explanation.because,
        run_log: explanation.run_log.as_ref(),
    };
    Some(happened(timeline))
}

/// The section of a timeline.
pub(crate) fn happened(timeline: Timeline<'_>) -> Section<'_> {
    Section::new(
        "timeline",
        "what happened",
        "What happened, in seconds from the start",
        vec![Content::Timeline(timeline)],
    )
}

fn steps<'r>(report: &Report<'r>) -> Option<Section<'r>> {
    let explanation = report.explanation;
    let run_log = explanation.run_log.as_ref()?;
    let borrowed = explanation.asked == Asked::ItsReplica || run_log.records != explanation.history;
    let broke_in = Some(explanation.broke_in);
    Some(stepped(Stepper { run_log, suspects: &explanation.suspects, broke_in, borrowed }))
}

/// The section of a run that can be stepped through.
pub(crate) fn stepped(stepper: Stepper<'_>) -> Section<'_> {
    Section::new(
        "steps",
        "step by step",
        "Trees and lists, before and after each step",
        vec![Content::Stepper(stepper)],
    )
}

/// Each side's history, line by line: as it should be, on the replica where that differs, and on the target.
fn histories<'r>(report: &Report<'r>) -> Option<Section<'r>> {
    let (explanation, names) = (report.explanation, report.names());
    let lines = |history: &[Record]| -> Vec<String> {
        let line = |record: &Record| names.tell(&record.event).map(|words| format!("{}  {words}", record.at));
        history.iter().filter_map(line).collect()
    };
    let mut sides: Vec<(String, Vec<String>)> = Vec::new();
    if let Some((name, mended)) = &explanation.mended {
        sides.push((format!("as it should be ({name})"), lines(&mended.records)));
    }
    if let Some(run_log) = &explanation.run_log
        && report.finding.kind != SubjectKind::Replica
    {
        sides.push(("replica of its release".to_owned(), lines(&run_log.records)));
    }
    sides.push((report.finding.target.clone(), lines(&explanation.history)));
    let length = sides.iter().map(|(_, lines)| lines.len()).max().unwrap_or(0);
    let mut table = Table::new(sides.iter().map(|(name, _)| name.clone()));
    for place in 0..length.min(HISTORY_MAX) {
        let at = |side: &(String, Vec<String>)| side.1.get(place).cloned().unwrap_or_default();
        let differs = sides.windows(2).any(|pair| at(&pair[0]) != at(&pair[1]));
        let row = table.row(sides.iter().map(at).map(Cell::from));
        row.mark = if differs { Mark::Differs } else { Mark::None };
    }
    let of = if length > HISTORY_MAX { format!(" of {length}") } else { String::new() };
    let summary = format!("{} lines{of}", length.min(HISTORY_MAX));
    let what = "The target's history beside that of a replica in which the cause is mended.";
    let blocks = vec![Content::Sentence(Tone::Quiet, what.to_owned()), Content::Folded(summary, table)];
    Some(Section::new("histories", "histories", "Histories side by side", blocks))
}

/// What a person wrote about a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Story<'s> {
    /// In one line.
    pub title: &'s str,
    /// The report that it was written from; empty when there is none.
    pub source: &'s str,
    /// The text for a reader who wants to understand; may be empty.
    pub text: &'s str,
}

impl<'s> Story<'s> {
    /// The story of a scenario; `None`: treefall wrote the file, and the report says more.
    #[must_use]
    pub fn of(scenario: &'s Scenario) -> Option<Self> {
        let own = scenario.provenance.found_on.is_some();
        (!own).then_some(Self { title: &scenario.title, source: &scenario.source, text: &scenario.story })
    }

    /// The story as a fact of a report, line by line.
    pub(crate) fn fact(self) -> Fact {
        Fact { name: "scenario", lines: self.lines().collect(), form: FactForm::Story }
    }

    /// Title, source and story, line by line. Control characters are shown, not obeyed: a stranger may have written it.
    fn lines(self) -> impl Iterator<Item = String> {
        let source = (!self.source.is_empty()).then(|| format!("({})", self.source));
        let text = self.text.trim().lines().map(str::to_owned);
        let plain = |line: String| line.replace(char::is_control, "\u{fffd}");
        std::iter::once(self.title.to_owned()).chain(source).chain(text).map(plain)
    }
}
