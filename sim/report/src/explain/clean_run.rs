//! A run that breaks no law: its events, its trees and lists, and the releases on which the same trace fails.

use treefall_model::event::{Record, SubjectKind};
use treefall_model::trace::Trace;
use treefall_model::verdict::Verdict;

use super::releases::{Releases, breaking};
use super::run_log::RunLog;
use treefall_subject::{Options, Subject, SubjectError};

/// A subject's run of a trace.
#[derive(Clone, Debug)]
pub struct CleanRun {
    /// The model's verdict.
    pub verdict: Verdict,
    /// The digest of its history and of its indexes after every step.
    pub digest: u128,
    /// The subject's own history.
    pub history: Vec<Record>,
    /// The run of the replica of its release with all snapshots; `None`: the replica behaves differently.
    pub run_log: Option<RunLog>,
    /// Whether the subject is that replica, so that the trees are its own.
    pub own: bool,
    /// Which releases break a law in it.
    pub releases: Releases,
}

/// Runs `trace` once more and returns what it does.
///
/// # Errors
/// When the subject cannot run.
pub fn clean_run(trace: &Trace, subject: &mut dyn Subject) -> Result<CleanRun, SubjectError> {
    let kind = subject.kind();
    let ran = subject.run_one(trace, Options::COMPARE)?;
    let told = RunLog::of(kind, trace, subject.rules());
    let run_log = (told.verdict == ran.verdict && told.records == ran.records).then_some(told);
    Ok(CleanRun {
        verdict: ran.verdict,
        digest: ran.digest,
        history: ran.records,
        run_log,
        own: kind == SubjectKind::Replica,
        releases: breaking(kind, trace),
    })
}
