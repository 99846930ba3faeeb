//! JSON objects of `treefall check`. The fields are stable.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use treefall_field::regression::{Better, CheckFinding, CheckResults, Key, Side, headline};
use treefall_model::verdict::Signature;
use treefall_report::cause_name;
use treefall_report::json::UpstreamObject;
use treefall_subject::backtrace;

/// A finding that makes the new program worse.
#[derive(Serialize, JsonSchema)]
pub(super) struct WorseObject {
    /// `engine`, `daemon` or `replica`.
    driven_as: &'static str,
    new: String,
    old: String,
    /// Key that distinguishes it from other findings.
    finding: String,
    /// One-line summary.
    headline: String,
    /// Law that only the new program violates; null: the two differ, but violate the same laws.
    law: Option<&'static str>,
    signature: Option<String>,
    /// Outcome of the new program in the smallest trace; null: it could not play the trace.
    outcome: Option<String>,
    /// Known defects that cause it.
    defects: Vec<&'static str>,
    upstream: Vec<UpstreamObject>,
    /// Number of traces that showed it.
    traces: u64,
    /// Origin of the trace.
    from: String,
    wakes_found: usize,
    wakes_minimal: usize,
    minimal: bool,
    /// Two runs in fresh processes showed it.
    confirmed: bool,
    /// Calls that led to the first difference in the new program, innermost first.
    backtrace: Vec<String>,
    scenario: String,
    report: String,
    /// Command that replays it.
    replay: String,
}

impl WorseObject {
    pub(super) fn new(finding: &CheckFinding, folder: &Path, replay: &str) -> Self {
        let signature = finding.signature();
        let defects = finding.defects();
        Self {
            driven_as: finding.sides.word(),
            new: finding.sides.new.to_string(),
            old: finding.sides.old.to_string(),
            finding: finding.seen.key.to_string(),
            headline: headline(finding),
            law: signature.map(|signature| signature.law.name()),
            signature: signature.map(|signature| signature.to_string()),
            outcome: match &finding.new {
                Side::Ran(ran) => Some(ran.verdict.outcome.to_string()),
                Side::NotDriven(_) => None,
            },
            defects: defects.iter().map(|defect| defect.name()).collect(),
            upstream: UpstreamObject::all(defects.iter().copied()),
            traces: finding.seen.times,
            from: finding.seen.origin.to_string(),
            wakes_found: finding.seen.trace.wakes().len(),
            wakes_minimal: finding.trace.wakes().len(),
            minimal: finding.minimal,
            confirmed: finding.confirmed,
            backtrace: backtrace::texts(&finding.backtrace),
            scenario: folder.join(super::MINIMAL).display().to_string(),
            report: folder.join(super::REPORT).display().to_string(),
            replay: replay.to_owned(),
        }
    }
}

/// Result of one pair of programs.
#[derive(Serialize, JsonSchema)]
pub(super) struct LaneObject {
    /// `engine`, `daemon` or `replica`.
    driven_as: &'static str,
    new: String,
    old: String,
    scenarios: u64,
    traces: u64,
    /// Number of traces on which the two differed.
    unlike: u64,
    /// All kinds of findings, including those without triage.
    worse: Vec<WorseSeen>,
    better: Vec<BetterSeen>,
    /// Laws that both violate.
    shared: Vec<SharedSeen>,
}

/// A kind of finding, with its number of traces.
#[derive(Serialize, JsonSchema)]
struct WorseSeen {
    finding: String,
    traces: u64,
}

/// Something that the new program does better.
#[derive(Serialize, JsonSchema)]
struct BetterSeen {
    /// The known defect that is fixed; null: none is known.
    mends: Option<&'static str>,
    /// The law that it no longer violates; null: see `mends`.
    no_longer: Option<String>,
    traces: u64,
}

/// A law that both violate.
#[derive(Serialize, JsonSchema)]
struct SharedSeen {
    signature: String,
    /// Known defects that cause it, or why none is named.
    cause: String,
    traces: u64,
}

impl LaneObject {
    pub(super) fn new(driven_as: &'static str, new: String, old: String, tally: &CheckResults) -> Self {
        let worse = |(key, seen): (&Key, &treefall_field::regression::CheckFailure)| WorseSeen {
            finding: key.to_string(),
            traces: seen.times,
        };
        let better = |(better, traces): (&Better, &u64)| match better {
            Better::Mends(defect) => {
                BetterSeen { mends: Some(defect.name()), no_longer: None, traces: *traces }
            }
            Better::NoLonger(signature) => {
                BetterSeen { mends: None, no_longer: Some(signature.to_string()), traces: *traces }
            }
        };
        let shared =
            |(signature, shared): (&Signature, &treefall_field::regression::SharedViolation)| SharedSeen {
                signature: signature.to_string(),
                cause: cause_name(&shared.cause),
                traces: shared.times,
            };
        Self {
            driven_as,
            new,
            old,
            scenarios: tally.scenarios,
            traces: tally.traces,
            unlike: tally.unlike,
            worse: tally.worse.iter().map(worse).collect(),
            better: tally.better.iter().map(better).collect(),
            shared: tally.shared.iter().map(shared).collect(),
        }
    }
}

/// Summary of a check.
#[derive(Serialize, JsonSchema)]
pub(super) struct CheckSummary {
    /// `same`, `better`, `worse`, `affected` or `cannot tell`.
    pub(super) answer: &'static str,
    /// First line of the text.
    pub(super) text: String,
    /// Namespaces are not available here, so the whole daemon was not played.
    pub(super) engine_only: bool,
    /// Number of kinds of findings.
    pub(super) worse: usize,
    /// Numbers of upstream's issues that affect the new program.
    pub(super) affected_by: Vec<u16>,
    pub(super) scenarios: u64,
    pub(super) traces: u64,
    pub(super) elapsed_ms: u64,
    /// What this command does not test.
    pub(super) not_tested: &'static str,
}
