//! The main job: a short hunt on every replica release with defects of its own, and on every keepalived found.
//!
//! A row is good when the hunt found exactly the known defects of its release: each known one by a find whose
//! cause it is, and no find without a known cause.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use treefall_model::release::{Defect, Release};

use super::args;
use super::findings::{FindingObject, Search, Searched, TargetSummary, search};
use super::output::Output;
use super::targets::{span, table};
use super::{CliError, Status, crew};
use crate::finding::Finding;
use crate::hunt::Plan;
use crate::report::Store;
use crate::subject::program::{Program, find_installed};
use crate::subject::target::{Place, ReplicaName, Target};

/// Traces of each replica's hunt.
const REPLICA_TRACES: u64 = 6_000;
/// Traces of each real program's hunt: each that breaks memory costs a fork.
const REAL_TRACES: u64 = 1_500;

/// One subject of the survey.
struct Row {
    label: String,
    target: Target,
    release: Release,
    known: BTreeSet<Defect>,
    checked: String,
    traces: u64,
}

/// One row, for machines. The fields are stable.
#[derive(Serialize)]
struct RowObject {
    target: String,
    releases: String,
    known: Vec<&'static str>,
    found: Vec<&'static str>,
    missing: Vec<&'static str>,
    not_known: Vec<String>,
    checked_against_real: String,
    as_known: bool,
}

#[derive(Serialize)]
struct Summary {
    summary: Vec<TargetSummary>,
}

pub(super) fn run(args: &args::Survey, jobs: usize, output: &mut Output) -> Result<Status, CliError> {
    let store = Store::new(&args.out);
    let mut sheet = table(["release", "defect", "breaks", "mended by", "smallest", "replica checked on"]);
    let mut summary = Vec::new();
    let mut good = true;
    for row in rows() {
        output.progress(format_args!("{}", row.label));
        let plan = Plan { seed: args.seed, traces_max: Some(row.traces), all: true };
        let known = BTreeSet::new();
        let one = Search { target: &row.target, plan, limit: None, known, store: &store, jobs };
        let searched = search(one, output)?;
        good &= show(&row, args.seed, &searched, &store, &mut sheet, output);
        summary.push(TargetSummary::new(&row.target, args.seed, &searched));
        if crew::told_to_stop() {
            output.error("stopped before the survey was whole; what was found is on disk");
            return Ok(Status::Failure);
        }
    }
    output.clear();
    output.line(sheet);
    let (traces, events): (u64, u64) =
        summary.iter().fold((0, 0), |(traces, events), one| (traces + one.traces, events + one.events));
    output.line(format_args!(
        "{traces} traces, {events} external events; finds are under {}",
        args.out.display()
    ));
    if find_installed().is_empty() {
        output.note(
            "no keepalived is installed: with one (`apt-get install keepalived`) the real program is surveyed too",
        );
    }
    output.line(if good {
        "every release shows exactly the defects that are known of it"
    } else {
        "NOT as known: see the rows marked MISSING or NOT KNOWN"
    });
    output.object(&Summary { summary });
    Ok(if good { Status::Good } else { Status::Failure })
}

fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = Release::with_defects_of_their_own()
        .map(|group| {
            let real: Vec<_> = group.releases().filter(|r| r.checked_against_real()).map(|r| r.to_string()).collect();
            Row {
                label: span(group),
                target: Target::Replica(ReplicaName::of(group.last)),
                release: group.last,
                known: group.defects.iter().collect(),
                checked: if real.is_empty() { "never".to_owned() } else { real.join(", ") },
                traces: REPLICA_TRACES,
            }
        })
        .collect();
    rows.extend(find_installed().into_iter().filter_map(|path| {
        let program = Program::open(&path, None).ok()?;
        program.engine_offsets().ok()?;
        let release = program.release();
        Some(Row {
            label: format!("{} (real)\n{}", release, program.banner()),
            target: Target::Engine(Place { path, root: None }),
            release,
            known: release.defects().iter().collect(),
            checked: "is real".to_owned(),
            traces: REAL_TRACES,
        })
    }));
    rows
}

/// Adds the row to the sheet; whether it is as known.
fn show(
    row: &Row,
    seed: u64,
    searched: &Searched,
    store: &Store,
    sheet: &mut comfy_table::Table,
    output: &mut Output,
) -> bool {
    let mut by_defect: BTreeMap<Defect, Vec<&Finding>> = BTreeMap::new();
    let mut not_known = Vec::new();
    for finding in &searched.findings {
        output.object(&FindingObject::new(finding, &row.release.to_string(), seed, searched.elapsed, store));
        match finding.cause.defects() {
            [] => not_known.push(finding),
            defects => defects.iter().for_each(|defect| by_defect.entry(*defect).or_default().push(finding)),
        }
    }
    let mut label = row.label.clone();
    let mut checked = row.checked.clone();
    for defect in &row.known {
        let finds = by_defect.get(defect).map_or(&[][..], Vec::as_slice);
        let facts = defect.row();
        let mended = match (facts.mended_by, facts.mended_in) {
            (Some(commit), Some(release)) => format!("{commit} in {release}"),
            (_, Some(release)) => format!("in {release}"),
            (_, None) => "not mended".to_owned(),
        };
        let smallest = finds.iter().map(|finding| finding.trace.wakes().len()).min();
        sheet.add_row([
            std::mem::take(&mut label),
            defect.name().to_owned(),
            laws(finds),
            mended,
            smallest.map_or_else(|| "MISSING".to_owned(), wakes),
            std::mem::take(&mut checked),
        ]);
    }
    for finding in &not_known {
        sheet.add_row([
            std::mem::take(&mut label),
            "NOT KNOWN".to_owned(),
            finding.signature().to_string(),
            String::new(),
            wakes(finding.trace.wakes().len()),
            std::mem::take(&mut checked),
        ]);
    }
    let found: BTreeSet<Defect> = by_defect.keys().copied().collect();
    let as_known = found == row.known && not_known.is_empty();
    output.object(&RowObject {
        target: row.target.to_string(),
        releases: row.label.replace('\n', " "),
        known: row.known.iter().map(|defect| defect.name()).collect(),
        found: found.iter().map(|defect| defect.name()).collect(),
        missing: row.known.difference(&found).map(|defect| defect.name()).collect(),
        not_known: not_known.iter().map(|finding| finding.signature().to_string()).collect(),
        checked_against_real: row.checked.clone(),
        as_known,
    });
    as_known
}

fn laws(finds: &[&Finding]) -> String {
    let laws: BTreeSet<&str> = finds.iter().map(|finding| finding.signature().law.name()).collect();
    laws.into_iter().collect::<Vec<_>>().join("\n")
}

fn wakes(number: usize) -> String {
    if number == 1 { "1 wake".to_owned() } else { format!("{number} wakes") }
}
