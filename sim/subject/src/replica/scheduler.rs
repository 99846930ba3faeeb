//! The scheduler: its loop, and the operations that the script layer requests.
//!
//! Invariant between two operations: an allocated entry is in one deadline tree or list, or is the running one; a
//! tracked child is in the pid tree too, as the rules define.

use treefall_model::event::{End, Handler, LogLine, Step};
use treefall_model::id::{Pid, ScriptRef};
use treefall_model::index::{Block, List, Tree};
use treefall_model::observe::{Observer, shall_tell_changes};
use treefall_model::release::Rules;
use treefall_model::signal::Signal;
use treefall_model::time::{Deadline, Instant, Span};
use treefall_model::trace::Trace;
use treefall_model::verdict::Outcome;
use treefall_world::{Descriptor, Dispatch, Op, Outside, Scheduler, Woken, World, carry_out};

use super::entry::MASTER_AT;
use super::entry::{
    ARGUMENT, Addr, EVENT, FUNCTION, Function, ID, MASTER, PID, TYPE, Type, argument_of, argument_word,
    pid_of, pid_word, status_of,
};
use super::fault::{Fault, Mark, Note};
use super::mutant::Mutant;
use super::queues::Queues;
use super::rule::{self, PidEntryLeaves};
use super::view::View;

/// Longest delay of a wake after the earliest deadline that is not logged.
const LATE: Span = Span::from_secs(1);

/// A replica that runs one trace.
#[derive(Clone)]
pub struct Replica<'t, O> {
    pub(super) world: World<'t, O>,
    pub(super) queues: Queues,
    pub(super) rules: Rules,
    /// The cached clock.
    pub(super) now: Instant,
    /// The running entry, until it is retired or freed.
    pub(super) current: Option<Addr>,
    /// The READ entry of the timerfd.
    pub(super) timer_entry: Option<Addr>,
    /// The READ entry of the signalfd.
    pub(super) signal_entry: Option<Addr>,
    /// Whether the program keeps something of the timerfd and of the signalfd, which are registered then.
    pub(super) kept: [bool; 2],
    /// Descriptors registered since the last clean-up: as many are reported at once.
    pub(super) room: usize,
    pub(super) shutting_down: bool,
    /// The instances have not finished shutting down.
    pub(super) shutdown_timer_runs: bool,
    /// Number of entries allocated so far.
    handed_out: u64,
    first_use: Option<u64>,
    /// Buffer for entries that a reload moves.
    pub(super) moving: Vec<Addr>,
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Finished<O> {
    /// The observer.
    pub observer: O,
    /// How the run ended.
    pub outcome: Outcome,
    /// The blocks that were used through a dangling link, each once.
    pub notes: Vec<Note>,
    /// The entries that were removed from the pid tree when it did not link them, and when; the first few.
    pub second_erases: Vec<(Block, Mark)>,
    /// Number of records before the first such use, or before the first access to memory that is not simulated. A
    /// real program must agree up to there.
    pub first_use: Option<u64>,
    /// The fault that ended the simulated program, if any.
    pub fault: Option<Fault>,
    /// The last operation: for a crash, the one in which it happened.
    pub operation: &'static str,
    /// Counts of events.
    pub counts: treefall_world::Counts,
}

impl<'t, O: Observer> Scheduler<'t> for Replica<'t, O> {
    type Observer = O;
    type Fault = Fault;

    #[inline]
    fn world(&mut self) -> &mut World<'t, O> {
        if self.first_use.is_none() && self.queues.heap.may_differ() {
            self.first_use = Some(self.world.counts().records);
        }
        &mut self.world
    }

    fn perform(&mut self, op: Op) -> Result<(), Fault> {
        match op {
            Op::AddTimer { handler, argument, after } => {
                self.add_timer(Type::Timer, handler, argument, after, "thread_add_timer")
            }
            Op::AddShutdownTimer { handler, after } => {
                self.add_timer(Type::ShutdownTimer, handler, None, after, "thread_add_timer_shutdown")
            }
            Op::AddChild { handler, argument, pid, after } => self.add_child(handler, argument, pid, after),
            Op::AddEvent { handler, argument, value } => {
                self.add_event(Type::Event, (Function::Of(handler), argument, value), "thread_add_event")
            }
            Op::AddTerminateStart { handler } => {
                let function = "thread_add_start_terminate_event";
                self.add_event(Type::TerminateStart, (Function::Of(handler), None, 0), function)
            }
            Op::Terminate => self.terminate(),
            Op::TerminateChildren { signal, ending } => self.terminate_children(signal, ending),
            Op::Cleanup { keep_children } => self.cleanup(keep_children),
            Op::AddBase => self.add_base(),
            Op::Cancel { entry } => self.cancel(entry),
            Op::ReadClock => {
                self.read_clock();
                Ok(())
            }
            Op::ShutdownTimerRuns(runs) => {
                self.shutdown_timer_runs = runs;
                Ok(())
            }
            Op::CountChildren => self.count_children(),
        }
    }

    #[inline]
    fn look(&mut self, step: Step) {
        let at = self.world.now();
        let view = View::of(&self.queues.heap);
        self.world.observer().step(step, at, &view);
        self.queues.heap.changes_seen();
    }
}

