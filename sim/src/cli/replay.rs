//! `treefall replay`: scenario files on subjects, compared with what they expect.

use std::path::Path;

use serde::Serialize;

use super::args::Replay;
use super::output::Output;
use super::{CliError, Status, crew, files};
use crate::check::{Checked, check, replicas_of};
use crate::report;
use crate::scenario::Scenario;
use crate::subject::target::{Place, Target};
use crate::subject::{Subject, SubjectError, Options, build, program};

/// One run, for machines. The fields are stable.
#[derive(Serialize)]
struct RunObject {
    scenario: String,
    target: String,
    as_expected: bool,
    expected: Option<String>,
    broken: Vec<String>,
    outcome: String,
    digest: String,
}

#[derive(Serialize)]
struct Summary {
    summary: SummaryBody,
}

#[derive(Serialize)]
struct SummaryBody {
    scenarios: usize,
    runs: usize,
    as_expected: usize,
}

pub(super) fn run(args: &Replay, output: &mut Output) -> Result<Status, CliError> {
    match replay(args, output) {
        Err(error) if args.bisect => {
            let (CliError::Usage(text) | CliError::Harness(text)) = error;
            output.error(&format!("{text}\nit cannot be told whether this one is good: exit 125"));
            Ok(Status::CannotTell)
        }
        done => done,
    }
}

fn replay(args: &Replay, output: &mut Output) -> Result<Status, CliError> {
    // Every file is read before one runs: what is wrong with the last is told at once.
    let paths = files::expand(&args.files)?;
    let scenarios = paths.iter().map(|path| files::load(path)).collect::<Result<Vec<_>, _>>()?;
    let asked = crew::targets(&args.targets)?;
    let mut real = Reals::default();
    let mut body = SummaryBody { scenarios: scenarios.len(), runs: 0, as_expected: 0 };
    let mut untold = 0;
    for (path, scenario) in paths.iter().zip(&scenarios) {
        let targets = if asked.is_empty() { default_targets(scenario) } else { asked.clone() };
        if targets.is_empty() {
            return Err(CliError::Usage(format!(
                "{} expects nothing of any release; name what it is to run on: `--target replica:2.3.1`",
                path.display()
            )));
        }
        for target in &targets {
            let checked = real.check(scenario, target, want(args))?;
            body.runs += 1;
            body.as_expected += usize::from(checked.is_good());
            untold += usize::from(checked.expected.is_none());
            show(path, scenario, &checked, args, output);
        }
    }
    output.note(format_args!(
        "{} scenarios, {} runs, {} as expected{}",
        body.scenarios,
        body.runs,
        body.as_expected,
        if untold > 0 { format!(" ({untold} of which nothing was expected: clean is good)") } else { String::new() }
    ));
    let good = body.runs == body.as_expected;
    output.object(&Summary { summary: body });
    Ok(if good { Status::Good } else { Status::Failure })
}

fn want(args: &Replay) -> Options {
    if args.history { Options::COMPARE } else { Options::VERDICT }
}

/// Every replica that the scenario speaks of, and every keepalived found here whose release it speaks of.
fn default_targets(scenario: &Scenario) -> Vec<Target> {
    let speaks_of = |path: &std::path::PathBuf| {
        let program = program::Program::open(path, None).ok()?;
        scenario.expect.of(program.release()).map(|_| Target::Engine(Place { path: path.clone(), root: None }))
    };
    let real = program::find_installed().iter().filter_map(speaks_of).collect::<Vec<_>>();
    replicas_of(scenario).into_iter().chain(real).collect()
}

/// The real programs that are running already: each is started once.
#[derive(Default)]
struct Reals(Vec<(Target, Box<dyn Subject>, treefall_model::release::Release)>);

impl Reals {
    fn check(&mut self, scenario: &Scenario, target: &Target, want: Options) -> Result<Checked, SubjectError> {
        let Target::Engine(place) = target else {
            return check(scenario, target, None, build(target)?.as_mut(), want);
        };
        if !self.0.iter().any(|(known, ..)| known == target) {
            let release = program::Program::open(&place.path, place.root.as_deref())?.release();
            self.0.push((target.clone(), build(target)?, release));
        }
        let known = self.0.iter_mut().find(|(known, ..)| known == target);
        let (_, subject, release) = known.ok_or(SubjectError::NoAnswer)?;
        check(scenario, target, Some(*release), subject.as_mut(), want)
    }
}

fn show(path: &Path, scenario: &Scenario, checked: &Checked, args: &Replay, output: &mut Output) {
    let verdict = &checked.ran.verdict;
    let broken: Vec<String> = verdict.breaks.iter().map(|broken| broken.signature.to_string()).collect();
    output.object(&RunObject {
        scenario: path.display().to_string(),
        target: checked.target.clone(),
        as_expected: checked.is_good(),
        expected: checked.expected.as_ref().map(ToString::to_string),
        broken: broken.clone(),
        outcome: verdict.outcome.to_string(),
        digest: format!("{:032x}", checked.ran.digest),
    });
    if output.is_json() {
        return;
    }
    let what = if broken.is_empty() { "clean".to_owned() } else { broken.join(", ") };
    let mark = if checked.is_good() { "ok  " } else { "FAIL" };
    output.line(format_args!("{mark} {} on {}: {what}; {}", path.display(), checked.target, verdict.outcome));
    if let (false, Some(expected)) = (checked.is_good(), &checked.expected) {
        output.line(format_args!("     expected: {expected}"));
    }
    if !checked.is_good() || args.history {
        for broken in &verdict.breaks {
            output.line(format_args!("     {} at {}: {}", broken.signature.law.name(), broken.at, broken.detail));
        }
    }
    if args.history {
        output.line(report::timeline(&scenario.trace, &checked.ran.records, verdict));
    }
}
