//! Compares a `BTreeMap` with an intrusive red-black tree completely at every event.
//!
//! The timers are those of treefall's workload, without a program around them: no processes, signals, histories or
//! memory that can break. No simulation that checks its trees by walking them is much faster.

use std::collections::BTreeMap;

use intrusive_collections::{KeyAdapter, RBTree, RBTreeLink, intrusive_adapter};

/// A timer in the intrusive tree.
#[derive(Debug)]
pub struct Timer {
    link: RBTreeLink,
    /// Its deadline in microseconds, and its number.
    key: (u64, u16),
}

intrusive_adapter!(Timers = Box<Timer>: Timer { link: RBTreeLink });

impl<'a> KeyAdapter<'a> for Timers {
    type Key = (u64, u16);

    fn get_key(&self, timer: &'a Timer) -> (u64, u16) {
        timer.key
    }
}

/// Both trees.
pub struct Lockstep {
    map: BTreeMap<(u64, u16), ()>,
    tree: RBTree<Timers>,
    scripts: u16,
}

impl Lockstep {
    /// Returns trees with one timer per script.
    #[must_use]
    pub fn new(scripts: u16) -> Self {
        let mut both = Self { map: BTreeMap::new(), tree: RBTree::new(Timers::new()), scripts };
        for script in 0..scripts {
            both.insert((interval(script), script));
        }
        both
    }

    fn insert(&mut self, key: (u64, u16)) {
        self.map.insert(key, ());
        self.tree.insert(Box::new(Timer { link: RBTreeLink::new(), key }));
    }

    /// Plays so many events: the first timer is removed and set again, or (every other event) a run's exit is.
    /// Returns a checksum of what was compared.
    ///
    /// # Panics
    /// When the trees differ.
    /// When the trees differ.
    pub fn play(&mut self, events: u64) -> u64 {
        let mut compared = 0;
        let mut started = None;
        for _ in 0..events {
            match started.take() {
                None => {
                    let (key, ()) = self.map.pop_first().expect("there are timers");
                    let timer = self.tree.front_mut().remove().expect("there are timers");
                    assert_eq!(timer.key, key);
                    let (due, script) = key;
                    self.insert((due + interval(script), script));
                    // The run's own timeout, until its exit.
                    let timeout = (due + interval(script), script + self.scripts);
                    self.insert(timeout);
                    started = Some(timeout);
                }
                Some(timeout) => {
                    self.map.remove(&timeout).expect("it was inserted");
                    self.tree.find_mut(&timeout).remove().expect("it was inserted");
                }
            }
            compared += self.compare();
        }
        compared
    }

    fn compare(&self) -> u64 {
        assert!(self.map.keys().copied().eq(self.tree.iter().map(|timer| timer.key)), "the trees differ");
        self.map.len() as u64
    }
}

fn interval(script: u16) -> u64 {
    1_000_000 + 1_009 * u64::from(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_timer_is_compared_at_every_event() {
        assert_eq!(Lockstep::new(8).play(100), 50 * 9 + 50 * 8);
    }
}
