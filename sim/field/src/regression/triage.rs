//! Triages a trace in which the new program is worse: shrinks it, confirms it in fresh processes, and determines its
//! cause.

use treefall_base::control::Control;
use treefall_model::contents::Contents;
use treefall_model::event::SubjectKind;
use treefall_model::release::Defect;
use treefall_model::trace::Trace;
use treefall_model::verdict::Signature;
use treefall_search::cause::{Ablation, Cause};
use treefall_search::oracle::{
    Closeness, Difference, DifferenceKey, SideBySide, records_before, same_at_sight, spot_of,
};
use treefall_search::shrink::{Limits, shrink_while};
use treefall_subject::backtrace::Frame;
use treefall_subject::{Options, Ran, Spot, SubjectError};

use super::judge::{Explain, Key};
use super::lane::{Lane, PlayedPair, Side, Sides};
use super::search::CheckFailure;

/// A finding of `check`: a shrunk trace in which the new program is worse, with its explanation.
#[derive(Clone, Debug)]
pub struct CheckFinding {
    /// The two programs.
    pub sides: Sides,
    /// The failure, as the search met it.
    pub seen: CheckFailure,
    /// The smallest trace that shows it.
    pub trace: Trace,
    /// Runs of both programs while shrinking.
    pub runs: u64,
    /// No single edit makes the trace smaller.
    pub minimal: bool,
    /// Two runs in fresh processes gave the same result, and showed the failure.
    pub confirmed: bool,
    /// What the new program did.
    pub new: Side,
    /// What the old one did.
    pub old: Side,
    /// The first difference.
    pub difference: Option<Difference>,
    /// Contents of the indexes at the difference, new then old, if an index differs.
    pub contents: Option<(Contents, Contents)>,
    /// The calls that led there in the new program, innermost first.
    pub backtrace: Vec<Frame>,
    /// The known defect that, added to the old program's release, explains what the new program did.
    pub equivalent_defect: Option<Defect>,
    /// The cause of a law that the new program breaks.
    pub cause: Option<Cause>,
}

impl CheckFinding {
    /// Returns the law that the new program alone breaks, if that is the failure.
    #[must_use]
    pub const fn signature(&self) -> Option<Signature> {
        match self.seen.key {
            Key::Breaks(signature) => Some(signature),
            Key::NotDriven | Key::Differs(_) => None,
        }
    }

    /// Returns the known defects that cause it.
    #[must_use]
    pub fn defects(&self) -> Vec<Defect> {
        let of_cause = self.cause.iter().flat_map(|cause| cause.defects().iter().copied());
        let mut defects: Vec<Defect> = self.equivalent_defect.into_iter().chain(of_cause).collect();
        defects.sort_unstable();
        defects.dedup();
        defects
    }
}

/// Most runs of both programs in one shrinking.
const fn runs_max(kind: SubjectKind, key: Key) -> u64 {
    match (kind, key) {
        // Each such run restarts a process.
        (_, Key::NotDriven) => 80,
        (SubjectKind::Daemon, _) => 500,
        (SubjectKind::Engine, _) => 3_000,
        (SubjectKind::Replica, _) => 20_000,
    }
}

