//! JSON objects of a search. The fields are stable.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::release::Defect;

use super::search::Searched;
use treefall_report::Store;
use treefall_report::json::UpstreamObject;
use treefall_search::generator::Source;
use treefall_search::masking::Visibility;
use treefall_search::triage::Finding;
use treefall_subject::backtrace;
use treefall_subject::target::Target;

/// A finding. The fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct FindingObject {
    /// The target.
    target: String,
    /// Release that the target is driven as: the version it reports, if treefall knows it.
    release: String,
    /// The violated law.
    law: &'static str,
    /// `survived`, `crashed by SIGNAL in FUNCTION`, `hung in FUNCTION`.
    outcome: String,
    /// Backtrace of a real program that crashed or hung, innermost function first. Comparisons ignore it.
    backtrace: Vec<String>,
    /// Allocation and free of the entry that was used after its free; only for such a failure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    handed_out: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    freed: Vec<String>,
    /// Law, step and kind of entry.
    signature: String,
    /// The leading cause; null: unknown.
    defect: Option<String>,
    /// Known defects whose fix alone makes the failure vanish, or the two that must both be fixed; the first is
    /// `defect`.
    defects: Vec<&'static str>,
    /// The leading cause, equal to `defect`.
    leading: Option<&'static str>,
    /// Other defects that the failure needs besides the leading one.
    also_required: Vec<&'static str>,
    /// Only fixing both of `defects` makes the failure vanish.
    together: bool,
    /// Upstream commit with the fix, if any.
    mended_by: Option<&'static str>,
    /// Upstream's issues, pull requests and commits of each of `defects`.
    upstream: Vec<UpstreamObject>,
    /// Seed of the campaign.
    seed: u64,
    /// How traces are drawn: `swarm`, `plain` or `pct:D`.
    sampling: String,
    /// Whether some scripts cancel their runs.
    cancelling: bool,
    /// True only with `--guarded`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    guarded: bool,
    /// Whether every second trace has a network interface and a guarded heap.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    outside: bool,
    /// How many traces until it was found.
    traces: u64,
    /// Traces of the whole search.
    elapsed_ms: u64,
    /// Wakes of the trace as found.
    wakes_found: usize,
    /// Wakes of the smallest trace.
    wakes_minimal: usize,
    /// No smaller trace shows the failure.
    minimal: bool,
    /// Signature of the finding that represents this cause; null: this one does.
    variant_of: Option<String>,
    /// Runs used for shrinking.
    runs: u64,
    /// Two fresh runs gave the same result.
    confirmed: bool,
    /// Digest of the smallest trace's history.
    digest: String,
    /// File with the smallest trace.
    scenario: String,
    /// Report as text.
    report: String,
    /// Report as HTML page.
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
        let folder = store.folder(&finding.target, finding.id());
        Self {
            target: finding.target.clone(),
            release: release.to_owned(),
            law: finding.signature().law.name(),
            outcome: finding.verdict.outcome.to_string(),
            backtrace: backtrace::texts(&finding.backtrace),
            handed_out: backtrace::texts(&finding.life.handed_out),
            freed: backtrace::texts(&finding.life.freed),
            signature: finding.signature().to_string(),
            defect: defects.first().map(|defect| defect.name().to_owned()),
            defects: defects.iter().map(|defect| defect.name()).collect(),
            leading: finding.cause.leading().map(Defect::name),
            also_required: finding.cause.also_required().iter().map(|it| it.name()).collect(),
            together: finding.cause.is_together(),
            mended_by: defects.first().and_then(|defect| defect.row().mended_by),
            upstream: UpstreamObject::all(defects.iter().copied()),
            seed: source.seed,
            sampling: source.sampling.to_string(),
            cancelling: source.cancelling,
            guarded: source.guarded,
            outside: source.outside,
            traces: finding.failure.number + 1,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            wakes_found: finding.failure.trace.wakes().len(),
            wakes_minimal: finding.trace.wakes().len(),
            minimal: finding.minimal,
            variant_of: finding.variant_of.map(|other| other.signature.to_string()),
            runs: finding.runs,
            confirmed: finding.confirmed,
            digest: format!("{:032x}", finding.digest),
            scenario: folder.join("minimal.toml").display().to_string(),
            report: folder.join("report.txt").display().to_string(),
            html: folder.join("report.html").display().to_string(),
        }
    }
}

/// Search on one target. The fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct TargetSummary {
    pub(super) target: String,
    pub(super) seed: u64,
    /// How traces are drawn: `swarm`, `plain` or `pct:D`.
    pub(super) sampling: String,
    /// Whether some scripts cancel their runs.
    pub(super) cancelling: bool,
    /// True only with `--guarded`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) guarded: bool,
    /// Whether every second trace has a network interface and a guarded heap.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) outside: bool,
    pub(super) traces: u64,
    /// External events: timer expiries, reaped exits, signals.
    pub(super) events: u64,
    /// Calls into the world.
    pub(super) steps: u64,
    /// Traces that crashed or hung.
    pub(super) ended_badly: u64,
    /// Failures with completed triage.
    pub(super) findings: usize,
    /// Failures that are kept as found, because their triage was interrupted or failed.
    pub(super) kept_as_found: usize,
    /// Traces with a violation that cannot be compared, because the judging of the baseline ended before it. None is
    /// a finding.
    pub(super) cannot_tell: u64,
    /// Defects of the release that cause no finding, and why; null: not searched (only `--all` without a baseline
    /// does).
    pub(super) hidden: Option<HiddenObject>,
    pub(super) elapsed_ms: u64,
}

/// Defects of a release that cause no finding.
#[derive(Serialize, JsonSchema)]
pub(super) struct HiddenObject {
    /// Masked defects, each with the defects that mask it.
    masked: BTreeMap<&'static str, Vec<&'static str>>,
    /// Latent defects, each with a defect that would make it show.
    latent: BTreeMap<&'static str, &'static str>,
    /// Defects that nothing made visible.
    not_seen: Vec<&'static str>,
}

impl HiddenObject {
    fn of(hidden: &BTreeMap<Defect, Visibility>) -> Self {
        let mut object = Self { masked: BTreeMap::new(), latent: BTreeMap::new(), not_seen: Vec::new() };
        for (defect, hidden) in hidden {
            let name = defect.name();
            match hidden {
                Visibility::MaskedBy(masks) => {
                    drop(object.masked.insert(name, masks.iter().map(|it| it.name()).collect()));
                }
                Visibility::LatentWithout(other) => drop(object.latent.insert(name, other.name())),
                Visibility::NotSeen => object.not_seen.push(name),
                Visibility::Shown(_) => {}
            }
        }
        object
    }
}

impl TargetSummary {
    pub(super) fn new(target: &Target, source: Source, searched: &Searched) -> Self {
        Self {
            target: target.to_string(),
            seed: source.seed,
            sampling: source.sampling.to_string(),
            cancelling: source.cancelling,
            guarded: source.guarded,
            outside: source.outside,
            traces: searched.tally.traces,
            events: searched.tally.events,
            steps: searched.tally.steps,
            ended_badly: searched.tally.ended_badly,
            findings: searched.processed.stored.len(),
            kept_as_found: searched.processed.as_found.len(),
            cannot_tell: searched.tally.cannot_tell,
            hidden: None,
            elapsed_ms: u64::try_from(searched.elapsed.as_millis()).unwrap_or(u64::MAX),
        }
    }
    /// Adds the defects that cause no finding.
    pub(super) fn with_hidden(self, hidden: Option<&BTreeMap<Defect, Visibility>>) -> Self {
        Self { hidden: hidden.map(HiddenObject::of), ..self }
    }
}
