//! A run of the replica with a snapshot of all trees and lists after each step.
//!
//! Invariants: a snapshot changes nothing and ends, however broken the trees are: each node is visited once. Its size is
//! bounded ([`STAGES_MAX`], [`NODES_MAX`]); the rest is counted.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::event::{EntryKind, Handler, Record, Step, SubjectKind};
use treefall_model::id::{Pid, ScriptRef};
use treefall_model::index::{Block, IndexView, Link, List, Node, Tree};
use treefall_model::judge::Judge;
use treefall_model::observe::{AsDaemon, Observer};
use treefall_model::release::Rules;
use treefall_model::time::{Deadline, Instant};
use treefall_model::trace::Trace;
use treefall_model::verdict::{Verdict, Violation};

use treefall_subject::replica::{Fault, Mark, Note, Replica};

/// Most steps of one run that are kept: the first ones.
pub const STAGES_MAX: usize = 4_000;
/// Most nodes of one tree, and most entries of one list, in a snapshot.
pub const NODES_MAX: usize = 64;

/// An entry as it was after a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryState {
    /// Its block.
    pub block: Block,
    /// Its kind, as its own field says.
    pub kind: EntryKind,
    /// Its pid, meaningful for children.
    pub pid: Option<Pid>,
    /// When it is due, meaningful in the trees by deadline.
    pub due: Deadline,
    /// The function that it calls.
    pub handler: Option<Handler>,
    /// The script that its argument names.
    pub argument: Option<ScriptRef>,
    /// Whether the block was handed out and not freed.
    pub live: bool,
}

/// A tree as it was after a step: the nodes that a walk from its root meets, parents before children.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TreeShot {
    /// The tree.
    pub tree: Tree,
    /// Its root.
    pub root: Link,
    /// Its cached leftmost node, if it has such a cache.
    pub leftmost: Option<Link>,
    /// The nodes, at most [`NODES_MAX`].
    pub nodes: Vec<(EntryState, Node)>,
    /// A link led to a node that was visited already, or to none.
    pub astray: bool,
}

/// A list as it was after a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListShot {
    /// The list.
    pub list: List,
    /// Its entries, at most [`NODES_MAX`].
    pub entries: Vec<EntryState>,
    /// A link led to an entry that was visited already, or to none.
    pub astray: bool,
}

/// All trees and lists after a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// The trees.
    pub trees: Vec<TreeShot>,
    /// The lists.
    pub lists: Vec<ListShot>,
}

/// The trees and lists that hold an entry after a step.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Places {
    /// In these trees: bit `tree as u8`.
    trees: u8,
    /// On these lists: bit `list as u8`.
    lists: u8,
}

impl Places {
    /// Whether it stood in `tree`.
    #[must_use]
    pub const fn in_tree(self, tree: Tree) -> bool {
        self.trees & 1 << tree as u8 != 0
    }

    /// Whether it stood on `list`.
    #[must_use]
    pub const fn on_list(self, list: List) -> bool {
        self.lists & 1 << list as u8 != 0
    }

    /// The names of the trees and lists, trees first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let trees = Tree::ALL.into_iter().filter(move |tree| self.in_tree(*tree)).map(Tree::name);
        let lists = List::ALL.into_iter().filter(move |list| self.on_list(*list));
        trees.chain(lists.map(List::name))
    }
}

impl Snapshot {
    /// Takes a snapshot.
    fn of<V: IndexView>(view: &V) -> Self {
        Self {
            trees: Tree::ALL.into_iter().map(|tree| tree_shot(view, tree)).collect(),
            lists: List::ALL.into_iter().map(|list| list_shot(view, list)).collect(),
        }
    }

    /// Returns every entry that some tree or list leads to.
    pub fn seats(&self) -> impl Iterator<Item = EntryState> {
        let trees = self.trees.iter().flat_map(|tree| tree.nodes.iter().map(|(seat, _)| *seat));
        trees.chain(self.lists.iter().flat_map(|list| list.entries.iter().copied()))
    }

    /// Every entry of a tree that a walk from its root meets.
    pub fn seats_in(&self, tree: Tree) -> impl Iterator<Item = EntryState> {
        let shots = self.trees.iter().filter(move |shot| shot.tree == tree);
        shots.flat_map(|shot| shot.nodes.iter().map(|(seat, _)| *seat))
    }

