//! The world as a subject sees it: kernel and script layer behind one set of calls.

use treefall_model::event::{Answer, End, Event, LogLine, Target};
use treefall_model::id::{ConfigId, Generation, Pid};
use treefall_model::observe::Observer;
use treefall_model::release::Rules;
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::{Instant, Span};
use treefall_model::trace::{Trace, Wake};

use crate::counts::Counts;
use crate::kernel::{Kernel, Outside, Recorder, Woken};
use crate::layer::Layer;

/// Everything around a scheduler, for one run of one trace.
#[derive(Clone)]
pub struct World<'t, O> {
    pub(crate) kernel: Kernel<'t>,
    pub(crate) layer: Layer<'t>,
    pub(crate) rules: Rules,
    pub(crate) out: Recorder<O>,
    ended: bool,
}

impl<'t, O: Observer> World<'t, O> {
    /// A world at the start of `trace`: no child, nothing armed or pending, the first configuration read.
    pub fn new(trace: &'t Trace, rules: Rules, observer: O) -> Self {
        Self {
            kernel: Kernel::new(trace),
            layer: Layer::new(trace),
            rules,
            out: Recorder { observer, counts: Counts::default() },
            ended: false,
        }
    }

    /// The same with an instance in each configuration, as a whole daemon has one: it is given a second to shut
    /// down.
    #[must_use]
    pub fn with_instance(mut self) -> Self {
        self.layer.has_instance = true;
        self
    }

    /// The same with an outside that goes on where the trace ends.
    #[must_use]
    pub fn with_outside(mut self, outside: &'t mut dyn Outside) -> Self {
        self.kernel.go_on_with(outside);
        self
    }

    fn step(&mut self) {
        self.kernel.step();
        self.out.counts.steps += 1;
    }

    /// The program reads CLOCK_MONOTONIC.
    pub fn clock(&mut self) -> Instant {
        self.step();
        self.kernel.now()
    }

    /// What the clock shows, without the program's asking.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.kernel.now()
    }

    /// `timerfd_settime`, relative. Zero: overdue at once. `None`: disarmed.
    pub fn arm_timer(&mut self, after: Option<Span>) {
        self.step();
        self.kernel.arm_timer(after);
    }

    /// `epoll_wait`, without a timeout of its own: see [`kernel`](crate::kernel).
    pub fn block(&mut self) -> Woken {
        self.step();
        self.kernel.block(&mut self.out)
    }

    /// The loop is blocked and the trace is out of wakes: it goes on with this one. [`Counts::wakes`] tells whether
    /// the wake was used up, or another of the world's own came before it; the loop being blocked again, it is to be
    /// given once more.
    pub fn go_on(&mut self, wake: &Wake) -> Woken {
        self.step();
        self.kernel.go_on(core::slice::from_ref(wake), &mut self.out)
    }

    /// The timer handler reads the timerfd, which disarms it. Whether it had expired.
    pub fn read_timer(&mut self) -> bool {
        self.step();
        self.kernel.read_timer(&mut self.out)
    }

    /// The signal handler reads the signalfd: the lowest pending signal, or `None` when there is none left.
    pub fn read_signal(&mut self) -> Option<Signal> {
        self.step();
        self.kernel.read_signal(&mut self.out)
    }

    /// `waitpid(-1, .., WNOHANG)`: of the zombies the one forked first; `None` when there is none.
    pub fn reap(&mut self) -> Option<(Pid, ExitStatus)> {
        self.step();
        self.kernel.reap(&mut self.out)
    }

    /// Whether any child is not reaped: `waitpid` finds ECHILD when there is none.
    #[must_use]
    pub fn has_children(&self) -> bool {
        self.kernel.has_children()
    }

    /// How many children are alive.
    #[must_use]
    pub fn living(&self) -> usize {
        self.kernel.living()
    }

    /// `kill`.
    pub fn send(&mut self, target: Target, signal: Signal) -> Answer {
        self.step();
        self.kernel.send(target, signal, &mut self.out)
    }

    /// `getpgid`: the leader of the group of process `pid`, 0 being the program itself; `None`: ESRCH.
    pub fn group_of(&mut self, pid: i32) -> Option<Pid> {
        self.step();
        self.kernel.group_of(pid)
    }

    /// The program logs a line; it takes its cost.
    pub fn logged(&mut self, line: LogLine) {
        self.emit(Event::Logged(line));
        self.kernel.spend_log();
    }

    /// How the run ends if the loop took more steps since it last moved on, or started more children since the last
    /// wake of the trace, than are followed. Asking is a step itself, so that a driver may ask at each turn of a loop that
    /// calls nothing else.
    pub fn limit(&mut self) -> Option<End> {
        self.step();
        self.kernel.limit()
    }

    /// The run is over. Only the first call counts.
    pub fn finish(&mut self, end: End) {
        if !self.ended {
            self.ended = true;
            self.emit(Event::Ended(end));
        }
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.out.emit(self.kernel.now(), event);
    }

    /// The trace that it plays.
    #[must_use]
    pub fn trace(&self) -> &'t Trace {
        self.kernel.trace()
    }

    /// What the script layer does as which releases do.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// The generation in force.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.layer.generation()
    }

    /// The configuration file as the last SIGHUP that was read left it.
    #[must_use]
    pub fn file(&self) -> ConfigId {
        self.kernel.file()
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.out.counts
    }

    /// Who watches.
    pub fn observer(&mut self) -> &mut O {
        &mut self.out.observer
    }

    /// The same, to ask of what was seen.
    #[must_use]
    pub fn watcher(&self) -> &O {
        &self.out.observer
    }

    /// Gives the observer back.
    pub fn into_observer(self) -> O {
        self.out.observer
    }

    pub(crate) fn count_step(&mut self) {
        self.step();
    }
}
