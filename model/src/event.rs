//! Observations of a run: events with their instants, and the steps between which indexes are looked at.
//!
//! A [`History`] is the list of [`Record`]s of one run of one subject, in the order in which things happened; several
//! records may have the same instant. It holds no address, no wall clock and nothing internal to the subject.
//! [`Event::shown_by`] says which subject can show which event; subjects are compared on what both show.

use alloc::vec::Vec;
use core::fmt;

use crate::id::{ConfigId, Generation, LinkId, Pid, Run, ScriptRef, StartNo};
use crate::signal::{ExitStatus, Signal};
use crate::time::{Deadline, Instant, Span};

/// Kind of a scheduler's entry, by its own type field.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum EntryKind {
    /// Waits to read from a descriptor.
    Read,
    /// Waits to write to a descriptor.
    Write,
    /// Waits for its deadline.
    Timer,
    /// A running child, with the deadline of its timeout.
    Child,
    /// A child whose deadline has passed; its timeout is queued on READY.
    ChildTimeout,
    /// A child that was reaped; its exit is queued on READY.
    ChildTerminated,
    /// Runs as soon as the current handler has returned.
    Event,
    /// A descriptor's or a timer's entry that is due, queued on READY.
    Ready,
    /// Retired: waits on UNUSE to be reused.
    Unused,
    /// Any other kind.
    Other,
}

impl EntryKind {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [Self; 10] = [
        Self::Read,
        Self::Write,
        Self::Timer,
        Self::Child,
        Self::ChildTimeout,
        Self::ChildTerminated,
        Self::Event,
        Self::Ready,
        Self::Unused,
        Self::Other,
    ];

    /// Returns the name in signatures and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Timer => "timer",
            Self::Child => "child",
            Self::ChildTimeout => "child-timeout",
            Self::ChildTerminated => "child-terminated",
            Self::Event => "event",
            Self::Ready => "ready",
            Self::Unused => "unused",
            Self::Other => "other",
        }
    }

    /// Whether the pid in such an entry is one. In other kinds the field means something else; retired ones keep it.
    #[must_use]
    pub const fn has_pid(self) -> bool {
        matches!(self, Self::Child | Self::ChildTimeout | Self::ChildTerminated | Self::Unused)
    }
}

/// Function that an entry calls, if the script layer or the program's own loop installs it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Handler {
    /// The program's own: reads the timerfd and moves what is due.
    TimerFd,
    /// The program's own: reads the signalfd and serves pending signals.
    SignalFd,
    /// Queues the start of every script (the "start dispatcher" of a configuration).
    Dispatcher,
    /// A track script's interval; also its first start, as an event of the dispatcher.
    Tick,
    /// A track script's child: its timeout or its exit.
    TrackChild,
    /// A misc check's interval.
    MiscTick,
    /// A misc check's child.
    MiscChild,
    /// A fifo script's child.
    FifoChild,
    /// The reload.
    Reload,
    /// The beginning of a shutdown.
    TerminateStart,
    /// Kills the children that are left at a shutdown.
    Backstop,
    /// The program's own killer of children at a reload or shutdown. Never seen as a dispatch.
    Killer,
    /// The end of the time that instances are given to shut down.
    ShutdownTimer,
}

impl Handler {
    /// All handlers, in the order of their discriminants.
    pub const ALL: [Self; 13] = [
        Self::TimerFd,
        Self::SignalFd,
        Self::Dispatcher,
        Self::Tick,
        Self::TrackChild,
        Self::MiscTick,
        Self::MiscChild,
        Self::FifoChild,
        Self::Reload,
        Self::TerminateStart,
        Self::Backstop,
        Self::Killer,
        Self::ShutdownTimer,
    ];

