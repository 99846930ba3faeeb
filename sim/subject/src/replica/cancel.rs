//! `thread_cancel`: removes an entry from its tree or list, and retires it.
//!
//! The entry's type, not its actual place, decides where it is removed from. A retired entry is left alone.

use treefall_model::event::EntryKind;
use treefall_model::index::Tree;
use treefall_model::observe::Observer;
use treefall_world::{Handle, Scheduler as _};

use super::entry::{Addr, Type};
use super::fault::Fault;
use super::rule;
use super::scheduler::Replica;

impl<O: Observer> Replica<'_, O> {
    pub(super) fn cancel(&mut self, Handle(entry): Handle) -> Result<(), Fault> {
        self.enter("thread_cancel");
        let ty = self.type_of(entry)?;
        if ty != Some(Type::Unused) {
            self.take_out(entry, ty)?;
            self.retire(entry)?;
        }
        self.world().cancelled(ty.map_or(EntryKind::Other, Type::kind));
        Ok(())
    }

    fn take_out(&mut self, entry: Addr, ty: Option<Type>) -> Result<(), Fault> {
        match ty {
            Some(Type::Read) => self.queues.erase_due(Tree::Read, entry),
            Some(Type::Write) => self.queues.erase_due(Tree::Write, entry),
            Some(Type::Timer | Type::ShutdownTimer) => self.queues.erase_due(Tree::Timer, entry),
            Some(Type::Child) => {
                self.queues.erase_due(Tree::Child, entry)?;
                self.queues.erase_pid(entry)
            }
            Some(Type::ChildTimeout) => {
                self.queues.unlink(entry)?;
                if rule::cancel_erases_queued_timeout(&self.rules) {
                    self.queues.erase_pid(entry)?;
                }
                Ok(())
            }
            _ => self.queues.unlink(entry),
        }
    }
}
