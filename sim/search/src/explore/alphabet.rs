//! The alphabet of the exhaustive search: setups, and the ways to continue from a blocked loop.
//!
//! A certificate states this alphabet:
//!
//! - one configuration of so many track scripts, each of one of the first [`Bound::kinds`] of [`KINDS`], in all
//!   combinations. Pids ascend, the block freed last is reused first, nothing costs time, no start fails;
//! - a wake advances the clock to the next timer, or half-way: half of the remaining time, rounded down to whole
//!   steps of [`STEP`], unless that is zero;
//! - at most one child exits in a wake, of those that live when the loop blocks: with status 0, by SIGTERM or by
//!   SIGKILL;
//! - with or without a SIGHUP;
//! - if both descriptors are ready, either is reported first.
//!
//! A way to continue is one byte, a [`Label`]; the state from which it continues decides which run it means.

use treefall_model::id::{ConfigId, Run};
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::{Deadline, Instant, Span};
use treefall_model::trace::{Advance, Config, Habit, Name, OnTerm, Order, Script, Setup, Wake};

/// The unit of half-way advances.
pub const STEP: Span = Span::from_millis(500);

/// A kind of script: interval, timeout, reaction of its children to SIGTERM.
pub type Kind = (Span, Span, OnTerm);

const SECOND: Span = Span::from_secs(1);
const TWO: Span = Span::from_secs(2);

/// The kinds of script to choose from, the plainest first.
pub const KINDS: [Kind; 6] = [
    (TWO, SECOND, OnTerm::Dies(Span::ZERO)),
    (TWO, SECOND, OnTerm::Ignores),
    (SECOND, SECOND, OnTerm::Ignores),
    (SECOND, SECOND, OnTerm::Dies(Span::ZERO)),
    (SECOND, TWO, OnTerm::Dies(SECOND)),
    (SECOND, TWO, OnTerm::Ignores),
];

/// The limits of a search.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound {
    /// Scripts of the configuration.
    pub scripts: u8,
    /// Kinds of script to choose from, of [`KINDS`].
    pub kinds: u8,
    /// Wakes of a trace.
    pub wakes: u8,
    /// Most living runs of a trace that is extended.
    pub living: u8,
}

/// Most living runs that labels can distinguish.
pub const LIVING_MAX: u8 = 9;
/// Most setups that can be numbered.
pub const SETUPS_MAX: usize = 256;

impl Bound {
    /// Returns the number of setups.
    #[must_use]
    pub fn setups(&self) -> usize {
        usize::from(self.kinds).saturating_pow(u32::from(self.scripts))
    }

    /// Returns setup number `number`.
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

/// One way to continue. The lowest bits are signals first, half-way and SIGHUP; the bits above them say which run
/// exits and how. Labels are tried in numerical order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Label(pub u8);

const SIGNALS_FIRST: u8 = 1;
const HALF_WAY: u8 = 2;
const HUP: u8 = 4;
const EXIT: u8 = 8;

/// The possible wakes of a blocked loop.
#[derive(Clone, Default, Debug)]
pub struct WakeChoices {
    /// The living runs, in the order of births.
    pub living: Vec<Run>,
    /// Half of the time to the next timer, in whole steps.
    pub half_way: Span,
}

impl WakeChoices {
    /// Sets the choices of a loop that blocks at `now` until `armed`.
    pub fn set(&mut self, now: Instant, armed: Deadline) {
        self.living.clear();
        let left = match armed {
            Deadline::At(due) => due.saturating_since(now),
            Deadline::Never => Span::ZERO,
        };
        self.half_way = Span::from_micros(left.as_micros() / 2 / STEP.as_micros() * STEP.as_micros());
    }

    /// Returns the ways to continue, the plainest first. Of two that differ only in the order of the descriptors,
    /// only the one with the timer first is included; [`Label::turned`] is the other.
    pub fn labels(&self) -> impl Iterator<Item = Label> + use<> {
        let exits = 1 + STATUSES.len() * self.living.len().min(usize::from(LIVING_MAX));
        let advances = if self.half_way.is_zero() { 1 } else { 2 };
        (0..exits as u8).flat_map(move |exit| {
            [0, HUP].into_iter().flat_map(move |hup| {
                [0, HALF_WAY].into_iter().take(advances).map(move |half| Label((exit * EXIT) | hup | half))
            })
        })
    }

    /// Returns the wake of a label here; `None` if there is no such wake.
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
    /// Returns the same label with the signals reported first.
    #[must_use]
    pub const fn turned(self) -> Self {
        Self(self.0 | SIGNALS_FIRST)
    }
}
