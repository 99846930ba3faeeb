//! The pipeline from failures to stored findings: triage, explain, keep. Every command that finds something calls it.
//!
//! Invariants: a failure is on disk before its triage begins; an error in one leaves the others; results are in the order of
//! the failures, whatever the number of subjects.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use treefall_base::control::Control;
use treefall_model::release::Defect;
use treefall_model::trace::ScriptKind;
use treefall_scenario as scenario;
use treefall_search::error::SearchError;
use treefall_search::generator::Source;
use treefall_search::hunt::Failure;
use treefall_search::known::FindingId;
use treefall_search::masking::{self, Visibility};
use treefall_search::triage::{Finding, triage_as_found};
use treefall_search::variants::triage_all;
use treefall_subject::baseline::build_beside;
use treefall_subject::target::Target;
use treefall_subject::{Options, Subject, SubjectError};

use crate::explain::{Explanation, StandIn, explain};
use crate::provenance::{FoundBy, Origin, replay_command};
use crate::store::{Store, StoreError};
use crate::{Report, finding as text_of, summary};

/// The source, the destination and the effort of a campaign's failures.
#[derive(Clone, Copy)]
pub struct Pipeline<'p> {
    /// The target.
    pub target: &'p Target,
    /// A program that does not show them in the same trace at the same place.
    pub baseline: Option<&'p Target>,
    /// The kind of search.
    pub by: FoundBy,
    /// Where findings are kept.
    pub store: &'p Store,
    /// Most runs in building up traces that are smaller than a shrunk one.
    pub build_up_max: u64,
}

/// A step of the pipeline that takes long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Shrinking, confirming, looking for the cause.
    Triage,
    /// Running the subject to explain it.
    Explain,
}

/// What the pipeline is about to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The step.
    pub stage: Stage,
    /// The place of the failure.
    pub place: usize,
    /// Runs of this step so far.
    pub runs: u64,
}

/// A finding whose trace and reports are on disk.
#[derive(Clone, Debug)]
pub struct StoredFinding {
    /// The finding.
    pub finding: Finding,
    /// The part of its report that a command prints.
    pub summary: String,
}

/// Why a failure did not become a stored finding.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A subject cannot run.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// It cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The results for a campaign's failures.
#[derive(Default, Debug)]
pub struct Processed {
    /// The findings, in the order of their failures.
    pub stored: Vec<StoredFinding>,
    /// Failures that are stored as found: triage was interrupted, or failed.
    pub as_found: Vec<FindingId>,
    /// The errors of triage.
    pub failed: Vec<(FindingId, PipelineError)>,
}

impl Processed {
    /// The findings.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.stored.iter().map(|stored| &stored.finding)
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stored.is_empty() && self.as_found.is_empty()
    }

    fn has(&self, id: FindingId) -> bool {
        self.findings().any(|finding| finding.id() == id)
    }

    fn take(&mut self, id: FindingId, stored: Result<StoredFinding, PipelineError>) {
        match stored {
            Ok(stored) => self.stored.push(stored),
            Err(error) => {
                self.as_found.push(id);
                self.failed.push((id, error));
            }
        }
    }
}

