//! From a trace in which the new program is worse to a finding: shrunk, confirmed in fresh processes, looked at.

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
use super::lane::{Lane, Played, Side, Sides};
use super::search::Seen;

/// Something that makes the new program worse, worked out.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The two programs.
    pub sides: Sides,
    /// What the search saw.
    pub seen: Seen,
    /// The smallest trace that shows it.
    pub trace: Trace,
    /// Runs of both that shrinking took.
    pub runs: u64,
    /// No single edit makes the trace smaller.
    pub minimal: bool,
    /// Two runs in fresh processes showed the same, and this finding.
    pub confirmed: bool,
    /// What the new program did.
    pub new: Side,
    /// What the old one did.
    pub old: Side,
    /// The first difference.
    pub difference: Option<Difference>,
    /// What the indexes of both held there, new then old, if an index differs.
    pub contents: Option<(Contents, Contents)>,
    /// Which calls led there in the new program, innermost first.
    pub backtrace: Vec<Frame>,
    /// The known defect with which the old program's release does what the new one did.
    pub as_if: Option<Defect>,
    /// What mends a law that it breaks.
    pub cause: Option<Cause>,
}

impl Finding {
    /// The law that the new program alone breaks, if that is what was found.
    #[must_use]
    pub const fn signature(&self) -> Option<Signature> {
        match self.seen.key {
            Key::Breaks(signature) => Some(signature),
            Key::NotDriven | Key::Differs(_) => None,
        }
    }

    /// The known defects that it leads to.
    #[must_use]
    pub fn defects(&self) -> Vec<Defect> {
        let of_cause = self.cause.iter().flat_map(|cause| cause.defects().iter().copied());
        let mut defects: Vec<Defect> = self.as_if.into_iter().chain(of_cause).collect();
        defects.sort_unstable();
        defects.dedup();
        defects
    }
}

/// Most runs of both programs in one shrinking.
const fn runs_max(kind: SubjectKind, key: Key) -> u64 {
    match (kind, key) {
        // Each starts a process anew.
        (_, Key::NotDriven) => 80,
        (SubjectKind::Daemon, _) => 500,
        (SubjectKind::Engine, _) => 3_000,
        (SubjectKind::Replica, _) => 20_000,
    }
}

/// Works out what was seen. `keep_going` is asked before each run; when it says no, the smallest trace until then is
/// worked out, and is not minimal.
///
/// # Errors
/// When a program cannot be started anew, or the harness fails.
pub fn triage(
    lane: &mut Lane,
    closeness: Closeness,
    seen: &Seen,
    keep_going: &dyn Fn(u64) -> bool,
) -> Result<Finding, SubjectError> {
    let sides = lane.sides().clone();
    let limits = Limits { runs_max: runs_max(sides.kind, seen.key), pairs: false };
    let mut runs = 0;
    let mut stopped = false;
    let shrunk = shrink_while(seen.trace.clone(), limits, |trace| {
        stopped |= !keep_going(runs);
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
    let mut finding = Finding {
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
        as_if: None,
        cause: None,
    };
    look(lane, closeness, &mut finding)?;
    Ok(finding)
}

/// Whether a played trace shows what a key stands for.
fn shows(key: Key, played: &Played) -> bool {
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

/// Whether one side did the same twice.
fn alike(once: &Side, twice: &Side) -> bool {
    match (once, twice) {
        (Side::Ran(once), Side::Ran(twice)) => same_at_sight(once, twice),
        (Side::NotDriven(once), Side::NotDriven(twice)) => once == twice,
        _ => false,
    }
}

/// Fills in the first difference, what the indexes held there, the calls that led there, and the cause.
fn look(lane: &mut Lane, closeness: Closeness, finding: &mut Finding) -> Result<(), SubjectError> {
    let (Side::Ran(new), Side::Ran(old)) = (&finding.new, &finding.old) else { return Ok(()) };
    let seen = SideBySide::of(new, old);
    let broke = finding.signature().and_then(|signature| new.verdict.violation(signature));
    let at_break = broke.map(|broken| broken.records);
    // A law that broke before the histories differ is what is looked at.
    let difference = seen.difference.filter(|it| at_break.is_none_or(|at| records_before(it) < at));
    let at_break = at_break.and_then(|records| records.checked_sub(1)).map(Spot::Record);
    let spot = difference.as_ref().and_then(spot_of).or(at_break);
    let explain = Explain { kind: finding.sides.kind, old: lane.rules().1, closeness };
    finding.as_if = explain.as_if(&finding.trace, new, old);
    finding.cause = finding.signature().map(|signature| {
        let ablation = Ablation::new(finding.sides.kind, lane.rules().0);
        ablation.cause_of(&finding.trace, signature, &new.verdict)
    });
    // Where it crashed, hung or strayed, that is the place; unless the two differed before.
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
