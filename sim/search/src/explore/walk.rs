//! Advances a replica through the alphabet: from one blocked loop to the next by one label.
//!
//! Invariant: a [`Walker`] depends only on its setup, its rules and its labels.

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

use super::alphabet::WakeChoices;
use treefall_subject::replica::{Replica, Stands};

/// Judges, and records how the last wake was reported.
#[derive(Clone, Debug)]
struct WakeObserver<'t> {
    judge: Judge<'t>,
    /// Number of the current wake.
    wake: u32,
    /// The wake was reported; whether both descriptors were ready.
    both: Option<bool>,
    /// Wakes that the world itself caused before it.
    own: usize,
}

impl Observer for WakeObserver<'_> {
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

/// A replica that advances wake by wake.
#[derive(Clone)]
pub(super) struct Walker<'t> {
    replica: Replica<'t, WakeObserver<'t>>,
}

/// The end of a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum WalkEnd {
    /// The loop is blocked.
    On,
    /// Memory is broken, or the program has ended: nothing follows.
    Over,
}

/// The result of a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct WalkStep {
    pub(super) led: WalkEnd,
    /// The laws that it broke.
    pub(super) broken: Vec<Signature>,
    /// Both descriptors were ready, so that their order matters.
    pub(super) both: bool,
}

fn in_force(watcher: &WakeObserver<'_>) -> bool {
    !watcher.judge.is_over()
}

impl<'t> Walker<'t> {
    /// Starts traces of this setup; `start` has no wakes. Also returns what breaks at once.
    pub(super) fn begin(start: &'t Trace, rules: Rules) -> (Self, WalkStep) {
        let watcher = WakeObserver { judge: Judge::new(start.setup()), wake: 0, both: None, own: 0 };
        let mut walker = Self { replica: Replica::new(start, rules, watcher) };
        let stands = walker.replica.begin(in_force);
        let stepped = walker.stepped(&stands);
        (walker, stepped)
    }

    /// Advances by `wake`.
    ///
    /// # Panics
    /// When the world itself causes more than [`OWN_WAKES_ENOUGH`] wakes before it, which no trace of this alphabet
    /// does.
    pub(super) fn step(&mut self, wake: &Wake) -> WalkStep {
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

    fn stepped(&mut self, stands: &Stands) -> WalkStep {
        let watcher = self.replica.observer();
        let led = if *stands == Stands::Blocked { WalkEnd::On } else { WalkEnd::Over };
        let mut broken = watcher.judge.take_breaks();
        match stands {
            // Violations by ending in this way.
            Stands::Over(outcome) if *outcome != Outcome::Survived => {
                broken.extend(watcher.judge.clone().finish(outcome.clone()).breaks);
            }
            _ => {}
        }
        let broken = broken.into_iter().map(|broken| broken.signature).collect();
        WalkStep { led, broken, both: watcher.both == Some(true) }
    }

    /// Sets the possible continuations.
    pub(super) fn choices(&self, choices: &mut WakeChoices) {
        let world = self.replica.surroundings();
        choices.set(world.now(), world.armed());
        world.each_living(|run| choices.living.push(run));
    }

    /// Returns the number of living runs.
    pub(super) fn living(&self) -> usize {
        self.replica.surroundings().living()
    }

    /// Returns the hash of its state.
    pub(super) fn hash(&self, canon: &mut Canon, setup: u64) -> u128 {
        self.replica.canon(canon, &self.replica.surroundings().watcher().judge);
        canon.hash(setup)
    }
}
