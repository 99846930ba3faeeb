//! Arguments of the commands that search for failures.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::{Driven, parse_duration};
use treefall_search::campaign::Shard;
use treefall_search::generator::Sampling;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall survey\n  \
    treefall survey --target engine:./keepalived/keepalived\n  \
    treefall survey --seed 7 --out /tmp/survey")]
pub(in crate::cli) struct Survey {
    /// Also survey these real programs, besides those found here: engine:PATH[@ROOT].
    #[arg(long = "target", value_name = "TARGET")]
    pub(in crate::cli) targets: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) driven: Driven,
    /// Seed of the campaign.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(in crate::cli) seed: u64,
    /// Folder for the findings.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    pub(in crate::cli) out: PathBuf,
}

impl Survey {
    /// Returns the arguments of `treefall` without a command.
    pub(in crate::cli) fn standard() -> Self {
        let targets = Vec::new();
        Self { targets, driven: Driven::default(), seed: 1, out: PathBuf::from("reports") }
    }
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall targets\n  \
    treefall targets --target engine:./keepalived/bin/keepalived")]
pub(in crate::cli) struct Targets {
    /// Also list these targets.
    #[arg(long = "target", value_name = "TARGET")]
    pub(in crate::cli) targets: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) driven: Driven,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall hunt --target engine:/usr/sbin/keepalived\n  \
    treefall hunt --target replica:2.3.1 --all --traces 5000\n  \
    treefall hunt --target engine --baseline replica:mended --all --for 60s\n  \
    treefall hunt --target engine --all --traces 1000000 --shard 3/8 --out part-3\n  \
    treefall hunt --resume reports --for 8h\n  \
    treefall hunt --target daemon --config /etc/keepalived/keepalived.conf")]
pub(in crate::cli) struct Hunt {
    /// What to test: replica:RELEASE, replica:all, replica:mended[+DEFECT..], engine[:PATH[@ROOT][,as=RELEASE]],
    /// daemon[:PATH[@ROOT][,as=RELEASE][,config=FILE]]. Repeatable [default: engine if a keepalived is installed,
    /// else replica:2.3.1; daemon with --config].
    #[arg(long = "target", value_name = "TARGET")]
    pub(in crate::cli) targets: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) driven: Driven,
    /// Seed of the campaign.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(in crate::cli) seed: u64,
    /// Most traces for each target [default: 1000; unlimited with --for].
    #[arg(long, value_name = "N", conflicts_with = "duration", value_parser = clap::value_parser!(u64).range(1..))]
    pub(in crate::cli) traces: Option<u64>,
    /// How long to search each target: `60s`, `10m`, `8h`. Triage of the failures takes additional time.
    #[arg(long = "for", value_name = "TIME", id = "duration", value_parser = parse_duration)]
    pub(in crate::cli) duration: Option<Duration>,
    /// Continue after the first memory violation.
    #[arg(long)]
    pub(in crate::cli) all: bool,
    /// Search with the scripts of this keepalived.conf, on a daemon.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// Also print a GitHub annotation for each failure.
    #[arg(long)]
    pub(in crate::cli) github: bool,
    /// Play each failure on this target too, and report only violations that it does not show in the same trace at
    /// the same place.
    #[arg(long, value_name = "TARGET")]
    pub(in crate::cli) baseline: Option<String>,
    /// How traces are drawn: swarm (each trace has its own weights), plain (the same weights for all), or pct:D (by
    /// priorities that change at D-1 random steps). If a failure needs D ordering constraints among n actors in k
    /// steps, each pct:D trace finds it with a probability of at least 1/(n*k^(D-1)).
    #[arg(long, value_name = "WAY", default_value_t = Sampling::Swarm)]
    pub(in crate::cli) sampling: Sampling,
    /// Let half of the track scripts cancel and kill a run that has not ended when the next one is due. Not for a
    /// daemon: none of its scripts does this.
    #[arg(long)]
    pub(in crate::cli) cancelling: bool,
    /// Guard the scheduler's entries: a real program that uses a freed entry ends there, with the law
    /// no-use-after-free and the places where the entry was allocated, freed and used. A replica
    /// then never reuses a freed entry.
    #[arg(long)]
    pub(in crate::cli) guarded: bool,
    /// Draw scripts, signals and timers alone. Without it every second trace of a daemon also has a network interface that
    /// goes down and up, and a guarded heap.
    #[arg(long)]
    pub(in crate::cli) scripts_only: bool,
    /// This part of the campaign alone, the I-th of N: no two parts have a trace in common, and all together are the
    /// campaign. `treefall merge` brings the failures together.
    #[arg(long, value_name = "I/N", default_value_t = Shard::WHOLE, hide_default_value = true)]
    pub(in crate::cli) shard: Shard,
    /// Go on with the hunts that wrote to this folder, where they were when they stopped or were killed. What they
    /// were told holds; --traces and --for may be given anew.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["targets", "as_release", "seed", "all", "baseline", "config", "sampling", "cancelling", "guarded", "scripts_only", "shard", "out"])]
    pub(in crate::cli) resume: Option<PathBuf>,
    /// Start again even if the folder of --out has a stopped hunt, which can then not be resumed. Its findings stay.
    #[arg(long, conflicts_with = "resume")]
    pub(in crate::cli) overwrite: bool,
    /// Folder for the findings.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    pub(in crate::cli) out: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    treefall merge part-1 part-2 part-3 --out reports")]
pub(in crate::cli) struct Merge {
    /// Folders that hunts wrote to.
    #[arg(required = true, value_name = "DIR")]
    pub(in crate::cli) from: Vec<PathBuf>,
    /// Folder for the merged findings. Findings that are already there are included.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    pub(in crate::cli) out: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall explore --target replica:2.3.1\n  \
    treefall explore --target replica:mended --scripts 2 --wakes 8\n  \
    treefall explore --target engine:/usr/sbin/keepalived --wakes 4\n  \
    treefall explore --target replica:2.3.4 --resume reports")]
pub(in crate::cli) struct Explore {
    /// What to search: replica:RELEASE, replica:all, replica:mended[+DEFECT..], engine[:PATH[@ROOT]]. Repeatable
    /// [default: replica:mended].
    #[arg(long = "target", value_name = "TARGET")]
    pub(in crate::cli) targets: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) driven: Driven,
    /// Number of scripts in the configuration.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub(in crate::cli) scripts: u8,
    /// Number of script kinds to choose from.
    #[arg(long, default_value_t = 6, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=6))]
    pub(in crate::cli) kinds: u8,
    /// Wakes of a trace [default: 12 with one script, 8 with two, 4 with more].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=250))]
    pub(in crate::cli) wakes: Option<u8>,
    /// Most living runs: the search does not extend a trace that has more.
    #[arg(long, default_value_t = 6, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=9))]
    pub(in crate::cli) living: u8,
    /// Most memory for the states; the search stops there.
    #[arg(long, default_value_t = 1_024, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub(in crate::cli) memory: u64,
    /// Stop after this long, for each target: `60s`, `10m`, `8h`.
    #[arg(long = "for", value_name = "TIME", id = "duration", value_parser = parse_duration)]
    pub(in crate::cli) duration: Option<Duration>,
    /// Continue the stopped or killed search that had this folder as --out, with the same bound.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["scripts", "kinds", "wakes", "living", "out"])]
    pub(in crate::cli) resume: Option<PathBuf>,
    /// Start again even if the folder of --out has a stopped search, which can then not be resumed.
    #[arg(long, conflicts_with = "resume")]
    pub(in crate::cli) overwrite: bool,
    /// Folder for findings, checkpoint and certificate.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    pub(in crate::cli) out: PathBuf,
}
