//! The table of behaviours: all that sets releases apart beside their defects.
//!
//! [`Behaviour::of`] starts from what 2.0.8 does and applies the [`CHANGES`] up to a release, in order. A
//! behaviour is no bug: the model knows none of them.

use super::{Release, at};

/// Where a key goes that equals one in the tree, in every tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EqualKeys {
    /// To the left: last in, first out.
    GoLeft,
    /// To the right: first in, first out.
    GoRight,
}

/// When an inserted node becomes the cached leftmost.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LeftmostRule {
    /// The cache is empty, or the node hangs at the left link of the cached leftmost.
    LeftOfCached,
    /// The descent never went right.
    NeverWentRight,
}

/// Which word an erase writes last where a successor with a right child takes an erased node's place. It counts where
/// that child is the successor itself, in a broken tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LastInErase {
    /// The child's.
    Child,
    /// The successor's.
    Successor,
}

/// Which functions insert into and erase from the trees with a cached leftmost node: reports name them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CachedCalls {
    /// Functions of their own.
    OfTheirOwn,
    /// The same as for the pid tree.
    Shared,
}

/// Which entry of a tree counts when the timerfd is armed. It differs in broken trees alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FirstArmed {
    /// The cached leftmost, if the tree has a root.
    CachedBelowRoot,
    /// The cached leftmost, if there is one.
    Cached,
}

/// How the timer handler walks over what is due.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Expiry {
    /// The next node is taken before this one is erased.
    NextTakenBefore,
    /// The cached leftmost is fetched afresh each time.
    LeftmostAfresh,
}

/// How a tree is emptied at a clean-up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Destruction {
    /// In order, each node erased.
    InOrderErasing,
    /// In post-order, nothing erased; then the root is reset.
    PostOrder,
}

/// What becomes of the running entry at a clean-up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CurrentEntry {
    /// It is left alone, and goes to UNUSE after its handler.
    RetiredAfter,
    /// It is freed with the rest.
    Freed,
}

/// Whether the clock is read after the blocking call and before the ready entries are moved.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BeforeMove {
    /// No: only after the move.
    NotRead,
    /// Yes, when a deadline was armed.
    ClockRead,
}

/// What a wake more than a second after the earliest deadline brings.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LateWake {
    /// Nothing.
    Silent,
    /// A log line.
    Logged,
}

/// What a timer writes where its entry, handed out again, had a pid or a value before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TimerValue {
    /// Nothing: what was there stays.
    Kept,
    /// Zero.
    Zero,
}

/// What becomes of a misc check whose timed-out child no longer exists.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LostMisc {
    /// The checker never runs again.
    NeverAgain,
    /// The checker is armed again.
    ArmedAgain,
}

/// By what a reload finds the old script of a new one, to carry its result over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CarriedBy {
    /// By its name.
    Name,
    /// By its name, with the same path, arguments and owner.
    NameAndCommand,
}

/// What a reload makes of a script that never finished a run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NeverFinished {
    /// Its result is carried over like any other.
    Carried,
    /// It keeps its initial state, without a log line.
    StaysInitial,
}

/// What a script that a reload brings in begins with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FirstResult {
    /// The same as at the start of the process.
    Init,
    /// A state of its own for reloads (INIT_RELOAD).
    InitReload,
}

/// Whether timeouts below a second can be configured.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ShortTimeouts {
    /// Whole seconds only.
    Refused,
    /// They can.
    Taken,
}

/// Whether delays of an interface's changes can be configured.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LinkDelays {
    /// The configuration does not know them.
    Unknown,
    /// `interface_up_down_delays`.
    Taken,
}

/// The arguments of the real program's `thread_cleanup_master`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CleanupCall {
    /// The master.
    Master,
    /// The master, and whether children are kept.
    MasterAndKeep,
}

/// What the third argument of the real program's `script_killall` means.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KillallFlag {
    /// The children are to be rescheduled: no at a reload, yes at a shutdown.
    Reschedule,
    /// The process is shutting down; it reschedules always, except with SIGKILL.
    ShuttingDown,
}

impl KillallFlag {
    /// What to pass at a reload (`shutdown` false) or at a shutdown.
    #[must_use]
    pub const fn value(self, shutdown: bool) -> bool {
        match self {
            Self::Reschedule | Self::ShuttingDown => shutdown,
        }
    }
}

/// Where the pid tree's root lies in the real program's master.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MasterLayout {
    /// The offset of CHILD_PID in bytes.
    pub child_pid: u64,
}

