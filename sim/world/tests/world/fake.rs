//! A small scheduler that does everything right, with ordered vectors for trees: the world's partner in tests.

use std::collections::VecDeque;
use std::convert::Infallible;

use treefall_model::event::{End, EntryKind, Handler, Record, Target};
use treefall_model::id::{Pid, ScriptRef};
use treefall_model::release::Rules;
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::{Instant, Span};
use treefall_model::trace::Trace;
use treefall_world::{Descriptor, Dispatch, Ending, Handle, Op, Scheduler, Woken, World, carry_out};

use crate::tools::{Notes, tell};

/// The grace of children that a reload or a shutdown told to die.
const GRACE: Span = Span::from_secs(1);

#[derive(Clone, Copy)]
struct Entry {
    dispatch: Dispatch,
    /// `None`: never.
    due: Option<Instant>,
    /// Runs in a shutdown, too.
    lasting: bool,
}

pub(crate) struct Fake<'t> {
    world: World<'t, Notes>,
    now: Instant,
    timers: Vec<Entry>,
    children: Vec<Entry>,
    ready: VecDeque<Entry>,
    events: VecDeque<Entry>,
    shutting_down: bool,
    over: bool,
}

impl<'t> Scheduler<'t> for Fake<'t> {
    type Observer = Notes;
    type Fault = Infallible;

    fn world(&mut self) -> &mut World<'t, Notes> {
        &mut self.world
    }

    fn perform(&mut self, op: Op) -> Result<(), Infallible> {
        let after = |fake: &mut Self, span| Some(fake.read_clock() + span);
        match op {
            Op::AddTimer { handler, argument, after: span } => {
                let due = after(self, span);
                self.timers.push(entry(handler, EntryKind::Timer, argument, None, due));
            }
            Op::AddShutdownTimer { handler, after: span } => {
                let due = after(self, span);
                let timer = entry(handler, EntryKind::Timer, None, None, due);
                self.timers.push(Entry { lasting: true, ..timer });
            }
            Op::AddChild { handler, argument, pid, after: span } => {
                let due = span.and_then(|span| after(self, span));
                self.children.push(entry(handler, EntryKind::Child, argument, Some(pid), due));
                self.world.watched_by(argument, Handle(pid.get() as u64));
            }
            Op::Cancel { entry } => self.cancel(entry),
            Op::AddEvent { handler, argument, value: _ } => {
                self.events.push_back(entry(handler, EntryKind::Event, argument, None, None));
            }
            Op::AddTerminateStart { handler } => {
                self.events.push_back(entry(handler, EntryKind::Event, None, None, None));
            }
            Op::TerminateChildren { signal, ending } => self.terminate_children(signal, ending),
            Op::Cleanup { .. } => {
                self.timers.clear();
                self.events.clear();
                self.ready.clear();
            }
            Op::ReadClock => {
                self.read_clock();
            }
            Op::CountChildren => {
                let count = u32::try_from(self.children.len()).expect("a few");
                self.world.children_counted(count);
            }
            Op::Terminate => self.over = true,
            // These worlds have no instance.
            Op::AddBase | Op::ShutdownTimerRuns(_) => {}
        }
        Ok(())
    }

    fn look(&mut self, _: treefall_model::event::Step) {}
}

fn entry(
    handler: Handler,
    kind: EntryKind,
    argument: Option<ScriptRef>,
    pid: Option<Pid>,
    due: Option<Instant>,
) -> Entry {
    let lasting = matches!(handler, Handler::TimerFd | Handler::SignalFd);
    Entry { dispatch: Dispatch { handler, kind, argument, pid, status: 0 }, due, lasting }
}

impl<'t> Fake<'t> {
    /// Plays a trace with no defect, and tells its history.
    pub(crate) fn play(trace: &'t Trace) -> Vec<String> {
        let mut fake = Fake {
            world: World::new(trace, Rules::mended(), Notes::default()),
            now: Instant::START,
            timers: Vec::new(),
            children: Vec::new(),
            ready: VecDeque::new(),
            events: VecDeque::new(),
            shutting_down: false,
            over: false,
        };
        fake.world.start();
        fake.carry_out();
        let end = fake.run();
        fake.world.finish(end);
        let records = fake.world.into_observer().0;
        records.iter().map(|Record { at, event }| format!("{at} {}", tell(event))).collect()
    }

    fn carry_out(&mut self) {
        let Ok(()) = carry_out(self);
    }

    fn read_clock(&mut self) -> Instant {
        self.now = self.world.clock();
        self.now
    }

    fn run(&mut self) -> End {
        while !self.is_over() {
            assert_eq!(self.world.limit(), None, "the loop does not block");
            if let Some(entry) = self.events.pop_front().or_else(|| self.ready.pop_front()) {
                self.serve(entry);
            } else if let Woken::End(end) = self.block() {
                return end;
            }
        }
        End::LoopReturned
    }

