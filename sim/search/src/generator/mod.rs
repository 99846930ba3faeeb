//! Draws traces from a campaign's seed and a trace number.
//!
//! Invariant: a [`Source`] and a number give the same trace on every machine and in any order of calls, as long as
//! [`VERSION`] is the same. Randomness comes from ChaCha8, with one stream for each trace number; `draw` maps it to
//! integers, so that no update of a library changes a trace. Nothing random leaves this module: a trace is a plain
//! value.
//!
//! In the default [`Sampling`] each trace draws its own weights first (swarm testing): which kinds of event it has
//! and how often, how many scripts, and how often these run. A `forecast` of what is probably running aims exits at
//! living children and signals at timers; a wrong forecast costs a moot exit.

pub mod draw;
mod forecast;
mod outside;
mod pct;
mod sampling;
mod swarm;
mod wakes;

use treefall_model::trace::Trace;

pub use pct::Depth;
pub use sampling::{NoSampling, Sampling, Source};
pub use wakes::VERSION;

/// Draws trace `number` of the swarm campaign of `seed`.
#[must_use]
pub fn generate(seed: u64, number: u64) -> Trace {
    Source::swarm(seed).trace(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use treefall_model::trace::{Advance, Order, Wake};

    #[test]
    fn a_number_gives_its_trace_whatever_was_drawn_before() {
        let forwards: Vec<_> = (0..50).map(|number| generate(7, number)).collect();
        let backwards: Vec<_> = (0..50).rev().map(|number| generate(7, number)).collect();
        assert!(forwards.iter().eq(backwards.iter().rev()));
        assert_ne!(forwards[0], generate(8, 0));
    }

    #[test]
    fn every_kind_of_event_and_both_orders_occur() {
        let wakes: Vec<_> = (0..300).flat_map(|number| generate(1, number).into_parts().1).collect();
        let some = |test: &dyn Fn(&Wake) -> bool| wakes.iter().any(test);
        assert!(some(&|wake| wake.hup.is_some()));
        assert!(some(&|wake| wake.term));
        assert!(some(&|wake| wake.order == Order::SignalsFirst && wake.hup.is_some()));
        assert!(some(&|wake| wake.order == Order::TimerFirst && wake.hup.is_some()));
        assert!(some(&|wake| wake.exits.len() > 1));
        assert!(some(&|wake| matches!(wake.advance, Advance::By(_))));
        assert!(some(&|wake| wake.exits.iter().any(|exit| exit.run.of.generation.0 > 0)));
    }
}
