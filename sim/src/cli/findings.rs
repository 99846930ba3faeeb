//! A search with everything that belongs to it: finds kept before they are shrunk, worked out, reported.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use treefall_model::release::Defect;
use treefall_model::trace::{ScriptKind, Trace};
use treefall_model::verdict::{Signature, Verdict};

use super::crew;
pub(super) use super::interrupt::Stopwatch;
use super::objects::AsFoundObject;
use super::output::{Output, count, quoted};
use super::pace::Teller;
use super::{CliError, Status};
use treefall_report::explain::{Explanation, explain_soon, explain_soon_while};
use treefall_report::{self as report, Report, Store};
use treefall_scenario::{self as scenario, About, Expectation, Expectations, Provenance, Scenario, Whom};
use treefall_search::campaign::{Campaign, CampaignError};
use treefall_search::finding::{Finding, work_out_as_it_is, work_out_each_while};
use treefall_search::generator::{self, Sampling, Source};
use treefall_search::hidden::{self, Hidden};
use treefall_search::hunt::{Find, Lookout, Plan, Tally, found_again, hunt};
use treefall_search::triage::{FindingId, Known};
use treefall_subject::baseline::build_beside;
use treefall_subject::target::{Base, ReplicaName, Target};
use treefall_subject::{Options, Subject, SubjectError, build};

/// What to search on one target.
pub(super) struct Search<'s> {
    pub(super) target: &'s Target,
    pub(super) plan: Plan,
    /// Stop after so long.
    pub(super) limit: Option<Duration>,
    /// What it breaks too, in the same trace at the same place, is not reported.
    pub(super) baseline: Option<&'s Target>,
    pub(super) store: &'s Store,
    pub(super) jobs: usize,
    /// Most runs in building up what is smaller than a shrunk find.
    pub(super) build_up_max: u64,
    /// Kept on disk as the search goes on, so that it can be gone on with; with what an earlier one found.
    pub(super) campaign: Option<Campaign>,
    /// Whether the word to stop came.
    pub(super) told_to_stop: &'s (dyn Fn() -> bool + Sync),
}

/// How often a search that finds nothing new writes down how far it is.
const KEPT_EVERY: Duration = Duration::from_secs(1);

/// What came of it.
#[derive(Default)]
pub(super) struct Searched {
    pub(super) findings: Vec<Finding>,
    /// The text of each finding's report, as far as it is printed.
    pub(super) reports: Vec<String>,
    /// Finds that were not worked out when the word to stop came, or that could not be; each is kept as it was found.
    pub(super) as_found: Vec<FindingId>,
    /// What went wrong with a find; it is kept all the same.
    pub(super) failed: Vec<(FindingId, String)>,
    /// Why the search ended before its end, or what of it could not be kept, with what it had found until then.
    pub(super) broken_off: Option<CliError>,
    pub(super) tally: Tally,
    /// From the start of the search until all finds were worked out.
    pub(super) elapsed: Duration,
}

struct Keeper<'s> {
    target: String,
    named: &'s Target,
    source: Source,
    store: &'s Store,
    finds: Vec<Find>,
    limit: Option<Duration>,
    /// Traces of the whole search, and those that an earlier part of it did.
    traces_max: Option<u64>,
    from: u64,
    watch: &'s Stopwatch,
    told_to_stop: &'s (dyn Fn() -> bool + Sync),
    campaign: Option<Campaign>,
    /// The campaign was last kept then, with so many finds.
    kept: (Duration, usize),
    /// The search ends before its end.
    stopped: bool,
    output: &'s mut Output,
}

