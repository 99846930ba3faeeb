//! `treefall conform`: a replica against the real program of its release, trace by trace.

use serde::Serialize;

use super::args::Conform;
use super::findings::Stopwatch;
use super::output::Output;
use super::{CliError, Status, Summary, crew};
use crate::generator;
use crate::oracle::{Agreement, Census, compare};
use crate::subject::program::Program;
use crate::subject::target::{ReplicaName, Target};
use crate::subject::{Options, Subject, SubjectError, build};

/// Traces that are compared together.
const CHUNK: u64 = 256;
/// Differences that are told in full.
const TOLD_MAX: u64 = 5;

/// One comparison, for machines. The fields are stable.
#[derive(Serialize)]
struct ConformObject {
    target: String,
    replica: String,
    seed: u64,
    traces: u64,
    equal_to_the_end: u64,
    equal_up_to_first_use: u64,
    different: u64,
    with_reload_timeout_and_exit: u64,
    with_memory_break: u64,
    ended_badly: u64,
    records: u64,
    elapsed_ms: u64,
}

#[derive(Serialize)]
struct ConformSummary {
    traces: u64,
    different: u64,
}

pub(super) fn run(args: &Conform, output: &mut Output) -> Result<Status, CliError> {
    let names = if args.targets.is_empty() { vec!["engine".to_owned()] } else { args.targets.clone() };
    let mut status = Status::Good;
    let mut summary = ConformSummary { traces: 0, different: 0 };
    for target in crew::targets(&names)? {
        let Some(place) = target.place() else {
            return Err(CliError::Usage(format!(
                "{target} is not real: conform compares `engine:PATH` with a replica"
            )));
        };
        let program = Program::open(&place.path, place.root.as_deref())
            .map_err(|error| CliError::Usage(error.to_string()))?;
        let replica = match &args.replica {
            None => Target::Replica(ReplicaName::of(program.release())),
            Some(name) => one_replica(name)?,
        };
        let census = conform(args, &target, &replica, output)?;
        summary.traces += census.traces;
        summary.different += census.different;
        if crew::told_to_stop() {
            output.error("stopped before all traces were compared");
            status = Status::Failure;
            break;
        }
        if census.different > 0 {
            status = Status::Failure;
        }
    }
    output.object(&Summary { summary });
    Ok(status)
}

fn one_replica(name: &str) -> Result<Target, CliError> {
    match crew::targets(&[name.to_owned()])?.as_slice() {
        [target @ Target::Replica(_)] => Ok(target.clone()),
        _ => Err(CliError::Usage(format!("`--replica {name}`: name one replica, as `replica:2.2.7`"))),
    }
}

fn conform(
    args: &Conform,
    target: &Target,
    replica: &Target,
    output: &mut Output,
) -> Result<Census, CliError> {
    let watch = Stopwatch::start();
    let mut real = build(target)?;
    let mut copy = build(replica)?;
    let mut census = Census::default();
    let mut next = 0;
    while next < args.traces && !crew::told_to_stop() {
        let end = args.traces.min(next + CHUNK);
        compare_chunk(args.seed, next..end, copy.as_mut(), real.as_mut(), &mut census, output)?;
        output.progress(format_args!(
            "{target}: {} of {} traces, {} different",
            end, args.traces, census.different
        ));
        next = end;
    }
    output.clear();
    let elapsed = watch.elapsed();
    output.line(format_args!(
        "{target} and {replica}: {} traces, {} equal to the end, {} equal up to the first use of a freed entry, \
         {} different\n  {} hold a reload, a timeout and an exit; {} break a memory law; {} end the real \
         program; {} records compared in {:.1} s",
        census.traces,
        census.whole,
        census.up_to_first_use,
        census.different,
        census.with_all_three,
        census.with_memory_break,
        census.ended_badly,
        census.records,
        elapsed.as_secs_f64(),
    ));
    output.object(&ConformObject {
        target: target.to_string(),
        replica: replica.to_string(),
        seed: args.seed,
        traces: census.traces,
        equal_to_the_end: census.whole,
        equal_up_to_first_use: census.up_to_first_use,
        different: census.different,
        with_reload_timeout_and_exit: census.with_all_three,
        with_memory_break: census.with_memory_break,
        ended_badly: census.ended_badly,
        records: census.records,
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
    });
    Ok(census)
}

fn compare_chunk(
    seed: u64,
    numbers: std::ops::Range<u64>,
    copy: &mut dyn Subject,
    real: &mut dyn Subject,
    census: &mut Census,
    output: &mut Output,
) -> Result<(), SubjectError> {
    let traces: Vec<_> = numbers.clone().map(|number| generator::generate(seed, number)).collect();
    let real_runs = real.run(&traces, Options::HASHED)?;
    let copy_runs = copy.run(&traces, Options::HASHED)?;
    for (((number, trace), mut real_ran), mut copy_ran) in numbers.zip(&traces).zip(real_runs).zip(copy_runs)
    {
        if real_ran.digest != copy_ran.digest || real_ran.verdict != copy_ran.verdict {
            // Only what is not equal at first sight is run again with its history.
            real_ran = real.run_one(trace, Options::COMPARE)?;
            copy_ran = copy.run_one(trace, Options::COMPARE)?;
        }
        let agreement = compare(&copy_ran, &real_ran);
        census.add(&agreement, &real_ran);
        if let Agreement::Differs(difference) = &agreement
            && census.different <= TOLD_MAX
        {
            output.line(format_args!(
                "trace {number} of seed {seed}: first the replica, second the real program"
            ));
            output.line(format_args!("  {difference}"));
        }
    }
    Ok(())
}