impl<'t, O: Observer> Replica<'t, O> {
    /// Returns a replica that will run `trace` by `rules`, observed by `observer`.
    pub fn new(trace: &'t Trace, rules: Rules, observer: O) -> Self {
        let mut queues = Queues::new(trace.setup().heap, &rules.behaviour);
        if shall_tell_changes(trace.setup()) {
            queues.heap.tell_changes();
        }
        Self {
            world: World::new(trace, rules, observer),
            queues,
            rules,
            now: Instant::START,
            current: None,
            timer_entry: None,
            signal_entry: None,
            kept: [false; 2],
            room: 0,
            shutting_down: false,
            shutdown_timer_runs: false,
            handed_out: 0,
            first_use: None,
            moving: Vec::new(),
        }
    }

    /// Adds an instance that tracks the scripts, as in a whole daemon.
    pub fn with_instance(mut self) -> Self {
        self.world = self.world.with_instance();
        self
    }

    /// Activates a mutant.
    pub fn with_mutant(mut self, mutant: Mutant) -> Self {
        self.queues.heap.put_in(mutant);
        self
    }

    /// Returns whether this mutant is active.
    #[inline]
    pub(super) fn has(&self, mutant: Mutant) -> bool {
        self.queues.heap.has(mutant)
    }

    /// Adds an outside that continues where the trace ends.
    pub fn with_outside(mut self, outside: &'t mut dyn Outside) -> Self {
        self.world = self.world.with_outside(outside);
        self
    }

    /// Runs the trace to its end, or to the program's.
    #[must_use]
    pub fn run(self) -> Finished<O> {
        self.run_while(|_| true)
    }

    /// Runs the trace as [`run`](Self::run) does, while `keep_going` returns `true` for the observer before each
    /// iteration of the loop. A run that is cut short counts as survived.
    #[must_use]
    pub fn run_while(mut self, go_on: impl Fn(&O) -> bool) -> Finished<O> {
        let served = match self.start_and_serve(go_on) {
            Err(Fault::Over { end }) => Ok(end),
            served => served,
        };
        let (outcome, fault) = match served {
            Ok(end) => {
                self.world().finish(end);
                let hung = end == End::NoProgress;
                (if hung { Outcome::Hung { function: None } } else { Outcome::Survived }, None)
            }
            Err(fault) => (outcome_of(fault), Some(fault)),
        };
        // The last use is counted before the world is dropped.
        let counts = self.world().counts();
        let operation = self.queues.heap.operation();
        let (notes, second_erases) = self.queues.heap.into_notes();
        Finished {
            observer: self.world.into_observer(),
            outcome,
            notes,
            second_erases,
            first_use: self.first_use,
            fault,
            operation,
            counts,
        }
    }

    fn start_and_serve(&mut self, keep_going: impl Fn(&O) -> bool) -> Result<End, Fault> {
        self.world().start();
        carry_out(self)?;
        Ok(self.serve_all(&keep_going)?.unwrap_or(End::TraceExhausted))
    }

    /// Runs iterations of the loop to the end; `None`: the observer ended the run.
    #[inline]
    pub(super) fn serve_all(&mut self, keep_going: &impl Fn(&O) -> bool) -> Result<Option<End>, Fault> {
        loop {
            if !keep_going(self.world.observer()) {
                return Ok(None);
            }
            if let Some(end) = self.world().limit() {
                return Ok(Some(end));
            }
            if let Some(entry) = self.take_next()? {
                if self.serve(entry)? {
                    return Ok(Some(End::LoopReturned));
                }
            } else if let Some(end) = self.wait()? {
                return Ok(Some(end));
            }
        }
    }

    /// Enters `function` of the program.
    #[inline]
    pub(super) fn enter(&mut self, function: &'static str) {
        self.queues.heap.enter(self.world.now(), function);
    }

    /// Refreshes the cached clock.
    #[inline]
    pub(super) fn read_clock(&mut self) -> Instant {
        self.now = self.world().clock();
        self.now
    }

