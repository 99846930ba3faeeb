//! `treefall record` records a real program on the pool of traces; `conform --recorded` compares with such a file.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::release::Release;
use treefall_subject::recording::{
    Comparison, Played, Pool, Recorded, Recording, RecordingError, options, play_replica,
};
use treefall_subject::replica::run_replica_as;
use treefall_subject::target::{ReplicaName, Target};
use treefall_subject::{Options, build};

use super::args::{Conform, Record};
use super::lines::JsonLine;
use super::output::Output;
use super::{CliError, Status, Summary, workers};

/// Most differences that are printed in full.
const PRINTED_MAX: usize = 5;

/// A recording. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct RecordObject {
    target: String,
    version: String,
    release: String,
    build_id: Option<String>,
    commit: Option<String>,
    projection: u16,
    traces: usize,
    file: String,
}

#[derive(Serialize, JsonSchema)]
struct RecordSummary {
    traces: usize,
}

/// A comparison with a recording. The fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct RecordedObject {
    target: String,
    recorded: String,
    version: String,
    traces: u64,
    equal_to_the_end: u64,
    equal_up_to_first_use: u64,
    different: u64,
}

/// Lines of `--json`.
pub(super) const LINES: [JsonLine; 2] =
    [JsonLine::of::<RecordObject>("a recording"), JsonLine::of::<Summary<RecordSummary>>("summary")];

impl From<RecordingError> for CliError {
    fn from(error: RecordingError) -> Self {
        Self::Usage(error.to_string())
    }
}

pub(super) fn run(args: &Record, output: &mut Output) -> Result<Status, CliError> {
    let targets = workers::driven(std::slice::from_ref(&args.target), args.driven, output)?;
    let [target] = targets.as_slice() else {
        return Err(CliError::Usage(format!("`{}` names several targets; record one", args.target)));
    };
    let Some(place) = target.place() else {
        return Err(CliError::Usage(format!(
            "{target} is not a real program; record takes `engine:PATH` or `daemon:PATH`"
        )));
    };
    let program = place.open().map_err(|error| CliError::Usage(error.to_string()))?;
    let recorded = Recorded {
        version: program.banner().to_owned(),
        release: program.release(),
        build_id: program.build_id().map(str::to_owned),
    };
    let pool = Pool::built_in()?;
    let mut real = build(target)?;
    let all = pool.traces(real.kind()).len();
    let recording = Recording::of(real.as_mut(), recorded, &pool, |done| {
        output.progress(format_args!("{target}: {done} of {all} traces"));
        !workers::interrupted()
    });
    output.clear();
    let Some(recording) = recording? else {
        output.error("stopped before all traces were played; nothing was written");
        return Ok(Status::Failure);
    };
    recording.save(&args.output)?;
    output.line(format_args!(
        "{target}: {} traces of {} in {}",
        all,
        recording.version,
        args.output.display()
    ));
    output.object(&RecordObject {
        target: target.to_string(),
        version: recording.version,
        release: recording.release,
        build_id: recording.build_id,
        commit: recording.commit,
        projection: recording.projection,
        traces: all,
        file: args.output.display().to_string(),
    });
    output.conclude(&RecordSummary { traces: all });
    Ok(Status::Good)
}

/// Compares subjects with a recording; returns the numbers of compared and of different traces.
pub(super) fn conform(args: &Conform, file: &Path, output: &mut Output) -> Result<(u64, u64), CliError> {
    let pool = Pool::built_in()?;
    let recording = Recording::load(file, &pool)?;
    let names = match (&args.replica, args.targets.is_empty()) {
        (Some(name), true) => vec![name.clone()],
        (None, true) => vec![ReplicaName::of(release_of(&recording, file)?).to_string()],
        _ => args.targets.clone(),
    };
    let (mut traces, mut different) = (0, 0);
    for target in workers::driven(&names, args.driven, output)? {
        let comparison = compare(&recording, &pool, &target)?;
        print(&target, file, &recording, &comparison, output);
        traces += recording.played.len() as u64;
        different += comparison.different.len() as u64;
    }
    Ok((traces, different))
}

fn release_of(recording: &Recording, file: &Path) -> Result<Release, CliError> {
    Release::parse(&recording.release).ok_or_else(|| {
        CliError::Usage(format!(
            "{}: treefall does not know release {}; name a target to compare: `--target replica:RELEASE`",
            file.display(),
            recording.release
        ))
    })
}

fn compare(recording: &Recording, pool: &Pool, target: &Target) -> Result<Comparison, CliError> {
    let kind = recording.kind();
    if let Target::Replica(name) = target {
        let rules = name.rules();
        return Ok(recording.compare(pool, |trace| play_replica(kind, trace, rules)));
    }
    if target.kind() != kind {
        let what = if recording.daemon { "daemon" } else { "engine" };
        return Err(CliError::Usage(format!(
            "{target}: the recording is of `{what}`; compare a replica or another `{what}:PATH` with it"
        )));
    }
    let mut real = build(target)?;
    let rules = real.rules();
    let traces = pool.traces(kind);
    let mut played = Vec::with_capacity(traces.len());
    for (trace, ran) in traces.iter().zip(real.run(traces, options(kind))?) {
        let first_use = run_replica_as(kind, trace, rules, Options::VERDICT).first_use;
        played.push(Played::of(&ran, first_use));
    }
    let mut played = played.into_iter();
    Ok(recording.compare(pool, |_| played.next().unwrap_or_else(Played::nothing)))
}

fn print(target: &Target, file: &Path, recording: &Recording, comparison: &Comparison, output: &mut Output) {
    let Comparison { whole, up_to_first_use, different } = comparison;
    for (trace, wake) in different.iter().take(PRINTED_MAX) {
        output.line(format_args!("trace {trace} of the pool: {target} differs in wake {wake}"));
    }
    output.line(format_args!(
        "{target} and the recording of {} ({}): {} traces, {whole} equal to the end, {up_to_first_use} equal up to the first use \
         of a freed entry, {} different",
        recording.version,
        file.display(),
        recording.played.len(),
        different.len(),
    ));
    output.object(&RecordedObject {
        target: target.to_string(),
        recorded: file.display().to_string(),
        version: recording.version.clone(),
        traces: recording.played.len() as u64,
        equal_to_the_end: *whole,
        equal_up_to_first_use: *up_to_first_use,
        different: different.len() as u64,
    });
}
