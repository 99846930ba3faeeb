//! The arguments of `soak`: scripts, reloads and the machine that they run on.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum as _};
use treefall_model::time::Span;

use super::values::{parse_duration, parse_span};
use treefall_field::soak::Spread;

#[derive(Args, Debug)]
#[command(
    after_help = "Without --script, --config and --reload: the field report of keepalived issue 2468 (one SIGHUP a second, one \
    script whose runs hang and outlive a SIGTERM). A SPREAD is a span (`5ms`), a range (`5ms..15ms`), `never`, or \
    parts of these with their shares (`1%:never,5ms..15ms`).\n\nExamples:\n  \
    treefall soak --target replica:2.3.1 --target replica:2.3.4\n  \
    treefall soak --script 'count=8 interval=5s timeout=3s runs=0.1%:never,5ms..40ms' --reload 60s --until memory\n  \
    treefall soak --config /etc/keepalived/keepalived.conf --runs '1%:never,20ms..80ms' --reload 1h\n  \
    treefall soak --sensitivity"
)]
pub(in crate::cli) struct Soak {
    /// Replicas to follow [default: replica:2.3.1].
    #[arg(long = "target", value_name = "TARGET")]
    pub(in crate::cli) targets: Vec<String>,
    /// A script: `interval=2s timeout=2s runs=SPREAD on-term=SPREAD count=N name=NAME`, all but `runs` with
    /// defaults (1s, as the interval, 1ms..3ms, 1, s0). `runs` is how long a run takes, `on-term` how long it lives
    /// after a SIGTERM. Repeatable.
    #[arg(long = "script", value_name = "SCRIPT")]
    pub(in crate::cli) scripts: Vec<String>,
    /// The scripts that this keepalived.conf tracks, with the times that it gives them.
    #[arg(long, value_name = "FILE", conflicts_with = "scripts")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// How long the runs of the scripts of --config take [default: 5ms..15ms].
    #[arg(long, value_name = "SPREAD", requires = "config")]
    pub(in crate::cli) runs: Option<Spread>,
    /// And how long they live after a SIGTERM [default: 1ms..3ms].
    #[arg(long, value_name = "SPREAD", requires = "config")]
    pub(in crate::cli) on_term: Option<Spread>,
    /// From one SIGHUP to the next.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub(in crate::cli) reload: Option<Span>,
    /// And so much more each time: what the sender takes [default: 1ms..2ms].
    #[arg(long, value_name = "SPREAD")]
    pub(in crate::cli) jitter: Option<Spread>,
    /// How fast the machine is; what follows changes single parts of it.
    #[arg(long, value_enum, default_value = "quiet")]
    pub(in crate::cli) machine: MachineName,
    /// How long after something became ready a sleeping loop goes on.
    #[arg(long, value_name = "SPREAD")]
    pub(in crate::cli) latency: Option<Spread>,
    /// What each callback takes.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub(in crate::cli) callback: Option<Span>,
    /// What each fork takes.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub(in crate::cli) start: Option<Span>,
    /// What each log line takes.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub(in crate::cli) log: Option<Span>,
    /// What each child takes that is reaped: a log line added there.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub(in crate::cli) reap: Option<Span>,
    /// What the reading of a configuration takes.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub(in crate::cli) reading: Option<Span>,
    /// What a failure is.
    #[arg(long, value_enum, default_value = "crash")]
    pub(in crate::cli) until: UntilName,
    /// After so many failures it is enough; below 30 there is no interval of mean and median.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(in crate::cli) failures: u32,
    /// No life is followed longer, in virtual time: `12h`, `30d`.
    #[arg(long, value_name = "SPAN", default_value = "30d", value_parser = parse_span)]
    pub(in crate::cli) life: Span,
    /// Nor all lives together much longer than this.
    #[arg(long, value_name = "SPAN", default_value = "90d", value_parser = parse_span)]
    pub(in crate::cli) most: Span,
    /// Stop after so long, of a person's time: `60s`, `10m`, `8h`. The lives until then are told.
    #[arg(long = "for", value_name = "TIME", id = "duration", value_parser = parse_duration)]
    pub(in crate::cli) duration: Option<Duration>,
    /// The seed of the lives.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(in crate::cli) seed: u64,
    /// A table instead: how the result moves with each assumption.
    #[arg(long)]
    pub(in crate::cli) sensitivity: bool,
    /// Where finds are written.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    pub(in crate::cli) out: PathBuf,
}

/// A machine by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(in crate::cli) enum MachineName {
    /// Nothing else to do.
    Quiet,
    /// Much else to do.
    Loaded,
}

/// What a failure is, by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(in crate::cli) enum UntilName {
    /// A crash or a hang; nothing is checked on the way.
    Crash,
    /// A memory law, too.
    Memory,
    /// Any law.
    Law,
}

impl UntilName {
    /// What it says of itself in the help, for a sentence.
    pub(in crate::cli) fn in_words(self) -> &'static str {
        match self {
            Self::Crash => "a crash or a hang; nothing is checked on the way",
            Self::Memory => "a crash, a hang, or a memory law broken",
            Self::Law => "a crash, a hang, or any law broken",
        }
    }
}

/// As it is given.
impl std::fmt::Display for UntilName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", PossibleValue::get_name))
    }
}
