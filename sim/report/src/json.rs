//! The report for machines: one JSON object with stable fields.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use treefall_model::release::{Advice, Defect};

use super::Report;
use super::wording::{cause_line, claim, releases_line, under_gdb};
use super::{CleanReport, Story};
use crate::explain::{Explanation, Releases};
use treefall_subject::backtrace;

/// Upstream's issues and commits of a known defect.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct UpstreamObject {
    defect: &'static str,
    /// The numbers of the issues that report it.
    issues: &'static [u16],
    /// The number of the pull request with the commit that mended it.
    pull_request: Option<u16>,
    brought_by: Option<&'static str>,
    mended_by: Option<&'static str>,
    mended_in: Option<String>,
    /// The release to run against it, without a known crash of the trees; null: the newest release has it.
    run: Option<String>,
    /// The part of keepalived that it needs.
    reach: &'static str,
}

impl UpstreamObject {
    /// Of one defect.
    #[must_use]
    pub fn of(defect: Defect) -> Self {
        let row = defect.row();
        let run = Advice::against_defect(defect).and_then(Advice::run);
        Self {
            defect: row.name,
            issues: row.issues,
            pull_request: row.pull_request,
            brought_by: row.brought_by,
            mended_by: row.mended_by,
            mended_in: row.mended_in.map(|release| release.to_string()),
            run: run.map(|release| release.to_string()),
            reach: row.reach.name(),
        }
    }

    /// Of several, in their order.
    #[must_use]
    pub fn all(defects: impl IntoIterator<Item = Defect>) -> Vec<Self> {
        defects.into_iter().map(Self::of).collect()
    }
}

/// The entry of a report in a list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Card {
    /// The target.
    pub target: String,
    /// The failure in one sentence.
    pub claim: String,
    /// Law, step and kind of entry.
    pub signature: String,
    /// The law.
    pub law: String,
    /// The cause in one line.
    pub cause: String,
    /// The first defect whose mending makes it vanish.
    pub defect: Option<String>,
    /// How the run ended.
    pub outcome: String,
    /// Which releases have it, in one line.
    pub affected: String,
}

/// The whole report.
#[derive(Serialize, JsonSchema)]
pub struct ReportObject<'r> {
    #[serde(flatten)]
    card: Card,
    sentence: &'static str,
    mended_by: Option<&'static str>,
    mended_in: Option<String>,
    /// What upstream has of each of `defects`.
    upstream: Vec<UpstreamObject>,
    defects: Vec<&'static str>,
    /// The leading cause: the same as `defect`.
    leading: Option<&'static str>,
    /// Defects that the failure needs beside the leading one.
    also_required: Vec<&'static str>,
    /// Both `defects` have to be mended; else each alone is enough.
    together: bool,
    detail: String,
    at: String,
    backtrace: Vec<String>,
    /// Where the entry that was used after its free was handed out, and where freed; only of such a failure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    handed_out: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    freed: Vec<String>,
    found: String,
    wakes_found: usize,
    wakes_minimal: usize,
    minimal: bool,
    confirmed: bool,
    digest: String,
    replay: &'r str,
    under_gdb: Option<String>,
    /// What a person wrote of it; null where treefall found the trace.
    story: Option<ToldObject<'r>>,
    #[serde(flatten)]
    explanation: &'r Explanation,
}

/// What a person wrote of a trace.
#[derive(Serialize, JsonSchema)]
struct ToldObject<'s> {
    title: &'s str,
    source: &'s str,
    story: &'s str,
}

impl<'s> ToldObject<'s> {
    fn of(story: Story<'s>) -> Self {
        Self { title: story.title, source: story.source, story: story.text }
    }
}

/// The report of a run that breaks no law.
#[derive(Serialize, JsonSchema)]
pub struct CleanObject<'r> {
    /// The target.
    target: &'r str,
    /// The report in one sentence.
    claim: String,
    /// How the run ended.
    outcome: String,
    digest: String,
    replay: &'r str,
    /// What a person wrote of it; null where treefall found the trace.
    story: Option<ToldObject<'r>>,
    /// Which releases break a law in it.
    releases: &'r Releases,
}

impl<'r> CleanObject<'r> {
    /// Of a report.
    #[must_use]
    pub fn of(report: &CleanReport<'r>) -> Self {
        Self {
            target: report.target,
            claim: report.claim(),
            outcome: report.run.verdict.outcome.to_string(),
            digest: format!("{:032x}", report.run.digest),
            replay: report.replay,
            story: report.story.map(ToldObject::of),
            releases: &report.run.releases,
        }
    }
}

impl Card {
    /// Of a report.
    #[must_use]
    pub fn of(report: &Report<'_>) -> Self {
        let finding = report.finding;
        let names = report.names();
        Self {
            target: finding.target.clone(),
            claim: claim(finding, &names),
            signature: finding.signature().to_string(),
            law: finding.signature().law.name().to_owned(),
            cause: cause_line(&finding.cause),
            defect: finding.cause.defects().first().map(|defect| defect.name().to_owned()),
            outcome: finding.verdict.outcome.to_string(),
            affected: releases_line(report.explanation, &report.finding.cause),
        }
    }
}

impl<'r> ReportObject<'r> {
    /// Of a report.
    #[must_use]
    pub fn of(report: &Report<'r>) -> Self {
        let finding = report.finding;
        let names = report.names();
        let defects = finding.cause.defects();
        let row = defects.first().map(|defect| defect.row());
        Self {
            card: Card::of(report),
            sentence: finding.signature().law.sentence(),
            mended_by: row.and_then(|row| row.mended_by),
            mended_in: row.and_then(|row| row.mended_in).map(|release| release.to_string()),
            upstream: UpstreamObject::all(defects.iter().copied()),
            defects: defects.iter().map(|defect| defect.name()).collect(),
            leading: finding.cause.leading().map(Defect::name),
            also_required: finding.cause.also_required().iter().map(|it| it.name()).collect(),
            together: finding.cause.is_together(),
            detail: names.plain(&finding.broken().detail),
            at: finding.broken().at.to_string(),
            backtrace: backtrace::texts(&finding.backtrace),
            handed_out: backtrace::texts(&finding.life.handed_out),
            freed: backtrace::texts(&finding.life.freed),
            found: crate::document::found(report),
            wakes_found: finding.failure.trace.wakes().len(),
            wakes_minimal: finding.trace.wakes().len(),
            minimal: finding.minimal,
            confirmed: finding.confirmed,
            digest: format!("{:032x}", finding.digest),
            replay: report.replay,
            under_gdb: under_gdb(finding, report.replay),
            story: report.story.map(ToldObject::of),
            explanation: report.explanation,
        }
    }
}
