//! Faults put into the replica on purpose, one at a time: a net that misses one has a hole.
//!
//! Always: without debug assertions there are none, and asking for one costs nothing; each is asked for at one
//! place, through [`Heap::has`], because every part of the replica has the heap at hand.
//!
//! [`Heap::has`]: super::heap::Heap::has

/// Whether this build has mutants: those with debug assertions do.
pub const AVAILABLE: bool = cfg!(debug_assertions);

macro_rules! mutants {
    ($($name:ident, $knew:ident, $says:literal;)*) => {
        /// A fault.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Mutant {
            $(#[doc = $says] $name,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What is wrong, in a sentence.
            #[must_use]
            pub const fn says(self) -> &'static str {
                match self { $(Self::$name => $says,)* }
            }

            /// Whether it was written from the replica's code alone, before the judge's was read. (The table of laws of the
            /// design was known.)
            #[must_use]
            pub const fn is_blind(self) -> bool {
                match self { $(Self::$name => matches!(Author::$knew, Author::Blind),)* }
            }
        }
    };
}

/// What who wrote a mutant had read.
enum Author {
    Blind,
    Knew,
}

mutants! {
    TimerNotRegisteredAgain, Blind, "the timer handler does not register its descriptor again";
    SignalsNotRegisteredAgain, Blind, "the signal handler does not register its descriptor again";
    SignalHandlerReadsOnce, Blind, "the signal handler reads one signal and returns";
    ReapsOneChild, Blind, "one child is reaped for a SIGCHLD, however many ended";
    DueIsStrict, Blind, "a deadline that is now is not yet due";
    ExpiryMovesOne, Blind, "the timer handler moves one due entry of each tree, not all";
    ChildrenExpireFirst, Blind, "the trees are looked at in the opposite order: children's timeouts before ticks";
    ReadyServedLastFirst, Blind, "what is queued on READY goes to its head";
    ReadyBeforeEvent, Blind, "READY is served before EVENT";
    LeftmostNotAdvanced, Blind, "the cached leftmost node stays when it is erased";
    LeftmostNotLowered, Blind, "a new first node does not become the cached leftmost";
    RootNotBlackened, Blind, "a red root stays red";
    UncleNotRecoloured, Blind, "of two red children one stays red when their parent becomes red";
    EraseNotRebalanced, Blind, "an erased black node leaves its tree out of balance";
    RotationNotLinked, Blind, "after a rotation what was above still points at the old node";
    PidNodeLeftAtExit, Blind, "a child that exited stays in the pid tree";
    StatusNotStored, Blind, "the status of a child that exited is not stored";
    ReadyNotCleaned, Blind, "a clean-up leaves READY as it is";
    TimersNotCleaned, Blind, "a clean-up leaves TIMER as it is";
    EarliestSkipsTimers, Blind, "the timerfd is armed without a look at TIMER";
    EntryNotRetired, Blind, "an entry that ran is not put on UNUSE";
    PidNotWrittenOnReuse, Blind, "a child's entry that was used before keeps the pid of that time";
    TieOrderFlipped, Knew, "of equal deadlines the last is first";
    ClockNotRefreshed, Knew, "the cached clock is not read after the blocking call";
    DeadlineFromOldClock, Knew, "a tick's deadline counts from the cached clock, which is not read";
    TimerEarlyByOneMicrosecond, Knew, "a tick is due a microsecond early";
    ChildLateByOneMicrosecond, Knew, "a child's timeout is due a microsecond late";
    ExitOfQueuedTimeoutIgnored, Knew, "the exit of a child whose timeout is queued leaves the timeout there";
    KillerSparesTheTimedOut, Knew, "the killer sends nothing on a timeout";
    KillerSendsTerm, Knew, "the killer sends SIGTERM where it should send SIGKILL";
    KillerKillsTheExited, Knew, "the killer sends SIGKILL on an exit too";
    GraceOfTwoSeconds, Knew, "the killer gives two seconds";
    ReloadKeepsDeadlines, Knew, "children that are given to a killer keep their deadlines";
    FirstChildAloneTold, Knew, "of all children the first alone is told to end";
    EventsNotCleaned, Knew, "a clean-up leaves EVENT as it is";
    ArgumentNotWrittenOnReuse, Knew, "an entry that was used before keeps the argument of that time";
    SecondDescriptorMissed, Knew, "of two ready descriptors the one reported last is left for the next call";
    ShutdownFlagNotSet, Knew, "a shutdown begins and other entries go on running";
    FoundByTheWrongSide, Knew, "the search of a pid takes the wrong side below the root";
    LastUnusedFreedLinked, Knew, "a clean-up frees the last entry of UNUSE and leaves it there";
}
