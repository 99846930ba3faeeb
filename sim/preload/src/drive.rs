//! Runs one trace on the real scheduler: the world around it, and the operations that the world asks for.
//!
//! Invariants: no borrow of the world is held over a call into the program, because the program calls back. Indexes are
//! looked at exactly where the replica's are: when a handler of the script layer begins, after each operation, and
//! before the loop blocks.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ptr;

use treefall_model::event::{End, EntryKind, Handler, Step, SubjectKind};
use treefall_model::id::Pid;
use treefall_model::index::{Block, Entry, IndexView as _, Link, List, Tree};
use treefall_model::observe::{Observed, Observer as _, Watch, shall_tell_changes};
use treefall_model::signal::Signal;
use treefall_model::time::Span;
use treefall_model::trace::Trace;
use treefall_model::verdict::Outcome;
use treefall_model::violation::EntryFacts;
use treefall_world::wire::{Called, Options};
use treefall_world::{Counts, Descriptor, Dispatch, Ending, Handle, Op, Woken, World};

use crate::escape::{Left, escape, shelter};
use crate::fatal::{self, fatal};
use crate::layout::{View, field, layout, tagged, untagged};
use crate::program::NEVER;
use crate::registers::Registers;
use crate::single::{Mode, Single, set_mode};
use crate::{callbacks, crash, descriptors, heap, ledger, program, progress, stopped, watchdog};

/// State of the trace that is running.
pub struct Session {
    /// The world around the scheduler.
    pub world: World<'static, Watch<'static>>,
    /// Address of the program's master; 0: there is none to look at.
    pub master: usize,
    /// Whether the indexes are looked at.
    looks: bool,
    /// Whether the observer learns what changed.
    tells_changes: bool,
    /// Whether the base entries are those that the master came with.
    fresh: bool,
    /// Whether a memory law is violated.
    broken: bool,
    /// Whether calls are reported.
    ledger: bool,
    /// Whether the signal handler is still reading.
    reading: bool,
    /// Whether the calls that lead to a moment of the run are to be kept, and that moment has not come.
    awaits_spot: bool,
    end: Option<End>,
}

impl Session {
    #[inline]
    fn view(&self) -> View {
        View::now(self.master, self.tells_changes)
    }
}

static SESSION: Single<*mut Session> = Single::new(ptr::null_mut());

/// Calls `work` with the running trace. Must not be called from inside `work`.
#[inline]
pub fn with<R>(work: impl FnOnce(&mut Session) -> R) -> R {
    progress::set_in_harness(true);
    // SAFETY: the pointer is that of the session whose program calls; one thread, and `work` calls nothing of
    // the program's, so this is the only reference.
    let session = unsafe { &mut *SESSION.get() };
    let result = work(session);
    if session.awaits_spot && session.world.observer().is_spotted() {
        session.awaits_spot = false;
        stopped::keep(stopped::Place::Stopped, Registers::here());
    }
    progress::set_in_harness(false);
    result
}

/// Result of a run.
pub struct Ran {
    /// What was observed.
    pub observed: Observed,
    /// Counts of what happened.
    pub counts: Counts,
    /// Whether the program crashed, hung or strayed; [`stopped`] has the place.
    pub faulted: bool,
    /// The calls that the program made, if they were asked for.
    pub ledger: Vec<Called>,
}

/// Runs a trace with a fresh master. `None`: the harness failed; see [`fatal`](mod@crate::fatal).
pub fn run(trace: &'static Trace, options: &Options) -> Option<Ran> {
    heap::reset(trace.setup().heap);
    descriptors::reset();
    program::restore_variables();
    open(trace, options, SubjectKind::Engine);
    set_mode(Mode::Run);
    let left = shelter(from_the_start);
    if left == Left::Returned {
        finish(End::LoopReturned);
    }
    conclude(left)
}

/// Begins the session of a trace, which the hooks use from now on.
pub fn open(trace: &'static Trace, options: &Options, kind: SubjectKind) {
    enter(trace, options, kind);
    ledger::begin();
    watchdog::blocked();
    heap::follow(options.follow);
    stopped::forget();
}

/// Begins the session of a trace where another session is, whose program made `steps` calls without effect.
pub fn replace(trace: &'static Trace, options: &Options, kind: SubjectKind, steps: u64) {
    enter(trace, options, kind);
    with(|session| session.world.repeat(steps));
}

fn enter(trace: &'static Trace, options: &Options, kind: SubjectKind) {
    let watch = Watch::new(trace.setup(), kind, options.watch);
    let looks = watch.looks();
    let tells_changes = shall_tell_changes(trace.setup());
    let world = World::new(trace, options.rules.rules(), watch);
    let ledger = options.ledger;
    let session = Session {
        world,
        master: 0,
        looks,
        tells_changes,
        fresh: true,
        broken: false,
        ledger,
        reading: false,
        awaits_spot: options.watch.spot.is_some(),
        end: None,
    };
    callbacks::set_dispatched(dispatched);
    SESSION.set(Box::into_raw(Box::new(session)));
}

