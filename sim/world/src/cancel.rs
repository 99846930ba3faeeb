//! The script that does not wait: its tick cancels the entry of a run that has not ended.
//!
//! keepalived's own script layer never cancels a child's entry. This one does, so that the scheduler's `thread_cancel`
//! meets every kind of entry that a run can have: in CHILD, a timeout on READY, an exit on READY.
//!
//! Invariants: between two handlers, a script that is not idle has one entry that was not cancelled, the last that
//! [`World::watched_by`] named. A run whose entry is cancelled gets SIGKILL, unless it was reaped.

use treefall_model::event::{EntryKind, Event};
use treefall_model::id::{Run, ScriptRef};
use treefall_model::observe::Observer;
use treefall_model::trace::ScriptKind;

use crate::layer::{Action, State};
use crate::ops::{Handle, Op};
use crate::world::World;

impl<O: Observer> World<'_, O> {
    /// Answers [`Op::AddChild`]: the entry that watches a child of `script`.
    pub fn watched_by(&mut self, script: Option<ScriptRef>, entry: Handle) {
        if let Some(script) = script
            && let Some(state) = self.layer.script(script)
            && state.spec.kind == ScriptKind::Cancelling
        {
            state.entry = Some(entry);
        }
    }

    /// Asks to cancel the entry of the script's run.
    pub(crate) fn cancel_run(&mut self, script: ScriptRef) -> Option<Op> {
        let entry = self.layer.script(script)?.entry.take()?;
        self.layer.cancelling = Some(script);
        Some(Op::Cancel { entry })
    }

    /// Answers [`Op::Cancel`]: the kind that the entry had before.
    pub fn cancelled(&mut self, entry: EntryKind) {
        self.count_step();
        let Some(script) = self.layer.cancelling.take() else { return };
        let Some(state) = self.layer.script(script) else { return };
        state.state = State::Idle;
        let (run, pid) = (Run { of: script, nth: state.started }, state.last_pid);
        self.out.counts.cancels += 1;
        self.emit(Event::Cancelled { run, entry });
        // The pid of a reaped child may belong to another by now.
        if entry != EntryKind::ChildTerminated
            && let Some(pid) = pid
        {
            self.layer.actions.push_front(Action::KillGroup(pid));
        }
    }
}
