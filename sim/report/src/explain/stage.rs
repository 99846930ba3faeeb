//! The steps of a run in words.

use treefall_model::event::{Event, Record, Step};

use super::run_log::RunLog;
use crate::Names;

/// Describes a step in which nothing else happened.
#[must_use]
pub fn step_words(step: Option<Step>) -> &'static str {
    match step {
        Some(Step::AddTimer) => "a timer is added",
        Some(Step::AddChild) => "a child's entry is added",
        Some(Step::AddEvent) => "an event is queued",
        Some(Step::TerminateChildren) => "the children are told to end",
        Some(Step::Cleanup) => "all entries are cleaned up",
        Some(Step::AddBase) => "the descriptors' entries are added",
        Some(Step::Cancel) => "an entry is cancelled",
        Some(Step::Dispatched) => "an entry is taken and its handler begins",
        Some(Step::Blocked) => "the loop is about to wait",
        Some(other) => other.name(),
        None => "the run ends",
    }
}

/// Names a stage by its events, or else by its step.
#[must_use]
pub fn stage_title(run_log: &RunLog, stage: usize, names: &Names<'_>) -> String {
    let step = step_words(run_log.stages.get(stage).and_then(|stage| stage.step));
    let weighty = |record: &&Record| !matches!(record.event, Event::Blocked { .. });
    let told = run_log.events(stage).iter().filter(weighty);
    let words: Vec<String> = told.filter_map(|record| names.tell(&record.event)).collect();
    match words.as_slice() {
        [] => step.to_owned(),
        [only] => format!("{only}; then {step}"),
        [.., last] => format!("{last}; then {step}"),
    }
}
