//! The command line: what can be typed, and its help.
//!
//! Always: each command has a struct of its arguments here and a module of its own beside this folder.

mod check;
mod field;
mod files;
pub(super) mod help;
mod proofs;
mod search;
mod tools;
mod values;

pub(super) use values::{Driven, parse_span};

use clap::{Args, Parser, Subcommand};

pub(super) use check::Check;
pub(super) use field::{MachineName, Soak, UntilName};
pub(super) use files::{Corpus, CorpusCommand, Fmt, Matrix, Replay, Report, Shrink};
pub(super) use proofs::{Bench, Conform, Doctor, Record, Roots, RootsCommand};
pub(super) use search::{Explore, Hunt, Merge, Survey, Targets};
pub(super) use tools::{Completions, Man, Schema};

use super::Status;

/// What `treefall --help` shows at its end.
pub(super) const EXAMPLES: &str = "Examples:\n  \
    treefall                                            # the survey\n  \
    treefall hunt --target engine:/usr/sbin/keepalived  # search the real program\n  \
    treefall replay scenarios/                          # run the scenario files";

/// Reproduces keepalived's red-black-tree crash class at will.
///
/// Without a command: the survey, a short hunt on every replica release with defects of its own and on every
/// keepalived found on this machine.
#[derive(Parser, Debug)]
#[command(
    name = "treefall",
    version,
    max_term_width = usize::from(help::WIDEST),
    after_help = format!("{EXAMPLES}\n\n{}", Status::in_words())
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// What every command takes; its help has them last.
#[derive(Args, Debug, Clone)]
pub(super) struct Common {
    /// Print one JSON object a line on standard output; text for people goes to standard error.
    #[arg(long, global = true, display_order = 901)]
    pub(super) json: bool,
    /// Print results alone: no progress, no advice.
    #[arg(long, short, global = true, display_order = 902)]
    pub(super) quiet: bool,
    /// Tell more on standard error: what is worked on and for how long, also where no terminal is.
    #[arg(long, short, global = true, display_order = 903, conflicts_with = "quiet")]
    pub(super) verbose: bool,
    /// How many traces run at the same time; results do not depend on it [default: the number of cores].
    #[arg(long, global = true, display_order = 904, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
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
    /// Play a program beside its reference: what a change broke, and what it mended.
    Check(Check),
    /// Run scenario files and compare with what they expect.
    Replay(Replay),
    /// Run scenario files on every replica release and every real program: the first bad release, and which to run.
    Matrix(Matrix),
    /// Read a keepalived's log: which failures its story can produce, each as a scenario, and which not.
    Import(super::import::Import),
    /// Bring the failures of several hunts together, as of the parts of one campaign: the smallest trace of each signature
    /// and cause.
    Merge(Merge),
    /// Find the smallest trace with the same signature.
    Shrink(Shrink),
    /// Explain a failure: as text, as a page, as an issue for upstream, as a regression test.
    Report(Report),
    /// Bring scenario files into canonical form.
    Fmt(Fmt),
    /// Compare a replica with the real program of its release, trace by trace.
    Conform(Conform),
    /// Keep what a real program does on a pool of traces, to compare others with it where it is not.
    Record(Record),
    /// Run each trace twice under changed conditions and compare.
    Doctor(Doctor),
    /// Bring scenarios into the fuzzer's corpus, its failures into scenarios, and prune it.
    Corpus(Corpus),
    /// How long a replica lives in the field: virtual days of scripts and reloads until it fails, many times over.
    Soak(Soak),
    /// Fetch Debian's keepalived of other suites into the cache, to be tested beside the one installed here.
    Roots(Roots),
    /// Measure events a second: the replica or a real program, with and without the checks.
    Bench(Bench),
    /// Print the JSON Schema of the lines that --json prints, for one command or for all.
    Schema(Schema),
    /// Print the completions of a shell.
    Completions(Completions),
    /// Print the manual page, of treefall or of one command, or write all of them.
    Man(Man),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    /// A command and all below it, with what is typed to get there.
    fn all(command: &clap::Command, words: &str) -> Vec<(String, clap::Command)> {
        let words = format!("{words} {}", command.get_name()).trim().to_owned();
        let below = command.get_subcommands().flat_map(|it| all(it, &words));
        std::iter::once((words.clone(), command.clone())).chain(below).collect()
    }

    /// The command of an example's line: what stands before it and where its output goes taken off.
    fn typed(line: &str) -> Vec<String> {
        let before = if line.starts_with("treefall") { 0 } else { line.find(" treefall ").unwrap_or(0) };
        let line = line[before..].trim_start();
        let line = line.split(['>', '|']).next().unwrap_or_default();
        shlex::split(line).unwrap_or_default()
    }

    #[test]
    fn every_command_has_examples_and_each_of_them_is_understood() {
        for (words, command) in all(&Cli::command(), "") {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples = help.split("\n\nExit status").next().unwrap_or_default();
            let lines: Vec<&str> =
                examples.lines().filter(|line| line.starts_with("  ") && line.contains("treefall")).collect();
            assert!(!lines.is_empty(), "{words} has no example");
            for line in lines {
                let typed = typed(line.trim());
                assert!(typed.join(" ").starts_with(&words), "{words}: {line}");
                if let Err(error) = Cli::try_parse_from(&typed) {
                    panic!("{words}: {line}: {error}");
                }
            }
        }
    }

    #[test]
    fn the_command_line_is_whole() {
        Cli::command().debug_assert();
    }
}

#[cfg(test)]
mod rules;
