//! Defines the command line and its help.
//!
//! Invariant: each command has a struct of its arguments here and its own module beside this folder.

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

/// Examples at the end of `treefall --help`.
pub(super) const EXAMPLES: &str = "Examples:\n  \
    treefall                                            # the survey\n  \
    treefall hunt --target engine:/usr/sbin/keepalived  # search the real program\n  \
    treefall replay scenarios/                          # run the scenario files";

/// Reproduces keepalived's red-black-tree crash class at will.
///
/// Without a command, it runs the survey: a short hunt on every keepalived found on this machine and on every replica
/// release that differs from the others.
#[derive(Parser, Debug)]
#[command(
    name = "treefall",
    version,
    max_term_width = usize::from(help::WIDEST),
    after_help = format!("{EXAMPLES}\n\n{}", Status::table())
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// Arguments of every command, shown last in its help.
#[derive(Args, Debug, Clone)]
pub(super) struct Common {
    /// Print one JSON object a line on standard output; text for people goes to standard error.
    #[arg(long, global = true, display_order = 901)]
    pub(super) json: bool,
    /// Print results only: no progress, no advice.
    #[arg(long, short, global = true, display_order = 902)]
    pub(super) quiet: bool,
    /// Print more on standard error: the current work and its duration, even without a terminal.
    #[arg(long, short, global = true, display_order = 903, conflicts_with = "quiet")]
    pub(super) verbose: bool,
    /// Number of traces to run at the same time; results do not depend on it [default: the number of cores].
    #[arg(long, global = true, display_order = 904, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) jobs: Option<u16>,
}

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Run a short hunt on every replica release that differs from the others, and on every keepalived found here.
    Survey(Survey),
    /// List what can be tested here: releases with their defects, and real programs with their abilities.
    Targets(Targets),
    /// Search for traces that violate a law; shrink, confirm, label and report them.
    Hunt(Hunt),
    /// Run all traces up to a bound, breadth first, and certify which laws they violate.
    Explore(Explore),
    /// Compare a program with its reference: what a change broke, and what it fixed.
    Check(Check),
    /// Run scenario files and compare the results with their expectations.
    Replay(Replay),
    /// Run scenario files on every release and every real program: the first bad release, and which one to run.
    Matrix(Matrix),
    /// Read a keepalived log and find which failures fit it, each as a scenario, and which do not.
    Import(super::import::Import),
    /// Merge the findings of several hunts, or of the parts of one campaign: the smallest trace of each signature and
    /// cause.
    Merge(Merge),
    /// Find the smallest trace with the same signature.
    Shrink(Shrink),
    /// Explain a failure as text, HTML page, upstream issue or regression test.
    Report(Report),
    /// Rewrite scenario files in canonical form.
    Fmt(Fmt),
    /// Compare a replica with the real program of its release, trace by trace.
    Conform(Conform),
    /// Record what a real program does on a pool of traces, to compare others with it on machines without it.
    Record(Record),
    /// Run each trace twice under changed conditions and compare.
    Doctor(Doctor),
    /// Turn scenarios into a fuzz corpus, turn the fuzzer's failures into scenarios, and prune a corpus.
    Corpus(Corpus),
    /// Measure the time to failure in the field: virtual days of scripts and reloads on a replica, many times.
    Soak(Soak),
    /// Download Debian's keepalived of other suites into the cache, to test beside the installed one.
    Roots(Roots),
    /// Measure events per second of a replica or a real program, with and without the checks.
    Bench(Bench),
    /// Print the JSON Schema of the lines that --json prints, for one command or for all.
    Schema(Schema),
    /// Print the completions of a shell.
    Completions(Completions),
    /// Print the manual page of treefall or of one command, or write all of them.
    Man(Man),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    /// Returns a command and all its subcommands, each with the words that invoke it.
    fn all(command: &clap::Command, words: &str) -> Vec<(String, clap::Command)> {
        let words = format!("{words} {}", command.get_name()).trim().to_owned();
        let below = command.get_subcommands().flat_map(|it| all(it, &words));
        std::iter::once((words.clone(), command.clone())).chain(below).collect()
    }

    /// Returns the words of an example's command, without a prefix such as `git bisect run` and without redirection.
    fn typed(line: &str) -> Vec<String> {
        let before = if line.starts_with("treefall") { 0 } else { line.find(" treefall ").unwrap_or(0) };
        let line = line[before..].trim_start();
        let line = line.split(['>', '|']).next().unwrap_or_default();
        shlex::split(line).unwrap_or_default()
    }

    #[test]
    fn every_example_of_every_command_parses() {
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
    fn clap_accepts_the_command_line_definition() {
        Cli::command().debug_assert();
    }
}

#[cfg(test)]
mod rules;