/// Ends the session of a program that was left like this. `None`: the harness failed.
pub fn conclude(left: Left) -> Option<Ran> {
    let session = SESSION.get();
    SESSION.set(ptr::null_mut());
    // SAFETY: made from a box in `open`; the program is left, nothing else has the pointer.
    let mut session = unsafe { Box::from_raw(session) };
    let outcome = match (left, session.end) {
        (Left::Fatal, _) => return None,
        (Left::Strayed, _) => {
            session.world.observer().stray(fatal::noted());
            Outcome::Survived
        }
        (Left::Crashed, _) => Outcome::Crashed { signal: Signal::new(crash::signal())?, function: None },
        (Left::Hung, _) | (_, Some(End::NoProgress)) => Outcome::Hung { function: None },
        _ => Outcome::Survived,
    };
    if left == Left::Crashed
        && let Some(block) = crash::used_after_free()
    {
        let Entry { kind, pid, .. } = session.view().entry(block);
        session.world.observer().used_after_free(EntryFacts { block, kind, pid });
    }
    let counts = session.world.counts();
    let ledger = if session.ledger { ledger::told() } else { Vec::new() };
    let observed = session.world.into_observer().finish(outcome);
    Some(Ran {
        observed,
        counts,
        faulted: matches!(left, Left::Crashed | Left::Hung | Left::Strayed),
        ledger,
    })
}

extern "C" fn from_the_start() {
    // SAFETY: the calls of the program's own main, in its order.
    unsafe {
        let master = program::thread_make_master();
        with(|session| session.master = master);
        program::set_master(master);
        program::become_vrrp();
        program::signal_set(i32::from(Signal::HUP.number()), signalled, 0);
        program::signal_set(i32::from(Signal::TERM.number()), signalled, 0);
        program::signal_set(i32::from(Signal::CHLD.number()), program::child_handler(), master);
        with(|session| session.world.start());
        carry_out();
        program::process_threads(master);
    }
}

/// Ends the run.
pub fn finish(end: End) {
    with(|session| {
        session.end = Some(end);
        session.world.finish(end);
    });
}

/// Ends the run if the loop exceeds its bounds.
#[inline]
pub fn check_limit() {
    if let Some(end) = with(|session| session.world.limit()) {
        finish(end);
        escape(Left::Ended);
    }
}

/// Ends the run if its bounds are exceeded, without counting a step: in a loop of the program that calls the kernel.
pub fn check_over() {
    if let Some(end) = with(|session| session.world.over()) {
        finish(end);
        escape(Left::Ended);
    }
}

/// Lets the observer look at the indexes after `step`, if it looks at all.
#[inline]
pub fn look(step: Step) {
    let broke = with(|session| {
        if !session.looks || session.master == 0 {
            return false;
        }
        let (at, view) = (session.world.now(), session.view());
        session.world.observer().step(step, at, &view);
        let broke = !session.broken && session.world.observer().memory_broke();
        session.broken |= broke;
        broke
    });
    if broke {
        watchdog::hurry();
    }
}

/// Whether EVENT holds an entry.
pub fn queues_event() -> bool {
    with(|session| session.master != 0 && session.view().first(List::Event) != Link::End)
}

/// Blocks the loop and returns what is ready, in order. Does not return when the run is over.
pub fn block() -> [Option<Descriptor>; 3] {
    watchdog::blocked();
    check_limit();
    look(Step::Blocked);
    match with(|session| session.world.block()) {
        Woken::Ready { first, second, third } => [Some(first), second, third],
        Woken::End(end) => {
            finish(end);
            escape(Left::Ended)
        }
    }
}

/// Reads the timerfd.
pub fn read_timer() -> bool {
    check_limit();
    with(|session| session.world.read_timer())
}

/// Reads the signalfd.
pub fn read_signal() -> Option<Signal> {
    if !with(|session| session.reading) {
        check_limit();
    }
    with(|session| {
        let signal = session.world.read_signal();
        session.reading = signal.is_some();
        signal
    })
}

/// Runs when the program calls a handler of the script layer.
fn dispatched(handler: Handler, entry: usize) {
    progress::made();
    check_limit();
    let dispatch = dispatch_of(handler, entry);
    look(Step::Dispatched);
    with(|session| session.world.begin(dispatch));
    carry_out();
}

