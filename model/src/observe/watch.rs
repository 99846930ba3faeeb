//! The observer that all subjects use: it judges, digests and keeps, as its [`Options`] say.

use alloc::string::String;
use alloc::vec::Vec;

use super::Observer;
use crate::contents::{Contents, contents_hash};
use crate::digest::{Digest, index_hash};
use crate::event::{Record, Step, SubjectKind};
use crate::index::IndexView;
use crate::judge::Judge;
use crate::time::Instant;
use crate::trace::Setup;
use crate::verdict::{Outcome, Verdict, Violation};
use crate::violation::EntryFacts;

/// Selects what a [`Watch`] does.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Options {
    /// Judge events by the model's laws.
    pub judge: bool,
    /// Judge the indexes too, after each step; only with `judge`.
    pub indexes: bool,
    /// Look at all trees and lists after each step, even where the subject can tell what changed. The verdict is the
    /// same; tests compare the two.
    pub whole: bool,
    /// Digest the records.
    pub digest: bool,
    /// Hash the indexes after each step, into marks and digest, until a memory law is violated.
    pub hash_indexes: bool,
    /// Keep records and the marks of steps.
    pub keep: bool,
    /// Hash what the indexes hold ([`contents_hash`]) instead of how they are linked; only with `hash_indexes`.
    pub contents: bool,
    /// The moment at which contents, and in a real program the calls that led there, are kept.
    pub spot: Option<Spot>,
}

/// A moment of a run, by what was observed until then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spot {
    /// The record of this place in the history.
    Record(u64),
    /// The step of this place among the marks.
    Step(u64),
}

impl Options {
    /// Nothing.
    const NOTHING: Self = Self {
        judge: false,
        indexes: false,
        whole: false,
        digest: false,
        hash_indexes: false,
        keep: false,
        contents: false,
        spot: None,
    };
    /// The verdict, by events and indexes.
    pub const VERDICT: Self = Self { judge: true, indexes: true, ..Self::NOTHING };
    /// The verdict and a digest of the history.
    pub const DIGESTED: Self = Self { digest: true, ..Self::VERDICT };
    /// The verdict, with all indexes looked at after every step.
    pub const WHOLE: Self = Self { whole: true, ..Self::VERDICT };
    /// The verdict and a digest of history and indexes, for comparing many runs.
    pub const HASHED: Self = Self { hash_indexes: true, ..Self::DIGESTED };
    /// The verdict, by events.
    pub const EVENTS: Self = Self { judge: true, ..Self::NOTHING };
    /// The digest, for benchmarks.
    pub const DIGEST: Self = Self { digest: true, ..Self::NOTHING };
    /// The verdict, and the history.
    pub const HISTORY: Self = Self { keep: true, ..Self::VERDICT };
    /// Everything, for comparing two subjects.
    pub const COMPARE: Self = Self { keep: true, ..Self::HASHED };
}

/// Whether a subject that can tell changes should do so ([`IndexView::changed`]): with few scripts, looking at
/// everything is cheaper. The answer is constant over a trace.
#[must_use]
pub fn shall_tell_changes(setup: &Setup) -> bool {
    /// Scripts in one configuration from which telling changes pays.
    const MANY: usize = 24;
    setup.configs.iter().any(|config| config.scripts.len() >= MANY)
}

/// A step that was done, with the indexes' hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Number of records so far.
    pub records: u64,
    /// The step.
    pub step: Step,
    /// The hash of all trees and lists ([`index_hash`] or [`contents_hash`]); 0 when not asked for, or after a memory law was violated.
    pub index_hash: u64,
}

/// Judges, digests and keeps.
///
/// A program may crash or hang anywhere; what was observed until then counts as much as that of a run that ended
/// normally.
#[derive(Clone, Debug)]
pub struct Watch<'s> {
    judge: Judge<'s>,
    options: Options,
    digest: Digest,
    digest_at_break: Option<u128>,
    used_after_free: Option<EntryFacts>,
    records: u64,
    steps: u64,
    kept: Vec<Record>,
    marks: Vec<Mark>,
    spotted: bool,
    contents: Option<Contents>,
}

impl<'s> Watch<'s> {
    /// Observes the run of a trace with this setup, on a subject of this kind.
    #[must_use]
    pub fn new(setup: &'s Setup, subject: SubjectKind, options: Options) -> Self {
        let mut judge = Judge::of(setup, subject);
        if options.whole {
            judge.look_at_all();
        }
        Self {
            judge,
            options,
            digest: Digest::new(),
            digest_at_break: None,
            used_after_free: None,
            records: 0,
            steps: 0,
            kept: Vec::new(),
            marks: Vec::new(),
            spotted: false,
            contents: None,
        }
    }

