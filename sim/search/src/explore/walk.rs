//! A replica that walks through the alphabet: from a blocked loop to the next by one label.
//!
//! Always: a [`Walker`] is a function of its setup, its rules and the labels it was given.

use treefall_model::canon::Canon;
use treefall_model::event::{Event, Record, Step};
use treefall_model::index::IndexView;
use treefall_model::judge::Judge;
use treefall_model::observe::Observer;
use treefall_model::release::Rules;
use treefall_model::time::Instant;
use treefall_model::trace::{Trace, Wake};
use treefall_model::verdict::{Outcome, Signature};
use treefall_world::OWN_WAKES_ENOUGH;

use super::alphabet::Choices;
use treefall_subject::replica::{Replica, Stands};

/// Judges, and sees how the wake that was given last came about.
#[derive(Clone, Debug)]
struct Watcher<'t> {
    judge: Judge<'t>,
    /// Number of the wake under way.
    wake: u32,
    /// It was reported, with both descriptors ready.
    both: Option<bool>,
    /// Wakes of the world's own before it.
    own: usize,
}

impl Observer for Watcher<'_> {
    #[inline]
    fn record(&mut self, record: &Record) {
        if let Event::Woke { wakes, timer, signals } = record.event {
            if wakes == self.wake && self.both.is_none() {
                self.both = Some(timer && signals);
            } else if wakes < self.wake {
                self.own += 1;
            }
        }
        self.judge.record(record);
    }

    #[inline]
    fn step<V: IndexView>(&mut self, step: Step, at: Instant, view: &V) {
        self.judge.step(step, at, view);
    }
}

/// A replica on its way.
#[derive(Clone)]
pub(super) struct Walker<'t> {
    replica: Replica<'t, Watcher<'t>>,
}

/// Where a step led.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Led {
    /// To a blocked loop.
    On,
    /// To a memory break, or the end of the program: there is nothing behind it.
    Over,
}

/// What a step did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Stepped {
    pub(super) led: Led,
    /// The laws that it broke.
    pub(super) broken: Vec<Signature>,
    /// Both descriptors were ready: the order counts.
    pub(super) both: bool,
}

fn in_force(watcher: &Watcher<'_>) -> bool {
    !watcher.judge.is_over()
}

impl<'t> Walker<'t> {
    /// At the beginning of traces of this setup: `start` is one without wakes. What it broke until then.
    pub(super) fn begin(start: &'t Trace, rules: Rules) -> (Self, Stepped) {
        let watcher = Watcher { judge: Judge::new(start.setup()), wake: 0, both: None, own: 0 };
        let mut walker = Self { replica: Replica::new(start, rules, watcher) };
        let stands = walker.replica.begin(in_force);
        let stepped = walker.stepped(&stands);
        (walker, stepped)
    }

    /// Goes on by `wake`.
    ///
    /// # Panics
    /// When the world makes more wakes of its own before it than [`OWN_WAKES_ENOUGH`], which no trace of this
    /// alphabet can bring about.
    pub(super) fn step(&mut self, wake: &Wake) -> Stepped {
        let watcher = self.replica.observer();
        watcher.wake += 1;
        (watcher.both, watcher.own) = (None, 0);
        let stands = self.replica.wake(wake, in_force);
        let own = self.replica.observer().own;
        assert!(
            own < OWN_WAKES_ENOUGH,
            "{own} wakes of the world's own: states are not told by all they depend on"
        );
        self.stepped(&stands)
    }

    fn stepped(&mut self, stands: &Stands) -> Stepped {
        let watcher = self.replica.observer();
        let led = if *stands == Stands::Blocked { Led::On } else { Led::Over };
        let mut broken = watcher.judge.take_breaks();
        match stands {
            // What it broke by ending so.
            Stands::Over(outcome) if *outcome != Outcome::Survived => {
                broken.extend(watcher.judge.clone().finish(outcome.clone()).breaks);
            }
            _ => {}
        }
        let broken = broken.into_iter().map(|broken| broken.signature).collect();
        Stepped { led, broken, both: watcher.both == Some(true) }
    }

    /// What there is to choose from.
    pub(super) fn choices(&self, choices: &mut Choices) {
        let world = self.replica.surroundings();
        choices.set(world.now(), world.armed());
        world.each_living(|run| choices.living.push(run));
    }

    /// How many runs live.
    pub(super) fn living(&self) -> usize {
        self.replica.surroundings().living()
    }

    /// Its state, in one number.
    pub(super) fn hash(&self, canon: &mut Canon, setup: u64) -> u128 {
        self.replica.canon(canon, &self.replica.surroundings().watcher().judge);
        canon.hash(setup)
    }
}
