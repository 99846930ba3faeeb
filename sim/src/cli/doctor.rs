//! `treefall doctor`: each trace twice, under changed conditions; the two runs must be equal.
//!
//! The second run is in another process with another environment and, for a real program, at addresses that
//! are not randomised; the traces come in reverse order, so that each has other traces before it.

use serde::Serialize;

use super::args::Doctor;
use super::output::Output;
use super::{CliError, Status, Summary, crew};
use crate::generator;
use crate::oracle::compare_runs;
use crate::subject::engine::Conditions;
use crate::subject::target::Target;
use crate::subject::{Options, build, build_under, program};

/// Traces in one process's batch.
const BATCH: usize = 250;
/// Differences that are told.
const TOLD_MAX: u64 = 5;

/// One target, for machines. The fields are stable.
#[derive(Serialize)]
struct DoctorObject {
    target: String,
    seed: u64,
    traces: u64,
    different: u64,
}

#[derive(Serialize)]
struct DoctorSummary {
    targets: u64,
    different: u64,
}

pub(super) fn run(args: &Doctor, output: &mut Output) -> Result<Status, CliError> {
    let mut names = args.targets.clone();
    if names.is_empty() {
        names.push("replica:2.2.7".to_owned());
        if program::find_installed().is_empty() {
            output.note("no keepalived is installed: only the replica is looked at");
        } else {
            names.push("engine".to_owned());
        }
    }
    let mut status = Status::Good;
    let mut summary = DoctorSummary { targets: 0, different: 0 };
    for target in crew::targets(&names)? {
        let different = examine(args, &target, output)?;
        summary.targets += 1;
        summary.different += different;
        if different > 0 {
            status = Status::Failure;
        }
        if crew::told_to_stop() {
            output.error("stopped before all traces were run");
            status = Status::Failure;
            break;
        }
    }
    output.object(&Summary { summary });
    Ok(status)
}

/// An environment of another size and order and another time zone, in a process without address randomisation.
fn changed() -> Conditions {
    let filler =
        (0..64).rev().map(|n| (format!("TREEFALL_FILLER_{n}").into(), "x".repeat(97 * (n % 7 + 1)).into()));
    let zone = ("TZ".into(), "Pacific/Chatham".into());
    Conditions { environment: filler.chain([zone]).collect(), fixed_addresses: true }
}

fn examine(args: &Doctor, target: &Target, output: &mut Output) -> Result<u64, CliError> {
    let numbers: Vec<u64> = (0..args.traces).collect();
    let mut first = build(target)?;
    let mut second = build_under(target, &changed())?;
    let mut different = 0;
    for batch in numbers.chunks(BATCH) {
        let traces: Vec<_> =
            batch.iter().map(|number| first.fitted(generator::generate(args.seed, *number))).collect();
        let backwards: Vec<_> = traces.iter().rev().cloned().collect();
        let once = first.run(&traces, Options::HASHED)?;
        let again = second.run(&backwards, Options::HASHED)?;
        for ((number, trace), (one, other)) in
            batch.iter().zip(&traces).zip(once.iter().zip(again.iter().rev()))
        {
            if compare_runs(one, other).is_ok() {
                continue;
            }
            different += 1;
            if different <= TOLD_MAX {
                // What differs is looked for in the histories, step by step.
                let one = first.run_one(trace, Options::COMPARE)?;
                let other = second.run_one(trace, Options::COMPARE)?;
                let told = compare_runs(&one, &other)
                    .map_or_else(|it| it.to_string(), |()| "it was not seen again when run alone".to_owned());
                output.line(format_args!("{target}: trace {number} of seed {}: {told}", args.seed));
            }
        }
        output.progress(format_args!(
            "{target}: {} of {} traces",
            batch.last().map_or(0, |n| n + 1),
            args.traces
        ));
        if crew::told_to_stop() {
            return Ok(different);
        }
    }
    output.clear();
    output.line(format_args!(
        "{target}: {} traces run twice under changed conditions, {different} different",
        args.traces
    ));
    output.object(&DoctorObject {
        target: target.to_string(),
        seed: args.seed,
        traces: args.traces,
        different,
    });
    Ok(different)
}