    /// Returns the name in signatures and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TimerFd => "timer-handler",
            Self::SignalFd => "signal-handler",
            Self::Dispatcher => "dispatcher",
            Self::Tick => "tick",
            Self::TrackChild => "track-child",
            Self::MiscTick => "misc-tick",
            Self::MiscChild => "misc-child",
            Self::FifoChild => "fifo-child",
            Self::Reload => "reload",
            Self::TerminateStart => "terminate-start",
            Self::Backstop => "backstop",
            Self::Killer => "killer",
            Self::ShutdownTimer => "shutdown-timer",
        }
    }
}

/// Target of a signal, as the program asked the kernel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Target {
    /// A process group, by its leader: `kill(-pid, ..)`.
    Group(Pid),
    /// One process: `kill(pid, ..)`.
    Process(Pid),
    /// The program's own group: `kill(0, ..)`.
    OwnGroup,
    /// Every process: `kill(-1, ..)`.
    Everyone,
}

impl Target {
    /// Returns what `kill` signals that is called with `pid`; nothing has the least number there is.
    #[must_use]
    pub const fn of_kill(pid: i32) -> Option<Self> {
        match (Pid::new(pid), Pid::new(pid.wrapping_neg())) {
            (Some(pid), _) => Some(Self::Process(pid)),
            _ if pid == 0 => Some(Self::OwnGroup),
            _ if pid == -1 => Some(Self::Everyone),
            (None, Some(leader)) => Some(Self::Group(leader)),
            (None, None) => None,
        }
    }
}

/// Answer of the kernel to a signal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Answer {
    /// Delivered to a living child, or to one that exited and was not reaped.
    Delivered,
    /// ESRCH: no such process.
    NoSuchProcess,
    /// EPERM: not permitted.
    NotPermitted,
}

/// Reason why a script's run counts as a failure.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FailedBy {
    /// `exited with status c`.
    Code(u8),
    /// `due to signal n`.
    Signal(Signal),
    /// `timed_out`.
    TimedOut,
}

/// A line that the program logs, as a value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LogLine {
    /// The tick found the script not idle.
    Skipped {
        /// The script.
        script: ScriptRef,
        /// The script is being timed out, rather than running.
        timing_out: bool,
    },
    /// A run exited with another code than the last.
    NowReturning {
        /// The script.
        script: ScriptRef,
        /// The new code.
        code: u8,
    },
    /// The script succeeded after failures.
    Succeeded {
        /// The script.
        script: ScriptRef,
    },
    /// The script failed.
    Failed {
        /// The script.
        script: ScriptRef,
        /// The reason.
        by: FailedBy,
    },
    /// A reload carried the result over.
    Carried {
        /// The script, in its new generation.
        script: ScriptRef,
        /// Considered successful.
        up: bool,
    },
    /// A child outlived its SIGKILL's grace.
    FailedToTerminate {
        /// The script.
        script: ScriptRef,
        /// The child.
        pid: Pid,
    },
    /// A timed-out child no longer exists.
    Lost {
        /// The script.
        script: ScriptRef,
        /// The child.
        pid: Pid,
    },
    /// A signal could not be sent, and the reason was not a missing process.
    KillFailed {
        /// The script.
        script: ScriptRef,
        /// The child.
        pid: Pid,
        /// The signal.
        signal: Signal,
    },
    /// A child could not be started.
    ForkFailed {
        /// The script.
        script: ScriptRef,
    },
    /// The loop returned more than a second after the earliest deadline.
    Late {
        /// By how much.
        by: Span,
    },
    /// The backstop of a shutdown ran.
    Backstop {
        /// The children that were left.
        children: u32,
    },
}

/// Reason why a run ended by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum End {
    /// The trace has no further wake.
    TraceExhausted,
    /// The loop returned: the program was shut down.
    LoopReturned,
    /// A bound of the harness was reached: the loop never reaches its blocking call (law `progress`).
    NoProgress,
    /// A bound of the harness was reached while time passed: handlers' costs, or deaths between two wakes, give the
    /// loop more to do than is followed. The loop is late, not stuck: the trace ends there and no law is violated.
    Overrun,
    /// The clock is so close to its last instant that a deadline might be cut. The trace ends there and no law is
    /// violated.
    EndOfTime,
}