    /// Returns the type of an entry.
    #[inline]
    pub(super) fn type_of(&mut self, entry: Addr) -> Result<Option<Type>, Fault> {
        Ok(Type::from_word(self.queues.field(entry, TYPE)?))
    }

    #[inline]
    pub(super) fn set_type(&mut self, entry: Addr, ty: Type) -> Result<(), Fault> {
        self.queues.write_half(entry, TYPE, ty as u32)
    }

    /// Returns the function that an entry calls.
    #[inline]
    pub(super) fn function_of(&mut self, entry: Addr) -> Result<Option<Function>, Fault> {
        Ok(Function::from_word(self.queues.field(entry, FUNCTION)?))
    }

    /// Removes the head of EVENT, or else of READY; `None` when both are empty.
    fn take_next(&mut self) -> Result<Option<Addr>, Fault> {
        self.enter("thread_fetch_next_queue");
        let mut order = [List::Event, List::Ready];
        if self.has(Mutant::ReadyBeforeEvent) {
            order.reverse();
        }
        let head = match self.queues.head(order[0])? {
            Some(entry) => Some(entry),
            None => self.queues.head(order[1])?,
        };
        let Some(entry) = head else { return Ok(None) };
        self.queues.take_off(entry)?;
        let leaves_now = rule::timed_out_leaves(&self.rules) == PidEntryLeaves::WhenTaken;
        if leaves_now && self.type_of(entry)? == Some(Type::ChildTimeout) {
            self.queues.erase_pid(entry)?;
        }
        Ok(Some(entry))
    }

    /// Runs an entry, unless a shutdown skips it, and retires it. Returns whether the loop returns then.
    fn serve(&mut self, entry: Addr) -> Result<bool, Fault> {
        let ty = self.type_of(entry)?;
        if ty == Some(Type::Terminate) {
            return Ok(true);
        }
        let runs = !self.shutting_down || ty.is_some_and(Type::runs_in_shutdown);
        self.shutting_down |= ty == Some(Type::TerminateStart) && !self.has(Mutant::ShutdownFlagNotSet);
        self.current = Some(entry);
        if runs {
            self.call(entry)?;
        }
        self.enter("process_threads");
        if let Some(entry) = self.current.take()
            && !self.has(Mutant::EntryNotRetired)
        {
            self.retire(entry)?;
        }
        Ok(self.shutting_down && !self.shutdown_timer_runs && !self.children_are_left()?)
    }

    fn call(&mut self, entry: Addr) -> Result<(), Fault> {
        if self.queues.field(entry, FUNCTION)? == 0 {
            return Ok(());
        }
        let Some(function) = self.function_of(entry)? else {
            return Err(Fault::Segv { address: 0, function: "process_threads" });
        };
        match function {
            Function::Of(Handler::TimerFd) => self.timer_handler(),
            Function::Of(Handler::SignalFd) => self.signal_handler(),
            Function::ReloadKiller | Function::ShutdownKiller => self.killer(entry, function),
            Function::Of(handler) => self.dispatch(entry, handler),
        }
    }

    /// Lets the script layer run one of its handlers.
    fn dispatch(&mut self, entry: Addr, handler: Handler) -> Result<(), Fault> {
        let argument = argument_of(self.queues.field(entry, ARGUMENT)?);
        let word = self.queues.field(entry, PID)?;
        let kind = self.type_of(entry)?.map_or(treefall_model::event::EntryKind::Other, Type::kind);
        let dispatch =
            Dispatch { handler, kind, argument, pid: Pid::new(pid_of(word)), status: status_of(word) };
        self.look(Step::Dispatched);
        self.world().begin(dispatch);
        carry_out(self)
    }

    /// Arms the timerfd, blocks, and queues the descriptors that are ready. Returns the end, if the run is over.
    fn wait(&mut self) -> Result<Option<End>, Fault> {
        let deadline = self.earliest()?;
        let after = match deadline {
            Deadline::Never => None,
            Deadline::At(due) => Some(due.saturating_since(self.read_clock())),
        };
        self.world().arm_timer(after);
        self.look(Step::Blocked);
        match self.world().block() {
            Woken::Ready { first, second, .. } => self.is_ready(deadline, first, second).map(|()| None),
            Woken::End(end) => Ok(Some(end)),
        }
    }

