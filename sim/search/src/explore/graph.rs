//! The states of a search and the steps between them.
//!
//! A state is stored as its hash, its first predecessor and the label from there, and, once it is expanded, the
//! number of its ways and the states that they lead to. The state itself is recomputed when needed. States are
//! numbered in the order of discovery, so that those of one depth are adjacent.
//!
//! Invariant: the first path to a state is a shortest one. The memory is that of [`Graph::bytes`], and grows only in
//! [`Graph::make_room`].

use hashbrown::HashTable;

use super::alphabet::Label;

/// A state, by its number in the order of discovery.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Node(pub u32);

/// The predecessor of a start.
const NOTHING: u32 = u32::MAX;
/// Stands for no state: the trace ends there.
pub(super) const END: u32 = u32::MAX;

/// The states, in the order of discovery.
#[derive(Default)]
pub(super) struct Graph {
    pub(super) hashes: Vec<u128>,
    /// The predecessor; for a start, [`NOTHING`].
    pub(super) before: Vec<u32>,
    /// The label from there; for a start, its setup.
    pub(super) labels: Vec<u8>,
    /// Number of ways of each expanded state.
    pub(super) ways: Vec<u16>,
    /// End of the edges of each expanded state. States of the last depth have none.
    pub(super) ends: Vec<u32>,
    /// Distinct successors.
    pub(super) targets: Vec<u32>,
    /// Number of labels that lead to each.
    pub(super) times: Vec<u16>,
    /// The first state of each depth.
    pub(super) levels: Vec<u32>,
    pub(super) index: HashTable<u32>,
}

fn place(hash: u128) -> u64 {
    hash as u64
}

impl Graph {
    /// Returns the number of states.
    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Returns the number of expanded states.
    pub(super) fn done(&self) -> usize {
        self.ways.len()
    }

    /// Returns the state with this hash.
    #[inline]
    pub(super) fn find(&self, hash: u128) -> Option<Node> {
        self.index.find(place(hash), |node| self.hashes[*node as usize] == hash).map(|node| Node(*node))
    }

    /// Adds a start, by its setup.
    pub(super) fn add_start(&mut self, hash: u128, setup: u8) -> Node {
        self.add(hash, NOTHING, setup)
    }

    /// Returns the state with this hash, and adds it if it is new.
    pub(super) fn meet(&mut self, hash: u128, before: Node, label: Label) -> Node {
        match self.find(hash) {
            Some(node) => node,
            None => self.add(hash, before.0, label.0),
        }
    }

    fn add(&mut self, hash: u128, before: u32, label: u8) -> Node {
        // Fewer than 2^32: the memory of their hashes limits the number.
        let node = self.hashes.len() as u32;
        self.hashes.push(hash);
        self.before.push(before);
        self.labels.push(label);
        let hashes = &self.hashes;
        self.index.insert_unique(place(hash), node, |node| place(hashes[*node as usize]));
        Node(node)
    }

    /// Records the expansion of the next state: the number of ways, and the states that they lead to.
    pub(super) fn add_expansion(&mut self, ways: u16, to: &mut Vec<u32>) {
        to.retain(|target| *target != END);
        to.sort_unstable();
        let mut rest = to.as_slice();
        while let [target, ..] = rest {
            let times = rest.iter().take_while(|other| *other == target).count();
            self.targets.push(*target);
            self.times.push(u16::try_from(times).unwrap_or(u16::MAX));
            rest = &rest[times..];
        }
        self.ways.push(ways);
        self.ends.push(u32::try_from(self.targets.len()).unwrap_or(u32::MAX));
    }

    /// Returns the setup of a state, and the labels that lead to it in `labels`.
    pub(super) fn path(&self, node: Node, labels: &mut Vec<Label>) -> usize {
        labels.clear();
        let mut at = node.0 as usize;
        while self.before[at] != NOTHING {
            labels.push(Label(self.labels[at]));
            at = self.before[at] as usize;
        }
        labels.reverse();
        usize::from(self.labels[at])
    }

    /// Returns whether the parts that were read from a file are consistent.
    pub(super) fn is_whole(&self) -> bool {
        let (states, edges) = (self.len() as u32, self.targets.len() as u32);
        let ascends = |of: &[u32], most: u32| of.is_sorted() && of.last().is_none_or(|last| *last <= most);
        let [.., first, end] = self.levels.as_slice() else { return false };
        let done = self.done() as u32;
        let earlier = |(node, before): (usize, &u32)| *before == NOTHING || (*before as usize) < node;
        let levels = self.levels[0] == 0 && ascends(&self.levels, states) && *first <= done && done <= *end;
        levels
            && (done < *end || *end == states)
            && self.ends.len() == self.ways.len()
            && ascends(&self.ends, edges)
            && self.ends.last().is_none_or(|last| *last == edges)
            && self.targets.iter().all(|target| *target < states)
            && self.before.iter().enumerate().all(earlier)
    }

