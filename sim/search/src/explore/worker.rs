//! Expands states: advances to each, and from there by every label.
//!
//! A worker keeps the walkers along its last path. Consecutive states mostly have a common path, so that a state is a
//! step or two from the last one.

use treefall_model::canon::{Canon, Part};
use treefall_model::trace::{Trace, Wake};
use treefall_model::verdict::Signature;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::alphabet::{Label, WakeChoices};
use super::graph::{END, Graph, Node};
use super::space::{FoundAt, Space};
use super::walk::{WalkEnd, Walker};

/// When two states are merged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Merging {
    /// When their futures are equal.
    Canonical,
    /// When their futures are equal except for one part that is ignored: unsound, to test that the part matters.
    Without(Part),
    /// Never: every trace is separate.
    Never,
}

/// The result of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Successor {
    /// A state that was known before this round.
    Known(Node),
    /// A state with this hash.
    Hash(u128),
    /// To the end of the trace.
    End,
    /// The real program differs; the trace is not extended.
    Different,
    /// More living runs than the limit; the trace is not extended.
    Cut,
}

/// All steps from one state.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Expansion {
    pub(super) ways: Vec<(Label, Successor)>,
    pub(super) broken: Vec<(Label, Signature)>,
}

pub(super) struct Worker<'s> {
    space: &'s Space,
    merging: Merging,
    setup: usize,
    path: Vec<Label>,
    /// The walkers along the path, the start first.
    walkers: Vec<Walker<'s>>,
    wanted: Vec<Label>,
    choices: WakeChoices,
    canons: Vec<Canon>,
}

impl<'s> Worker<'s> {
    pub(super) fn new(space: &'s Space, merging: Merging) -> Self {
        let left_out = match merging {
            Merging::Without(part) => Some(part),
            Merging::Canonical | Merging::Never => None,
        };
        let canon = |start: &Trace| Canon::new(&start.setup().configs[0]).without(left_out);
        Self {
            space,
            merging,
            setup: usize::MAX,
            path: Vec::new(),
            walkers: Vec::new(),
            wanted: Vec::new(),
            choices: WakeChoices::default(),
            canons: space.starts.iter().map(canon).collect(),
        }
    }

    /// Returns the hash of a start, and what it breaks at once.
    pub(super) fn start(&mut self, setup: usize) -> (Option<u128>, Vec<Signature>) {
        let (walker, begun) = Walker::begin(&self.space.starts[setup], self.space.rules);
        let hash = (begun.led == WalkEnd::On).then(|| self.hash(setup, &walker, &[]));
        (hash, begun.broken)
    }

    fn hash(&mut self, setup: usize, walker: &Walker<'_>, path: &[Label]) -> u128 {
        match self.merging {
            Merging::Never => {
                let bytes: Vec<u8> = path.iter().map(|label| label.0).collect();
                xxh3_128_with_seed(&bytes, setup as u64)
            }
            Merging::Canonical | Merging::Without(_) => walker.hash(&mut self.canons[setup], setup as u64),
        }
    }

    /// Advances to a state, from the nearest one on the last path.
    fn walk_to(&mut self, graph: &Graph, node: Node) {
        let setup = graph.path(node, &mut self.wanted);
        if setup != self.setup {
            self.setup = setup;
            self.path.clear();
            self.walkers.clear();
            self.walkers.push(Walker::begin(&self.space.starts[setup], self.space.rules).0);
        }
        let common = self.path.iter().zip(&self.wanted).take_while(|(a, b)| a == b).count();
        self.path.truncate(common);
        self.walkers.truncate(common + 1);
        for place in common..self.wanted.len() {
            let label = self.wanted[place];
            let mut walker = self.walkers[place].clone();
            walker.choices(&mut self.choices);
            // A label that led there once leads there again.
            if let Some(wake) = self.choices.wake(label) {
                walker.step(&wake);
            }
            self.path.push(label);
            self.walkers.push(walker);
        }
    }

    /// Expands a state by every label. With `last`, successors do not matter.
    pub(super) fn expand(&mut self, graph: &Graph, node: Node, last: bool) -> Expansion {
        self.walk_to(graph, node);
        let Some(from) = self.walkers.pop() else { return Expansion::default() };
        let mut path = std::mem::take(&mut self.path);
        let went = self.expand_from(graph, &from, &mut path, last);
        self.walkers.push(from);
        self.path = path;
        went
    }

    /// Expands the state to which `label` leads from `node`.
    pub(super) fn look_ahead(&mut self, graph: &Graph, node: Node, label: Label) -> Expansion {
        self.walk_to(graph, node);
        let Some(mut walker) = self.walkers.last().cloned() else { return Expansion::default() };
        walker.choices(&mut self.choices);
        if let Some(wake) = self.choices.wake(label) {
            walker.step(&wake);
        }
        let mut path = self.path.clone();
        path.push(label);
        self.hash(self.setup, &walker, &path);
        let exact = self.canons[self.setup].is_exact();
        // Only hashes count, whether the states are known or not.
        let mut went = self.expand_from(&Graph::default(), &walker, &mut path, false);
        for (label, to) in went.ways.iter_mut().filter(|(_, to)| matches!(to, Successor::Hash(_))) {
            walker.choices(&mut self.choices);
            let Some(wake) = self.choices.wake(*label) else { continue };
            let mut next = walker.clone();
            next.step(&wake);
            self.hash(self.setup, &next, &path);
            if self.canons[self.setup].is_exact() && !exact {
                // Its hash contains more than its future depends on, so that its violations are compared instead.
                *to = Successor::Hash(self.breaks_after(&next));
            }
        }
        went
    }