    /// Whether the run has come to the moment that [`Options::spot`] names.
    #[must_use]
    pub const fn is_spotted(&self) -> bool {
        self.spotted
    }

    /// Whether [`Observer::step`] has anything to do; a subject may skip making the view when not.
    #[must_use]
    pub const fn looks(&self) -> bool {
        (self.options.judge && self.options.indexes) || self.options.hash_indexes || self.options.keep
    }

    /// Returns the number of records so far.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// Notes that the program did what it was not asked to, so that the run cannot be followed any further.
    pub fn stray(&mut self, what: String) {
        if self.options.judge {
            self.judge.stray(what);
        }
    }

    /// Returns the violations so far.
    #[must_use]
    pub fn breaks(&self) -> &[Violation] {
        self.judge.breaks()
    }

    /// Whether a memory law was violated.
    #[must_use]
    pub fn memory_broke(&self) -> bool {
        self.judge.is_over()
    }

    /// Judges that the program used a freed entry, and ended there.
    pub fn used_after_free(&mut self, entry: EntryFacts) {
        self.used_after_free = Some(entry);
        if self.options.judge {
            self.judge.used_after_free(entry);
        }
    }

    /// Returns what was observed, after the run ended with this outcome.
    #[must_use]
    pub fn finish(self, outcome: Outcome) -> Observed {
        let judged = self.options.judge;
        Observed {
            verdict: if judged {
                self.judge.finish(outcome)
            } else {
                Verdict { breaks: Vec::new(), outcome }
            },
            digest: self.digest.value(),
            digest_at_break: self.digest_at_break,
            used_after_free: self.used_after_free,
            record_count: self.records,
            step_count: self.steps,
            records: self.kept,
            marks: self.marks,
            spotted: self.spotted,
            contents: self.contents,
        }
    }
}

impl Observer for Watch<'_> {
    #[inline]
    fn record(&mut self, record: &Record) {
        self.spotted |= self.options.spot == Some(Spot::Record(self.records));
        self.records += 1;
        if self.options.digest {
            self.digest.record(record);
        }
        if self.options.keep {
            self.kept.push(*record);
        }
        if self.options.judge {
            self.judge.record(record);
        }
    }

    #[inline]
    fn step<V: IndexView>(&mut self, step: Step, at: Instant, view: &V) {
        if self.options.spot == Some(Spot::Step(self.steps)) {
            self.spotted = true;
            self.contents = Some(Contents::of(view));
        }
        self.steps += 1;
        if self.options.judge && self.options.indexes && !self.judge.is_over() {
            self.judge.step(step, at, view);
            if self.judge.is_over() {
                self.digest_at_break = Some(self.digest.value());
            }
        }
        let hashed = self.options.hash_indexes && !self.judge.is_over();
        let index_hash = match (hashed, self.options.contents) {
            (false, _) => 0,
            (true, false) => index_hash(view),
            (true, true) => contents_hash(view),
        };
        if hashed {
            self.digest.mark(at, step, index_hash);
        }
        if self.options.keep {
            self.marks.push(Mark { records: self.records, step, index_hash });
        }
    }
}

/// Everything that a [`Watch`] observed of one run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observed {
    /// The violations, and the outcome. No violations when none was to be judged.
    pub verdict: Verdict,
    /// With `digest`, the digest of all records; with `hash_indexes`, also of the indexes after each step, until a
    /// memory law is violated.
    pub digest: u128,
    /// The digest at the moment when a memory law was violated, without the state that violated it: up to there,
    /// subjects of one release agree.
    pub digest_at_break: Option<u128>,
    /// The freed entry whose use ended the run; also after a memory law was violated, when it is no violation of its own.
    pub used_after_free: Option<EntryFacts>,
    /// Number of records.
    pub record_count: u64,
    /// Number of steps.
    pub step_count: u64,
    /// The records, with `keep`.
    pub records: Vec<Record>,
    /// The marks, with `keep`.
    pub marks: Vec<Mark>,
    /// Whether the run came to the moment that `spot` names.
    pub spotted: bool,
    /// What the indexes held then, if it is a step.
    pub contents: Option<Contents>,
}
