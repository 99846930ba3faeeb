//! The operations of the scheduler that add entries, register descriptors and count children.

use treefall_model::event::Handler;
use treefall_model::id::{Pid, ScriptRef};
use treefall_model::index::{List, Tree};
use treefall_model::observe::Observer;
use treefall_model::time::{Deadline, Span};
use treefall_world::{Descriptor, Handle, Scheduler};

use super::entry::{
    EVENT, FUNCTION, Function, MICROS, PID, SIGNAL_EVENT, SIGNAL_FD, TIMER_EVENT, TIMER_FD, Type,
    UNSET_MICROS, pid_word,
};
use super::fault::Fault;
use super::mutant::Mutant;
use super::rule;
use super::scheduler::Replica;

impl<O: Observer> Replica<'_, O> {
    pub(super) fn add_timer(
        &mut self,
        ty: Type,
        handler: Handler,
        argument: Option<ScriptRef>,
        after: Span,
        function: &'static str,
    ) -> Result<(), Fault> {
        self.enter(function);
        let entry = self.new_entry(ty, Function::Of(handler), argument)?;
        if rule::timer_overwrites_value(&self.rules) {
            self.set_value(entry, 0)?;
        }
        let now = if self.has(Mutant::DeadlineFromOldClock) { self.now } else { self.read_clock() };
        let early = Span::from_micros(u64::from(self.has(Mutant::TimerEarlyByOneMicrosecond)));
        let due = Deadline::At(now + after.saturating_sub(early));
        self.queues.write_due(entry, due)?;
        self.queues.insert_due(Tree::Timer, entry)
    }

    pub(super) fn add_child(
        &mut self,
        handler: Handler,
        argument: Option<ScriptRef>,
        pid: Pid,
        after: Option<Span>,
    ) -> Result<(), Fault> {
        self.enter("thread_add_child");
        let entry = self.new_entry(Type::Child, Function::Of(handler), argument)?;
        let due = match after {
            Some(after) => {
                let late = Span::from_micros(u64::from(self.has(Mutant::ChildLateByOneMicrosecond)));
                Deadline::At(self.read_clock() + after + late)
            }
            None => Deadline::Never,
        };
        let keeps = self.has(Mutant::PidNotWrittenOnReuse) && self.queues.field(entry, PID)? != 0;
        if !keeps {
            self.queues.write(entry, PID, pid_word(pid.get(), 0))?;
        }
        self.queues.write_due(entry, due)?;
        self.queues.insert_due(Tree::Child, entry)?;
        self.queues.insert_pid(entry)?;
        self.world().watched_by(argument, Handle(entry));
        Ok(())
    }

    pub(super) fn add_event(
        &mut self,
        ty: Type,
        (calls, argument, value): (Function, Option<ScriptRef>, i32),
        function: &'static str,
    ) -> Result<(), Fault> {
        self.enter(function);
        let entry = self.new_entry(ty, calls, argument)?;
        self.set_value(entry, value)?;
        self.queues.push(List::Event, entry)
    }

    /// Makes the loop return.
    pub(super) fn terminate(&mut self) -> Result<(), Fault> {
        // Only the type of a termination matters; it calls nothing.
        self.enter("thread_add_terminate_event");
        let entry = self.new_entry(Type::Terminate, Function::Of(Handler::TerminateStart), None)?;
        self.queues.write(entry, FUNCTION, 0)?;
        self.set_value(entry, 0)?;
        self.queues.push(List::Event, entry)
    }

    pub(super) fn add_base(&mut self) -> Result<(), Fault> {
        self.enter("thread_add_base_threads");
        self.register(Descriptor::Timer)?;
        self.register(Descriptor::Signals)
    }

    /// Adds an entry that waits for a descriptor, without a deadline.
    pub(super) fn register(&mut self, descriptor: Descriptor) -> Result<(), Fault> {
        let (handler, number, event) = match descriptor {
            Descriptor::Timer => (Handler::TimerFd, TIMER_FD, TIMER_EVENT),
            Descriptor::Signals => (Handler::SignalFd, SIGNAL_FD, SIGNAL_EVENT),
            // A scheduler alone listens to no interface.
            Descriptor::Netlink => return Ok(()),
        };
        let waits = match descriptor {
            Descriptor::Timer => self.timer_entry,
            Descriptor::Signals => self.signal_entry,
            Descriptor::Netlink => None,
        };
        if waits.is_some() {
            // In a broken tree a clean-up may have missed the entry: the program logs it and goes on.
            return Ok(());
        }
        let kept = &mut self.kept[descriptor as usize];
        if !*kept {
            *kept = true;
            self.room += 1;
        }
        let entry = self.new_entry(Type::Read, Function::Of(handler), None)?;
        self.enter("thread_add_read_sands");
        self.set_value(entry, number)?;
        self.queues.write(entry, EVENT, event)?;
        self.queues.write(entry, MICROS, UNSET_MICROS)?;
        self.queues.write_due(entry, Deadline::Never)?;
        self.queues.insert_due(Tree::Read, entry)?;
        match descriptor {
            Descriptor::Timer => self.timer_entry = Some(entry),
            Descriptor::Signals => self.signal_entry = Some(entry),
            Descriptor::Netlink => {}
        }
        Ok(())
    }

    pub(super) fn count_children(&mut self) -> Result<(), Fault> {
        self.enter("rb_next");
        let mut count = 0;
        let mut entry = self.queues.first_due(Tree::Child)?;
        while let Some(child) = entry {
            self.queues.visit()?;
            count += 1;
            entry = self.queues.next_due(child)?;
        }
        if rule::shutdown_waits_for_ready(&self.rules) {
            count += self.queued_timeouts()?;
        }
        self.world().children_counted(count);
        Ok(())
    }

    /// Returns the number of children's timeouts on READY.
    pub(super) fn queued_timeouts(&mut self) -> Result<u32, Fault> {
        let mut count = 0;
        let mut entry = self.queues.head(List::Ready)?;
        while let Some(ready) = entry {
            self.queues.visit()?;
            count += u32::from(self.type_of(ready)? == Some(Type::ChildTimeout));
            entry = self.queues.after(List::Ready, ready)?;
        }
        Ok(count)
    }

    /// Returns whether a shutdown has children to wait for.
    pub(super) fn children_are_left(&mut self) -> Result<bool, Fault> {
        if !self.queues.is_empty(Tree::Child)? {
            return Ok(true);
        }
        Ok(rule::shutdown_waits_for_ready(&self.rules) && self.queued_timeouts()? > 0)
    }
}
