//! What the judge knows of the loop itself: who is in force, how far this turn of it has come.

use super::roster::Child;
use crate::canon::Canon;
use crate::event::EntryKind;
use crate::id::{ConfigId, Generation, Run, ScriptRef};
use crate::time::{Deadline, Instant, Span};
use crate::trace::{Script, Setup};
use crate::violation;

/// The loop, as its events tell. A *turn* is what happens from one return of the blocking call to the next
/// blocking.
#[derive(Clone, Debug)]
pub(super) struct Loop<'s> {
    setup: &'s Setup,
    config: ConfigId,
    /// The generation in force.
    pub(super) generation: Generation,
    next_config: ConfigId,
    /// When the blocking call last returned; never yet, at the start.
    pub(super) woke: Option<Instant>,
    /// When the loop blocked before that.
    pub(super) blocked: Instant,
    /// What the timerfd was armed for then.
    pub(super) armed: Deadline,
    /// A reload's handler is running.
    pub(super) reloading: bool,
    /// A reload has begun in this turn.
    pub(super) reloaded: bool,
    /// What was due has been moved in this turn.
    pub(super) timer_handled: bool,
    /// When the running handler began.
    pub(super) began: Instant,
    /// The entry of the running handler, and the child that it names.
    pub(super) running: Option<(EntryKind, Option<Run>)>,
    /// A shutdown has begun.
    pub(super) ending: bool,
}

impl<'s> Loop<'s> {
    pub(super) fn new(setup: &'s Setup) -> Self {
        Self {
            setup,
            config: ConfigId::default(),
            generation: Generation::default(),
            next_config: ConfigId::default(),
            woke: None,
            blocked: Instant::START,
            armed: Deadline::Never,
            reloading: false,
            reloaded: false,
            timer_handled: false,
            began: Instant::START,
            running: None,
            ending: false,
        }
    }

    /// The scripts in force.
    pub(super) fn scripts(&self) -> &'s [Script] {
        self.setup.configs.get(usize::from(self.config.0)).map_or(&[], |config| config.scripts.as_slice())
    }

    /// A script of the generation in force; `None` for any other.
    pub(super) fn script(&self, of: ScriptRef) -> Option<&'s Script> {
        if of.generation == self.generation { self.scripts().get(usize::from(of.script.0)) } else { None }
    }

    /// The configuration in force.
    pub(super) fn config(&self) -> ConfigId {
        self.config
    }

    /// A script of the configuration in force, with its name.
    pub(super) fn named(&self, of: ScriptRef) -> violation::Script {
        violation::Script { of, name: self.script(of).map(|script| script.name.clone()) }
    }

    /// A child with the name of its script, whose generation may be an older one.
    pub(super) fn child(&self, child: &Child) -> violation::Child {
        let config = self.setup.configs.get(usize::from(child.config.0));
        let script = config.and_then(|config| config.scripts.get(usize::from(child.run.of.script.0)));
        violation::Child { run: child.run, pid: child.pid, name: script.map(|script| script.name.clone()) }
    }

    /// What counts beyond this turn. When the loop blocked is for the debts to tell, where it counts.
    pub(super) fn canon(&self, canon: &mut Canon) {
        canon.byte(self.config.0);
        canon.byte(canon.age(self.generation));
        canon.due(self.armed);
        canon.flag(self.reloading);
        canon.flag(self.ending);
        canon.flag(self.woke.is_some());
    }

    pub(super) fn blocks(&mut self, at: Instant, deadline: Deadline) {
        self.blocked = at;
        self.armed = deadline;
        self.running = None;
    }

    pub(super) fn wakes(&mut self, at: Instant) {
        self.woke = Some(at);
        self.began = at;
        self.reloaded = false;
        self.timer_handled = false;
    }

    pub(super) fn reload_begins(&mut self, config: ConfigId) {
        self.next_config = config;
        self.reloading = true;
        self.reloaded = true;
    }

    pub(super) fn reload_ends(&mut self, generation: Generation) {
        self.generation = generation;
        self.config = self.next_config;
        self.reloading = false;
    }

    /// Whether this turn came to handle what was due at `instant`, whatever it made of it.
    pub(super) fn came_past(&self, instant: Instant) -> bool {
        self.woke.is_some_and(|woke| instant <= woke)
    }

    /// Whether the loop, blocking at `at` until `deadline`, would not come to what is due at `due` in time.
    /// One microsecond is left to a deadline that is over: the timerfd cannot be armed for no time at all.
    pub(super) fn sleeps_past(due: Instant, at: Instant, deadline: Deadline) -> bool {
        deadline > Deadline::At(due.max(at) + Span::from_micros(1))
    }
}
