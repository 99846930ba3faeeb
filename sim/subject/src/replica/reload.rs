//! Ends all children, and cleans up: the operations of a reload and a shutdown.
//!
//! Invariant: entries are freed only here, and in one order: those of UNUSE, then those that the clean-up puts there,
//! from its head.

use treefall_model::id::Pid;
use treefall_model::index::{List, Tree};
use treefall_model::observe::Observer;
use treefall_model::signal::Signal;
use treefall_model::time::Deadline;
use treefall_world::{Descriptor, Ending, Scheduler};

use super::entry::{ARGUMENT, Addr, EVENT, FUNCTION, Function, PID, SIGNAL_EVENT, TIMER_EVENT, Type};
use super::fault::{Fault, NoBlock};
use super::heap::EntryState;
use super::mutant::Mutant;
use super::rule::{self, PidEntryLeaves};
use super::scheduler::Replica;

/// Time from the request to end to the SIGKILL, in seconds.
const GRACE_SECONDS: u64 = 1;

/// The killer that takes over the children.
const fn killer_of(ending: Ending) -> Function {
    match ending {
        Ending::Reload => Function::ReloadKiller,
        Ending::Shutdown => Function::ShutdownKiller,
    }
}

/// A child in the program's own group is signalled by its pid.
const fn pid_alone(_: Pid, pid: i32) -> i32 {
    pid
}

