//! Everything around a scheduler: the virtual kernel, and the track-script and reload layer.
//!
//! One world, written once, stands around the replica, around the real program's scheduler (`engine`) and, its
//! kernel alone, around the whole daemon. It is a state machine without input or output:
//!
//! - [`World`] owns the virtual kernel (clock, timerfd, signalfd, children), which the scheduler asks as the
//!   program asks the real one: [`World::clock`], [`World::arm_timer`], [`World::block`], [`World::read_signal`],
//!   [`World::reap`], [`World::send`], [`World::group_of`];
//! - the script layer is told of a handler that begins ([`World::begin`]) and answers with operations, one at
//!   a time ([`World::next_op`]), which the subject's driver carries out with [`carry_out`]. No call from
//!   program to world to program holds a borrow of the world.
//!
//! All events are told to the world's [`Observer`], in the order in which they happen, by the world alone.
//!
//! Beside it: [`calls`] (what becomes of each call of a real program), [`wire`] (how the library in one is spoken to),
//! [`words`] (what a daemon's log lines say).
//!
//! Inside: [`kernel`] (what wakes the loop, and when), `children` and `pids` (processes), `slots` (finding them
//! fast); `layer` (scripts and what a handler has still to do), `track`, `cancel`, `misc`, `reload`, `shutdown` (what each
//! handler does); [`whole`](World::reload_begins) (a daemon that brings its own script layer). Rules, not releases,
//! decide what differs: each defect and behaviour is asked for at one place.
//!
//! # Examples
//!
//! The kernel alone, as a program meets it: a timer of two seconds and a SIGHUP that arrives in the same wake. The trace
//! says that the signals are reported first; no time passes but the trace's.
//!
//! ```
//! use treefall_model::id::ConfigId;
//! use treefall_model::observe::Blind;
//! use treefall_model::release::Rules;
//! use treefall_model::signal::Signal;
//! use treefall_model::time::{Instant, Span};
//! use treefall_model::trace::{Config, Setup, Trace, Wake};
//! use treefall_world::{Descriptor, Woken, World};
//!
//! let setup = Setup { configs: vec![Config::default()], ..Setup::default() };
//! let trace = Trace::new(setup, vec![Wake::next_timer().hup(ConfigId(0)).signals_first()])?;
//! let mut world = World::new(&trace, Rules::mended(), Blind);
//! world.arm_timer(Some(Span::from_secs(2)));
//!
//! let woken = world.block();
//! assert_eq!(woken, Woken::Ready { first: Descriptor::Signals, second: Some(Descriptor::Timer) });
//! assert_eq!(world.now(), Instant::START + Span::from_secs(2));
//! assert_eq!(world.read_signal(), Some(Signal::HUP));
//! assert!(world.read_timer());
//! # Ok::<(), treefall_model::trace::TraceError>(())
//! ```
//!
//! What becomes of a real program's calls is a list; what is on no list ends a run with its name.
//!
//! ```
//! use treefall_world::calls::{Fate, find};
//!
//! assert_eq!(find("timerfd_settime").map(|row| row.daemon), Some(Fate::Virtual));
//! assert!(find("io_uring_setup").is_none());
//! ```

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod calls;
mod cancel;
mod canon;
mod children;
pub mod kernel;
mod layer;
mod misc;
mod pids;
mod reload;
mod shutdown;
mod slots;
mod track;
mod whole;
pub mod wire;
pub mod words;
mod world;

pub use canon::OWN_WAKES_ENOUGH;
pub use kernel::{Outside, Unnamed, Woken};
pub use whole::FIFOS;
pub use world::{Counts, World};

use treefall_model::event::{EntryKind, Handler, Step};
use treefall_model::id::{Pid, ScriptRef};
use treefall_model::observe::Observer;
use treefall_model::signal::Signal;
use treefall_model::time::Span;

/// What kills a running child's peace: decides how the program reschedules it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// A reload: the process goes on.
    Reload,
    /// A shutdown.
    Shutdown,
}

