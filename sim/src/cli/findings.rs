//! A search with everything that belongs to it: finds kept before they are shrunk, worked out, reported.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::trace::Trace;
use treefall_model::verdict::{Signature, Verdict};

use super::CliError;
use super::crew;
use super::output::Output;
use crate::campaign::{Campaign, CampaignError};
use crate::explain::explain_soon;
use crate::finding::{Finding, work_out_all};
use crate::generator::{self, Sampling, Source};
use crate::hunt::{Find, Lookout, Plan, Tally, hunt};
use crate::report::{self, Report, Store};
use crate::scenario::{self, About, Expectation, Expectations, Provenance, Scenario, Whom};
use crate::subject::target::{Base, ReplicaName, Target};
use crate::subject::{Options, Subject, SubjectError, backtrace, build, program};

/// What to search on one target.
pub(super) struct Search<'s> {
    pub(super) target: &'s Target,
    pub(super) plan: Plan,
    /// Stop after so long.
    pub(super) limit: Option<Duration>,
    /// Signatures that are not reported.
    pub(super) known: BTreeSet<Signature>,
    pub(super) store: &'s Store,
    pub(super) jobs: usize,
    /// Most runs in building up what is smaller than a shrunk find.
    pub(super) build_up_max: u64,
    /// Kept on disk as the search goes on, so that it can be gone on with; with what an earlier one found.
    pub(super) campaign: Option<Campaign>,
}

/// How often a search that finds nothing new writes down how far it is.
const KEPT_EVERY: Duration = Duration::from_secs(1);

/// What came of it.
pub(super) struct Searched {
    pub(super) findings: Vec<Finding>,
    /// The text of each finding's report, as far as it is printed.
    pub(super) reports: Vec<String>,
    pub(super) tally: Tally,
    /// From the start of the search until all finds were worked out.
    pub(super) elapsed: Duration,
}

/// A stopwatch: how long a search may last and took. No result but `elapsed_ms` depends on it.
#[expect(clippy::disallowed_types, reason = "the length of a search is in a person's time")]
pub(super) struct Stopwatch(std::time::Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_types, reason = "the length of a search is in a person's time")]
    pub(super) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

struct Keeper<'s> {
    target: String,
    named: &'s Target,
    source: Source,
    store: &'s Store,
    finds: Vec<Find>,
    limit: Option<Duration>,
    /// Traces of the whole search, and those that an earlier part of it did.
    traces_max: Option<u64>,
    from: u64,
    watch: &'s Stopwatch,
    campaign: Option<Campaign>,
    /// The campaign was last kept then, with so many finds.
    kept: (Duration, usize),
    /// The search ends before its end.
    stopped: bool,
    output: &'s mut Output,
}

impl Keeper<'_> {
    /// How far the search is, how fast, and for how long it will go on at most.
    fn told(&self, tally: &Tally) -> String {
        let elapsed = self.watch.elapsed();
        let rate = (tally.traces - self.from) as f64 / elapsed.as_secs_f64().max(1e-3);
        let by_traces = self.traces_max.map(|max| max.saturating_sub(tally.traces) as f64 / rate.max(1e-3));
        let by_time = self.limit.map(|limit| limit.saturating_sub(elapsed).as_secs_f64());
        let left = match (by_traces, by_time) {
            (Some(traces), Some(time)) => Some(traces.min(time)),
            (traces, time) => traces.or(time),
        };
        let left = left.map_or_else(String::new, |left| format!(", {left:.0} s left at most"));
        let (traces, events, finds) = (tally.traces, tally.events, self.finds.len());
        format!("{}: {traces} traces, {events} events, {finds} finds, {rate:.0} traces/s{left}", self.target)
    }

    /// Writes down how far the search is, if that is due.
    fn note(&mut self, tally: &Tally, due: bool) -> Result<(), CampaignError> {
        let elapsed = self.watch.elapsed();
        let due = due || self.kept.1 != self.finds.len() || elapsed.saturating_sub(self.kept.0) >= KEPT_EVERY;
        let Some(campaign) = self.campaign.as_mut().filter(|_| due) else { return Ok(()) };
        campaign.tally = *tally;
        campaign.finds = self.finds.iter().map(|find| find.number).collect();
        self.kept = (elapsed, self.finds.len());
        campaign.keep(&self.store.target_folder(&self.target))
    }
}

