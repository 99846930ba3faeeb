//! Runs the search: expands states in rounds, in parallel, and collects the results.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use treefall_model::trace::Trace;
use treefall_model::verdict::Signature;

use super::graph::{Graph, Node};
use super::real::{Real, RealExpansion};
use super::space::{FoundAt, Space};
use super::worker::{Expansion, Merging, Successor, Worker};
use treefall_subject::{Subject, SubjectError};

/// States that are expanded in one round.
const ROUND: usize = 256;
/// States of a round that one worker expands at a time.
const SHARE: usize = 8;
/// The same with a real program, which starts a process for each batch of traces.
const SHARE_BESIDE: usize = 16;
/// Most traces that are kept of those in which a real program differs.
const DIFFER_MAX: usize = 5;

/// A signature with the first trace that shows it, which is a shortest one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundTrace {
    /// The signature.
    pub signature: Signature,
    /// Number of wakes of the trace.
    pub wakes: usize,
    /// The trace.
    pub trace: Trace,
}

/// The progress of a search.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// All traces of this many wakes are done.
    pub depth: usize,
    /// Number of states met.
    pub states: usize,
    /// States of the current depth that were expanded, and all of them.
    pub of_depth: (usize, usize),
    /// Number of steps between states.
    pub transitions: u64,
    /// Number of steps to more living runs than the limit.
    pub cut: u64,
    /// Traces played on the real program, if there is one.
    pub replays: u64,
    /// Traces among them in which it differs from the replica; these are not extended.
    pub different: u64,
    /// Number of signatures found.
    pub found: usize,
    /// Memory of the states, in bytes.
    pub bytes: u64,
}

/// The status of a search.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// There is more to do.
    UnderWay,
    /// No new state is left: the results hold for traces of any length, unless some were [cut](Progress::cut).
    Closed,
    /// All traces within the limit of wakes are done.
    Bounded,
    /// The states would exceed their limit of memory.
    MemoryFull,
}

/// An exhaustive search.
pub struct Explorer<'s> {
    pub(super) space: &'s Space,
    pub(super) merging: Merging,
    pub(super) graph: Graph,
    pub(crate) found: BTreeMap<Signature, FoundAt>,
    pub(super) transitions: u64,
    pub(super) cut: u64,
    real: Option<Real>,
    replays: u64,
    different: u64,
    differ_at: Vec<Trace>,
    workers: Mutex<Vec<Worker<'s>>>,
    pool: Option<rayon::ThreadPool>,
    bytes_max: u64,
}

impl<'s> Explorer<'s> {
    /// Returns a search that has not begun, with `jobs` workers and at most `bytes_max` of memory for states.
    #[must_use]
    pub fn new(space: &'s Space, jobs: usize, bytes_max: u64) -> Self {
        Self::merging(space, jobs, bytes_max, Merging::Canonical)
    }

    /// Returns a search with another way to merge states.
    #[must_use]
    pub fn merging(space: &'s Space, jobs: usize, bytes_max: u64, merging: Merging) -> Self {
        let pool =
            (jobs > 1).then(|| rayon::ThreadPoolBuilder::new().num_threads(jobs).build().ok()).flatten();
        let mut explorer = Self {
            space,
            merging,
            graph: Graph::default(),
            found: BTreeMap::new(),
            transitions: 0,
            cut: 0,
            real: None,
            replays: 0,
            different: 0,
            differ_at: Vec::new(),
            workers: Mutex::new(Vec::new()),
            pool,
            bytes_max,
        };
        explorer.start();
        explorer
    }

    fn start(&mut self) {
        let mut worker = Worker::new(self.space, self.merging);
        self.graph.levels.push(0);
        for setup in 0..self.space.starts.len() {
            let (hash, broken) = worker.start(setup);
            // A start that breaks memory at once would not be expanded; none does.
            let node = self.graph.add_start(hash.unwrap_or(setup as u128), setup as u8);
            for signature in broken {
                self.found.entry(signature).or_insert(FoundAt { node, label: None });
            }
        }
        self.graph.levels.push(self.graph.len() as u32);
    }

    /// Returns the depth whose states are being expanded.
    fn depth(&self) -> usize {
        self.graph.levels.len() - 2
    }

    /// Adds real programs of one kind, one for each job, whose violations count instead of the replica's.
    #[must_use]
    pub fn beside(mut self, workers: Vec<Box<dyn Subject>>) -> Self {
        self.real = Some(Real::new(workers));
        self
    }

    /// Returns the first few traces in which the real program differs from the replica.
    #[must_use]
    pub fn differ_at(&self) -> &[Trace] {
        &self.differ_at
    }

    /// Returns the status.
    #[must_use]
    pub fn standing(&self) -> Standing {
        if self.depth() >= usize::from(self.space.bound.wakes) {
            // The last wakes' successors are not expanded.
            Standing::Bounded
        } else if self.graph.done() == self.graph.len() {
            Standing::Closed
        } else {
            Standing::UnderWay
        }
    }