/// Something that was observed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Event {
    /// The loop blocks, until `deadline` at the latest.
    Blocked {
        /// Instant that the timerfd is armed for.
        deadline: Deadline,
    },
    /// The blocking call returned.
    Woke {
        /// Wakes of the trace used up so far, this one included.
        wakes: u32,
        /// The timerfd is ready.
        timer: bool,
        /// The signalfd is ready.
        signals: bool,
    },
    /// A child ended; it is a zombie until it is reaped.
    Exited {
        /// The child.
        run: Run,
        /// How it ended.
        status: ExitStatus,
    },
    /// The trace ends a run that is not alive; nothing happens.
    Moot {
        /// The run.
        run: Run,
    },
    /// The program took a signal from its signalfd.
    SignalRead {
        /// The signal.
        signal: Signal,
    },
    /// An entry's handler begins.
    Dispatched {
        /// The handler.
        handler: Handler,
        /// The entry's kind.
        entry: EntryKind,
        /// The script that the entry's argument points at.
        script: Option<ScriptRef>,
        /// The child that the entry's pid names, if it is a child's entry.
        run: Option<Run>,
    },
    /// A child was started.
    Started {
        /// The child.
        run: Run,
        /// Its pid.
        pid: Pid,
    },
    /// A child could not be started.
    StartFailed {
        /// The script.
        script: ScriptRef,
        /// The number of the attempt.
        start: StartNo,
    },
    /// The program sent a signal.
    Signalled {
        /// The target.
        target: Target,
        /// The run that is signalled, if it is not yet reaped.
        run: Option<Run>,
        /// The signal.
        signal: Signal,
        /// The kernel's answer.
        answer: Answer,
    },
    /// The program reaped a zombie.
    Reaped {
        /// The child.
        run: Run,
        /// Its pid.
        pid: Pid,
        /// How it had ended.
        status: ExitStatus,
    },
    /// The program logged something.
    Logged(LogLine),
    /// A reload begins: the handler runs.
    ReloadBegun {
        /// The configuration that it will read.
        config: ConfigId,
        /// The generation that it makes.
        generation: Generation,
    },
    /// The reload's handler is done: the old configuration is freed.
    ReloadDone {
        /// The generation now in force.
        generation: Generation,
    },
    /// A shutdown begins: the handler runs.
    TerminationBegun,
    /// The entry that tracked a run was cancelled: nothing tracks the run any more.
    Cancelled {
        /// The run.
        run: Run,
        /// The entry's kind before.
        entry: EntryKind,
    },
    /// The run is over.
    Ended(End),
    /// The program read the state of a network interface from the kernel.
    LinkRead {
        /// The interface.
        link: LinkId,
        /// Whether it is up.
        up: bool,
    },
}

/// Kind of an [`Event`] or of a scheduler operation: the part of a signature that says where a law was violated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Step {
    /// A timer entry was added.
    AddTimer,
    /// A child entry was added.
    AddChild,
    /// An event entry was added.
    AddEvent,
    /// All children were told to end, and rescheduled where the release does that.
    TerminateChildren,
    /// All entries were cleaned up.
    Cleanup,
    /// The base entries were added.
    AddBase,
    /// An entry was cancelled.
    Cancel,
    /// An entry's handler begins; the handler before it is done.
    Dispatched,
    /// The loop blocks; everything that the last wake brought is done.
    Blocked,
    /// The blocking call returned.
    Woke,
    /// A signal was sent.
    Signalled,
    /// A child ended.
    Exited,
    /// A zombie was reaped.
    Reaped,
    /// A child was started, or failed to start.
    Started,
    /// A signal was read.
    SignalRead,
    /// A line was logged.
    Logged,
    /// A reload began or ended.
    Reload,
    /// A shutdown began.
    Termination,
    /// The run ended.
    Ended,
    /// The state of an interface was read.
    LinkRead,
}