impl Lookout for Keeper<'_> {
    fn found(&mut self, find: Find) -> Result<(), SubjectError> {
        let title = format!("{} on {}, as found", find.signature(), self.target);
        let origin = Origin { find: &find, target: self.named, by: FoundBy::Hunt(self.source) };
        let found = scenario_of(&title, &origin, find.signature(), find.trace.clone(), &find.verdict);
        self.store.keep_found(&self.target, find.signature(), &scenario::write(&found))?;
        self.finds.push(find);
        Ok(())
    }

    fn go_on(&mut self, tally: &Tally) -> bool {
        let told = self.told(tally);
        self.output.progress(told);
        let in_time = self.limit.is_none_or(|limit| self.watch.elapsed() < limit);
        self.stopped = !in_time || crew::told_to_stop();
        if let Err(error) = self.note(tally, self.stopped) {
            // What is found is kept by itself: the search goes on, but could not be gone on with.
            self.output.note(format_args!("how far the search is cannot be kept: {error}"));
            self.campaign = None;
        }
        !self.stopped
    }
}

/// Where a find comes from.
pub(super) struct Origin<'f> {
    pub(super) find: &'f Find,
    pub(super) target: &'f Target,
    pub(super) by: FoundBy,
}

/// What found it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FoundBy {
    /// A trace of the generator, from there.
    Hunt(Source),
    /// A life of a soak of this seed, from which it was cut.
    Soak(u64),
    /// A file of the fuzzer's.
    Fuzzer,
}

impl FoundBy {
    fn seed(self) -> Option<u64> {
        match self {
            Self::Hunt(source) => Some(source.seed),
            Self::Soak(seed) => Some(seed),
            Self::Fuzzer => None,
        }
    }

    /// The find of this number, in words.
    fn told(self, number: u64) -> String {
        match self {
            Self::Hunt(source) => format!("trace {number} of {source}"),
            Self::Soak(seed) => format!("life {number} of seed {seed}"),
            Self::Fuzzer => "a file of the fuzzer's".to_owned(),
        }
    }

    fn command(self) -> String {
        match self {
            Self::Hunt(Source { sampling, cancelling, .. }) => {
                let by = match sampling {
                    Sampling::Swarm => String::new(),
                    other => format!(" --sampling {other}"),
                };
                format!("treefall hunt{by}{}", if cancelling { " --cancelling" } else { "" })
            }
            Self::Soak(_) => "treefall soak".to_owned(),
            Self::Fuzzer => "cargo fuzz".to_owned(),
        }
    }
}

/// A find as a scenario: what its release showed is what it is expected to show when it is replayed.
pub(super) fn scenario_of(
    title: &str,
    origin: &Origin<'_>,
    signature: Signature,
    trace: Trace,
    verdict: &Verdict,
) -> Scenario {
    let mut scenario = Scenario::new(title, trace);
    scenario.about = about(origin.target, signature, verdict);
    let row = whom(origin.target).map(|whom| (whom, Expectation::exactly(verdict)));
    // One row contradicts no other.
    scenario.expect = Expectations::new(row).unwrap_or_default();
    let hunted = matches!(origin.by, FoundBy::Hunt(_));
    scenario.provenance = Provenance {
        seed: origin.by.seed(),
        trace: origin.by.seed().map(|_| origin.find.number),
        generator: hunted.then_some(u64::from(generator::VERSION)),
        found_by: Some(origin.by.command()),
        found_on: Some(origin.target.to_string()),
    };
    scenario
}

/// What a scenario of this signature is about, where that is not told by what broke last anyhow.
pub(super) fn about(target: &Target, signature: Signature, verdict: &Verdict) -> Option<About> {
    let last = verdict.breaks.last().map(|broken| broken.signature.law);
    let Whom::Releases { first: Some(release), .. } = whom(target).filter(|_| last != Some(signature.law))?
    else {
        return None;
    };
    Some(About { release, law: Some(signature.law) })
}

/// The release that an expectation about a target speaks of; a replica with changed defects is of none.
pub(super) fn whom(target: &Target) -> Option<Whom> {
    let only = |release| Whom::Releases { first: Some(release), last: Some(release) };
    match target {
        Target::Replica(ReplicaName { with, without, .. }) if !with.is_empty() || !without.is_empty() => None,
        Target::Replica(ReplicaName { base: Base::Mended, .. }) => Some(Whom::Mended),
        Target::Replica(ReplicaName { base: Base::Release(release), .. }) => Some(only(*release)),
        Target::Engine(place) | Target::Daemon(place) | Target::Configured(place, _) => {
            let program = program::Program::open(&place.path, place.root.as_deref());
            program.ok().map(|program| only(program.release()))
        }
    }
}

