//! Canonical form of a blocked loop's state: what decides its future, and nothing else.
//!
//! Two states are *alike* when every further trace, with its runs renamed, violates the same laws from both. [`Canon`]
//! writes a state down so that states with equal bytes are always alike, and alike states mostly have equal bytes:
//!
//! - Instants are relative to now. An instant in the past is written only where a law still asks for its age.
//! - Children are numbered in the order of their births, which is also the order of ascending pids. A reaped child is
//!   only marked as gone.
//! - Scripts are numbered in an order that the state gives, with their [class](Canon::class_of) for what the
//!   configuration says of them. Generations are written by age: 0, 1, or 2 for all older ones.
//!
//! The subject, its world and the [judge](crate::judge) each write their part. Tests check that nothing is missing:
//! they step states with equal bytes side by side, and leave out each [`Part`] in turn to see that it matters.

use alloc::vec::Vec;

use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::id::{Generation, Pid, Run, ScriptId};
use crate::time::{Deadline, Instant};
use crate::trace::Config;

/// Part of a state. Tests leave out one at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Part {
    /// The virtual kernel: its timer, what is pending.
    Kernel,
    /// Which children live, and when each dies.
    Children,
    /// Progress of the scripts' runs.
    Scripts,
    /// Entries and their order.
    Entries,
    /// Shapes of the trees, where these matter.
    Shapes,
    /// Children that the judge knows, and the signals that it still expects for them.
    Debts,
    /// Instants at which the judge expects ticks.
    Ticks,
    /// The rest of the judge's state.
    Judge,
}

impl Part {
    /// All parts.
    pub const ALL: [Self; 8] = [
        Self::Kernel,
        Self::Children,
        Self::Scripts,
        Self::Entries,
        Self::Shapes,
        Self::Debts,
        Self::Ticks,
        Self::Judge,
    ];
}

/// Stands for: no child, or no script.
const NOBODY: u8 = u8::MAX;
/// Stands for a child that was reaped.
const GONE: u8 = u8::MAX - 1;
/// Stands for an instant that never comes; longer than any span.
const NEVER: u64 = u64::MAX / 2;
/// Age of a generation that stands for this age and all greater ones.
const LONG_AGO: u32 = 2;

/// Writes one state at a time.
#[derive(Clone, Default, Debug)]
pub struct Canon {
    bytes: Vec<u8>,
    now: Instant,
    generation: Generation,
    /// For each script, the first script with the same description in the configuration.
    classes: Vec<u8>,
    /// Number of each script.
    places: Vec<u8>,
    /// Scripts in the order of their numbers.
    scripts: Vec<u16>,
    children: Vec<(Run, Pid)>,
    left_out: Option<Part>,
    muted: bool,
    exact: bool,
}

