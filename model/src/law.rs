//! The laws of the reference model: each a named value with one sentence that a report can quote.

use crate::event::SubjectKind;

/// How much a broken law weighs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Weight {
    /// After it nothing can be trusted: judging ends there.
    Memory,
    /// Recorded; judging goes on.
    Conduct,
}

/// One rule of the model.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Law {
    /// Every node linked in a tree or list is a live entry.
    NoDanglingNode,
    /// Order (non-strict, "never" greatest), parent links, colours, black height, cached leftmost, no cycle; of
    /// a list, links that agree both ways and come to an end.
    TreeShape,
    /// No instruction reads or writes a scheduler entry that was freed. Judged where freed entries are guarded
    /// ([`HeapPolicy::Guarded`](crate::trace::HeapPolicy::Guarded)), on a real program.
    NoUseAfterFree,
    /// A tracked child is in CHILD and CHILD_PID, or on READY and in CHILD_PID; nothing else is in either.
    OneEntryPerChild,
    /// No live entry's argument belongs to a configuration that was freed.
    NoStaleArgument,
    /// A living child is tracked with a deadline, or was sent a signal that cannot be refused. It broke when a
    /// signal was due and the child was never sent any.
    NoChildForgotten,
    /// A child that outlives its SIGTERM gets SIGKILL within its grace: two seconds after a timeout's, one after
    /// the first reload's (the longer of the two, for a child that both told).
    KillFollowsTerm,
    /// The exit of a tracked child reaches its handler.
    ExitNotLost,
    /// A script has at most one run per configuration.
    OneRunAtATime,
    /// Nothing fires early; what is due together fires in the order of its deadlines.
    TimersInOrder,
    /// Signals go to the groups of the program's own living children.
    SignalsOnlyItsChildren,
    /// SIGTERM ends the process.
    TerminationHonoured,
    /// The loop blocks again within a bounded number of steps. Exempt: one for which time goes by meanwhile, as where
    /// handlers take longer than what they handle is due again; the run then ends
    /// ([`End::Overrun`](crate::event::End::Overrun)), and no law says a word.
    Progress,
    /// The program ends only when it is told to, starts only its scripts, and waits only in its loop.
    ExpectedActions,
}

impl Law {
    /// All laws, in the order in which reports list them.
    pub const ALL: [Self; 14] = [
        Self::NoDanglingNode,
        Self::TreeShape,
        Self::NoUseAfterFree,
        Self::OneEntryPerChild,
        Self::NoStaleArgument,
        Self::NoChildForgotten,
        Self::KillFollowsTerm,
        Self::ExitNotLost,
        Self::OneRunAtATime,
        Self::TimersInOrder,
        Self::SignalsOnlyItsChildren,
        Self::TerminationHonoured,
        Self::Progress,
        Self::ExpectedActions,
    ];

    /// Its name, as scenario files write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoDanglingNode => "no-dangling-node",
            Self::TreeShape => "tree-shape",
            Self::NoUseAfterFree => "no-use-after-free",
            Self::OneEntryPerChild => "one-entry-per-child",
            Self::NoStaleArgument => "no-stale-argument",
            Self::NoChildForgotten => "no-child-forgotten",
            Self::KillFollowsTerm => "kill-follows-term",
            Self::ExitNotLost => "exit-not-lost",
            Self::OneRunAtATime => "one-run-at-a-time",
            Self::TimersInOrder => "timers-in-order",
            Self::SignalsOnlyItsChildren => "signals-only-its-children",
            Self::TerminationHonoured => "termination-honoured",
            Self::Progress => "progress",
            Self::ExpectedActions => "expected-actions",
        }
    }

    /// The law that is called so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|law| law.name() == name)
    }

    /// The law in one sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NoDanglingNode => "Every node linked in a tree or list is a live entry.",
            Self::TreeShape => {
                "A tree is ordered, its parent links, colours and black heights are right, its cached leftmost \
                 node is the leftmost; and the links of a list agree both ways."
            }
            Self::NoUseAfterFree => "No instruction reads or writes a scheduler entry that was freed.",
            Self::OneEntryPerChild => {
                "A tracked child is in CHILD and CHILD_PID, or, its timeout queued, on READY and in CHILD_PID; \
                 nothing else is in either."
            }
            Self::NoStaleArgument => "No live entry's argument belongs to a configuration that was freed.",
            Self::NoChildForgotten => {
                "A living child is tracked with a deadline, or was sent a signal that cannot be refused."
            }
            Self::KillFollowsTerm => "A child that outlives its SIGTERM gets SIGKILL within its grace.",
            Self::ExitNotLost => "The exit of a tracked child reaches its handler.",
            Self::OneRunAtATime => "A script has at most one run per configuration.",
            Self::TimersInOrder => {
                "Nothing fires early, and what one timer handling finds due fires in the order of its deadlines."
            }
            Self::SignalsOnlyItsChildren => "Signals go to the groups of the program's own living children.",
            Self::TerminationHonoured => {
                "SIGTERM ends the process; its children are told to die, and killed if they will not."
            }
            Self::Progress => "The loop blocks again within a bounded number of steps.",
            Self::ExpectedActions => {
                "The program ends only when it is told to, starts only its scripts, and waits only in its loop."
            }
        }
    }

    /// Whether a subject of this kind shows all that the law speaks of, so that what breaks it on a replica breaks it
    /// there too. A daemon shows neither its dispatches nor what its entries' arguments point at.
    #[must_use]
    pub const fn shown_whole_by(self, subject: SubjectKind) -> bool {
        match subject {
            SubjectKind::Replica => !matches!(self, Self::NoUseAfterFree),
            SubjectKind::Engine => true,
            SubjectKind::Daemon => {
                !matches!(self, Self::NoStaleArgument | Self::ExitNotLost | Self::TimersInOrder)
            }
        }
    }

    /// What it means that it broke.
    #[must_use]
    pub const fn weight(self) -> Weight {
        match self {
            // What does something else cannot be followed any further.
            Self::NoDanglingNode | Self::TreeShape | Self::NoUseAfterFree | Self::ExpectedActions => {
                Weight::Memory
            }
            _ => Weight::Conduct,
        }
    }
}
