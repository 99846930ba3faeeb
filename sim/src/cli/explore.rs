//! `treefall explore`: runs all traces of an alphabet up to a bound, and certifies which laws they violate.

mod objects;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use treefall_model::law::Law;
use treefall_model::trace::Trace;

use super::args::Explore;
use super::as_found::{AsFoundObject, print_failed};
use super::certificate::{ALPHABET, Certificate, kind, text};
use super::interrupt::Stopwatch;
use super::lines::JsonLine;
use super::output::{Output, count};
use super::search::process;
use super::workers;
use super::workers::release_of;
use super::{CliError, Status, Summary};
use objects::{FoundObject, TargetSummary};
use treefall_base::files::write_whole;
use treefall_report::Store;
use treefall_report::json::UpstreamObject;
use treefall_report::pipeline::Pipeline;
use treefall_report::provenance::FoundBy;
use treefall_scenario::{self as scenario, Scenario};
use treefall_search::explore::checkpoint::{self, Checkpoint, CheckpointError};
use treefall_search::explore::{Bound, Explorer, FoundTrace, KINDS, Progress, Space, Standing};
use treefall_search::hunt::Failure;
use treefall_search::triage::Finding;
use treefall_subject::target::Target;
use treefall_subject::{Options, Subject, build};

/// Time between progress updates.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// Time of the first checkpoint: early, so that a search that is killed can be resumed.
const KEPT_FIRST: Duration = Duration::from_millis(500);
/// Shortest time between two checkpoints. The time of the last write, times `KEPT_SHARE`, is a second minimum.
const KEPT_EVERY: Duration = Duration::from_secs(5);
const KEPT_SHARE: u32 = 20;
/// Name of the checkpoint in the target's folder.
const CHECKPOINT: &str = "explore.checkpoint";
/// Name of the certificate in the target's folder.
const CERTIFICATE: &str = "certificate.txt";

/// A search on one target.
struct ExploreJob<'a> {
    args: &'a Explore,
    target: &'a Target,
    store: &'a Store,
    folder: PathBuf,
    jobs: usize,
    /// The triage of a failure failed.
    failed: Cell<bool>,
}

/// How a search ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SearchEnd {
    Whole(Standing),
    Stopped(&'static str),
}

/// Lines of `--json`.
pub(super) const LINES: [JsonLine; 4] = [
    JsonLine::of::<FoundObject>("a signature"),
    JsonLine::of::<AsFoundObject>("a failure that is kept as found"),
    JsonLine::of::<Certificate>("a certificate"),
    JsonLine::of::<Summary<Vec<TargetSummary>>>("summary"),
];

pub(super) fn run(args: &Explore, jobs: usize, output: &mut Output) -> Result<Status, CliError> {
    let names =
        if args.targets.is_empty() { vec!["replica:mended".to_owned()] } else { args.targets.clone() };
    let store = Store::new(args.resume.as_deref().unwrap_or(&args.out));
    store.check().map_err(|error| CliError::Usage(error.to_string()))?;
    let targets = workers::driven(&names, args.driven, output)?;
    let _lock = workers::lock(args.resume.as_deref().unwrap_or(&args.out), output)?;
    if args.resume.is_none() {
        let folders = targets.iter().map(|target| store.target_folder(&target.to_string()));
        for path in folders.map(|folder| folder.join(CHECKPOINT)) {
            checkpoint::may_begin(&path, args.overwrite).map_err(|error| in_the_way(args, &path, &error))?;
        }
    }
    let mut status = Status::Good;
    let mut summary = Vec::new();
    for target in &targets {
        let folder = store.target_folder(&target.to_string());
        let search = ExploreJob { args, target, store: &store, folder, jobs, failed: Cell::new(false) };
        let (certificate, stopped) = search.run(output)?;
        if !certificate.complete || certificate.signatures > 0 || certificate.different > 0 {
            status = status.max(Status::Failure);
        }
        if search.failed.get() {
            status = Status::Harness;
        }
        summary.push(TargetSummary {
            target: target.to_string(),
            complete: certificate.complete,
            closed: certificate.closed,
            signatures: certificate.signatures,
            states: certificate.states,
            transitions: certificate.transitions,
            elapsed_ms: certificate.elapsed_ms,
        });
        if stopped && workers::interrupted() {
            break;
        }
    }
    output.conclude(&summary);
    Ok(status)
}

