//! Describes what goes on around a keepalived in the field, in a user's terms.

use treefall_model::id::ConfigId;
use treefall_model::time::Span;
use treefall_model::trace::{Config, Costs, Name, OnTerm, Script, Setup, Trace, TraceError};

use super::spread::Spread;

/// A track script and the behaviour of its runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Worker {
    /// Its configuration. The habit is ignored: `on_term` decides what its runs do on SIGTERM.
    pub script: Script,
    /// Duration of a run; infinite: it hangs.
    pub runs: Spread,
    /// Time from a SIGTERM to the death of a run; infinite: the run survives.
    pub on_term: Spread,
}

/// A sender of SIGHUP that sleeps between signals.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reload {
    /// Time between two signals, at least a microsecond.
    pub period: Span,
    /// Additional time between two signals: the sender's own time and its delay in waking.
    pub jitter: Spread,
}

/// The speed of the machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Machine {
    /// Time from a descriptor becoming ready to the end of the loop's sleep.
    pub latency: Spread,
    /// Durations of actions within an iteration of the loop.
    pub costs: Costs,
}

/// Scripts, reloads and machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Workload {
    /// The scripts, in the order of the configuration.
    pub workers: Vec<Worker>,
    /// The reloads, if there are any. Each brings the same configuration.
    pub reload: Option<Reload>,
    /// The machine.
    pub machine: Machine,
}

impl Worker {
    /// Returns a script whose runs last `runs` and die of SIGTERM within 1 to 3 ms.
    #[must_use]
    pub fn new(name: Name, interval: Span, timeout: Span, runs: Spread) -> Self {
        let script = Script { interval, timeout, ..Script::new(name) };
        Self { script, runs, on_term: Spread::dies_but_for(0) }
    }
}

impl Machine {
    /// Returns two idle cores. Assumed, not measured: the loop wakes after 30 to 120 us, and once in 100,000 times
    /// after 1 to 10 ms; a callback takes 10 us, a fork 300 us, a log line 50 us. Measured on the real daemon:
    /// reading a configuration takes 19 ms (keepalived.md, section 9).
    #[must_use]
    pub fn quiet() -> Self {
        let micros = Span::from_micros;
        Self {
            latency: Spread::mixed(10_000, (micros(1_000), micros(10_000)), (micros(30), micros(120))),
            costs: Costs {
                callback: micros(10),
                start: micros(300),
                log: micros(50),
                reap: Span::ZERO,
                reload: micros(19_000),
            },
        }
    }

    /// Returns the same machine under load: the loop wakes after 50 us to 2 ms, and once in a hundred times after 2
    /// to 50 ms; everything else takes twice as long.
    #[must_use]
    pub fn loaded() -> Self {
        let micros = Span::from_micros;
        let costs = Self::quiet().costs.each().map(|cost| cost + cost);
        Self {
            latency: Spread::mixed(10_000_000, (micros(2_000), micros(50_000)), (micros(50), micros(2_000))),
            costs: Costs::of(costs),
        }
    }
}

impl Workload {
    /// Returns a trace of this workload without wakes.
    ///
    /// # Errors
    /// When no run could have it: too many scripts, two of one name, a span of zero, a cost of more than a second.
    pub fn bare_trace(&self) -> Result<Trace, TraceError> {
        let scripts = self.workers.iter().map(|worker| {
            let mut script = worker.script.clone();
            // The outside decides what a run does on SIGTERM, so that a death can be as late as any exit.
            script.habit.on_term = OnTerm::Ignores;
            script.habit.kill_linger = Span::ZERO;
            script
        });
        let setup = Setup {
            configs: vec![Config { scripts: scripts.collect() }],
            costs: self.machine.costs,
            ..Setup::default()
        };
        Trace::new(setup, Vec::new())
    }
}

/// The configuration that each reload brings.
pub(super) const CONFIG: ConfigId = ConfigId(0);