impl Canon {
    /// Writes states of traces of this configuration. Traces with several configurations would need another numbering
    /// of scripts.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let same = |a: usize, b: usize| {
            let (a, b) = (&config.scripts[a], &config.scripts[b]);
            let unnamed = |script: &crate::trace::Script| (script.kind, script.interval, script.timeout);
            unnamed(a) == unnamed(b) && (a.rise, a.fall, a.habit) == (b.rise, b.fall, b.habit)
        };
        let first = |script: usize| (0..script).find(|other| same(*other, script)).unwrap_or(script);
        let classes = (0..config.scripts.len()).map(|script| u8::try_from(first(script)).unwrap_or(NOBODY));
        Self { classes: classes.collect(), ..Self::default() }
    }

    /// Leaves out a part: some states that are not alike then get equal bytes. For tests.
    #[must_use]
    pub fn without(mut self, part: Option<Part>) -> Self {
        self.left_out = part;
        self
    }

    /// Begins a new state, at this instant, with this generation in force.
    pub fn start(&mut self, now: Instant, generation: Generation) {
        self.bytes.clear();
        (self.now, self.generation) = (now, generation);
        (self.muted, self.exact) = (false, false);
        self.places.clear();
        self.places.resize(self.classes.len(), NOBODY);
        self.scripts.clear();
        self.children.clear();
    }

    /// Adds the next child, in the order of births.
    pub fn child(&mut self, run: Run, pid: Pid) {
        self.children.push((run, pid));
    }

    /// Returns the children in the order of births.
    #[must_use]
    pub fn children(&self) -> &[(Run, Pid)] {
        &self.children
    }

    /// Numbers a script of the generation in force, unless it has a number.
    pub fn meet(&mut self, script: ScriptId) {
        if let Some(place) = self.places.get_mut(usize::from(script.0))
            && *place == NOBODY
        {
            *place = u8::try_from(self.scripts.len()).unwrap_or(NOBODY);
            self.scripts.push(script.0);
        }
    }

    /// Numbers the remaining scripts, in the order of the configuration.
    pub fn meet_rest(&mut self) {
        for script in 0..self.classes.len() {
            self.meet(ScriptId(u16::try_from(script).unwrap_or(u16::MAX)));
        }
    }

    /// Returns the scripts in the order of their numbers.
    #[must_use]
    pub fn scripts(&self) -> &[u16] {
        &self.scripts
    }

    /// Returns a number for what the configuration says of a script.
    #[must_use]
    pub fn class_of(&self, script: ScriptId) -> u8 {
        self.classes.get(usize::from(script.0)).copied().unwrap_or(NOBODY)
    }

    /// Starts a part: what is written next belongs to it.
    pub fn part(&mut self, part: Part) {
        self.muted = self.left_out == Some(part);
        self.byte(part as u8);
    }

    /// Notes that the following detail is finer than needed: alike states may get different bytes.
    pub fn exactly(&mut self) {
        self.exact = true;
    }

    /// Whether alike states may have different bytes.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// Writes a small number.
    #[inline]
    pub fn byte(&mut self, byte: u8) {
        if !self.muted {
            self.bytes.push(byte);
        }
    }

    /// Writes a truth value.
    #[inline]
    pub fn flag(&mut self, flag: bool) {
        self.byte(u8::from(flag));
    }

    /// Writes a number.
    #[inline]
    pub fn word(&mut self, word: u64) {
        if !self.muted {
            self.bytes.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// Writes an instant relative to now; the last instant stands for "never" and stays that.
    #[inline]
    pub fn at(&mut self, at: Instant) {
        if at == Instant::MAX {
            self.word(NEVER);
        } else {
            self.word(at.as_micros().wrapping_sub(self.now.as_micros()));
        }
    }

    /// Writes how far ahead an instant is, or 0 if it has passed.
    #[inline]
    pub fn ahead(&mut self, at: Instant) {
        self.word(at.saturating_since(self.now).as_micros());
    }

    /// Writes a deadline relative to now.
    #[inline]
    pub fn due(&mut self, due: Deadline) {
        match due {
            Deadline::At(at) => self.at(at),
            Deadline::Never => self.word(NEVER),
        }
    }

    /// Writes an optional instant.
    #[inline]
    pub fn maybe_at(&mut self, at: Option<Instant>) {
        self.flag(at.is_some());
        if let Some(at) = at {
            self.at(at);
        }
    }

    /// Whether an instant has passed.
    #[must_use]
    pub fn is_past(&self, at: Instant) -> bool {
        at < self.now
    }

    /// Writes a child, by its pid.
    #[inline]
    pub fn pid(&mut self, pid: i32) {
        let place = self.children.iter().position(|(_, child)| child.get() == pid);
        self.byte(place.and_then(|place| u8::try_from(place).ok()).unwrap_or(GONE));
    }

    /// Returns the age of a generation: 0 in force, 1 the one before, 2 for all older ones.
    #[must_use]
    pub fn age(&self, generation: Generation) -> u8 {
        self.generation.0.wrapping_sub(generation.0).min(LONG_AGO) as u8
    }

    /// Writes a script of the generation in force.
    #[inline]
    pub fn script(&mut self, script: ScriptId) {
        self.byte(self.places.get(usize::from(script.0)).copied().unwrap_or(NOBODY));
    }

    /// Writes the script of a run; of an earlier generation, only the kind of script.
    pub fn parent(&mut self, run: Run) {
        let age = self.age(run.of.generation);
        self.byte(age);
        if age == 0 {
            self.script(run.of.script);
        } else {
            self.byte(self.class_of(run.of.script));
        }
    }

    /// Returns a 128-bit hash of the state, for traces of this setup. Distinct states collide with probability 2^-128.
    #[must_use]
    pub fn hash(&self, setup: u64) -> u128 {
        xxh3_128_with_seed(&self.bytes, setup)
    }

    /// Returns the bytes written.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
