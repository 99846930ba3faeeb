//! Errors of a search.

use treefall_base::control::Interrupted;
use treefall_subject::SubjectError;

/// A search did not finish.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// A subject cannot run.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// The search's [`Control`](treefall_base::control::Control) interrupted it.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}
