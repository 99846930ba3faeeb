//! What world and scheduler say to each other: operations, handlers that begin, descriptors.

use treefall_model::event::{EntryKind, Handler, Step};
use treefall_model::id::{Pid, ScriptRef};
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
    /// `thread_add_child`. Answered through [`World::watched_by`](crate::World::watched_by).
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
    /// `thread_cancel`. Answered through [`World::cancelled`](crate::World::cancelled).
    Cancel {
        /// What was told of it through [`World::watched_by`](crate::World::watched_by).
        entry: Handle,
    },
    /// The program's cached clock is refreshed.
    ReadClock,
    /// The time that instances are given to shut down begins, or is over: while it runs the loop does not return
    /// for want of children. Only in a world [with an instance](crate::World::with_instance).
    ShutdownTimerRuns(bool),
    /// How many entries stand in CHILD? Answered through [`World::children_counted`](crate::World::children_counted).
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