impl<O: Observer> Replica<'_, O> {
    /// `script_killall`: sends `signal` to the group of every child in CHILD. A killer takes over those that may
    /// ignore it.
    pub(super) fn terminate_children(&mut self, signal: Signal, ending: Ending) -> Result<(), Fault> {
        self.enter("script_killall");
        // The program's own group, which contains no child.
        let _ = self.world().group_of(0);
        let mut child = self.queues.first_due(Tree::Child)?;
        while let Some(entry) = child {
            // In a broken tree it may go in a circle: the world ends that, by what the loop asks the kernel.
            self.enter("script_killall");
            self.signal_group_of(entry, signal, pid_alone)?;
            if self.has(Mutant::FirstChildAloneTold) {
                break;
            }
            child = self.queues.next_due(entry)?;
        }
        let reschedule = signal != Signal::KILL && rule::reschedules(&self.rules, ending);
        if reschedule {
            self.enter("thread_children_reschedule");
            self.read_clock();
            self.reschedule(ending)?;
        }
        if rule::ends_queued_timeouts_too(&self.rules, ending) {
            self.end_queued_timeouts(signal, ending)?;
        }
        Ok(())
    }

    /// Lets the killer take over all children in CHILD, in place: all deadlines become equal, the order stays.
    fn reschedule(&mut self, ending: Ending) -> Result<(), Fault> {
        let due = self.in_seconds(GRACE_SECONDS + u64::from(self.has(Mutant::GraceOfTwoSeconds)));
        let restarts = ending == Ending::Shutdown || rule::reload_restarts_grace(&self.rules);
        self.moving.clear();
        let mut child = self.queues.first_due(Tree::Child)?;
        while let Some(entry) = child {
            self.queues.visit()?;
            if restarts {
                self.give_to_killer(entry, ending, due)?;
            } else if self.function_of(entry)? != Some(Function::ReloadKiller) {
                self.moving.push(entry);
            }
            child = self.queues.next_due(entry)?;
        }
        // Children that an earlier reload requested to end keep their deadlines, all before the new one; the others
        // follow them, in their order.
        for place in 0..self.moving.len() {
            let entry = self.moving[place];
            self.queues.erase_due(Tree::Child, entry)?;
            self.give_to_killer(entry, ending, due)?;
            self.queues.insert_due(Tree::Child, entry)?;
        }
        Ok(())
    }

    fn give_to_killer(&mut self, entry: Addr, ending: Ending, due: Deadline) -> Result<(), Fault> {
        self.queues.write(entry, FUNCTION, killer_of(ending).word())?;
        if !self.has(Mutant::ReloadKeepsDeadlines) {
            self.queues.write_due(entry, due)?;
        }
        if !rule::killer_keeps_argument(&self.rules) {
            self.queues.write(entry, ARGUMENT, 0)?;
        }
        Ok(())
    }

    /// Requests the children whose timeouts are on READY to end too, and keeps tracking them; a killer's is retired.
    fn end_queued_timeouts(&mut self, signal: Signal, ending: Ending) -> Result<(), Fault> {
        let due = self.in_seconds(GRACE_SECONDS);
        let mut ready = self.queues.head(List::Ready)?;
        while let Some(entry) = ready {
            self.queues.visit()?;
            ready = self.queues.after(List::Ready, entry)?;
            if self.type_of(entry)? != Some(Type::ChildTimeout) {
                continue;
            }
            let its_killer_is_due = self.function_of(entry)?.is_some_and(Function::is_killer);
            let last = its_killer_is_due || signal == Signal::KILL;
            self.signal_group_of(entry, if last { Signal::KILL } else { signal }, pid_alone)?;
            match ending {
                // The clean-up that follows drops this entry with all queued ones.
                Ending::Reload if last => {}
                Ending::Reload => self.track_anew(entry, ending, due)?,
                Ending::Shutdown => self.take_back(entry, ending, due, last)?,
            }
        }
        Ok(())
    }

    /// Adds a second entry, the killer's, for the child of a queued timeout.
    fn track_anew(&mut self, old: Addr, ending: Ending, due: Deadline) -> Result<(), Fault> {
        let entry = self.new_entry(Type::Child, killer_of(ending), None)?;
        for field in [PID, ARGUMENT] {
            let value = self.queues.field(old, field)?;
            self.queues.write(entry, field, value)?;
        }
        self.give_to_killer(entry, ending, due)?;
        self.queues.insert_due(Tree::Child, entry)?;
        self.queues.insert_pid(entry)
    }

    /// Returns a queued timeout's entry to CHILD for the killer, or retires it if its killer is due.
    fn take_back(&mut self, entry: Addr, ending: Ending, due: Deadline, last: bool) -> Result<(), Fault> {
        self.queues.unlink(entry)?;
        let linked = rule::timed_out_leaves(&self.rules) != PidEntryLeaves::AtExpiry;
        if last {
            if linked {
                self.queues.erase_pid(entry)?;
            }
            return self.retire(entry);
        }
        self.set_type(entry, Type::Child)?;
        self.give_to_killer(entry, ending, due)?;
        self.queues.insert_due(Tree::Child, entry)?;
        if linked { Ok(()) } else { self.queues.insert_pid(entry) }
    }

    /// `thread_cleanup_master`: retires all entries except children to keep, and frees UNUSE.
    pub(super) fn cleanup(&mut self, keep_children: bool) -> Result<(), Fault> {
        self.enter("thread_cleanup_master");
        self.destroy(Tree::Read)?;
        self.destroy(Tree::Write)?;
        if !self.has(Mutant::TimersNotCleaned) {
            self.destroy(Tree::Timer)?;
        }
        let forget = !keep_children || rule::cleanup_forgets_children(&self.rules);
        if forget {
            self.destroy(Tree::Child)?;
            self.queues.reset(Tree::ChildPid)?;
        }
        if !self.has(Mutant::EventsNotCleaned) {
            self.destroy_events()?;
        }
        if !self.has(Mutant::ReadyNotCleaned) {
            self.destroy_ready(forget)?;
        }
        self.room = 0;
        if rule::cleanup_frees_current(&self.rules)
            && let Some(entry) = self.current.take()
        {
            self.retire(entry)?;
        }
        while let Some(entry) = self.queues.head(List::Unuse)? {
            self.queues.visit()?;
            if self.has(Mutant::LastUnusedFreedLinked) && self.queues.after(List::Unuse, entry)?.is_none() {
                self.free(entry)?;
                break;
            }
            self.queues.unlink(entry)?;
            self.free(entry)?;
        }
        Ok(())
    }

    fn free(&mut self, entry: Addr) -> Result<(), Fault> {
        let function = "thread_cleanup_master";
        self.queues.heap.free(entry).map_err(|NoBlock| Fault::Aborted { function })
    }

    fn destroy(&mut self, tree: Tree) -> Result<(), Fault> {
        if rule::destroys_in_order(&self.rules) {
            let mut first = self.queues.first_due(tree)?;
            while let Some(entry) = first {
                self.queues.visit()?;
                first = self.queues.next_due(entry)?;
                self.queues.erase_due(tree, entry)?;
                self.leave_descriptor_if_waiting(entry)?;
                self.retire(entry)?;
            }
            return Ok(());
        }
        let mut first = self.queues.first_in_postorder(tree)?;
        while let Some(entry) = first {
            self.queues.visit()?;
            first = self.queues.next_in_postorder(entry)?;
            self.queues.heap.taken_out(entry, EntryState::Tree(tree));
            self.leave_descriptor_if_waiting(entry)?;
            self.retire(entry)?;
        }
        self.queues.reset(tree)
    }

    fn destroy_events(&mut self) -> Result<(), Fault> {
        let keeps = !rule::cleanup_eats_termination(&self.rules);
        let mut first = self.queues.head(List::Event)?;
        while let Some(entry) = first {
            self.queues.visit()?;
            first = self.queues.after(List::Event, entry)?;
            if keeps && matches!(self.type_of(entry)?, Some(Type::TerminateStart | Type::Terminate)) {
                continue;
            }
            self.leave_descriptor(entry)?;
            self.queues.unlink(entry)?;
            self.retire(entry)?;
        }
        Ok(())
    }

    fn destroy_ready(&mut self, pid_tree_is_reset: bool) -> Result<(), Fault> {
        let erases = !pid_tree_is_reset && rule::cleanup_erases_queued_timeouts(&self.rules);
        while let Some(entry) = self.queues.head(List::Ready)? {
            self.queues.visit()?;
            if erases && self.type_of(entry)? == Some(Type::ChildTimeout) {
                self.queues.erase_pid(entry)?;
            }
            self.leave_descriptor(entry)?;
            self.queues.unlink(entry)?;
            self.retire(entry)?;
        }
        Ok(())
    }

    fn leave_descriptor_if_waiting(&mut self, entry: Addr) -> Result<(), Fault> {
        if self.type_of(entry)? == Some(Type::Read) { self.leave_descriptor(entry) } else { Ok(()) }
    }

    /// Nobody waits any more for the descriptor that an entry waits for, or waited for until it was ready.
    fn leave_descriptor(&mut self, entry: Addr) -> Result<(), Fault> {
        match self.queues.field(entry, EVENT)? {
            0 => {}
            TIMER_EVENT => {
                self.timer_entry = None;
                self.kept[Descriptor::Timer as usize] = false;
            }
            SIGNAL_EVENT => {
                self.signal_entry = None;
                self.kept[Descriptor::Signals as usize] = false;
            }
            // A link of a broken tree, read as what the program keeps of a descriptor.
            _ => self.queues.heap.leave_known(),
        }
        Ok(())
    }
}