impl Keeper<'_> {
    /// How far the search is, how fast, and for how long it will go on at most.
    fn told(&self, tally: &Tally) -> String {
        let elapsed = self.watch.elapsed();
        let rate = (tally.traces - self.from) as f64 / elapsed.as_secs_f64().max(1e-3);
        let by_traces = self.traces_max.map(|max| max.saturating_sub(tally.traces) as f64 / rate.max(1e-3));
        let by_time = self.limit.map(|limit| limit.saturating_sub(elapsed).as_secs_f64());
        let left = match (by_traces, by_time) {
            (Some(traces), Some(time)) => Some(traces.min(time)),
            (traces, time) => traces.or(time),
        };
        let left = left.map_or_else(String::new, |left| format!(", {left:.0} s left at most"));
        let (traces, events, finds) = (tally.traces, tally.events, self.finds.len());
        format!("{}: {traces} traces, {rate:.0}/s{left}; {finds} finds, {events} events", self.target)
    }

    /// Writes down how far the search is, if that is due.
    fn note(&mut self, tally: &Tally, due: bool) -> Result<(), CampaignError> {
        let elapsed = self.watch.elapsed();
        let due = due || self.kept.1 != self.finds.len() || elapsed.saturating_sub(self.kept.0) >= KEPT_EVERY;
        let Some(campaign) = self.campaign.as_mut().filter(|_| due) else { return Ok(()) };
        campaign.tally = *tally;
        campaign.finds = self.finds.iter().map(|find| find.number).collect();
        self.kept = (elapsed, self.finds.len());
        campaign.keep(&self.store.target_folder(&self.target))
    }
}

impl Lookout for Keeper<'_> {
    fn found(&mut self, find: Find) -> Result<(), SubjectError> {
        let title = format!("{} on {}, as found", find.signature(), self.target);
        let origin = Origin { find: &find, target: self.named, by: FoundBy::Hunt(self.source) };
        let found = scenario_of(&title, &origin, find.signature(), find.trace.clone(), &find.verdict);
        self.store.keep_found(&self.target, find.id(), &scenario::write(&found))?;
        self.finds.push(find);
        Ok(())
    }

    fn go_on(&mut self, tally: &Tally) -> bool {
        let told = self.told(tally);
        self.output.progress(told);
        let in_time = self.limit.is_none_or(|limit| self.watch.elapsed() < limit);
        self.stopped = !in_time || (self.told_to_stop)();
        if let Err(error) = self.note(tally, self.stopped) {
            // What is found is kept by itself: the search goes on, but could not be gone on with.
            self.output.note(format_args!("how far the search is cannot be kept: {error}"));
            self.campaign = None;
        }
        !self.stopped
    }
}

/// Where a find comes from.
pub(super) struct Origin<'f> {
    pub(super) find: &'f Find,
    pub(super) target: &'f Target,
    pub(super) by: FoundBy,
}

/// What found it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FoundBy {
    /// A trace of the generator, from there.
    Hunt(Source),
    /// A life of a soak of this seed, from which it was cut.
    Soak(u64),
    /// A file of the fuzzer's.
    Fuzzer,
}

impl FoundBy {
    fn seed(self) -> Option<u64> {
        match self {
            Self::Hunt(source) => Some(source.seed),
            Self::Soak(seed) => Some(seed),
            Self::Fuzzer => None,
        }
    }

    /// The find of this number, in words.
    fn told(self, number: u64) -> String {
        match self {
            Self::Hunt(source) => format!("trace {number} of {source}"),
            Self::Soak(seed) => format!("life {number} of seed {seed}"),
            Self::Fuzzer => "a file of the fuzzer's".to_owned(),
        }
    }

    fn command(self) -> String {
        match self {
            Self::Hunt(Source { sampling, cancelling, guarded, .. }) => {
                let by = match sampling {
                    Sampling::Swarm => String::new(),
                    other => format!(" --sampling {other}"),
                };
                let cancelling = if cancelling { " --cancelling" } else { "" };
                format!("treefall hunt{by}{cancelling}{}", if guarded { " --guarded" } else { "" })
            }
            Self::Soak(_) => "treefall soak".to_owned(),
            Self::Fuzzer => "cargo fuzz".to_owned(),
        }
    }
}

/// A find as a scenario: what its release showed is what it is expected to show when it is replayed.
pub(super) fn scenario_of(
    title: &str,
    origin: &Origin<'_>,
    signature: Signature,
    trace: Trace,
    verdict: &Verdict,
) -> Scenario {
    let mut scenario = Scenario::new(title, trace);
    scenario.about = about(origin.target, signature, verdict);
    let row = whom(origin.target).map(|whom| (whom, Expectation::exactly(verdict)));
    // One row contradicts no other.
    scenario.expect = Expectations::new(row).unwrap_or_default();
    let hunted = matches!(origin.by, FoundBy::Hunt(_));
    scenario.provenance = Provenance {
        seed: origin.by.seed(),
        trace: origin.by.seed().map(|_| origin.find.number),
        generator: hunted.then_some(u64::from(generator::VERSION)),
        found_by: Some(origin.by.command()),
        found_on: Some(origin.target.to_string()),
    };
    scenario
}

