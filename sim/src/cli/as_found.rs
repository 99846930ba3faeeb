//! Reports failures that were stored as found, because their triage was interrupted or failed.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::verdict::Signature;

use super::Status;
use super::output::Output;
use treefall_report::pipeline::PipelineError;
use treefall_report::store::Store;
use treefall_search::known::FindingId;
use treefall_subject::target::Target;

/// A failure that is kept as found, because its triage was interrupted or failed. The fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct AsFoundObject {
    pub(super) target: String,
    pub(super) signature: String,
    /// Scenario file with the trace as found.
    pub(super) kept_as_found: String,
    /// Why triage failed; null: it was interrupted.
    pub(super) error: Option<String>,
}

impl AsFoundObject {
    pub(super) fn new(target: &str, signature: Signature, found: &Path, error: Option<String>) -> Self {
        Self {
            target: target.to_owned(),
            signature: signature.to_string(),
            kept_as_found: found.display().to_string(),
            error,
        }
    }
}

/// Reports each failure whose triage failed, with the file that keeps it as found.
pub(super) fn print_failed(
    target: &Target,
    failed: &[(FindingId, PipelineError)],
    store: &Store,
    output: &mut Output,
) -> Status {
    let name = target.to_string();
    for (failure, why) in failed {
        let (signature, found) = (failure.signature, store.found(&name, *failure));
        output.error(&format!(
            "{signature} on {name} was found, but its triage failed: {why}; it is kept as found in {}",
            found.display()
        ));
        output.object(&AsFoundObject::new(&name, signature, &found, Some(why.to_string())));
    }
    if failed.is_empty() { Status::Good } else { Status::Harness }
}
