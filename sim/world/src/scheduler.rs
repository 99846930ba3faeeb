//! Interface between a scheduler and its driver, and the driver's loop.

use treefall_model::event::Step;
use treefall_model::observe::Observer;

use crate::ops::Op;
use crate::world::World;

/// A subject's scheduler, as its driver sees it.
pub trait Scheduler<'t> {
    /// The observer of the run.
    type Observer: Observer;
    /// Reason why an operation cannot finish: a fault of the simulated machine; none on the real one.
    type Fault;

    /// Returns the world around it. The borrow must not be held over a call into the scheduler.
    fn world(&mut self) -> &mut World<'t, Self::Observer>;

    /// Executes one operation.
    ///
    /// # Errors
    /// When the operation does not finish.
    fn perform(&mut self, op: Op) -> Result<(), Self::Fault>;

    /// Lets the observer look at the indexes after `step`.
    fn look(&mut self, step: Step);
}

/// Executes the operations that the world asks for, until the current handler is done.
///
/// # Errors
/// The first operation that does not finish.
pub fn carry_out<'t, S: Scheduler<'t>>(scheduler: &mut S) -> Result<(), S::Fault> {
    while let Some(op) = scheduler.world().next_op() {
        scheduler.perform(op)?;
        if let Some(step) = op.step() {
            scheduler.look(step);
        }
    }
    Ok(())
}
