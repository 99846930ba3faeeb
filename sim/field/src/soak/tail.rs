//! The last wakes of a life, from which the trace of its failure is cut.
//!
//! A reload makes all things new: entries, scripts, their starts. So a trace that begins with the start of the program
//! goes on as the life did from the reload's start of the scripts, but for the children of generations before and for
//! names: generations are counted from there. What depends on those children is lost: each trace that is cut is to
//! be replayed before it is believed.
//!
//! Always: no more wakes are kept than there is room for; the oldest go first.

use std::collections::VecDeque;

use treefall_model::id::{Generation, Run, ScriptRef};
use treefall_model::time::Instant;
use treefall_model::trace::{Advance, Exit, Order, Wake};

use super::workload::CONFIG;

/// A wake, with where it lies in the life.
#[derive(Clone, Copy)]
struct Kept {
    /// When the loop had blocked.
    blocked: Instant,
    /// When it came.
    at: Instant,
    /// How many exits it brought.
    exits: usize,
    hup: bool,
    order: Order,
    /// The generation in force when it came.
    generation: u32,
}

/// The last wakes.
pub(super) struct Tail {
    kept: VecDeque<Kept>,
    exits: VecDeque<Exit>,
    room: usize,
    generation: u32,
    /// Some were let go.
    lost: bool,
}

impl Tail {
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

    /// One more.
    pub(super) fn push(&mut self, blocked: Instant, at: Instant, wake: &Wake) {
        if self.kept.len() == self.room
            && let Some(oldest) = self.kept.pop_front()
        {
            self.exits.drain(..oldest.exits);
            self.lost = true;
        }
        let (exits, hup) = (wake.exits.len(), wake.hup.is_some());
        let (order, generation) = (wake.order, self.generation);
        self.kept.push_back(Kept { blocked, at, exits, hup, order, generation });
        self.exits.extend(&wake.exits);
        self.generation += u32::from(hup);
    }

    /// Where a trace can begin: behind a reload, or at the start of the life, if that is still there. The last first.
    pub(super) fn starts(&self) -> Vec<Start> {
        let reloads = (0..self.kept.len()).rev().filter(|place| self.kept[*place].hup);
        let mut starts: Vec<Start> = reloads.map(|place| Start(place + 1)).collect();
        if !self.lost {
            starts.push(Start(0));
        }
        starts
    }

    /// Whether the whole life is there.
    pub(super) fn is_whole(&self) -> bool {
        !self.lost
    }

    /// The wakes from `start` on, as a trace has them that begins there.
    pub(super) fn from(&self, Start(start): Start) -> Vec<Wake> {
        let begun = start.checked_sub(1).map_or(0, |reload| self.kept[reload].generation + 1);
        let mut next_exit: usize = self.kept.iter().take(start).map(|kept| kept.exits).sum();
        let mut wakes = Vec::with_capacity(self.kept.len() - start);
        // Where the loop blocked before wakes that are left out because nothing is in them any more.
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

/// A place in the tail where a trace can begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Start(usize);

/// The exit, its generation counted from `begun`; `None` when it is of one before.
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

    /// Reloads at 1 s and 2 s; an exit before the first, one between, and after the second one of each generation.
    fn tail(room: usize) -> Tail {
        let mut tail = Tail::new(room);
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
        // The exit of a child that is not there any more is left out, and the time until it is not lost.
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
