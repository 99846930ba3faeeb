//! Runs a search on one target for a command: progress, time limit and campaign file; then the pipeline.

use std::collections::BTreeMap;
use std::time::Duration;

use treefall_base::control::Control;
use treefall_model::release::Defect;

use super::CliError;
use super::interrupt::Stopwatch;
use super::output::{Output, count};
use super::progress::ProgressLine;
use super::workers;
use treefall_report::pipeline::{Pipeline, PipelineError, Processed, Progress, Stage};
use treefall_search::campaign::{Campaign, CampaignError};
use treefall_search::hunt::{Failure, Lookout, Plan, Tally, found_again, hunt};
use treefall_search::known::KnownCauses;
use treefall_search::masking::Visibility;
use treefall_subject::Subject;

/// A search on one target.
pub(super) struct SearchJob<'s> {
    pub(super) plan: Plan,
    /// Time limit.
    pub(super) limit: Option<Duration>,
    /// The pipeline for the failures.
    pub(super) pipeline: Pipeline<'s>,
    pub(super) jobs: usize,
    /// The campaign on disk, with the failures of an earlier part.
    pub(super) campaign: Option<Campaign>,
    /// Reports whether the user interrupted the search.
    pub(super) interrupted: &'s (dyn Fn() -> bool + Sync),
}

/// Time between two writes of the campaign file while nothing new is found.
const KEPT_EVERY: Duration = Duration::from_secs(1);

/// Result of a search.
#[derive(Default)]
pub(super) struct Searched {
    pub(super) processed: Processed,
    /// Error that ended the search early, or that prevented a write.
    pub(super) broken_off: Option<CliError>,
    pub(super) tally: Tally,
    /// Time from the start of the search to the end of triage.
    pub(super) elapsed: Duration,
}

/// Records the failures of a hunt, shows its progress, and ends it at its time limit.
struct HuntRecorder<'s> {
    target: String,
    pipeline: Pipeline<'s>,
    failures: Vec<Failure>,
    limit: Option<Duration>,
    /// Traces of the whole search.
    traces_max: Option<u64>,
    /// Traces of an earlier part of the search.
    from: u64,
    watch: &'s Stopwatch,
    interrupted: &'s (dyn Fn() -> bool + Sync),
    campaign: Option<Campaign>,
    /// Time and number of failures at the last write of the campaign file.
    kept: (Duration, usize),
    /// The search ends early.
    stopped: bool,
    output: &'s mut Output,
}

impl HuntRecorder<'_> {
    /// Describes the progress: traces, rate, the most time left.
    fn progress(&self, tally: &Tally) -> String {
        let elapsed = self.watch.elapsed();
        let rate = (tally.traces - self.from) as f64 / elapsed.as_secs_f64().max(1e-3);
        let by_traces = self.traces_max.map(|max| max.saturating_sub(tally.traces) as f64 / rate.max(1e-3));
        let by_time = self.limit.map(|limit| limit.saturating_sub(elapsed).as_secs_f64());
        let left = match (by_traces, by_time) {
            (Some(traces), Some(time)) => Some(traces.min(time)),
            (traces, time) => traces.or(time),
        };
        let left = left.map_or_else(String::new, |left| format!(", {left:.0} s left at most"));
        let (traces, events, failures) = (tally.traces, tally.events, self.failures.len());
        format!("{}: {traces} traces, {rate:.0}/s{left}; {failures} failures, {events} events", self.target)
    }

    /// Writes the campaign file, if that is due.
    fn note(&mut self, tally: &Tally, due: bool) -> Result<(), CampaignError> {
        let elapsed = self.watch.elapsed();
        let due =
            due || self.kept.1 != self.failures.len() || elapsed.saturating_sub(self.kept.0) >= KEPT_EVERY;
        let Some(campaign) = self.campaign.as_mut().filter(|_| due) else { return Ok(()) };
        campaign.tally = *tally;
        campaign.failures = self.failures.iter().map(|failure| failure.number).collect();
        self.kept = (elapsed, self.failures.len());
        campaign.keep(&self.pipeline.store.target_folder(&self.target))
    }
}

