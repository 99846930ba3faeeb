//! `treefall matrix`: runs each scenario on every replica release and every real program, and prints a table.
//!
//! A release is bad if it shows the failure that the file describes, as in `replay --bisect`. It is good if it does
//! not and has no other known crash of the trees. Consecutive releases with equal results share a row.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::release::{Advice, Release};
use treefall_model::verdict::Weight;

use super::args::Matrix;
use super::lines::JsonLine;
use super::output::{Output, count};
use super::progress::Progress;
use super::replay::{Reals, refuse_never_started, shows};
use super::table::Table;
use super::{CliError, Status, Summary, all, files, workers};
use treefall_field::check::Checked;
use treefall_report::explain::first_without;
use treefall_report::not_fixed;
use treefall_scenario::Scenario;
use treefall_subject::Options;
use treefall_subject::roots::find_programs;
use treefall_subject::target::{ReplicaName, Target};

/// A run. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct RunObject {
    scenario: String,
    target: String,
    release: String,
    bad: bool,
    /// Other known crashes of the trees in this release, by issue or defect. A real program is treated like its
    /// release.
    other_crashes: Vec<String>,
    /// Null: the file has no expectation for this release.
    as_expected: Option<bool>,
    broken: Vec<String>,
    outcome: String,
}

/// A scenario. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct ScenarioObject {
    scenario: String,
    first_bad: Option<String>,
    /// Release to run: after the last bad one, and without a known crash of the trees.
    first_good: Option<String>,
    /// First release after the last bad one; it may have another known crash of the trees.
    first_without: Option<String>,
    /// Recommended release, as a sentence; null: the newest release is bad, or none is.
    fixed: Option<String>,
    /// First and last release of each bad row.
    bad: Vec<[String; 2]>,
    /// Real programs that differ from the replica of their release.
    differ: Vec<String>,
    not_as_expected: usize,
}

#[derive(Serialize, JsonSchema)]
struct MatrixSummary {
    scenarios: usize,
    runs: usize,
    not_as_expected: usize,
    differ: usize,
}

/// Result of one release or program.
struct Cell {
    release: Release,
    /// Target of a real program.
    real: Option<String>,
    bad: bool,
    as_expected: Option<bool>,
    broken: Vec<String>,
    breaks_memory: bool,
    outcome: String,
    /// Not bad, but judging ended early, so a later failure is unknown.
    cut_short: bool,
}

impl Cell {
    /// Reports whether both look the same in the table.
    fn same(&self, other: &Self) -> bool {
        (&self.broken, &self.outcome, self.as_expected, self.mark())
            == (&other.broken, &other.outcome, other.as_expected, other.mark())
    }

    /// Lists the other known crashes of the trees in the release.
    fn other_crashes(&self) -> Vec<String> {
        let crashes = self.release.tree_crashes().map(|defect| defect.row().short_name());
        if self.bad { Vec::new() } else { crashes.collect() }
    }

    /// Returns the mark of the row. A release with another crash is not good.
    fn mark(&self) -> String {
        match (self.bad, self.other_crashes()) {
            (true, _) => "bad".to_owned(),
            (false, crashes) if crashes.is_empty() => "good".to_owned(),
            (false, crashes) => format!("other crash: {}", crashes.join(" and ")),
        }
    }
}

/// Lines of `--json`.
pub(super) const LINES: [JsonLine; 3] = [
    JsonLine::of::<RunObject>("a run"),
    JsonLine::of::<ScenarioObject>("a scenario"),
    JsonLine::of::<Summary<MatrixSummary>>("summary"),
];

pub(super) fn run(args: &Matrix, output: &mut Output) -> Result<Status, CliError> {
    let scenarios = files::load_all(&args.files)?;
    all(scenarios.iter().map(|(path, scenario)| refuse_never_started(path, scenario)))?;
    let reals = real_targets(args, output)?;
    let mut running = Reals::default();
    let mut summary = MatrixSummary { scenarios: scenarios.len(), runs: 0, not_as_expected: 0, differ: 0 };
    let progress = Progress::begin(None);
    for (place, (path, scenario)) in scenarios.iter().enumerate() {
        output
            .progress(format_args!("scenario {}", progress.part(place + 1, scenarios.len(), path.display())));
        let Some(cells) = cells(scenario, &reals, &mut running)? else { break };
        let object = print(path, scenario, &cells, output);
        summary.runs += cells.len();
        summary.not_as_expected += object.not_as_expected;
        summary.differ += object.differ.len();
    }
    output.note(format_args!(
        "{}, {}; {} not as expected, {} of real programs differ from their replicas",
        count(summary.scenarios as u64, "scenario"),
        count(summary.runs as u64, "run"),
        summary.not_as_expected,
        summary.differ
    ));
    output.note(
        "good: the failure of the file does not show, and the table of defects has no crash of the trees for the release's \
         number; `treefall targets` lists its other defects",
    );
    if args.targets.is_empty() && find_programs().is_empty() {
        workers::none_installed("the table has only replicas", output);
    }
    let stopped = workers::interrupted();
    if stopped {
        output.error("stopped before all scenarios were run");
    }
    let good = !stopped && summary.not_as_expected == 0 && summary.differ == 0;
    output.conclude(&summary);
    Ok(if good { Status::Good } else { Status::Failure })
}

/// Returns the named real programs, or all that were found and can be driven.
fn real_targets(args: &Matrix, output: &mut Output) -> Result<Vec<(Target, Release)>, CliError> {
    if args.targets.is_empty() {
        let found = workers::found(args.driven, output).into_iter();
        return Ok(found.map(|(place, program)| (Target::Engine(place), program.release())).collect());
    }
    let real = |target: Target| match &target {
        Target::Engine(place) => {
            let release = place.open().map_err(|error| CliError::Usage(error.to_string()))?.release();
            Ok((target, release))
        }
        _ => Err(CliError::Usage(format!(
            "`{target}`: the table already has every replica release; name real programs: `engine:PATH`"
        ))),
    };
    workers::driven(&args.targets, args.driven, output)?.into_iter().map(real).collect()
}

