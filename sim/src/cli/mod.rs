//! The `treefall` command: parses arguments, calls the libraries and prints results. Only this module prints.

mod about;
mod args;
mod as_found;
mod bench;
mod certificate;
mod check;
mod conform;
mod corpus;
mod doctor;
mod error;
mod explore;
mod files;
mod fmt;
mod github;
mod hunt;
mod import;
mod interrupt;
mod junit;
mod lines;
mod manual;
mod matrix;
mod merge;
mod named;
mod objects;
mod output;
mod progress;
mod record;
mod replay;
mod report;
mod roots;
mod schema;
mod search;
mod shrink;
mod soak;
mod status;
mod survey;
mod table;
mod targets;
mod workers;

use clap::{CommandFactory as _, FromArgMatches as _};

use args::{Cli, Command};
pub use error::CliError;
use error::all;
use lines::{ErrorObject, Summary};
use output::Output;
pub use status::Status;

/// Command to run if none is given.
const SURVEY: &str = "survey";
/// Commands with several targets; their JSON summary is an array.
const MULTI_TARGET: [&str; 4] = ["survey", "hunt", "explore", "soak"];

/// Returns the definition of the command line without running anything.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses and runs the command line of this process.
#[must_use]
pub fn run() -> Status {
    let (cli, name) = match parse_arguments() {
        Ok(parsed) => parsed,
        Err(error) => return print_parse_error(&error),
    };
    let mut output = Output::new(&cli.common);
    let jobs = workers::jobs(cli.common.jobs);
    let at_most = output::count(jobs as u64, "subject");
    output.detail(format_args!("treefall {}, at most {at_most} side by side", env!("CARGO_PKG_VERSION")));
    let command = cli.command.unwrap_or_else(|| Command::Survey(args::Survey::standard()));
    if !matches!(command, Command::Schema(_) | Command::Completions(_) | Command::Man(_)) {
        interrupt::listen();
    }
    let done = match command {
        Command::Survey(survey) => survey::run(&survey, jobs, &mut output),
        Command::Targets(targets) => targets::run(&targets, &mut output),
        Command::Explore(explore) => explore::run(&explore, jobs, &mut output),
        Command::Hunt(hunt) => hunt::run(&hunt, jobs, &mut output),
        Command::Check(check) => check::run(&check, &mut output),
        Command::Replay(replay) => replay::run(&replay, &mut output),
        Command::Matrix(matrix) => matrix::run(&matrix, &mut output),
        Command::Import(import) => import::run(&import, &mut output),
        Command::Corpus(corpus) => corpus::run(&corpus, &mut output),
        Command::Merge(merge) => merge::run(&merge, &mut output),
        Command::Roots(roots) => roots::run(&roots, &mut output),
        Command::Shrink(shrink) => shrink::run(&shrink, &mut output),
        Command::Report(report) => report::run(&report, &mut output),
        Command::Fmt(fmt) => fmt::run(&fmt, &mut output),
        Command::Conform(conform) => conform::run(&conform, jobs, &mut output),
        Command::Record(record) => record::run(&record, &mut output),
        Command::Doctor(doctor) => doctor::run(&doctor, &mut output),
        Command::Soak(soak) => soak::run(&soak, jobs, &mut output),
        Command::Bench(bench) => bench::run(&bench, &mut output),
        Command::Schema(schema) => schema::run(&schema, &mut output),
        Command::Completions(completions) => about::completions(&completions, &mut output),
        Command::Man(man) => about::man(&man, &mut output),
    };
    let status = done.unwrap_or_else(|error| error.print(&mut output));
    output.end(status, MULTI_TARGET.contains(&name.as_str()));
    output.detail(format_args!("exit status {}", status as u8));
    status
}

/// Parses the arguments; returns them with the name of the command.
fn parse_arguments() -> Result<(Cli, String), clap::Error> {
    let mut command = args::help::fitted(command(), args::help::columns());
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    let name = matches.subcommand_name().unwrap_or(SURVEY).to_owned();
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok((cli, name))
}

/// Returns the intended command of arguments that do not parse: the first word that names one.
fn intended_command() -> String {
    let command = command();
    let words = std::env::args().skip(1);
    let mut names = words.filter(|word| command.find_subcommand(word).is_some());
    names.next().unwrap_or_else(|| SURVEY.to_owned())
}

/// Prints the error of arguments that do not parse, or the requested help.
fn print_parse_error(error: &clap::Error) -> Status {
    let printed = error.print();
    if !error.use_stderr() {
        return match printed {
            Ok(()) => Status::Good,
            Err(error) => output::not_written(&error),
        };
    }
    let given = |wanted: &str| std::env::args_os().any(|argument| argument == wanted);
    // For `git bisect run`, every other status would mean that the commit is good or bad.
    let status = if given("--bisect") { Status::CannotTell } else { Status::Usage };
    if given("--json") {
        let text = error.render().to_string();
        let what = text.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
        let mut output = Output::json_only();
        output.remember(what);
        output.end(status, MULTI_TARGET.contains(&intended_command().as_str()));
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_lists_the_exit_statuses_of_the_help() {
        let guide = include_str!("../../guide/commands.md");
        for (status, says) in Status::ALL {
            let row = format!("| {} | {says} |", status as u8);
            assert!(guide.lines().any(|line| line == row), "no `{row}`");
        }
    }
}
