//! Predicts what is probably running, by a rough model of a scheduler, so that events can be aimed.
//!
//! The model knows no release and no order of ties, and is often wrong after reloads and late wakes. Only the number
//! of moot exits depends on it.

use treefall_model::id::{ConfigId, Generation, Run, ScriptId, ScriptRef};
use treefall_model::time::{Instant, Span};
use treefall_model::trace::{Advance, OnTerm, Script, ScriptKind, Setup, Wake};

/// Most remembered children of earlier generations.
const OLD_MAX: usize = 16;

struct Living {
    run: Run,
    deadline: Instant,
    told: bool,
}

struct Cycle {
    next_tick: Instant,
    starts: u32,
    living: Option<Living>,
}

/// The predicted state of every script.
pub(super) struct Forecast<'s> {
    setup: &'s Setup,
    config: ConfigId,
    generation: Generation,
    now: Instant,
    cycles: Vec<Cycle>,
    old: Vec<Run>,
}

impl<'s> Forecast<'s> {
    pub(super) fn new(setup: &'s Setup) -> Self {
        let mut forecast = Self {
            setup,
            config: ConfigId(0),
            generation: Generation(0),
            now: Instant::START,
            cycles: Vec::new(),
            old: Vec::new(),
        };
        forecast.start_all();
        forecast
    }

    /// Returns the number of configurations that can be reloaded.
    pub(super) fn configs(&self) -> usize {
        self.setup.configs.len()
    }

    /// Returns the generation of the configuration that is probably in force.
    pub(super) fn generation(&self) -> Generation {
        self.generation
    }

    /// Returns the runs that are probably alive when the loop next blocks.
    pub(super) fn living(&self) -> Vec<Run> {
        let current = self.cycles.iter().filter_map(|cycle| cycle.living.as_ref());
        current.map(|living| living.run).chain(self.old.iter().copied()).collect()
    }

    /// Returns the time until something is due.
    pub(super) fn until_next_timer(&self) -> Span {
        let due = |cycle: &Cycle| {
            cycle.living.as_ref().map_or(cycle.next_tick, |l| l.deadline.min(cycle.next_tick))
        };
        let next = self.cycles.iter().map(due).min().unwrap_or(self.now);
        next.saturating_since(self.now)
    }

    /// Returns the instant to which an advance leads.
    pub(super) fn reached(&self, advance: Advance) -> Instant {
        match advance {
            Advance::NextTimer => self.now + self.until_next_timer(),
            Advance::By(span) => self.now + span,
        }
    }

    /// Applies a wake.
    pub(super) fn follow(&mut self, wake: &Wake, reached: Instant) {
        self.now = reached;
        let ended = |run: &Run| wake.exits.iter().any(|exit| exit.run == *run);
        self.old.retain(|run| !ended(run));
        for cycle in &mut self.cycles {
            cycle.living.take_if(|living| ended(&living.run));
        }
        self.expire();
        if let Some(config) = wake.hup {
            self.reload(config);
        }
    }

    fn scripts(&self) -> &'s [Script] {
        &self.setup.configs[usize::from(self.config.0)].scripts
    }

    fn start_all(&mut self) {
        self.cycles =
            self.scripts().iter().map(|_| Cycle { next_tick: self.now, starts: 0, living: None }).collect();
        self.expire();
    }

    fn expire(&mut self) {
        let (now, generation, scripts) = (self.now, self.generation, self.scripts());
        for (place, (cycle, script)) in self.cycles.iter_mut().zip(scripts).enumerate() {
            expire_child(cycle, script, now);
            if cycle.next_tick > now {
                continue;
            }
            cycle.next_tick = now + script.interval;
            if cycle.living.is_none() {
                cycle.starts += 1;
                let of = ScriptRef { generation, script: ScriptId(u16::try_from(place).unwrap_or(u16::MAX)) };
                let never = script.kind == ScriptKind::Fifo;
                let deadline = if never { Instant::MAX } else { now + script.timeout };
                cycle.living = Some(Living { run: Run { of, nth: cycle.starts }, deadline, told: false });
            }
        }
    }

    fn reload(&mut self, config: ConfigId) {
        let living = self.cycles.iter_mut().filter_map(|cycle| cycle.living.take());
        let stubborn = |living: &Living| {
            let script =
                &self.setup.configs[usize::from(self.config.0)].scripts[usize::from(living.run.of.script.0)];
            script.habit.on_term != OnTerm::Dies(Span::ZERO)
        };
        self.old.extend(living.filter(stubborn).map(|living| living.run));
        let surplus = self.old.len().saturating_sub(OLD_MAX);
        self.old.drain(..surplus);
        self.config = config;
        self.generation = self.generation.next();
        self.start_all();
    }
}

fn expire_child(cycle: &mut Cycle, script: &Script, now: Instant) {
    let Some(living) = cycle.living.as_mut().filter(|living| living.deadline <= now) else { return };
    let dies = living.told || matches!(script.habit.on_term, OnTerm::Dies(after) if after.is_zero());
    if dies {
        cycle.living = None;
    } else {
        living.told = true;
        living.deadline = now + Span::from_secs(2);
    }
}
