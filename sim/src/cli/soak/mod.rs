//! `treefall soak`: estimates the time to failure in the field, and stores each kind of failure as a finding.

mod answer;
mod command;
mod kinds;
mod objects;
mod progress;
mod workload;

use std::collections::BTreeMap;
use std::time::Duration;

use treefall_model::event::SubjectKind;
use treefall_model::release::Rules;
use treefall_model::verdict::Signature;

use super::args::{self, UntilName};
use super::as_found::{AsFoundObject, print_failed};
use super::interrupt::Stopwatch;
use super::lines::JsonLine;
use super::output::Output;
use super::progress::{Progress, ProgressLine};
use super::search::process;
use super::table::Table;
use super::workers::release_of;
use super::{CliError, Status, Summary, workers};
use answer::{SoakEnd, TargetAnswer, times};
use kinds::{FailureKinds, kinds};
use objects::{EstimateObject, SoakObject, TargetSummary, VariationObject};
use progress::SoakProgress;
use treefall_base::control::Control;
use treefall_field::soak::numbers::{figures, in_words as time};
use treefall_field::soak::{Life, Plan, Until, Watch, Workload, field, soak};
use treefall_field::survival::survival;
use treefall_report::Store;
use treefall_report::pipeline::Pipeline;
use treefall_report::provenance::FoundBy;
use treefall_search::hunt::Failure;
use treefall_search::triage::BUILD_UP_MAX;
use treefall_subject::target::Target;
use treefall_subject::{Options, build};
use workload::workload;

/// Lines of `--json`.
pub(in crate::cli) const LINES: [JsonLine; 4] = [
    JsonLine::of::<SoakObject>("a target"),
    JsonLine::of::<AsFoundObject>("a failure that is kept as found"),
    JsonLine::of::<VariationObject>("an assumption"),
    JsonLine::of::<Summary<Vec<TargetSummary>>>("summary"),
];

pub(in crate::cli) fn run(args: &args::Soak, jobs: usize, output: &mut Output) -> Result<Status, CliError> {
    let workload = workload(args, output)?;
    let store = Store::new(&args.out);
    store.check().map_err(|error| CliError::Usage(error.to_string()))?;
    let names = if args.targets.is_empty() { vec!["replica:2.3.1".to_owned()] } else { args.targets.clone() };
    let targets = workers::targets(&names)?;
    let _lock = if args.sensitivity { None } else { Some(workers::lock(&args.out, output)?) };
    let watched = WatchedSoak { args, jobs, watch: Stopwatch::start() };
    let (mut summary, mut status) = (Vec::new(), Status::Good);
    for target in &targets {
        if target.kind() != SubjectKind::Replica {
            let remedy = "soak runs a replica; replay its failures on the real program";
            return Err(CliError::Usage(format!("soak cannot run {target}: {remedy}")));
        }
        let rules = build(target)?.rules();
        if args.sensitivity {
            sensitivity(&watched, target, rules, &workload, output)?;
            if workers::interrupted() {
                output.error("stopped before all assumptions were varied");
                output.conclude(&summary);
                return Ok(Status::Failure);
            }
            continue;
        }
        let lives = watched.follow(&workload, rules, &target.to_string(), output)?;
        if lives.is_empty() {
            return Ok(stopped(summary, output));
        }
        let figures = figures(&lives, args.life);
        let kinds = kinds(&lives);
        let (scenarios, so_far) = keep_kinds(&watched, target, &lives, &kinds, &store, output)?;
        let (lives, figures, kinds) = (&lives, &figures, &kinds);
        let ended = SoakEnd::of(args, figures);
        let answer = TargetAnswer {
            args,
            target,
            workload: &workload,
            ended,
            lives,
            figures,
            kinds,
            scenarios: &scenarios,
        };
        output.object(&answer.object(&release_of(target)?));
        output.line(answer.text());
        let page = survival(&target.to_string(), lives, figures, &answer.lines(), &answer.assumed());
        let path = store.keep_soak(&target.to_string(), &page)?;
        output.note(format_args!("the curve: {}", path.display()));
        status = status.max(so_far);
        if figures.failures > 0 {
            status = status.max(Status::Failure);
        }
        summary.push(TargetSummary {
            target: target.to_string(),
            seed: args.seed,
            lives: figures.lives,
            failures: figures.failures,
            events: lives.iter().map(|life| life.events).sum(),
            elapsed_ms: millis(watched.watch.elapsed()),
        });
        if workers::interrupted() {
            return Ok(status.max(stopped(summary, output)));
        }
    }
    output.conclude(&summary);
    Ok(status)
}

fn stopped(summary: Vec<TargetSummary>, output: &mut Output) -> Status {
    output.error(if summary.is_empty() {
        "stopped before the first life was complete"
    } else {
        "stopped before the soak was complete; the results cover the lives until then"
    });
    output.conclude(&summary);
    Status::Failure
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A soak that shows its progress.
struct WatchedSoak<'a> {
    args: &'a args::Soak,
    jobs: usize,
    watch: Stopwatch,
}

