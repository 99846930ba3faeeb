//! Five histories of keepalived 2.2.7, computed by hand from keepalived.md, sections 3 to 6.
//!
//! Data alone, for every crate's tests (`#[path]`): the model judges them, replica and real program must show
//! them. Where 2.2.7 uses a freed entry the history ends: what follows is the heap's doing.

use treefall_model::event::{Answer, End, EntryKind, Event, Handler, Record, Target};
use treefall_model::id::{ConfigId, Generation, Pid, Run};
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::{Deadline, Instant, Span};
use treefall_model::trace::{Advance, Config, Name, OnTerm, Script, Setup, Trace, Wake, run};

/// A trace and what 2.2.7 shows of it.
pub(crate) struct Hand {
    /// What it is called.
    pub(crate) name: &'static str,
    /// The input.
    pub(crate) trace: Trace,
    /// The history, to its end or to where a freed entry is used.
    pub(crate) records: Vec<Record>,
    /// Whether 2.2.7 then dies.
    pub(crate) dies: bool,
}

/// All five.
pub(crate) fn histories() -> Vec<Hand> {
    vec![timer_first(), signals_first(), with_exit(), two_scripts(), stubborn()]
}

/// Scripts with an interval of three seconds and a timeout of two.
fn trace(scripts: usize, on_term: OnTerm, wakes: Vec<Wake>) -> Trace {
    let script = |place| {
        let mut script = Script::new(Name::numbered(place));
        script.interval = Span::from_secs(3);
        script.timeout = Span::from_secs(2);
        script.habit.on_term = on_term;
        script
    };
    let configs = vec![Config { scripts: (0..scripts).map(script).collect() }];
    Trace::new(Setup { configs, ..Setup::default() }, wakes).expect("a valid trace")
}

const DIES: OnTerm = OnTerm::Dies(Span::ZERO);

/// Puts an instant, in whole seconds, before each event.
fn at(seconds: u64, events: Vec<Event>) -> Vec<Record> {
    let at = Instant::START + Span::from_secs(seconds);
    events.into_iter().map(|event| Record { at, event }).collect()
}

fn pid(number: i32) -> Pid {
    Pid::new(number).expect("a pid")
}

fn blocked(seconds: u64) -> Event {
    Event::Blocked { deadline: Deadline::At(Instant::START + Span::from_secs(seconds)) }
}

fn woke(wakes: u32, timer: bool, signals: bool) -> Event {
    Event::Woke { wakes, timer, signals }
}

fn program(handler: Handler) -> Event {
    Event::Dispatched { handler, entry: EntryKind::Ready, script: None, run: None }
}

fn event(handler: Handler) -> Event {
    Event::Dispatched { handler, entry: EntryKind::Event, script: None, run: None }
}

/// The first tick of the script of `run`, and the run.
fn starts(run: Run, number: i32) -> [Event; 2] {
    let tick = Event::Dispatched {
        handler: Handler::Tick,
        entry: EntryKind::Event,
        script: Some(run.of),
        run: None,
    };
    [tick, Event::Started { run, pid: pid(number) }]
}

fn read(signal: Signal) -> Event {
    Event::SignalRead { signal }
}

fn sent(signal: Signal, run: Run, number: i32) -> Event {
    let target = Target::Group(pid(number));
    Event::Signalled { target, run: Some(run), signal, answer: Answer::Delivered }
}

fn reaped(run: Run, number: i32, status: ExitStatus) -> Event {
    Event::Reaped { run, pid: pid(number), status }
}

const BEGUN: Event = Event::ReloadBegun { config: ConfigId(0), generation: Generation(1) };
const DONE: Event = Event::ReloadDone { generation: Generation(1) };
const OVER: Event = Event::Ended(End::TraceExhausted);

/// The process starts one script, whose timeout is the first thing due.
fn one_script_starts() -> Vec<Record> {
    let mut events = vec![event(Handler::Dispatcher)];
    events.extend(starts(run(0, 0, 1), 1001));
    events.push(blocked(2));
    at(0, events)
}

/// Timeout and reload in one wake. The timer handler queues the timeout; the reload finds CHILD empty, drops
/// what is on READY and frees it, and the pid tree still links it: the restart walks over it.
fn timer_first() -> Hand {
    let mut records = one_script_starts();
    records.extend(at(
        2,
        vec![
            woke(1, true, true),
            program(Handler::TimerFd),
            program(Handler::SignalFd),
            read(Signal::HUP),
            event(Handler::Reload),
            BEGUN,
            DONE,
            event(Handler::Dispatcher),
        ],
    ));
    records.extend(at(2, starts(run(0, 1, 1), 1002).to_vec()));
    let wakes = vec![Wake::next_timer().hup(ConfigId(0))];
    Hand { name: "timer first", trace: trace(1, DIES, wakes), records, dies: true }
}

