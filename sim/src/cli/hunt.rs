//! `treefall hunt`: search, shrink, confirm, label, report.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use treefall_model::event::SubjectKind;
use treefall_model::release::Defect;
use treefall_model::verdict::Weight;

use super::args::Hunt;
use super::as_found::{AsFoundObject, tell_failed};
use super::github::{self, Annotation};
use super::lines::JsonLine;
use super::objects::{FindingObject, TargetSummary};
use super::output::{Output, count};
use super::search::{SearchJob, Searched, look_behind, search};
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

/// Traces of a hunt that is told neither a number nor a time.
const TRACES_DEFAULT: u64 = 1_000;

/// From so many targets on, each gets one line: the answer is to fit a screen.
const BRIEF_FROM: usize = 5;

/// What is printed with `--json`.
pub(super) const LINES: [JsonLine; 3] = [
    JsonLine::of::<FindingObject>("a finding"),
    JsonLine::of::<AsFoundObject>("a failure that is kept as found"),
    JsonLine::of::<Summary<Vec<TargetSummary>>>("summary"),
];

pub(super) fn run(args: &Hunt, jobs: usize, output: &mut Output) -> Result<Status, CliError> {
    let out = args.resume.as_ref().unwrap_or(&args.out);
    let store = Store::new(out);
    store.check().map_err(|error| CliError::Usage(error.to_string()))?;
    let (campaigns, _lock) = taken(args, &store, output)?;
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
        // A search that came to the break at which it was to end only has its failures worked out.
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
            Some(look_behind(&pipeline, &mut searched.processed, plan.source.seed, output)?)
        } else {
            None
        };
        status = status.max(show(target, plan.source, &searched, (&store, brief), output)?);
        if !brief {
            tell_hidden(hidden.as_ref(), output);
        }
        tell_unknown(&searched, baseline.as_ref(), output);
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
            status = status.max(error.tell(output));
        } else if searched.processed.is_empty() {
            output.note(if baseline.is_some() {
                "nothing found that the baseline does not break too, in the same trace at the same place"
            } else {
                "nothing found in these traces, which says nothing of others; `treefall hunt --target replica:2.3.1` shows what a failure \
                 looks like"
            });
        }
    }
    output.conclude(&summary);
    Ok(status)
}

/// The campaigns to begin or to go on with, each with whether it came to the break at which it was to end; and the
/// right to write to their folder.
fn taken(args: &Hunt, store: &Store, output: &mut Output) -> Result<(Vec<(Campaign, bool)>, Lock), CliError> {
    if let Some(folder) = &args.resume {
        let lock = workers::lock(folder, output)?;
        return Ok((resumed(folder, args, output)?, lock));
    }
    let campaigns = begun(args, output)?;
    let lock = workers::lock(&args.out, output)?;
    for campaign in &campaigns {
        may_begin(&store.target_folder(&campaign.target), args.overwrite)?;
    }
    Ok((campaigns.into_iter().map(|campaign| (campaign, false)).collect(), lock))
}

/// What is told of a hunt that was told to stop.
fn stopped(searched: &Searched, out: &Path) -> String {
    let resume = format!("`treefall hunt --resume {}`", out.display());
    match searched.processed.as_found.len() as u64 {
        0 => format!("stopped before the search was whole; what was found is on disk, and {resume} goes on"),
        1 => format!(
            "stopped before the search was whole; 1 failure is kept as found; {resume} works it out and goes on"
        ),
        more => format!(
            "stopped before the search was whole; {more} failures are kept as found; {resume} works them out and goes on"
        ),
    }
}

/// The campaigns that the arguments ask for.
fn begun(args: &Hunt, output: &mut Output) -> Result<Vec<Campaign>, CliError> {
    let traces_max = args.traces.or_else(|| args.duration.is_none().then_some(TRACES_DEFAULT));
    let baseline = match &args.baseline {
        Some(name) => Some(workers::driven(std::slice::from_ref(name), args.driven, output)?),
        None => None,
    };
    // `replica:all` names several, and stays as it was typed.
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
    let targets = workers::driven(&asked(args, output), args.driven, output)?;
    let targets = workers::configured(targets, args.config.as_deref(), output)?;
    Ok(targets.into_iter().map(campaign).collect())
}

