//! From a campaign seed and a trace number to a trace.
//!
//! What always holds: a [`Source`] and a number give the same trace on every machine and in every order of
//! calls, as long as [`VERSION`] is the same. Randomness comes from ChaCha8, one stream a trace number, and is
//! mapped to integers in `draw` by ourselves: no library's update can change a trace under us. Nothing
//! random leaves this module; a trace is a plain value.
//!
//! Each trace draws its own weights first (swarm testing), unless its [`Sampling`] is another: which kinds of event it has at all and how often,
//! how many scripts, how hot they are. A `forecast` of what is probably running keeps
//! exits aimed at living children and signals at timers' instants; a wrong forecast costs a moot exit.

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

/// The trace of this number in the campaign of this seed, drawn as a swarm.
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