impl Step {
    /// All steps, in the order of their discriminants.
    pub const ALL: [Self; 20] = [
        Self::AddTimer,
        Self::AddChild,
        Self::AddEvent,
        Self::TerminateChildren,
        Self::Cleanup,
        Self::AddBase,
        Self::Cancel,
        Self::Dispatched,
        Self::Blocked,
        Self::Woke,
        Self::Signalled,
        Self::Exited,
        Self::Reaped,
        Self::Started,
        Self::SignalRead,
        Self::Logged,
        Self::Reload,
        Self::Termination,
        Self::Ended,
        Self::LinkRead,
    ];

    /// Returns the name in signatures and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AddTimer => "add-timer",
            Self::AddChild => "add-child",
            Self::AddEvent => "add-event",
            Self::TerminateChildren => "terminate-children",
            Self::Cleanup => "cleanup",
            Self::AddBase => "add-base",
            Self::Cancel => "cancel",
            Self::Dispatched => "dispatched",
            Self::Blocked => "blocked",
            Self::Woke => "woke",
            Self::Signalled => "signalled",
            Self::Exited => "exited",
            Self::Reaped => "reaped",
            Self::Started => "started",
            Self::SignalRead => "signal-read",
            Self::Logged => "logged",
            Self::Reload => "reload",
            Self::Termination => "termination",
            Self::Ended => "ended",
            Self::LinkRead => "link-read",
        }
    }
}

impl Event {
    /// Returns the kind of event, for signatures.
    #[must_use]
    pub const fn step(&self) -> Step {
        match self {
            Self::Blocked { .. } => Step::Blocked,
            Self::Woke { .. } => Step::Woke,
            Self::Exited { .. } | Self::Moot { .. } => Step::Exited,
            Self::SignalRead { .. } => Step::SignalRead,
            Self::Dispatched { .. } => Step::Dispatched,
            Self::Started { .. } | Self::StartFailed { .. } => Step::Started,
            Self::Signalled { .. } => Step::Signalled,
            Self::Reaped { .. } => Step::Reaped,
            Self::Logged(_) => Step::Logged,
            Self::ReloadBegun { .. } | Self::ReloadDone { .. } => Step::Reload,
            Self::TerminationBegun => Step::Termination,
            Self::Cancelled { .. } => Step::Cancel,
            Self::Ended(_) => Step::Ended,
            Self::LinkRead { .. } => Step::LinkRead,
        }
    }

    /// How many wakes of the trace were used up, if it says so.
    #[must_use]
    pub const fn wakes_used(&self) -> Option<u32> {
        match self {
            Self::Woke { wakes, .. } => Some(*wakes),
            _ => None,
        }
    }

    /// Whether a subject of this kind can show this event. Replica and engine show everything, because they run in the
    /// same world; the daemon shows what passes through the kernel and its log.
    #[must_use]
    pub const fn shown_by(&self, subject: SubjectKind) -> bool {
        match subject {
            SubjectKind::Replica | SubjectKind::Engine => true,
            SubjectKind::Daemon => {
                !matches!(self, Self::Dispatched { handler, .. } if !matches!(handler, Handler::TimerFd | Handler::SignalFd))
            }
        }
    }
}

/// Kind of subject.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SubjectKind {
    /// The in-process replica.
    Replica,
    /// The real program's scheduler in our world.
    Engine,
    /// The whole real daemon.
    Daemon,
}

impl fmt::Display for SubjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Replica => "replica",
            Self::Engine => "engine",
            Self::Daemon => "daemon",
        })
    }
}

/// An event with its instant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Record {
    /// The instant.
    pub at: Instant,
    /// The event.
    pub event: Event,
}

/// Everything observed of one run.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct History {
    /// The records, in the order in which things happened.
    pub records: Vec<Record>,
}
