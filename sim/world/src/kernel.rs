//! The virtual kernel: clock, timerfd, signalfd, children, and what wakes the loop.
//!
//! # What wakes the loop
//! The trace's wakes decide everything; the world adds wakes of its own only for what the trace cannot name,
//! the deaths of children of a signal that the program sent them ([`Habit`]).
//! When the loop blocks:
//!
//! 1. **Signals are pending already** (raised while handlers ran: a child died at once of its SIGTERM), or messages that
//!    the program listens for were not read (a reload dropped the handler): the call
//!    returns at +0 and uses up no wake of the trace. It is the world's own wake: the signalfd is reported
//!    first if the timerfd is ready too.
//! 2. Else **the next wake of the trace** has a target: the armed deadline, not before now ([`Advance::NextTimer`];
//!    now, if the timerfd is disarmed), or now plus its span.
//!    - A death due strictly before the target comes first: the world's own wake at that instant (now, if handlers
//!      outlasted it), signals first. The trace's wake is not used up; its span then counts from the moment
//!      the loop blocks again.
//!    - Else the clock moves to the target, and children die whose death is due by then: a death at exactly
//!      the target merges into the wake.
//! 3. Then the wake's exits happen (an exit of a run that is not alive is moot), then its SIGHUP, then its SIGTERM, then
//!    its external events: the kernel queues a message for each.
//! 4. The timerfd is ready if it is armed for now or earlier, the signalfd if a signal is pending, the netlink socket if
//!    the program listens to it and a message waits. If **none is ready**, the loop stays blocked: the clock stays moved, and 2 goes on with the next wake.
//! 5. No wake left: the run ends.
//!
//! The world's own wakes between two of the trace are bounded (64, and two for each child there was): children
//! that are started and die again and again within one span, or within what handlers cost, would put the
//! trace's wake off for ever. When the bound is reached, the trace's wake is next, and what is due merges into it.
//!
//! # What always holds
//! - The clock never goes back, and moves only when the loop blocks or by the setup's [costs](Costs): always
//!   **after** the record of what costs (a handler's begin, a start or its failure, a log line, a child reaped).
//! - Nothing dies while handlers run, except at once of a signal that kills at once: what comes due while
//!   handlers run happens when the loop blocks, as a real process could not tell the difference.
//! - A pending signal is pending once; a second SIGHUP before the first is read brings its configuration in
//!   place of the first one's. Reading gives the lowest number first.
//! - Where an [`Outside`] goes on after the trace, its wakes are used as those of the trace are.
//! - An expired timerfd stays ready until it is read, which disarms it, or armed anew.

use alloc::collections::btree_set::Iter;
use alloc::vec::Vec;
use core::iter::Peekable;

use treefall_model::event::{Answer, End, EntryKind, Event, Handler, Target};
use treefall_model::id::{ConfigId, Pid, Run, ScriptRef, StartNo};
use treefall_model::observe::Observer;
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::{Deadline, Instant, Span};
use treefall_model::trace::{Advance, Costs, External, Habit, OnTerm, Order, Rank, Trace, Wake};

mod bounds;
mod netlink;
mod outside;
mod starts;

use bounds::Bounds;
use netlink::Netlink;
use outside::Continuation;
pub use outside::Outside;
pub use starts::Unnamed;

use crate::children::Children;
use crate::counts::Recorder;
use crate::ops::Descriptor;
use crate::pids::Pids;

/// Result of a blocking call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Woken {
    /// Descriptors are ready, in the order in which the kernel reports them.
    Ready {
        /// Reported first.
        first: Descriptor,
        /// Reported second.
        second: Option<Descriptor>,
        /// Reported third.
        third: Option<Descriptor>,
    },
    /// The run is over; the call does not return.
    End(End),
}

