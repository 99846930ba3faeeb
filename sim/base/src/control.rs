//! Watches a long work from outside, and stops it.

/// Watches a long work: receives its progress before each step, and may interrupt it.
///
/// `P` is what a step reports, as the number of runs so far.
pub struct Control<'c, P = u64>(&'c (dyn Fn(P) -> bool + Sync));

/// The work was interrupted before it was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("interrupted before it was done")]
pub struct Interrupted;

impl<'c, P> Control<'c, P> {
    /// Calls `keep_going` before each step; `false` interrupts the work.
    #[must_use]
    pub const fn new(keep_going: &'c (dyn Fn(P) -> bool + Sync)) -> Self {
        Self(keep_going)
    }

    /// Never interrupts.
    #[must_use]
    pub const fn none() -> Self {
        Self(&|_| true)
    }

    /// Reports the progress of a work that is about to do its next step.
    ///
    /// # Errors
    /// When the work is to stop here.
    pub fn check(&self, progress: P) -> Result<(), Interrupted> {
        if (self.0)(progress) { Ok(()) } else { Err(Interrupted) }
    }
}

impl<P> Clone for Control<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Control<'_, P> {}