    /// Returns whether it has the starts of `other`.
    pub(super) fn begins_as(&self, other: &Self) -> bool {
        self.hashes.starts_with(&other.hashes)
            && self.before[..other.len()].iter().all(|before| *before == NOTHING)
            && self.labels.starts_with(&other.labels)
            && self.before.iter().filter(|before| **before == NOTHING).count() == other.len()
    }

    /// Reserves room for so many more states and edges, growing by at least a quarter, if the total is at most
    /// `bytes`. Returns whether it did.
    pub(super) fn make_room(&mut self, more: usize, bytes: u64) -> bool {
        fn room<T>(of: &Vec<T>, more: usize) -> usize {
            if of.capacity() - of.len() >= more { 0 } else { more.max(of.capacity() / 4) }
        }
        let nodes = room(&self.hashes, more);
        let edges = room(&self.targets, more);
        let table = if self.index.capacity() - self.index.len() >= more {
            0
        } else {
            self.index.capacity().max(more)
        };
        let grown = Self::bytes_of(
            self.hashes.len() + nodes,
            self.targets.len() + edges,
            self.index.capacity() + table,
        );
        // A part that grows exists twice for a moment; the largest is that of the hashes.
        let beside = (self.hashes.capacity() as u64 * 16).max(self.index.capacity() as u64 * TABLE_BYTES);
        if nodes + edges + table > 0 && grown + beside > bytes {
            return false;
        }
        if nodes > 0 {
            self.hashes.reserve_exact(nodes);
            self.before.reserve_exact(nodes);
            self.labels.reserve_exact(nodes);
            self.ways.reserve_exact(self.hashes.capacity() - self.ways.len());
            self.ends.reserve_exact(self.hashes.capacity() - self.ends.len());
        }
        if edges > 0 {
            self.targets.reserve_exact(edges);
            self.times.reserve_exact(edges);
        }
        let hashes = &self.hashes;
        self.index.reserve(more, |node| place(hashes[*node as usize]));
        true
    }

    fn bytes_of(nodes: usize, edges: usize, table: usize) -> u64 {
        nodes as u64 * NODE_BYTES + edges as u64 * EDGE_BYTES + table as u64 * TABLE_BYTES
    }

    /// Returns its memory, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        Self::bytes_of(self.hashes.capacity(), self.targets.capacity(), self.index.capacity())
    }

    /// Rebuilds the index of hashes after reading a file. Returns `false` if two are equal.
    pub(super) fn index_all(&mut self) -> bool {
        let hashes = &self.hashes;
        self.index.clear();
        self.index.reserve(hashes.len(), |node| place(hashes[*node as usize]));
        for (node, hash) in hashes.iter().enumerate() {
            if self.index.find(place(*hash), |other| hashes[*other as usize] == *hash).is_some() {
                return false;
            }
            self.index.insert_unique(place(*hash), node as u32, |node| place(hashes[*node as usize]));
        }
        true
    }

    /// Returns the number of traces of at most `wakes` wakes, if all states of fewer wakes were expanded. `None`:
    /// more than 2^128.
    pub(super) fn traces(&self, wakes: usize) -> Option<u128> {
        let mut now = vec![0_u128; self.len()];
        let starts = self.levels.get(1).copied().unwrap_or(self.len() as u32) as usize;
        now[..starts].fill(1);
        let mut all = starts as u128;
        let mut next = vec![0_u128; self.len()];
        for _ in 0..wakes {
            for (node, traces) in now.iter().enumerate().filter(|(_, traces)| **traces > 0) {
                let Some(ways) = self.ways.get(node) else { continue };
                all = all.checked_add(traces.checked_mul(u128::from(*ways))?)?;
                let from = node.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
                let edges = from..self.ends[node] as usize;
                for (target, times) in self.targets[edges.clone()].iter().zip(&self.times[edges]) {
                    let more = traces.checked_mul(u128::from(*times))?;
                    next[*target as usize] = next[*target as usize].checked_add(more)?;
                }
            }
            std::mem::swap(&mut now, &mut next);
            next.fill(0);
        }
        Some(all)
    }
}

/// Hash, predecessor, label, ways, end of edges.
const NODE_BYTES: u64 = 16 + 4 + 1 + 2 + 4;
/// Successor and number of labels.
const EDGE_BYTES: u64 = 4 + 2;
/// A number and a tag, in a table that is an eighth empty.
const TABLE_BYTES: u64 = 6;