/// The campaigns that were begun in this folder; each with whether it came to the break at which it was to end.
fn resumed(folder: &Path, args: &Hunt, output: &mut Output) -> Result<Vec<(Campaign, bool)>, CliError> {
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
                "{}: this hunt came to its end after {}; its failures are worked out again. `--traces N` or `--for TIME` takes one with --all further",
                campaign.target,
                count(campaign.tally.traces, "trace")
            ));
        }
        campaigns.push((campaign, is_over));
    }
    Ok(campaigns)
}

/// The target that a campaign names.
fn named(name: &str) -> Result<Target, CliError> {
    let mut targets = workers::targets(&[name.to_owned()])?;
    match targets.pop() {
        Some(target) if targets.is_empty() => Ok(target),
        _ => Err(CliError::Usage(format!("{name} is not one target"))),
    }
}

/// The targets named, or the best that there is.
fn asked(args: &Hunt, output: &mut Output) -> Vec<String> {
    if !args.targets.is_empty() {
        return args.targets.clone();
    }
    if args.config.is_some() {
        return vec![workers::CONFIGURED.to_owned()];
    }
    if program::find_installed().is_empty() {
        workers::none_installed("a replica is searched", output);
        return vec!["replica:2.3.1".to_owned()];
    }
    vec!["engine".to_owned()]
}

/// Tells what was found, and what of it could not be worked out; the status that it comes to.
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
        // A variant is in the overview; its report is on disk.
        if !output.is_json() && !brief && finding.variant_of.is_none() {
            output.heading(format_args!("{} on {target}", finding.signature()));
            output.line(summary);
            let folder = store.folder(&finding.target, finding.id());
            output.line(format_args!("more of it: {}", folder.join("report.html").display()));
        }
        if finding.cause == Cause::NotKnown {
            let folder = store.folder(&finding.target, finding.id());
            output.note(format_args!(
                "this is not known: please report it with what is in {}",
                folder.display()
            ));
        }
    }
    if processed.stored.len() > 1 && !brief && !output.is_json() {
        let findings: Vec<_> = processed.findings().collect();
        output.line(overview(&findings));
    }
    let name = target.to_string();
    status = status.max(tell_failed(target, &processed.failed, store, output));
    for id in &processed.as_found {
        let (signature, found) = (id.signature, store.found(&name, *id));
        if processed.failed.iter().any(|(failed, _)| failed == id) {
            continue;
        }
        output.object(&AsFoundObject::new(&name, signature, &found, None));
        output.line(format_args!("{signature} on {target}: kept as found, in {}", found.display()));
    }
    if brief && processed.failed.is_empty() && processed.as_found.is_empty() {
        output.line(in_one_line(target, processed));
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
        finds_in_words(searched),
        searched.elapsed.as_secs_f64()
    ));
    if !processed.is_empty() {
        output.note(format_args!("kept in {}", store.target_folder(&target.to_string()).display()));
    }
    Ok(status)
}

/// The findings of one of many targets: how it ends at worst, and the causes.
fn in_one_line(target: &Target, processed: &Processed) -> String {
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

fn finds_in_words(searched: &Searched) -> String {
    let Processed { stored, as_found, .. } = &searched.processed;
    let all = count((stored.len() + as_found.len()) as u64, "failure");
    match as_found.len() {
        0 => all,
        some => format!("{all}, {some} not worked out,"),
    }
}

/// Each failure for GitHub's workflows, at what its scenario expects of the release.
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

/// The defects of the release that lead no finding, and where they hide.
fn tell_hidden(hidden: Option<&BTreeMap<Defect, Visibility>>, output: &mut Output) {
    for (defect, hidden) in hidden.into_iter().flatten() {
        if let Some(words) = hidden.in_words() {
            output.line(format_args!("{defect}: {words}"));
        }
    }
}

/// In how many traces the baseline could not be asked.
fn tell_unknown(searched: &Searched, baseline: Option<&Target>, output: &mut Output) {
    if let Some(baseline) = baseline.filter(|_| searched.tally.cannot_tell > 0) {
        let traces = count(searched.tally.cannot_tell, "trace");
        output.line(format_args!(
            "cannot tell: in {traces} a law broke after the judging of {baseline} had ended (it broke memory, crashed or hung earlier)"
        ));
    }
}

/// The findings at a glance, grouped by cause: causes that break memory first, variants last.
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
