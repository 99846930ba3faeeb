//! What world and scheduler exchange: operations, handlers that begin, descriptors.

use treefall_model::event::{EntryKind, Handler, Step};
use treefall_model::id::{Pid, ScriptRef};
use treefall_model::signal::Signal;
use treefall_model::time::Span;

/// What ends a running child; it decides how the program reschedules the child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// A reload; the process continues.
    Reload,
    /// A shutdown.
    Shutdown,
}

/// Operation of the scheduler that the script layer asks for, at the boundary that the real program exports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// `thread_add_timer`: due `after` the clock that the scheduler reads.
    AddTimer {
        /// The function to call.
        handler: Handler,
        /// Its argument.
        argument: Option<ScriptRef>,
        /// Time until it is due.
        after: Span,
    },
    /// `thread_add_timer_shutdown`: like [`AddTimer`](Self::AddTimer), with an entry type that still runs in a
    /// shutdown.
    AddShutdownTimer {
        /// The function to call.
        handler: Handler,
        /// Time until it is due.
        after: Span,
    },
    /// `thread_add_child`; answered through [`World::watched_by`](crate::World::watched_by).
    AddChild {
        /// The function to call on timeout and exit.
        handler: Handler,
        /// Its argument.
        argument: Option<ScriptRef>,
        /// The child.
        pid: Pid,
        /// Time until its timeout; `None`: never.
        after: Option<Span>,
    },
    /// `thread_add_event`.
    AddEvent {
        /// The function to call.
        handler: Handler,
        /// Its argument.
        argument: Option<ScriptRef>,
        /// Its value. The entry keeps it in the word in which a child's entry keeps its pid.
        value: i32,
    },
    /// `thread_add_start_terminate_event`: the event that begins a shutdown, with an entry type of its own.
    AddTerminateStart {
        /// The function to call.
        handler: Handler,
    },
    /// `script_killall`: a signal to every child in CHILD. The program itself reschedules them where its release does
    /// that.
    TerminateChildren {
        /// The signal.
        signal: Signal,
        /// The reason.
        ending: Ending,
    },
    /// `thread_cleanup_master`.
    Cleanup {
        /// Whether entries in CHILD are kept; the release decides what that means.
        keep_children: bool,
    },
    /// `thread_add_base_threads`: the timerfd's and the signalfd's entries, in this order.
    AddBase,
    /// `thread_cancel`; answered through [`World::cancelled`](crate::World::cancelled).
    Cancel {
        /// The entry, from [`World::watched_by`](crate::World::watched_by).
        entry: Handle,
    },
    /// Refreshes the program's cached clock.
    ReadClock,
    /// Begins or ends the time that instances have to shut down; during it the loop does not return for lack of
    /// children. Only in a world [with an instance](crate::World::with_instance).
    ShutdownTimerRuns(bool),
    /// Counts the entries in CHILD; answered through [`World::children_counted`](crate::World::children_counted).
    CountChildren,
    /// `thread_add_terminate_event`: the loop returns.
    Terminate,
}

impl Op {
    /// Returns the step that the operation is; `None` when it changes no index.
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

/// An entry as its scheduler knows it: the result of `thread_add_child`. It has no meaning elsewhere and is in no
/// history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handle(pub u64);

/// Begin of a handler of the script layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dispatch {
    /// The handler.
    pub handler: Handler,
    /// The entry's type at that moment.
    pub kind: EntryKind,
    /// The script that the entry's argument points at, if any.
    pub argument: Option<ScriptRef>,
    /// The entry's pid field, meaningful for child entries.
    pub pid: Option<Pid>,
    /// The entry's status field as `waitpid` stored it, meaningful for [`EntryKind::ChildTerminated`].
    pub status: i32,
}

/// A descriptor that the blocking call reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Descriptor {
    /// The timerfd.
    Timer,
    /// The signalfd.
    Signals,
    /// The netlink socket that tells of network interfaces; replicas have none.
    Netlink,
}