/// Refuses to overwrite a checkpoint, or a file that is in its place.
fn in_the_way(args: &Explore, path: &Path, error: &CheckpointError) -> CliError {
    let remedy = match error {
        CheckpointError::Unfinished { target } => format!(
            "`treefall explore --target {target} --resume {}` continues it, another folder (`--out DIR`) leaves it \
             unchanged, `--overwrite` starts again in its place",
            args.out.display()
        ),
        _ => "move it away, or name another folder with `--out`".to_owned(),
    };
    CliError::Usage(format!("{}: {error}: {remedy}", path.display()))
}

/// Returns the requested bound; the default has fewer wakes with more scripts.
fn requested_bound(args: &Explore) -> Bound {
    let wakes = args.wakes.unwrap_or(match args.scripts {
        1 => 12,
        2 => 8,
        _ => 4,
    });
    Bound { scripts: args.scripts, kinds: args.kinds, wakes, living: args.living }
}

impl ExploreJob<'_> {
    fn checkpoint(&self) -> PathBuf {
        self.folder.join(CHECKPOINT)
    }

    fn run(&self, output: &mut Output) -> Result<(Certificate, bool), CliError> {
        if matches!(self.target, Target::Daemon(_)) {
            return Err(CliError::Usage(format!(
                "{} is too slow to run all traces; explore its scheduler (`engine:PATH`) or a replica",
                self.target
            )));
        }
        let read = self.args.resume.is_some().then(|| self.read()).transpose()?;
        let bound = read.as_ref().map_or_else(|| requested_bound(self.args), |read| read.header.bound());
        let workers = match self.target {
            Target::Engine(_) => workers::workers(self.target, self.jobs)?,
            _ => Vec::new(),
        };
        let rules = match workers.first() {
            Some(subject) => subject.rules(),
            None => build(self.target)?.rules(),
        };
        let space = Space::new(rules, bound).map_err(|error| CliError::Usage(error.to_string()))?;
        let bytes = self.args.memory << 20;
        let mut explorer = match read {
            None => Explorer::new(&space, self.jobs, bytes),
            Some(read) => read.resume(&space, self.jobs, bytes).map_err(|error| self.unread(&error))?,
        };
        if !workers.is_empty() {
            explorer = explorer.beside(workers);
        }
        let watch = Stopwatch::start();
        let before = explorer.progress();
        let ended = self.search(&mut explorer, &watch, output)?;
        let steps = explorer.progress().transitions - before.transitions;
        let rate = steps as f64 / watch.elapsed().as_secs_f64().max(1e-6);
        let certificate = self.conclude(&explorer, &space, ended, (&watch, rate as u64), output)?;
        Ok((certificate, matches!(ended, SearchEnd::Stopped(_))))
    }

    fn read(&self) -> Result<Checkpoint, CliError> {
        let read = checkpoint::read(&self.checkpoint()).map_err(|error| self.unread(&error))?;
        if read.header.target != self.target.to_string() {
            return Err(self.unread(&CheckpointError::Other));
        }
        Ok(read)
    }

    fn unread(&self, error: &CheckpointError) -> CliError {
        let path = self.checkpoint();
        let hint = match error {
            CheckpointError::File(_) => {
                "; a search writes a checkpoint while it runs and when it is stopped; name the folder that \
                 it had as `--out`, and its target"
            }
            _ => "",
        };
        CliError::Usage(format!("cannot resume from {}: {error}{hint}", path.display()))
    }

    /// Searches round after round, to the end or until it is stopped.
    fn search(
        &self,
        explorer: &mut Explorer<'_>,
        watch: &Stopwatch,
        output: &mut Output,
    ) -> Result<SearchEnd, CliError> {
        let (mut shown_at, mut keep_at) = (Duration::ZERO, KEPT_FIRST);
        let before = explorer.progress();
        let mut found = 0;
        loop {
            let standing = explorer.round()?;
            if explorer.progress().found != found {
                found = explorer.progress().found;
                self.keep_found(explorer)?;
            }
            let now = watch.elapsed();
            if now >= shown_at + PROGRESS_EVERY {
                shown_at = now;
                output.progress(self.progress_text(&before, &explorer.progress(), now));
            }
            match standing {
                Standing::UnderWay => {}
                Standing::MemoryFull => {
                    return self.stopped(explorer, "its states reached the memory limit");
                }
                whole => return Ok(SearchEnd::Whole(whole)),
            }
            if workers::interrupted() {
                return self.stopped(explorer, "it was interrupted");
            }
            if self.args.duration.is_some_and(|limit| now >= limit) {
                return self.stopped(explorer, "its time limit was reached");
            }
            if now >= keep_at {
                self.keep(explorer)?;
                let kept = watch.elapsed();
                keep_at = kept + KEPT_EVERY.max(kept.saturating_sub(now) * KEPT_SHARE);
            }
        }
    }

    fn stopped(&self, explorer: &Explorer<'_>, why: &'static str) -> Result<SearchEnd, CliError> {
        self.keep(explorer)?;
        Ok(SearchEnd::Stopped(why))
    }

    fn keep(&self, explorer: &Explorer<'_>) -> Result<(), CliError> {
        let path = self.checkpoint();
        checkpoint::write(&path, &self.target.to_string(), explorer).map_err(|error| {
            CliError::Harness(format!(
                "cannot write {}: {error}; name a folder that can be written: `--out DIR`",
                path.display()
            ))
        })
    }

    /// Describes the progress, and the time left for this depth.
    fn progress_text(&self, before: &Progress, now: &Progress, elapsed: Duration) -> String {
        let rate = (now.transitions - before.transitions) as f64 / elapsed.as_secs_f64().max(1e-3);
        let (done, all) = now.of_depth;
        let ways = now.transitions as f64 / (now.states - (all - done)).max(1) as f64;
        let left = (all - done) as f64 * ways / rate.max(1.0);
        format!(
            "{}: {} done, of the next {done} of {all} states, {} states in {} MiB, {} found, {rate:.0} steps/s, this \
             depth about {left:.0} s more",
            self.target,
            count(now.depth as u64, "wake"),
            now.states,
            now.bytes >> 20,
            now.found,
        )
    }

    const fn pipeline(&self) -> Pipeline<'_> {
        // The search itself ran all smaller traces.
        let build_up_max = 0;
        Pipeline {
            target: self.target,
            baseline: None,
            by: FoundBy::Explore,
            store: self.store,
            build_up_max,
        }
    }

    /// Converts a found trace into a failure for the pipeline.
    fn failure(&self, subject: &mut dyn Subject, found: &FoundTrace) -> Result<Failure, CliError> {
        let verdict = subject.run_one(&found.trace, Options::VERDICT)?.verdict;
        let Some(broken) = verdict.violation(found.signature).cloned() else {
            return Err(CliError::Harness(format!(
                "{} does not show {} when it is run again; this is a fault of treefall: please report it",
                self.target, found.signature
            )));
        };
        Ok(Failure::new(0, found.trace.clone(), broken, verdict).with_cause(subject))
    }

    /// Stores the found traces before the search continues.
    fn keep_found(&self, explorer: &Explorer<'_>) -> Result<(), CliError> {
        let mut subject = build(self.target)?;
        for found in explorer.found() {
            let failure = self.failure(subject.as_mut(), &found)?;
            self.pipeline().keep_as_found(&failure)?;
        }
        Ok(())
    }

    /// Triages, explains and stores one failure; `None`: the triage was interrupted, or it failed.
    fn triage(
        &self,
        found: Vec<FoundTrace>,
        output: &mut Output,
    ) -> Result<Vec<(FoundTrace, Option<Finding>)>, CliError> {
        let mut subjects = workers::workers(self.target, self.jobs)?;
        let failures = found.iter().map(|found| self.failure(subjects[0].as_mut(), found));
        let failures = failures.collect::<Result<Vec<_>, _>>()?;
        let processed = process(&self.pipeline(), &mut subjects, &failures, &workers::interrupted, output);
        if print_failed(self.target, &processed.failed, self.store, output) != Status::Good {
            self.failed.set(true);
        }
        let finding = |found: FoundTrace| {
            let finding = processed.findings().find(|finding| finding.signature() == found.signature);
            (found, finding.cloned())
        };
        Ok(found.into_iter().map(finding).collect())
    }

    fn conclude(
        &self,
        explorer: &Explorer<'_>,
        space: &Space,
        ended: SearchEnd,
        (watch, rate): (&Stopwatch, u64),
        output: &mut Output,
    ) -> Result<Certificate, CliError> {
        let release = release_of(self.target)?;
        let findings = self.triage(explorer.found(), output)?;
        for (found, finding) in &findings {
            if let Some(finding) = finding {
                output.object(&self.object(found, finding, &release));
            }
        }
        let mut certificate = self.certificate(explorer, space, ended, release);
        certificate.kept_as_found = findings.iter().filter(|(_, finding)| finding.is_none()).count();
        (certificate.transitions_per_second, certificate.elapsed_ms) =
            (rate, u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX));
        let text = text(&certificate, space, &findings);
        if certificate.complete {
            let path = self.folder.join(CERTIFICATE);
            let failed = |error| CliError::Harness(format!("cannot write {}: {error}", path.display()));
            std::fs::create_dir_all(&self.folder).map_err(failed)?;
            write_whole(&path, &text).map_err(failed)?;
            certificate.certificate = Some(path.display().to_string());
            // A complete search needs no checkpoint. It is no error if there is none.
            let _ = std::fs::remove_file(self.checkpoint());
        } else {
            certificate.checkpoint = Some(self.checkpoint().display().to_string());
        }
        output.clear();
        output.object(&certificate);
        output.line(text.trim_end());
        for trace in explorer.differ_at() {
            output.line(format_args!("{} differs from its replica:\n{}", self.target, self.plain(trace)));
        }
        output.note(format_args!(
            "{} transitions/s{}",
            certificate.transitions_per_second,
            if certificate.replays > 0 { ", each a replay on the real program" } else { "" }
        ));
        if let SearchEnd::Stopped(why) = ended {
            let folder = self.args.resume.as_deref().unwrap_or(&self.args.out);
            output.error(&format!("stopped before all traces were run: {why}"));
            output.note(format_args!(
                "`treefall explore --target {} --resume {}` continues from there",
                self.target,
                folder.display()
            ));
        }
        output.note(format_args!("stored in {}", self.folder.display()));
        Ok(certificate)
    }

    fn plain(&self, trace: &Trace) -> String {
        scenario::write(&Scenario::new("differs", trace.clone()))
    }

    fn object(&self, found: &FoundTrace, finding: &Finding, release: &str) -> FoundObject {
        let defects = finding.cause.defects();
        let folder = self.store.folder(&finding.target, finding.id());
        let file = |name: &str| folder.join(name).display().to_string();
        FoundObject {
            target: finding.target.clone(),
            release: release.to_owned(),
            law: found.signature.law.name(),
            signature: found.signature.to_string(),
            outcome: finding.verdict.outcome.to_string(),
            defect: defects.first().map(|defect| defect.name()),
            defects: defects.iter().map(|defect| defect.name()).collect(),
            leading: finding.cause.leading().map(|defect| defect.name()),
            also_required: finding.cause.also_required().iter().map(|it| it.name()).collect(),
            together: finding.cause.is_together(),
            mended_by: defects.first().and_then(|defect| defect.row().mended_by),
            upstream: UpstreamObject::all(defects.iter().copied()),
            wakes_found: found.wakes,
            wakes_minimal: finding.trace.wakes().len(),
            confirmed: finding.confirmed,
            digest: format!("{:032x}", finding.digest),
            found: file("found.toml"),
            scenario: file("minimal.toml"),
            report: file("report.txt"),
        }
    }

    fn certificate(
        &self,
        explorer: &Explorer<'_>,
        space: &Space,
        ended: SearchEnd,
        release: String,
    ) -> Certificate {
        let (bound, progress) = (space.bound(), explorer.progress());
        let complete = matches!(ended, SearchEnd::Whole(_)) && progress.different == 0;
        Certificate {
            target: self.target.to_string(),
            release,
            scripts: bound.scripts,
            kinds: KINDS.iter().take(usize::from(bound.kinds)).map(kind).collect(),
            setups: bound.setups(),
            wakes: bound.wakes,
            living: bound.living,
            alphabet: ALPHABET,
            laws: Law::ALL.map(Law::name).to_vec(),
            complete,
            closed: complete && ended == SearchEnd::Whole(Standing::Closed) && progress.replays == 0,
            replica_closed: complete && ended == SearchEnd::Whole(Standing::Closed),
            stopped: match ended {
                SearchEnd::Stopped(why) => Some(why),
                SearchEnd::Whole(_) => None,
            },
            wakes_done: progress.depth,
            traces: explorer.traces().map(|traces| traces.to_string()),
            states: progress.states,
            transitions: progress.transitions,
            cut: progress.cut,
            replays: progress.replays,
            different: progress.different,
            memory_bytes: progress.bytes,
            signatures: progress.found,
            kept_as_found: 0,
            transitions_per_second: 0,
            elapsed_ms: 0,
            certificate: None,
            checkpoint: None,
        }
    }
}
