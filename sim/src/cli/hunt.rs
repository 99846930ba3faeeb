//! `treefall hunt`: searches for failures, then shrinks, confirms, labels and reports them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use treefall_model::event::SubjectKind;
use treefall_model::release::Defect;
use treefall_model::verdict::Weight;

use super::args::Hunt;
use super::as_found::{AsFoundObject, print_failed};
use super::github::{self, Annotation};
use super::lines::JsonLine;
use super::objects::{FindingObject, TargetSummary};
use super::output::{Output, count};
use super::search::{SearchJob, Searched, find_masked, search};
use super::workers::{self, release_of};
use super::{CliError, Status, Summary};
use treefall_report::pipeline::{Pipeline, Processed, StoredFinding};
use treefall_report::provenance::{FoundBy, replay_command};
use treefall_report::{Lock, Store, cause_line, cause_name};
use treefall_search::campaign::{Campaign, may_begin};
use treefall_search::cause::{Cause, CauseKey};
use treefall_search::generator::Source;
use treefall_search::hunt::Plan;
use treefall_search::masking::Visibility;
use treefall_search::triage::BUILD_UP_MAX;
use treefall_search::triage::Finding;
use treefall_subject::program;
use treefall_subject::target::Target;

/// Default number of traces, if neither a number nor a time is given.
const TRACES_DEFAULT: u64 = 1_000;

/// With this many targets or more, each gets one line, so that the answer fits a screen.
const BRIEF_FROM: usize = 5;

/// Advice after a hunt without findings.
const NOTHING: &str = "nothing found in these traces; other traces may still fail; `treefall hunt --target replica:2.3.1` \
                       shows what a failure looks like";
/// Advice after a hunt whose violations the baseline shows too.
const NOTHING_NEW: &str =
    "nothing found beyond the violations that the baseline shows in the same trace at the same place";

/// Lines of `--json`.
pub(super) const LINES: [JsonLine; 3] = [
    JsonLine::of::<FindingObject>("a finding"),
    JsonLine::of::<AsFoundObject>("a failure that is kept as found"),
    JsonLine::of::<Summary<Vec<TargetSummary>>>("summary"),
];

pub(super) fn run(args: &Hunt, jobs: usize, output: &mut Output) -> Result<Status, CliError> {
    let out = args.resume.as_ref().unwrap_or(&args.out);
    let store = Store::new(out);
    store.check().map_err(|error| CliError::Usage(error.to_string()))?;
    let (campaigns, _lock) = open_campaigns(args, &store, output)?;
    let mut summary = Vec::new();
    let mut status = Status::Good;
    let brief = campaigns.len() >= BRIEF_FROM;
    for (campaign, is_over) in campaigns {
        let target = &named(&campaign.target)?;
        workers::warn_of(target, output);
        let plan = Plan {
            source: campaign.source(),
            traces_max: campaign.traces_max,
            all: campaign.all,
            shard: campaign.shard,
            so_far: campaign.tally,
        };
        let baseline = campaign.baseline.as_deref().map(named).transpose()?;
        // A resumed search that had already ended at its first memory violation only triages its failures.
        let plan = Plan { traces_max: if is_over { Some(0) } else { plan.traces_max }, ..plan };
        let pipeline = Pipeline {
            target,
            baseline: baseline.as_ref(),
            by: FoundBy::Hunt(plan.source),
            store: &store,
            build_up_max: BUILD_UP_MAX,
        };
        let one = SearchJob {
            plan,
            limit: args.duration,
            pipeline,
            jobs,
            campaign: Some(campaign),
            interrupted: &workers::interrupted,
        };
        let mut searched = search(one, output)?;
        let whole = searched.broken_off.is_none() && !workers::interrupted();
        let hidden = if plan.all && baseline.is_none() && whole {
            Some(find_masked(&pipeline, &mut searched.processed, plan.source.seed, output)?)
        } else {
            None
        };
        status = status.max(show(target, plan.source, &searched, (&store, brief), output)?);
        if !brief {
            print_masked(hidden.as_ref(), output);
        }
        print_not_comparable(&searched, baseline.as_ref(), output);
        if args.github {
            annotate(target, &searched, &store, output);
        }
        summary.push(TargetSummary::new(target, plan.source, &searched).with_hidden(hidden.as_ref()));
        if workers::interrupted() {
            output.error(&stopped(&searched, out));
            output.conclude(&summary);
            return Ok(Status::Failure);
        }
        if let Some(error) = &searched.broken_off {
            status = status.max(error.print(output));
        } else if searched.processed.is_empty() {
            output.note(if baseline.is_some() { NOTHING_NEW } else { NOTHING });
        }
    }
    output.conclude(&summary);
    Ok(status)
}

