//! A replica that is given its wakes one at a time: for who goes on from one state in many ways.
//!
//! Always: a replica of a trace without wakes, begun and given the wakes of another trace of the same setup one by one,
//! does what a replica of that trace does, event for event, but for the record of the end. A clone of it, which is
//! all its state, goes on as it would itself.

use treefall_model::event::End;
use treefall_model::observe::Observer;
use treefall_model::trace::Wake;
use treefall_model::verdict::Outcome;
use treefall_world::{Scheduler, Woken, World, carry_out};

use super::heap::Fault;
use super::scheduler::{Replica, outcome_of};

/// Where a replica stands after a wake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stands {
    /// The loop is blocked: it can be given a further wake.
    Blocked,
    /// Its observer has seen enough.
    Stopped,
    /// The program has come to its end, or to grief.
    Over(Outcome),
}

impl<'t, O: Observer> Replica<'t, O> {
    /// Begins: runs until the loop has used up the trace's wakes and is blocked, or its observer has seen enough,
    /// which is asked before each turn of the loop.
    pub fn begin(&mut self, go_on: impl Fn(&O) -> bool) -> Stands {
        self.world().start();
        let served = carry_out(self).and_then(|()| self.serve_all(&go_on));
        self.stands(served)
    }

    /// A blocked replica is given one more wake: runs until the wake is used up and the loop is blocked again.
    pub fn wake(&mut self, wake: &Wake, go_on: impl Fn(&O) -> bool) -> Stands {
        let before = self.world().counts().wakes;
        loop {
            let served = self.go_on(wake, &go_on);
            let used_up = self.world().counts().wakes != before;
            match self.stands(served) {
                // A wake of the world's own came before it.
                Stands::Blocked if !used_up => {}
                stands => return stands,
            }
        }
    }

    fn go_on(&mut self, wake: &Wake, go_on: &impl Fn(&O) -> bool) -> Result<Option<End>, Fault> {
        let deadline = self.earliest()?;
        match self.world().go_on(wake) {
            Woken::Ready { first, second, .. } => self.is_ready(deadline, first, second)?,
            Woken::End(end) => return Ok(Some(end)),
        }
        self.serve_all(go_on)
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

    /// Who watches.
    pub fn observer(&mut self) -> &mut O {
        Scheduler::world(self).observer()
    }

    /// The world around it, to ask what there is to happen.
    #[must_use]
    pub fn surroundings(&self) -> &World<'t, O> {
        &self.world
    }
}
