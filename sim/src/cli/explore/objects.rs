//! JSON objects of `treefall explore`.

use schemars::JsonSchema;
use serde::Serialize;

use treefall_report::json::UpstreamObject;

/// A signature that was found. The fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct FoundObject {
    pub(super) target: String,
    pub(super) release: String,
    pub(super) law: &'static str,
    pub(super) signature: String,
    pub(super) outcome: String,
    pub(super) defect: Option<&'static str>,
    pub(super) defects: Vec<&'static str>,
    /// The leading cause, equal to `defect`.
    pub(super) leading: Option<&'static str>,
    /// Other defects that the failure needs besides the leading one.
    pub(super) also_required: Vec<&'static str>,
    /// Only fixing both of `defects` makes the failure vanish.
    pub(super) together: bool,
    pub(super) mended_by: Option<&'static str>,
    /// Upstream's issues, pull requests and commits of each of `defects`.
    pub(super) upstream: Vec<UpstreamObject>,
    pub(super) wakes_found: usize,
    pub(super) wakes_minimal: usize,
    pub(super) confirmed: bool,
    pub(super) digest: String,
    /// File with a shortest trace of the alphabet.
    pub(super) found: String,
    /// File with the smallest trace.
    pub(super) scenario: String,
    pub(super) report: String,
}

/// Search on one target.
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
