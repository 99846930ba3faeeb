//! The world as a subject sees it: kernel and script layer behind one set of calls.

use treefall_model::event::{Answer, End, Event, LogLine, Target};
use treefall_model::id::{ConfigId, Generation, LinkId, Pid};
use treefall_model::observe::Observer;
use treefall_model::release::Rules;
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::{Instant, Span};
use treefall_model::trace::{Trace, Wake};

use crate::counts::{Counts, Recorder};
use crate::kernel::{Kernel, Outside, Woken};
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
    /// Creates the world at the start of `trace`: no child, nothing armed or pending, the first configuration read.
    pub fn new(trace: &'t Trace, rules: Rules, observer: O) -> Self {
        Self {
            kernel: Kernel::new(trace),
            layer: Layer::new(trace),
            rules,
            out: Recorder { observer, counts: Counts::default() },
            ended: false,
        }
    }

    /// Gives each configuration an instance, as a whole daemon has: it has a second to shut down.
    #[must_use]
    pub fn with_instance(mut self) -> Self {
        self.layer.has_instance = true;
        self
    }

    /// Continues with `outside` where the trace ends.
    #[must_use]
    pub fn with_outside(mut self, outside: &'t mut dyn Outside) -> Self {
        self.kernel.go_on_with(outside);
        self
    }

    fn step(&mut self) {
        self.kernel.step();
        self.out.counts.steps += 1;
    }

    /// Reads CLOCK_MONOTONIC for the program.
    pub fn clock(&mut self) -> Instant {
        self.step();
        self.kernel.now()
    }

    /// Returns the clock without a call of the program.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.kernel.now()
    }

    /// `timerfd_settime`, relative. Zero is overdue at once; `None` disarms.
    pub fn arm_timer(&mut self, after: Option<Span>) {
        self.step();
        self.kernel.arm_timer(after);
    }

    /// `epoll_wait` without a timeout of its own: see [`kernel`](crate::kernel).
    pub fn block(&mut self) -> Woken {
        self.step();
        self.kernel.block(&mut self.out)
    }

    /// Continues a blocked loop whose trace has no wakes left. [`Counts::wakes`] says whether `wake` was used or one of
    /// the world's own came before it; if not used, it must be given again once the loop blocks.
    pub fn go_on(&mut self, wake: &Wake) -> Woken {
        self.step();
        self.kernel.go_on(core::slice::from_ref(wake), &mut self.out)
    }

    /// Reads the timerfd, which disarms it. Returns whether it had expired.
    pub fn read_timer(&mut self) -> bool {
        self.step();
        self.kernel.read_timer(&mut self.out)
    }

    /// Reads the signalfd: the lowest pending signal, or `None`.
    pub fn read_signal(&mut self) -> Option<Signal> {
        self.step();
        self.kernel.read_signal(&mut self.out)
    }

    /// The program waits for messages about network interfaces, or no longer does.
    pub fn listen(&mut self, listens: bool) {
        self.kernel.netlink.listen(listens);
    }

    /// Whether an interface is up.
    #[must_use]
    pub fn link_is_up(&self, link: LinkId) -> bool {
        self.kernel.netlink.is_up(link)
    }

    /// Returns the next message about an interface without reading it: the interface, and whether it is up.
    pub fn peek_message(&mut self) -> Option<(LinkId, bool)> {
        self.step();
        self.kernel.netlink.next()
    }

    /// Reads the next message about an interface.
    pub fn read_message(&mut self) -> Option<(LinkId, bool)> {
        self.step();
        let (link, up) = self.kernel.netlink.read()?;
        self.out.emit(self.kernel.now(), Event::LinkRead { link, up });
        Some((link, up))
    }

    /// `waitpid(-1, .., WNOHANG)`: the zombie that was forked first; `None` when there is none.
    pub fn reap(&mut self) -> Option<(Pid, ExitStatus)> {
        self.step();
        self.kernel.reap(&mut self.out)
    }

    /// Returns how many calls the program made, if none had an effect; [`repeat`](Self::repeat) makes them again.
    #[must_use]
    pub fn steps_without_effect(&self) -> Option<u64> {
        let steps = self.out.counts.steps;
        let alone = Counts { steps, ..Counts::default() };
        (self.out.counts == alone && self.kernel.is_at_start()).then_some(steps)
    }

    /// Makes so many calls without effect.
    pub fn repeat(&mut self, steps: u64) {
        (0..steps).for_each(|_| self.step());
    }

    /// Whether any child is not reaped; without one, `waitpid` fails with ECHILD.
    #[must_use]
    pub fn has_children(&self) -> bool {
        self.kernel.has_children()
    }

    /// Returns how many children are alive.
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

    /// Logs a line of the program, and lets its cost pass.
    pub fn logged(&mut self, line: LogLine) {
        self.emit(Event::Logged(line));
        self.kernel.spend_log();
    }

    /// Returns how the run ends, if the loop exceeds the bounds on steps or starts. The call counts as a step, so a
    /// driver can call it in a loop that calls nothing else.
    pub fn limit(&mut self) -> Option<End> {
        self.step();
        self.kernel.limit()
    }

    /// Returns how the run ends, if the bounds are exceeded. Unlike [`limit`](Self::limit) it counts no step: a driver
    /// calls it in a loop that calls the kernel.
    #[must_use]
    pub fn over(&self) -> Option<End> {
        self.kernel.limit()
    }

    /// Ends the run. Only the first call counts.
    pub fn finish(&mut self, end: End) {
        if !self.ended {
            self.ended = true;
            self.emit(Event::Ended(end));
        }
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.out.emit(self.kernel.now(), event);
    }

    /// Returns the trace.
    #[must_use]
    pub fn trace(&self) -> &'t Trace {
        self.kernel.trace()
    }

    /// Returns the rules of the script layer.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// Returns the generation in force.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.layer.generation()
    }

    /// Returns the configuration file as the last SIGHUP that was read left it.
    #[must_use]
    pub fn file(&self) -> ConfigId {
        self.kernel.file()
    }

    /// Returns the counts so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.out.counts
    }

    /// Borrows the observer mutably.
    pub fn observer(&mut self) -> &mut O {
        &mut self.out.observer
    }

    /// Borrows the observer.
    #[must_use]
    pub fn watcher(&self) -> &O {
        &self.out.observer
    }

    /// Returns the observer.
    pub fn into_observer(self) -> O {
        self.out.observer
    }

    pub(crate) fn count_step(&mut self) {
        self.step();
    }
}
