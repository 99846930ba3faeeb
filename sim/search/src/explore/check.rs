//! Whether states that are taken for one are alike: the proof of the canonical form, as far as a bound goes.
//!
//! For each state and each way that leads to it, one look ahead: what each label breaks from there and to which state
//! it leads. Two ways that lead to one state must look ahead to the same. If that holds for all states of a closed
//! search, they are alike for ever; to a bound, for as long. A state that is told more exactly than its future hangs on
//! ([`Canon::is_exact`](treefall_model::canon::Canon::is_exact)) is compared by what it breaks one step further.

use std::collections::BTreeMap;

use treefall_model::trace::Trace;

use super::alphabet::Label;
use super::explorer::Explorer;
use super::graph::Node;
use super::worker::{Merging, To, WentOn, Worker};

/// Two traces that were taken to lead to one state, and do not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unlike {
    /// The one that came first.
    pub first: Trace,
    /// The other.
    pub second: Trace,
}

impl Explorer<'_> {
    /// Looks ahead from every state that was met, by every way that leads there. How many ways were compared with one
    /// that came before.
    ///
    /// # Errors
    /// The first two ways that look ahead to something else.
    pub fn check(&self) -> Result<u64, Box<Unlike>> {
        let mut worker = Worker::new(self.space, self.merging);
        let mut ahead = Worker::new(self.space, Merging::Canonical);
        let mut known: BTreeMap<u128, (WentOn, (Node, Label))> = BTreeMap::new();
        let mut compared = 0;
        for node in (0..self.graph.done() as u32).map(Node) {
            let went = worker.expand(&self.graph, node, false);
            for (label, to) in went.ways {
                let hash = match to {
                    To::Known(node) => self.graph.hashes[node.0 as usize],
                    To::Hash(hash) => hash,
                    To::End | To::Cut | To::Different => continue,
                };
                let seen = ahead.look_ahead(&self.graph, node, label);
                match known.get(&hash) {
                    None => {
                        known.insert(hash, (seen, (node, label)));
                    }
                    Some((before, _)) if *before == seen => compared += 1,
                    Some((_, (other, by))) => {
                        return Err(Box::new(Unlike {
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
