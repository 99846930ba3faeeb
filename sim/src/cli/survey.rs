//! The default command: a short hunt on every replica release with its own set of defects, and on every keepalived
//! found.
//!
//! A row is good if each known defect of its release causes a failure, and every failure has a known cause. A defect
//! that causes no failure alone is searched separately ([`masking`](treefall_search::masking)): the row shows whether
//! another defect masks it, or whether nothing in the release triggers it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::event::SubjectKind;
use treefall_model::release::{Advice, Defect, Release};

use super::args;
use super::as_found::{AsFoundObject, print_failed};
use super::lines::JsonLine;
use super::objects::{FindingObject, TargetSummary};
use super::output::{Output, count};
use super::progress::Progress;
use super::search::{SearchJob, Searched, find_masked, search};
use super::table::Table;
use super::targets::span;
use super::{CliError, Status, Summary, workers};
use treefall_report::Store;
use treefall_report::json::UpstreamObject;
use treefall_report::pipeline::Pipeline;
use treefall_report::provenance::{FoundBy, quoted};
use treefall_report::reported;
use treefall_search::generator::Source;
use treefall_search::hunt::Plan;
use treefall_search::masking::Visibility;
use treefall_search::triage::Finding;
use treefall_subject::program::Likeness;
use treefall_subject::roots::find_programs;
use treefall_subject::target::{ReplicaName, Target};

/// Traces of each replica's hunt.
const REPLICA_TRACES: u64 = 1_500;
/// Traces of each real program's hunt: each memory violation costs a fork.
const REAL_TRACES: u64 = 400;

/// Most runs to build up traces smaller than a shrunk failure. A hunt takes more.
const SURVEY_BUILD_UP_MAX: u64 = 600;

/// One subject of the survey.
struct SurveyRow {
    label: String,
    target: Target,
    release: Release,
    known: BTreeSet<Defect>,
    checked: String,
    traces: u64,
}

/// A row. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct RowObject {
    target: String,
    releases: String,
    known: Vec<&'static str>,
    /// Upstream's issues, pull requests and commits of each of `known`.
    upstream: Vec<UpstreamObject>,
    found: Vec<&'static str>,
    /// Masked defects, each with the defects that mask it.
    masked: BTreeMap<&'static str, Vec<&'static str>>,
    /// Latent defects, each with a defect that would make it show.
    latent: BTreeMap<&'static str, &'static str>,
    missing: Vec<&'static str>,
    not_known: Vec<String>,
    checked_against_real: String,
    as_known: bool,
}

/// Lines of `--json`.
pub(super) const LINES: [JsonLine; 4] = [
    JsonLine::of::<FindingObject>("a finding"),
    JsonLine::of::<AsFoundObject>("a failure that is kept as found"),
    JsonLine::of::<RowObject>("a row"),
    JsonLine::of::<Summary<Vec<TargetSummary>>>("summary"),
];

pub(super) fn run(args: &args::Survey, jobs: usize, output: &mut Output) -> Result<Status, CliError> {
    let store = Store::new(&args.out);
    store.check().map_err(|error| CliError::Usage(error.to_string()))?;
    let _lock = workers::lock(&args.out, output)?;
    let mut table = Table::new(["release", "defect", "breaks", "upstream", "smallest", "replica checked on"]);
    let mut summary = Vec::new();
    let (mut good, mut status, mut installed) = (true, Status::Good, Vec::new());
    let (rows, progress) = (rows(args, output)?, Progress::begin(None));
    for (place, row) in rows.iter().enumerate() {
        output.part(format_args!("row {}", progress.part(place + 1, rows.len(), one_line(&row.label))));
        output.progress("beginning");
        let plan = Plan::new(args.seed, Some(row.traces), true);
        let pipeline = Pipeline {
            target: &row.target,
            baseline: None,
            by: FoundBy::Hunt(plan.source),
            store: &store,
            build_up_max: SURVEY_BUILD_UP_MAX,
        };
        let one = SearchJob {
            plan,
            limit: None,
            pipeline,
            jobs,
            campaign: None,
            interrupted: &workers::interrupted,
        };
        let mut searched = search(one, output)?;
        status = status.max(print_failures(row, &searched, &store, output));
        if workers::interrupted() {
            summary.push(TargetSummary::new(&row.target, plan.source, &searched));
            return Ok(stopped(summary, (place > 0).then_some(table), output));
        }
        let hidden = find_masked(&pipeline, &mut searched.processed, plan.source.seed, output)?;
        if workers::interrupted() {
            summary.push(TargetSummary::new(&row.target, plan.source, &searched));
            return Ok(stopped(summary, (place > 0).then_some(table), output));
        }
        good &= show(row, plan.source, &searched, &hidden, &store, &mut table, output);
        if let Target::Engine(_) = row.target {
            installed.push(summary_of(row, &searched));
        }
        summary.push(TargetSummary::new(&row.target, plan.source, &searched));
    }
    output.part("");
    output.clear();
    if !installed.is_empty() {
        output.line(installed.concat());
    }
    output.line(table);
    let (traces, events): (u64, u64) =
        summary.iter().fold((0, 0), |(traces, events), one| (traces + one.traces, events + one.events));
    output.line(format_args!(
        "{traces} traces, {events} external events; findings are under {}",
        args.out.display()
    ));
    if find_programs().is_empty() {
        workers::none_installed("no real program is surveyed", output);
    }
    output.line(if good {
        "each row shows the known defects of its release, or what masks them, and no other failure"
    } else {
        "NOT as expected: see the rows marked MISSING or NOT KNOWN"
    });
    output.conclude(&summary);
    Ok(status.max(if good { Status::Good } else { Status::Failure }))
}

