//! Arguments of `soak`: scripts, reloads, and the speed of the machine.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum as _};
use treefall_model::time::Span;

use super::values::{parse_duration, parse_span};
use treefall_field::soak::Spread;

#[derive(Args, Debug)]
#[command(
    after_help = "Without --script, --config and --reload, soak plays the field report of keepalived issue 2468 (one SIGHUP a second, one \
    script whose runs hang and outlive a SIGTERM). A SPREAD is a duration (`5ms`), a range (`5ms..15ms`), `never`, or \
    a list of these with their probabilities (`1%:never,5ms..15ms`).\n\nExamples:\n  \
    treefall soak --target replica:2.3.1 --target replica:2.3.4\n  \
    treefall soak --script 'count=8 interval=5s timeout=3s runs=0.1%:never,5ms..40ms' --reload 60s --until memory\n  \
    treefall soak --config /etc/keepalived/keepalived.conf --runs '1%:never,20ms..80ms' --reload 1h\n  \
    treefall soak --sensitivity"
)]
pub(in crate::cli) struct Soak {
    /// Replicas to run [default: replica:2.3.1].
    #[arg(long = "target", value_name = "TARGET")]
    pub(in crate::cli) targets: Vec<String>,
    /// A script: `interval=2s timeout=2s runs=SPREAD on-term=SPREAD count=N name=NAME`. `runs` is how long one run
    /// takes; `on-term` is how long it lives after a SIGTERM. Only `runs` is required; the defaults are interval=1s,
    /// timeout=interval, on-term=1ms..3ms, count=1, name=s0. Repeatable.
    #[arg(long = "script", value_name = "SCRIPT")]
    pub(in crate::cli) scripts: Vec<String>,
    /// Use the tracked scripts of this keepalived.conf, with their intervals and timeouts.
    #[arg(long, value_name = "FILE", conflicts_with = "scripts")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// How long a run of a script of --config takes [default: 5ms..15ms].
    #[arg(long, value_name = "SPREAD", requires = "config")]
    pub(in crate::cli) runs: Option<Spread>,
    /// How long a run of a script of --config lives after a SIGTERM [default: 1ms..3ms].
    #[arg(long, value_name = "SPREAD", requires = "config")]
    pub(in crate::cli) on_term: Option<Spread>,
    /// Time from one SIGHUP to the next.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub(in crate::cli) reload: Option<Span>,
    /// Extra delay of each SIGHUP, added by its sender [default: 1ms..2ms].
    #[arg(long, value_name = "SPREAD")]
    pub(in crate::cli) jitter: Option<Spread>,
    /// Speed of the machine. The flags below change single parts of it.
    #[arg(long, value_enum, default_value = "quiet")]
    pub(in crate::cli) machine: MachineName,
    /// Delay between an event and the wake of a sleeping event loop.
    #[arg(long, value_name = "SPREAD")]
    pub(in crate::cli) latency: Option<Spread>,
    /// Duration of each callback.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub(in crate::cli) callback: Option<Span>,
    /// Duration of each fork.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub(in crate::cli) start: Option<Span>,
    /// Duration of each log line.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub(in crate::cli) log: Option<Span>,
    /// Extra duration of each reaped child, for example of an added log line.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub(in crate::cli) reap: Option<Span>,
    /// Duration of reading a configuration.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub(in crate::cli) reading: Option<Span>,
    /// What counts as a failure.
    #[arg(long, value_enum, default_value = "crash")]
    pub(in crate::cli) until: UntilName,
    /// Stop after this many failures. Below 30, no confidence interval of mean and median is given.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(in crate::cli) failures: u32,
    /// Longest virtual time of one life: `12h`, `30d`.
    #[arg(long, value_name = "SPAN", default_value = "30d", value_parser = parse_span)]
    pub(in crate::cli) life: Span,
    /// Longest virtual time of all lives together (may be exceeded by a little).
    #[arg(long, value_name = "SPAN", default_value = "90d", value_parser = parse_span)]
    pub(in crate::cli) most: Span,
    /// Stop after this much real time: `60s`, `10m`, `8h`. The result covers the lives until then.
    #[arg(long = "for", value_name = "TIME", id = "duration", value_parser = parse_duration)]
    pub(in crate::cli) duration: Option<Duration>,
    /// Seed of the lives.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(in crate::cli) seed: u64,
    /// Print a table of how the result changes with each assumption instead.
    #[arg(long)]
    pub(in crate::cli) sensitivity: bool,
    /// Folder for the findings.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    pub(in crate::cli) out: PathBuf,
}

/// Machine presets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(in crate::cli) enum MachineName {
    /// Idle apart from keepalived.
    Quiet,
    /// Busy with other work.
    Loaded,
}

/// Definitions of a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(in crate::cli) enum UntilName {
    /// A crash or a hang; no law is checked.
    Crash,
    /// A crash, a hang, or a violated memory law.
    Memory,
    /// A crash, a hang, or any violated law.
    Law,
}

impl UntilName {
    /// Describes the definition for a sentence of the help.
    pub(in crate::cli) fn description(self) -> &'static str {
        match self {
            Self::Crash => "a crash or a hang; no law is checked",
            Self::Memory => "a crash, a hang, or a violated memory law",
            Self::Law => "a crash, a hang, or any violated law",
        }
    }
}

/// Writes the name as typed on the command line.
impl std::fmt::Display for UntilName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", PossibleValue::get_name))
    }
}