/// Shrinks and explains a failure. `control` receives the number of runs before each one; if it interrupts, the
/// smallest trace so far is explained, and is not minimal.
///
/// # Errors
/// When a program cannot be restarted, or the harness fails.
pub fn triage(
    lane: &mut Lane,
    closeness: Closeness,
    seen: &CheckFailure,
    control: Control<'_>,
) -> Result<CheckFinding, SubjectError> {
    let sides = lane.sides().clone();
    let limits = Limits { runs_max: runs_max(sides.kind, seen.key), pairs: false };
    let mut runs = 0;
    let mut stopped = false;
    let shrunk = shrink_while(seen.trace.clone(), limits, |trace| {
        stopped |= control.check(runs).is_err();
        if stopped || !lane.takes(trace) {
            return Ok(false);
        }
        runs += 1;
        let played = lane.play_one(trace.clone(), closeness.in_detail())?;
        Ok::<_, SubjectError>(shows(seen.key, &played))
    })?;
    let trace = shrunk.trace;
    let fresh = || Lane::start(&sides)?.play_one(trace.clone(), closeness.in_detail());
    let (once, twice) = (fresh()?, fresh()?);
    let confirmed = shows(seen.key, &once) && alike(&once.new, &twice.new) && alike(&once.old, &twice.old);
    let mut finding = CheckFinding {
        sides,
        seen: seen.clone(),
        trace,
        runs,
        minimal: shrunk.minimal && !stopped,
        confirmed,
        new: once.new,
        old: once.old,
        difference: None,
        contents: None,
        backtrace: Vec::new(),
        equivalent_defect: None,
        cause: None,
    };
    explain(lane, closeness, &mut finding)?;
    Ok(finding)
}

/// Returns whether a played trace shows the failure of a key.
fn shows(key: Key, played: &PlayedPair) -> bool {
    match (key, &played.new, &played.old) {
        (Key::NotDriven, Side::NotDriven(_), Side::Ran(_)) => true,
        (Key::Breaks(signature), Side::Ran(new), Side::Ran(old)) => {
            SideBySide::of(new, old).breaks.is_new(signature)
        }
        (Key::Differs(wanted), Side::Ran(new), Side::Ran(old)) => {
            let seen = SideBySide::of(new, old);
            seen.difference.is_some_and(|it| DifferenceKey::of(&it) == wanted)
        }
        _ => false,
    }
}

/// Returns whether one side did the same twice.
fn alike(once: &Side, twice: &Side) -> bool {
    match (once, twice) {
        (Side::Ran(once), Side::Ran(twice)) => same_at_sight(once, twice),
        (Side::NotDriven(once), Side::NotDriven(twice)) => once == twice,
        _ => false,
    }
}

/// Fills in the first difference, the indexes' contents there, the calls that led there, and the cause.
fn explain(lane: &mut Lane, closeness: Closeness, finding: &mut CheckFinding) -> Result<(), SubjectError> {
    let (Side::Ran(new), Side::Ran(old)) = (&finding.new, &finding.old) else { return Ok(()) };
    let seen = SideBySide::of(new, old);
    let broke = finding.signature().and_then(|signature| new.verdict.violation(signature));
    let at_break = broke.map(|broken| broken.records);
    // A law that broke before the histories differ takes precedence over their difference.
    let difference = seen.difference.filter(|it| at_break.is_none_or(|at| records_before(it) < at));
    let at_break = at_break.and_then(|records| records.checked_sub(1)).map(Spot::Record);
    let spot = difference.as_ref().and_then(spot_of).or(at_break);
    let explain = Explain { kind: finding.sides.kind, old: lane.rules().1, closeness };
    finding.equivalent_defect = explain.equivalent_defect(&finding.trace, new, old);
    finding.cause = finding.signature().map(|signature| {
        let ablation = Ablation::new(finding.sides.kind, lane.rules().0);
        ablation.cause_of(&finding.trace, signature, &new.verdict)
    });
    // A crash, hang or stray access is the place of interest, unless the two differed before.
    if difference.is_none() && !new.backtrace.is_empty() {
        finding.backtrace = new.backtrace.clone();
        return Ok(());
    }
    finding.difference = difference;
    let Some(spot) = spot else { return Ok(()) };
    let options = Options { spot: Some(spot), ..closeness.in_detail() };
    let there = lane.play_one(finding.trace.clone(), options)?;
    if let (Side::Ran(new), Side::Ran(old)) = (there.new, there.old) {
        let contents = |ran: &Ran| ran.contents.clone();
        finding.contents = contents(&new).zip(contents(&old));
        finding.backtrace = new.backtrace;
    }
    Ok(())
}
