//! The arguments of the commands that take files: scenarios, finds, the fuzzer's corpus.

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
    /// Run on these [default: every replica that a file speaks of, and every keepalived found here].
    #[arg(long = "target", value_name = "TARGET")]
    pub(in crate::cli) targets: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) driven: Driven,
    /// Play them on a daemon with this keepalived.conf, which must have the scripts that they tell of.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// For `git bisect run`: exit 1 if the failure shows that the file tells of (a memory break, if it tells of
    /// one), 0 if not, 125 if it cannot be told.
    #[arg(long)]
    pub(in crate::cli) bisect: bool,
    /// Write the runs as JUnit XML, too: a suite for each scenario, a case for each target.
    #[arg(long, value_name = "FILE", conflicts_with = "bisect")]
    pub(in crate::cli) junit: Option<PathBuf>,
    /// Print an annotation for GitHub's workflows, too, for each run that is not as expected and each thing that is
    /// wrong with a file.
    #[arg(long, conflicts_with = "bisect")]
    pub(in crate::cli) github: bool,
    /// Print the whole history, step by step.
    #[arg(long)]
    pub(in crate::cli) history: bool,
    /// Print the calls that a real program made: how often each, and what became of it.
    #[arg(long)]
    pub(in crate::cli) ledger: bool,
    /// Run one file on one `engine:PATH` under gdb, which opens where the program crashes.
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
    /// Real programs, beside all replica releases [default: every keepalived found here and in the cache].
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
    /// On what it fails.
    #[arg(long, value_name = "TARGET")]
    pub(in crate::cli) target: String,
    #[command(flatten)]
    pub(in crate::cli) driven: Driven,
    /// Which law is to break on [default: that which the file is `about`, if it breaks there; or the last that breaks: the
    /// memory law if one does].
    #[arg(long, value_name = "LAW", value_parser = parse_law)]
    pub(in crate::cli) law: Option<Law>,
    /// Where the result goes; `-` is standard output [default: -].
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
    /// The scenario file, explained as it is; or a folder of failures, of which the index page is written.
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
    /// On what [default: what it was found on; or the replica of the release that the file is `about`; or that of the
    /// newest release that the file says breaks memory, or else another law; or the newest].
    #[arg(long, value_name = "TARGET")]
    pub(in crate::cli) target: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) driven: Driven,
    /// Which law [default: that which the file is `about`; or the last that breaks: the memory law if one does].
    #[arg(long, value_name = "LAW", value_parser = parse_law)]
    pub(in crate::cli) law: Option<Law>,
    /// Print the report as text: what is done when no other form is asked for.
    #[arg(long)]
    pub(in crate::cli) text: bool,
    /// Write the report as one page that needs nothing else.
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
    /// Write scenarios as seeds, a folder for each fuzz target.
    #[command(after_help = "Example:\n  \
        treefall corpus import scenarios/ --out fuzz/corpus")]
    Import {
        /// Scenario files, or folders of them.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The corpus.
        #[arg(long, alias = "into", default_value = "fuzz/corpus", value_name = "DIR")]
        out: PathBuf,
    },
    /// Work out what the fuzzer's files break, as a hunt does: of each signature and cause the trace, the
    /// smallest one and a report.
    /// Exit 1 if there is one that was not in DIR before.
    #[command(after_help = "Example:\n  \
        treefall corpus export fuzz/artifacts/conformance/ --out scenarios/fuzzed")]
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
        /// Where the failures go.
        #[arg(long, short_alias = 'o', default_value = "reports/fuzz", value_name = "DIR")]
        out: PathBuf,
    },
    /// Copy the fewest files that reach every state of the scheduler that all of them reach.
    #[command(after_help = "Example:\n  \
        treefall corpus minimise fuzz/corpus/mended --out fuzz/corpus-small/mended")]
    Minimise {
        /// A folder of the fuzzer's files.
        #[arg(value_name = "DIR")]
        from: PathBuf,
        /// The fuzz target whose files they are [default: as the folder is called].
        #[arg(long, value_name = "NAME")]
        of: Option<Kind>,
        /// Where they are copied to.
        #[arg(long, alias = "into", value_name = "DIR")]
        out: PathBuf,
    },
}