/// What a scenario of this signature is about, where that is not told by what broke last anyhow.
pub(super) fn about(target: &Target, signature: Signature, verdict: &Verdict) -> Option<About> {
    let last = verdict.breaks.last().map(|broken| broken.signature.law);
    let Whom::Releases { first: Some(release), .. } = whom(target).filter(|_| last != Some(signature.law))?
    else {
        return None;
    };
    Some(About { release, law: Some(signature.law) })
}

/// The release that an expectation about a target speaks of; a replica with changed defects is of none.
pub(super) fn whom(target: &Target) -> Option<Whom> {
    let only = |release| Whom::Releases { first: Some(release), last: Some(release) };
    match target {
        Target::Replica(ReplicaName { with, without, .. }) if !with.is_empty() || !without.is_empty() => None,
        Target::Replica(ReplicaName { base: Base::Mended, .. }) => Some(Whom::Mended),
        Target::Replica(ReplicaName { base: Base::Release(release), .. }) => Some(only(*release)),
        Target::Engine(place) | Target::Daemon(place) | Target::Configured(place, _) => {
            let program = place.open();
            program.ok().map(|program| only(program.release()))
        }
    }
}

/// Searches one target, and works out and keeps what is found. At the word to stop what is not worked out yet stays as
/// it was found.
pub(super) fn search(search: Search<'_>, output: &mut Output) -> Result<Searched, CliError> {
    search.store.check().map_err(|error| CliError::Usage(error.to_string()))?;
    let watch = Stopwatch::start();
    let target = search.target.to_string();
    let mut subjects = crew::crew_beside(search.target, search.baseline, search.jobs)?;
    let mut known = Known::default();
    let finds = match &search.campaign {
        Some(campaign) => found_again(subjects[0].as_mut(), campaign.source(), &campaign.finds, &mut known)?,
        None => Vec::new(),
    };
    let mut keeper = Keeper {
        target: target.clone(),
        named: search.target,
        source: search.plan.source,
        store: search.store,
        kept: (Duration::ZERO, finds.len()),
        finds,
        limit: search.limit,
        traces_max: search.plan.traces_max.map(|max| search.plan.shard.length(max)),
        from: search.plan.so_far.traces,
        watch: &watch,
        told_to_stop: search.told_to_stop,
        campaign: search.campaign,
        stopped: false,
        output,
    };
    let mut searched = Searched::default();
    match hunt(&mut subjects, search.plan, &mut known, &mut keeper) {
        Ok(tally) => {
            if let Some(campaign) = &mut keeper.campaign {
                campaign.ended = !keeper.stopped;
                campaign.time_over = keeper.stopped && !(keeper.told_to_stop)();
            }
            searched.broken_off = keeper.note(&tally, true).err().map(CliError::from);
            searched.tally = tally;
        }
        Err(error) if keeper.finds.is_empty() => return Err(error.into()),
        // What it found until then is on disk, and must be told.
        Err(error) => {
            searched.as_found = keeper.finds.iter().map(Find::id).collect();
            searched.broken_off = Some(error.into());
            searched.elapsed = watch.elapsed();
            return Ok(searched);
        }
    }
    let finds = keeper.finds;
    let works = Works {
        target: search.target,
        baseline: search.baseline,
        finds: &finds,
        told_to_stop: search.told_to_stop,
    };
    let worked = works.out(&mut subjects, search.build_up_max, output);
    let by = FoundBy::Hunt(search.plan.source);
    let whole = worked.iter().all(|worked| matches!(worked, Ok(Some(_))));
    for (find, worked) in finds.iter().zip(worked) {
        // Two finds that came to one cause in their smallest traces are one finding: the first.
        if let Ok(Some((finding, _))) = &worked
            && searched.findings.iter().any(|other| other.id() == finding.id())
        {
            continue;
        }
        let kept = worked.map_err(CliError::from).and_then(|worked| {
            let Some((finding, explanation)) = worked else { return Ok(None) };
            let report = keep_on(by, &finding, &explanation, search.store, search.baseline)?;
            // Which of several finds a signature slipped from is told by the first: only who has all can say.
            if whole {
                keep_slipped(subjects[0].as_mut(), by, &finding, search.store)?;
            }
            Ok(Some((finding, report)))
        });
        match kept {
            Ok(Some((finding, report))) => {
                searched.findings.push(finding);
                searched.reports.push(report);
            }
            Ok(None) => searched.as_found.push(find.id()),
            Err(error) => {
                searched.as_found.push(find.id());
                searched.failed.push((find.id(), error.plain()));
            }
        }
    }
    if !searched.findings.is_empty()
        && let Err(error) = search.store.keep_index()
    {
        searched.broken_off.get_or_insert(error.into());
    }
    output.clear();
    searched.elapsed = watch.elapsed();
    Ok(searched)
}

