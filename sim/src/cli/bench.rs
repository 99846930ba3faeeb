//! `treefall bench`: events a second, side by side in one run.

use serde::Serialize;
use treefall_model::event::SubjectKind;

use super::args::Bench;
use super::findings::Stopwatch;
use super::output::Output;
use super::targets::table;
use super::{CliError, Status, Summary, crew};
use crate::subject::{Options, build, program};
use crate::workload::steady;

/// Runs of each row: the best is told, for a shared machine's noise only ever slows.
const RUNS: u32 = 5;

/// One measurement, for machines. The fields are stable.
#[derive(Serialize)]
struct BenchObject {
    target: String,
    scripts: u16,
    checked: &'static str,
    external_events: u64,
    history_events: u64,
    external_per_second: u64,
    history_per_second: u64,
}

#[derive(Serialize)]
struct BenchSummary {
    measurements: usize,
}

pub(super) fn run(args: &Bench, output: &mut Output) -> Result<Status, CliError> {
    let mut names = args.targets.clone();
    if names.is_empty() {
        names.push("replica:mended".to_owned());
        if program::find_installed().is_empty() {
            output.note("no keepalived is installed: only the replica is measured");
        } else {
            names.push("engine".to_owned());
        }
    }
    let mut sheet = table(["target", "scripts", "checked", "external events/s", "history events/s"]);
    for target in crew::targets(&names)? {
        let mut subject = build(&target)?;
        for scripts in &args.scripts {
            let trace =
                steady(*scripts, args.wakes, 0).map_err(|error| CliError::Usage(error.to_string()))?;
            for (checked, want) in [
                ("no", Options::DIGEST),
                ("events", Options::EVENTS),
                ("every index, every step", Options::VERDICT),
            ] {
                let mut best = std::time::Duration::MAX;
                let mut counts = treefall_world::Counts::default();
                for _ in 0..RUNS {
                    output.progress(format_args!("{target}, {scripts} scripts, checked: {checked}"));
                    let watch = Stopwatch::start();
                    let ran = subject.run_one(&trace, want)?;
                    best = best.min(watch.elapsed());
                    counts = ran.counts;
                    if !ran.verdict.is_clean() && subject.kind() == SubjectKind::Replica {
                        return Err(CliError::Harness(format!(
                            "{target} is not clean on the steady workload"
                        )));
                    }
                }
                let rate = |events: u64| (events as f64 / best.as_secs_f64()) as u64;
                let (external, history) = (rate(counts.external()), rate(counts.records));
                sheet.add_row([
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
    }
    output.clear();
    output.object(&Summary { summary: BenchSummary { measurements: sheet.row_count() } });
    output.line(sheet);
    output.line(
        "an external event is a return of the blocking call for the timer, an exit reaped, or a signal",
    );
    Ok(Status::Good)
}

fn millions(rate: u64) -> String {
    format!("{:.2} million", rate as f64 / 1e6)
}
