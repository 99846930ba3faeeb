//! Runs a replica wake by wake, to continue one state in many ways.
//!
//! Invariant: a replica of a trace without wakes that receives the wakes of another trace with the same setup behaves
//! exactly as a replica of that trace, except for the record of the end. A clone has the same state and the same
//! future.

use treefall_model::event::End;
use treefall_model::observe::Observer;
use treefall_model::trace::Wake;
use treefall_model::verdict::Outcome;
use treefall_world::{Scheduler, Woken, World, carry_out};

use super::fault::Fault;
use super::scheduler::{Replica, outcome_of};

/// The state of a replica after a wake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stands {
    /// The loop is blocked and can receive a further wake.
    Blocked,
    /// The observer ended the run.
    Stopped,
    /// The program has ended or failed.
    Over(Outcome),
}

impl<'t, O: Observer> Replica<'t, O> {
    /// Starts the replica: runs until the trace's wakes are used up and the loop is blocked, or until `keep_going`
    /// returns `false` before an iteration.
    pub fn begin(&mut self, keep_going: impl Fn(&O) -> bool) -> Stands {
        self.world().start();
        let served = carry_out(self).and_then(|()| self.serve_all(&keep_going));
        self.stands(served)
    }

    /// Delivers one more wake to a blocked replica, and runs until the loop is blocked again.
    pub fn wake(&mut self, wake: &Wake, keep_going: impl Fn(&O) -> bool) -> Stands {
        let before = self.world().counts().wakes;
        loop {
            let served = self.keep_going(wake, &keep_going);
            let used_up = self.world().counts().wakes != before;
            match self.stands(served) {
                // A wake of the world's own came before it.
                Stands::Blocked if !used_up => {}
                stands => return stands,
            }
        }
    }

    fn keep_going(&mut self, wake: &Wake, keep_going: &impl Fn(&O) -> bool) -> Result<Option<End>, Fault> {
        let deadline = self.earliest()?;
        match self.world().go_on(wake) {
            Woken::Ready { first, second, .. } => self.is_ready(deadline, first, second)?,
            Woken::End(end) => return Ok(Some(end)),
        }
        self.serve_all(keep_going)
    }

    fn stands(&mut self, served: Result<Option<End>, Fault>) -> Stands {
        match served {
            Ok(None) => Stands::Stopped,
            Ok(Some(End::TraceExhausted)) => Stands::Blocked,
            Ok(Some(end)) | Err(Fault::Over { end }) => {
                self.world().finish(end);
                let hung = end == End::NoProgress;
                Stands::Over(if hung { Outcome::Hung { function: None } } else { Outcome::Survived })
            }
            Err(fault) => Stands::Over(outcome_of(fault)),
        }
    }

    /// Returns the observer.
    pub fn observer(&mut self) -> &mut O {
        Scheduler::world(self).observer()
    }

    /// Returns the world around it, to query what is pending.
    #[must_use]
    pub fn surroundings(&self) -> &World<'t, O> {
        &self.world
    }
}