/// A scheduler operation that the script layer asks for, cut at what the real program exports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// `thread_add_timer`: due at the clock read by the scheduler plus `after`.
    AddTimer {
        /// To be called.
        handler: Handler,
        /// With this argument.
        argument: Option<ScriptRef>,
        /// From now.
        after: Span,
    },
    /// `thread_add_timer_shutdown`: as [`AddTimer`](Self::AddTimer), of an entry type that still runs when a
    /// shutdown has begun.
    AddShutdownTimer {
        /// To be called.
        handler: Handler,
        /// From now.
        after: Span,
    },
    /// `thread_add_child`. Answered through [`World::watched_by`].
    AddChild {
        /// To be called on timeout and exit.
        handler: Handler,
        /// With this argument.
        argument: Option<ScriptRef>,
        /// The child.
        pid: Pid,
        /// Its timeout, from now; `None`: never.
        after: Option<Span>,
    },
    /// `thread_add_event`.
    AddEvent {
        /// To be called.
        handler: Handler,
        /// With this argument.
        argument: Option<ScriptRef>,
    },
    /// `thread_add_start_terminate_event`: the event that begins a shutdown, of an entry type of its own.
    AddTerminateStart {
        /// To be called.
        handler: Handler,
    },
    /// `script_killall`: a signal to every child in CHILD; the program reschedules them by itself where its
    /// release does so.
    TerminateChildren {
        /// The signal.
        signal: Signal,
        /// Why.
        ending: Ending,
    },
    /// `thread_cleanup_master`.
    Cleanup {
        /// Entries in CHILD are kept (what the release makes of it is its own affair).
        keep_children: bool,
    },
    /// `thread_add_base_threads`: the timerfd's and the signalfd's entries, in this order.
    AddBase,
    /// `thread_cancel`. Answered through [`World::cancelled`].
    Cancel {
        /// What was told of it through [`World::watched_by`].
        entry: Handle,
    },
    /// The program's cached clock is refreshed.
    ReadClock,
    /// The time that instances are given to shut down begins, or is over: while it runs the loop does not return
    /// for want of children. Only in a world [with an instance](World::with_instance).
    ShutdownTimerRuns(bool),
    /// How many entries stand in CHILD? Answered through [`World::children_counted`].
    CountChildren,
    /// `thread_add_terminate_event`: the loop returns.
    Terminate,
}

impl Op {
    /// The step that carrying it out is; `None` when it changes no index.
    #[must_use]
    pub const fn step(&self) -> Option<Step> {
        match self {
            Self::AddTimer { .. } | Self::AddShutdownTimer { .. } => Some(Step::AddTimer),
            Self::AddChild { .. } => Some(Step::AddChild),
            Self::AddEvent { .. } | Self::AddTerminateStart { .. } | Self::Terminate => Some(Step::AddEvent),
            Self::TerminateChildren { .. } => Some(Step::TerminateChildren),
            Self::Cleanup { .. } => Some(Step::Cleanup),
            Self::AddBase => Some(Step::AddBase),
            Self::Cancel { .. } => Some(Step::Cancel),
            Self::ReadClock | Self::CountChildren | Self::ShutdownTimerRuns(_) => None,
        }
    }
}

/// An entry, as the scheduler that made it knows it: what `thread_add_child` returned. It means nothing to anybody else
/// and reaches no history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handle(pub u64);

/// A handler of the script layer begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dispatch {
    /// Which.
    pub handler: Handler,
    /// The entry's own type at that moment.
    pub kind: EntryKind,
    /// The script that its argument points at, if it points at one.
    pub argument: Option<ScriptRef>,
    /// The entry's pid field; meaningful for child entries only.
    pub pid: Option<Pid>,
    /// The entry's status field as `waitpid` stored it; meaningful for [`EntryKind::ChildTerminated`] only.
    pub status: i32,
}

/// A descriptor that the blocking call reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Descriptor {
    /// The timerfd.
    Timer,
    /// The signalfd.
    Signals,
}

/// A subject's scheduler, as its driver sees it.
pub trait Scheduler<'t> {
    /// Who watches.
    type Observer: Observer;
    /// Why an operation cannot come to its end (a fault of the simulated machine; none on the real one).
    type Fault;

    /// The world around it. Not to be held over a call into the scheduler.
    fn world(&mut self) -> &mut World<'t, Self::Observer>;

    /// Carries out one operation.
    ///
    /// # Errors
    /// When the operation does not come to its end.
    fn perform(&mut self, op: Op) -> Result<(), Self::Fault>;

    /// Lets the observer look at the indexes: `step` is done.
    fn look(&mut self, step: Step);
}

/// Carries out what the world asks for, until the handler that began is done.
///
/// # Errors
/// The first operation that does not come to its end.
pub fn carry_out<'t, S: Scheduler<'t>>(scheduler: &mut S) -> Result<(), S::Fault> {
    while let Some(op) = scheduler.world().next_op() {
        scheduler.perform(op)?;
        if let Some(step) = op.step() {
            scheduler.look(step);
        }
    }
    Ok(())
}
