//! Traces in few words, a history in few words.

use treefall_model::event::{EntryKind, Event, FailedBy, Handler, LogLine, Record, Step, Target};
use treefall_model::id::{Pid, Run, ScriptRef};
use treefall_model::index::IndexView;
use treefall_model::observe::Observer;
use treefall_model::release::Rules;
use treefall_model::time::{Instant, Span};
use treefall_model::trace::{Config, Name, OnTerm, Script, Setup, Trace, Wake, run};
use treefall_world::{Dispatch, Op, World};

/// Writes every record down.
#[derive(Default)]
pub(crate) struct Notes(pub(crate) Vec<Record>);

impl Observer for Notes {
    fn record(&mut self, record: &Record) {
        self.0.push(*record);
    }
    fn step<V: IndexView>(&mut self, _: Step, _: Instant, _: &V) {}
}

pub(crate) fn ms(millis: u64) -> Span {
    Span::from_millis(millis)
}

pub(crate) fn s(seconds: u64) -> Span {
    Span::from_secs(seconds)
}

pub(crate) fn pid(raw: i32) -> Pid {
    Pid::new(raw).expect("a pid")
}

pub(crate) fn of(script: u16, generation: u32) -> ScriptRef {
    run(script, generation, 1).of
}

/// A script with the defaults of keepalived, its children ignoring SIGTERM.
pub(crate) fn stubborn(place: usize) -> Script {
    let mut script = script(place);
    script.habit.on_term = OnTerm::Ignores;
    script
}

pub(crate) fn script(place: usize) -> Script {
    Script::new(Name::numbered(place))
}

/// A setup of one configuration.
pub(crate) fn setup(scripts: Vec<Script>) -> Setup {
    Setup { configs: vec![Config { scripts }], ..Setup::default() }
}

pub(crate) fn trace(scripts: Vec<Script>, wakes: Vec<Wake>) -> Trace {
    Trace::new(setup(scripts), wakes).expect("a valid trace")
}

pub(crate) fn world(trace: &Trace) -> World<'_, Notes> {
    World::new(trace, Rules::mended(), Notes::default())
}

/// A dispatch of a script's handler.
pub(crate) fn dispatch(handler: Handler, kind: EntryKind, argument: ScriptRef) -> Dispatch {
    Dispatch { handler, kind, argument: Some(argument), pid: None, status: 0 }
}

/// The tick of a script.
pub(crate) fn tick(argument: ScriptRef) -> Dispatch {
    dispatch(Handler::Tick, EntryKind::Ready, argument)
}

/// The timeout of a script's child.
pub(crate) fn timeout(argument: ScriptRef, pid: Pid) -> Dispatch {
    Dispatch { pid: Some(pid), ..dispatch(Handler::TrackChild, EntryKind::ChildTimeout, argument) }
}

/// The exit of a script's child.
pub(crate) fn exit(argument: ScriptRef, pid: Pid, status: treefall_model::signal::ExitStatus) -> Dispatch {
    Dispatch {
        pid: Some(pid),
        status: status.raw(),
        ..dispatch(Handler::TrackChild, EntryKind::ChildTerminated, argument)
    }
}

/// Begins a handler and takes all that it asks for; children are counted as `children`.
pub(crate) fn ops_with(world: &mut World<'_, Notes>, dispatch: Dispatch, children: u32) -> Vec<Op> {
    world.begin(dispatch);
    rest(world, children)
}

/// Begins a handler and takes all that it asks for.
pub(crate) fn ops(world: &mut World<'_, Notes>, dispatch: Dispatch) -> Vec<Op> {
    ops_with(world, dispatch, 0)
}

pub(crate) fn rest(world: &mut World<'_, Notes>, children: u32) -> Vec<Op> {
    let mut ops = Vec::new();
    while let Some(op) = world.next_op() {
        if op == Op::CountChildren {
            world.children_counted(children);
        }
        ops.push(op);
    }
    ops
}

/// The pid that an operation watches.
pub(crate) fn watched(ops: &[Op]) -> Pid {
    let pid = ops.iter().find_map(|op| match op {
        Op::AddChild { pid, .. } => Some(*pid),
        _ => None,
    });
    pid.expect("a child is watched")
}

