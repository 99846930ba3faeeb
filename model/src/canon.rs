//! A blocked loop told by what decides its future, in one form for all states whose futures are alike.
//!
//! Two states are *alike* when every further trace, its runs renamed, breaks the same laws from the one as from the
//! other. [`Canon`] is where a state is written down so that alike states mostly read the same, and states that
//! read the same are always alike:
//!
//! - instants are told from now; what lies before now only by how far, where a law still asks;
//! - children are told by their place in the order of their births, which is the order of their pids where these
//!   ascend; of who was reaped only that he is gone is told;
//! - scripts are told by their place in an order that the state itself gives, beside what the configuration
//!   says of them, which their [class](Canon::class_of) stands for; generations by how many ago they were in force,
//!   two standing for all more.
//!
//! The subject, its world and the [judge](crate::judge) each write their part. That nothing is missing is a matter of
//! tests: states that read the same are stepped on side by side, and each [`Part`] can be left out to see that it
//! would be missed.

use alloc::vec::Vec;

use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::id::{Generation, Pid, Run, ScriptId};
use crate::time::{Deadline, Instant};
use crate::trace::Config;

/// A part of what decides the future. For tests, each can be left out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Part {
    /// The virtual kernel: its timer, what is pending.
    Kernel,
    /// Who lives, and dies when.
    Children,
    /// Where the scripts' runs stand.
    Scripts,
    /// Entries and their order.
    Entries,
    /// The trees' shapes, where these matter.
    Shapes,
    /// What the judge knows of children and owes them.
    Debts,
    /// When the judge takes ticks to be due.
    Ticks,
    /// What else the judge keeps.
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

/// Told of a child or script that there is none.
const NOBODY: u8 = u8::MAX;
/// Told of a child that is gone.
const GONE: u8 = u8::MAX - 1;
/// Told of an instant that never comes: no span is so long.
const NEVER: u64 = u64::MAX / 2;
/// A generation so long ago, or longer.
const LONG_AGO: u32 = 2;

/// A state being written down.
#[derive(Clone, Default, Debug)]
pub struct Canon {
    bytes: Vec<u8>,
    now: Instant,
    generation: Generation,
    /// For each script the first that the configuration describes in the same words.
    classes: Vec<u8>,
    /// For each script its place.
    places: Vec<u8>,
    /// The scripts in the order of their places.
    scripts: Vec<u16>,
    children: Vec<(Run, Pid)>,
    left_out: Option<Part>,
    muted: bool,
    exact: bool,
}

impl Canon {
    /// For states of traces of this configuration. With another configuration in the same trace scripts would have
    /// to be told otherwise.
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

    /// The same, with a part left out: it then takes states for alike that are not.
    #[must_use]
    pub fn without(mut self, part: Option<Part>) -> Self {
        self.left_out = part;
        self
    }

    /// A new state is written down: so late it is, and this generation is in force.
    pub fn start(&mut self, now: Instant, generation: Generation) {
        self.bytes.clear();
        (self.now, self.generation) = (now, generation);
        (self.muted, self.exact) = (false, false);
        self.places.clear();
        self.places.resize(self.classes.len(), NOBODY);
        self.scripts.clear();
        self.children.clear();
    }

    /// The next child in the order of births.
    pub fn child(&mut self, run: Run, pid: Pid) {
        self.children.push((run, pid));
    }

    /// The children, in the order of births.
    #[must_use]
    pub fn children(&self) -> &[(Run, Pid)] {
        &self.children
    }

    /// A script of the generation in force is met: it gets the next place, if it has none.
    pub fn meet(&mut self, script: ScriptId) {
        if let Some(place) = self.places.get_mut(usize::from(script.0))
            && *place == NOBODY
        {
            *place = u8::try_from(self.scripts.len()).unwrap_or(NOBODY);
            self.scripts.push(script.0);
        }
    }

    /// Those scripts that were not met get the last places, in the order of the configuration.
    pub fn meet_rest(&mut self) {
        for script in 0..self.classes.len() {
            self.meet(ScriptId(u16::try_from(script).unwrap_or(u16::MAX)));
        }
    }

    /// The scripts, in the order of their places.
    #[must_use]
    pub fn scripts(&self) -> &[u16] {
        &self.scripts
    }

    /// What the configuration says of a script, as a number.
    #[must_use]
    pub fn class_of(&self, script: ScriptId) -> u8 {
        self.classes.get(usize::from(script.0)).copied().unwrap_or(NOBODY)
    }

    /// What follows belongs to this part.
    pub fn part(&mut self, part: Part) {
        self.muted = self.left_out == Some(part);
        self.byte(part as u8);
    }

    /// What follows tells more than the future hangs on: states that are alike may read differently.
    pub fn exactly(&mut self) {
        self.exact = true;
    }

    /// Whether the state may read differently from one that is alike.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// A small number.
    #[inline]
    pub fn byte(&mut self, byte: u8) {
        if !self.muted {
            self.bytes.push(byte);
        }
    }

    /// Yes or no.
    #[inline]
    pub fn flag(&mut self, flag: bool) {
        self.byte(u8::from(flag));
    }

    /// A number.
    #[inline]
    pub fn word(&mut self, word: u64) {
        if !self.muted {
            self.bytes.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// An instant, from now; the last there is, which stands for never, as that.
    #[inline]
    pub fn at(&mut self, at: Instant) {
        if at == Instant::MAX {
            self.word(NEVER);
        } else {
            self.word(at.as_micros().wrapping_sub(self.now.as_micros()));
        }
    }

    /// An instant of which only matters how far ahead it is.
    #[inline]
    pub fn ahead(&mut self, at: Instant) {
        self.word(at.saturating_since(self.now).as_micros());
    }

    /// A deadline, from now.
    #[inline]
    pub fn due(&mut self, due: Deadline) {
        match due {
            Deadline::At(at) => self.at(at),
            Deadline::Never => self.word(NEVER),
        }
    }

    /// An instant, if there is one.
    #[inline]
    pub fn maybe_at(&mut self, at: Option<Instant>) {
        self.flag(at.is_some());
        if let Some(at) = at {
            self.at(at);
        }
    }

    /// Whether that is past.
    #[must_use]
    pub fn is_past(&self, at: Instant) -> bool {
        at < self.now
    }

    /// A child, by its pid.
    #[inline]
    pub fn pid(&mut self, pid: i32) {
        let place = self.children.iter().position(|(_, child)| child.get() == pid);
        self.byte(place.and_then(|place| u8::try_from(place).ok()).unwrap_or(GONE));
    }

    /// How many generations ago this one was in force: 0, 1, or 2 for more.
    #[must_use]
    pub fn age(&self, generation: Generation) -> u8 {
        self.generation.0.wrapping_sub(generation.0).min(LONG_AGO) as u8
    }

    /// A script of the generation in force.
    #[inline]
    pub fn script(&mut self, script: ScriptId) {
        self.byte(self.places.get(usize::from(script.0)).copied().unwrap_or(NOBODY));
    }

    /// Whose child a run is: which script's, or, if that was an earlier generation's, of which kind.
    pub fn parent(&mut self, run: Run) {
        let age = self.age(run.of.generation);
        self.byte(age);
        if age == 0 {
            self.script(run.of.script);
        } else {
            self.byte(self.class_of(run.of.script));
        }
    }

    /// The state in one number, of traces of this setup. Two different states have the same once in 2^128.
    #[must_use]
    pub fn hash(&self, setup: u64) -> u128 {
        xxh3_128_with_seed(&self.bytes, setup)
    }

    /// What was written, byte by byte.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
