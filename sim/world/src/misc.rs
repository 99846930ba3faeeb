//! The misc check of the checker process: its next start is armed only after its exit.
//!
//! Invariants: while a run is tracked, no start is armed, and the other way round. Rules decide what happens when a
//! child is lost, a start fails or a kill is misread.

use treefall_model::event::{Answer, EntryKind, Handler, LogLine};
use treefall_model::id::{Pid, ScriptRef};
use treefall_model::observe::Observer;
use treefall_model::release::{Defect, LostMisc};
use treefall_model::signal::Signal;
use treefall_model::time::Span;

use crate::layer::{Action, State};
use crate::ops::{Dispatch, Op};
use crate::track::RETRY_AFTER_FAILURE;
use crate::world::World;

/// Shortest time to the next start, however late it is.
const SHORTEST: Span = Span::from_micros(1);

impl<O: Observer> World<'_, O> {
    /// Handles the timeout or end of a misc check's child.
    pub(crate) fn misc_child(&mut self, script: ScriptRef, dispatch: Dispatch) {
        if dispatch.kind == EntryKind::ChildTimeout {
            self.child_timed_out(script, dispatch.pid, Handler::MiscChild);
        } else if let Some(state) = self.layer.script(script) {
            state.state = State::Idle;
            self.layer.then(Action::ArmMisc(script));
        }
    }

    /// Continues after the kernel's answer to a misc check's signal.
    pub(crate) fn misc_told(
        &mut self,
        script: ScriptRef,
        pid: Pid,
        signal: Signal,
        grace: Span,
        answer: Answer,
    ) -> Option<Op> {
        // With the test inverted, only a delivered signal counts as a failure, and then no error says that the child is
        // lost.
        let inverted = self.rules.has(Defect::MiscKillTestInverted);
        let after = match answer {
            Answer::NoSuchProcess if !inverted => return self.misc_lost(script, pid),
            Answer::Delivered if !inverted => grace,
            Answer::NoSuchProcess | Answer::NotPermitted if inverted => grace,
            _ => {
                self.logged(LogLine::KillFailed { script, pid, signal });
                RETRY_AFTER_FAILURE
            }
        };
        Some(Op::AddChild { handler: Handler::MiscChild, argument: Some(script), pid, after: Some(after) })
    }

    fn misc_lost(&mut self, script: ScriptRef, pid: Pid) -> Option<Op> {
        self.lose(script, pid);
        match self.rules.behaviour.lost_misc {
            LostMisc::NeverAgain => None,
            LostMisc::ArmedAgain => self.arm_misc(script),
        }
    }

    /// Arms the next start, an interval after the last one.
    pub(crate) fn arm_misc(&mut self, script: ScriptRef) -> Option<Op> {
        let now = self.kernel.now();
        let state = self.layer.script(script)?;
        let due = state.last_start + state.spec.interval;
        let after = due.saturating_since(now).max(SHORTEST);
        Some(Op::AddTimer { handler: Handler::MiscTick, argument: Some(script), after })
    }
}