    /// Returns a hash of what each step from here breaks, and whether it continues.
    fn breaks_after(&mut self, from: &Walker<'s>) -> u128 {
        from.choices(&mut self.choices);
        let mut told = Vec::new();
        for label in self.choices.labels() {
            let mut walker = from.clone();
            if let Some(wake) = self.choices.wake(label) {
                told.push((label, walker.step(&wake)));
            }
        }
        xxh3_128_with_seed(format!("{told:?}").as_bytes(), 0)
    }

    fn expand_from(
        &mut self,
        graph: &Graph,
        from: &Walker<'s>,
        path: &mut Vec<Label>,
        last: bool,
    ) -> Expansion {
        from.choices(&mut self.choices);
        let mut went = Expansion::default();
        for label in self.choices.labels() {
            if self.go(graph, from, path, label, last, &mut went) {
                self.go(graph, from, path, label.turned(), last, &mut went);
            }
        }
        went
    }

    /// Takes one step. Returns whether the order of the descriptors mattered.
    fn go(
        &mut self,
        graph: &Graph,
        from: &Walker<'s>,
        path: &mut Vec<Label>,
        label: Label,
        last: bool,
        went: &mut Expansion,
    ) -> bool {
        let Some(wake) = self.choices.wake(label) else { return false };
        let mut walker = from.clone();
        let stepped = walker.step(&wake);
        let to = match stepped.led {
            WalkEnd::Over => Successor::End,
            WalkEnd::On if walker.living() > usize::from(self.space.bound.living) => Successor::Cut,
            WalkEnd::On if last => Successor::End,
            WalkEnd::On => {
                path.push(label);
                let hash = self.hash(self.setup, &walker, path);
                path.pop();
                graph.find(hash).map_or(Successor::Hash(hash), Successor::Known)
            }
        };
        went.ways.push((label, to));
        went.broken.extend(stepped.broken.into_iter().map(|signature| (label, signature)));
        stepped.both
    }

    /// Returns what a step breaks.
    pub(super) fn broken_at(&mut self, graph: &Graph, place: FoundAt) -> Vec<Signature> {
        let Some(label) = place.label else {
            let setup = graph.path(place.node, &mut self.wanted);
            return self.start(setup).1;
        };
        self.walk_to(graph, place.node);
        let Some(mut walker) = self.walkers.last().cloned() else { return Vec::new() };
        walker.choices(&mut self.choices);
        let wake = self.choices.wake(label);
        wake.map_or_else(Vec::new, |wake| walker.step(&wake).broken)
    }

    /// Returns the trace that leads to a state.
    pub(super) fn trace(&mut self, graph: &Graph, node: Node, label: Option<Label>) -> Trace {
        let setup = graph.path(node, &mut self.wanted);
        let labels: Vec<Label> = self.wanted.iter().copied().chain(label).collect();
        self.walked(setup, &labels)
    }

    /// Appends the traces of all steps from a state.
    pub(super) fn traces(
        &mut self,
        graph: &Graph,
        node: Node,
        labels: impl Iterator<Item = Label>,
        to: &mut Vec<Trace>,
    ) {
        self.walk_to(graph, node);
        let choices = &mut self.choices;
        let mut wakes = Vec::with_capacity(self.path.len() + 1);
        for (walker, label) in self.walkers.iter().zip(&self.path) {
            walker.choices(choices);
            wakes.extend(choices.wake(*label));
        }
        let Some(walker) = self.walkers.last() else { return };
        walker.choices(choices);
        let setup = self.space.starts[self.setup].setup();
        to.extend(labels.map(|label| {
            let wakes = wakes.iter().cloned().chain(choices.wake(label)).collect();
            let trace = Trace::new(setup.clone(), wakes);
            trace.unwrap_or_else(|error| unreachable!("a trace of the alphabet is valid: {error}"))
        }));
    }

    /// Returns the trace of these labels.
    fn walked(&mut self, setup: usize, labels: &[Label]) -> Trace {
        let start = &self.space.starts[setup];
        let (mut walker, _) = Walker::begin(start, self.space.rules);
        let mut wakes: Vec<Wake> = Vec::with_capacity(labels.len());
        for label in labels {
            walker.choices(&mut self.choices);
            if let Some(wake) = self.choices.wake(*label) {
                walker.step(&wake);
                wakes.push(wake);
            }
        }
        let trace = Trace::new(start.setup().clone(), wakes);
        // A trace can name any run that lived.
        trace.unwrap_or_else(|error| unreachable!("a trace of the alphabet is valid: {error}"))
    }
}

impl Successor {
    /// Returns the number of the state, which the graph knows by now; [`END`] if there is none.
    pub(super) fn met(self, graph: &mut Graph, before: Node, label: Label) -> u32 {
        match self {
            Self::Known(node) => node.0,
            Self::Hash(hash) => graph.meet(hash, before, label).0,
            Self::End | Self::Cut | Self::Different => END,
        }
    }
}