    /// Where the entry in `block` stood.
    #[must_use]
    pub fn places(&self, block: Block) -> Places {
        let mut places = Places::default();
        for tree in &self.trees {
            let there = tree.nodes.iter().any(|(seat, _)| seat.block == block);
            places.trees |= u8::from(there) << tree.tree as u8;
        }
        for list in &self.lists {
            let there = list.entries.iter().any(|seat| seat.block == block);
            places.lists |= u8::from(there) << list.list as u8;
        }
        places
    }

    /// The entry in `block`, if some tree or list leads to it.
    #[must_use]
    pub fn seat(&self, block: Block) -> Option<EntryState> {
        self.seats().find(|seat| seat.block == block)
    }
}

fn seat<V: IndexView>(view: &V, block: Block) -> EntryState {
    let entry = view.entry(block);
    EntryState {
        block,
        kind: entry.kind,
        pid: entry.pid,
        due: entry.deadline,
        handler: entry.handler,
        argument: entry.argument,
        live: view.is_live(block),
    }
}

fn tree_shot<V: IndexView>(view: &V, tree: Tree) -> TreeShot {
    let (root, mut met) = (view.root(tree), BTreeSet::new());
    let mut shot = TreeShot { tree, root, leftmost: view.leftmost(tree), nodes: Vec::new(), astray: false };
    let mut open = vec![root];
    while let Some(link) = open.pop() {
        match link {
            Link::End => {}
            Link::To(block) if shot.nodes.len() < NODES_MAX && met.insert(block) => {
                let node = view.node(tree, block);
                shot.nodes.push((seat(view, block), node));
                open.extend([node.right, node.left]);
            }
            Link::To(_) | Link::Wild => shot.astray = true,
        }
    }
    shot
}

fn list_shot<V: IndexView>(view: &V, list: List) -> ListShot {
    let mut shot = ListShot { list, entries: Vec::new(), astray: false };
    let (mut link, mut met) = (view.first(list), BTreeSet::new());
    loop {
        match link {
            Link::End => break,
            Link::To(block) if shot.entries.len() < NODES_MAX && met.insert(block) => {
                shot.entries.push(seat(view, block));
                link = view.next(list, block);
            }
            Link::To(_) | Link::Wild => {
                shot.astray = true;
                break;
            }
        }
    }
    shot
}

/// The part of a run between two snapshots.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stage {
    /// The step after which the snapshot was taken; `None`: the run ended without another snapshot.
    pub step: Option<Step>,
    /// When.
    pub at: Instant,
    /// The records since the stage before: from here ..
    pub from: usize,
    /// .. to here, exclusive.
    pub to: usize,
    /// The trees and lists: a place in [`RunLog::snapshots`].
    pub snapshot: usize,
}

/// A run with its snapshots.
#[derive(Clone, Debug)]
pub struct RunLog {
    /// The history.
    pub records: Vec<Record>,
    /// The run, snapshot by snapshot.
    pub stages: Vec<Stage>,
    /// The distinct snapshots, in order of appearance.
    pub snapshots: Vec<Snapshot>,
    /// Number of stages beyond [`STAGES_MAX`].
    pub left_out: usize,
    /// For each violation of the verdict, where it was seen.
    pub breaks_seen: Vec<BreakSeen>,
    /// The model's verdict.
    pub verdict: Verdict,
    /// The blocks that were used through a stale link.
    pub notes: Vec<Note>,
    /// The entries that were erased from the pid tree while it did not link them.
    pub second_erases: Vec<(Block, Mark)>,
    /// The fault that ended the simulated program.
    pub fault: Option<Fault>,
    /// The replica's rules.
    pub rules: Rules,
}

/// The place at which a violation was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BreakSeen {
    /// The stage.
    pub stage: usize,
    /// Number of records by then; a daemon's judge does not see all of them.
    pub records: usize,
}