/// Runs the scenario on each release and program; `None`: interrupted.
fn cells(
    scenario: &Scenario,
    reals: &[(Target, Release)],
    running: &mut Reals,
) -> Result<Option<Vec<Cell>>, CliError> {
    let replicas = Release::ALL.iter().map(|release| (Target::Replica(ReplicaName::of(*release)), *release));
    let mut cells = Vec::new();
    for (target, release) in replicas.chain(reals.iter().cloned()) {
        if workers::interrupted() {
            return Ok(None);
        }
        let checked = match running.check(scenario, &target, Options::VERDICT) {
            Err(error) if error.is_unfit() => continue,
            checked => checked?,
        };
        cells.push(cell(scenario, &target, release, &checked));
    }
    Ok(Some(cells))
}

fn cell(scenario: &Scenario, target: &Target, release: Release, checked: &Checked) -> Cell {
    let verdict = &checked.ran.verdict;
    let bad = shows(scenario, checked);
    Cell {
        release,
        real: (!matches!(target, Target::Replica(_))).then(|| target.to_string()),
        bad,
        cut_short: !bad && verdict.is_cut_short(),
        as_expected: checked.comparison().map(|it| it.is_as_expected()),
        broken: verdict.signatures().map(|signature| signature.to_string()).collect(),
        breaks_memory: verdict.signatures().any(|it| it.law.weight() == Weight::Memory),
        outcome: verdict.outcome.to_string(),
    }
}

/// Prints the table of one scenario.
fn print(path: &Path, scenario: &Scenario, cells: &[Cell], output: &mut Output) -> ScenarioObject {
    let scenario_path = path.display().to_string();
    for cell in cells {
        output.object(&RunObject {
            scenario: scenario_path.clone(),
            target: cell.real.clone().unwrap_or_else(|| format!("replica:{}", cell.release)),
            release: cell.release.to_string(),
            bad: cell.bad,
            other_crashes: cell.other_crashes(),
            as_expected: cell.as_expected,
            broken: cell.broken.clone(),
            outcome: cell.outcome.clone(),
        });
    }
    let (replicas, reals): (Vec<&Cell>, Vec<&Cell>) = cells.iter().partition(|cell| cell.real.is_none());
    let differs = |real: &&&Cell| {
        let replica = replicas.iter().find(|replica| replica.release == real.release);
        // After the first use of a freed entry, the heap decides how the run ends.
        replica.is_some_and(|replica| (replica.bad, &replica.broken) != (real.bad, &real.broken))
    };
    let bad = bad_spans(&replicas);
    let without = first_without(&replicas, |cell| cell.bad, |cell| cell.cut_short);
    let crash = replicas.iter().any(|cell| cell.bad && cell.breaks_memory);
    let advice = without.map(|cell| Advice::against(cell.release, crash));
    let object = ScenarioObject {
        scenario: scenario_path,
        first_bad: bad.first().map(|[first, _]| first.to_string()),
        first_good: advice.and_then(Advice::run).map(|release| release.to_string()),
        first_without: without.map(|cell| cell.release.to_string()),
        fixed: advice.map(|advice| advice.to_string()),
        bad: bad.iter().map(|span| span.map(|release| release.to_string())).collect(),
        differ: reals.iter().filter(differs).filter_map(|real| real.real.clone()).collect(),
        not_as_expected: cells.iter().filter(|cell| cell.as_expected == Some(false)).count(),
    };
    output.object(&object);
    if !output.is_json() {
        output.heading(format_args!("{}: {}", object.scenario, scenario.title));
        output.line(table(&replicas, &reals));
        output.line(format_args!("{}\n", answer(&bad, &object)));
    }
    object
}

/// Returns the first and last release of each bad row.
fn bad_spans(replicas: &[&Cell]) -> Vec<[Release; 2]> {
    let spans = replicas.chunk_by(|a, b| a.bad == b.bad).filter(|span| span[0].bad);
    spans.map(|span| [span[0].release, span[span.len() - 1].release]).collect()
}

fn answer(bad: &[[Release; 2]], object: &ScenarioObject) -> String {
    let spans: Vec<String> = bad
        .iter()
        .map(|[first, last]| if first == last { first.to_string() } else { format!("{first} to {last}") })
        .collect();
    let fixed = object.fixed.clone().unwrap_or_else(not_fixed);
    match object.first_bad.as_deref() {
        None => "bad: none".to_owned(),
        Some(first_bad) => format!("bad: {}; first bad {first_bad}; {fixed}", spans.join(", ")),
    }
}

fn table(replicas: &[&Cell], reals: &[&Cell]) -> Table {
    let mut table = Table::new(["release", "", "breaks", "outcome", "as expected"]);
    let mut add = |label: String, cell: &Cell| {
        let broken = if cell.broken.is_empty() { "nothing".to_owned() } else { cell.broken.join("\n") };
        let expected = match cell.as_expected {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "not stated",
        };
        table.add_row([label, cell.mark(), broken, cell.outcome.clone(), expected.to_owned()]);
    };
    for span in replicas.chunk_by(|a, b| a.same(b)) {
        let (first, last) = (span[0].release, span[span.len() - 1].release);
        let label = if first == last { first.to_string() } else { format!("{first} to {last}") };
        add(label, span[0]);
    }
    for real in reals {
        add(format!("{} (real)\n{}", real.release, real.real.as_deref().unwrap_or_default()), real);
    }
    table
}
