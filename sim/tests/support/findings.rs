//! Triage and explanation of failures, without interruption.

use treefall::base::control::Control;
use treefall::explain::{Explanation, StandIn, explain};
use treefall::hunt::Failure;
use treefall::subject::{Subject, SubjectError};
use treefall::triage::Finding;
use treefall::variants::triage_all;

/// Triages the failures, in order.
pub(crate) fn findings(
    subjects: &mut [Box<dyn Subject>],
    fresh: &(dyn Fn() -> Result<Box<dyn Subject>, SubjectError> + Sync),
    failures: &[Failure],
    build_up_max: u64,
) -> Vec<Finding> {
    let worked = triage_all(subjects, fresh, failures, build_up_max, Control::none(), &|_, _, it| Ok(it));
    worked.into_iter().map(|finding| finding.expect("the subject runs")).collect()
}

/// Explains a finding by running the subject itself; not for a daemon.
pub(crate) fn explanation_of(finding: &Finding, subject: &mut dyn Subject) -> Explanation {
    explain(finding, subject, StandIn::ForDaemons, Control::none()).expect("explained")
}
