//! Why a search ends without a result.

use treefall_base::control::Interrupted;
use treefall_subject::SubjectError;

/// A search did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// A subject cannot run.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// Its [`Control`](treefall_base::control::Control) stopped it.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}