/// The kernel of one run.
#[derive(Clone)]
pub(crate) struct Kernel<'t> {
    pub(crate) trace: &'t Trace,
    /// The outside that continues where the trace ends.
    outside: Continuation<'t>,
    /// The wake that it gave, until a blocking call uses it; then kept for its allocation.
    given: Wake,
    /// Whether that wake is unused.
    given_waits: bool,
    pub(crate) now: Instant,
    /// Instant that the timerfd is armed for.
    pub(crate) timer: Option<Instant>,
    /// Pending signals; signal `n` is bit `n`.
    pub(crate) pending: u128,
    /// The signalfd's handler began and has not found it empty.
    pub(crate) reading: bool,
    /// Configuration of the pending SIGHUP.
    pub(crate) hup_brings: ConfigId,
    /// Configuration file as the last SIGHUP that was read left it.
    pub(crate) file: ConfigId,
    pub(crate) children: Children,
    pub(crate) pids: Pids,
    /// Children reaped since the loop last blocked: their entries may still wait for a handler.
    reaped: Vec<(Pid, Run)>,
    /// Attempts to start a child.
    pub(crate) starts: u32,
    /// Starts that are still to fail, lowest first.
    pub(crate) failures: Peekable<Iter<'t, StartNo>>,
    /// Wakes used.
    used: usize,
    /// Own wakes that the world may still make before the trace's next.
    pub(crate) own_left: usize,
    /// Instant of the last own wake for signals that were already pending.
    pub(crate) own_at: Instant,
    /// Bounds on what the loop does.
    bounds: Bounds,
    /// Messages about network interfaces.
    pub(crate) netlink: Netlink,
}

/// Returns the bit of a pending signal.
const fn bit(signal: Signal) -> u128 {
    1 << signal.number()
}

/// The last instant at which the loop blocks: a wake comes at most one [`Span::MAX`] later, and what its handlers add
/// is due at most another one later, which is still a valid instant.
const LAST: Instant = Instant::from_micros(Instant::MAX.as_micros() - 3 * Span::MAX.as_micros());

/// Own wakes between two wakes of the trace: this many, and two more for each child at the first of them.
const OWN_WAKES_BASE: usize = 64;

impl<'t> Kernel<'t> {
    pub(crate) fn new(trace: &'t Trace) -> Self {
        let setup = trace.setup();
        let widest = setup.configs.iter().map(|config| config.scripts.len()).max().unwrap_or(0);
        Self {
            trace,
            outside: Continuation(None),
            given: Wake::next_timer(),
            given_waits: false,
            now: Instant::START,
            timer: None,
            pending: 0,
            reading: false,
            hup_brings: ConfigId(0),
            file: ConfigId(0),
            children: Children::default(),
            pids: Pids::new(setup.pids),
            reaped: Vec::new(),
            starts: 0,
            failures: setup.fork_failures.iter().peekable(),
            used: 0,
            own_left: OWN_WAKES_BASE,
            own_at: Instant::START,
            bounds: Bounds::new(widest),
            netlink: Netlink::default(),
        }
    }

    /// Continues with `outside` where the trace ends.
    pub(crate) fn go_on_with(&mut self, outside: &'t mut dyn Outside) {
        self.outside = Continuation(Some(outside));
    }

