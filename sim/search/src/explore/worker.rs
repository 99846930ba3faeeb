//! Who goes on from states: walks to each, and from there by every label.
//!
//! A worker keeps the walkers of the last path it walked. States that were met one after the other mostly lie beside
//! each other, so that a state is a step or two from the last one.

use treefall_model::canon::{Canon, Part};
use treefall_model::trace::{Trace, Wake};
use treefall_model::verdict::Signature;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::alphabet::{Choices, Label};
use super::graph::{END, Graph, Node};
use super::space::{Place, Space};
use super::walk::{Led, Walker};

/// When two states are one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Merging {
    /// When their futures are alike.
    Canonical,
    /// When their futures are alike but for a part that is not looked at: unsound, to see that it is missed.
    Without(Part),
    /// Never: every trace for itself.
    Never,
}

/// Where a label leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum To {
    /// To a state that was met before this round.
    Known(Node),
    /// To one of this hash.
    Hash(u128),
    /// To the end of the trace.
    End,
    /// Elsewhere on the real program: not gone on from.
    Different,
    /// To more living runs than the bound allows: not gone on from.
    Cut,
}

/// All ways to go on from one state.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct WentOn {
    pub(super) ways: Vec<(Label, To)>,
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
    choices: Choices,
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
            choices: Choices::default(),
            canons: space.starts.iter().map(canon).collect(),
        }
    }

    /// The hash of a start, and what it breaks at once.
    pub(super) fn start(&mut self, setup: usize) -> (Option<u128>, Vec<Signature>) {
        let (walker, begun) = Walker::begin(&self.space.starts[setup], self.space.rules);
        let hash = (begun.led == Led::On).then(|| self.hash(setup, &walker, &[]));
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

    /// Walks to a state, from the nearest on the last path.
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

    /// Goes on from a state by every label. `last`: where to does not matter any more.
    pub(super) fn expand(&mut self, graph: &Graph, node: Node, last: bool) -> WentOn {
        self.walk_to(graph, node);
        let Some(from) = self.walkers.pop() else { return WentOn::default() };
        let mut path = std::mem::take(&mut self.path);
        let went = self.expand_from(graph, &from, &mut path, last);
        self.walkers.push(from);
        self.path = path;
        went
    }

    /// What lies one step behind the state to which `label` leads from `node`.
    pub(super) fn look_ahead(&mut self, graph: &Graph, node: Node, label: Label) -> WentOn {
        self.walk_to(graph, node);
        let Some(mut walker) = self.walkers.last().cloned() else { return WentOn::default() };
        walker.choices(&mut self.choices);
        if let Some(wake) = self.choices.wake(label) {
            walker.step(&wake);
        }
        let mut path = self.path.clone();
        path.push(label);
        self.hash(self.setup, &walker, &path);
        let exact = self.canons[self.setup].is_exact();
        // By hash alone, whether the state is known or not.
        let mut went = self.expand_from(&Graph::default(), &walker, &mut path, false);
        for (label, to) in went.ways.iter_mut().filter(|(_, to)| matches!(to, To::Hash(_))) {
            walker.choices(&mut self.choices);
            let Some(wake) = self.choices.wake(*label) else { continue };
            let mut next = walker.clone();
            next.step(&wake);
            self.hash(self.setup, &next, &path);
            if self.canons[self.setup].is_exact() && !exact {
                // Told more exactly from here on: what counts is what breaks there.
                *to = To::Hash(self.breaks_after(&next));
            }
        }
        went
    }

    /// What each way on from here breaks and whether it leads on, in one number.
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

    fn expand_from(&mut self, graph: &Graph, from: &Walker<'s>, path: &mut Vec<Label>, last: bool) -> WentOn {
        from.choices(&mut self.choices);
        let mut went = WentOn::default();
        for label in self.choices.labels() {
            if self.go(graph, from, path, label, last, &mut went) {
                self.go(graph, from, path, label.turned(), last, &mut went);
            }
        }
        went
    }

    /// Goes on by one label. Whether the order of the descriptors counted.
    fn go(
        &mut self,
        graph: &Graph,
        from: &Walker<'s>,
        path: &mut Vec<Label>,
        label: Label,
        last: bool,
        went: &mut WentOn,
    ) -> bool {
        let Some(wake) = self.choices.wake(label) else { return false };
        let mut walker = from.clone();
        let stepped = walker.step(&wake);
        let to = match stepped.led {
            Led::Over => To::End,
            Led::On if walker.living() > usize::from(self.space.bound.living) => To::Cut,
            Led::On if last => To::End,
            Led::On => {
                path.push(label);
                let hash = self.hash(self.setup, &walker, path);
                path.pop();
                graph.find(hash).map_or(To::Hash(hash), To::Known)
            }
        };
        went.ways.push((label, to));
        went.broken.extend(stepped.broken.into_iter().map(|signature| (label, signature)));
        stepped.both
    }

    /// What a step breaks.
    pub(super) fn broken_at(&mut self, graph: &Graph, place: Place) -> Vec<Signature> {
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

    /// The trace that leads to a state.
    pub(super) fn trace(&mut self, graph: &Graph, node: Node, label: Option<Label>) -> Trace {
        let setup = graph.path(node, &mut self.wanted);
        let labels: Vec<Label> = self.wanted.iter().copied().chain(label).collect();
        self.walked(setup, &labels)
    }

    /// Adds the traces that lead on from a state, one by each label.
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

    /// The trace that these labels mean.
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
        // Runs that lived are runs that a trace can name.
        trace.unwrap_or_else(|error| unreachable!("a trace of the alphabet is valid: {error}"))
    }
}

impl To {
    /// The state that it is, of which the graph knows by now; [`END`] if it is none.
    pub(super) fn met(self, graph: &mut Graph, before: Node, label: Label) -> u32 {
        match self {
            Self::Known(node) => node.0,
            Self::Hash(hash) => graph.meet(hash, before, label).0,
            Self::End | Self::Cut | Self::Different => END,
        }
    }
}
