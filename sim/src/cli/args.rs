//! The command line: what can be typed, and its help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use treefall_model::time::Span;

use crate::scenario::parse_duration as parse_span_text;
use crate::soak::Spread;

use crate::campaign::Shard;
use crate::fuzzing::Kind;
use crate::model::law::Law;

/// Reproduces keepalived's red-black-tree crash class at will.
///
/// Without a command: the survey, a short hunt on every replica release with defects of its own and on every
/// keepalived found on this machine.
#[derive(Parser, Debug)]
#[command(
    name = "treefall",
    version,
    max_term_width = 100,
    after_help = "Exit status: 0 clean or as expected, 1 a failure or not as expected, 2 the command or an \
                  input file is wrong, 3 treefall itself failed.\n\n\
                  Examples:\n  \
                  treefall                                            the survey\n  \
                  treefall hunt --target engine:/usr/sbin/keepalived  search the real program\n  \
                  treefall replay scenarios/                          run the scenario files"
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// What every command takes.
#[derive(Args, Debug, Clone)]
pub(super) struct Common {
    /// Print one JSON object a line on standard output; text for people goes to standard error.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Print results alone: no progress, no advice.
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,
    /// How many traces run at the same time; results do not depend on it [default: the number of cores].
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) jobs: Option<u16>,
}

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// A short hunt on every replica release with defects of its own, and on every keepalived found here.
    Survey(Survey),
    /// Show what can be tested here: releases with their defects, real programs with what they allow.
    Targets(Targets),
    /// Search for traces that break a law; shrink, confirm, label and report them.
    Hunt(Hunt),
    /// All traces of an alphabet to a bound, breadth first: a certificate of what they break.
    Explore(Explore),
    /// Run scenario files and compare with what they expect.
    Replay(Replay),
    /// Run scenario files on every replica release and every real program: the first bad release, the first good.
    Matrix(Matrix),
    /// Bring the finds of several hunts together, as of the parts of one campaign: the smallest trace of each signature.
    Merge(Merge),
    /// Find the smallest trace with the same signature.
    Shrink(Shrink),
    /// Explain a find: as text, as a page, as an issue for upstream, as a regression test.
    Report(Report),
    /// Bring scenario files into canonical form.
    Fmt(Fmt),
    /// Compare a replica with the real program of its release, trace by trace.
    Conform(Conform),
    /// Run each trace twice under changed conditions and compare.
    Doctor(Doctor),
    /// Bring scenarios into the fuzzer's corpus, its finds into scenarios, and prune it.
    Corpus(Corpus),
    /// How long a replica lives in the field: virtual days of scripts and reloads until it fails, many times over.
    Soak(Soak),
    /// Fetch Debian's keepalived of other suites into the cache, to be tested beside the one installed here.
    Roots(Roots),
    /// Measure events a second: the replica or a real program, with and without the checks.
    Bench(Bench),
}

#[derive(Args, Debug)]
pub(super) struct Survey {
    /// The campaign's seed.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(super) seed: u64,
    /// Where finds are written.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    pub(super) out: PathBuf,
}

impl Survey {
    /// What `treefall` alone does.
    pub(super) fn standard() -> Self {
        Self { seed: 1, out: PathBuf::from("reports") }
    }
}