/// Returns the campaigns to begin or to resume, and the lock of their folder. The flag is true if the campaign had
/// already ended at its first memory violation.
fn open_campaigns(
    args: &Hunt,
    store: &Store,
    output: &mut Output,
) -> Result<(Vec<(Campaign, bool)>, Lock), CliError> {
    if let Some(folder) = &args.resume {
        let lock = workers::lock(folder, output)?;
        return Ok((resumed_campaigns(folder, args, output)?, lock));
    }
    let campaigns = new_campaigns(args, output)?;
    let lock = workers::lock(&args.out, output)?;
    for campaign in &campaigns {
        may_begin(&store.target_folder(&campaign.target), args.overwrite)?;
    }
    Ok((campaigns.into_iter().map(|campaign| (campaign, false)).collect(), lock))
}

/// Describes the state of an interrupted hunt.
fn stopped(searched: &Searched, out: &Path) -> String {
    let resume = format!("`treefall hunt --resume {}`", out.display());
    match searched.processed.as_found.len() as u64 {
        0 => {
            format!("stopped before the search was complete; the findings are on disk; {resume} continues it")
        }
        1 => format!(
            "stopped before the search was complete; 1 failure is kept as found; {resume} triages it and continues"
        ),
        more => format!(
            "stopped before the search was complete; {more} failures are kept as found; {resume} triages them and continues"
        ),
    }
}

/// Returns the campaigns that the arguments request.
fn new_campaigns(args: &Hunt, output: &mut Output) -> Result<Vec<Campaign>, CliError> {
    let traces_max = args.traces.or_else(|| args.duration.is_none().then_some(TRACES_DEFAULT));
    let baseline = match &args.baseline {
        Some(name) => Some(workers::driven(std::slice::from_ref(name), args.driven, output)?),
        None => None,
    };
    // `replica:all` names several targets and is kept as typed.
    let baseline = match baseline.as_deref() {
        Some([only]) => Some(only.to_string()),
        _ => args.baseline.clone(),
    };
    let campaign = |target: Target| {
        let mut campaign = Campaign::new(&target.to_string(), args.seed, args.shard);
        (campaign.traces_max, campaign.all, campaign.baseline) = (traces_max, args.all, baseline.clone());
        (campaign.sampling, campaign.cancelling) = (args.sampling, args.cancelling);
        campaign.guarded = args.guarded;
        campaign.outside = target.kind() == SubjectKind::Daemon && !args.scripts_only;
        campaign
    };
    let targets = workers::driven(&requested_targets(args, output), args.driven, output)?;
    let targets = workers::configured(targets, args.config.as_deref(), output)?;
    Ok(targets.into_iter().map(campaign).collect())
}

/// Returns the campaigns of this folder; the flag is true if one had already ended at its first memory violation.
fn resumed_campaigns(
    folder: &Path,
    args: &Hunt,
    output: &mut Output,
) -> Result<Vec<(Campaign, bool)>, CliError> {
    let length = |campaign: &Campaign| campaign.traces_max.map_or(u64::MAX, |max| campaign.shard.length(max));
    let mut campaigns = Vec::new();
    for mut campaign in Campaign::load_all(folder)? {
        campaign.time_over = false;
        let is_over = campaign.ended && !campaign.all && campaign.tally.traces < length(&campaign);
        if args.traces.is_some() || args.duration.is_some() {
            campaign.traces_max = args.traces;
        }
        if is_over || campaign.ended && campaign.tally.traces >= length(&campaign) {
            output.note(format_args!(
                "{}: this hunt ended after {}; its failures are triaged again. `--traces N` or `--for TIME` extends a hunt with --all",
                campaign.target,
                count(campaign.tally.traces, "trace")
            ));
        }
        campaigns.push((campaign, is_over));
    }
    Ok(campaigns)
}

