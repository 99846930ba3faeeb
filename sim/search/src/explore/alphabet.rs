//! What traces are made of: setups, and the ways to go on from a blocked loop.
//!
//! The alphabet, which a certificate states:
//!
//! - one configuration of so many track scripts, each of one of the first [`Bound::kinds`] of [`KINDS`]; all
//!   sequences of them. Pids ascend, the block freed last is handed out first, nothing costs time, no start fails;
//! - a wake moves the clock to the next timer, or half-way there: half of what is left, cut to whole steps of
//!   [`STEP`], where that is something;
//! - at most one child exits in a wake, of those that live when the loop blocks: with status 0, by SIGTERM or by
//!   SIGKILL;
//! - with a SIGHUP or without;
//! - where both descriptors are ready, either is reported first.
//!
//! A way to go on is one byte, a [`Label`]; which run it means is decided by the state that it goes on from.

use treefall_model::id::{ConfigId, Run};
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::{Deadline, Instant, Span};
use treefall_model::trace::{Advance, Config, Habit, Name, OnTerm, Order, Script, Setup, Wake};

/// Where the clock stops on its way to the next timer: a whole number of these from where it was.
pub const STEP: Span = Span::from_millis(500);

/// A kind of script: interval, timeout, what its children do on SIGTERM.
pub type Kind = (Span, Span, OnTerm);

const SECOND: Span = Span::from_secs(1);
const TWO: Span = Span::from_secs(2);

/// The kinds of script that there are to choose from, the plainest first.
pub const KINDS: [Kind; 6] = [
    (TWO, SECOND, OnTerm::Dies(Span::ZERO)),
    (TWO, SECOND, OnTerm::Ignores),
    (SECOND, SECOND, OnTerm::Ignores),
    (SECOND, SECOND, OnTerm::Dies(Span::ZERO)),
    (SECOND, TWO, OnTerm::Dies(SECOND)),
    (SECOND, TWO, OnTerm::Ignores),
];

/// How far to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound {
    /// Scripts of the configuration.
    pub scripts: u8,
    /// Kinds of script to choose from, of [`KINDS`].
    pub kinds: u8,
    /// Wakes of a trace.
    pub wakes: u8,
    /// Living runs beyond which a trace is not gone on from.
    pub living: u8,
}

/// Most living runs that a label can tell apart.
pub const LIVING_MAX: u8 = 9;
/// Most setups that there is a number for.
pub const SETUPS_MAX: usize = 256;

impl Bound {
    /// How many setups there are.
    #[must_use]
    pub fn setups(&self) -> usize {
        usize::from(self.kinds).saturating_pow(u32::from(self.scripts))
    }

    /// The n-th setup.
    #[must_use]
    pub fn setup(&self, number: usize) -> Setup {
        let kinds = usize::from(self.kinds);
        let script = |place: usize| {
            let (interval, timeout, on_term) = KINDS[number / kinds.pow(place as u32) % kinds];
            let habit = Habit { on_term, ..Habit::default() };
            Script { interval, timeout, habit, ..Script::new(Name::numbered(place)) }
        };
        let config = Config { scripts: (0..usize::from(self.scripts)).map(script).collect() };
        Setup { configs: vec![config], ..Setup::default() }
    }
}

/// How children exit.
const STATUSES: [ExitStatus; 3] =
    [ExitStatus::SUCCESS, ExitStatus::Signal(Signal::TERM), ExitStatus::Signal(Signal::KILL)];

/// One way to go on: in the lowest bits signals first, half-way, SIGHUP; above them who exits and how, if anyone. Labels
/// are tried in the order of their numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Label(pub u8);

const SIGNALS_FIRST: u8 = 1;
const HALF_WAY: u8 = 2;
const HUP: u8 = 4;
const EXIT: u8 = 8;

/// What a blocked loop can be woken by.
#[derive(Clone, Default, Debug)]
pub struct Choices {
    /// Who lives, in the order of births.
    pub living: Vec<Run>,
    /// Half of the time to the next timer, in whole steps.
    pub half_way: Span,
}

impl Choices {
    /// Of a loop that blocks at `now` until `armed`.
    pub fn set(&mut self, now: Instant, armed: Deadline) {
        self.living.clear();
        let left = match armed {
            Deadline::At(due) => due.saturating_since(now),
            Deadline::Never => Span::ZERO,
        };
        self.half_way = Span::from_micros(left.as_micros() / 2 / STEP.as_micros() * STEP.as_micros());
    }

    /// The ways to go on, the plainest first. Of those that differ in the order of the descriptors alone the one with
    /// the timer first; [`Label::turned`] is the other.
    pub fn labels(&self) -> impl Iterator<Item = Label> + use<> {
        let exits = 1 + STATUSES.len() * self.living.len().min(usize::from(LIVING_MAX));
        let advances = if self.half_way.is_zero() { 1 } else { 2 };
        (0..exits as u8).flat_map(move |exit| {
            [0, HUP].into_iter().flat_map(move |hup| {
                [0, HALF_WAY].into_iter().take(advances).map(move |half| Label((exit * EXIT) | hup | half))
            })
        })
    }

    /// The wake that a label means here; `None` if it means none.
    #[must_use]
    pub fn wake(&self, label: Label) -> Option<Wake> {
        let half = label.0 & HALF_WAY != 0;
        let advance = if half { Advance::By(self.half_way) } else { Advance::NextTimer };
        let mut wake = Wake::new(advance);
        if let Some(exit) = (label.0 / EXIT).checked_sub(1) {
            let run = self.living.get(usize::from(exit) / STATUSES.len())?;
            wake = wake.exit(*run, STATUSES[usize::from(exit) % STATUSES.len()]);
        }
        if label.0 & HUP != 0 {
            wake = wake.hup(ConfigId(0));
        }
        if label.0 & SIGNALS_FIRST != 0 {
            wake.order = Order::SignalsFirst;
        }
        Some(wake)
    }
}

impl Label {
    /// The same with the signals reported first.
    #[must_use]
    pub const fn turned(self) -> Self {
        Self(self.0 | SIGNALS_FIRST)
    }
}