/// Summarises a real program: whether it crashes, by which issues, which release fixes it, and the next command.
fn summary_of(row: &SurveyRow, searched: &Searched) -> String {
    let leading = searched.processed.findings().filter_map(|finding| finding.cause.leading());
    let found: BTreeSet<Defect> = leading.collect();
    let (crashes, conduct): (Vec<Defect>, Vec<Defect>) =
        found.into_iter().partition(|defect| defect.breaks_memory());
    let mut text = format!("{}, {}\n", row.target, row.label.replace('\n', ": "));
    if crashes.is_empty() {
        let traces = count(searched.tally.traces, "trace");
        let _ = writeln!(text, "  no crash of the trees in {traces}");
    }
    for defect in crashes {
        let advice = Advice::against_defect(defect)
            .map_or_else(|| "not fixed in any release".to_owned(), |advice| advice.to_string());
        let _ = writeln!(text, "  corrupts memory by {}; {advice}", reported(defect));
    }
    if !conduct.is_empty() {
        let names: Vec<&str> = conduct.iter().map(|defect| defect.name()).collect();
        let _ = writeln!(text, "  violates other laws by {}", names.join(", "));
    }
    let _ = writeln!(text, "  next: treefall hunt --target {}", quoted(&row.target.to_string()));
    text
}

/// Prints the failed triages and errors, with the files that keep them as found.
fn print_failures(row: &SurveyRow, searched: &Searched, store: &Store, output: &mut Output) -> Status {
    let target = row.target.to_string();
    let mut status = print_failed(&row.target, &searched.processed.failed, store, output);
    if let Some(error) = &searched.broken_off {
        let folder = store.target_folder(&target);
        output.error(&format!("{target}: the failures until then are stored in {}", folder.display()));
        status = status.max(error.print(output));
    }
    status
}

fn one_line(label: &str) -> &str {
    label.lines().next().unwrap_or_default()
}

/// Prints that the survey was interrupted, with the rows until then.
fn stopped(summary: Vec<TargetSummary>, table: Option<Table>, output: &mut Output) -> Status {
    output.clear();
    if let Some(table) = table {
        output.line(table);
    }
    let as_found: usize = summary.iter().map(|one| one.kept_as_found).sum();
    output.error(&match as_found as u64 {
        0 => "stopped before the survey was complete; the findings are on disk".to_owned(),
        some => format!(
            "stopped before the survey was complete; the findings are on disk, {} of them as found: \
             `treefall shrink FILE --target T` makes one smaller",
            count(some, "failure")
        ),
    });
    output.conclude(&summary);
    Status::Failure
}

fn rows(args: &args::Survey, output: &mut Output) -> Result<Vec<SurveyRow>, CliError> {
    let mut rows: Vec<SurveyRow> = Release::with_defects_of_their_own()
        .map(|group| {
            let real: Vec<_> =
                group.releases().filter(|r| r.checked_against_real()).map(|r| r.to_string()).collect();
            SurveyRow {
                label: span(group),
                target: Target::Replica(ReplicaName::of(group.last)),
                release: group.last,
                known: showable(group.last, SubjectKind::Replica),
                checked: if real.is_empty() { "recorded".to_owned() } else { real.join(", ") },
                traces: REPLICA_TRACES,
            }
        })
        .collect();
    let mut programs = workers::found(args.driven, output);
    for target in workers::driven(&args.targets, args.driven, output)? {
        let Target::Engine(place) = target else {
            return Err(CliError::Usage(format!(
                "`{target}`: the survey already has every replica; name real programs: `engine:PATH`"
            )));
        };
        let program = place.open().map_err(|error| CliError::Usage(error.to_string()))?;
        if !programs.iter().any(|(known, _)| *known == place) {
            programs.push((place, program));
        }
    }
    rows.extend(programs.into_iter().map(|(place, program)| {
        let release = program.release();
        let likeness = if program.likeness() == Likeness::Says { "" } else { "as " };
        SurveyRow {
            label: format!("{likeness}{release} (real)\n{}", program.banner()),
            target: Target::Engine(place),
            release,
            known: showable(release, SubjectKind::Engine),
            checked: "real program".to_owned(),
            traces: REAL_TRACES,
        }
    }));
    Ok(rows)
}

/// Returns the known defects of a release that a subject of this kind can show.
fn showable(release: Release, kind: SubjectKind) -> BTreeSet<Defect> {
    release.defects().iter().filter(|defect| defect.row().reach.shown_by(kind)).collect()
}

