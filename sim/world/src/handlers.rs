//! Handlers of the script layer: how one begins, and how its actions are executed one by one.
//!
//! A handler does not run in one go. [`World::begin`] records its beginning and queues its [`Action`]s.
//! [`World::next_op`] executes them in order until one is an operation for the scheduler, which it returns; `None`
//! means that the handler has returned. Events and operations therefore come in the program's own order, time can pass
//! between them, and the kernel's answer to one action (a start that fails, a child that is lost) decides the next.

use treefall_model::event::{EntryKind, Event, Handler, LogLine, Target};
use treefall_model::id::{Pid, Run, ScriptRef};
use treefall_model::observe::Observer;
use treefall_model::signal::Signal;
use treefall_model::trace::ScriptKind;

use crate::layer::{Action, Counted, State};
use crate::ops::{Dispatch, Op};
use crate::world::World;

impl<O: Observer> World<'_, O> {
    /// Starts the process: base entries are added, and the first configuration is put in force.
    pub fn start(&mut self) {
        self.layer.then(Action::Op(Op::AddBase));
        self.put_in_force();
    }

    /// Puts the configuration that was read in force: its fifo scripts start, and the dispatcher, which starts all
    /// others, goes on EVENT.
    pub(crate) fn put_in_force(&mut self) {
        self.layer.then(Action::StartFifos(0));
        self.layer.then(Action::Op(Op::AddEvent { handler: Handler::Dispatcher, argument: None, value: 0 }));
    }

    /// Begins a handler of the script layer. The caller then executes its operations: [`carry_out`].
    ///
    /// Does nothing for the timer and signal handlers, which show by reading their descriptors, and for the killer,
    /// which shows nowhere: they are not handlers of the script layer.
    ///
    /// [`carry_out`]: crate::carry_out
    pub fn begin(&mut self, dispatch: Dispatch) {
        self.count_step();
        let Dispatch { handler, kind, argument, pid, .. } = dispatch;
        if matches!(handler, Handler::TimerFd | Handler::SignalFd | Handler::Killer) {
            return;
        }
        let of_child = matches!(handler, Handler::TrackChild | Handler::MiscChild | Handler::FifoChild);
        let pid = pid.filter(|_| of_child);
        let run = pid.and_then(|pid| self.run_of(pid, argument));
        self.out.counts.timeouts += u64::from(kind == EntryKind::ChildTimeout);
        self.emit(Event::Dispatched { handler, entry: kind, script: argument, run });
        self.kernel.spend_callback();
        match handler {
            Handler::Dispatcher => self.layer.then(Action::Dispatch(0)),
            Handler::Reload => self.begin_reload(),
            Handler::TerminateStart => self.begin_shutdown(),
            Handler::ShutdownTimer => self.shutdown_timer(),
            Handler::Backstop => self.backstop(),
            Handler::Tick | Handler::TrackChild | Handler::MiscTick | Handler::MiscChild => {
                if let Some(script) = argument {
                    self.begin_of_script(dispatch, script);
                }
            }
            // A fifo script is not restarted.
            Handler::FifoChild | Handler::TimerFd | Handler::SignalFd | Handler::Killer => {}
        }
    }

    fn begin_of_script(&mut self, dispatch: Dispatch, script: ScriptRef) {
        match dispatch.handler {
            Handler::Tick => self.tick(script),
            Handler::TrackChild => self.track_child(script, dispatch),
            Handler::MiscTick => self.layer.then(Action::Start(script, Handler::MiscChild)),
            _ => self.misc_child(script, dispatch),
        }
    }

    /// Returns the run that a child's entry means; nearly always the last run of the script that its argument names.
    fn run_of(&mut self, pid: Pid, argument: Option<ScriptRef>) -> Option<Run> {
        if let Some(of) = argument
            && let Some(script) = self.layer.script(of)
            && script.last_pid == Some(pid)
        {
            return Some(Run { of, nth: script.started });
        }
        self.kernel.run_meant(pid, argument)
    }

    /// Runs the program's handler for a signal that it read. Only SIGHUP and SIGTERM have handlers in the world; no
    /// instance is in MASTER, so a reload goes on EVENT at once.
    pub fn begin_signal(&mut self, signal: Signal) {
        self.count_step();
        match signal {
            Signal::HUP => {
                let reload = Op::AddEvent { handler: Handler::Reload, argument: None, value: 0 };
                self.layer.then(Action::Op(reload));
            }
            Signal::TERM => {
                self.layer.then(Action::Op(Op::AddTerminateStart { handler: Handler::TerminateStart }));
            }
            _ => {}
        }
    }

    /// Returns the handler's next operation; `None` when the handler has returned.
    pub fn next_op(&mut self) -> Option<Op> {
        while let Some(action) = self.layer.actions.pop_front() {
            if let Some(op) = self.work_off(action) {
                self.count_step();
                return Some(op);
            }
        }
        None
    }

    fn work_off(&mut self, action: Action) -> Option<Op> {
        match action {
            Action::Op(op) => return Some(op),
            Action::Log(line) => self.logged(line),
            Action::Event(event) => self.emit(event),
            Action::StartFifos(place) => return self.start_fifos(place),
            Action::Dispatch(place) => return self.dispatch(place),
            Action::Start(script, handler) => return self.start_run(script, handler),
            Action::TellToEnd { script, handler, pid, signal, grace } => {
                let answer = self.send(Target::Group(pid), signal);
                return match handler {
                    Handler::MiscChild => self.misc_told(script, pid, signal, grace, answer),
                    _ => self.track_told(script, pid, signal, grace, answer),
                };
            }
            Action::Cancel(script) => return self.cancel_run(script),
            Action::KillGroup(pid) => {
                self.send(Target::Group(pid), Signal::KILL);
            }
            Action::ArmMisc(script) => return self.arm_misc(script),
            Action::Count(who) => {
                self.layer.counting = Some(who);
                return Some(Op::CountChildren);
            }
            Action::ReadConfig(config) => self.read_config(config),
            Action::ReloadDone => {
                self.out.counts.reloads += 1;
                self.emit(Event::ReloadDone { generation: self.layer.generation() });
            }
        }
        None
    }

    /// Starts the next fifo script, in the order of the configuration; one whose fork fails is skipped.
    fn start_fifos(&mut self, from: u16) -> Option<Op> {
        let scripts = self.layer.current.get(usize::from(from)..)?;
        let ahead = scripts.iter().position(|script| script.spec.kind == ScriptKind::Fifo)?;
        let place = from + u16::try_from(ahead).ok()?;
        self.layer.actions.push_front(Action::StartFifos(place + 1));
        self.start_run(self.layer.in_force(place), Handler::FifoChild)
    }

    /// Dispatches a script: an event for its first tick. A fifo script has started before.
    fn dispatch(&mut self, place: u16) -> Option<Op> {
        let spec = self.layer.current.get(usize::from(place))?.spec;
        // Microseconds, cut to the width of the word.
        let interval = spec.interval.as_micros() as i32;
        self.layer.actions.push_front(Action::Dispatch(place + 1));
        let argument = Some(self.layer.in_force(place));
        match spec.kind {
            ScriptKind::Track | ScriptKind::Cancelling => {
                Some(Op::AddEvent { handler: Handler::Tick, argument, value: interval })
            }
            ScriptKind::Misc => Some(Op::AddEvent { handler: Handler::MiscTick, argument, value: 0 }),
            ScriptKind::Fifo => None,
        }
    }

    /// Starts a run and has its child watched. A start that fails leaves the script as it is.
    fn start_run(&mut self, script: ScriptRef, handler: Handler) -> Option<Op> {
        let Some(pid) = self.spawn(script) else {
            // The state stays: where a skipped run starts all the same, the run before continues.
            self.logged(LogLine::ForkFailed { script });
            return None;
        };
        let state = self.layer.script(script)?;
        state.state = State::Running;
        let after = if handler == Handler::FifoChild { None } else { Some(state.spec.timeout) };
        Some(Op::AddChild { handler, argument: Some(script), pid, after })
    }

    /// Forks a child for `script`; `None` when that fails, or when no such script is known.
    pub fn spawn(&mut self, script: ScriptRef) -> Option<Pid> {
        self.count_step();
        let now = self.kernel.now();
        let state = self.layer.script(script)?;
        state.last_start = now;
        let run = Run { of: script, nth: state.started + 1 };
        let habit = state.spec.habit;
        let pid = self.kernel.fork(run, habit, &mut self.out)?;
        self.started(run, pid);
        Some(pid)
    }

    /// Notes that a run was started.
    pub(crate) fn started(&mut self, run: Run, pid: Pid) {
        if let Some(state) = self.layer.script(run.of) {
            state.started = run.nth;
            state.last_pid = Some(pid);
        }
    }

    /// Answers [`Op::CountChildren`]: the number of entries in CHILD.
    pub fn children_counted(&mut self, children: u32) {
        self.count_step();
        match self.layer.counting.take() {
            Some(Counted::TerminateStart) => self.shut_down(children),
            Some(Counted::ShutdownTimer) => self.shutdown_timer_ends(children),
            Some(Counted::Backstop) => self.backstop_ends(children),
            None => {}
        }
    }
}
