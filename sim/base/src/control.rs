//! Reports the progress of long tasks, and interrupts them.

/// Receives the progress of a long task before each step, and may interrupt it.
///
/// `P` is the progress of a step, such as the number of runs so far.
pub struct Control<'c, P = u64>(&'c (dyn Fn(P) -> bool + Sync));

/// The task was interrupted before it was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("interrupted before it was done")]
pub struct Interrupted;

impl<'c, P> Control<'c, P> {
    /// Returns a control that calls `keep_going` before each step; `false` interrupts the task.
    #[must_use]
    pub const fn new(keep_going: &'c (dyn Fn(P) -> bool + Sync)) -> Self {
        Self(keep_going)
    }

    /// Returns a control that never interrupts.
    #[must_use]
    pub const fn none() -> Self {
        Self(&|_| true)
    }

    /// Reports the progress before the next step.
    ///
    /// # Errors
    /// When the task must stop here.
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
