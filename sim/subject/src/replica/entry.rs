//! The layout of the program's memory: the master, and the 120 bytes of an entry.
//!
//! All places are offsets in bytes from the start of the master or of an entry. The node of a deadline tree and the
//! links of a list share one place in an entry, as in the program: an entry is in at most one of them, and reading
//! the wrong kind gives nonsense, as it does there.

use treefall_model::event::{EntryKind, Handler};
use treefall_model::id::{Generation, ScriptId, ScriptRef};
use treefall_model::index::{List, Tree};
use treefall_model::time::{Deadline, Instant};
use treefall_world::wire::Clocks;

/// An address in the simulated memory.
pub(super) type Addr = u64;

/// Bytes of an entry.
pub(super) const ENTRY_BYTES: u64 = 120;
/// Bytes of the master.
pub(super) const MASTER_BYTES: u64 = 352;

/// Address of the first block, as on the engine: it matters where a broken tree compares a pid or a deadline with a part
/// of an address.
pub(super) const BLOCKS_AT: Addr = 0x2000_0000_0000;
/// Distance from one block to the next: an entry and the allocator's own word.
pub(super) const STRIDE: u64 = 128;
/// Address of the master, directly before the first block.
pub(super) const MASTER_AT: Addr = BLOCKS_AT - MASTER_BYTES.next_multiple_of(STRIDE);
/// Words from one block to the next.
pub(super) const BLOCK_WORDS: usize = (STRIDE / 8) as usize;
/// Words from the master to the first block.
pub(super) const MASTER_WORDS: usize = ((BLOCKS_AT - MASTER_AT) / 8) as usize;

/// The entry's number: how many were allocated before it.
pub(super) const ID: u64 = 0;
/// Its [`Type`].
pub(super) const TYPE: u64 = 8;
/// Its master.
pub(super) const MASTER: u64 = 16;
/// The function that it calls: a [`Function`].
pub(super) const FUNCTION: u64 = 24;
/// Its argument: a script or null.
pub(super) const ARGUMENT: u64 = 32;
/// Its deadline's seconds since a date, or [`NEVER`].
pub(super) const DUE: u64 = 40;
/// The microseconds beside them. What is never due keeps those that were there.
pub(super) const MICROS: u64 = 48;
/// Its pid in the lower half, its status in the upper.
pub(super) const PID: u64 = 56;
/// What the program keeps of the descriptor that it waits for; null for all others and when it is retired.
pub(super) const EVENT: u64 = 64;
/// The node of a deadline tree, or the links of a list.
pub(super) const PLACE: u64 = 72;
/// The node of the pid tree.
pub(super) const PID_NODE: u64 = 96;

/// The numbers of the two descriptors, as the engine has them.
pub(super) const TIMER_FD: i32 = 1_000_001;
pub(super) const SIGNAL_FD: i32 = 1_000_002;

/// Seconds of a deadline that no clock reaches.
pub(super) const NEVER: u64 = i64::MIN as u64;
/// The date of the start, in seconds: what a deadline's seconds count from, as on the engine.
const DATE: u64 = Clocks::STANDARD.date;
const SECOND: u64 = 1_000_000;

/// The microseconds of an entry that waits for a descriptor for ever: the program does not set them, and what lay on its
/// stack was never null and no function.
pub(super) const UNSET_MICROS: u64 = 0x7d00_0000_0000;

/// What the program keeps of each descriptor: no address of the simulated memory.
pub(super) const TIMER_EVENT: Addr = 0x7e00_0000_0000;
pub(super) const SIGNAL_EVENT: Addr = 0x7e00_0000_0080;

/// Returns the offset of a deadline tree's root in the master; its cached leftmost node follows. `child_pid` is the
/// offset of the pid tree's root, which differs by release.
pub(super) const fn root_of(tree: Tree, child_pid: u64) -> u64 {
    match tree {
        Tree::Read => 0,
        Tree::Write => 16,
        Tree::Timer => 32,
        Tree::Child => 48,
        Tree::ChildPid => child_pid,
    }
}

/// Returns the offset of a tree's node in an entry.
pub(super) const fn node_in(tree: Tree) -> u64 {
    match tree {
        Tree::ChildPid => PID_NODE,
        _ => PLACE,
    }
}

/// Returns the offset of a list's head in the master.
pub(super) const fn head_of(list: List) -> u64 {
    match list {
        List::Event => 64,
        List::Ready => 80,
        List::Unuse => 96,
    }
}

/// Returns whether an offset in the master belongs to a tree or list.
pub(super) const fn is_index(place: u64, child_pid: u64) -> bool {
    place < head_of(List::Unuse) + 16 || place / 8 == child_pid / 8
}

