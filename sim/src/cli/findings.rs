//! A search with everything that belongs to it: finds kept before they are shrunk, worked out, reported.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use treefall_model::verdict::Signature;

use super::CliError;
use super::crew;
use super::output::Output;
use crate::finding::{Finding, work_out_all};
use crate::generator;
use crate::hunt::{Find, Lookout, Plan, Tally, hunt};
use crate::report::{self, Store};
use crate::scenario::{self, Expectations, Provenance, Scenario};
use crate::subject::target::Target;
use crate::subject::{SubjectError, Options, build};

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
}

/// What came of it.
pub(super) struct Searched {
    pub(super) findings: Vec<Finding>,
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
    seed: u64,
    store: &'s Store,
    finds: Vec<Find>,
    limit: Option<Duration>,
    watch: &'s Stopwatch,
    output: &'s mut Output,
}

impl Lookout for Keeper<'_> {
    fn found(&mut self, find: Find) -> Result<(), SubjectError> {
        let title = format!("{} on {}, as found", find.signature(), self.target);
        let found = scenario_of(&title, &find, find.trace.clone(), self.seed, &self.target);
        self.store.keep_found(&self.target, find.signature(), &scenario::write(&found))?;
        self.finds.push(find);
        Ok(())
    }

    fn go_on(&mut self, tally: &Tally) -> bool {
        self.output.progress(format_args!(
            "{}: {} traces, {} events, {} finds",
            self.target,
            tally.traces,
            tally.events,
            self.finds.len()
        ));
        let in_time = self.limit.is_none_or(|limit| self.watch.elapsed() < limit);
        in_time && !crew::told_to_stop()
    }
}

fn scenario_of(title: &str, find: &Find, trace: treefall_model::trace::Trace, seed: u64, target: &str) -> Scenario {
    let mut scenario = Scenario::new(title, trace);
    scenario.expect = Expectations::default();
    scenario.provenance = Provenance {
        seed: Some(seed),
        trace: Some(find.number),
        generator: Some(u64::from(generator::VERSION)),
        found_by: Some("treefall hunt".to_owned()),
        found_on: Some(target.to_owned()),
    };
    scenario
}

/// Searches one target, and works out and keeps what is found.
pub(super) fn search(search: Search<'_>, output: &mut Output) -> Result<Searched, CliError> {
    let watch = Stopwatch::start();
    let target = search.target.to_string();
    let mut subjects = crew::crew(search.target, search.jobs)?;
    let mut known = search.known;
    let mut keeper = Keeper {
        target: target.clone(),
        seed: search.plan.seed,
        store: search.store,
        finds: Vec::new(),
        limit: search.limit,
        watch: &watch,
        output,
    };
    let tally = hunt(&mut subjects, search.plan, &mut known, &mut keeper)?;
    let finds = keeper.finds;
    output.progress(format_args!("{target}: shrinking {} finds", finds.len()));
    let findings = work_out_all(&mut subjects, &|| build(search.target), &finds)?;
    for finding in &findings {
        keep(finding, search.plan.seed, search.store)?;
    }
    output.clear();
    Ok(Searched { findings, tally, elapsed: watch.elapsed() })
}

/// The command that replays a finding.
pub(super) fn replay_command(finding: &Finding, scenario: &Path) -> String {
    format!("treefall replay {} --target {} --history", scenario.display(), finding.target)
}

/// Writes the smallest trace and the report, and what slipped while shrinking.
fn keep(finding: &Finding, seed: u64, store: &Store) -> Result<(), CliError> {
    let title = format!("{} on {}", finding.signature(), finding.target);
    let minimal = scenario_of(&title, &finding.find, finding.trace.clone(), seed, &finding.target);
    let path = store.keep_minimal(&finding.target, finding.signature(), &scenario::write(&minimal))?;
    store.keep_report(&finding.target, finding.signature(), &report_text(finding, &path)?)?;
    for (signature, trace) in &finding.slipped {
        let title = format!("{signature} on {}, met while shrinking {}", finding.target, finding.signature());
        let slipped = scenario_of(&title, &finding.find, trace.clone(), seed, &finding.target);
        if !store.folder(&finding.target, *signature).exists() {
            store.keep_found(&finding.target, *signature, &scenario::write(&slipped))?;
        }
    }
    Ok(())
}

/// The report of a finding, with its history replayed.
pub(super) fn report_text(finding: &Finding, scenario: &Path) -> Result<String, CliError> {
    let installed = crate::subject::program::find_installed();
    let targets = crate::subject::target::parse(&finding.target, &installed)?;
    let history = match targets.first() {
        Some(target) => build(target)?.run_one(&finding.trace, Options::COMPARE)?.records,
        None => Vec::new(),
    };
    Ok(report::finding(finding, &history, &replay_command(finding, scenario)))
}

/// A finding for machines. The fields are stable.
#[derive(Serialize)]
pub(super) struct FindingObject {
    target: String,
    release: String,
    law: &'static str,
    outcome: String,
    signature: String,
    defect: Option<String>,
    defects: Vec<&'static str>,
    mended_by: Option<&'static str>,
    seed: u64,
    traces: u64,
    elapsed_ms: u64,
    wakes_found: usize,
    wakes_minimal: usize,
    minimal: bool,
    runs: u64,
    confirmed: bool,
    digest: String,
    scenario: String,
    report: String,
}

impl FindingObject {
    pub(super) fn new(finding: &Finding, release: &str, seed: u64, elapsed: Duration, store: &Store) -> Self {
        let defects = finding.cause.defects();
        let folder = store.folder(&finding.target, finding.signature());
        Self {
            target: finding.target.clone(),
            release: release.to_owned(),
            law: finding.signature().law.name(),
            outcome: finding.verdict.outcome.to_string(),
            signature: finding.signature().to_string(),
            defect: defects.first().map(|defect| defect.name().to_owned()),
            defects: defects.iter().map(|defect| defect.name()).collect(),
            mended_by: defects.first().and_then(|defect| defect.row().mended_by),
            seed,
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
        }
    }
}

/// The last object of a hunt: what each target's search went through.
#[derive(Serialize)]
pub(super) struct Summary {
    pub(super) summary: Vec<TargetSummary>,
}

/// One target's search, for machines. The fields are stable.
#[derive(Serialize)]
pub(super) struct TargetSummary {
    pub(super) target: String,
    pub(super) seed: u64,
    pub(super) traces: u64,
    pub(super) events: u64,
    pub(super) findings: usize,
    pub(super) elapsed_ms: u64,
}

impl TargetSummary {
    pub(super) fn new(target: &Target, seed: u64, searched: &Searched) -> Self {
        Self {
            target: target.to_string(),
            seed,
            traces: searched.tally.traces,
            events: searched.tally.events,
            findings: searched.findings.len(),
            elapsed_ms: u64::try_from(searched.elapsed.as_millis()).unwrap_or(u64::MAX),
        }
    }
}
