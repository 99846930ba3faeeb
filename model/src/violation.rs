//! A violation: which law a run broke, where, and the facts of it as values.
//!
//! A [`Detail`] holds what the judge knew: runs, pids, entries, instants. [`Display`](core::fmt::Display) and
//! [`Detail::in_words`] put it into words for a person; nothing reads those words again.

#[cfg(any(test, feature = "proptest"))]
pub mod samples;
mod words;

pub use crate::place::Signature;
pub use words::{InWords, Naming};

use alloc::string::String;
use alloc::vec::Vec;

use crate::event::{Answer, EntryKind, Target};
use crate::id::{Generation, Pid, Run, ScriptRef};
use crate::index::{Block, List, Tree};
use crate::law::Law;
use crate::outcome::Outcome;
use crate::place::Place;
use crate::signal::Signal;
use crate::time::{Instant, Span};
use crate::trace::Name;

/// A law that a run broke, where it first did with this signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Law, step and entry.
    pub signature: Signature,
    /// When.
    pub at: Instant,
    /// How many records the history held then: the violation lies at the last of them.
    pub records: u64,
    /// What exactly.
    pub detail: Detail,
    /// The child concerned; `None` when none is, or none is known.
    pub run: Option<Run>,
    /// Where it broke again with the same signature, of another child: the first [`AGAIN_MAX`], each child once.
    pub again: Vec<Again>,
}

/// Most places that are kept behind the first of a signature.
pub const AGAIN_MAX: usize = 64;

/// Where a law broke again with the same signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Again {
    /// The child concerned.
    pub run: Option<Run>,
    /// When.
    pub at: Instant,
    /// How many records the history held then.
    pub records: u64,
}

/// A moment of a run: its instant, then how many records its history held. Ordered as moments follow each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Moment {
    /// The instant.
    pub at: Instant,
    /// Records until then.
    pub records: u64,
}

impl Violation {
    /// A violation that concerns no child and was seen once.
    #[must_use]
    pub const fn new(signature: Signature, at: Instant, records: u64, detail: Detail) -> Self {
        Self { signature, at, records, detail, run: None, again: Vec::new() }
    }

    /// A violation of which nothing but the signature is known, at the start of a run.
    #[must_use]
    pub const fn bare(signature: Signature) -> Self {
        Self::new(signature, Instant::START, 0, Detail::Unknown)
    }

    /// Every place at which it was seen, the first one first, each with its [`Moment`].
    pub fn places(&self) -> impl Iterator<Item = (Place, Moment)> {
        let first = Again { run: self.run, at: self.at, records: self.records };
        core::iter::once(first)
            .chain(self.again.iter().copied())
            .map(|it| (Place::of(self.signature, it.run), Moment { at: it.at, records: it.records }))
    }

    /// Whether there may be more places than are kept.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.again.len() >= AGAIN_MAX
    }
}

/// A child process, as a detail names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Child {
    /// Which run of its script.
    pub run: Run,
    /// Its process id.
    pub pid: Pid,
    /// The name of its script, if its configuration has one in that place.
    pub name: Option<Name>,
}

/// A script, as a detail names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    /// Which.
    pub of: ScriptRef,
    /// Its name, if the configuration in force has one in that place.
    pub name: Option<Name>,
}

/// An entry, as a tree or list showed it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryFacts {
    /// The heap block that it lies in.
    pub block: Block,
    /// Its kind.
    pub kind: EntryKind,
    /// The pid in it, of a child's.
    pub pid: Option<Pid>,
}

/// A tree or a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Index {
    /// A tree.
    Tree(Tree),
    /// A list.
    List(List),
}

/// What is wrong with an entry's place in a tree or list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// A link leads to no entry.
    Wild,
    /// The entry is not live.
    GivenBack,
    /// The root has a parent.
    RootHasParent,
    /// The root is red.
    RootIsRed,
    /// The way down to it is longer than a tree can be high.
    TooDeep,
    /// It is red, and so is its parent.
    RedBelowRed,
    /// Both its children are one node.
    OneChildTwice,
    /// It stands right of a greater one.
    OutOfOrder,
    /// The black heights below it differ.
    BlackHeights,
    /// Its parent link leads elsewhere.
    Parent,
    /// The cached leftmost node is another than the leftmost.
    Leftmost,
    /// The list has more entries than there are.
    ListTooLong,
    /// Its link back leads elsewhere than to the entry before it.
    ListBack,
    /// The list's last entry is another.
    ListLast,
}