impl Pipeline<'_> {
    const fn origin(&self) -> Origin<'_> {
        Origin { target: self.target, by: self.by }
    }

    /// Keeps a failure as it was found.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_as_found(&self, failure: &Failure) -> Result<PathBuf, StoreError> {
        let found = scenario::write(&self.origin().as_found(failure));
        self.store.keep_found(&self.target.to_string(), failure.id(), &found)
    }

    /// Triages, explains and stores each failure. After an interruption the rest stays as found.
    pub fn run(
        &self,
        subjects: &mut [Box<dyn Subject>],
        failures: &[Failure],
        control: Control<'_, Progress>,
    ) -> Processed {
        let explain = |subject: &mut dyn Subject, place: usize, finding: Finding| {
            let keep_going = |runs| control.check(Progress { stage: Stage::Explain, place, runs }).is_ok();
            let explained = explain(&finding, subject, StandIn::ForRealPrograms, Control::new(&keep_going))?;
            Ok((finding, explained))
        };
        let keep_going =
            |(place, runs)| control.check(Progress { stage: Stage::Triage, place, runs }).is_ok();
        let (fresh, control) = (|| build_beside(self.target, self.baseline), Control::new(&keep_going));
        let worked = triage_all(subjects, &fresh, failures, self.build_up_max, control, &explain);
        let whole = worked.iter().all(Result::is_ok);
        let mut processed = Processed::default();
        for (failure, worked) in failures.iter().zip(worked) {
            match worked {
                // Two failures whose smallest traces have one cause are one finding: the first.
                Ok((finding, _)) if processed.has(finding.id()) => {}
                Ok((finding, explanation)) => {
                    let mut kept = self.keep(finding, &explanation);
                    // Only the complete results show from which failure a signature slipped.
                    if whole {
                        kept = kept.and_then(|it| self.keep_slipped(subjects[0].as_mut(), it));
                    }
                    processed.take(failure.id(), kept);
                }
                Err(SearchError::Interrupted(_)) => processed.as_found.push(failure.id()),
                Err(SearchError::Subject(error)) => processed.take(failure.id(), Err(error.into())),
            }
        }
        processed
    }

    /// Writes the smallest trace and the reports.
    fn keep(&self, finding: Finding, explanation: &Explanation) -> Result<StoredFinding, PipelineError> {
        let (name, id, signature) = (self.target.to_string(), finding.id(), finding.signature());
        let number = finding.failure.number;
        let title = format!("{signature} on {name}");
        let trace = finding.trace.clone();
        let minimal = self.origin().scenario(&title, number, signature, trace, &finding.verdict);
        let text = scenario::write(&minimal);
        let path = self.store.keep_minimal(&name, id, &text)?;
        let origin = self.by.origin(number);
        let origin = match self.baseline {
            Some(baseline) => format!("{origin}; {baseline} does not break it there"),
            None => origin,
        };
        let report = Report {
            finding: &finding,
            explanation,
            origin: &origin,
            replay: &replay_command(&name, &path),
            scenario: &text,
            as_it_is: false,
            story: None,
        };
        self.store.keep_report(&name, id, &text_of(&report))?;
        self.store.keep_page(&name, id, &report)?;
        let summary = summary(&report);
        Ok(StoredFinding { finding, summary })
    }

    /// Stores the other signatures that shrinking met, where no such failure is stored yet.
    fn keep_slipped(
        &self,
        subject: &mut dyn Subject,
        stored: StoredFinding,
    ) -> Result<StoredFinding, PipelineError> {
        let (name, finding) = (self.target.to_string(), &stored.finding);
        for (signature, trace) in &finding.slipped {
            if self.store.has(&name, *signature) || !subject.takes(trace) {
                continue;
            }
            let verdict = subject.run_one(trace, Options::VERDICT)?.verdict;
            // A replica may have shown it in place of the real program.
            if verdict.breaks.iter().all(|broken| broken.signature != *signature) {
                continue;
            }
            let title = format!("{signature} on {name}, met while shrinking {}", finding.signature());
            let number = finding.failure.number;
            let slipped = self.origin().scenario(&title, number, *signature, trace.clone(), &verdict);
            self.store.keep_found(&name, (*signature).into(), &scenario::write(&slipped))?;
        }
        Ok(stored)
    }

    /// Searches the campaign of `seed` for the defects of the release that lead no finding.
    ///
    /// What shows after all is added to `processed`; returns where the others hide.
    ///
    /// # Errors
    /// When a subject cannot run.
    pub fn look_behind(
        &self,
        processed: &mut Processed,
        seed: u64,
        control: Control<'_, ()>,
    ) -> Result<BTreeMap<Defect, Visibility>, SubjectError> {
        let fresh = || build_beside(self.target, self.baseline);
        let mut subject = fresh()?;
        let leading: BTreeSet<Defect> =
            processed.findings().filter_map(|finding| finding.cause.leading()).collect();
        let behind = masking::look_behind(subject.rules(), &leading, seed, control);
        let mut hidden = behind.hidden;
        for (defect, failure) in behind.shown {
            if control.check(()).is_err() {
                break;
            }
            // The replica of the release showed it; the target may not, and a daemon cannot be given every trace.
            if !shows(subject.as_mut(), &failure)? {
                hidden.insert(defect, Visibility::NotSeen);
                continue;
            }
            let mut finding = triage_as_found(subject.as_mut(), &fresh, &failure)?;
            if processed.has(finding.id()) {
                if processed.findings().any(|other| other.cause.defects().contains(&defect)) {
                    continue;
                }
                finding.cause = finding.cause.led_by(defect);
            }
            let id = finding.id();
            // This one cannot be kept: that is reported already.
            if processed.failed.iter().any(|(failed, _)| *failed == id) {
                continue;
            }
            let swarm = Source::swarm(seed);
            let cancels = failure.trace.setup().has_kind(ScriptKind::Cancelling);
            let by = FoundBy::Hunt(if cancels { swarm.cancelling() } else { swarm });
            let kept = explain(&finding, subject.as_mut(), StandIn::ForRealPrograms, Control::none());
            let kept = match kept {
                Ok(explanation) => {
                    let pipeline = Pipeline { by, ..*self };
                    let kept = pipeline.keep(finding, &explanation);
                    kept.and_then(|it| pipeline.keep_slipped(subject.as_mut(), it))
                }
                Err(SearchError::Subject(error)) => Err(error.into()),
                // Nothing interrupts it.
                Err(SearchError::Interrupted(_)) => continue,
            };
            processed.take(id, kept);
        }
        Ok(hidden)
    }
}

/// Whether the subject shows the failure.
fn shows(subject: &mut dyn Subject, failure: &Failure) -> Result<bool, SubjectError> {
    if !subject.takes(&failure.trace) {
        return Ok(false);
    }
    Ok(subject.run_one(&failure.trace, Options::VERDICT)?.verdict.shows(failure.signature()))
}
