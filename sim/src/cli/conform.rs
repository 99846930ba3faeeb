//! `treefall conform`: compares a replica with the real program of its release, trace by trace.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::event::SubjectKind;
use treefall_model::release::Rules;
use treefall_model::trace::Trace;

use super::args::Conform;
use super::interrupt::Stopwatch;
use super::lines::JsonLine;
use super::output::Output;
use super::progress::Progress;
use super::record::{self, RecordedObject};
use super::{CliError, Status, Summary, workers};
use treefall_search::generator::Source;
use treefall_search::oracle::{Agreement, Census, compare};
use treefall_subject::replica::run_replica_as;
use treefall_subject::target::{ReplicaName, Target};
use treefall_subject::{Options, Ran, Subject, SubjectError};

/// Traces in one unit of work.
const CHUNK: u64 = 64;
/// Most differences that are printed in full.
const PRINTED_MAX: usize = 5;
/// Time between progress updates.
const PROGRESS_EVERY: std::time::Duration = std::time::Duration::from_millis(200);

/// A comparison. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct ConformObject {
    target: String,
    replica: String,
    seed: u64,
    traces: u64,
    equal_to_the_end: u64,
    equal_up_to_first_use: u64,
    different: u64,
    with_fifo_script: u64,
    with_reload_timeout_and_exit: u64,
    /// Traces in which an entry was cancelled: 0 without `--cancelling`.
    with_cancelled_entry: u64,
    with_memory_break: u64,
    ended_badly: u64,
    records: u64,
    elapsed_ms: u64,
}

#[derive(Serialize, JsonSchema)]
struct ConformSummary {
    traces: u64,
    different: u64,
}

/// Lines of `--json`.
pub(super) const LINES: [JsonLine; 3] = [
    JsonLine::of::<ConformObject>("a comparison"),
    JsonLine::of::<RecordedObject>("a comparison with a recording"),
    JsonLine::of::<Summary<ConformSummary>>("summary"),
];

pub(super) fn run(args: &Conform, jobs: usize, output: &mut Output) -> Result<Status, CliError> {
    if let Some(file) = &args.recorded {
        let (traces, different) = record::conform(args, file, output)?;
        output.conclude(&ConformSummary { traces, different });
        return Ok(if different == 0 { Status::Good } else { Status::Failure });
    }
    let names = match (&args.config, args.targets.is_empty()) {
        (Some(_), true) => vec![workers::CONFIGURED.to_owned()],
        (None, true) => vec!["engine".to_owned()],
        _ => args.targets.clone(),
    };
    let mut status = Status::Good;
    let mut summary = ConformSummary { traces: 0, different: 0 };
    for target in
        workers::configured(workers::driven(&names, args.driven, output)?, args.config.as_deref(), output)?
    {
        let Some(place) = target.place() else {
            return Err(CliError::Usage(format!(
                "{target} is not a real program; conform compares `engine:PATH` or `daemon:PATH` with a replica"
            )));
        };
        let program = place.open().map_err(|error| CliError::Usage(error.to_string()))?;
        let replica = match &args.replica {
            None => ReplicaName::of(program.release()),
            Some(name) => one_replica(name)?,
        };
        let census = conform(args, (&target, &replica), jobs, output)?;
        summary.traces += census.traces;
        summary.different += census.different;
        if workers::interrupted() {
            output.error("stopped before all traces were compared");
            status = Status::Failure;
            break;
        }
        if census.different > 0 {
            status = Status::Failure;
        }
    }
    output.conclude(&summary);
    Ok(status)
}

fn one_replica(name: &str) -> Result<ReplicaName, CliError> {
    match workers::targets(&[name.to_owned()])?.as_slice() {
        [Target::Replica(name)] => Ok(name.clone()),
        _ => Err(CliError::Usage(format!("`--replica {name}`: name one replica, as `replica:2.2.7`"))),
    }
}

/// Comparator state of the comparing threads: the next traces and the results.
struct Comparator<'a> {
    args: &'a Conform,
    kind: SubjectKind,
    rules: Rules,
    watch: &'a Stopwatch,
    next: AtomicU64,
    found: Mutex<Difference>,
}

#[derive(Default)]
struct Difference {
    census: Census,
    /// Differences, by trace number.
    differences: Vec<(u64, String)>,
    failed: Option<SubjectError>,
}

