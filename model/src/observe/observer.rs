//! The observer of a run, and the observers that do not judge.

use alloc::vec::Vec;

use crate::event::{Event, Record, Step, SubjectKind};
use crate::index::{Block, Entry, IndexView, Link, List, Node, Tree};
use crate::time::Instant;

/// Observes a run.
pub trait Observer {
    /// Receives an event.
    fn record(&mut self, record: &Record);

    /// Receives the end of a step: a scheduler operation has returned, a handler begins and the one before it is done,
    /// or the loop blocks. `view` shows the indexes at that moment.
    fn step<V: IndexView>(&mut self, step: Step, at: Instant, view: &V);
}

/// A borrowed observer observes too.
impl<O: Observer> Observer for &mut O {
    #[inline]
    fn record(&mut self, record: &Record) {
        (**self).record(record);
    }

    #[inline]
    fn step<V: IndexView>(&mut self, step: Step, at: Instant, view: &V) {
        (**self).step(step, at, view);
    }
}

/// Observes nothing, for benchmarks of a bare subject.
#[derive(Clone, Copy, Default, Debug)]
pub struct Blind;

impl Observer for Blind {
    #[inline]
    fn record(&mut self, _: &Record) {}

    #[inline]
    fn step<V: IndexView>(&mut self, _: Step, _: Instant, _: &V) {}
}

/// Passes on only what a daemon shows of a run, so that a replica can be compared with a whole daemon and shrunk for
/// it.
#[derive(Clone, Debug)]
pub struct AsDaemon<O> {
    to: O,
    /// A shutdown began, so no tick runs any more.
    ending: bool,
    /// Whether each record was passed on.
    passed: Vec<bool>,
}

impl<O: Observer> AsDaemon<O> {
    /// Passes on to this observer.
    pub const fn new(to: O) -> Self {
        Self { to, ending: false, passed: Vec::new() }
    }

    /// Returns how many of the first `records` were passed on.
    #[must_use]
    pub fn passed_of(&self, records: u64) -> u64 {
        let records = usize::try_from(records).unwrap_or(usize::MAX);
        self.passed.iter().take(records).map(|passed| u64::from(*passed)).sum()
    }

    /// Returns the inner observer.
    pub fn into_inner(self) -> O {
        self.to
    }

    /// Borrows the inner observer.
    pub const fn inner(&self) -> &O {
        &self.to
    }

    /// Borrows the inner observer mutably, to ask what it has seen.
    pub const fn inner_mut(&mut self) -> &mut O {
        &mut self.to
    }
}

impl<O: Observer> Observer for AsDaemon<O> {
    fn record(&mut self, record: &Record) {
        let passed = record.event.shown_by(SubjectKind::Daemon);
        self.passed.push(passed);
        self.ending |= record.event == Event::TerminationBegun;
        if passed {
            self.to.record(record);
        }
    }

    fn step<V: IndexView>(&mut self, step: Step, at: Instant, view: &V) {
        let shown = match step {
            Step::Cleanup | Step::Blocked => true,
            // Only a tick's: the timers of a shutdown itself are not seen.
            Step::AddTimer => !self.ending,
            _ => false,
        };
        if shown {
            self.to.step(step, at, &NoArguments(view));
        }
    }
}

/// Indexes without arguments: a daemon's arguments are its own objects.
struct NoArguments<'v, V>(&'v V);

impl<V: IndexView> IndexView for NoArguments<'_, V> {
    fn root(&self, tree: Tree) -> Link {
        self.0.root(tree)
    }
    fn leftmost(&self, tree: Tree) -> Option<Link> {
        self.0.leftmost(tree)
    }
    fn node(&self, tree: Tree, block: Block) -> Node {
        self.0.node(tree, block)
    }
    fn first(&self, list: List) -> Link {
        self.0.first(list)
    }
    fn last(&self, list: List) -> Link {
        self.0.last(list)
    }
    fn next(&self, list: List, block: Block) -> Link {
        self.0.next(list, block)
    }
    fn previous(&self, list: List, block: Block) -> Link {
        self.0.previous(list, block)
    }
    fn entry(&self, block: Block) -> Entry {
        Entry { argument: None, ..self.0.entry(block) }
    }
    fn is_live(&self, block: Block) -> bool {
        self.0.is_live(block)
    }
    fn blocks(&self) -> u32 {
        self.0.blocks()
    }
}
