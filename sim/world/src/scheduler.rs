//! A scheduler as its driver sees it, and the driver's loop.

use treefall_model::event::Step;
use treefall_model::observe::Observer;

use crate::ops::Op;
use crate::world::World;

/// A subject's scheduler, as its driver sees it.
pub trait Scheduler<'t> {
    /// Who watches.
    type Observer: Observer;
    /// Why an operation cannot come to its end (a fault of the simulated machine; none on the real one).
    type Fault;

    /// The world around it. Not to be held over a call into the scheduler.
    fn world(&mut self) -> &mut World<'t, Self::Observer>;

    /// Carries out one operation.
    ///
    /// # Errors
    /// When the operation does not come to its end.
    fn perform(&mut self, op: Op) -> Result<(), Self::Fault>;

    /// Lets the observer look at the indexes: `step` is done.
    fn look(&mut self, step: Step);
}

/// Carries out what the world asks for, until the handler that began is done.
///
/// # Errors
/// The first operation that does not come to its end.
pub fn carry_out<'t, S: Scheduler<'t>>(scheduler: &mut S) -> Result<(), S::Fault> {
    while let Some(op) = scheduler.world().next_op() {
        scheduler.perform(op)?;
        if let Some(step) = op.step() {
            scheduler.look(step);
        }
    }
    Ok(())
}
