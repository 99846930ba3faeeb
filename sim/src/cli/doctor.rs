//! `treefall doctor`: runs each trace twice under changed conditions; both runs must be equal.

use schemars::JsonSchema;
use serde::Serialize;

use super::args::Doctor as Args;
use super::lines::JsonLine;
use super::output::Output;
use super::progress::Progress;
use super::{CliError, Status, Summary, workers};
use treefall_base::control::Control;
use treefall_search::doctor::{Condition, DifferenceCause, Doctor, NotRepeatable, possible};
use treefall_subject::program;
use treefall_subject::target::Target;

/// Most differences that are printed.
const PRINTED_MAX: u64 = 5;

/// A target. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct DoctorObject {
    target: String,
    seed: u64,
    traces: u64,
    different: u64,
    /// Conditions that differed between the two runs.
    conditions: Vec<&'static str>,
    not_changed: Vec<NotChanged>,
}

/// A condition that could not be changed here.
#[derive(Serialize, JsonSchema)]
struct NotChanged {
    condition: &'static str,
    why: String,
}

/// A difference. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct DifferenceObject {
    target: String,
    seed: u64,
    trace: u64,
    /// The first field that differs; null: the difference did not occur again.
    field: Option<&'static str>,
    first: Option<String>,
    second: Option<String>,
    /// Conditions that cause the difference, each alone; null: none does, or the cause was not searched.
    caused_by: Option<Vec<&'static str>>,
}

#[derive(Serialize, JsonSchema)]
struct DoctorSummary {
    targets: u64,
    different: u64,
}

/// Lines of `--json`.
pub(super) const LINES: [JsonLine; 3] = [
    JsonLine::of::<DifferenceObject>("a difference"),
    JsonLine::of::<DoctorObject>("a target"),
    JsonLine::of::<Summary<DoctorSummary>>("summary"),
];

pub(super) fn run(args: &Args, output: &mut Output) -> Result<Status, CliError> {
    let mut names = args.targets.clone();
    if names.is_empty() {
        names.push("replica:2.2.7".to_owned());
        if program::find_installed().is_empty() {
            workers::none_installed("only the replica is checked", output);
        } else {
            names.push("engine".to_owned());
        }
    }
    let mut status = Status::Good;
    let mut summary = DoctorSummary { targets: 0, different: 0 };
    for target in workers::driven(&names, args.driven, output)? {
        let different = examine(args, &target, output)?;
        summary.targets += 1;
        summary.different += different;
        if different > 0 {
            status = Status::Failure;
        }
        if workers::interrupted() {
            output.error("stopped before all traces were run");
            status = Status::Failure;
            break;
        }
    }
    output.conclude(&summary);
    Ok(status)
}

fn names<'c>(conditions: impl IntoIterator<Item = &'c Condition>) -> Vec<&'static str> {
    conditions.into_iter().map(|condition| condition.name()).collect()
}

fn examine(args: &Args, target: &Target, output: &mut Output) -> Result<u64, CliError> {
    let (changed, not_changed) = possible(target.kind());
    let conditions = names(&changed);
    let mut doctor = Doctor::new(target, args.seed, changed)?;
    let (mut traces, mut different, progress) = (0, 0, Progress::begin(None));
    let keep_going = |()| !workers::interrupted();
    while traces < args.traces && !workers::interrupted() {
        let (examined, found) = doctor.examine(traces, args.traces, Control::new(&keep_going))?;
        traces += examined;
        for found in found {
            different += 1;
            if different <= PRINTED_MAX {
                print(target, args.seed, &found, output);
            }
        }
        let text = progress.done(traces, Some(args.traces), "trace");
        output.progress(format_args!("{target}: {text}; {different} different"));
    }
    output.clear();
    output.line(format_args!(
        "{target}: {traces} traces run twice under changed conditions, {different} different\n  changed: {}",
        conditions.join(", ")
    ));
    for (condition, why) in &not_changed {
        output.line(format_args!("  not changed: {} ({why})", condition.name()));
    }
    let not_changed = not_changed.into_iter();
    output.object(&DoctorObject {
        target: target.to_string(),
        seed: args.seed,
        traces,
        different,
        conditions,
        not_changed: not_changed
            .map(|(condition, why)| NotChanged { condition: condition.name(), why })
            .collect(),
    });
    Ok(different)
}

fn print(target: &Target, seed: u64, found: &NotRepeatable, output: &mut Output) {
    let NotRepeatable { number, difference, cause } = found;
    let text = difference.as_ref().map_or_else(
        || "it did not occur again in a separate process".to_owned(),
        |difference| difference.to_string(),
    );
    output.line(format_args!("{target}: trace {number} of seed {seed}: {text}"));
    let because = match cause {
        DifferenceCause::Alone(conditions) => format!("caused by: {}", names(conditions).join(", ")),
        DifferenceCause::Together => "no single change causes it".to_owned(),
        DifferenceCause::Nothing => "two processes with equal conditions already differ".to_owned(),
        DifferenceCause::NotLookedFor => return,
    };
    output.line(format_args!("  {because}"));
    output.object(&DifferenceObject {
        target: target.to_string(),
        seed,
        trace: *number,
        field: difference.as_ref().map(|difference| difference.field),
        first: difference.as_ref().map(|difference| difference.first.clone()),
        second: difference.as_ref().map(|difference| difference.second.clone()),
        caused_by: match cause {
            DifferenceCause::Alone(conditions) => Some(names(conditions)),
            DifferenceCause::Nothing => Some(Vec::new()),
            DifferenceCause::Together | DifferenceCause::NotLookedFor => None,
        },
    });
}
