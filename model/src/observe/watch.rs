//! The watch that all subjects use: it judges, digests and keeps, as its [`Options`] say.

use alloc::vec::Vec;

use super::Observer;
use crate::digest::{Digest, index_hash};
use crate::event::{Record, Step, SubjectKind};
use crate::index::IndexView;
use crate::judge::Judge;
use crate::time::Instant;
use crate::trace::Setup;
use crate::verdict::{Break, Outcome, Verdict};

/// What a [`Watch`] does.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Options {
    /// Judges the events by the model's laws.
    pub judge: bool,
    /// Judges the indexes too, after each step; only with `judge`.
    pub indexes: bool,
    /// Looks at all trees and lists after each step, not just at what changed where the subject can tell. The
    /// verdict is the same; this is what it is compared with.
    pub whole: bool,
    /// Digests the records, for runs that are compared or told by their digest.
    pub digest: bool,
    /// Hashes the indexes after each step, into marks and digest, up to a memory break.
    pub hash_indexes: bool,
    /// Keeps records, and the marks of the steps.
    pub keep: bool,
}

impl Options {
    /// The verdict alone, by events and indexes.
    pub const VERDICT: Self =
        Self { judge: true, indexes: true, whole: false, digest: false, hash_indexes: false, keep: false };
    /// The verdict, and a digest of the history.
    pub const DIGESTED: Self = Self { digest: true, ..Self::VERDICT };
    /// The verdict alone, all indexes looked at after every step.
    pub const WHOLE: Self = Self { whole: true, ..Self::VERDICT };
    /// The verdict and a digest of history and indexes, nothing kept: for comparing many runs.
    pub const HASHED: Self =
        Self { judge: true, indexes: true, whole: false, digest: true, hash_indexes: true, keep: false };
    /// The verdict by events alone.
    pub const EVENTS: Self =
        Self { judge: true, indexes: false, whole: false, digest: false, hash_indexes: false, keep: false };
    /// The digest alone: for benchmarks.
    pub const DIGEST: Self =
        Self { judge: false, indexes: false, whole: false, digest: true, hash_indexes: false, keep: false };
    /// Everything, for a comparison of two subjects.
    pub const COMPARE: Self =
        Self { judge: true, indexes: true, whole: false, digest: true, hash_indexes: true, keep: true };
}

/// Whether a subject that can tell what changed shall do so ([`IndexView::changed`]): with few scripts a look at
/// everything costs less. It is the same all over a trace.
#[must_use]
pub fn shall_tell_changes(setup: &Setup) -> bool {
    /// From so many scripts in one configuration on.
    const MANY: usize = 24;
    setup.configs.iter().any(|config| config.scripts.len() >= MANY)
}

/// That a step was done, and how the indexes were then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Records of the history so far.
    pub records: u64,
    /// The step.
    pub step: Step,
    /// The hash of all trees and lists ([`index_hash`]); 0 when none was wanted, or after a memory break.
    pub index_hash: u64,
}

/// Judges, digests and keeps.
///
/// A program that crashes or hangs has broken off wherever it was; what was watched until then is as good as
/// that of a run that came to its end.
#[derive(Clone, Debug)]
pub struct Watch<'s> {
    judge: Judge<'s>,
    options: Options,
    digest: Digest,
    digest_at_break: Option<u128>,
    records: u64,
    steps: u64,
    kept: Vec<Record>,
    marks: Vec<Mark>,
}

impl<'s> Watch<'s> {
    /// Watches the run of a trace with this setup, on a subject of this kind.
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
            records: 0,
            steps: 0,
            kept: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// Whether [`Observer::step`] has anything to look at; a subject may spare itself the view when not.
    #[must_use]
    pub const fn looks(&self) -> bool {
        (self.options.judge && self.options.indexes) || self.options.hash_indexes || self.options.keep
    }

    /// Records so far.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// The laws broken so far.
    #[must_use]
    pub fn breaks(&self) -> &[Break] {
        self.judge.breaks()
    }

    /// Whether a memory law broke.
    #[must_use]
    pub fn memory_broke(&self) -> bool {
        self.judge.is_over()
    }

    /// What was seen, now that the run ended so.
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
            record_count: self.records,
            step_count: self.steps,
            records: self.kept,
            marks: self.marks,
        }
    }
}

impl Observer for Watch<'_> {
    #[inline]
    fn record(&mut self, record: &Record) {
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
        self.steps += 1;
        if self.options.judge && self.options.indexes && !self.judge.is_over() {
            self.judge.step(step, at, view);
            if self.judge.is_over() {
                self.digest_at_break = Some(self.digest.value());
            }
        }
        let hashed = self.options.hash_indexes && !self.judge.is_over();
        let index_hash = if hashed { index_hash(view) } else { 0 };
        if hashed {
            self.digest.mark(at, step, index_hash);
        }
        if self.options.keep {
            self.marks.push(Mark { records: self.records, step, index_hash });
        }
    }
}

/// What a [`Watch`] saw of one run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observed {
    /// The laws broken, and the outcome. No laws when none was to be judged.
    pub verdict: Verdict,
    /// With `digest`, the digest of all records and, with `hash_indexes`, of the indexes after each step up to a memory break.
    pub digest: u128,
    /// The same as it was when a memory law broke, the state that broke it not included: up to there two
    /// subjects of one release are alike.
    pub digest_at_break: Option<u128>,
    /// How many records there were.
    pub record_count: u64,
    /// How many steps there were.
    pub step_count: u64,
    /// The records, with `keep`.
    pub records: Vec<Record>,
    /// The steps, with `keep`.
    pub marks: Vec<Mark>,
}