#[derive(Args, Debug)]
pub(super) struct Targets {
    /// Look at these too.
    #[arg(long = "target", value_name = "TARGET")]
    pub(super) targets: Vec<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall hunt --target engine:/usr/sbin/keepalived\n  \
    treefall hunt --target replica:2.3.1 --all --traces 5000\n  \
    treefall hunt --target engine --baseline replica:mended --all --for 60s\n  \
    treefall hunt --target engine --all --traces 1000000 --shard 3/8 --out part-3\n  \
    treefall hunt --resume reports --for 8h\n  \
    treefall hunt --target daemon --config /etc/keepalived/keepalived.conf")]
pub(super) struct Hunt {
    /// What to test: replica:RELEASE, replica:all, replica:mended[+DEFECT..], engine[:PATH[@ROOT]],
    /// daemon[:PATH[@ROOT][,config=FILE]]. Repeatable
    /// [default: engine if a keepalived is installed, else replica:2.3.1; daemon with --config].
    #[arg(long = "target", value_name = "TARGET")]
    pub(super) targets: Vec<String>,
    /// The campaign's seed.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(super) seed: u64,
    /// How many traces at most, for each target [default: 1000; without a bound when --for is given].
    #[arg(long, value_name = "N", conflicts_with = "duration", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) traces: Option<u64>,
    /// How long, for each target: `60s`, `10m`, `8h`.
    #[arg(long = "for", value_name = "TIME", id = "duration", value_parser = parse_duration)]
    pub(super) duration: Option<Duration>,
    /// Go on after the first memory break.
    #[arg(long)]
    pub(super) all: bool,
    /// Search with the scripts of this keepalived.conf, on a daemon.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Report only what this target does not break too.
    #[arg(long, value_name = "TARGET")]
    pub(super) baseline: Option<String>,
    /// This part of the campaign alone, the I-th of N: no two parts have a trace in common, and all together are the
    /// campaign. `treefall merge` brings the finds together.
    #[arg(long, value_name = "I/N", default_value_t = Shard::WHOLE, hide_default_value = true)]
    pub(super) shard: Shard,
    /// Go on with the hunts that wrote to this folder, where they were when they stopped or were killed. What they
    /// were told holds; --traces and --for may be given anew.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["targets", "seed", "all", "baseline", "config", "shard", "out"])]
    pub(super) resume: Option<PathBuf>,
    /// Where finds are written.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    pub(super) out: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    treefall merge part-1 part-2 part-3 --out reports")]
pub(super) struct Merge {
    /// Folders that hunts wrote to.
    #[arg(required = true, value_name = "DIR")]
    pub(super) from: Vec<PathBuf>,
    /// Where the finds are brought together. What is there takes part.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    pub(super) out: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall explore --target replica:2.3.1\n  \
    treefall explore --target replica:mended --scripts 2 --wakes 8\n  \
    treefall explore --target engine:/usr/sbin/keepalived --wakes 4\n  \
    treefall explore --target replica:2.3.4 --resume reports")]
pub(super) struct Explore {
    /// What to search: replica:RELEASE, replica:all, replica:mended[+DEFECT..], engine[:PATH[@ROOT]]. Repeatable
    /// [default: replica:mended].
    #[arg(long = "target", value_name = "TARGET")]
    pub(super) targets: Vec<String>,
    /// Scripts of the configuration.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub(super) scripts: u8,
    /// Kinds of script to choose from.
    #[arg(long, default_value_t = 6, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=6))]
    pub(super) kinds: u8,
    /// Wakes of a trace [default: 12 with one script, 8 with two, 4 with more].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=250))]
    pub(super) wakes: Option<u8>,
    /// Living runs beyond which a trace is not gone on from.
    #[arg(long, default_value_t = 6, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=9))]
    pub(super) living: u8,
    /// What the states may take of memory; the search stops there.
    #[arg(long, default_value_t = 1_024, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub(super) memory: u64,
    /// Stop after so long, for each target: `60s`, `10m`, `8h`.
    #[arg(long = "for", value_name = "TIME", id = "duration", value_parser = parse_duration)]
    pub(super) duration: Option<Duration>,
    /// Go on from where a search stopped or was killed that had this folder as --out; its bound is taken over.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["scripts", "kinds", "wakes", "living", "out"])]
    pub(super) resume: Option<PathBuf>,
    /// Where finds, checkpoint and certificate are written.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    pub(super) out: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall replay scenarios/\n  \
    treefall replay crash.toml --target engine:/usr/sbin/keepalived\n  \
    treefall replay crash.toml --target daemon --config /etc/keepalived/keepalived.conf\n  \
    git bisect run treefall replay crash.toml --target engine:./keepalived/keepalived --bisect")]
pub(super) struct Replay {
    /// Scenario files, or folders of them.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Run on these [default: every replica that a file speaks of, and every keepalived found here].
    #[arg(long = "target", value_name = "TARGET")]
    pub(super) targets: Vec<String>,
    /// Play them on a daemon with this keepalived.conf, which must have the scripts that they tell of.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// For `git bisect run`: exit 1 if the failure shows that the file tells of (a memory break, if it tells of
    /// one), 0 if not, 125 if it cannot be told.
    #[arg(long)]
    pub(super) bisect: bool,
    /// Print the whole history, step by step.
    #[arg(long)]
    pub(super) history: bool,
    /// Print the calls that a real program made: how often each, and what became of it.
    #[arg(long)]
    pub(super) ledger: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    treefall shrink found.toml --target replica:2.3.1 -o minimal.toml")]
pub(super) struct Shrink {
    /// The scenario file.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// On what it fails.
    #[arg(long, value_name = "TARGET")]
    pub(super) target: String,
    /// Where the result goes [default: standard output].
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall report crash.toml\n  \
    treefall report crash.toml --target engine:/usr/sbin/keepalived --html crash.html\n  \
    treefall report crash.toml --issue > issue.md\n  \
    treefall report crash.toml --rust-test > tests/crash.rs\n  \
    treefall report reports/                                         an index page of the finds there")]
pub(super) struct Report {
    /// The scenario file, explained as it is; or a folder of finds, of which the index page is written.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// On what it fails [default: what it was found on, or the newest replica that the file says fails].
    #[arg(long, value_name = "TARGET")]
    pub(super) target: Option<String>,
    /// Which law [default: the last that breaks, which is the memory law if one does].
    #[arg(long, value_name = "LAW", value_parser = parse_law)]
    pub(super) law: Option<Law>,
    /// Print the report as text: what is done when no other form is asked for.
    #[arg(long)]
    pub(super) text: bool,
    /// Write the report as one page that needs nothing else.
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Print the text of an issue for upstream.
    #[arg(long, conflicts_with_all = ["text", "rust_test"])]
    pub(super) issue: bool,
    /// Print a regression test in Rust.
    #[arg(long, conflicts_with = "text")]
    pub(super) rust_test: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall fmt mine.toml\n  \
    treefall fmt --check scenarios/")]
pub(super) struct Fmt {
    /// Change nothing; exit 1 if a file is not in canonical form.
    #[arg(long)]
    pub(super) check: bool,
    /// Scenario files, or folders of them.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall conform --target engine:/usr/sbin/keepalived --traces 10000\n  \
    treefall conform --target daemon:/usr/sbin/keepalived --for 10m")]
pub(super) struct Conform {
    /// Real programs [default: the keepalived found here].
    #[arg(long = "target", value_name = "TARGET")]
    pub(super) targets: Vec<String>,
    /// The campaign's seed.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(super) seed: u64,
    /// How many traces.
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) traces: u64,
    /// For so long instead, as 10m.
    #[arg(long = "for", value_name = "TIME", id = "duration", value_parser = parse_duration, conflicts_with = "traces")]
    pub(super) duration: Option<Duration>,
    /// Real programs that work side by side [default: one a core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) jobs: Option<u16>,
    /// Compare with the scripts of this keepalived.conf, on a daemon.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The replica to compare with [default: the one of the program's own release].
    #[arg(long, value_name = "TARGET")]
    pub(super) replica: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct Doctor {
    /// What to run [default: replica:2.2.7 and the keepalived found here].
    #[arg(long = "target", value_name = "TARGET")]
    pub(super) targets: Vec<String>,
    /// The campaign's seed.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(super) seed: u64,
    /// How many traces.
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) traces: u64,
}

#[derive(Args, Debug)]
pub(super) struct Bench {
    /// What to measure [default: replica:mended and the keepalived found here].
    #[arg(long = "target", value_name = "TARGET")]
    pub(super) targets: Vec<String>,
    /// How many scripts.
    #[arg(long = "scripts", value_name = "N", default_values_t = [4, 8], value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) scripts: Vec<u16>,
    /// Wakes of the measured trace.
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1_000..=2_000_000))]
    pub(super) wakes: u32,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall matrix scenarios/exit-erases-twice/\n  \
    treefall matrix crash.toml --target engine:/usr/sbin/keepalived --json")]
pub(super) struct Matrix {
    /// Scenario files, or folders of them.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Real programs, beside all replica releases [default: every keepalived found here and in the cache].
    #[arg(long = "target", value_name = "TARGET")]
    pub(super) targets: Vec<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall corpus import scenarios/ --into fuzz/corpus\n  \
    treefall corpus export fuzz/artifacts/conformance/ --out scenarios/fuzzed\n  \
    treefall corpus minimise fuzz/corpus/mended --into fuzz/corpus-small/mended")]
pub(super) struct Corpus {
    #[command(subcommand)]
    pub(super) command: CorpusCommand,
}

#[derive(Subcommand, Debug)]
pub(super) enum CorpusCommand {
    /// Write scenarios as seeds, a folder for each fuzz target.
    Import {
        /// Scenario files, or folders of them.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The corpus.
        #[arg(long, default_value = "fuzz/corpus", value_name = "DIR")]
        into: PathBuf,
    },
    /// Write what the fuzzer's files break as scenarios: of each signature one, shrunk, with its cause. Exit 1 if there
    /// is any.
    Export {
        /// The fuzzer's files, or folders of them.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The fuzz target whose files they are: conformance, mended, engine [default: as their folder is called].
        #[arg(long, value_name = "NAME")]
        of: Option<Kind>,
        /// Run them on this [default: the replica that the bytes name].
        #[arg(long, value_name = "TARGET")]
        target: Option<String>,
        /// Where the scenarios go.
        #[arg(long, short, default_value = "reports/fuzz", value_name = "DIR")]
        out: PathBuf,
    },
    /// Copy the fewest files that reach every state of the scheduler that all of them reach.
    Minimise {
        /// A folder of the fuzzer's files.
        #[arg(value_name = "DIR")]
        from: PathBuf,
        /// The fuzz target whose files they are [default: as the folder is called].
        #[arg(long, value_name = "NAME")]
        of: Option<Kind>,
        /// Where they are copied to.
        #[arg(long, value_name = "DIR")]
        into: PathBuf,
    },
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall roots fetch bullseye bookworm trixie sid\n  \
    TREEFALL_CACHE=/srv/treefall treefall roots list")]
pub(super) struct Roots {
    #[command(subcommand)]
    pub(super) command: RootsCommand,
}

#[derive(Subcommand, Debug)]
pub(super) enum RootsCommand {
    /// Unpack Debian's keepalived of these suites, with mmdebstrap. The cache is $TREEFALL_CACHE, else
    /// $XDG_CACHE_HOME/treefall, else ~/.cache/treefall.
    Fetch {
        /// Suites: bullseye, bookworm, trixie, sid.
        #[arg(required = true, value_name = "SUITE")]
        suites: Vec<String>,
        /// From here, not from the mirror that mmdebstrap knows.
        #[arg(long, value_name = "URL")]
        mirror: Option<String>,
        /// Also what is there already.
        #[arg(long)]
        again: bool,
    },
    /// Show what is in the cache.
    List,
}

/// The name of a law.
fn parse_law(text: &str) -> Result<Law, String> {
    let names = || Law::ALL.map(Law::name).join(", ");
    Law::named(text).ok_or_else(|| format!("no such law; there are {}", names()))
}

#[derive(Args, Debug)]
#[command(
    after_help = "Without --script and --reload: the field report of keepalived issue 2468 (one SIGHUP a second, one \
    script whose runs hang and outlive a SIGTERM). A SPREAD is a span (`5ms`), a range (`5ms..15ms`), `never`, or \
    parts of these with their shares (`1%:never,5ms..15ms`).\n\nExamples:\n  \
    treefall soak --target replica:2.3.1 --target replica:2.3.4\n  \
    treefall soak --script 'count=8 interval=5s timeout=3s runs=0.1%:never,5ms..40ms' --reload 60s --until memory\n  \
    treefall soak --sensitivity"
)]
pub(super) struct Soak {
    /// Replicas to follow [default: replica:2.3.1].
    #[arg(long = "target", value_name = "TARGET")]
    pub(super) targets: Vec<String>,
    /// A script: `interval=2s timeout=2s runs=SPREAD on-term=SPREAD count=N name=NAME`, all but `runs` with
    /// defaults (1s, as the interval, 1ms..3ms, 1, s0). `runs` is how long a run takes, `on-term` how long it lives
    /// after a SIGTERM. Repeatable.
    #[arg(long = "script", value_name = "SCRIPT")]
    pub(super) scripts: Vec<String>,
    /// From one SIGHUP to the next.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub(super) reload: Option<Span>,
    /// And so much more each time: what the sender takes [default: 1ms..2ms].
    #[arg(long, value_name = "SPREAD")]
    pub(super) jitter: Option<Spread>,
    /// How fast the machine is; what follows changes single parts of it.
    #[arg(long, value_enum, default_value = "quiet")]
    pub(super) machine: MachineName,
    /// How long after something became ready a sleeping loop goes on.
    #[arg(long, value_name = "SPREAD")]
    pub(super) latency: Option<Spread>,
    /// What each callback takes.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub(super) callback: Option<Span>,
    /// What each fork takes.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub(super) start: Option<Span>,
    /// What each log line takes.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub(super) log: Option<Span>,
    /// What each child takes that is reaped: a log line added there.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub(super) reap: Option<Span>,
    /// What the reading of a configuration takes.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub(super) reading: Option<Span>,
    /// What a failure is.
    #[arg(long, value_enum, default_value = "crash")]
    pub(super) until: UntilName,
    /// After so many failures it is enough; below 30 there is no interval of mean and median.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) failures: u32,
    /// No life is followed longer, in virtual time: `12h`, `30d`.
    #[arg(long, value_name = "SPAN", default_value = "30d", value_parser = parse_span)]
    pub(super) life: Span,
    /// Nor all lives together much longer than this.
    #[arg(long, value_name = "SPAN", default_value = "90d", value_parser = parse_span)]
    pub(super) most: Span,
    /// Stop after so long, of a person's time: `60s`, `10m`, `8h`. The lives until then are told.
    #[arg(long = "for", value_name = "TIME", id = "duration", value_parser = parse_duration)]
    pub(super) duration: Option<Duration>,
    /// The seed of the lives.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(super) seed: u64,
    /// A table instead: how the result moves with each assumption.
    #[arg(long)]
    pub(super) sensitivity: bool,
    /// Where finds are written.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    pub(super) out: PathBuf,
}

/// A machine by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(super) enum MachineName {
    /// Nothing else to do.
    Quiet,
    /// Much else to do.
    Loaded,
}

/// What a failure is, by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(super) enum UntilName {
    /// A crash or a hang; nothing is checked on the way.
    Crash,
    /// A memory law, too.
    Memory,
    /// Any law.
    Law,
}

/// A virtual span of more than nothing: as scenarios have it, or in whole days.
fn parse_span(text: &str) -> Result<Span, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok());
    let span = match days {
        Some(days) => Ok(Span::from_secs(days.saturating_mul(86_400))),
        None => parse_span_text(text),
    };
    match span.map_err(|why| format!("the span {why}; days are written `7d`"))? {
        Span::ZERO => Err("the span must be more than nothing".to_owned()),
        span => Ok(span),
    }
}

/// `500ms`, `60s`, `10m`, `8h`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("write a whole number and a unit: `500ms`, `60s`, `10m`, `8h`".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "write a whole number first: `60s`".to_owned())?;
    match number.checked_mul(millis) {
        Some(0) | None => Err("the time must be more than nothing, and less than forever".to_owned()),
        Some(millis) => Ok(Duration::from_millis(millis)),
    }
}
