//! A steady workload for benchmarks: scripts that tick, run a while and exit, each at its own pace.
//!
//! No two scripts tie, so that a wake has one timer or one exit: every external event is a separate return of the
//! blocking call, the most expensive kind.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use treefall_model::id::{ConfigId, Generation, Run, ScriptId, ScriptRef};
use treefall_model::signal::ExitStatus;
use treefall_model::time::Span;
use treefall_model::trace::{Advance, Config, Name, Script, Setup, Trace, TraceError, Wake};

/// Duration of each run, in microseconds.
const RUN_MICROS: u64 = 3;
/// The first script's interval; each further script's is slightly longer.
const INTERVAL_MICROS: u64 = 1_000_000;

/// Returns a trace of `wakes` wakes with `scripts` scripts, and a reload after every `reload_every` wakes (0: none).
///
/// # Errors
/// When it exceeds the limits of a trace.
pub fn steady(scripts: u16, wakes: u32, reload_every: u32) -> Result<Trace, TraceError> {
    let interval = |place: u16| INTERVAL_MICROS + 1_009 * u64::from(place);
    let script = |place: u16| Script {
        interval: Span::from_micros(interval(place)),
        timeout: Span::from_micros(interval(place)),
        ..Script::new(Name::numbered(usize::from(place)))
    };
    let setup =
        Setup { configs: vec![Config { scripts: (0..scripts).map(script).collect() }], ..Setup::default() };
    let mut plan = Plan {
        scripts,
        interval: &interval,
        now: 0,
        generation: 0,
        due: BinaryHeap::new(),
        wakes: Vec::new(),
    };
    plan.start();
    let wakes = wakes as usize;
    while plan.wakes.len() < wakes {
        let done = plan.wakes.len();
        let reload = reload_every > 0 && done > 0 && (done / 2).is_multiple_of(reload_every as usize / 2 + 1);
        plan.cycle(reload);
    }
    plan.wakes.truncate(wakes);
    Trace::new(setup, plan.wakes)
}

/// Returns a trace of `reloads` reloads, a millisecond apart, of a configuration with `scripts` scripts that keep
/// running.
///
/// # Errors
/// When it exceeds the limits of a trace.
pub fn reloading(scripts: u16, reloads: u32) -> Result<Trace, TraceError> {
    let scripts = (0..scripts).map(|place| Script::new(Name::numbered(usize::from(place))));
    let setup = Setup { configs: vec![Config { scripts: scripts.collect() }], ..Setup::default() };
    let reload = Wake::new(Advance::By(Span::from_millis(1))).hup(ConfigId(0));
    Trace::new(setup, vec![reload; reloads as usize])
}

struct Plan<'i> {
    scripts: u16,
    interval: &'i dyn Fn(u16) -> u64,
    now: u64,
    generation: u32,
    /// Moment, script, and number of its start.
    due: BinaryHeap<Reverse<(u64, u16, u32)>>,
    wakes: Vec<Wake>,
}

impl Plan<'_> {
    /// All scripts start at once; their first runs end in one wake.
    fn start(&mut self) {
        let first = |script| self.run(script, 1);
        let mut wake = Wake::new(Advance::By(Span::from_micros(RUN_MICROS)));
        for script in 0..self.scripts {
            wake = wake.exit(first(script), ExitStatus::SUCCESS);
        }
        self.wakes.push(wake);
        self.due = (0..self.scripts)
            .map(|script| Reverse((self.now + (self.interval)(script), script, 2)))
            .collect();
        self.now += RUN_MICROS;
    }

    /// Appends a tick and the exit of the run that it started; or a reload and a new start.
    fn cycle(&mut self, reload: bool) {
        let Some(Reverse((at, script, nth))) = self.due.pop() else { return };
        if reload {
            self.wakes.push(Wake::new(Advance::By(Span::ZERO)).hup(ConfigId(0)));
            self.generation += 1;
            self.start();
            return;
        }
        self.wakes.push(Wake::next_timer());
        let exit = Wake::new(Advance::By(Span::from_micros(RUN_MICROS)));
        self.wakes.push(exit.exit(self.run(script, nth), ExitStatus::SUCCESS));
        self.now = at + RUN_MICROS;
        self.due.push(Reverse((at + (self.interval)(script), script, nth + 1)));
    }

    fn run(&self, script: u16, nth: u32) -> Run {
        Run { of: ScriptRef { generation: Generation(self.generation), script: ScriptId(script) }, nth }
    }
}
