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
mod pct;
mod sampling;
mod swarm;

use treefall_model::id::ConfigId;
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::Span;
use treefall_model::trace::{Advance, EXITS_MAX, Order, Setup, Trace, Wake};

use draw::Draw;
use forecast::Forecast;
use swarm::Swarm;

pub use sampling::{Depth, NoSampling, Sampling, Source};

/// The generator's version. It changes whenever a seed would give another trace.
pub const VERSION: u32 = 1;

/// The trace of this number in the campaign of this seed, drawn as a swarm.
#[must_use]
pub fn generate(seed: u64, number: u64) -> Trace {
    Source::swarm(seed).trace(number)
}

/// Wakes of the swarm's weights.
fn weighed(draw: &mut Draw, swarm: &Swarm, setup: &Setup) -> Vec<Wake> {
    let mut forecast = Forecast::new(setup);
    (0..swarm.wakes).map(|_| next_wake(draw, swarm, &mut forecast)).collect()
}

fn next_wake(draw: &mut Draw, swarm: &Swarm, forecast: &mut Forecast<'_>) -> Wake {
    let mut wake = Wake::new(next_advance(draw, swarm, forecast));
    let reached = forecast.reached(wake.advance);
    for run in forecast.living() {
        if wake.exits.len() < EXITS_MAX && draw.chance(swarm.exit) {
            wake = wake.exit(run, next_status(draw, swarm));
        }
    }
    // A run that this very instant's timer will start may not be named yet; one that a reload of this wake
    // starts neither. Both can exit at the next wake at +0.
    if draw.chance(swarm.hup) {
        wake = wake.hup(ConfigId(draw.index(forecast.configs()) as u8));
    }
    if draw.chance(swarm.term) {
        wake = wake.term();
    }
    if draw.chance(swarm.signals_first) {
        wake.order = Order::SignalsFirst;
    }
    forecast.follow(&wake, reached);
    wake
}

fn next_advance(draw: &mut Draw, swarm: &Swarm, forecast: &Forecast<'_>) -> Advance {
    if draw.chance(swarm.next_timer) {
        return Advance::NextTimer;
    }
    let gap = forecast.until_next_timer();
    match draw.weighted(&[4, 2, 2, 2, 1]) {
        // Before the next timer: half-way, or at once.
        0 => Advance::By(Span::from_micros(gap.as_micros() / 2)),
        1 => Advance::By(Span::ZERO),
        // The loop is late: a little, or by more than keepalived lets pass without a word.
        2 => Advance::By(gap + Span::from_micros(1 + draw.below(1_000))),
        3 => Advance::By(gap + Span::from_micros(draw.below(3_000_000))),
        // At a period of its own, as a clock outside the program would send signals.
        _ => Advance::By(swarm.period),
    }
}

fn next_status(draw: &mut Draw, swarm: &Swarm) -> ExitStatus {
    if draw.chance(swarm.success) {
        return ExitStatus::SUCCESS;
    }
    match draw.weighted(&[4, 2, 1, 1]) {
        0 => ExitStatus::Code(1),
        1 => ExitStatus::Signal(Signal::TERM),
        2 => ExitStatus::Signal(Signal::KILL),
        _ => ExitStatus::Code(u8::try_from(draw.below(256)).unwrap_or(u8::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
