//! Arguments of the commands that read files: scenarios, findings, the fuzzer's corpus.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::values::{Driven, parse_law};
use treefall_model::law::Law;
use treefall_search::fuzzing::Kind;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall replay scenarios/\n  \
    treefall replay crash.toml --target engine:/usr/sbin/keepalived\n  \
    treefall replay crash.toml --target engine:/usr/sbin/keepalived --gdb\n  \
    treefall replay crash.toml --target daemon --config /etc/keepalived/keepalived.conf\n  \
    treefall replay scenarios/ --junit replay.xml --github\n  \
    git bisect run treefall replay crash.toml --target engine:./keepalived/keepalived --bisect")]
pub(in crate::cli) struct Replay {
    /// Scenario files, or folders of them.
    #[arg(required = true, value_name = "FILE")]
    pub(in crate::cli) files: Vec<PathBuf>,
    /// Targets to run on [default: every replica that a file mentions, and every keepalived found here].
    #[arg(long = "target", value_name = "TARGET")]
    pub(in crate::cli) targets: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) driven: Driven,
    /// Play the scenarios on a daemon with this keepalived.conf, which must define their scripts.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// For `git bisect run`: exit 1 if the failure that the file describes shows (a memory violation, if it describes
    /// one), 0 if it does not, 125 if there is no clear answer.
    #[arg(long)]
    pub(in crate::cli) bisect: bool,
    /// Also write the runs as JUnit XML: one suite for each scenario, one case for each target.
    #[arg(long, value_name = "FILE", conflicts_with = "bisect")]
    pub(in crate::cli) junit: Option<PathBuf>,
    /// Also print a GitHub annotation for each unexpected run and for each error in a file.
    #[arg(long, conflicts_with = "bisect")]
    pub(in crate::cli) github: bool,
    /// Print the whole history, step by step.
    #[arg(long)]
    pub(in crate::cli) history: bool,
    /// Print the system calls of a real program: how often each was made, and how it was handled.
    #[arg(long)]
    pub(in crate::cli) ledger: bool,
    /// Run one file on one `engine:PATH` under gdb, which stops where the program crashes.
    #[arg(long, conflicts_with_all = ["bisect", "junit", "github", "config"])]
    pub(in crate::cli) gdb: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall matrix scenarios/exit-erases-twice/\n  \
    treefall matrix crash.toml --target engine:/usr/sbin/keepalived --json")]
pub(in crate::cli) struct Matrix {
    /// Scenario files, or folders of them.
    #[arg(required = true, value_name = "FILE")]
    pub(in crate::cli) files: Vec<PathBuf>,
    /// Real programs to run besides all replica releases [default: every keepalived found here and in the cache].
    #[arg(long = "target", value_name = "TARGET")]
    pub(in crate::cli) targets: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) driven: Driven,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    treefall shrink found.toml --target replica:2.3.1 -o minimal.toml\n  \
    treefall shrink found.toml --target replica:2.3.4 --law no-child-forgotten")]
pub(in crate::cli) struct Shrink {
    /// The scenario file.
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
    /// The target that fails.
    #[arg(long, value_name = "TARGET")]
    pub(in crate::cli) target: String,
    #[command(flatten)]
    pub(in crate::cli) driven: Driven,
    /// The law that the smaller trace must violate too [default: the law that the file is `about`, if the target
    /// violates it; else the last violated law, preferring a memory law].
    #[arg(long, value_name = "LAW", value_parser = parse_law)]
    pub(in crate::cli) law: Option<Law>,
    /// File for the result; `-` is standard output [default: -].
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) output: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall report crash.toml\n  \
    treefall report crash.toml --target engine:/usr/sbin/keepalived --html crash.html\n  \
    treefall report crash.toml --issue > issue.md\n  \
    treefall report crash.toml --rust-test > tests/crash.rs\n  \
    treefall report reports/                                         # an index page of the failures there")]