/// What an entry says that it is, by the program's own numbers. A zeroed entry says that it waits for a descriptor.
///
/// A due timer and a ready descriptor have the numbers of the first releases; the others have the same in all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(super) enum Type {
    Read = 0,
    Write,
    Timer,
    ShutdownTimer,
    Child,
    Unused,
    ReadyTimer,
    Event,
    WriteTimeout,
    ReadTimeout,
    ChildTimeout,
    ChildTerminated,
    TerminateStart,
    Terminate,
    ReadyDescriptor,
}

impl Type {
    const ALL: [Self; 15] = [
        Self::Read,
        Self::Write,
        Self::Timer,
        Self::ShutdownTimer,
        Self::Child,
        Self::Unused,
        Self::ReadyTimer,
        Self::Event,
        Self::WriteTimeout,
        Self::ReadTimeout,
        Self::ChildTimeout,
        Self::ChildTerminated,
        Self::TerminateStart,
        Self::Terminate,
        Self::ReadyDescriptor,
    ];

    /// What stands in the type field, which is the lower half of a word; `None` when no type does.
    pub(super) fn from_word(word: u64) -> Option<Self> {
        Self::ALL.get(word as u32 as usize).copied()
    }

    /// Returns the type that an entry of this type gets when its deadline in `tree` has passed. The tree decides, also
    /// of an entry that stands in another tree than its type says. A shutdown's timer keeps its own.
    pub(super) const fn expired(self, tree: Tree) -> Self {
        match (self, tree) {
            (Self::ShutdownTimer, _) => Self::ShutdownTimer,
            (_, Tree::Read) => Self::ReadTimeout,
            (_, Tree::Write) => Self::WriteTimeout,
            (_, Tree::Child) => Self::ChildTimeout,
            (_, Tree::Timer | Tree::ChildPid) => Self::ReadyTimer,
        }
    }

    /// Returns whether entries of this type have a pid.
    pub(super) const fn has_pid(self) -> bool {
        matches!(self, Self::Child | Self::ChildTimeout | Self::ChildTerminated | Self::Unused)
    }

    /// Returns whether an entry of this type still runs after a shutdown has begun, whatever it calls.
    pub(super) const fn runs_in_shutdown(self) -> bool {
        matches!(
            self,
            Self::Child
                | Self::ChildTimeout
                | Self::ChildTerminated
                | Self::ShutdownTimer
                | Self::Terminate
                | Self::ReadyDescriptor
        )
    }

    /// Returns the model's name for it.
    pub(super) const fn kind(self) -> EntryKind {
        match self {
            Self::Read => EntryKind::Read,
            Self::Write => EntryKind::Write,
            Self::Timer | Self::ShutdownTimer => EntryKind::Timer,
            Self::Child => EntryKind::Child,
            Self::Unused => EntryKind::Unused,
            Self::Event | Self::TerminateStart | Self::Terminate => EntryKind::Event,
            Self::ReadTimeout | Self::WriteTimeout => EntryKind::Other,
            Self::ChildTimeout => EntryKind::ChildTimeout,
            Self::ChildTerminated => EntryKind::ChildTerminated,
            Self::ReadyDescriptor | Self::ReadyTimer => EntryKind::Ready,
        }
    }
}

/// The function that an entry calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Function {
    /// A handler that reports name.
    Of(Handler),
    /// The program's own killer for children after a reload.
    ReloadKiller,
    /// The program's own killer for children at a shutdown.
    ShutdownKiller,
}

/// Where functions lie: nowhere in the simulated memory, and above any number that an entry holds.
const CODE: u64 = 0x7f00_0000_0000;
/// The word of the two killers, without [`CODE`]; handlers are below it.
const RELOAD_KILLER: u64 = 100;
const SHUTDOWN_KILLER: u64 = 101;

impl Function {
    /// Returns its word in an entry, which is never null.
    pub(super) const fn word(self) -> u64 {
        let number = match self {
            Self::Of(handler) => handler as u64 + 1,
            Self::ReloadKiller => RELOAD_KILLER,
            Self::ShutdownKiller => SHUTDOWN_KILLER,
        };
        CODE | number
    }

    /// What stands in an entry; `None` where no function is.
    pub(super) fn from_word(word: u64) -> Option<Self> {
        match word ^ CODE {
            RELOAD_KILLER => Some(Self::ReloadKiller),
            SHUTDOWN_KILLER => Some(Self::ShutdownKiller),
            number => {
                let place = usize::try_from(number.checked_sub(1)?).ok()?;
                Handler::ALL.get(place).copied().map(Self::Of)
            }
        }
    }

    /// Returns the handler that reports name.
    pub(super) const fn handler(self) -> Handler {
        match self {
            Self::Of(handler) => handler,
            Self::ReloadKiller | Self::ShutdownKiller => Handler::Killer,
        }
    }

    /// Returns whether it is one of the program's killers.
    pub(super) const fn is_killer(self) -> bool {
        matches!(self, Self::ReloadKiller | Self::ShutdownKiller)
    }
}

