//! The arguments of `treefall check`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::{Driven, parse_duration};

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall check ./keepalived/keepalived --against /usr/sbin/keepalived\n  \
    treefall check engine:./keepalived/keepalived --for 10m\n  \
    treefall check ./keepalived/keepalived --junit check.xml --json\n  \
    git bisect run treefall check ./keepalived/keepalived --against /usr/sbin/keepalived --bisect")]
pub(in crate::cli) struct Check {
    /// What to check: the path of a program, which is driven as engine and as whole daemon, or a target:
    /// engine:PATH[@ROOT], daemon:PATH[@ROOT], replica:NAME.
    #[arg(value_name = "NEW")]
    pub(in crate::cli) new: String,
    /// The reference: a program or target as for NEW [default: the replica of the release that NEW says it is, or of the
    /// nearest known one].
    #[arg(long, value_name = "TARGET")]
    pub(in crate::cli) against: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) driven: Driven,
    /// How long to play traces: `20s`, `10m`; working out what was found comes on top [default: 60s].
    #[arg(long = "for", value_name = "TIME", id = "duration", value_parser = parse_duration, conflicts_with = "traces")]
    pub(in crate::cli) duration: Option<Duration>,
    /// So many random traces instead, as engine and as daemon each.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(in crate::cli) traces: Option<u64>,
    /// The seed of the random traces.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(in crate::cli) seed: u64,
    /// The order of retired entries and of destruction counts too.
    #[arg(long)]
    pub(in crate::cli) strict: bool,
    /// Play these scenario files (a folder stands for those in it), and neither the known ones nor random traces.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["duration", "traces"])]
    pub(in crate::cli) only: Vec<PathBuf>,
    /// For `git bisect run`: stop at the first finding, and exit with 125 where it cannot be told.
    #[arg(long)]
    pub(in crate::cli) bisect: bool,
    /// Write the answer as JUnit XML, too: a suite for engine and for daemon, a case for each finding.
    #[arg(long, value_name = "FILE", conflicts_with = "bisect")]
    pub(in crate::cli) junit: Option<PathBuf>,
    /// Where findings are written.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    pub(in crate::cli) out: PathBuf,
}
