//! The explanation of a finding, as a value: every form of report is made from it.
//!
//! Everything in it is computed by running: the chain of causes (`because`), the first difference from the expected run
//! (`difference`), the purpose of each part of the trace (`minimality`), the range of each time (`window`), the other
//! orders of the same instant (`ties`), and the affected releases (`releases`). The cause by ablation is part of the
//! [`Finding`]. A [`CleanRun`] describes a run that breaks no law.
//!
//! Invariants: the same finding gives the same explanation; it takes at most [`RUNS_MAX`] runs and a few more. The trees of
//! a real program are those of the replica of its release, which agree up to the first use of a freed entry; where that
//! replica does not show the failure, there are none.

mod because;
pub(crate) mod cause_step;
mod clean_run;
pub(crate) mod difference;
mod label;
pub(crate) mod minimality;
mod moves;
mod probe;
pub(crate) mod releases;
pub(crate) mod run_log;
mod stage;
pub(crate) mod suspects;
pub(crate) mod ties;
mod wakes;
pub(crate) mod window;

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::event::Record;
use treefall_model::event::SubjectKind;
use treefall_model::release::Rules;

pub use cause_step::{CauseStep, Role};
pub use clean_run::{CleanRun, clean_run};
pub use difference::{Difference, Pair};
pub use label::Labels;
pub use minimality::{Minimality, TRIALS_MAX, Trial};
pub use probe::{Asked, Fate, Shown};
pub(crate) use releases::NOT_ASKED;
pub use releases::{ReleaseRow, Releases, Span, first_without};
pub use run_log::{EntryState, ListShot, NODES_MAX, Places, RunLog, STAGES_MAX, Snapshot, Stage, TreeShot};
pub use stage::{stage_title, step_words};
pub use suspects::Suspects;
pub use ties::{ROWS_MAX, Row, TABLES_MAX, TieTable};
pub use wakes::{Met, and, brings, in_words, met, order_words, times};
pub use window::{End, SAMPLES, TIMES_MAX, Window, Windows};

use crate::Names;
use probe::Probe;
use treefall_base::control::Control;
use treefall_search::cause::{Ablation, Cause};
use treefall_search::error::SearchError;
use treefall_search::triage::Finding;
use treefall_subject::replica::run_replica_as;
use treefall_subject::{Options, Subject};

/// Most runs of the subject that one explanation takes.
pub const RUNS_MAX: u64 = 20_000;

/// Why a trace fails, where, and under which conditions.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Explanation {
    /// The chain of causes.
    pub because: Vec<CauseStep>,
    /// The first difference from the expected run; `None`: nothing that is shown differs.
    pub difference: Option<Difference>,
    /// The purpose of each part.
    pub minimality: Minimality,
    /// The range of each time.
    pub windows: Windows,
    /// All orders at each instant with several events, the instant nearest to the violation first.
    pub ties: Vec<TieTable>,
    /// Which releases have it.
    pub releases: Releases,
    /// The subject that was run for orders, parts and windows.
    pub asked: Asked,
    /// Number of runs.
    pub runs: u64,
    /// The subject's own history.
    #[serde(skip)]
    pub history: Vec<Record>,
    /// The replica's run with all snapshots; `None`: it does not show the failure.
    #[serde(skip)]
    pub run_log: Option<RunLog>,
    /// The run with the cause mended, after the name of its replica.
    #[serde(skip)]
    pub mended: Option<(String, RunLog)>,
    /// The entries and runs to blame.
    #[serde(skip)]
    pub suspects: Suspects,
    /// The stage in which the law broke.
    #[serde(skip)]
    pub broke_in: usize,
}

/// The kinds of subject that the replica of their release replaces, where it shows the finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StandIn {
    /// Daemons only: each of their runs is slow.
    ForDaemons,
    /// Every real program: each run that ends badly costs a fork.
    ForRealPrograms,
}