/// The upper 16 bits of every argument that is a script, as on the engine.
const SCRIPT: u64 = 0x5f1a;

/// An argument as it stands in an entry, the bits as on the engine; null is zero.
pub(super) const fn argument_word(argument: Option<ScriptRef>) -> u64 {
    match argument {
        None => 0,
        Some(script) => SCRIPT << 48 | (script.generation.0 as u64) << 16 | script.script.0 as u64,
    }
}

/// Reads an argument's word.
pub(super) const fn argument_of(word: u64) -> Option<ScriptRef> {
    if word >> 48 != SCRIPT {
        return None;
    }
    Some(ScriptRef { generation: Generation((word >> 16) as u32), script: ScriptId(word as u16) })
}

/// A deadline as it stands in an entry: its seconds, and its microseconds unless it is never.
pub(super) const fn due_words(deadline: Deadline) -> (u64, Option<u64>) {
    match deadline {
        Deadline::At(instant) => {
            let micros = instant.as_micros();
            (DATE + micros / SECOND, Some(micros % SECOND))
        }
        Deadline::Never => (NEVER, None),
    }
}

/// Reads a deadline in microseconds since the start, at most [`Instant::MAX`]; "never" is greatest.
#[inline(always)]
pub(super) const fn due_micros(seconds: u64, micros: u64) -> u64 {
    if seconds == NEVER {
        return u64::MAX;
    }
    let since = (seconds as i64).saturating_sub(DATE as i64).saturating_mul(SECOND as i64);
    let micros = since.saturating_add(micros as i64);
    Instant::from_micros(if micros < 0 { 0 } else { micros as u64 }).as_micros()
}

/// The deadline that stands in an entry.
pub(super) const fn deadline_of(seconds: u64, micros: u64) -> Deadline {
    if seconds == NEVER {
        return Deadline::Never;
    }
    Deadline::At(Instant::from_micros(due_micros(seconds, micros)))
}

/// Reads the pid of a word, signed as in the program.
pub(super) const fn pid_of(word: u64) -> i32 {
    word as u32 as i32
}

/// Reads the status of a word.
pub(super) const fn status_of(word: u64) -> i32 {
    (word >> 32) as u32 as i32
}

/// Returns the word of a pid and a status.
pub(super) const fn pid_word(pid: i32, status: i32) -> u64 {
    pid as u32 as u64 | (status as u32 as u64) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_into_an_entry_is_read_back() {
        for (place, ty) in Type::ALL.into_iter().enumerate() {
            assert_eq!((ty as u64, Type::from_word(place as u64)), (place as u64, Some(ty)));
        }
        let functions =
            Handler::ALL.into_iter().filter(|handler| *handler != Handler::Killer).map(Function::Of);
        for function in functions.chain([Function::ReloadKiller, Function::ShutdownKiller]) {
            assert_eq!(Function::from_word(function.word()), Some(function));
        }
        assert_eq!((Function::from_word(0), Type::from_word(15)), (None, None));
        let script = ScriptRef { generation: Generation(u32::MAX), script: ScriptId(u16::MAX) };
        for argument in [None, Some(ScriptRef::default()), Some(script)] {
            assert_eq!(argument_of(argument_word(argument)), argument);
        }
        for (pid, status) in [(0, 0), (1_000, 9), (-1, 0xff00), (i32::MAX, -1)] {
            let word = pid_word(pid, status);
            assert_eq!((pid_of(word), status_of(word)), (pid, status));
        }
        for deadline in
            [Deadline::Never, Deadline::At(Instant::START), Deadline::At(Instant::from_micros(1 << 50))]
        {
            let (seconds, micros) = due_words(deadline);
            assert_eq!(deadline_of(seconds, micros.unwrap_or(7)), deadline);
        }
    }

    #[test]
    fn types_have_the_numbers_of_the_program() {
        let numbers = [
            (Type::Child, 4),
            (Type::Unused, 5),
            (Type::Event, 7),
            (Type::ChildTimeout, 10),
            (Type::ChildTerminated, 11),
            (Type::Terminate, 13),
        ];
        for (ty, number) in numbers {
            assert_eq!(ty as u64, number, "{ty:?}");
        }
    }

    #[test]
    fn a_type_over_half_an_argument_names_another_script() {
        let script = |n| Some(ScriptRef { generation: Generation(0), script: ScriptId(n) });
        let half = argument_word(script(3)) & !u64::from(u32::MAX) | Type::ChildTimeout as u64;
        assert_eq!(argument_of(half), script(10));
    }

    #[test]
    fn no_number_of_an_entry_is_a_function() {
        for number in [1, 7, 999_999, RELOAD_KILLER, MICROS, UNSET_MICROS, TIMER_EVENT] {
            assert_eq!(Function::from_word(number), None, "{number:#x}");
        }
    }
}