/// Searches one target, and works out and keeps what is found.
pub(super) fn search(search: Search<'_>, output: &mut Output) -> Result<Searched, CliError> {
    search.store.check().map_err(|error| CliError::Usage(error.to_string()))?;
    let watch = Stopwatch::start();
    // From here on Ctrl-C ends the search cleanly.
    let _ = crew::told_to_stop();
    let target = search.target.to_string();
    let mut subjects = crew::crew(search.target, search.jobs)?;
    let mut known = search.known;
    let finds = match &search.campaign {
        Some(campaign) => found_before(subjects[0].as_mut(), campaign, &mut known)?,
        None => Vec::new(),
    };
    let mut keeper = Keeper {
        target: target.clone(),
        named: search.target,
        source: search.plan.source,
        store: search.store,
        kept: (Duration::ZERO, finds.len()),
        finds,
        limit: search.limit,
        traces_max: search.plan.traces_max.map(|max| search.plan.shard.length(max)),
        from: search.plan.so_far.traces,
        watch: &watch,
        campaign: search.campaign,
        stopped: false,
        output,
    };
    let tally = hunt(&mut subjects, search.plan, &mut known, &mut keeper)?;
    if let Some(campaign) = &mut keeper.campaign {
        campaign.ended = !keeper.stopped;
    }
    keeper.note(&tally, true)?;
    let finds = keeper.finds;
    output.progress(format_args!("{target}: shrinking {} finds", finds.len()));
    let findings = work_out_all(&mut subjects, &|| build(search.target), &finds, search.build_up_max)?;
    let by = FoundBy::Hunt(search.plan.source);
    let mut keep_one = |finding: &Finding| keep_on(subjects[0].as_mut(), by, finding, search.store, &target);
    let reports = findings.iter().map(&mut keep_one).collect::<Result<Vec<_>, _>>()?;
    if !findings.is_empty() {
        search.store.keep_index()?;
    }
    output.clear();
    Ok(Searched { findings, reports, tally, elapsed: watch.elapsed() })
}

/// The finds of an earlier part of a campaign, made again from their numbers.
fn found_before(
    subject: &mut dyn Subject,
    campaign: &Campaign,
    known: &mut BTreeSet<Signature>,
) -> Result<Vec<Find>, CliError> {
    let mut finds = Vec::new();
    let mut numbers = campaign.finds.clone();
    // A trace that was several finds is named several times.
    numbers.dedup();
    for number in numbers {
        let trace = subject.drawn(campaign.source(), number);
        let verdict = subject.run_one(&trace, Options::VERDICT)?.verdict;
        for broken in &verdict.breaks {
            if known.insert(broken.signature) {
                let (trace, verdict) = (trace.clone(), verdict.clone());
                finds.push(Find { number, trace, broken: broken.clone(), verdict });
            }
        }
    }
    Ok(finds)
}

/// The command that replays a finding.
pub(super) fn replay_command(target: &str, scenario: &Path) -> String {
    format!("treefall replay {} --target {target} --history", scenario.display())
}

/// Writes the smallest trace and the report under the name `among`, and what slipped while shrinking; the
/// part of the report that is printed.
pub(super) fn keep(by: FoundBy, finding: &Finding, store: &Store, among: &str) -> Result<String, CliError> {
    let mut subject = build(&one_target(finding)?)?;
    keep_on(subject.as_mut(), by, finding, store, among)
}

fn one_target(finding: &Finding) -> Result<Target, CliError> {
    let targets = crew::targets(std::slice::from_ref(&finding.target))?;
    <[Target; 1]>::try_from(targets)
        .map(|[target]| target)
        .map_err(|_| CliError::Harness(format!("{} is not one target", finding.target)))
}

/// The same, with a subject that is there already.
fn keep_on(
    subject: &mut dyn Subject,
    by: FoundBy,
    finding: &Finding,
    store: &Store,
    among: &str,
) -> Result<String, CliError> {
    let target = &one_target(finding)?;
    let origin = Origin { find: &finding.find, target, by };
    let title = format!("{} on {}", finding.signature(), finding.target);
    let minimal = scenario_of(&title, &origin, finding.signature(), finding.trace.clone(), &finding.verdict);
    let scenario = scenario::write(&minimal);
    let path = store.keep_minimal(among, finding.signature(), &scenario)?;
    let from = by.told(finding.find.number);
    let explanation = explain_soon(finding, subject)?;
    let replay = replay_command(&finding.target, &path);
    let report = Report {
        finding,
        explanation: &explanation,
        origin: &from,
        replay: &replay,
        scenario: &scenario,
        as_it_is: false,
        story: None,
    };
    store.keep_report(among, finding.signature(), &report::finding(&report))?;
    store.keep_page(among, finding.signature(), &report)?;
    for (signature, trace) in &finding.slipped {
        if store.folder(among, *signature).exists() {
            continue;
        }
        let title = format!("{signature} on {}, met while shrinking {}", finding.target, finding.signature());
        let verdict = subject.run_one(trace, Options::VERDICT)?.verdict;
        let slipped = scenario_of(&title, &origin, *signature, trace.clone(), &verdict);
        store.keep_found(among, *signature, &scenario::write(&slipped))?;
    }
    Ok(report::summary(&report))
}