impl Flaw {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Wild,
        Self::GivenBack,
        Self::RootHasParent,
        Self::RootIsRed,
        Self::TooDeep,
        Self::RedBelowRed,
        Self::OneChildTwice,
        Self::OutOfOrder,
        Self::BlackHeights,
        Self::Parent,
        Self::Leftmost,
        Self::ListTooLong,
        Self::ListBack,
        Self::ListLast,
    ];

    /// The law that it breaks.
    #[must_use]
    pub const fn law(self) -> Law {
        match self {
            Self::Wild | Self::GivenBack => Law::NoDanglingNode,
            _ => Law::TreeShape,
        }
    }
}

/// Where a sound entry is that should not be there, or is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Misplacement {
    /// In CHILD, and no child.
    NoChildInChild,
    /// In CHILD_PID, and neither in CHILD nor a timeout on READY.
    OnlyInChildPid,
    /// In CHILD, and not in CHILD_PID.
    ChildNotInChildPid,
    /// A timeout on READY, and not in CHILD_PID.
    TimeoutNotInChildPid,
}

impl Misplacement {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::NoChildInChild, Self::OnlyInChildPid, Self::ChildNotInChildPid, Self::TimeoutNotInChildPid];
}

/// What exactly broke a law.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Detail {
    /// Nothing but the signature is known.
    Unknown,
    /// A tree or list is broken (`no-dangling-node`, `tree-shape`).
    Flawed {
        /// Which tree or list.
        index: Index,
        /// What is wrong.
        flaw: Flaw,
        /// With which entry; `None`: a link leads to none.
        entry: Option<EntryFacts>,
    },
    /// A sound entry is where it should not be, or is missing (`one-entry-per-child`).
    Misplaced {
        /// Which entry.
        entry: EntryFacts,
        /// Where it is or is not.
        place: Misplacement,
    },
    /// An entry's argument belongs to a configuration that was freed (`no-stale-argument`).
    StaleArgument {
        /// Which entry.
        entry: EntryFacts,
        /// The script that its argument points at.
        argument: ScriptRef,
        /// The generation in force.
        in_force: Generation,
    },
    /// A reload passed a living child over (`no-child-forgotten`).
    PassedOver {
        /// The child.
        child: Child,
        /// Its timeout was queued on READY.
        queued: bool,
    },
    /// A child was not signalled when its timeout was over (`no-child-forgotten`).
    NeverSignalled {
        /// The child.
        child: Child,
        /// When it was due.
        by: Instant,
        /// When it was seen.
        at: Instant,
    },
    /// A child outlived its SIGTERM and its grace (`kill-follows-term`).
    NeverKilled {
        /// The child.
        child: Child,
        /// When it was first sent SIGTERM.
        term_sent: Instant,
        /// When SIGKILL was due.
        by: Instant,
        /// When it was seen.
        at: Instant,
    },
    /// A child was reaped and its handler did not run (`exit-not-lost`).
    ExitUnhandled {
        /// The child.
        child: Child,
    },
    /// SIGCHLD was read and zombies were left (`exit-not-lost`).
    ExitsUnreaped {
        /// How many.
        left: u64,
    },
    /// A script was started while an earlier run of it was alive (`one-run-at-a-time`).
    SecondRun {
        /// The script.
        script: Script,
        /// The number of the new run.
        nth: u32,
        /// The run that is alive.
        other: Run,
    },
    /// A child was killed before its grace was over (`timers-in-order`).
    KilledEarly {
        /// The child's run.
        run: Run,
        /// When.
        at: Instant,
        /// How long its grace is.
        grace: Span,
        /// When its grace is over.
        until: Instant,
    },
    /// An interval fired before it was due (`timers-in-order`).
    IntervalEarly {
        /// Whose.
        script: Script,
        /// When it fired.
        at: Instant,
        /// When it was due.
        due: Instant,
    },
    /// An interval fired after a timeout of the same timer handling (`timers-in-order`).
    IntervalAfterTimeout {
        /// Whose.
        script: Script,
        /// Whose timeout.
        timed_out: Run,
    },
    /// An interval fired after one that was due later (`timers-in-order`).
    IntervalsOutOfOrder {
        /// Whose.
        script: Script,
        /// When it was due at the latest.
        due: Instant,
        /// Whose fired before.
        earlier: Script,
        /// When that was due at the earliest.
        earlier_due: Instant,
    },
    /// A timeout fired before it was due (`timers-in-order`).
    TimeoutEarly {
        /// Whose.
        run: Run,
        /// The name of its script.
        name: Option<Name>,
        /// When it fired.
        at: Instant,
        /// When it was due.
        due: Instant,
    },
    /// A timeout fired after one that was due later (`timers-in-order`).
    TimeoutsOutOfOrder {
        /// Whose.
        run: Run,
        /// When it was due at the latest.
        due: Instant,
        /// Whose fired before.
        earlier: Run,
        /// When that was due at the earliest.
        earlier_due: Instant,
    },
    /// A signal went to another than a child (`signals-only-its-children`).
    WrongTarget {
        /// Which signal.
        signal: Signal,
        /// To whom.
        target: Target,
        /// The kernel's answer.
        answer: Answer,
    },
    /// SIGTERM was read and no shutdown began (`termination-honoured`).
    TerminationIgnored {
        /// When the loop blocked again.
        at: Instant,
    },
    /// A shutdown did not end the loop within its bounds (`termination-honoured`).
    TerminationOverdue {
        /// When the loop should have returned.
        by: Instant,
        /// When it blocked again.
        at: Instant,
    },
    /// The loop returned and left a child alive that was not killed (`termination-honoured`).
    LeftAlive {
        /// The child.
        child: Child,
        /// It was sent SIGTERM.
        term_sent: bool,
    },
    /// The program used a freed scheduler entry (`no-use-after-free`).
    UsedAfterFree {
        /// The entry, as it was when it was freed.
        entry: EntryFacts,
    },
    /// The loop does not come back to its blocking call (`progress`).
    NoProgress,
    /// The program crashed or hung inside one operation (`tree-shape` or `progress`).
    Died {
        /// How.
        outcome: Outcome,
    },
    /// The program did what it was not asked to (`expected-actions`).
    Strayed {
        /// What it did, as a sentence.
        what: String,
    },
    /// The loop returned, and nothing had asked the program to end (`expected-actions`).
    LoopLeft,
}

