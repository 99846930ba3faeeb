//! The program's own handlers: of the timerfd, of the signalfd, of exited children, and the killers.
//!
//! Observers see only what they ask the kernel.

use treefall_model::event::Target;
use treefall_model::id::Pid;
use treefall_model::index::{List, Tree};
use treefall_model::observe::Observer;
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::Deadline;
use treefall_world::{Descriptor, Scheduler, carry_out};

use super::entry::{Addr, EVENT, Function, PID, Type, pid_of, pid_word};
use super::fault::Fault;
use super::mutant::Mutant;
use super::rule::{self, PidEntryLeaves};
use super::scheduler::Replica;

impl<O: Observer> Replica<'_, O> {
    /// Moves due entries, tree by tree, to READY. No other place checks deadlines.
    pub(super) fn timer_handler(&mut self) -> Result<(), Fault> {
        // The value that was read does not matter: the cached clock decides what is due.
        let _ = self.world().read_timer();
        self.enter("thread_timerfd_handler");
        let mut trees = Tree::BY_DEADLINE;
        if self.has(Mutant::ChildrenExpireFirst) {
            trees.reverse();
        }
        for tree in trees {
            self.expire(tree)?;
        }
        if self.has(Mutant::TimerNotRegisteredAgain) {
            return Ok(());
        }
        self.register(Descriptor::Timer)
    }

    fn expire(&mut self, tree: Tree) -> Result<(), Fault> {
        let next_first = rule::takes_next_before_moving(&self.rules);
        let mut first = self.queues.first_due(tree)?;
        while let Some(entry) = first {
            self.queues.visit()?;
            let next = if next_first { self.queues.next_due(entry)? } else { None };
            let due = self.queues.due(entry)?;
            if !due.is_due(self.now) || self.has(Mutant::DueIsStrict) && due == Deadline::At(self.now) {
                break;
            }
            self.queue_expired(tree, entry)?;
            if self.has(Mutant::ExpiryMovesOne) {
                break;
            }
            first = if next_first { next } else { self.queues.first_due(tree)? };
        }
        Ok(())
    }

    fn queue_expired(&mut self, tree: Tree, entry: Addr) -> Result<(), Fault> {
        let ty = self.type_of(entry)?.unwrap_or(Type::Timer).expired(tree);
        if ty == Type::ReadTimeout {
            // It says to what it waits for that nobody waits any more: what is no descriptor's has nothing there.
            let event = self.queues.field(entry, EVENT)?;
            self.queues.event_forgets(event)?;
        }
        self.queues.erase_due(tree, entry)?;
        if ty == Type::ChildTimeout && rule::timed_out_leaves(&self.rules) == PidEntryLeaves::AtExpiry {
            self.queues.erase_pid(entry)?;
        }
        self.set_type(entry, ty)?;
        self.queues.push(List::Ready, entry)
    }

    /// Handles all pending signals.
    pub(super) fn signal_handler(&mut self) -> Result<(), Fault> {
        while let Some(signal) = self.world().read_signal() {
            if signal == Signal::CHLD {
                self.child_handler()?;
            } else {
                self.world().begin_signal(signal);
                carry_out(self)?;
            }
            if self.has(Mutant::SignalHandlerReadsOnce) {
                break;
            }
        }
        self.enter("signal_run_callback");
        if self.has(Mutant::SignalsNotRegisteredAgain) {
            return Ok(());
        }
        self.register(Descriptor::Signals)
    }

    fn child_handler(&mut self) -> Result<(), Fault> {
        while let Some((pid, status)) = self.world().reap() {
            // No program exports the function that it calls for each child, which therefore appears as a part of this
            // one.
            self.enter("thread_child_handler");
            self.child_exited(pid, status)?;
            if self.has(Mutant::ReapsOneChild) {
                break;
            }
        }
        Ok(())
    }

    /// Handles the exit of a child: its entry, if the pid tree has one, is queued with its status.
    fn child_exited(&mut self, pid: Pid, status: ExitStatus) -> Result<(), Fault> {
        let Some(entry) = self.queues.find_pid(pid.get())? else { return Ok(()) };
        let queued =
            rule::exit_knows_queued_timeouts(&self.rules) && self.type_of(entry)? == Some(Type::ChildTimeout);
        if !self.has(Mutant::PidNodeLeftAtExit) {
            self.queues.erase_pid(entry)?;
        }
        let raw = if self.has(Mutant::StatusNotStored) { 0 } else { status.raw() };
        self.queues.write(entry, PID, pid_word(pid.get(), raw))?;
        if queued && rule::exit_erases_twice(&self.rules) {
            self.queues.erase_pid(entry)?;
        }
        if !queued {
            self.queues.erase_due(Tree::Child, entry)?;
            self.queues.push(List::Ready, entry)?;
        } else if self.has(Mutant::ExitOfQueuedTimeoutIgnored) {
            return self.queues.insert_pid(entry);
        }
        // A shutdown's timer, which a broken tree may lead to, keeps its type.
        let keeps = !queued && self.type_of(entry)? == Some(Type::ShutdownTimer);
        if keeps { Ok(()) } else { self.set_type(entry, Type::ChildTerminated) }
    }

    /// The program's own killer: SIGKILL on a timeout, nothing on an exit, after which a shutdown may be over.
    pub(super) fn killer(&mut self, entry: Addr, function: Function) -> Result<(), Fault> {
        let timed_out = self.type_of(entry)? == Some(Type::ChildTimeout);
        let signal = if self.has(Mutant::KillerSendsTerm) { Signal::TERM } else { Signal::KILL };
        if timed_out && !self.has(Mutant::KillerSparesTheTimedOut) || self.has(Mutant::KillerKillsTheExited) {
            // The killer does not know its own group from others.
            self.signal_group_of(entry, signal, |own, _| -own.get())?;
        }
        if function == Function::ShutdownKiller && !self.shutdown_timer_runs && !self.children_are_left()? {
            self.terminate()?;
        }
        Ok(())
    }

    /// Signals the group of an entry's child, as `getpgid` returns it. If that is the program's own group, `in_own`
    /// decides what `kill` is called with, from the group and the pid.
    pub(super) fn signal_group_of(
        &mut self,
        entry: Addr,
        signal: Signal,
        in_own: fn(Pid, i32) -> i32,
    ) -> Result<(), Fault> {
        let pid = pid_of(self.queues.field(entry, PID)?);
        if let Some(end) = self.world().over() {
            return Err(Fault::Over { end });
        }
        let called_with = match self.world().group_of(pid) {
            Some(Pid::SELF) => in_own(Pid::SELF, pid),
            Some(group) => -group.get(),
            None if rule::signals_group_of_nobody(&self.rules) => 1,
            None => return Ok(()),
        };
        if let Some(target) = Target::of_kill(called_with) {
            self.world().send(target, signal);
        }
        Ok(())
    }

    /// Returns the deadline that is so many seconds after the cached clock.
    pub(super) fn in_seconds(&self, seconds: u64) -> Deadline {
        Deadline::At(self.now + treefall_model::time::Span::from_secs(seconds))
    }
}