impl WatchedSoak<'_> {
    /// Runs the lives; none, if the user interrupts before the first ends.
    fn follow(
        &self,
        workload: &Workload,
        rules: Rules,
        what: &str,
        output: &mut Output,
    ) -> Result<Vec<Life>, CliError> {
        let until = match self.args.until {
            UntilName::Crash => Until::Crash,
            UntilName::Memory => Until::Memory,
            UntilName::Law => Until::Law,
        };
        let plan = Plan {
            seed: self.args.seed,
            watch: Watch { until, span: self.args.life },
            failures: self.args.failures as usize,
            most: self.args.most,
        };
        let progress =
            Progress::begin(self.args.duration.map(|limit| limit.saturating_sub(self.watch.elapsed())));
        let (line, lives_done) = (ProgressLine::new(output), SoakProgress::default());
        let mut go_on = |lives: &[Life]| {
            lives_done.add_finished(lives);
            let in_time = self.args.duration.is_none_or(|limit| self.watch.elapsed() < limit);
            in_time && !workers::interrupted()
        };
        let within = |(number, followed)| {
            lives_done.set_running(number, followed);
            line.show(|| format!("{what}: {}", lives_done.text(&progress, plan)));
            !workers::interrupted()
        };
        let lives = soak(workload, rules, plan, self.jobs, &mut go_on, Control::new(&within));
        output.clear();
        let lives = lives.map_err(|error| CliError::Usage(error.to_string()))?;
        if lives.is_empty() && !workers::interrupted() {
            return Err(CliError::Usage("no life ended within the time limit: raise `--for`".to_owned()));
        }
        Ok(lives)
    }
}

/// Shrinks, explains and stores the first failure of each signature; returns the scenario files, and whether a triage
/// failed.
fn keep_kinds(
    watched: &WatchedSoak<'_>,
    target: &Target,
    lives: &[Life],
    kinds: &FailureKinds,
    store: &Store,
    output: &mut Output,
) -> Result<(BTreeMap<Signature, String>, Status), CliError> {
    let (mut kept, mut status) = (BTreeMap::new(), Status::Good);
    let pipeline = Pipeline {
        target,
        baseline: None,
        by: FoundBy::Soak(watched.args.seed),
        store,
        build_up_max: BUILD_UP_MAX,
    };
    for ((signature, _), kind) in kinds {
        let (Some(signature), Some(number)) = (*signature, kind.first) else { continue };
        if kept.contains_key(&signature) {
            continue;
        }
        let Some(trace) = lives[number].failure.as_ref().and_then(|failure| failure.trace.as_deref()) else {
            continue;
        };
        let mut subjects = [build(target)?];
        let verdict = subjects[0].run_one(trace, Options::VERDICT)?.verdict;
        let broken = verdict.violation(signature).cloned();
        let Some(broken) = broken else {
            return Err(CliError::Harness(format!("life {number} does not show {signature} again")));
        };
        let failure =
            Failure::new(number as u64, trace.clone(), broken, verdict).with_cause(subjects[0].as_ref());
        let path = pipeline.keep_as_found(&failure)?;
        let processed = process(&pipeline, &mut subjects, &[failure], &workers::interrupted, output);
        status = status.max(print_failed(target, &processed.failed, store, output));
        kept.insert(signature, path.display().to_string());
    }
    output.clear();
    Ok((kept, status))
}

/// Varies one assumption at a time and prints how the mean changes.
fn sensitivity(
    watched: &WatchedSoak<'_>,
    target: &Target,
    rules: Rules,
    workload: &Workload,
    output: &mut Output,
) -> Result<(), CliError> {
    let base = field::Variation { what: "as assumed".to_owned(), workload: workload.clone() };
    let mut table = Table::new(["assumption", "failures", "mean time to failure, by the hazard (95 %)"]);
    for variation in std::iter::once(base).chain(field::variations(workload)) {
        let what = format!("{target}, {}", variation.what);
        let lives = watched.follow(&variation.workload, rules, &what, output)?;
        if workers::interrupted() {
            break;
        }
        let figures = figures(&lives, watched.args.life);
        let mean = figures.mean_by_hazard;
        let text = match figures.failures {
            0 => format!("more than {}", time(mean.low)),
            _ => times(mean),
        };
        table.add_row([variation.what.clone(), figures.failures.to_string(), text]);
        output.object(&VariationObject {
            target: target.to_string(),
            assumption: variation.what,
            lives: figures.lives,
            failures: figures.failures,
            mean_by_hazard_ms: EstimateObject::millis(mean),
        });
    }
    if !output.is_json() {
        output.heading(target);
        output.line(table);
    }
    Ok(())
}
