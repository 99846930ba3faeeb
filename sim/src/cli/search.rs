//! A search on one target as a command runs it: progress, time limit, campaign file; then the pipeline.

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

/// What to search on one target.
pub(super) struct SearchJob<'s> {
    pub(super) plan: Plan,
    /// Stop after so long.
    pub(super) limit: Option<Duration>,
    /// What becomes of the failures.
    pub(super) pipeline: Pipeline<'s>,
    pub(super) jobs: usize,
    /// The campaign that is kept on disk, with what an earlier part of it found.
    pub(super) campaign: Option<Campaign>,
    /// Whether the user interrupted it.
    pub(super) interrupted: &'s (dyn Fn() -> bool + Sync),
}

/// How often a search that finds nothing new writes its progress to the campaign file.
const KEPT_EVERY: Duration = Duration::from_secs(1);

/// What a search came to.
#[derive(Default)]
pub(super) struct Searched {
    pub(super) processed: Processed,
    /// Why the search ended early, or what could not be written.
    pub(super) broken_off: Option<CliError>,
    pub(super) tally: Tally,
    /// From the start of the search until all failures were worked out.
    pub(super) elapsed: Duration,
}

/// Keeps what a hunt finds, shows its progress, and ends it when its time is over.
struct Keeper<'s> {
    target: String,
    pipeline: Pipeline<'s>,
    failures: Vec<Failure>,
    limit: Option<Duration>,
    /// Traces of the whole search.
    traces_max: Option<u64>,
    /// Traces that an earlier part of the search did.
    from: u64,
    watch: &'s Stopwatch,
    interrupted: &'s (dyn Fn() -> bool + Sync),
    campaign: Option<Campaign>,
    /// The campaign was last kept then, with so many failures.
    kept: (Duration, usize),
    /// The search ends before its end.
    stopped: bool,
    output: &'s mut Output,
}

impl Keeper<'_> {
    /// The progress of the search: traces, rate, the time left at most.
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

    /// Writes the progress to the campaign file, if that is due.
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

impl Lookout for Keeper<'_> {
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
            // What is found is kept by itself: the search goes on, but could not be gone on with.
            self.output.note(format_args!("how far the search is cannot be kept: {error}"));
            self.campaign = None;
        }
        !self.stopped
    }
}

/// Searches one target; triages, explains and keeps what is found. Once interrupted, the rest stays as it was found.
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
    let mut keeper = Keeper {
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
    match hunt(&mut subjects, search.plan, &mut known, &mut keeper) {
        Ok(tally) => {
            if let Some(campaign) = &mut keeper.campaign {
                campaign.ended = !keeper.stopped;
                campaign.time_over = keeper.stopped && !(keeper.interrupted)();
            }
            searched.broken_off = keeper.note(&tally, true).err().map(CliError::from);
            searched.tally = tally;
        }
        Err(error) if keeper.failures.is_empty() => return Err(error.into()),
        // What it found until then is on disk, and must be reported.
        Err(error) => {
            searched.processed.as_found = keeper.failures.iter().map(Failure::id).collect();
            searched.broken_off = Some(error.into());
            searched.elapsed = watch.elapsed();
            return Ok(searched);
        }
    }
    let failures = keeper.failures;
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
                Stage::Triage => "working out",
                Stage::Explain => "explaining",
            };
            let signature = failures[place].signature();
            format!("{target}: {doing} {} of {many}: {signature}, {}", place + 1, count(runs, "run"))
        });
        !interrupted()
    };
    pipeline.run(subjects, failures, Control::new(&keep_going))
}

/// Looks for the defects of the target's release that lead no finding; returns where the others hide.
pub(super) fn look_behind(
    pipeline: &Pipeline<'_>,
    processed: &mut Processed,
    seed: u64,
    output: &mut Output,
) -> Result<BTreeMap<Defect, Visibility>, CliError> {
    output.progress(format_args!("{}: looking for what others hide", pipeline.target));
    let keep_going = |()| !workers::interrupted();
    Ok(pipeline.look_behind(processed, seed, Control::new(&keep_going))?)
}

#[cfg(test)]
mod tests;