impl RunLog {
    /// Runs `trace` on a replica with these rules, and keeps the events that a subject of this kind shows.
    #[must_use]
    pub fn of(kind: SubjectKind, trace: &Trace, rules: Rules) -> Self {
        let judge = Judge::of(trace.setup(), kind);
        let teller = |judging| LogReader {
            judging,
            records: Vec::new(),
            stages: Vec::new(),
            snapshots: Vec::new(),
            left_out: 0,
            breaks_seen: Vec::new(),
        };
        let run = if kind == SubjectKind::Daemon {
            let teller = teller(Judging::Daemon(Box::new(AsDaemon::new(judge))));
            Replica::new(trace, rules, teller).with_instance().run()
        } else {
            Replica::new(trace, rules, teller(Judging::All(Box::new(judge)))).run()
        };
        let mut teller = run.observer;
        // The rest of the run, after the last snapshot.
        let (from, to) = (teller.last_to(), teller.records.len());
        let at = teller.records.last().map_or(Instant::START, |record| record.at);
        if (from < to || run.fault.is_some()) && teller.stages.len() < STAGES_MAX {
            let snapshot = teller.snapshots.len().saturating_sub(1);
            teller.stages.push(Stage { step: None, at, from, to, snapshot });
        }
        let last = teller.stages.len().saturating_sub(1);
        let verdict = teller.judging.finish(run.outcome);
        let seen = BreakSeen { stage: last, records: teller.records.len() };
        teller.breaks_seen.resize(verdict.breaks.len(), seen);
        Self {
            records: teller.records,
            stages: teller.stages,
            snapshots: teller.snapshots,
            left_out: teller.left_out,
            breaks_seen: teller.breaks_seen,
            verdict,
            notes: run.notes,
            second_erases: run.second_erases,
            rules,
            fault: run.fault,
        }
    }

    /// Returns the violation with this signature, and where it was seen.
    #[must_use]
    pub fn broken(&self, signature: treefall_model::verdict::Signature) -> Option<(&Violation, BreakSeen)> {
        let place = self.verdict.signatures().position(|shown| shown == signature)?;
        Some((&self.verdict.breaks[place], self.breaks_seen[place]))
    }

    /// The trees and lists at the end of a stage.
    #[must_use]
    pub fn snapshot(&self, stage: usize) -> Option<&Snapshot> {
        self.snapshots.get(self.stages.get(stage)?.snapshot)
    }

    /// The records of a stage.
    #[must_use]
    pub fn events(&self, stage: usize) -> &[Record] {
        self.stages.get(stage).map_or(&[], |stage| &self.records[stage.from..stage.to])
    }
}

enum Judging<'s> {
    All(Box<Judge<'s>>),
    Daemon(Box<AsDaemon<Judge<'s>>>),
}

impl Judging<'_> {
    fn breaks(&self) -> usize {
        match self {
            Self::All(judge) => judge.breaks().len(),
            Self::Daemon(judge) => judge.inner().breaks().len(),
        }
    }

    fn finish(self, outcome: treefall_model::verdict::Outcome) -> Verdict {
        match self {
            Self::All(judge) => judge.finish(outcome),
            Self::Daemon(judge) => judge.into_inner().finish(outcome),
        }
    }
}

struct LogReader<'s> {
    judging: Judging<'s>,
    records: Vec<Record>,
    stages: Vec<Stage>,
    snapshots: Vec<Snapshot>,
    left_out: usize,
    breaks_seen: Vec<BreakSeen>,
}

impl LogReader<'_> {
    fn last_to(&self) -> usize {
        self.stages.last().map_or(0, |stage| stage.to)
    }

    /// Assigns new violations to the current stage.
    fn note_breaks(&mut self, stage: usize) {
        let breaks = self.judging.breaks().max(self.breaks_seen.len());
        self.breaks_seen.resize(breaks, BreakSeen { stage, records: self.records.len() });
    }
}

impl Observer for LogReader<'_> {
    fn record(&mut self, record: &Record) {
        self.records.push(*record);
        match &mut self.judging {
            Judging::All(judge) => judge.record(record),
            Judging::Daemon(judge) => judge.record(record),
        }
        self.note_breaks(self.stages.len());
    }

    fn step<V: IndexView>(&mut self, step: Step, at: Instant, view: &V) {
        match &mut self.judging {
            Judging::All(judge) if !judge.is_over() => judge.step(step, at, view),
            Judging::Daemon(judge) if !judge.inner().is_over() => judge.step(step, at, view),
            _ => {}
        }
        self.note_breaks(self.stages.len());
        if self.stages.len() >= STAGES_MAX {
            self.left_out += 1;
            return;
        }
        let shot = Snapshot::of(view);
        if self.snapshots.last() != Some(&shot) {
            self.snapshots.push(shot);
        }
        let (from, to) = (self.last_to(), self.records.len());
        self.stages.push(Stage { step: Some(step), at, from, to, snapshot: self.snapshots.len() - 1 });
    }
}
