//! Draws wakes as PCT draws interleavings: by priorities of actors, which change at a few random steps (Burckhardt,
//! Kothari, Musuvathi, Nagarakatte: A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs, 2010).
//!
//! The actors are the loop, the clock, each script's child, the children of earlier configurations, the sender of
//! SIGHUP, and the sender of SIGTERM. At each step the actor with the highest priority acts, of those that can. The
//! clock advances to the next timer, a child exits, a signal arrives; the loop wakes and receives everything that
//! came since, in order: that is one wake of the trace. At `depth - 1` random steps, the actor that would act falls
//! below all that never fell, at a random place among those that did.
//!
//! By that paper, with `n` actors and `k` steps, each trace meets a failure that requires `d` ordering constraints
//! with a probability of at least `1 / (n * k^(d-1))`, if the setup can show it and times matter only by their order.
//! Never drawn: a loop that is late by more than one timer, and wakes between two timers.

use treefall_model::id::{ConfigId, Run};
use treefall_model::signal::ExitStatus;
use treefall_model::time::Span;
use treefall_model::trace::{Advance, EXITS_MAX, Order, Setup, Wake};

use super::draw::Draw;
use super::forecast::Forecast;
use super::swarm::Swarm;
use super::wakes::next_status;

/// The number of ordering constraints of the failures that PCT aims at.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Depth(u8);

impl Depth {
    /// The depth for failures of two changes of order; deeper ones hardly occur here.
    pub const DEFAULT: Self = Self(3);
    /// The largest useful depth.
    pub const MAX: u8 = 16;

    /// Returns a depth from 1 to [`MAX`](Self::MAX).
    #[must_use]
    pub const fn new(depth: u8) -> Option<Self> {
        if depth >= 1 && depth <= Self::MAX { Some(Self(depth)) } else { None }
    }

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// Most steps for each wake of a trace; one of them is the loop's.
const STEPS_EACH: usize = 4;

/// An actor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Actor {
    /// The event loop.
    Loop,
    /// The clock.
    Clock,
    /// The child of the script at this place.
    Child(u16),
    /// The children of earlier configurations.
    Old,
    /// The sender of SIGHUP.
    Hup,
    /// The sender of SIGTERM.
    Term,
}

/// Events since the loop woke.
#[derive(Default)]
struct Arrived {
    timer: bool,
    exits: Vec<(Run, ExitStatus)>,
    hup: Option<ConfigId>,
    term: bool,
    /// Which of signals and timer came first.
    first: Option<Order>,
}

impl Arrived {
    fn is_nothing(&self) -> bool {
        self.first.is_none()
    }

    fn signals(&mut self) {
        self.first.get_or_insert(Order::SignalsFirst);
    }

    fn has_ended(&self, run: Run) -> bool {
        self.exits.iter().any(|(ended, _)| *ended == run)
    }
}

/// An actor with its priority, which is unique.
type Ranked = (usize, Actor);

/// Returns the actors with random priorities from `lowest` on.
fn actors(draw: &mut Draw, swarm: &Swarm, setup: &Setup, lowest: usize) -> Vec<Ranked> {
    let widest = setup.configs.iter().map(|config| config.scripts.len()).max().unwrap_or(0);
    let mut actors = vec![Actor::Loop, Actor::Clock, Actor::Old, Actor::Hup];
    actors.extend((0..widest).map(|place| Actor::Child(u16::try_from(place).unwrap_or(u16::MAX))));
    if swarm.term > 0 {
        actors.push(Actor::Term);
    }
    for place in (1..actors.len()).rev() {
        let other = draw.index(place + 1);
        actors.swap(place, other);
    }
    actors.into_iter().enumerate().map(|(rank, actor)| (lowest + rank, actor)).collect()
}

/// Draws the wakes of one trace.
pub(super) fn wakes(draw: &mut Draw, swarm: &Swarm, setup: &Setup, depth: Depth) -> Vec<Wake> {
    let mut forecast = Forecast::new(setup);
    let lowered = usize::from(depth.get() - 1);
    let mut actors = actors(draw, swarm, setup, lowered);
    let steps = STEPS_EACH * swarm.wakes;
    // At step number `p` of these, the actor gets priority `p`. The order of two actors that fell therefore does not
    // depend on which one fell first.
    let changes: Vec<usize> = (0..lowered).map(|_| draw.index(steps)).collect();
    let (mut wakes, mut arrived) = (Vec::new(), Arrived::default());
    // A second SIGTERM has no effect.
    let mut term_left = true;
    for step in 0..steps {
        for (priority, _) in changes.iter().enumerate().filter(|(_, at)| **at == step) {
            if let Some(first) = first(&mut actors, &arrived, &forecast, term_left) {
                first.0 = priority;
            }
        }
        let Some((_, actor)) = first(&mut actors, &arrived, &forecast, term_left) else { break };
        match *actor {
            Actor::Loop => {
                wakes.push(wake_of(core::mem::take(&mut arrived), &mut forecast));
                if wakes.len() == swarm.wakes {
                    break;
                }
            }
            actor => act(actor, draw, swarm, &mut arrived, &forecast, &mut term_left),
        }
    }
    wakes
}

