//! Arguments of the commands that verify and measure treefall itself, and that download programs to test.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::values::{Driven, parse_duration};
use treefall_search::generator::Sampling;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall conform --target engine:/usr/sbin/keepalived --traces 10000\n  \
    treefall conform --target daemon:/usr/sbin/keepalived --for 10m\n  \
    treefall conform --recorded engine-2.2.7.rec --target engine:/usr/sbin/keepalived")]
pub(in crate::cli) struct Conform {
    /// Real programs [default: the keepalived found here].
    #[arg(long = "target", value_name = "TARGET")]
    pub(in crate::cli) targets: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) driven: Driven,
    /// Seed of the campaign.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(in crate::cli) seed: u64,
    /// How traces are drawn: swarm, plain or pct:D, as for `treefall hunt`.
    #[arg(long, value_name = "WAY", default_value_t = Sampling::Swarm)]
    pub(in crate::cli) sampling: Sampling,
    /// Let half of the track scripts cancel and kill a run that has not ended, as for `treefall hunt`.
    #[arg(long)]
    pub(in crate::cli) cancelling: bool,
    /// Number of traces.
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(in crate::cli) traces: u64,
    /// Run for this long instead, for example `10m`.
    #[arg(long = "for", value_name = "TIME", id = "duration", value_parser = parse_duration, conflicts_with = "traces")]
    pub(in crate::cli) duration: Option<Duration>,
    /// Compare with the scripts of this keepalived.conf, on a daemon.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// The replica to compare with [default: the replica of the program's own release].
    #[arg(long, value_name = "TARGET")]
    pub(in crate::cli) replica: Option<String>,
    /// Compare the targets with a file that `treefall record` wrote [default target: the replica of its release].
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "traces", "duration", "seed", "sampling", "cancelling"])]
    pub(in crate::cli) recorded: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall record --target engine:/usr/sbin/keepalived -o engine-2.2.7.rec\n  \
    treefall record --target daemon:/usr/sbin/keepalived -o daemon-2.2.7.rec")]
pub(in crate::cli) struct Record {
    /// The real program.
    #[arg(long, value_name = "TARGET")]
    pub(in crate::cli) target: String,
    #[command(flatten)]
    pub(in crate::cli) driven: Driven,
    /// File for its recording.
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) output: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall doctor\n  \
    treefall doctor --target engine:/usr/sbin/keepalived --traces 100000")]
pub(in crate::cli) struct Doctor {
    /// Targets to run [default: replica:2.2.7 and the keepalived found here].
    #[arg(long = "target", value_name = "TARGET")]
    pub(in crate::cli) targets: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) driven: Driven,
    /// Seed of the campaign.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(in crate::cli) seed: u64,
    /// Number of traces.
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(in crate::cli) traces: u64,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall bench\n  \
    treefall bench --target engine:/usr/sbin/keepalived --scripts 4 --wakes 50000")]
pub(in crate::cli) struct Bench {
    /// Targets to measure [default: replica:mended and the keepalived found here].
    #[arg(long = "target", value_name = "TARGET")]
    pub(in crate::cli) targets: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) driven: Driven,
    /// Numbers of scripts to measure with.
    #[arg(long = "scripts", value_name = "N", default_values_t = [4, 8], value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(in crate::cli) scripts: Vec<u16>,
    /// Wakes of the measured trace.
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1_000..=2_000_000))]
    pub(in crate::cli) wakes: u32,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall roots fetch bullseye bookworm trixie sid\n  \
    TREEFALL_CACHE=/srv/treefall treefall roots list")]
pub(in crate::cli) struct Roots {
    #[command(subcommand)]
    pub(in crate::cli) command: RootsCommand,
}

#[derive(Subcommand, Debug)]
pub(in crate::cli) enum RootsCommand {
    /// Unpack Debian's keepalived of these suites with mmdebstrap. The cache is $TREEFALL_CACHE, else
    /// $XDG_CACHE_HOME/treefall, else ~/.cache/treefall.
    #[command(after_help = "Example:\n  \
        treefall roots fetch bullseye bookworm trixie sid")]
    Fetch {
        /// Suites: bullseye, bookworm, trixie, sid.
        #[arg(required = true, value_name = "SUITE")]
        suites: Vec<String>,
        /// Download from this mirror instead of mmdebstrap's default.
        #[arg(long, value_name = "URL")]
        mirror: Option<String>,
        /// Fetch again what the cache already has.
        #[arg(long)]
        again: bool,
    },
    /// List the contents of the cache.
    #[command(after_help = "Example:\n  \
        TREEFALL_CACHE=/srv/treefall treefall roots list")]
    List,
}