#[inline]
fn dispatch_of(handler: Handler, entry: usize) -> Dispatch {
    let Some(block) = heap::block_at(entry) else {
        return Dispatch { handler, kind: EntryKind::Other, argument: None, pid: None, status: 0 };
    };
    let entry = heap::address(block);
    let layout = layout();
    // SAFETY: fields inside a block of the heap.
    let (number, argument, pid, status) = unsafe {
        (
            field::<i32>(entry + layout.kind),
            field::<usize>(entry + layout.argument),
            field::<i32>(entry + layout.pid),
            field::<i32>(entry + layout.status),
        )
    };
    let kind = layout.kind_of(number);
    Dispatch { handler, kind, argument: untagged(argument), pid: Pid::new(pid), status }
}

extern "C" fn signalled(_: usize, number: i32) {
    progress::made();
    if let Some(signal) = u8::try_from(number).ok().and_then(Signal::new) {
        with(|session| session.world.begin_signal(signal));
        carry_out();
    }
}

/// Executes the operations that the world asks for, until the current handler is done.
fn carry_out() {
    while let Some(op) = with(|session| session.world.next_op()) {
        perform(op);
        if let Some(step) = op.step() {
            look(step);
        }
    }
}

fn micros(after: Span) -> u64 {
    after.as_micros()
}

fn perform(op: Op) {
    let master = with(|session| session.master);
    // SAFETY: each is a call that a handler of the program's makes, and one of its handlers is running, or its
    // main before the loop.
    unsafe {
        match op {
            Op::AddTimer { handler, argument, after } => {
                program::thread_add_timer(
                    master,
                    callbacks::function(handler),
                    tagged(argument),
                    micros(after),
                );
            }
            Op::AddShutdownTimer { handler, after } => {
                if !program::has_shutdown_timer() {
                    fatal(format_args!(
                        "the program does not show thread_add_timer_shutdown, which a shutdown needs"
                    ));
                }
                program::thread_add_timer_shutdown(master, callbacks::function(handler), 0, micros(after));
            }
            Op::AddChild { handler, argument, pid, after } => {
                let after = after.map_or(NEVER, micros);
                let function = callbacks::function(handler);
                let entry = program::thread_add_child(master, function, tagged(argument), pid.get(), after);
                with(|session| session.world.watched_by(argument, Handle(entry as u64)));
            }
            Op::Cancel { entry } => {
                let entry = entry.0 as usize;
                let kind = kind_of(entry);
                program::thread_cancel(entry);
                with(|session| session.world.cancelled(kind));
            }
            Op::AddEvent { handler, argument, value } => {
                program::thread_add_event(master, callbacks::function(handler), tagged(argument), value);
            }
            Op::AddTerminateStart { handler } => {
                program::thread_add_start_terminate_event(master, callbacks::function(handler));
            }
            Op::TerminateChildren { signal, ending } => {
                let flag = with(|session| session.world.rules().behaviour.killall_flag);
                let flag = flag.value(ending == Ending::Shutdown);
                program::script_killall(master, i32::from(signal.number()), usize::from(flag));
            }
            Op::Cleanup { keep_children } => {
                program::thread_cleanup_master(master, usize::from(keep_children));
                with(|session| session.fresh = false);
            }
            Op::AddBase => {
                // A new master has them already.
                if !with(|session| session.fresh) {
                    program::thread_add_base_threads(master, 0);
                }
            }
            Op::ShutdownTimerRuns(_) => {
                fatal(format_args!("the program does not show how long its instances have to shut down"));
            }
            Op::ReadClock => {
                if program::has_clock() {
                    program::set_time_now();
                }
            }
            Op::CountChildren => {
                let children = with(|session| count_children(&session.view()));
                with(|session| session.world.children_counted(children));
            }
            Op::Terminate => {
                program::thread_add_terminate_event(master);
            }
        }
    }
}

/// Returns the kind of an entry.
fn kind_of(entry: usize) -> EntryKind {
    dispatch_of(Handler::TrackChild, entry).kind
}

/// Counts the entries in CHILD from the cached leftmost on, as the program would; in a broken tree, at most as many as
/// there are blocks.
fn count_children(view: &View) -> u32 {
    let mut link = view.leftmost(Tree::Child).unwrap_or(Link::End);
    let mut count = 0;
    while let Link::To(block) = link
        && count < view.blocks()
    {
        count += 1;
        link = child_after(view, block);
    }
    count
}

/// Returns the entry of CHILD after `block` in order: it climbs by parent links.
fn child_after(view: &View, block: Block) -> Link {
    let mut steps = view.blocks();
    let mut node = view.node(Tree::Child, block);
    let mut link = node.right;
    if link != Link::End {
        while let Link::To(below) = link
            && steps > 0
        {
            steps -= 1;
            match view.node(Tree::Child, below).left {
                Link::End => return link,
                left => link = left,
            }
        }
        return Link::End;
    }
    let mut from = block;
    while let Link::To(above) = node.parent
        && steps > 0
    {
        steps -= 1;
        let parent = node.parent;
        node = view.node(Tree::Child, above);
        if node.right != Link::To(from) {
            return parent;
        }
        from = above;
    }
    Link::End
}
