//! What goes on around a keepalived in the field, in its user's terms.

use treefall_model::id::ConfigId;
use treefall_model::time::Span;
use treefall_model::trace::{Config, Costs, Name, OnTerm, Script, Setup, Trace, TraceError};

use super::spread::Spread;

/// A track script, and how its runs go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Worker {
    /// As it is configured. Its habit is not asked: what its runs do on SIGTERM is `on_term`.
    pub script: Script,
    /// How long a run takes by itself; never: it hangs.
    pub runs: Spread,
    /// How long after a SIGTERM a run dies of it; never: it does not.
    pub on_term: Spread,
}

/// Who sends SIGHUP, as a loop that sleeps does: each one so long after the last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reload {
    /// From one to the next, at least a microsecond.
    pub period: Span,
    /// And so much more, each time: what the sender itself takes, and how late it wakes.
    pub jitter: Spread,
}

/// How fast the machine is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Machine {
    /// How long after a descriptor became ready a loop that sleeps goes on.
    pub latency: Spread,
    /// What takes time inside an iteration of the loop.
    pub costs: Costs,
}

/// The whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Workload {
    /// The scripts, in the order of the configuration.
    pub workers: Vec<Worker>,
    /// The reloads, if there are any. Each brings the same configuration again.
    pub reload: Option<Reload>,
    /// The machine.
    pub machine: Machine,
}

impl Worker {
    /// A script of these times whose runs take as long as told and die of SIGTERM within 1 to 3 ms.
    #[must_use]
    pub fn new(name: Name, interval: Span, timeout: Span, runs: Spread) -> Self {
        let script = Script { interval, timeout, ..Script::new(name) };
        Self { script, runs, on_term: Spread::dies_but_for(0) }
    }
}

impl Machine {
    /// Two cores with nothing else to do. Assumed, not measured: the loop wakes after 30 to 120 us and once in
    /// 100,000 times after 1 to 10 ms; a callback takes 10 us, a fork 300 us, a log line 50 us; reading a configuration 19 ms
    /// (that one was measured on the real daemon: keepalived.md, section 9).
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

    /// The same under load: the loop wakes after 50 us to 2 ms, and once in a hundred times after 2 to 50 ms; all else
    /// takes twice as long.
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
    /// A trace without wakes of this workload: the outside brings them.
    ///
    /// # Errors
    /// What no run could mean: too many scripts, two of one name, a span of zero, a cost of more than a second.
    pub fn bare_trace(&self) -> Result<Trace, TraceError> {
        let scripts = self.workers.iter().map(|worker| {
            let mut script = worker.script.clone();
            // What a run does on SIGTERM the outside decides, so that a death is as late as any exit.
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
