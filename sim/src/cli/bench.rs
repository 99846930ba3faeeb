//! `treefall bench`: measures events per second, and for a whole daemon the duration of a reload.

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::event::SubjectKind;

use super::args::Bench;
use super::interrupt::Stopwatch;
use super::lines::JsonLine;
use super::output::Output;
use super::progress::Progress;
use super::table::Table;
use super::{CliError, Status, Summary, workers};
use treefall_search::workload::{reloading, steady};
use treefall_subject::target::Target;
use treefall_subject::{Options, Subject, build, program};

/// Runs of each row. The fastest counts, because other load on the machine only slows.
const RUNS: u32 = 5;

/// A measurement. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct BenchObject {
    target: String,
    scripts: u16,
    checked: &'static str,
    external_events: u64,
    history_events: u64,
    external_per_second: u64,
    history_per_second: u64,
}

/// Reloads in the trace that measures a daemon.
const RELOADS: u32 = 500;

/// Duration of a daemon's reload. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct ReloadObject {
    target: String,
    scripts: u16,
    reloads: u32,
    reload_micros: u64,
    trace_micros: u64,
}

#[derive(Serialize, JsonSchema)]
struct BenchSummary {
    measurements: usize,
}

/// Lines of `--json`.
pub(super) const LINES: [JsonLine; 3] = [
    JsonLine::of::<BenchObject>("a measurement"),
    JsonLine::of::<ReloadObject>("what a reload takes"),
    JsonLine::of::<Summary<BenchSummary>>("summary"),
];

pub(super) fn run(args: &Bench, output: &mut Output) -> Result<Status, CliError> {
    let mut names = args.targets.clone();
    if names.is_empty() {
        names.push("replica:mended".to_owned());
        if program::find_installed().is_empty() {
            workers::none_installed("only the replica is measured", output);
        } else {
            names.push("engine".to_owned());
        }
    }
    let mut table = Table::new(["target", "scripts", "checked", "external events/s", "history events/s"]);
    let (progress, mut measurements) = (Progress::begin(None), 0);
    let targets = workers::driven(&names, args.driven, output)?;
    for (place, target) in targets.iter().enumerate() {
        if workers::interrupted() {
            break;
        }
        output.part(format_args!("target {}", progress.part(place + 1, targets.len(), target)));
        let mut subject = build(target)?;
        if matches!(target, Target::Daemon(_) | Target::Configured(..)) {
            measurements += reloads(subject.as_mut(), target, args, output)?;
            continue;
        }
        steps(subject.as_mut(), target, args, &mut table, output)?;
    }
    output.part("");
    output.clear();
    output.conclude(&BenchSummary { measurements: measurements + table.row_count() });
    if table.row_count() > 0 {
        output.line(table);
        output.line("an external event is a timer expiry, a reaped exit, or a signal");
    }
    if workers::interrupted() {
        output.error("stopped before all measurements were done");
        return Ok(Status::Failure);
    }
    Ok(Status::Good)
}

/// Measures the steady workload with each number of scripts and each kind of checks.
fn steps(
    subject: &mut dyn Subject,
    target: &Target,
    args: &Bench,
    table: &mut Table,
    output: &mut Output,
) -> Result<(), CliError> {
    for scripts in &args.scripts {
        let trace = steady(*scripts, args.wakes, 0).map_err(|error| CliError::Usage(error.to_string()))?;
        for (checked, want) in [
            ("no", Options::DIGEST),
            ("events", Options::EVENTS),
            ("every index, every step", Options::VERDICT),
        ] {
            let mut best = std::time::Duration::MAX;
            let mut counts = treefall_world::Counts::default();
            for _ in 0..RUNS {
                // An interrupted measurement has too few runs for a best one.
                if workers::interrupted() {
                    return Ok(());
                }
                output.progress(format_args!("{scripts} scripts, checked: {checked}"));
                let watch = Stopwatch::start();
                let ran = subject.run_one(&trace, want)?;
                best = best.min(watch.elapsed());
                counts = ran.counts;
                if !ran.verdict.is_clean() && subject.kind() == SubjectKind::Replica {
                    return Err(CliError::Harness(format!("{target} is not clean on the steady workload")));
                }
            }
            if workers::interrupted() {
                return Ok(());
            }
            let rate = |events: u64| (events as f64 / best.as_secs_f64()) as u64;
            let (external, history) = (rate(counts.external()), rate(counts.records));
            table.add_row([
                target.to_string(),
                scripts.to_string(),
                checked.to_owned(),
                millions(external),
                millions(history),
            ]);
            output.object(&BenchObject {
                target: target.to_string(),
                scripts: *scripts,
                checked,
                external_events: counts.external(),
                history_events: counts.records,
                external_per_second: external,
                history_per_second: history,
            });
        }
    }
    Ok(())
}

/// Measures a reload of the whole daemon: a trace with many reloads, less one with none, divided by their number.
fn reloads(
    subject: &mut dyn Subject,
    target: &Target,
    args: &Bench,
    output: &mut Output,
) -> Result<usize, CliError> {
    let mut measured = 0;
    for scripts in &args.scripts {
        if workers::interrupted() {
            break;
        }
        let mut best = [std::time::Duration::MAX; 2];
        for (best, reloads) in best.iter_mut().zip([0, RELOADS]) {
            let trace = reloading(*scripts, reloads).map_err(|error| CliError::Usage(error.to_string()))?;
            for _ in 0..RUNS {
                if workers::interrupted() {
                    return Ok(measured);
                }
                output.progress(format_args!("{scripts} scripts, {reloads} reloads"));
                let watch = Stopwatch::start();
                let ran = subject.run_one(&trace, Options::VERDICT)?;
                if ran.counts.reloads != u64::from(reloads) {
                    return Err(CliError::Harness(format!(
                        "{target} carried out {} of {reloads} reloads",
                        ran.counts.reloads
                    )));
                }
                *best = (*best).min(watch.elapsed());
            }
        }
        measured += 1;
        let [none, all] = best;
        let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let each = all.saturating_sub(none) / RELOADS;
        output.clear();
        output.line(format_args!(
            "{target}: a reload with {scripts} scripts takes {} us, an empty trace takes {} us",
            micros(each),
            micros(none)
        ));
        output.object(&ReloadObject {
            target: target.to_string(),
            scripts: *scripts,
            reloads: RELOADS,
            reload_micros: micros(each),
            trace_micros: micros(none),
        });
    }
    Ok(measured)
}

fn millions(rate: u64) -> String {
    format!("{:.2} million", rate as f64 / 1e6)
}