/// A finding for machines. The fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct FindingObject {
    /// What was tested.
    target: String,
    /// The release that it says it is.
    release: String,
    /// The law that broke.
    law: &'static str,
    /// `survived`, `crashed by SIGNAL in FUNCTION`, `hung in FUNCTION`.
    outcome: String,
    /// Who called whom in a real program that crashed or hung, innermost first; no part of any comparison.
    backtrace: Vec<String>,
    /// Law, step and kind of entry.
    signature: String,
    /// The cause; null: not known.
    defect: Option<String>,
    /// Every known defect whose mending, alone, makes the find vanish; the first is `defect`.
    defects: Vec<&'static str>,
    /// The upstream commit that mended it, if any did.
    mended_by: Option<&'static str>,
    /// The campaign's.
    seed: u64,
    /// How its traces are drawn: `swarm`, `plain` or `pct:D`.
    sampling: String,
    /// Whether some of their scripts cancel.
    cancelling: bool,
    /// How many traces until it was found.
    traces: u64,
    /// The whole search.
    elapsed_ms: u64,
    /// Of the trace as it was found.
    wakes_found: usize,
    /// Of the smallest trace.
    wakes_minimal: usize,
    /// Nothing smaller is left.
    minimal: bool,
    /// Runs that shrinking took.
    runs: u64,
    /// Two fresh runs agreed.
    confirmed: bool,
    /// Of the smallest trace's history.
    digest: String,
    /// The file with the smallest trace.
    scenario: String,
    /// The report as text.
    report: String,
    /// The report as a page.
    html: String,
}

impl FindingObject {
    pub(super) fn new(
        finding: &Finding,
        release: &str,
        source: Source,
        elapsed: Duration,
        store: &Store,
    ) -> Self {
        let defects = finding.cause.defects();
        let folder = store.folder(&finding.target, finding.signature());
        Self {
            target: finding.target.clone(),
            release: release.to_owned(),
            law: finding.signature().law.name(),
            outcome: finding.verdict.outcome.to_string(),
            backtrace: backtrace::texts(&finding.backtrace),
            signature: finding.signature().to_string(),
            defect: defects.first().map(|defect| defect.name().to_owned()),
            defects: defects.iter().map(|defect| defect.name()).collect(),
            mended_by: defects.first().and_then(|defect| defect.row().mended_by),
            seed: source.seed,
            sampling: source.sampling.to_string(),
            cancelling: source.cancelling,
            traces: finding.find.number + 1,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            wakes_found: finding.find.trace.wakes().len(),
            wakes_minimal: finding.trace.wakes().len(),
            minimal: finding.minimal,
            runs: finding.runs,
            confirmed: finding.confirmed,
            digest: format!("{:032x}", finding.digest),
            scenario: folder.join("minimal.toml").display().to_string(),
            report: folder.join("report.txt").display().to_string(),
            html: folder.join("report.html").display().to_string(),
        }
    }
}

/// One target's search, for machines. The fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct TargetSummary {
    pub(super) target: String,
    pub(super) seed: u64,
    /// How traces are drawn: `swarm`, `plain` or `pct:D`.
    pub(super) sampling: String,
    /// Whether some of their scripts cancel.
    pub(super) cancelling: bool,
    pub(super) traces: u64,
    /// External events: returns for the timer, exits reaped, signals.
    pub(super) events: u64,
    /// Calls into the world.
    pub(super) steps: u64,
    /// Traces that crashed or hung.
    pub(super) ended_badly: u64,
    pub(super) findings: usize,
    pub(super) elapsed_ms: u64,
}

impl TargetSummary {
    pub(super) fn new(target: &Target, source: Source, searched: &Searched) -> Self {
        Self {
            target: target.to_string(),
            seed: source.seed,
            sampling: source.sampling.to_string(),
            cancelling: source.cancelling,
            traces: searched.tally.traces,
            events: searched.tally.events,
            steps: searched.tally.steps,
            ended_badly: searched.tally.ended_badly,
            findings: searched.findings.len(),
            elapsed_ms: u64::try_from(searched.elapsed.as_millis()).unwrap_or(u64::MAX),
        }
    }
}
