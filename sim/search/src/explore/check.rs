//! Checks that states with the same hash behave the same: the evidence for the canonical form, within a bound.
//!
//! For each state and each path to it, the check looks one step ahead: what each label breaks, and to which state it
//! leads. Two paths to one state must agree. If they do for all states of a closed search, the states are equivalent
//! for ever; otherwise up to the bound. A state whose hash contains more than its future depends on
//! ([`Canon::is_exact`](treefall_model::canon::Canon::is_exact)) is compared by what it breaks one step later.

use std::collections::BTreeMap;

use treefall_model::trace::Trace;

use super::alphabet::Label;
use super::explorer::Explorer;
use super::graph::Node;
use super::worker::{Expansion, Merging, Successor, Worker};

/// Two traces with the same state hash and different futures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnlikePaths {
    /// The earlier trace.
    pub first: Trace,
    /// The later trace.
    pub second: Trace,
}

impl Explorer<'_> {
    /// Looks ahead from every state by every path to it. Returns how many paths were compared with an earlier one.
    ///
    /// # Errors
    /// The first two paths that disagree.
    pub fn check(&self) -> Result<u64, Box<UnlikePaths>> {
        let mut worker = Worker::new(self.space, self.merging);
        let mut ahead = Worker::new(self.space, Merging::Canonical);
        let mut known: BTreeMap<u128, (Expansion, (Node, Label))> = BTreeMap::new();
        let mut compared = 0;
        for node in (0..self.graph.done() as u32).map(Node) {
            let went = worker.expand(&self.graph, node, false);
            for (label, to) in went.ways {
                let hash = match to {
                    Successor::Known(node) => self.graph.hashes[node.0 as usize],
                    Successor::Hash(hash) => hash,
                    Successor::End | Successor::Cut | Successor::Different => continue,
                };
                let seen = ahead.look_ahead(&self.graph, node, label);
                match known.get(&hash) {
                    None => {
                        known.insert(hash, (seen, (node, label)));
                    }
                    Some((before, _)) if *before == seen => compared += 1,
                    Some((_, (other, by))) => {
                        return Err(Box::new(UnlikePaths {
                            first: worker.trace(&self.graph, *other, Some(*by)),
                            second: worker.trace(&self.graph, node, Some(label)),
                        }));
                    }
                }
            }
        }
        Ok(compared)
    }
}
