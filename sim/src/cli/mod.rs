//! The `treefall` command: arguments in, libraries called, results printed. Only this module prints.

mod about;
mod args;
mod bench;
mod certificate;
mod check;
mod conform;
mod corpus;
mod crew;
mod doctor;
mod explore;
mod files;
mod findings;
mod fmt;
mod github;
mod hunt;
mod import;
mod interrupt;
mod junit;
mod manual;
mod matrix;
mod merge;
mod objects;
mod output;
mod pace;
mod replay;
mod report;
mod roots;
mod schema;
mod sheet;
mod shrink;
mod soak;
mod survey;
mod targets;

use clap::{CommandFactory as _, FromArgMatches as _};
use schemars::JsonSchema;
use serde::Serialize;

use args::{Cli, Command};
use output::Output;

use treefall_search::campaign::CampaignError;
use treefall_subject::SubjectError;
use treefall_subject::daemon::DaemonError;
use treefall_subject::engine::EngineError;
use treefall_subject::target::TargetError;

/// What the exit status says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Status {
    /// Clean, or as expected.
    Good = 0,
    /// A failure, or not as expected.
    Failure = 1,
    /// The command or an input file is wrong.
    Usage = 2,
    /// treefall itself failed.
    Harness = 3,
    /// It cannot be told, for `git bisect run`.
    CannotTell = 125,
}

impl Status {
    /// Each status that a script may meet, with what it says: the one list that help, manual and guide show.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Good, "clean, or as expected"),
        (Self::Failure, "a failure, or not as expected, or stopped before the end"),
        (Self::Usage, "the command or an input file is wrong"),
        (Self::Harness, "treefall itself failed"),
        (Self::CannotTell, "with `--bisect`: it cannot be told"),
    ];

    /// All of them as lines for a person.
    fn in_words() -> String {
        let line = |(status, says): (Self, &str)| format!("\n  {:>3}  {says}", status as u8);
        format!("Exit status:{}", Self::ALL.map(line).concat())
    }
}

/// Why a command ended without a result.
#[derive(Debug)]
pub enum CliError {
    /// The command or an input file is wrong.
    Usage(String),
    /// An input file is wrong; the text says by itself that it is an error, and where.
    Invalid(String),
    /// The program under test does something that no trace was needed for to see: a failure of its own.
    Program(String),
    /// treefall itself failed.
    Harness(String),
    /// Several things are wrong; each is told.
    Several(Vec<Self>),
}

impl CliError {
    /// Of these, if there are any: one as it is, several as one.
    fn of(mut errors: Vec<Self>) -> Result<(), Self> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Self::Several(errors)),
        }
    }

    /// Tells it; of several the worst status counts.
    fn tell(&self, output: &mut Output) -> Status {
        match self {
            Self::Usage(text) | Self::Program(text) => output.error(text),
            Self::Invalid(text) => output.diagnostic(text),
            Self::Harness(text) => output.error(text),
            Self::Several(errors) => {
                for error in errors {
                    error.tell(output);
                }
            }
        }
        self.status()
    }

    fn status(&self) -> Status {
        match self {
            Self::Usage(_) | Self::Invalid(_) => Status::Usage,
            Self::Program(_) => Status::Failure,
            Self::Harness(_) => Status::Harness,
            Self::Several(errors) => errors.iter().map(Self::status).max().unwrap_or(Status::Usage),
        }
    }

    /// Its text without colours.
    fn plain(&self) -> String {
        match self {
            Self::Usage(text) | Self::Invalid(text) | Self::Program(text) | Self::Harness(text) => {
                anstream::adapter::strip_str(text).to_string().trim_end().to_owned()
            }
            Self::Several(errors) => errors.iter().map(Self::plain).collect::<Vec<_>>().join("\n"),
        }
    }
}

/// What each of these gives, or all errors of them.
fn all<T, E: Into<CliError>>(results: impl IntoIterator<Item = Result<T, E>>) -> Result<Vec<T>, CliError> {
    let (mut done, mut errors) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(one) => done.push(one),
            Err(error) => errors.push(error.into()),
        }
    }
    CliError::of(errors).map(|()| done)
}

/// The last object of every command. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct Summary<T> {
    /// Of a command that works on several targets always an array, with an element for each target that was finished; of
    /// another always an object.
    summary: T,
    /// The exit status.
    status: u8,
    /// What was told as an error; null: nothing was.
    error: Option<String>,
}