/// How a release goes about things, defects apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Behaviour {
    /// Where equal keys go.
    pub equal_keys: EqualKeys,
    /// When a new node is cached as leftmost.
    pub leftmost: LeftmostRule,
    /// Which word an erase writes last.
    pub last_in_erase: LastInErase,
    /// Which functions change the trees with a cached leftmost node.
    pub cached_calls: CachedCalls,
    /// Which entry counts when the timerfd is armed.
    pub first_armed: FirstArmed,
    /// How what is due is walked over.
    pub expiry: Expiry,
    /// How trees are emptied.
    pub destruction: Destruction,
    /// What becomes of the running entry at a clean-up.
    pub current_entry: CurrentEntry,
    /// Whether the clock is read before the move.
    pub before_move: BeforeMove,
    /// Whether a late wake is logged.
    pub late_wake: LateWake,
    /// What a timer writes in place of a pid.
    pub timer_value: TimerValue,
    /// What becomes of a misc check whose child is lost.
    pub lost_misc: LostMisc,
    /// By what results are carried over.
    pub carried_by: CarriedBy,
    /// What a reload makes of a script that never finished.
    pub never_finished: NeverFinished,
    /// What a script begins with at a reload.
    pub first_result: FirstResult,
    /// Whether timeouts below a second can be configured.
    pub short_timeouts: ShortTimeouts,
    /// Whether delays of an interface's changes can be configured.
    pub link_delays: LinkDelays,
    /// How the real program's clean-up is called.
    pub cleanup_call: CleanupCall,
    /// What the real program's `script_killall` takes.
    pub killall_flag: KillallFlag,
    /// Where things lie in the real program's master.
    pub layout: MasterLayout,
}

/// What 2.0.8 does.
const OLDEST: Behaviour = Behaviour {
    equal_keys: EqualKeys::GoLeft,
    leftmost: LeftmostRule::LeftOfCached,
    last_in_erase: LastInErase::Child,
    cached_calls: CachedCalls::OfTheirOwn,
    first_armed: FirstArmed::CachedBelowRoot,
    expiry: Expiry::NextTakenBefore,
    destruction: Destruction::InOrderErasing,
    current_entry: CurrentEntry::RetiredAfter,
    before_move: BeforeMove::NotRead,
    late_wake: LateWake::Silent,
    timer_value: TimerValue::Kept,
    lost_misc: LostMisc::NeverAgain,
    carried_by: CarriedBy::Name,
    never_finished: NeverFinished::Carried,
    first_result: FirstResult::Init,
    short_timeouts: ShortTimeouts::Refused,
    link_delays: LinkDelays::Unknown,
    cleanup_call: CleanupCall::Master,
    killall_flag: KillallFlag::Reschedule,
    layout: MasterLayout { child_pid: 112 },
};

/// A change of behaviour, and the release that brought it.
type Change = (Release, fn(&mut Behaviour));

/// The changes, oldest first.
const CHANGES: [Change; 20] = [
    (at(0, 17), |b| b.timer_value = TimerValue::Zero),
    (at(1, 0), |b| b.current_entry = CurrentEntry::Freed),
    (at(1, 0), |b| b.before_move = BeforeMove::ClockRead),
    (at(1, 0), |b| b.late_wake = LateWake::Logged),
    (at(1, 0), |b| b.layout = MasterLayout { child_pid: 120 }),
    (at(2, 3), |b| b.link_delays = LinkDelays::Taken),
    (at(2, 5), |b| b.equal_keys = EqualKeys::GoRight),
    (at(2, 5), |b| b.leftmost = LeftmostRule::NeverWentRight),
    // Seen on 2.1.5 and from 2.2.7 on; no program of between was there to be asked when its trees changed.
    (at(2, 5), |b| b.last_in_erase = LastInErase::Successor),
    (at(2, 5), |b| b.cached_calls = CachedCalls::Shared),
    (at(2, 5), |b| b.first_armed = FirstArmed::Cached),
    (at(2, 5), |b| b.expiry = Expiry::LeftmostAfresh),
    (at(2, 5), |b| b.destruction = Destruction::PostOrder),
    (at(2, 5), |b| b.never_finished = NeverFinished::StaysInitial),
    (at(2, 5), |b| b.first_result = FirstResult::InitReload),
    (at(2, 5), |b| b.cleanup_call = CleanupCall::MasterAndKeep),
    (at(2, 5), |b| b.killall_flag = KillallFlag::ShuttingDown),
    (at(3, 0), |b| b.lost_misc = LostMisc::ArmedAgain),
    (at(3, 2), |b| b.carried_by = CarriedBy::NameAndCommand),
    (at(3, 2), |b| b.short_timeouts = ShortTimeouts::Taken),
];

impl Behaviour {
    /// As `release` does.
    #[must_use]
    pub fn of(release: Release) -> Self {
        let mut behaviour = OLDEST;
        for (_, change) in CHANGES.iter().filter(|(since, _)| *since <= release) {
            change(&mut behaviour);
        }
        behaviour
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_changes_stand_in_the_order_of_their_releases_and_each_changes_something() {
        assert!(CHANGES.is_sorted_by_key(|(since, _)| *since));
        let mut behaviour = OLDEST;
        for (since, change) in CHANGES {
            let before = behaviour;
            change(&mut behaviour);
            assert_ne!(before, behaviour, "a change of {since}");
        }
        assert_eq!(behaviour, Behaviour::of(Release::NEWEST));
    }

    #[test]
    fn ties_turn_round_in_2_2_5() {
        assert_eq!(Behaviour::of(at(2, 4)).equal_keys, EqualKeys::GoLeft);
        assert_eq!(Behaviour::of(at(2, 5)).equal_keys, EqualKeys::GoRight);
    }

    #[test]
    fn releases_from_2_3_3_on_behave_alike() {
        for release in Release::ALL.iter().filter(|release| **release >= at(3, 3)) {
            assert_eq!(Behaviour::of(*release), Behaviour::of(at(3, 3)), "{release}");
        }
    }
}