/// Parses the target that a campaign names.
fn named(name: &str) -> Result<Target, CliError> {
    let mut targets = workers::targets(&[name.to_owned()])?;
    match targets.pop() {
        Some(target) if targets.is_empty() => Ok(target),
        _ => Err(CliError::Usage(format!("{name} is not one target"))),
    }
}

/// Returns the names of the requested targets, or of the best default.
fn requested_targets(args: &Hunt, output: &mut Output) -> Vec<String> {
    if !args.targets.is_empty() {
        return args.targets.clone();
    }
    if args.config.is_some() {
        return vec![workers::CONFIGURED.to_owned()];
    }
    if program::find_installed().is_empty() {
        workers::none_installed("the hunt runs on a replica", output);
        return vec!["replica:2.3.1".to_owned()];
    }
    vec!["engine".to_owned()]
}

/// Prints the findings and the failed triages; returns the exit status.
fn show(
    target: &Target,
    source: Source,
    searched: &Searched,
    (store, brief): (&Store, bool),
    output: &mut Output,
) -> Result<Status, CliError> {
    let mut status = Status::Good;
    let processed = &searched.processed;
    if !processed.is_empty() {
        status = Status::Failure;
    }
    for StoredFinding { finding, summary } in &processed.stored {
        output.object(&FindingObject::new(finding, &release_of(target)?, source, searched.elapsed, store));
        // The overview lists variants; their reports are on disk.
        if !output.is_json() && !brief && finding.variant_of.is_none() {
            output.heading(format_args!("{} on {target}", finding.signature()));
            output.line(summary);
            let folder = store.folder(&finding.target, finding.id());
            output.line(format_args!("details: {}", folder.join("report.html").display()));
        }
        if finding.cause == Cause::NotKnown {
            let folder = store.folder(&finding.target, finding.id());
            output.note(format_args!(
                "no known defect causes this: please report it with the files in {}",
                folder.display()
            ));
        }
    }
    if processed.stored.len() > 1 && !brief && !output.is_json() {
        let findings: Vec<_> = processed.findings().collect();
        output.line(overview(&findings));
    }
    let name = target.to_string();
    status = status.max(print_failed(target, &processed.failed, store, output));
    for id in &processed.as_found {
        let (signature, found) = (id.signature, store.found(&name, *id));
        if processed.failed.iter().any(|(failed, _)| failed == id) {
            continue;
        }
        output.object(&AsFoundObject::new(&name, signature, &found, None));
        output.line(format_args!("{signature} on {target}: kept as found, in {}", found.display()));
    }
    if brief && processed.failed.is_empty() && processed.as_found.is_empty() {
        output.line(one_line(target, processed));
        return Ok(status);
    }
    let tally = &searched.tally;
    output.line(format_args!(
        "{target}: {}, {} external events, {} steps, {}; {} in {:.2} s",
        count(tally.traces, "trace"),
        tally.events,
        tally.steps,
        match tally.ended_badly {
            0 => "no crash or hang".to_owned(),
            some => format!("{some} crashed or hung"),
        },
        count_failures(searched),
        searched.elapsed.as_secs_f64()
    ));
    if !processed.is_empty() {
        output.note(format_args!("stored in {}", store.target_folder(&target.to_string()).display()));
    }
    Ok(status)
}

