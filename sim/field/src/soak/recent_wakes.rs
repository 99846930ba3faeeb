//! Keeps the last wakes of a life, from which the trace of its failure is cut.
//!
//! A reload replaces everything: entries, scripts and their starts. A trace that begins with the start of the program
//! therefore behaves like the life after a reload, except for earlier generations' children and for names:
//! generations are counted from there. The effects of those children are lost, so that each cut trace must be
//! replayed before it is trusted.
//!
//! Invariant: at most as many wakes are kept as there is room for; the oldest are dropped first.

use std::collections::VecDeque;

use treefall_model::id::{Generation, Run, ScriptRef};
use treefall_model::time::Instant;
use treefall_model::trace::{Advance, Exit, Order, Wake};

use super::workload::CONFIG;

/// A wake and its place in the life.
#[derive(Clone, Copy)]
struct PlacedWake {
    /// When the loop had blocked.
    blocked: Instant,
    /// When the wake came.
    at: Instant,
    /// Number of exits in it.
    exits: usize,
    hup: bool,
    order: Order,
    /// The generation in force when it came.
    generation: u32,
}

/// The last wakes of a life.
pub(super) struct RecentWakes {
    kept: VecDeque<PlacedWake>,
    exits: VecDeque<Exit>,
    room: usize,
    generation: u32,
    /// Older wakes were dropped.
    lost: bool,
}

impl RecentWakes {
    pub(super) fn new(room: usize) -> Self {
        let reserved = room.min(1 << 14);
        Self {
            kept: VecDeque::with_capacity(reserved),
            exits: VecDeque::with_capacity(reserved),
            room: room.max(1),
            generation: 0,
            lost: false,
        }
    }

    /// Appends a wake.
    pub(super) fn push(&mut self, blocked: Instant, at: Instant, wake: &Wake) {
        if self.kept.len() == self.room
            && let Some(oldest) = self.kept.pop_front()
        {
            self.exits.drain(..oldest.exits);
            self.lost = true;
        }
        let (exits, hup) = (wake.exits.len(), wake.hup.is_some());
        let (order, generation) = (wake.order, self.generation);
        self.kept.push_back(PlacedWake { blocked, at, exits, hup, order, generation });
        self.exits.extend(&wake.exits);
        self.generation += u32::from(hup);
    }

    /// Returns where a trace can begin, the last first: after a reload, or at the start of the life if it is still
    /// there.
    pub(super) fn starts(&self) -> Vec<Start> {
        let reloads = (0..self.kept.len()).rev().filter(|place| self.kept[*place].hup);
        let mut starts: Vec<Start> = reloads.map(|place| Start(place + 1)).collect();
        if !self.lost {
            starts.push(Start(0));
        }
        starts
    }

    /// Returns whether the whole life is kept.
    pub(super) fn is_whole(&self) -> bool {
        !self.lost
    }

    /// Returns the wakes of a trace that begins at `start`.
    pub(super) fn from(&self, Start(start): Start) -> Vec<Wake> {
        let begun = start.checked_sub(1).map_or(0, |reload| self.kept[reload].generation + 1);
        let mut next_exit: usize = self.kept.iter().take(start).map(|kept| kept.exits).sum();
        let mut wakes = Vec::with_capacity(self.kept.len() - start);
        // When the loop blocked before empty wakes that are left out.
        let mut since = None;
        for kept in self.kept.iter().skip(start) {
            let exits = self.exits.range(next_exit..next_exit + kept.exits);
            let exits: Vec<Exit> = exits.filter_map(|exit| counted_from(begun, exit)).collect();
            next_exit += kept.exits;
            let blocked = since.take().unwrap_or(kept.blocked);
            if kept.exits > 0 && exits.is_empty() && !kept.hup {
                since = Some(blocked);
                continue;
            }
            wakes.push(Wake {
                advance: Advance::By(kept.at.saturating_since(blocked)),
                exits,
                hup: kept.hup.then_some(CONFIG),
                term: false,
                order: kept.order,
                ..Wake::next_timer()
            });
        }
        wakes
    }
}

/// A place at which a trace can begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Start(usize);

/// Renumbers the exit's generation from `begun`; `None` for an earlier generation.
fn counted_from(begun: u32, exit: &Exit) -> Option<Exit> {
    let ScriptRef { generation, script } = exit.run.of;
    let generation = Generation(generation.0.checked_sub(begun)?);
    Some(Exit { run: Run { of: ScriptRef { generation, script }, ..exit.run }, ..*exit })
}

#[cfg(test)]
mod tests {
    use super::*;
    use treefall_model::signal::ExitStatus;
    use treefall_model::time::Span;
    use treefall_model::trace::run;

    fn at(millis: u64) -> Instant {
        Instant::START + Span::from_millis(millis)
    }

    fn exit(generation: u32) -> Wake {
        Wake::next_timer().exit(run(0, generation, 1), ExitStatus::SUCCESS)
    }

    fn by(millis: u64) -> Wake {
        Wake::new(Advance::By(Span::from_millis(millis)))
    }

    /// Reloads at 1 s and 2 s; an exit before the first, one between, and after the second one exit of each
    /// generation.
    fn tail(room: usize) -> RecentWakes {
        let mut tail = RecentWakes::new(room);
        let hup = Wake::next_timer().hup(CONFIG);
        tail.push(at(0), at(10), &exit(0));
        tail.push(at(10), at(1_000), &hup);
        tail.push(at(1_001), at(1_010), &exit(1));
        tail.push(at(1_010), at(2_000), &hup.clone().signals_first());
        tail.push(at(2_002), at(2_005), &exit(1));
        tail.push(at(2_006), at(2_010), &exit(2));
        tail
    }

    #[test]
    fn a_trace_begins_behind_a_reload_with_its_generations_counted_from_there() {
        let tail = tail(100);
        let starts = tail.starts();
        assert_eq!(starts, [Start(4), Start(2), Start(0)]);
        let one = |generation| exit(generation).exits;
        // The exit of a missing child is left out, but its time remains.
        assert_eq!(tail.from(starts[0]), [Wake { exits: one(0), ..by(8) }]);
        let hup = by(990).hup(CONFIG).signals_first();
        let from_first = [
            Wake { exits: one(0), ..by(9) },
            hup,
            Wake { exits: one(0), ..by(3) },
            Wake { exits: one(1), ..by(4) },
        ];
        assert_eq!(tail.from(starts[1]), from_first);
        assert_eq!(tail.from(starts[2]).len(), 6);
    }

    #[test]
    fn a_tail_without_room_lets_the_oldest_go_and_says_so() {
        let tail = tail(3);
        assert!(!tail.is_whole());
        assert_eq!(tail.starts(), [Start(1)]);
        assert_eq!(tail.from(Start(1)), [Wake { exits: exit(0).exits, ..by(8) }]);
    }
}