impl StandIn {
    const fn is_for(self, kind: SubjectKind) -> bool {
        match kind {
            SubjectKind::Replica => false,
            SubjectKind::Engine => matches!(self, Self::ForRealPrograms),
            SubjectKind::Daemon => true,
        }
    }
}

/// Explains a finding by running `subject`, which is of the kind and release that it was found on.
///
/// Where `stand_in` allows, the replica is run in its place. Reports the number of runs before each.
///
/// # Errors
/// When the subject cannot run, or the work is interrupted.
pub fn explain(
    finding: &Finding,
    subject: &mut dyn Subject,
    stand_in: StandIn,
    control: Control<'_>,
) -> Result<Explanation, SearchError> {
    let (trace, signature) = (&finding.trace, finding.signature());
    let (kind, rules) = (subject.kind(), subject.rules());
    let ran = subject.run_one(trace, Options::COMPARE)?;
    let names = Names::new(trace).with_pids(&ran.records).seen_on(kind);
    let told = RunLog::of(kind, trace, rules);
    let in_replica = told.broken(signature).is_some();
    let run_log = in_replica.then_some(told);
    let mended = run_log.as_ref().map(|_| {
        let (name, rules) = as_it_should_be(&finding.cause, &finding.target, rules);
        (name, RunLog::of(kind, trace, rules))
    });
    let (mut suspects, mut broke_in, mut because) = (Suspects::default(), 0, Vec::new());
    if let Some(run_log) = &run_log
        && let Some((broken, seen)) = run_log.broken(signature)
    {
        let labels = Labels::new(&names, &run_log.records);
        suspects = Suspects::of(broken, seen.stage, run_log, &labels);
        broke_in = seen.stage;
        because = because::because(broken, seen, &suspects, run_log, &names, &labels);
    }
    let interfaces = !trace.setup().links.is_empty();
    let difference = match (&mended, &run_log) {
        (Some((name, mended)), Some(run_log)) => {
            let expected = format!("as it should be ({name})");
            difference::between((expected, mended), (finding.target.clone(), run_log), &names)
        }
        // What a replica does without the interfaces is no standard.
        _ if interfaces => None,
        _ => {
            let replica = run_replica_as(kind, trace, rules, Options::COMPARE);
            let expected = "the replica of its release".to_owned();
            difference::of_runs((expected, &replica), (finding.target.clone(), &ran), &names)
        }
    };
    let met_wakes = met(trace, &ran.records);
    let broke_at = usize::try_from(finding.broken().records).unwrap_or(usize::MAX);
    let replica = !interfaces && stand_in.is_for(kind) && Ablation::of(subject).shows(trace, signature);
    let asked = if replica { Asked::ItsReplica } else { Asked::Itself };
    let mut asker = Probe::new(subject, signature, asked, RUNS_MAX, control);
    let ties = ties::tables(&mut asker, trace, &met_wakes, broke_at, run_log.as_ref(), &names)?;
    let minimality =
        minimality::minimality(&mut asker, trace, (&met_wakes, &times(trace, &ran.records)), &names)?;
    let windows = window::windows(&mut asker, trace, &met_wakes, (kind, rules), &names)?;
    let runs = asker.runs;
    Ok(Explanation {
        because,
        difference,
        minimality,
        windows,
        ties,
        releases: releases::releases(kind, trace, signature, &finding.cause),
        asked,
        runs,
        history: ran.records,
        run_log,
        mended,
        suspects,
        broke_in,
    })
}

/// Returns the rules with the cause mended, after the name of their replica.
fn as_it_should_be(cause: &Cause, target: &str, rules: Rules) -> (String, Rules) {
    match (cause, cause.defects().first()) {
        (Cause::Together([one, other]), _) => {
            (format!("{target}, {one} and {other} mended"), rules.without(*one).without(*other))
        }
        (_, Some(defect)) => (format!("{target}, {} mended", defect.name()), rules.without(*defect)),
        (_, None) => {
            let mended = rules.defects.iter().fold(rules, Rules::without);
            (format!("{target}, every known defect mended"), mended)
        }
    }
}