pub(in crate::cli) struct Report {
    /// A scenario file to explain as it is, or a folder of findings to write an index page for.
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
    /// Target to explain it on [default: the target it was found on; else the replica of the release that the file is
    /// `about`; else the replica of the newest release for which the file expects a memory violation, or any other
    /// violation; else the newest replica].
    #[arg(long, value_name = "TARGET")]
    pub(in crate::cli) target: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) driven: Driven,
    /// Law to explain [default: the law that the file is `about`; else the last violated law, preferring a memory
    /// law].
    #[arg(long, value_name = "LAW", value_parser = parse_law)]
    pub(in crate::cli) law: Option<Law>,
    /// Print the report as text. This is the default if no other form is requested.
    #[arg(long)]
    pub(in crate::cli) text: bool,
    /// Write the report as one self-contained HTML page.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) html: Option<PathBuf>,
    /// Print the text of an issue for upstream.
    #[arg(long, conflicts_with_all = ["text", "rust_test"])]
    pub(in crate::cli) issue: bool,
    /// Print a regression test in Rust.
    #[arg(long, conflicts_with = "text")]
    pub(in crate::cli) rust_test: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall fmt mine.toml\n  \
    treefall fmt --check scenarios/")]
pub(in crate::cli) struct Fmt {
    /// Change nothing; exit 1 if a file is not in canonical form.
    #[arg(long)]
    pub(in crate::cli) check: bool,
    /// Scenario files, or folders of them.
    #[arg(required = true, value_name = "FILE")]
    pub(in crate::cli) files: Vec<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall corpus import scenarios/ --out fuzz/corpus\n  \
    treefall corpus export fuzz/artifacts/conformance/ --out reports/fuzz\n  \
    treefall corpus minimise fuzz/corpus/mended --out fuzz/corpus-small/mended")]
pub(in crate::cli) struct Corpus {
    #[command(subcommand)]
    pub(in crate::cli) command: CorpusCommand,
}

#[derive(Subcommand, Debug)]
pub(in crate::cli) enum CorpusCommand {
    /// Write scenarios as seeds, one folder for each fuzz target.
    #[command(after_help = "Example:\n  \
        treefall corpus import scenarios/ --out fuzz/corpus")]
    Import {
        /// Scenario files, or folders of them.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Folder of the corpus.
        #[arg(long, alias = "into", default_value = "fuzz/corpus", value_name = "DIR")]
        out: PathBuf,
    },
    /// Triage the fuzzer's files as a hunt does: for each signature and cause, write the trace, the smallest trace
    /// and a report.
    /// Exit 1 if a finding is new in DIR.
    #[command(after_help = "Example:\n  \
        treefall corpus export fuzz/artifacts/conformance/ --out scenarios/fuzzed")]
    Export {
        /// The fuzzer's files, or folders of them.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Fuzz target of the files: conformance, mended, engine [default: the name of their folder].
        #[arg(long, value_name = "NAME")]
        of: Option<Kind>,
        /// Target to run them on [default: the replica that the bytes name].
        #[arg(long, value_name = "TARGET")]
        target: Option<String>,
        /// Folder for the findings.
        #[arg(long, short_alias = 'o', default_value = "reports/fuzz", value_name = "DIR")]
        out: PathBuf,
    },
    /// Copy the fewest files that together reach every scheduler state of the corpus.
    #[command(after_help = "Example:\n  \
        treefall corpus minimise fuzz/corpus/mended --out fuzz/corpus-small/mended")]
    Minimise {
        /// A folder of the fuzzer's files.
        #[arg(value_name = "DIR")]
        from: PathBuf,
        /// Fuzz target of the files [default: the name of the folder].
        #[arg(long, value_name = "NAME")]
        of: Option<Kind>,
        /// Folder for the copies.
        #[arg(long, alias = "into", value_name = "DIR")]
        out: PathBuf,
    },
}
