//! `treefall roots`: manages Debian's keepalived of other suites in the cache.

use schemars::JsonSchema;
use serde::Serialize;

use super::args::{Roots, RootsCommand};
use super::lines::JsonLine;
use super::output::{Output, count};
use super::progress::Progress;
use super::{CliError, Status, Summary, workers};
use treefall_subject::program::Program;
use treefall_subject::roots::{self, Fetched, KEEPALIVED, RootsError};

/// A suite. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct RootObject {
    suite: String,
    root: String,
    target: String,
    release: Option<String>,
    banner: Option<String>,
    was_there: bool,
}

#[derive(Serialize, JsonSchema)]
struct RootsSummary {
    cache: Option<String>,
    roots: usize,
    fetched: usize,
}

/// Lines of `--json`.
pub(super) const LINES: [JsonLine; 2] =
    [JsonLine::of::<RootObject>("a suite"), JsonLine::of::<Summary<RootsSummary>>("summary")];

pub(super) fn run(args: &Roots, output: &mut Output) -> Result<Status, CliError> {
    let (suites, fetched) = match &args.command {
        RootsCommand::Fetch { suites, mirror, again } => {
            let mut fetched = 0;
            let progress = Progress::begin(None);
            for (place, suite) in suites.iter().enumerate() {
                let part = progress.part(place + 1, suites.len(), suite);
                output.progress(format_args!("fetching {part}"));
                let one = roots::fetch(suite, mirror.as_deref(), *again);
                if workers::interrupted() && one.is_err() {
                    break;
                }
                let one = one?;
                fetched += usize::from(!one.was_there);
                show_fetched(&one, output);
                if workers::interrupted() {
                    break;
                }
            }
            (suites.len(), fetched)
        }
        RootsCommand::List => {
            let there = roots::fetched();
            for (suite, root) in &there {
                show_root(suite, root, output);
            }
            (there.len(), 0)
        }
    };
    let cache = roots::cache().map(|path| path.display().to_string());
    if let Some(cache) = &cache {
        output.note(format_args!("{} in the cache {cache}", count(roots::fetched().len() as u64, "suite")));
    }
    output.conclude(&RootsSummary { cache, roots: suites, fetched });
    if workers::interrupted() {
        output.error("stopped before all suites were fetched");
        return Ok(Status::Failure);
    }
    Ok(Status::Good)
}

fn target(root: &std::path::Path) -> String {
    format!("engine:{KEEPALIVED}@{}", root.display())
}

fn show_fetched(fetched: &Fetched, output: &mut Output) {
    let Fetched { suite, root, program, was_there } = fetched;
    let already = if *was_there { ", already fetched (`--again` fetches it again)" } else { "" };
    output.line(format_args!("{suite}: {}, {}{already}", program.banner(), target(root)));
    output.object(&RootObject {
        suite: suite.clone(),
        root: root.display().to_string(),
        target: target(root),
        release: Some(program.release().to_string()),
        banner: Some(program.banner().to_owned()),
        was_there: *was_there,
    });
}

fn show_root(suite: &str, root: &std::path::Path, output: &mut Output) {
    let program = Program::open(KEEPALIVED.as_ref(), Some(root));
    match &program {
        Ok(program) => output.line(format_args!("{suite}: {}, {}", program.banner(), target(root))),
        Err(error) => output.line(format_args!("{suite}: not usable: {error}")),
    }
    let program = program.ok();
    output.object(&RootObject {
        suite: suite.to_owned(),
        root: root.display().to_string(),
        target: target(root),
        release: program.as_ref().map(|program| program.release().to_string()),
        banner: program.map(|program| program.banner().to_owned()),
        was_there: true,
    });
}

impl From<RootsError> for CliError {
    fn from(error: RootsError) -> Self {
        match error {
            RootsError::NoCache | RootsError::Name(_) | RootsError::NoTool | RootsError::File { .. } => {
                Self::Usage(error.to_string())
            }
            error => Self::Harness(error.to_string()),
        }
    }
}
