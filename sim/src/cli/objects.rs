//! What a search found, for machines. The fields are stable.

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

/// A finding for machines. The fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct FindingObject {
    /// What was tested.
    target: String,
    /// The release that it is driven as: what it says it is, if treefall knows that.
    release: String,
    /// The law that broke.
    law: &'static str,
    /// `survived`, `crashed by SIGNAL in FUNCTION`, `hung in FUNCTION`.
    outcome: String,
    /// Who called whom in a real program that crashed or hung, innermost first; no part of any comparison.
    backtrace: Vec<String>,
    /// Where the entry that was used after its free was handed out, and where freed; only of such a failure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    handed_out: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    freed: Vec<String>,
    /// Law, step and kind of entry.
    signature: String,
    /// The leading cause; null: not known.
    defect: Option<String>,
    /// Every known defect whose mending, alone, makes the failure vanish, or the two that it takes; the first is `defect`.
    defects: Vec<&'static str>,
    /// The leading cause: the same as `defect`.
    leading: Option<&'static str>,
    /// Defects that the failure needs beside the leading one.
    also_required: Vec<&'static str>,
    /// It takes two: mending either of `defects` alone is not enough.
    together: bool,
    /// The upstream commit that mended it, if any did.
    mended_by: Option<&'static str>,
    /// What upstream has of each of `defects`.
    upstream: Vec<UpstreamObject>,
    /// The campaign's.
    seed: u64,
    /// How its traces are drawn: `swarm`, `plain` or `pct:D`.
    sampling: String,
    /// Whether some of their scripts cancel.
    cancelling: bool,
    /// With `--guarded` alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    guarded: bool,
    /// Whether every second trace has a network interface and a guarded heap.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    outside: bool,
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
    /// The signature of the finding of the same cause that got the full effort; null: this one did.
    variant_of: Option<String>,
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

/// One target's search, for machines. The fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct TargetSummary {
    pub(super) target: String,
    pub(super) seed: u64,
    /// How traces are drawn: `swarm`, `plain` or `pct:D`.
    pub(super) sampling: String,
    /// Whether some of their scripts cancel.
    pub(super) cancelling: bool,
    /// With `--guarded` alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) guarded: bool,
    /// Whether every second trace has a network interface and a guarded heap.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) outside: bool,
    pub(super) traces: u64,
    /// External events: returns for the timer, exits reaped, signals.
    pub(super) events: u64,
    /// Calls into the world.
    pub(super) steps: u64,
    /// Traces that crashed or hung.
    pub(super) ended_badly: u64,
    /// Failures that were worked out.
    pub(super) findings: usize,
    /// Failures that are kept as found: the word to stop came before they were worked out, or they could not be.
    pub(super) kept_as_found: usize,
    /// Traces with a violation of which the baseline cannot tell: its judging ended before. None of them is a finding.
    pub(super) cannot_tell: u64,
    /// The release's defects that lead no finding, and where they hide; null: nobody looked (only `--all` without a
    /// baseline does).
    pub(super) hidden: Option<HiddenObject>,
    pub(super) elapsed_ms: u64,
}

/// The defects of a release that lead no finding.
#[derive(Serialize, JsonSchema)]
pub(super) struct HiddenObject {
    /// Each with those of the release that mask it.
    masked: BTreeMap<&'static str, Vec<&'static str>>,
    /// Each with a defect beside which it would show.
    latent: BTreeMap<&'static str, &'static str>,
    /// Not met, in no way that was tried.
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
    /// The same with where the defects hide that lead no finding.
    pub(super) fn with_hidden(self, hidden: Option<&BTreeMap<Defect, Visibility>>) -> Self {
        Self { hidden: hidden.map(HiddenObject::of), ..self }
    }
}
