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
    /// The program to check. A path is run as engine and as whole daemon; a target is run as it says:
    /// engine:PATH[@ROOT], daemon:PATH[@ROOT], replica:NAME.
    #[arg(value_name = "NEW")]
    pub(in crate::cli) new: String,
    /// The reference: a program or a target, like NEW [default: the replica of the release that NEW reports, or of
    /// the nearest known release].
    #[arg(long, value_name = "TARGET")]
    pub(in crate::cli) against: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) driven: Driven,
    /// How long to play traces: `20s`, `10m`. Triage of the findings takes additional time [default: 60s].
    #[arg(long = "for", value_name = "TIME", id = "duration", value_parser = parse_duration, conflicts_with = "traces")]
    pub(in crate::cli) duration: Option<Duration>,
    /// Play this many random traces instead, both as engine and as daemon.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(in crate::cli) traces: Option<u64>,
    /// Seed of the random traces.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(in crate::cli) seed: u64,
    /// Also compare the order of retired entries and of destruction.
    #[arg(long)]
    pub(in crate::cli) strict: bool,
    /// Play only these scenario files (or all files in a folder): no known scenarios, no random traces.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["duration", "traces"])]
    pub(in crate::cli) only: Vec<PathBuf>,
    /// For `git bisect run`: stop at the first finding, and exit with 125 if there is no clear answer.
    #[arg(long)]
    pub(in crate::cli) bisect: bool,
    /// Also write the answer as JUnit XML: one suite for engine and one for daemon, one case for each finding.
    #[arg(long, value_name = "FILE", conflicts_with = "bisect")]
    pub(in crate::cli) junit: Option<PathBuf>,
    /// Folder for the findings.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    pub(in crate::cli) out: PathBuf,
}