/// The same, the signals reported first: the reload finds the child in CHILD and tells it to die, which it
/// does; the due timer vanishes with READY; the new run starts beside the old one.
fn signals_first() -> Hand {
    let (old, new) = (run(0, 0, 1), run(0, 1, 1));
    let status = ExitStatus::Signal(Signal::TERM);
    let mut events = vec![
        woke(1, true, true),
        program(Handler::SignalFd),
        read(Signal::HUP),
        event(Handler::Reload),
        BEGUN,
        sent(Signal::TERM, old, 1001),
        Event::Exited { run: old, status },
        DONE,
        event(Handler::Dispatcher),
    ];
    events.extend(starts(new, 1002));
    // The killer's second, though the child is a zombie by now.
    events.extend([blocked(3), woke(1, false, true), program(Handler::SignalFd), read(Signal::CHLD)]);
    // Its killer has nothing to do; the new run's timeout is next.
    events.extend([reaped(old, 1001, status), blocked(4), OVER]);
    let mut records = one_script_starts();
    records.extend(at(2, events));
    let wakes = vec![Wake::next_timer().hup(ConfigId(0)).signals_first()];
    Hand { name: "signals first", trace: trace(1, DIES, wakes), records, dies: false }
}

/// Timeout, exit and reload in one wake: the exit finds the queued timeout and takes it out of the pid tree,
/// and the reload drops it: the result is lost, the tree is whole.
fn with_exit() -> Hand {
    let (old, new) = (run(0, 0, 1), run(0, 1, 1));
    let mut events = vec![
        Event::Exited { run: old, status: ExitStatus::SUCCESS },
        woke(1, true, true),
        program(Handler::TimerFd),
        program(Handler::SignalFd),
        read(Signal::HUP),
        read(Signal::CHLD),
        reaped(old, 1001, ExitStatus::SUCCESS),
        event(Handler::Reload),
        BEGUN,
        DONE,
        event(Handler::Dispatcher),
    ];
    events.extend(starts(new, 1002));
    events.extend([blocked(4), OVER]);
    let mut records = one_script_starts();
    records.extend(at(2, events));
    let wakes = vec![Wake::next_timer().exit(old, ExitStatus::SUCCESS).hup(ConfigId(0))];
    Hand { name: "with exit", trace: trace(1, DIES, wakes), records, dies: false }
}

/// Two scripts time out, one of them exits, and a reload, in one wake: one freed entry is left linked, and the
/// first restart uses it.
fn two_scripts() -> Hand {
    let (first, second) = (run(0, 0, 1), run(1, 0, 1));
    let mut events = vec![event(Handler::Dispatcher)];
    events.extend(starts(first, 1001));
    events.extend(starts(second, 1002));
    events.push(blocked(2));
    let mut records = at(0, events);
    let mut events = vec![
        Event::Exited { run: first, status: ExitStatus::SUCCESS },
        woke(1, true, true),
        program(Handler::TimerFd),
        program(Handler::SignalFd),
        read(Signal::HUP),
        read(Signal::CHLD),
        reaped(first, 1001, ExitStatus::SUCCESS),
        event(Handler::Reload),
        BEGUN,
        DONE,
        event(Handler::Dispatcher),
    ];
    events.extend(starts(run(0, 1, 1), 1003));
    records.extend(at(2, events));
    let wakes = vec![Wake::next_timer().exit(first, ExitStatus::SUCCESS).hup(ConfigId(0))];
    Hand { name: "two scripts", trace: trace(2, DIES, wakes), records, dies: true }
}

/// A child that ignores the reload's SIGTERM is killed a second after it, its successor running.
fn stubborn() -> Hand {
    let (old, new) = (run(0, 0, 1), run(0, 1, 1));
    let status = ExitStatus::Signal(Signal::KILL);
    let mut records = one_script_starts();
    let mut events = vec![
        woke(1, false, true),
        program(Handler::SignalFd),
        read(Signal::HUP),
        event(Handler::Reload),
        BEGUN,
        sent(Signal::TERM, old, 1001),
        DONE,
        event(Handler::Dispatcher),
    ];
    events.extend(starts(new, 1002));
    events.push(blocked(2));
    records.extend(at(1, events));
    // The killer is the program's own: its dispatch is not shown, its signal is.
    let events = vec![
        woke(2, true, false),
        program(Handler::TimerFd),
        sent(Signal::KILL, old, 1001),
        Event::Exited { run: old, status },
        blocked(3),
        woke(2, false, true),
        program(Handler::SignalFd),
        read(Signal::CHLD),
        reaped(old, 1001, status),
        blocked(3),
        OVER,
    ];
    records.extend(at(2, events));
    let wakes = vec![Wake::new(Advance::By(Span::from_secs(1))).hup(ConfigId(0)), Wake::next_timer()];
    Hand { name: "stubborn", trace: trace(1, OnTerm::Ignores, wakes), records, dies: false }
}