    /// The loop returns when it is told to or no child is left in a shutdown, but not before a child's timeout
    /// or exit that waits on READY was served.
    fn is_over(&self) -> bool {
        let told = self.over || self.shutting_down && self.children.is_empty();
        told && !self.ready.iter().any(|entry| entry.dispatch.pid.is_some())
    }

    fn block(&mut self) -> Woken {
        let due = self.timers.iter().chain(&self.children).filter_map(|entry| entry.due).min();
        let now = self.read_clock();
        self.world.arm_timer(due.map(|due| due.saturating_since(now)));
        let woken = self.world.block();
        if let Woken::Ready { first, second, third } = woken {
            for descriptor in [Some(first), second, third].into_iter().flatten() {
                let handler = match descriptor {
                    Descriptor::Timer => Handler::TimerFd,
                    Descriptor::Signals => Handler::SignalFd,
                    Descriptor::Netlink => continue,
                };
                self.ready.push_back(entry(handler, EntryKind::Ready, None, None, None));
            }
        }
        self.read_clock();
        woken
    }

    fn serve(&mut self, entry: Entry) {
        let dispatch = entry.dispatch;
        let of_child = matches!(dispatch.kind, EntryKind::ChildTimeout | EntryKind::ChildTerminated);
        if self.shutting_down && !entry.lasting && !of_child {
            return;
        }
        self.shutting_down |= dispatch.handler == Handler::TerminateStart;
        match dispatch.handler {
            Handler::TimerFd => self.expire(),
            Handler::SignalFd => self.serve_signals(),
            Handler::Killer => {
                if dispatch.kind == EntryKind::ChildTimeout {
                    self.world.send(Target::Group(dispatch.pid.expect("a child")), Signal::KILL);
                }
            }
            _ => {
                self.world.begin(dispatch);
                self.carry_out();
            }
        }
    }

    fn expire(&mut self) {
        assert!(self.world.read_timer());
        let now = self.now;
        for (entries, kind) in
            [(&mut self.timers, EntryKind::Ready), (&mut self.children, EntryKind::ChildTimeout)]
        {
            let is_due = |entry: &Entry| entry.due.is_some_and(|due| due <= now);
            let mut due: Vec<_> = entries.iter().copied().filter(is_due).collect();
            entries.retain(|entry| !is_due(entry));
            due.sort_by_key(|entry| entry.due);
            let queued =
                due.into_iter().map(|entry| Entry { dispatch: Dispatch { kind, ..entry.dispatch }, ..entry });
            self.ready.extend(queued);
        }
    }

    fn serve_signals(&mut self) {
        while let Some(signal) = self.world.read_signal() {
            if signal == Signal::CHLD {
                while let Some((pid, status)) = self.world.reap() {
                    self.ended(pid, status);
                }
            } else {
                self.world.begin_signal(signal);
                self.carry_out();
            }
        }
    }

    fn ended(&mut self, pid: Pid, status: ExitStatus) {
        let has_pid = |entry: &&mut Entry| entry.dispatch.pid == Some(pid);
        let mark = |dispatch: &mut Dispatch| {
            dispatch.kind = EntryKind::ChildTerminated;
            dispatch.status = status.raw();
        };
        if let Some(queued) = self.ready.iter_mut().find(has_pid) {
            mark(&mut queued.dispatch);
        } else if let Some(place) = self.children.iter().position(|entry| entry.dispatch.pid == Some(pid)) {
            let mut entry = self.children.remove(place);
            mark(&mut entry.dispatch);
            self.ready.push_back(entry);
        }
    }

    /// The latest entry of that pid: one whose exit waits on READY leaves its pid to others.
    fn cancel(&mut self, handle: Handle) {
        let is = |entry: &Entry| {
            entry.dispatch.pid.map(|pid| pid.get() as u64) == Some(handle.0)
                && entry.dispatch.handler == Handler::TrackChild
        };
        let tracked = self.children.iter().rposition(is).map(|place| self.children.remove(place));
        let queued = || {
            let place = self.ready.iter().rposition(is);
            place.and_then(|place| self.ready.remove(place))
        };
        let entry = tracked.or_else(queued).expect("a script that is not idle has an entry");
        self.world.cancelled(entry.dispatch.kind);
    }

    fn terminate_children(&mut self, signal: Signal, ending: Ending) {
        let due = Some(self.read_clock() + GRACE);
        for place in 0..self.children.len() {
            let pid = self.children[place].dispatch.pid.expect("a child");
            let group = self.world.group_of(pid.get()).expect("it is not reaped");
            self.world.send(Target::Group(group), signal);
            if signal == Signal::TERM {
                let entry = &mut self.children[place];
                entry.due = due;
                entry.dispatch.handler = Handler::Killer;
                entry.dispatch.argument = None;
            }
        }
        assert!(ending == Ending::Shutdown || !self.shutting_down, "no reload once a shutdown has begun");
    }
}