/// The summary of a command that ended without a result and does not work on several targets.
#[derive(Serialize, JsonSchema)]
struct ErrorObject {
    error: String,
    status: u8,
}

/// The command that is run where none is named.
const SURVEY: &str = "survey";
/// The commands that work on several targets: their summary is an array.
const OF_TARGETS: [&str; 4] = ["survey", "hunt", "explore", "soak"];

impl From<TargetError> for CliError {
    fn from(error: TargetError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<CampaignError> for CliError {
    fn from(error: CampaignError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<SubjectError> for CliError {
    fn from(error: SubjectError) -> Self {
        let of_program = match &error {
            SubjectError::Program(_) | SubjectError::Daemon(DaemonError::Own(_) | DaemonError::Unfit(_)) => {
                return Self::Usage(error.to_string());
            }
            SubjectError::Engine(of_program) | SubjectError::Daemon(DaemonError::Engine(of_program)) => {
                of_program
            }
            _ => return Self::Harness(error.to_string()),
        };
        // A program that cannot be driven is the wrong target; one that is lost on the way is our failure.
        match of_program {
            EngineError::Misbehaves { .. } => Self::Program(error.to_string()),
            EngineError::Program(_)
            | EngineError::Spawn { .. }
            | EngineError::NotTakenOver { .. }
            | EngineError::OtherMachine
            | EngineError::Refused { .. } => Self::Usage(error.to_string()),
            _ => Self::Harness(error.to_string()),
        }
    }
}

/// The command line's definition: what can be typed, without anything being run.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> Status {
    let (cli, name) = match typed() {
        Ok(typed) => typed,
        Err(error) => return not_understood(&error),
    };
    let mut output = Output::new(&cli.common);
    let jobs = crew::jobs(cli.common.jobs);
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
        Command::Doctor(doctor) => doctor::run(&doctor, &mut output),
        Command::Soak(soak) => soak::run(&soak, jobs, &mut output),
        Command::Bench(bench) => bench::run(&bench, &mut output),
        Command::Schema(schema) => schema::run(&schema, &mut output),
        Command::Completions(completions) => about::completions(&completions, &mut output),
        Command::Man(man) => about::man(&man, &mut output),
    };
    let status = done.unwrap_or_else(|error| error.tell(&mut output));
    output.end(status, OF_TARGETS.contains(&name.as_str()));
    output.detail(format_args!("exit status {}", status as u8));
    status
}

/// What was typed, and the name of its command.
fn typed() -> Result<(Cli, String), clap::Error> {
    let mut command = args::help::fitted(command(), args::help::columns());
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    let name = matches.subcommand_name().unwrap_or(SURVEY).to_owned();
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok((cli, name))
}

/// The command of what cannot be read: the first word that names one.
fn meant() -> String {
    let command = command();
    let words = std::env::args().skip(1);
    let mut names = words.filter(|word| command.find_subcommand(word).is_some());
    names.next().unwrap_or_else(|| SURVEY.to_owned())
}

/// Tells what is wrong with the arguments, or the help that was asked for.
fn not_understood(error: &clap::Error) -> Status {
    let printed = error.print();
    if !error.use_stderr() {
        return match printed {
            Ok(()) => Status::Good,
            Err(error) => output::not_written(&error),
        };
    }
    let given = |wanted: &str| std::env::args_os().any(|argument| argument == wanted);
    // For `git bisect run` every other status would say that the commit is good or bad.
    let status = if given("--bisect") { Status::CannotTell } else { Status::Usage };
    if given("--json") {
        let text = error.render().to_string();
        let what = text.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
        let mut output = Output::of_machines();
        output.remember(what);
        output.end(status, OF_TARGETS.contains(&meant().as_str()));
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_cannot_be_driven_is_the_wrong_target_as_engine_and_as_daemon() {
        let wrong = || EngineError::OtherMachine;
        let of_daemon = SubjectError::Daemon(DaemonError::Engine(wrong()));
        for error in [SubjectError::Engine(wrong()), of_daemon] {
            assert!(matches!(CliError::from(error), CliError::Usage(_)));
        }
        assert!(matches!(CliError::from(SubjectError::NoAnswer), CliError::Harness(_)));
    }

    #[test]
    fn the_guide_has_the_exit_statuses_that_the_help_has() {
        let guide = include_str!("../../guide/commands.md");
        for (status, says) in Status::ALL {
            let row = format!("| {} | {says} |", status as u8);
            assert!(guide.lines().any(|line| line == row), "no `{row}`");
        }
    }
}