    /// Expands some of the next states.
    ///
    /// # Errors
    /// When a real program cannot run; a replica always can.
    pub fn round(&mut self) -> Result<Standing, SubjectError> {
        if self.standing() != Standing::UnderWay {
            return Ok(self.standing());
        }
        let last = self.depth() + 1 == usize::from(self.space.bound.wakes);
        let from = self.graph.done() as u32;
        let level_ends = self.graph.levels[self.depth() + 1];
        let nodes: Vec<u32> = (from..level_ends).take(ROUND).collect();
        let ways_max = 8 * (1 + 3 * usize::from(self.space.bound.living));
        let more = if last { nodes.len() } else { nodes.len() * ways_max };
        if !self.graph.make_room(more, self.bytes_max) {
            return Ok(Standing::MemoryFull);
        }
        for (node, (went, beside)) in nodes.iter().zip(self.expand(&nodes, last)?) {
            self.replays += beside.replays;
            self.different += beside.different.len() as u64;
            self.differ_at.extend(beside.different);
            self.differ_at.truncate(DIFFER_MAX);
            self.take(Node(*node), went);
        }
        if self.graph.done() as u32 == level_ends {
            self.graph.levels.push(self.graph.len() as u32);
        }
        Ok(self.standing())
    }

    /// Expands these states in parallel. Returns the results in their order.
    fn expand(&self, nodes: &[u32], last: bool) -> Result<Vec<(Expansion, RealExpansion)>, SubjectError> {
        let share = |nodes: &[u32]| {
            let mut worker = self.worker();
            let (mut went, mut traces) = (Vec::with_capacity(nodes.len()), Vec::new());
            for node in nodes.iter().map(|node| Node(*node)) {
                let ways = worker.expand(&self.graph, node, last);
                if self.real.is_some() {
                    worker.traces(&self.graph, node, ways.ways.iter().map(|(label, _)| *label), &mut traces);
                }
                went.push(ways);
            }
            self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
            let beside = match &self.real {
                Some(real) => real.play(&traces, &mut went, self.space.rules)?,
                None => went.iter().map(|_| RealExpansion::default()).collect(),
            };
            Ok(went.into_iter().zip(beside).collect())
        };
        let each = if self.real.is_some() { SHARE_BESIDE } else { SHARE };
        let shares: Vec<Result<Vec<_>, SubjectError>> = match &self.pool {
            Some(pool) => pool.install(|| nodes.par_chunks(each).map(share).collect()),
            None => nodes.chunks(each).map(share).collect(),
        };
        let shares: Vec<Vec<_>> = shares.into_iter().collect::<Result<_, _>>()?;
        Ok(shares.into_iter().flatten().collect())
    }

    fn worker(&self) -> Worker<'s> {
        let idle = self.workers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| Worker::new(self.space, self.merging))
    }

    fn take(&mut self, node: Node, went: Expansion) {
        for (label, signature) in went.broken {
            self.found.entry(signature).or_insert(FoundAt { node, label: Some(label) });
        }
        self.transitions += went.ways.len() as u64;
        self.cut += went.ways.iter().filter(|(_, to)| *to == Successor::Cut).count() as u64;
        let ways = u16::try_from(went.ways.len()).unwrap_or(u16::MAX);
        let mut targets: Vec<u32> =
            went.ways.into_iter().map(|(label, to)| to.met(&mut self.graph, node, label)).collect();
        self.graph.add_expansion(ways, &mut targets);
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// As [`round`](Self::round).
    pub fn run(&mut self) -> Result<Standing, SubjectError> {
        loop {
            let standing = self.round()?;
            if standing != Standing::UnderWay {
                return Ok(standing);
            }
        }
    }

    /// Restores the signatures that were found at these places.
    pub(super) fn find_again(&mut self, places: &[FoundAt]) {
        let mut worker = self.worker();
        let mut places = places.to_vec();
        // The first one is kept, as before.
        places.sort_by_key(|place| (place.node, place.label));
        for place in &places {
            for signature in worker.broken_at(&self.graph, *place) {
                self.found.entry(signature).or_insert(*place);
            }
        }
    }

    /// Returns the progress.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let depth = self.depth();
        let (first, end) = (self.graph.levels[depth] as usize, self.graph.levels[depth + 1] as usize);
        Progress {
            depth,
            states: self.graph.len(),
            of_depth: (self.graph.done() - first, end - first),
            transitions: self.transitions,
            cut: self.cut,
            replays: self.replays,
            different: self.different,
            found: self.found.len(),
            bytes: self.graph.bytes(),
        }
    }

    /// Returns the number of traces that the search covers: all up to the finished number of wakes, or, if it is
    /// closed, up to the limit. Traces beyond a memory violation or a crash, and those that are not extended, do not
    /// count. `None`: more than 2^128.
    #[must_use]
    pub fn traces(&self) -> Option<u128> {
        let closed = self.standing() == Standing::Closed;
        self.graph.traces(if closed { usize::from(self.space.bound.wakes) } else { self.depth() })
    }

    /// Returns each signature with a shortest trace, the shortest first.
    #[must_use]
    pub fn found(&self) -> Vec<FoundTrace> {
        let mut worker = self.worker();
        let mut one = |(signature, place): (&Signature, &FoundAt)| {
            let trace = worker.trace(&self.graph, place.node, place.label);
            FoundTrace { signature: *signature, wakes: trace.wakes().len(), trace }
        };
        let mut found: Vec<FoundTrace> = self.found.iter().map(&mut one).collect();
        found.sort_by_key(|found| found.wakes);
        found
    }
}
