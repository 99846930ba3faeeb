//! Draws the wakes of a trace by the weights of its swarm.

use treefall_model::id::ConfigId;
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::Span;
use treefall_model::trace::{Advance, EXITS_MAX, Order, Setup, Wake};

use super::draw::Draw;
use super::forecast::Forecast;
use super::swarm::Swarm;

/// Version of the generator. It changes whenever a seed would give another trace.
pub const VERSION: u32 = 1;

/// Draws wakes by the swarm's weights.
pub(super) fn weighed(draw: &mut Draw, swarm: &Swarm, setup: &Setup) -> Vec<Wake> {
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
    // A run that this instant's timer or this wake's reload will start cannot be named yet. It can exit in the next
    // wake at +0.
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
        // The loop is late: slightly, or by more than keepalived tolerates without a message.
        2 => Advance::By(gap + Span::from_micros(1 + draw.below(1_000))),
        3 => Advance::By(gap + Span::from_micros(draw.below(3_000_000))),
        // At a period of its own, like signals of an outside clock.
        _ => Advance::By(swarm.period),
    }
}

pub(super) fn next_status(draw: &mut Draw, swarm: &Swarm) -> ExitStatus {
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
