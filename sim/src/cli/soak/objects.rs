//! JSON objects of a soak. The fields are stable.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::command;
use treefall_field::soak::Workload;
use treefall_field::soak::numbers::Estimate;

/// A figure with its 95 % interval; an infinite end is null.
#[derive(Serialize, JsonSchema)]
pub(super) struct EstimateObject {
    #[schemars(with = "Option<f64>")]
    pub(super) value: f64,
    #[schemars(with = "Option<f64>")]
    pub(super) low: f64,
    #[schemars(with = "Option<f64>")]
    pub(super) high: f64,
}

impl EstimateObject {
    pub(super) fn plain(Estimate { value, low, high }: Estimate) -> Self {
        Self { value, low, high }
    }

    pub(super) fn millis(Estimate { value, low, high }: Estimate) -> Self {
        Self { value: value * 1e3, low: low * 1e3, high: high * 1e3 }
    }
}

#[derive(Serialize, JsonSchema)]
pub(super) struct WithinObject {
    pub(super) by_hazard: Option<EstimateObject>,
    pub(super) seen: Option<EstimateObject>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct KindObject {
    pub(super) signature: Option<String>,
    pub(super) outcome: String,
    pub(super) count: usize,
    pub(super) share: f64,
    pub(super) scenario: Option<String>,
}

/// The workload, in the syntax of the flags.
#[derive(Serialize, JsonSchema)]
pub(super) struct WorkloadObject {
    pub(super) scripts: Vec<String>,
    pub(super) reload: Option<String>,
    pub(super) jitter: Option<String>,
    pub(super) latency: String,
    pub(super) costs: BTreeMap<&'static str, String>,
}

impl WorkloadObject {
    pub(super) fn new(workload: &Workload) -> Self {
        let costs = workload.machine.costs.each().map(|cost| cost.to_string());
        Self {
            scripts: workload.workers.iter().map(command::named).collect(),
            reload: workload.reload.as_ref().map(|reload| reload.period.to_string()),
            jitter: workload.reload.as_ref().map(|reload| reload.jitter.to_string()),
            latency: workload.machine.latency.to_string(),
            costs: treefall_model::trace::Costs::NAMES.into_iter().zip(costs).collect(),
        }
    }
}

/// Figures of one target. The fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct SoakObject {
    pub(super) target: String,
    pub(super) release: String,
    pub(super) until: String,
    pub(super) seed: u64,
    pub(super) workload: WorkloadObject,
    /// Reason for the end: `failures`, `most`, `for` (the flags), or `stopped`.
    pub(super) ended_by: &'static str,
    /// Command that repeats the soak, with all defaults.
    pub(super) command: String,
    pub(super) lives: usize,
    pub(super) failures: usize,
    pub(super) followed_ms: f64,
    pub(super) reloads: u64,
    pub(super) mean_ms: Option<EstimateObject>,
    pub(super) median_ms: Option<EstimateObject>,
    pub(super) hazard_per_reload: Option<EstimateObject>,
    pub(super) mean_by_hazard_ms: EstimateObject,
    pub(super) median_by_hazard_ms: EstimateObject,
    /// Whether the lives and the hazard agree; null: too few failures.
    pub(super) agree: Option<bool>,
    pub(super) within_day: WithinObject,
    pub(super) within_week: WithinObject,
    pub(super) within_year: WithinObject,
    pub(super) kinds: Vec<KindObject>,
    /// Age of each life at its failure; null: it did not fail.
    pub(super) ages_ms: Vec<Option<f64>>,
}

/// A row of the table of assumptions. The fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct VariationObject {
    pub(super) target: String,
    pub(super) assumption: String,
    pub(super) lives: usize,
    pub(super) failures: usize,
    pub(super) mean_by_hazard_ms: EstimateObject,
}

/// Summary of one target. The fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct TargetSummary {
    pub(super) target: String,
    pub(super) seed: u64,
    pub(super) lives: usize,
    pub(super) failures: usize,
    pub(super) events: u64,
    pub(super) elapsed_ms: u64,
}
