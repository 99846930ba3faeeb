//! What `treefall explore` tells machines.

use schemars::JsonSchema;
use serde::Serialize;

use treefall_report::json::UpstreamObject;

/// A signature that was found, for machines. The fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct FoundObject {
    pub(super) target: String,
    pub(super) release: String,
    pub(super) law: &'static str,
    pub(super) signature: String,
    pub(super) outcome: String,
    pub(super) defect: Option<&'static str>,
    pub(super) defects: Vec<&'static str>,
    /// The leading cause: the same as `defect`.
    pub(super) leading: Option<&'static str>,
    /// Defects that the failure needs beside the leading one.
    pub(super) also_required: Vec<&'static str>,
    /// It takes two: mending either of `defects` alone is not enough.
    pub(super) together: bool,
    pub(super) mended_by: Option<&'static str>,
    /// What upstream has of each of `defects`.
    pub(super) upstream: Vec<UpstreamObject>,
    pub(super) wakes_found: usize,
    pub(super) wakes_minimal: usize,
    pub(super) confirmed: bool,
    pub(super) digest: String,
    /// The file with a shortest trace of the alphabet.
    pub(super) found: String,
    /// The file with the smallest trace.
    pub(super) scenario: String,
    pub(super) report: String,
}

/// One target's search, for machines.
#[derive(Serialize, JsonSchema)]
pub(super) struct TargetSummary {
    pub(super) target: String,
    pub(super) complete: bool,
    pub(super) closed: bool,
    pub(super) signatures: usize,
    pub(super) states: usize,
    pub(super) transitions: u64,
    pub(super) elapsed_ms: u64,
}