impl Comparator<'_> {
    /// Takes the next traces, while any are left and the time limit is not reached.
    fn take(&self) -> Option<std::ops::Range<u64>> {
        let in_time = self.args.duration.is_none_or(|limit| self.watch.elapsed() < limit);
        if !in_time || workers::interrupted() {
            return None;
        }
        let end = if self.args.duration.is_some() { u64::MAX } else { self.args.traces };
        let from = self.next.fetch_add(CHUNK, Ordering::Relaxed);
        (from < end).then(|| from..end.min(from.saturating_add(CHUNK)))
    }

    /// Compares chunk after chunk on one real subject.
    fn work(&self, real: &mut dyn Subject) {
        while let Some(numbers) = self.take() {
            let compared = self.compare_chunk(numbers, real);
            let Ok(mut found) = self.found.lock() else { return };
            match compared {
                Ok((census, differences)) => {
                    found.census.merge(&census);
                    found.differences.extend(differences);
                }
                Err(error) => {
                    found.failed.get_or_insert(error);
                    return;
                }
            }
            if found.failed.is_some() {
                return;
            }
        }
    }

    fn options(&self, keep: bool) -> Options {
        match self.kind {
            // A daemon has other entries besides those of the scripts.
            SubjectKind::Daemon => Options { keep, ..Options::DIGESTED },
            _ if keep => Options::COMPARE,
            _ => Options::HASHED,
        }
    }

    fn copy(&self, trace: &Trace, keep: bool) -> Ran {
        run_replica_as(self.kind, trace, self.rules, self.options(keep))
    }

    fn compare_chunk(
        &self,
        numbers: std::ops::Range<u64>,
        real: &mut dyn Subject,
    ) -> Result<(Census, Vec<(u64, String)>), SubjectError> {
        let Conform { seed, sampling, cancelling, .. } = *self.args;
        let source = Source { seed, sampling, cancelling, guarded: false, outside: false };
        let traces: Vec<_> = numbers.clone().map(|number| source.trace_for(&*real, number)).collect();
        // The program runs in its own process, so the replica can run meanwhile.
        let (ran, copies) = std::thread::scope(|scope| {
            let ran = scope.spawn(|| real.run(&traces, self.options(false)));
            let copies: Vec<Ran> = traces.iter().map(|trace| self.copy(trace, false)).collect();
            (ran.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), copies)
        });
        let (mut census, mut differences) = (Census::default(), Vec::new());
        for ((number, trace), (mut ran, mut copy)) in numbers.zip(&traces).zip(ran?.into_iter().zip(copies)) {
            if ran.digest != copy.digest || ran.verdict != copy.verdict {
                // Only a trace that differs is run again with its history.
                ran = real.run_one(trace, self.options(true))?;
                copy = self.copy(trace, true);
            }
            let agreement = compare(self.kind, &copy, &ran);
            // A daemon does not show the timeouts that it handles. If both histories are equal, it has as many as the
            // replica.
            ran.counts.timeouts = ran.counts.timeouts.max(copy.counts.timeouts);
            census.add(trace, &agreement, &ran);
            if let Agreement::Differs(difference) = agreement {
                differences.push((number, difference.to_string()));
            }
        }
        Ok((census, differences))
    }
}

/// Compares the target with the replica, and prints the differences.
fn conform(
    args: &Conform,
    (target, replica): (&Target, &ReplicaName),
    jobs: usize,
    output: &mut Output,
) -> Result<Census, CliError> {
    let watch = Stopwatch::start();
    let mut workers = workers::workers(target, jobs)?;
    let comparator = Comparator {
        args,
        kind: target.kind(),
        rules: replica.rules(),
        watch: &watch,
        next: AtomicU64::new(0),
        found: Mutex::new(Difference::default()),
    };
    let (progress, of) = (Progress::begin(args.duration), args.duration.is_none().then_some(args.traces));
    std::thread::scope(|scope| {
        let comparator = &comparator;
        let workers: Vec<_> =
            workers.iter_mut().map(|real| scope.spawn(move || comparator.work(real.as_mut()))).collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::park_timeout(PROGRESS_EVERY);
            if let Ok(found) = comparator.found.lock() {
                let Census { traces, different, .. } = found.census;
                let text = progress.done(traces, of, "trace");
                output.progress(format_args!("{target}: {text}; {different} different"));
            }
        }
    });
    let Difference { census, mut differences, failed } =
        comparator.found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(error) = failed {
        return Err(error.into());
    }
    differences.sort_unstable();
    for (number, difference) in differences.iter().take(PRINTED_MAX) {
        output.line(format_args!(
            "trace {number} of seed {}: the replica first, then the real program",
            args.seed
        ));
        output.line(format_args!("  {difference}"));
    }
    output.clear();
    print_census(args, (target, replica), &census, watch.elapsed(), output);
    Ok(census)
}

/// Prints the result of a comparison.
fn print_census(
    args: &Conform,
    (target, replica): (&Target, &ReplicaName),
    census: &Census,
    elapsed: std::time::Duration,
    output: &mut Output,
) {
    output.line(format_args!(
        "{target} and {replica}: {} traces, {} equal to the end, {} equal up to the first use of a freed entry, \
         {} different\n  {} have a reload, a timeout and an exit, {} a fifo script; {} violate a memory law; {} end the real \
         program; {} records compared in {:.1} s",
        census.traces,
        census.whole,
        census.up_to_first_use,
        census.different,
        census.with_all_three,
        census.with_fifo,
        census.with_memory_break,
        census.ended_badly,
        census.records,
        elapsed.as_secs_f64(),
    ));
    if args.cancelling {
        output.line(format_args!("  {} cancel an entry", census.with_cancel));
    }
    output.object(&ConformObject {
        target: target.to_string(),
        replica: replica.to_string(),
        seed: args.seed,
        traces: census.traces,
        equal_to_the_end: census.whole,
        equal_up_to_first_use: census.up_to_first_use,
        different: census.different,
        with_fifo_script: census.with_fifo,
        with_reload_timeout_and_exit: census.with_all_three,
        with_cancelled_entry: census.with_cancel,
        with_memory_break: census.with_memory_break,
        ended_badly: census.ended_badly,
        records: census.records,
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
    });
}