impl Lookout for HuntRecorder<'_> {
    type Error = PipelineError;

    fn found(&mut self, failure: Failure) -> Result<(), PipelineError> {
        self.pipeline.keep_as_found(&failure)?;
        self.failures.push(failure);
        Ok(())
    }

    fn keep_going(&mut self, tally: &Tally) -> bool {
        let progress = self.progress(tally);
        self.output.progress(progress);
        let in_time = self.limit.is_none_or(|limit| self.watch.elapsed() < limit);
        self.stopped = !in_time || (self.interrupted)();
        if let Err(error) = self.note(tally, self.stopped) {
            // Failures are stored separately, so the search continues; but it cannot be resumed.
            self.output.note(format_args!(
                "cannot write the progress of the search, so it cannot be resumed: {error}"
            ));
            self.campaign = None;
        }
        !self.stopped
    }
}

/// Searches one target; triages, explains and stores the failures. After an interrupt, the rest is kept as found.
pub(super) fn search(search: SearchJob<'_>, output: &mut Output) -> Result<Searched, CliError> {
    let Pipeline { target, baseline, store, .. } = search.pipeline;
    store.check().map_err(|error| CliError::Usage(error.to_string()))?;
    let watch = Stopwatch::start();
    let mut subjects = workers::workers_beside(target, baseline, search.jobs)?;
    let mut known = KnownCauses::default();
    let failures = match &search.campaign {
        Some(campaign) => {
            found_again(subjects[0].as_mut(), campaign.source(), &campaign.failures, &mut known)?
        }
        None => Vec::new(),
    };
    let mut recorder = HuntRecorder {
        target: target.to_string(),
        pipeline: search.pipeline,
        kept: (Duration::ZERO, failures.len()),
        failures,
        limit: search.limit,
        traces_max: search.plan.traces_max.map(|max| search.plan.shard.length(max)),
        from: search.plan.so_far.traces,
        watch: &watch,
        interrupted: search.interrupted,
        campaign: search.campaign,
        stopped: false,
        output,
    };
    let mut searched = Searched::default();
    match hunt(&mut subjects, search.plan, &mut known, &mut recorder) {
        Ok(tally) => {
            if let Some(campaign) = &mut recorder.campaign {
                campaign.ended = !recorder.stopped;
                campaign.time_over = recorder.stopped && !(recorder.interrupted)();
            }
            searched.broken_off = recorder.note(&tally, true).err().map(CliError::from);
            searched.tally = tally;
        }
        Err(error) if recorder.failures.is_empty() => return Err(error.into()),
        // Failures found until then are on disk, and must be reported.
        Err(error) => {
            searched.processed.as_found = recorder.failures.iter().map(Failure::id).collect();
            searched.broken_off = Some(error.into());
            searched.elapsed = watch.elapsed();
            return Ok(searched);
        }
    }
    let failures = recorder.failures;
    searched.processed = process(&search.pipeline, &mut subjects, &failures, search.interrupted, output);
    if !searched.processed.stored.is_empty()
        && let Err(error) = store.keep_index()
    {
        searched.broken_off.get_or_insert(error.into());
    }
    output.clear();
    searched.elapsed = watch.elapsed();
    Ok(searched)
}

/// Runs the pipeline on the failures and shows its progress.
pub(super) fn process(
    pipeline: &Pipeline<'_>,
    subjects: &mut [Box<dyn Subject>],
    failures: &[Failure],
    interrupted: &(dyn Fn() -> bool + Sync),
    output: &mut Output,
) -> Processed {
    let (target, many, line) = (pipeline.target, failures.len(), ProgressLine::new(output));
    let keep_going = |Progress { stage, place, runs }| {
        line.show(|| {
            let doing = match stage {
                Stage::Triage => "triaging",
                Stage::Explain => "explaining",
            };
            let signature = failures[place].signature();
            format!("{target}: {doing} {} of {many}: {signature}, {}", place + 1, count(runs, "run"))
        });
        !interrupted()
    };
    pipeline.run(subjects, failures, Control::new(&keep_going))
}

/// Searches for the defects of the release that cause no finding; returns what masks them.
pub(super) fn find_masked(
    pipeline: &Pipeline<'_>,
    processed: &mut Processed,
    seed: u64,
    output: &mut Output,
) -> Result<BTreeMap<Defect, Visibility>, CliError> {
    output.progress(format_args!("{}: searching for masked defects", pipeline.target));
    let keep_going = |()| !workers::interrupted();
    Ok(pipeline.look_behind(processed, seed, Control::new(&keep_going))?)
}

#[cfg(test)]
mod tests;