/// Adds the row to the table; returns whether it is as expected.
fn show(
    row: &SurveyRow,
    source: Source,
    searched: &Searched,
    hidden: &BTreeMap<Defect, Visibility>,
    store: &Store,
    table: &mut Table,
    output: &mut Output,
) -> bool {
    let mut by_defect: BTreeMap<Defect, Vec<&Finding>> = BTreeMap::new();
    let mut not_known = Vec::new();
    for finding in searched.processed.findings() {
        output.object(&FindingObject::new(
            finding,
            &row.release.to_string(),
            source,
            searched.elapsed,
            store,
        ));
        match finding.cause.defects() {
            [] => not_known.push(finding),
            defects => defects.iter().for_each(|defect| by_defect.entry(*defect).or_default().push(finding)),
        }
    }
    // A defect that contributes to a failure, but shows alone only if others are fixed, counts as masked.
    by_defect.retain(|defect, _| !matches!(hidden.get(defect), Some(Visibility::MaskedBy(_))));
    let mut label = row.label.clone();
    let mut checked = row.checked.clone();
    for defect in &row.known {
        let findings = by_defect.get(defect).map_or(&[][..], Vec::as_slice);
        table.add_row([
            std::mem::take(&mut label),
            defect.name().to_owned(),
            laws(findings),
            upstream(*defect),
            smallest(findings, hidden.get(defect)),
            std::mem::take(&mut checked),
        ]);
    }
    for finding in &not_known {
        table.add_row([
            std::mem::take(&mut label),
            "NOT KNOWN".to_owned(),
            finding.signature().to_string(),
            String::new(),
            wakes(finding.trace.wakes().len()),
            std::mem::take(&mut checked),
        ]);
    }
    let object = row_object(row, &by_defect, hidden, &not_known);
    let as_known = object.as_known;
    output.object(&object);
    as_known
}

fn row_object(
    row: &SurveyRow,
    by_defect: &BTreeMap<Defect, Vec<&Finding>>,
    hidden: &BTreeMap<Defect, Visibility>,
    not_known: &[&Finding],
) -> RowObject {
    let names = |defects: &[Defect]| defects.iter().map(|defect| defect.name()).collect::<Vec<_>>();
    let (mut masked, mut latent) = (BTreeMap::new(), BTreeMap::new());
    for (defect, where_) in hidden {
        match where_ {
            _ if by_defect.contains_key(defect) => {}
            Visibility::MaskedBy(masks) => drop(masked.insert(defect.name(), names(masks))),
            Visibility::LatentWithout(other) => drop(latent.insert(defect.name(), other.name())),
            Visibility::Shown(_) | Visibility::NotSeen => {}
        }
    }
    let found: Vec<Defect> = by_defect.keys().copied().collect();
    let is_there = |defect: &&Defect| {
        by_defect.contains_key(defect)
            || masked.contains_key(defect.name())
            || latent.contains_key(defect.name())
    };
    let missing: Vec<Defect> = row.known.iter().filter(|defect| !is_there(defect)).copied().collect();
    let nothing_more = found.iter().all(|defect| row.known.contains(defect)) && not_known.is_empty();
    RowObject {
        target: row.target.to_string(),
        releases: row.label.replace('\n', " "),
        known: row.known.iter().map(|defect| defect.name()).collect(),
        upstream: UpstreamObject::all(row.known.iter().copied()),
        found: names(&found),
        as_known: missing.is_empty() && nothing_more,
        missing: names(&missing),
        masked,
        latent,
        not_known: not_known.iter().map(|finding| finding.signature().to_string()).collect(),
        checked_against_real: row.checked.clone(),
    }
}

/// Formats who reported a defect and what fixed it, one a line.
pub(super) fn upstream(defect: Defect) -> String {
    let row = defect.row();
    let mut lines = vec![match (row.mended_by, row.mended_in) {
        (Some(commit), Some(release)) => format!("{commit} in {release}"),
        (_, Some(release)) => format!("in {release}"),
        (_, None) => "not mended".to_owned(),
    }];
    lines.extend((!row.issues.is_empty()).then(|| row.issues_in_words()));
    lines.extend(row.pull_request.map(|number| format!("pull request {number}")));
    lines.join("\n")
}

/// Returns the size of the smallest trace that shows the defect, or what masks it.
fn smallest(findings: &[&Finding], hidden: Option<&Visibility>) -> String {
    let hides = hidden.filter(|it| findings.is_empty() && !matches!(it, Visibility::NotSeen));
    hides.and_then(Visibility::in_words).unwrap_or_else(|| {
        let smallest = findings.iter().map(|finding| finding.trace.wakes().len()).min();
        smallest.map_or_else(|| "MISSING".to_owned(), wakes)
    })
}

fn laws(findings: &[&Finding]) -> String {
    let laws: BTreeSet<&str> = findings.iter().map(|finding| finding.signature().law.name()).collect();
    laws.into_iter().collect::<Vec<_>>().join("\n")
}

fn wakes(number: usize) -> String {
    if number == 1 { "1 wake".to_owned() } else { format!("{number} wakes") }
}