/// Finds that are worked out.
struct Works<'w> {
    target: &'w Target,
    baseline: Option<&'w Target>,
    finds: &'w [Find],
    told_to_stop: &'w (dyn Fn() -> bool + Sync),
}

impl Works<'_> {
    /// Each with its explanation; none, where the word to stop came first; an error, where it cannot be worked out.
    fn out(
        &self,
        subjects: &mut [Box<dyn Subject>],
        build_up_max: u64,
        output: &mut Output,
    ) -> Vec<Result<Option<(Finding, Explanation)>, SubjectError>> {
        let (target, many, teller) = (self.target, self.finds.len(), Teller::new(output));
        let go_on = |doing: &str, place: usize, signature: Signature, runs: u64| {
            teller.tell(|| {
                let runs = count(runs, "run");
                format!("{target}: {doing} {} of {many}: {signature}, {runs}", place + 1)
            });
            !(self.told_to_stop)()
        };
        let explain = |subject: &mut dyn Subject, finding: Finding| {
            let (signature, number) = (finding.signature(), finding.find.number);
            let is_it = |find: &Find| (find.signature(), find.number) == (signature, number);
            let place = self.finds.iter().position(is_it).unwrap_or(0);
            let go_on = |runs| go_on("explaining", place, signature, runs);
            let explanation = explain_soon_while(&finding, subject, &go_on)?;
            Ok((finding, explanation))
        };
        let go_on = |place: usize, runs| go_on("working out", place, self.finds[place].signature(), runs);
        let fresh = || build_beside(target, self.baseline);
        work_out_each_while(subjects, &fresh, self.finds, build_up_max, &go_on, &explain)
    }
}

/// The command that replays a finding.
pub(super) fn replay_command(target: &str, scenario: &Path) -> String {
    let (file, target) = (quoted(&scenario.display().to_string()), quoted(target));
    format!("treefall replay {file} --target {target} --history")
}

/// Writes the smallest trace and the report, and what slipped while shrinking; the part of the report that is printed.
pub(super) fn keep(by: FoundBy, finding: &Finding, store: &Store) -> Result<String, CliError> {
    let mut subject = build(&one_target(finding)?)?;
    let explanation = explain_soon(finding, subject.as_mut())?;
    let report = keep_on(by, finding, &explanation, store, None)?;
    keep_slipped(subject.as_mut(), by, finding, store)?;
    Ok(report)
}