/// Returns the actor with the highest priority of those that can act.
fn first<'a>(
    actors: &'a mut [Ranked],
    arrived: &Arrived,
    forecast: &Forecast<'_>,
    term_left: bool,
) -> Option<&'a mut Ranked> {
    let can = actors.iter_mut().filter(|(_, actor)| can_act(*actor, arrived, forecast, term_left));
    can.max_by_key(|(priority, _)| *priority)
}

/// Returns the child that the actor stands for, if it may exit.
fn child(actor: Actor, arrived: &Arrived, forecast: &Forecast<'_>) -> Option<Run> {
    if arrived.exits.len() == EXITS_MAX {
        return None;
    }
    let mut runs = forecast.living().into_iter().filter(|run| !arrived.has_ended(*run));
    runs.find(|run| match actor {
        Actor::Child(place) => run.of.generation == forecast.generation() && run.of.script.0 == place,
        Actor::Old => run.of.generation != forecast.generation(),
        Actor::Loop | Actor::Clock | Actor::Hup | Actor::Term => false,
    })
}

fn can_act(actor: Actor, arrived: &Arrived, forecast: &Forecast<'_>, term_left: bool) -> bool {
    match actor {
        Actor::Loop => !arrived.is_nothing(),
        Actor::Clock => !arrived.timer,
        Actor::Child(_) | Actor::Old => child(actor, arrived, forecast).is_some(),
        Actor::Hup => arrived.hup.is_none(),
        Actor::Term => term_left,
    }
}

fn act(
    actor: Actor,
    draw: &mut Draw,
    swarm: &Swarm,
    arrived: &mut Arrived,
    forecast: &Forecast<'_>,
    term_left: &mut bool,
) {
    match actor {
        Actor::Loop => {}
        Actor::Clock => {
            arrived.timer = true;
            arrived.first.get_or_insert(Order::TimerFirst);
        }
        Actor::Child(_) | Actor::Old => {
            if let Some(run) = child(actor, arrived, forecast) {
                let status = next_status(draw, swarm);
                arrived.exits.push((run, status));
                arrived.signals();
            }
        }
        Actor::Hup => {
            arrived.hup = Some(ConfigId(draw.index(forecast.configs()) as u8));
            arrived.signals();
        }
        Actor::Term => {
            *term_left = false;
            arrived.term = true;
            arrived.signals();
        }
    }
}

/// Ends a step in which the loop wakes.
fn wake_of(arrived: Arrived, forecast: &mut Forecast<'_>) -> Wake {
    let advance = if arrived.timer { Advance::NextTimer } else { Advance::By(Span::ZERO) };
    let ended = arrived.exits.iter().fold(Wake::new(advance), |wake, (run, status)| wake.exit(*run, *status));
    let (hup, term, order) = (arrived.hup, arrived.term, arrived.first.unwrap_or_default());
    let wake = Wake { hup, term, order, ..ended };
    let reached = forecast.reached(advance);
    forecast.follow(&wake, reached);
    wake
}

#[cfg(test)]
mod tests {
    use super::*;
    use treefall_model::trace::Trace;

    use crate::generator::{Sampling, Source};

    /// Of traces without scripts and SIGTERM, in how many wakes a SIGHUP came, of how many.
    fn reloads(depth: u8) -> Vec<(usize, usize)> {
        let sampling = Sampling::Pct(Depth::new(depth).expect("a depth"));
        let empty = |setup: &mut Setup| setup.configs.iter_mut().for_each(|config| config.scripts.clear());
        let traces =
            (0..400).map(|number| Source { sampling, ..Source::swarm(1) }.trace_arranged(number, empty));
        let quiet = traces.filter(|trace| !trace.wakes().iter().any(|wake| wake.term));
        let with_hup = |trace: &Trace| trace.wakes().iter().filter(|wake| wake.hup.is_some()).count();
        quiet.map(|trace| (with_hup(&trace), trace.wakes().len())).collect()
    }

    #[test]
    fn without_a_change_priorities_stand_and_with_one_they_turn() {
        let constant = |(reloads, wakes): &(usize, usize)| *reloads == 0 || reloads == wakes;
        let (one, two) = (reloads(1), reloads(2));
        assert!(one.iter().all(constant), "{one:?}");
        assert!(one.iter().any(|(reloads, _)| *reloads > 0) && one.iter().any(|(reloads, _)| *reloads == 0));
        assert!(two.iter().filter(|it| !constant(it)).count() > 40, "{two:?}");
    }

    #[test]
    fn every_trace_has_a_wake() {
        let sampling = Sampling::Pct(Depth::DEFAULT);
        assert!(
            (0..400).all(|number| !Source { sampling, ..Source::swarm(1) }.trace(number).wakes().is_empty())
        );
    }
}
