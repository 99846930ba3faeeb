//! The explanation of a failure, as a value: every form of report is made of it.
//!
//! Everything in it was computed by running: why it broke (`because`), where the run first goes another way than
//! it should (`difference`), what each part of the trace is there for (`minimality`), how wide its times may be
//! (`window`), what other orders of the same instant do (`ties`), and which releases have it (`releases`). The
//! cause by ablation is the [`Finding`]'s own. A run that breaks nothing is told by its [`CleanRun`].
//!
//! Always: the same failure gives the same explanation; it takes at most [`RUNS_MAX`] runs and a few besides. Of a real
//! program the trees are those of the replica of its release, which agree with the program's own up to the first use
//! of a freed entry; where that replica does not show the failure, no trees are told.

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

/// Why, where, and how far.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Explanation {
    /// Why it broke.
    pub because: Vec<CauseStep>,
    /// The first difference from what should have happened; `None`: the run differs in nothing that is shown.
    pub difference: Option<Difference>,
    /// What each part is there for.
    pub minimality: Minimality,
    /// How wide its times may be.
    pub windows: Windows,
    /// All orders at each instant at which something ties, the one nearest to the break first.
    pub ties: Vec<TieTable>,
    /// Which releases have it.
    pub releases: Releases,
    /// Who was asked.
    pub asked: Asked,
    /// Runs that all this took.
    pub runs: u64,
    /// The subject's own history.
    #[serde(skip)]
    pub history: Vec<Record>,
    /// The run of the replica, told whole; `None`: it does not show the failure.
    #[serde(skip)]
    pub run_log: Option<RunLog>,
    /// The same with the cause mended.
    #[serde(skip)]
    pub mended: Option<(String, RunLog)>,
    /// Who is to blame.
    #[serde(skip)]
    pub suspects: Suspects,
    /// The stage in which the law broke.
    #[serde(skip)]
    pub broke_in: usize,
}

/// Which kinds of subject the replica of their release stands for, where it shows the finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StandIn {
    /// For a daemon alone, which takes long for each run.
    ForDaemons,
    /// For every real program: each run that ends badly costs a fork.
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

/// Explains a finding by running `subject`, what it was found on or another of its kind and release.
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

/// The rules with the cause mended, and whose they are.
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