/// What was recorded since the last look, without times, a line each.
pub(crate) fn heard(world: &mut World<'_, Notes>) -> Vec<String> {
    world.observer().0.drain(..).map(|record| tell(&record.event)).collect()
}

/// The same with times.
pub(crate) fn heard_at(world: &mut World<'_, Notes>) -> Vec<String> {
    let records = world.observer().0.drain(..);
    records.map(|Record { at, event }| format!("{at} {}", tell(&event))).collect()
}

fn script_of(script: ScriptRef) -> String {
    format!("{}@{}", script.script.0, script.generation.0)
}

fn run_of(run: Option<Run>) -> String {
    run.map_or("-".into(), |run| run.to_string())
}

/// An event in few words.
pub(crate) fn tell(event: &Event) -> String {
    match *event {
        Event::Blocked { deadline } => format!("blocked {deadline}"),
        Event::Woke { wakes, timer, signals } => {
            let what = match (timer, signals) {
                (true, true) => "timer signals",
                (true, false) => "timer",
                (false, true) => "signals",
                (false, false) => "nothing",
            };
            format!("woke {wakes} {what}")
        }
        Event::Exited { run, status } => format!("exited {run} {status}"),
        Event::Moot { run } => format!("moot {run}"),
        Event::SignalRead { signal } => format!("read {signal}"),
        Event::Dispatched { handler, script, run, .. } => {
            let script = script.map_or(String::new(), |script| format!(" {}", script_of(script)));
            let run = run.map_or(String::new(), |run| format!(" {run}"));
            format!("{}{script}{run}", handler.name())
        }
        Event::Started { run, pid } => format!("started {run} {pid}"),
        Event::StartFailed { script, start } => format!("start {} failed {}", start.0, script_of(script)),
        Event::Signalled { target, run, signal, answer } => {
            let target = match target {
                Target::Group(pid) => format!("group {pid}"),
                Target::Process(pid) => format!("process {pid}"),
                Target::OwnGroup => "own group".into(),
                Target::Everyone => "everyone".into(),
            };
            format!("{signal} to {target} {} {answer:?}", run_of(run))
        }
        Event::Reaped { run, status, .. } => format!("reaped {run} {status}"),
        Event::Logged(line) => format!("log {}", tell_line(line)),
        Event::ReloadBegun { config, generation } => format!("reload begun {} {}", config.0, generation.0),
        Event::ReloadDone { generation } => format!("reload done {}", generation.0),
        Event::LinkRead { link, up } => format!("link {} {}", link.0, if up { "up" } else { "down" }),
        Event::TerminationBegun => "termination begun".into(),
        Event::Cancelled { run, entry } => format!("cancelled {run} {}", entry.name()),
        Event::Ended(end) => format!("ended {end:?}"),
    }
}

fn tell_line(line: LogLine) -> String {
    match line {
        LogLine::Skipped { script, timing_out: true } => format!("{} being timed out", script_of(script)),
        LogLine::Skipped { script, .. } => format!("{} already running", script_of(script)),
        LogLine::NowReturning { script, code } => format!("{} now returning {code}", script_of(script)),
        LogLine::Succeeded { script } => format!("{} succeeded", script_of(script)),
        LogLine::Failed { script, by } => {
            let by = match by {
                FailedBy::Code(code) => format!("status {code}"),
                FailedBy::Signal(signal) => format!("{signal}"),
                FailedBy::TimedOut => "timed out".into(),
            };
            format!("{} failed {by}", script_of(script))
        }
        LogLine::Carried { script, up } => format!("{} carried {up}", script_of(script)),
        LogLine::FailedToTerminate { pid, .. } => format!("{pid} failed to terminate"),
        LogLine::Lost { pid, .. } => format!("{pid} lost"),
        LogLine::KillFailed { pid, signal, .. } => format!("{signal} to {pid} failed"),
        LogLine::ForkFailed { script } => format!("{} fork failed", script_of(script)),
        LogLine::Backstop { children } => format!("backstop {children}"),
        LogLine::Late { by } => format!("late {by}"),
    }
}