    /// Handles the return of the blocking call, which was to last until `deadline`.
    pub(super) fn is_ready(
        &mut self,
        deadline: Deadline,
        first: Descriptor,
        second: Option<Descriptor>,
    ) -> Result<(), Fault> {
        if let Deadline::At(due) = deadline
            && !self.has(Mutant::ClockNotRefreshed)
        {
            self.woken(due);
        }
        self.enter("thread_fetch_next_queue");
        let second = second.filter(|_| !self.has(Mutant::SecondDescriptorMissed));
        let mut room = self.room;
        for descriptor in [Some(first), second].into_iter().flatten() {
            if !self.kept[descriptor as usize] || room == 0 {
                continue;
            }
            room -= 1;
            self.descriptor_is_ready(descriptor)?;
        }
        if !self.has(Mutant::ClockNotRefreshed) {
            self.read_clock();
        }
        Ok(())
    }

    /// Returns the earliest deadline of all trees.
    pub(super) fn earliest(&mut self) -> Result<Deadline, Fault> {
        let mut earliest = Deadline::Never;
        for tree in Tree::BY_DEADLINE {
            if tree == Tree::Timer && self.has(Mutant::EarliestSkipsTimers) {
                continue;
            }
            if let Some(entry) = self.queues.first_armed(tree)? {
                earliest = earliest.min(self.queues.due(entry)?);
            }
        }
        Ok(earliest)
    }

    /// Handles the return of the blocking call, which was to wait until `due`.
    fn woken(&mut self, due: Instant) {
        if !rule::reads_clock_before_move(&self.rules) {
            return;
        }
        let by = self.read_clock().saturating_since(due);
        if by > LATE && rule::logs_late_wakes(&self.rules) {
            self.world().logged(LogLine::Late { by });
        }
    }

    fn descriptor_is_ready(&mut self, descriptor: Descriptor) -> Result<(), Fault> {
        let entry = match descriptor {
            Descriptor::Timer => self.timer_entry.take(),
            Descriptor::Signals => self.signal_entry.take(),
            Descriptor::Netlink => return Ok(()),
        };
        let missed = [Mutant::TimerNotRegisteredAgain, Mutant::SignalsNotRegisteredAgain];
        if entry.is_none() && missed.into_iter().any(|mutant| self.has(mutant)) {
            return Ok(());
        }
        // In a broken tree the entry that waited may have been taken for due: the program goes by a null pointer.
        let entry = entry.unwrap_or(0);
        self.queues.erase_due(Tree::Read, entry)?;
        self.set_type(entry, Type::ReadyDescriptor)?;
        self.queues.push(List::Ready, entry)
    }

    /// Returns an entry from the head of UNUSE, uncleared, or else a zeroed one from the heap.
    pub(super) fn new_entry(
        &mut self,
        ty: Type,
        function: Function,
        argument: Option<ScriptRef>,
    ) -> Result<Addr, Fault> {
        let entry = match self.queues.head(List::Unuse)? {
            Some(entry) => {
                self.queues.take_off(entry)?;
                entry
            }
            None => self.queues.heap.allocate(),
        };
        self.queues.write(entry, ID, self.handed_out)?;
        self.handed_out += 1;
        self.set_type(entry, ty)?;
        self.queues.write(entry, MASTER, MASTER_AT)?;
        self.queues.write(entry, FUNCTION, function.word())?;
        // A zeroed entry never had another value.
        let keeps = self.has(Mutant::ArgumentNotWrittenOnReuse) && self.queues.field(entry, ARGUMENT)? != 0;
        if !keeps {
            self.queues.write(entry, ARGUMENT, argument_word(argument))?;
        }
        Ok(entry)
    }

    /// Writes an entry's value or descriptor, in the word of a child's pid. The status beside it stays.
    pub(super) fn set_value(&mut self, entry: Addr, value: i32) -> Result<(), Fault> {
        let word = self.queues.field(entry, PID)?;
        self.queues.write(entry, PID, pid_word(value, status_of(word)))
    }

    /// Retires an entry to the tail of UNUSE.
    pub(super) fn retire(&mut self, entry: Addr) -> Result<(), Fault> {
        self.set_type(entry, Type::Unused)?;
        self.queues.write(entry, EVENT, 0)?;
        self.queues.push(List::Unuse, entry)
    }
}

/// Returns the outcome of a fault.
pub(super) fn outcome_of(fault: Fault) -> Outcome {
    match fault {
        Fault::Segv { function, .. } => {
            Outcome::Crashed { signal: Signal::SEGV, function: Some(function.into()) }
        }
        Fault::Aborted { function } => {
            Outcome::Crashed { signal: Signal::ABRT, function: Some(function.into()) }
        }
        Fault::Endless { function } => Outcome::Hung { function: Some(function.into()) },
        Fault::Over { .. } => Outcome::Hung { function: None },
    }
}