impl Detail {
    /// The entry that it is about.
    #[must_use]
    pub const fn entry(&self) -> Option<&EntryFacts> {
        match self {
            Self::Flawed { entry, .. } => entry.as_ref(),
            Self::Misplaced { entry, .. }
            | Self::StaleArgument { entry, .. }
            | Self::UsedAfterFree { entry } => Some(entry),
            _ => None,
        }
    }

    /// The runs that it is about: of several runs of one script, the one that was there before.
    #[must_use]
    pub fn runs(&self) -> Vec<Run> {
        match self {
            Self::PassedOver { child, .. }
            | Self::NeverSignalled { child, .. }
            | Self::NeverKilled { child, .. }
            | Self::ExitUnhandled { child }
            | Self::LeftAlive { child, .. } => [child.run].into(),
            Self::SecondRun { other: run, .. }
            | Self::KilledEarly { run, .. }
            | Self::IntervalAfterTimeout { timed_out: run, .. }
            | Self::TimeoutEarly { run, .. } => [*run].into(),
            Self::TimeoutsOutOfOrder { run, earlier, .. } => [*run, *earlier].into(),
            _ => Vec::new(),
        }
    }

    /// The same without what only some subjects can know: the function in which the program died; the pid of an entry
    /// whose kind has none; and, unless `blocks` are numbered alike, the number of the entry's block.
    #[must_use]
    pub fn comparable(mut self, blocks: bool) -> Self {
        match &mut self {
            Self::Died { outcome } => *outcome = outcome.without_function(),
            Self::Flawed { entry: Some(entry), .. }
            | Self::Misplaced { entry, .. }
            | Self::StaleArgument { entry, .. }
            | Self::UsedAfterFree { entry } => {
                entry.pid = entry.pid.filter(|_| entry.kind.has_pid());
                entry.block = if blocks { entry.block } else { Block(0) };
            }
            _ => {}
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::samples::samples;
    use super::*;
    use crate::signal::Signal;
    use alloc::string::ToString;

    #[test]
    fn every_detail_is_put_into_words() {
        for (detail, words) in samples() {
            assert_eq!(detail.to_string(), words);
        }
    }

    #[test]
    fn comparing_leaves_out_what_only_one_subject_knows_and_nothing_else() {
        for (detail, _) in samples() {
            let died = matches!(detail, Detail::Died { .. });
            assert!(died || detail.clone().comparable(true) == detail, "{detail:?}");
        }
        let died = |function: Option<&str>| Detail::Died {
            outcome: Outcome::Crashed { signal: Signal::SEGV, function: function.map(ToString::to_string) },
        };
        assert_eq!(died(Some("rb_erase")).comparable(true), died(None));
        let misplaced = |block, kind, pid| Detail::Misplaced {
            entry: EntryFacts { block: Block(block), kind, pid: Pid::new(pid) },
            place: Misplacement::OnlyInChildPid,
        };
        let child = |block, pid| misplaced(block, EntryKind::Child, pid);
        assert_eq!(child(4, 1001).comparable(false), child(5, 1001).comparable(false));
        assert_ne!(child(4, 1001).comparable(true), child(5, 1001).comparable(true));
        assert_ne!(child(4, 1001).comparable(false), child(4, 1002).comparable(false));
        let timer = |pid| misplaced(4, EntryKind::Timer, pid).comparable(true);
        assert_eq!(timer(1001), timer(0));
    }
}