    pub(crate) fn trace(&self) -> &'t Trace {
        self.trace
    }

    fn costs(&self) -> Costs {
        self.trace.setup().costs
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Returns the configuration file as the last SIGHUP that was read left it.
    pub(crate) fn file(&self) -> ConfigId {
        self.file
    }

    /// Lets `cost` pass.
    fn spend(&mut self, cost: Span) {
        self.now += cost;
    }

    /// Lets the cost of a callback pass.
    pub(crate) fn spend_callback(&mut self) {
        self.spend(self.costs().callback);
    }

    /// Lets the cost of reading a configuration pass.
    pub(crate) fn spend_reload(&mut self) {
        self.spend(self.costs().reload);
    }

    /// Lets the cost of a log line pass.
    pub(crate) fn spend_log(&mut self) {
        self.spend(self.costs().log);
    }

    /// Counts something that the program does and the kernel sees.
    pub(crate) fn step(&mut self) {
        self.bounds.step();
    }

    /// Whether no call has changed anything yet.
    pub(crate) fn is_at_start(&self) -> bool {
        let nothing_comes = self.timer.is_none() && self.pending == 0 && !self.reading && self.used == 0;
        nothing_comes && self.now == Instant::START && self.starts == 0 && !self.has_children()
    }

    /// Returns how the run ends, if the loop exceeds its bounds.
    pub(crate) fn limit(&self) -> Option<End> {
        self.bounds.limit(self.now, self.starts)
    }

    /// Arms the timerfd, relative to now.
    pub(crate) fn arm_timer(&mut self, after: Option<Span>) {
        self.timer = after.map(|after| self.now + after);
    }

    fn timer_is_ready(&self) -> bool {
        self.timer.is_some_and(|deadline| deadline <= self.now)
    }

    /// Blocks the loop: see the [module](self).
    pub(crate) fn block<O: Observer>(&mut self, out: &mut Recorder<O>) -> Woken {
        self.reading = false;
        self.reaped.clear();
        let deadline = self.timer.map_or(Deadline::Never, Deadline::At);
        out.emit(self.now, Event::Blocked { deadline });
        let trace = self.trace;
        self.go_on(trace.wakes().get(self.used..).unwrap_or_default(), out)
    }

    /// Continues to block, with `wakes` as everything to come.
    pub(crate) fn go_on<O: Observer>(&mut self, wakes: &[Wake], out: &mut Recorder<O>) -> Woken {
        let used = self.used;
        let woken = self.wait(wakes, out);
        // Handlers that cost time move the clock too: a loop that is late and blocks is slow, not stuck.
        if used != self.used || self.bounds.moved_at() != self.now {
            self.bounds.moved_on(self.now, self.children.unreaped());
        }
        woken
    }

    fn wait<O: Observer>(&mut self, wakes: &[Wake], out: &mut Recorder<O>) -> Woken {
        if self.now > LAST {
            return Woken::End(End::EndOfTime);
        }
        let before = self.used;
        // While the clock stands still, the bound on steps applies.
        let stands = self.own_at == self.now;
        if (self.pending != 0 || self.netlink.is_ready())
            && (self.own_left > 0 || stands)
            && let Some(woken) = self.report((Order::SignalsFirst, Rank::Last), out)
        {
            self.own_left -= usize::from(!stands);
            self.own_at = self.now;
            return woken;
        }
        loop {
            let order = if let Some(wake) = wakes.get(self.used - before) {
                self.go_on_by(wake, out).1
            } else if self.ask_outside() {
                let given = core::mem::replace(&mut self.given, Wake::next_timer());
                let (used, order) = self.go_on_by(&given, out);
                (self.given, self.given_waits) = (given, !used);
                order
            } else {
                return Woken::End(End::TraceExhausted);
            };
            if let Some(woken) = self.report(order, out) {
                return woken;
            }
        }
    }

    /// Lets time pass to `wake`, or to a death before it. Returns whether the wake was used, and the order of
    /// descriptors.
    fn go_on_by<O: Observer>(&mut self, wake: &Wake, out: &mut Recorder<O>) -> (bool, (Order, Rank)) {
        let target = self.target(wake.advance);
        let own = self.children.next_death().filter(|due| *due < target && self.own_left > 0);
        if let Some(due) = own {
            self.own_left -= 1;
            self.now = self.now.max(due);
            self.let_die(out);
            return (false, (Order::SignalsFirst, Rank::Last));
        }
        self.used += 1;
        self.own_left = OWN_WAKES_BASE + 2 * self.children.unreaped();
        out.counts.wakes += 1;
        self.now = target;
        self.bounds.woke(target, self.starts);
        self.let_die(out);
        self.happen(wake, out);
        (true, (wake.order, wake.rank))
    }

    /// Asks the outside for a wake; returns whether there is one.
    fn ask_outside(&mut self) -> bool {
        let Some(outside) = &mut self.outside.0 else { return false };
        if !self.given_waits {
            let mut exits = core::mem::take(&mut self.given.exits);
            exits.clear();
            self.given = Wake { exits, ..Wake::next_timer() };
            self.given_waits = outside.wake(self.now, self.timer, &mut self.given);
        }
        self.given_waits
    }

    fn target(&self, advance: Advance) -> Instant {
        match advance {
            Advance::NextTimer => self.timer.map_or(self.now, |deadline| deadline.max(self.now)),
            Advance::By(span) => self.now + span,
        }
    }

    /// Does what a wake brings besides time.
    fn happen<O: Observer>(&mut self, wake: &Wake, out: &mut Recorder<O>) {
        for exit in &wake.exits {
            match self.children.with_run(exit.run) {
                Some((slot, child)) if child.ended.is_none() => {
                    self.children.end(slot, exit.status);
                    self.ended(exit.run, exit.status, out);
                }
                _ => out.emit(self.now, Event::Moot { run: exit.run }),
            }
        }
        if let Some(config) = wake.hup {
            self.hup_brings = config;
            self.pending |= bit(Signal::HUP);
            out.counts.hups += 1;
        }
        if wake.term {
            self.pending |= bit(Signal::TERM);
            out.counts.terms += 1;
        }
        for External::Link { link, up } in &wake.events {
            self.netlink.tell(*link, *up);
        }
    }

    /// Ends the children whose death is due.
    fn let_die<O: Observer>(&mut self, out: &mut Recorder<O>) {
        while let Some((run, status)) = self.children.die(self.now) {
            self.ended(run, status, out);
        }
    }

    fn ended<O: Observer>(&mut self, run: Run, status: ExitStatus, out: &mut Recorder<O>) {
        if let Some(outside) = &mut self.outside.0 {
            outside.ended(run);
        }
        out.emit(self.now, Event::Exited { run, status });
        self.pending |= bit(Signal::CHLD);
    }

    /// Returns from the blocking call, if a descriptor is ready.
    fn report<O: Observer>(&mut self, (order, rank): (Order, Rank), out: &mut Recorder<O>) -> Option<Woken> {
        let (timer, signals) = (self.timer_is_ready(), self.pending != 0);
        let (timer_fd, signal_fd) =
            (timer.then_some(Descriptor::Timer), signals.then_some(Descriptor::Signals));
        let [one, other] = match order {
            Order::TimerFirst => [timer_fd, signal_fd],
            Order::SignalsFirst => [signal_fd, timer_fd],
        };
        let netlink = self.netlink.is_ready().then_some(Descriptor::Netlink);
        let mut ready = match rank {
            Rank::First => [netlink, one, other],
            Rank::Between => [one, netlink, other],
            Rank::Last => [one, other, netlink],
        }
        .into_iter()
        .flatten();
        let first = ready.next()?;
        out.counts.timer_wakes += u64::from(timer);
        let wakes = u32::try_from(self.used).unwrap_or(u32::MAX);
        out.emit(self.now, Event::Woke { wakes, timer, signals });
        Some(Woken::Ready { first, second: ready.next(), third: ready.next() })
    }

    fn dispatched<O: Observer>(&mut self, handler: Handler, out: &mut Recorder<O>) {
        let event = Event::Dispatched { handler, entry: EntryKind::Ready, script: None, run: None };
        out.emit(self.now, event);
    }

    /// Reads the timerfd.
    pub(crate) fn read_timer<O: Observer>(&mut self, out: &mut Recorder<O>) -> bool {
        self.dispatched(Handler::TimerFd, out);
        let expired = self.timer_is_ready();
        if expired {
            self.timer = None;
        }
        expired
    }

    /// Reads the signalfd.
    pub(crate) fn read_signal<O: Observer>(&mut self, out: &mut Recorder<O>) -> Option<Signal> {
        if !self.reading {
            self.dispatched(Handler::SignalFd, out);
        }
        let lowest = u8::try_from(self.pending.trailing_zeros()).ok().and_then(Signal::new);
        self.reading = lowest.is_some();
        let signal = lowest?;
        self.pending &= !bit(signal);
        if signal == Signal::HUP {
            self.file = self.hup_brings;
        }
        out.emit(self.now, Event::SignalRead { signal });
        Some(signal)
    }

    /// `waitpid(-1, .., WNOHANG)`.
    pub(crate) fn reap<O: Observer>(&mut self, out: &mut Recorder<O>) -> Option<(Pid, ExitStatus)> {
        let (run, pid, status) = self.children.reap()?;
        self.pids.give_back(pid);
        self.reaped.push((pid, run));
        out.counts.exits += 1;
        out.emit(self.now, Event::Reaped { run, pid, status });
        self.spend(self.costs().reap);
        Some((pid, status))
    }

    /// Whether any child is not reaped.
    pub(crate) fn has_children(&self) -> bool {
        self.children.unreaped() > 0
    }

    /// Returns how many children are alive.
    pub(crate) fn living(&self) -> usize {
        self.children.living()
    }

    /// `getpgid`: every child leads its own group.
    pub(crate) fn group_of(&self, pid: i32) -> Option<Pid> {
        if pid == 0 {
            return Some(Pid::SELF);
        }
        let pid = Pid::new(pid)?;
        let known = pid == Pid::SELF || pid.get() == 1 || self.children.with_pid(pid).is_some();
        known.then_some(pid)
    }

    /// `kill`.
    pub(crate) fn send<O: Observer>(
        &mut self,
        target: Target,
        signal: Signal,
        out: &mut Recorder<O>,
    ) -> Answer {
        let at = match target {
            Target::Group(pid) | Target::Process(pid) => self.children.with_pid(pid),
            Target::OwnGroup | Target::Everyone => None,
        };
        let answer = match target {
            Target::OwnGroup | Target::Everyone | Target::Group(Pid::SELF) | Target::Process(Pid::SELF) => {
                Answer::Delivered
            }
            // The negation of 1 means every process.
            Target::Group(pid) if pid.get() == 1 => Answer::Delivered,
            Target::Process(pid) if pid.get() == 1 => Answer::NotPermitted,
            Target::Group(_) | Target::Process(_) if at.is_some() => Answer::Delivered,
            Target::Group(_) | Target::Process(_) => Answer::NoSuchProcess,
        };
        let run = at.map(|(_, child)| child.run);
        out.emit(self.now, Event::Signalled { target, run, signal, answer });
        if let Some((_, child)) = at
            && child.ended.is_none()
            && let Some(outside) = &mut self.outside.0
        {
            outside.signalled(child.run, signal, self.now);
        }
        if let Some((slot, child)) = at
            && child.ended.is_none()
            && let Some(span) = dies_after(child.habit, signal)
        {
            self.told_to_die(slot, child.run, span, signal, out);
        }
        answer
    }

    fn told_to_die<O: Observer>(
        &mut self,
        slot: u32,
        run: Run,
        span: Span,
        signal: Signal,
        out: &mut Recorder<O>,
    ) {
        if span.is_zero() {
            self.children.end(slot, ExitStatus::Signal(signal));
            self.ended(run, ExitStatus::Signal(signal), out);
        } else {
            self.children.will_die(slot, self.now + span, signal);
        }
    }

    /// Resolves an entry's pid to a run, with the script that the entry's argument names. Among children not reaped, or
    /// reaped since the loop last blocked, it prefers the one of that script, then the one with the pid.
    pub(crate) fn run_meant(&self, pid: Pid, script: Option<ScriptRef>) -> Option<Run> {
        let unreaped = self.children.with_pid(pid).map(|(_, child)| child.run);
        let reaped = || self.reaped.iter().rev().filter(|(had, _)| *had == pid).map(|(_, run)| *run);
        let fits = |run: &Run| Some(run.of) == script;
        unreaped.filter(fits).or_else(|| reaped().find(fits)).or(unreaped).or_else(|| reaped().next())
    }
}

/// Returns how long after `signal` a child of this habit dies; `None` if it does not.
fn dies_after(habit: Habit, signal: Signal) -> Option<Span> {
    match (signal, habit.on_term) {
        (Signal::KILL, _) => Some(habit.kill_linger),
        (Signal::TERM, OnTerm::Dies(span)) => Some(span),
        _ => None,
    }
}