/// Looks for the defects of the target's release that lead no finding. What shows after all is worked out and kept
/// beside the other findings; where the others hide is the answer.
pub(super) fn look_behind(
    target: &Target,
    source: Source,
    searched: &mut Searched,
    store: &Store,
) -> Result<BTreeMap<Defect, Hidden>, CliError> {
    let mut subject = build(target)?;
    let behind = hidden::look_behind(subject.rules(), &searched.findings, source.seed, &crew::told_to_stop);
    let mut hidden = behind.hidden;
    let swarm = Source::swarm(source.seed);
    for (defect, find) in behind.shown {
        if crew::told_to_stop() {
            break;
        }
        // It was seen on the replica of the release, and a daemon cannot be given every trace.
        if !subject.takes(&find.trace) {
            hidden.insert(defect, Hidden::NotSeen);
            continue;
        }
        let verdict = subject.run_one(&find.trace, Options::VERDICT)?.verdict;
        if !verdict.shows(find.signature()) {
            hidden.insert(defect, Hidden::NotSeen);
            continue;
        }
        let mut finding = work_out_as_it_is(subject.as_mut(), &|| build(target), &find)?;
        if searched.findings.iter().any(|other| other.id() == finding.id()) {
            if searched.findings.iter().any(|other| other.cause.defects().contains(&defect)) {
                continue;
            }
            finding.cause = finding.cause.led_by(defect);
        }
        // It is told already that this one cannot be kept.
        if searched.failed.iter().any(|(failed, _)| *failed == finding.id()) {
            continue;
        }
        let cancels = find.trace.setup().has_kind(ScriptKind::Cancelling);
        let by = FoundBy::Hunt(if cancels { swarm.cancelling() } else { swarm });
        match keep(by, &finding, store) {
            Ok(report) => {
                searched.reports.push(report);
                searched.findings.push(finding);
            }
            Err(error) => {
                searched.as_found.push(finding.id());
                searched.failed.push((finding.id(), error.plain()));
            }
        }
    }
    Ok(hidden)
}

fn one_target(finding: &Finding) -> Result<Target, CliError> {
    let targets = crew::targets(std::slice::from_ref(&finding.target))?;
    <[Target; 1]>::try_from(targets)
        .map(|[target]| target)
        .map_err(|_| CliError::Harness(format!("{} is not one target", finding.target)))
}

/// The same of what is explained already, without what slipped.
fn keep_on(
    by: FoundBy,
    finding: &Finding,
    explanation: &Explanation,
    store: &Store,
    baseline: Option<&Target>,
) -> Result<String, CliError> {
    let (target, among, id) = (&one_target(finding)?, finding.target.as_str(), finding.id());
    let origin = Origin { find: &finding.find, target, by };
    let title = format!("{} on {}", finding.signature(), finding.target);
    let minimal = scenario_of(&title, &origin, finding.signature(), finding.trace.clone(), &finding.verdict);
    let scenario = scenario::write(&minimal);
    let path = store.keep_minimal(among, id, &scenario)?;
    let from = by.told(finding.find.number);
    let from = match baseline {
        Some(baseline) => format!("{from}; {baseline} does not break it there"),
        None => from,
    };
    let replay = replay_command(&finding.target, &path);
    let report = Report {
        finding,
        explanation,
        origin: &from,
        replay: &replay,
        scenario: &scenario,
        as_it_is: false,
        story: None,
    };
    store.keep_report(among, id, &report::finding(&report))?;
    store.keep_page(among, id, &report)?;
    Ok(report::summary(&report))
}

/// Tells that a find could not be worked out, and where it is kept as it was found.
pub(super) fn tell_failed(
    target: &str,
    find: FindingId,
    why: &str,
    store: &Store,
    output: &mut Output,
) -> Status {
    let (signature, found) = (find.signature, store.found(target, find));
    output.error(&format!(
        "{signature} on {target} was found and could not be worked out: {why}; it is kept as found in {}",
        found.display()
    ));
    output.object(&AsFoundObject::new(target, signature, &found, Some(why.to_owned())));
    Status::Harness
}

/// Keeps as found what slipped while shrinking, where there is no such find yet.
fn keep_slipped(
    subject: &mut dyn Subject,
    by: FoundBy,
    finding: &Finding,
    store: &Store,
) -> Result<(), CliError> {
    let (target, among) = (&one_target(finding)?, finding.target.as_str());
    let origin = Origin { find: &finding.find, target, by };
    for (signature, trace) in &finding.slipped {
        if store.has(among, *signature) || !subject.takes(trace) {
            continue;
        }
        let title = format!("{signature} on {}, met while shrinking {}", finding.target, finding.signature());
        let verdict = subject.run_one(trace, Options::VERDICT)?.verdict;
        // Of a real program a replica may have told it alone.
        if verdict.breaks.iter().all(|broken| broken.signature != *signature) {
            continue;
        }
        let slipped = scenario_of(&title, &origin, *signature, trace.clone(), &verdict);
        store.keep_found(among, (*signature).into(), &scenario::write(&slipped))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