/// Summarises the findings of one of many targets: the worst outcome and the causes.
fn one_line(target: &Target, processed: &Processed) -> String {
    let worst = processed.findings().map(|finding| &finding.verdict.outcome).find(|it| !it.survived());
    let worst = worst.map_or_else(String::new, |outcome| format!("{outcome}; "));
    let mut causes: Vec<String> = Vec::new();
    for finding in processed.findings() {
        let name = match finding.cause.leading() {
            Some(defect) => defect.name().to_owned(),
            None => cause_name(&finding.cause),
        };
        if !causes.contains(&name) {
            causes.push(name);
        }
    }
    let findings = count(processed.stored.len() as u64, "finding");
    match causes.as_slice() {
        [] => format!("{target}: nothing found"),
        causes => format!("{target}: {worst}{findings}: {}", causes.join(", ")),
    }
}

fn count_failures(searched: &Searched) -> String {
    let Processed { stored, as_found, .. } = &searched.processed;
    let all = count((stored.len() + as_found.len()) as u64, "failure");
    match as_found.len() {
        0 => all,
        some => format!("{all}, {some} without triage,"),
    }
}

/// Prints an annotation for each failure, at the expectation of the release in its scenario.
fn annotate(target: &Target, searched: &Searched, store: &Store, output: &mut Output) {
    for StoredFinding { finding, summary } in &searched.processed.stored {
        let file = store.folder(&finding.target, finding.id()).join("minimal.toml");
        let title = format!("{} on {target}", finding.signature());
        let claim = summary.lines().next().unwrap_or_default();
        let message =
            format!("{claim}\n{}\n{}", cause_line(&finding.cause), replay_command(&finding.target, &file));
        let line = github::line_of(&file, target);
        output.line(Annotation { file: &file, line, title: &title, message: &message });
    }
}

/// Prints the defects of the release that cause no finding, and why they do not show.
fn print_masked(hidden: Option<&BTreeMap<Defect, Visibility>>, output: &mut Output) {
    for (defect, hidden) in hidden.into_iter().flatten() {
        if let Some(words) = hidden.in_words() {
            output.line(format_args!("{defect}: {words}"));
        }
    }
}

/// Prints the number of traces that could not be compared with the baseline.
fn print_not_comparable(searched: &Searched, baseline: Option<&Target>, output: &mut Output) {
    if let Some(baseline) = baseline.filter(|_| searched.tally.cannot_tell > 0) {
        let traces = count(searched.tally.cannot_tell, "trace");
        output.line(format_args!(
            "cannot tell: in {traces} a law was violated after the judging of {baseline} had ended (it violated a memory law, crashed or hung earlier)"
        ));
    }
}

/// Lists the findings by cause: causes that violate memory first, variants last.
fn overview(findings: &[&Finding]) -> String {
    let mut groups: Vec<(CauseKey, Vec<&Finding>)> = Vec::new();
    for finding in findings {
        let key = finding.cause.key();
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, group)) => group.push(finding),
            None => groups.push((key, vec![finding])),
        }
    }
    let conducts = |finding: &Finding| finding.signature().law.weight() == Weight::Conduct;
    groups.sort_by_key(|(_, group)| group.iter().all(|finding| conducts(finding)));
    let width = findings.iter().map(|finding| finding.signature().to_string().len()).max().unwrap_or(0);
    let mut text = String::new();
    for (_, mut group) in groups {
        group.sort_by_key(|finding| (finding.variant_of.is_some(), conducts(finding)));
        let _ = writeln!(text, "{}", cause_name(&group[0].cause));
        for finding in group {
            let (signature, outcome) = (finding.signature().to_string(), &finding.verdict.outcome);
            let wakes = count(finding.trace.wakes().len() as u64, "wake");
            let variant = if finding.variant_of.is_some() { ", a variant" } else { "" };
            let others: Vec<&str> = match finding.cause.is_together() {
                true => Vec::new(),
                false => finding.cause.also_required().iter().map(|it| it.name()).collect(),
            };
            let others = match others.as_slice() {
                [] => String::new(),
                others => format!("; also required: {}", others.join(", ")),
            };
            let _ = writeln!(text, "  {signature:<width$}  {wakes:>8}  {outcome}{variant}{others}");
        }
    }
    text
}
