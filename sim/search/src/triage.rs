//! Triages a failure: shrinks its trace, confirms it, and determines its cause.

use treefall_model::event::SubjectKind;
use treefall_model::trace::Trace;
use treefall_model::verdict::{Outcome, Signature, Verdict, Violation};

use crate::cause::{Ablation, Cause};
use crate::error::SearchError;
use crate::hunt::Failure;
use crate::known::FindingId;
use crate::shrink::probe::ProbeCache;
use crate::shrink::{self, Limits, Shrunk, build_up};
use treefall_base::control::{Control, Interrupted};
use treefall_subject::backtrace::{EntryLife, Frame};
use treefall_subject::replica::probe_replica;
use treefall_subject::{Options, Subject, SubjectError};

/// Most runs of the replica to build up traces smaller than a shrunk one.
pub const BUILD_UP_MAX: u64 = 300_000;

/// Most runs of a real program in one shrinking; each that ends badly costs a fork.
const REAL_RUNS_MAX: u64 = 2_000;

/// The verdict on a trace that a subject does not accept.
const NOTHING_SHOWN: Verdict = Verdict { breaks: Vec::new(), outcome: Outcome::Survived };

/// The subject on which a failure was shrunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShrunkOn {
    /// The subject itself.
    Itself,
    /// The replica of its release; each step was confirmed on the subject.
    ReplicaConfirmed,
    /// The real program, because the replica does not show the failure.
    RealBecauseReplicaDiffers,
}

/// A failure with its smallest trace and its cause.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The target on which it was found.
    pub target: String,
    /// The kind of that target.
    pub kind: SubjectKind,
    /// The failure that was triaged.
    pub failure: Failure,
    /// Its smallest trace.
    pub trace: Trace,
    /// The verdict on the smallest trace.
    pub verdict: Verdict,
    /// Runs of shrinking and of the check of minimality.
    pub runs: u64,
    /// No single removal or simplification keeps the signature. Checked on the subject; for a daemon, only where its
    /// replica shows it.
    pub minimal: bool,
    /// The subject on which it was shrunk.
    pub shrunk_on: ShrunkOn,
    /// Other signatures met while shrinking, each with its trace.
    pub slipped: Vec<(Signature, Trace)>,
    /// Its cause.
    pub cause: Cause,
    /// Two runs of the smallest trace in fresh subjects gave this signature and the same digest.
    pub confirmed: bool,
    /// The digest of the smallest trace's run.
    pub digest: u128,
    /// The stack at which a real program crashed or hung.
    pub backtrace: Vec<Frame>,
    /// Where the entry that it then used was allocated and freed.
    pub life: EntryLife,
    /// The finding of the same cause that was shrunk with full effort; `None`: this one was.
    pub variant_of: Option<FindingId>,
}

impl Finding {
    /// Returns its signature.
    #[must_use]
    pub fn signature(&self) -> Signature {
        self.failure.signature()
    }

    /// Returns its identity: signature and cause.
    #[must_use]
    pub fn id(&self) -> FindingId {
        (self.signature(), self.cause.key()).into()
    }

    /// Returns the violation, as the smallest trace shows it.
    #[must_use]
    pub fn broken(&self) -> &Violation {
        let signature = self.signature();
        let shown = self.verdict.violation(signature);
        shown.unwrap_or(&self.failure.broken)
    }
}

/// The result of triage.
#[derive(Clone, Debug)]
pub enum Triaged {
    /// Triage finished.
    Finished(Box<Finding>),
    /// Triage was interrupted.
    Interrupted(PartlyShrunk),
}

impl Triaged {
    /// Returns the finding.
    ///
    /// # Errors
    /// When triage was interrupted.
    pub fn finished(self) -> Result<Finding, Interrupted> {
        match self {
            Self::Finished(finding) => Ok(*finding),
            Self::Interrupted(_) => Err(Interrupted),
        }
    }
}

/// The state of shrinking when triage was interrupted.
#[derive(Clone, Debug)]
pub struct PartlyShrunk {
    /// The smallest trace so far, which has the failure's signature. It need not be minimal.
    pub trace: Trace,
    /// Its verdict.
    pub verdict: Verdict,
    /// Runs so far.
    pub runs: u64,
}

/// Triages a failure: shrinks it on `subject`, confirms it on subjects from `fresh`, and determines its cause.
///
/// Where edits do not help, smaller traces are built up in at most `build_up_max` runs of the replica. `control`
/// receives the number of runs before each run.
///
/// # Errors
/// When a subject cannot run.
pub fn triage(
    subject: &mut dyn Subject,
    fresh: &Fresh<'_>,
    failure: &Failure,
    build_up_max: u64,
    control: Control<'_>,
) -> Result<Triaged, SubjectError> {
    let mut work = Triage::new(subject, failure, control);
    match work.run(fresh, build_up_max) {
        Ok(finding) => Ok(Triaged::Finished(Box::new(finding))),
        Err(SearchError::Interrupted(_)) => {
            let (trace, verdict) = work.best;
            Ok(Triaged::Interrupted(PartlyShrunk { trace, verdict, runs: work.runs }))
        }
        Err(SearchError::Subject(error)) => Err(error),
    }
}

/// Shrinks and confirms a failure, building up smaller traces in at most `build_up_max` runs of the replica.
pub(crate) fn shrink_failure(
    subject: &mut dyn Subject,
    fresh: &Fresh<'_>,
    failure: &Failure,
    build_up_max: u64,
    control: Control<'_>,
) -> Result<Finding, SearchError> {
    Triage::new(subject, failure, control).run(fresh, build_up_max)
}

/// Builds up traces that are smaller than a finding's, in at most `build_up_max` runs of the replica.
pub(crate) fn deepen(
    subject: &mut dyn Subject,
    fresh: &Fresh<'_>,
    finding: Finding,
    build_up_max: u64,
    control: Control<'_>,
) -> Result<Finding, SearchError> {
    let failure = finding.failure.clone();
    Triage::new(subject, &failure, control).deepen(fresh, finding, build_up_max)
}

/// Makes subjects of the kind that is triaged.
pub(crate) type Fresh<'f> = dyn Fn() -> Result<Box<dyn Subject>, SubjectError> + 'f;

/// Returns the finding of an interrupted triage: confirmed, but not proved minimal.
///
/// # Errors
/// As [`triage`].
pub fn triage_partly(
    subject: &mut dyn Subject,
    fresh: &Fresh<'_>,
    failure: &Failure,
    partly: PartlyShrunk,
) -> Result<Finding, SubjectError> {
    let PartlyShrunk { trace, verdict, runs } = partly;
    let shrunk = Shrunk { runs, ..Shrunk::unchanged(trace, verdict) };
    Triage::new(subject, failure, Control::none()).confirm(fresh, shrunk, ShrunkOn::Itself, (false, 0))
}

/// Returns the finding of a failure that needs no shrinking.
///
/// # Errors
/// As [`triage`].
pub fn triage_as_found(
    subject: &mut dyn Subject,
    fresh: &Fresh<'_>,
    failure: &Failure,
) -> Result<Finding, SubjectError> {
    let shrunk = Shrunk::unchanged(failure.trace.clone(), failure.verdict.clone());
    let mut work = Triage::new(subject, failure, Control::none());
    let checked = match work.check(&shrunk.trace, ShrunkOn::Itself) {
        Err(SearchError::Subject(error)) => return Err(error),
        // Nothing interrupts it.
        Err(SearchError::Interrupted(_)) => (false, 0),
        Ok(checked) => checked,
    };
    work.confirm(fresh, shrunk, ShrunkOn::Itself, checked)
}

/// A triage under way. Invariant: each run is counted, and none begins after an interruption.
struct Triage<'w> {
    subject: &'w mut dyn Subject,
    ablation: Ablation,
    failure: &'w Failure,
    control: Control<'w>,
    /// Runs so far, including cached runs of the replica.
    runs: u64,
    /// The smallest trace so far, with its verdict.
    best: (Trace, Verdict),
}

impl<'w> Triage<'w> {
    fn new(subject: &'w mut dyn Subject, failure: &'w Failure, control: Control<'w>) -> Self {
        let ablation = Ablation::of(subject);
        Self {
            subject,
            ablation,
            failure,
            control,
            runs: 0,
            best: (failure.trace.clone(), failure.verdict.clone()),
        }
    }

    /// Counts a run that is about to begin.
    fn next(&mut self) -> Result<(), Interrupted> {
        self.control.check(self.runs)?;
        self.runs += 1;
        Ok(())
    }

    fn run(&mut self, fresh: &Fresh<'_>, build_up_max: u64) -> Result<Finding, SearchError> {
        let (trace, verdict) = self.start()?;
        let (mut shrunk, shrunk_on) = self.shrink(trace, verdict)?;
        if self.can_be_built_up(shrunk_on) {
            self.build_up_below(&mut shrunk, build_up_max)?;
        }
        let checked = self.check(&shrunk.trace, shrunk_on)?;
        Ok(self.confirm(fresh, shrunk, shrunk_on, checked)?)
    }

    /// Build-up judges traces by a replica, and a daemon shows less than that.
    fn can_be_built_up(&self, shrunk_on: ShrunkOn) -> bool {
        shrunk_on != ShrunkOn::RealBecauseReplicaDiffers && self.subject.kind() != SubjectKind::Daemon
    }

    fn deepen(&mut self, fresh: &Fresh<'_>, finding: Finding, max: u64) -> Result<Finding, SearchError> {
        if !self.can_be_built_up(finding.shrunk_on) {
            return Ok(finding);
        }
        let unchanged = Shrunk::unchanged(finding.trace.clone(), finding.verdict.clone());
        let mut shrunk = Shrunk { runs: finding.runs, slipped: finding.slipped.clone(), ..unchanged };
        self.build_up_below(&mut shrunk, max)?;
        if shrunk.trace == finding.trace {
            return Ok(Finding { runs: shrunk.runs, ..finding });
        }
        let checked = self.check(&shrunk.trace, finding.shrunk_on)?;
        Ok(self.confirm(fresh, shrunk, finding.shrunk_on, checked)?)
    }

    /// Returns where shrinking starts: the part of the trace that shows the cause, if the subject shows it there too.
    fn start(&mut self) -> Result<(Trace, Verdict), SubjectError> {
        let signature = self.failure.signature();
        if let Some(new_cause) = &self.failure.new_cause {
            let ran = self.subject.run_one(&new_cause.start, Options::VERDICT)?;
            if ran.counting().any(|broken| broken.signature == signature) {
                return Ok((new_cause.start.clone(), ran.verdict));
            }
        }
        Ok((self.failure.trace.clone(), self.failure.verdict.clone()))
    }

    fn shrink(&mut self, trace: Trace, verdict: Verdict) -> Result<(Shrunk, ShrunkOn), SearchError> {
        let signature = self.failure.signature();
        let shrunk_on = match self.subject.kind() {
            SubjectKind::Replica => ShrunkOn::Itself,
            _ if self.ablation.shows(&trace, signature) => ShrunkOn::ReplicaConfirmed,
            _ => ShrunkOn::RealBecauseReplicaDiffers,
        };
        let limits = match shrunk_on {
            ShrunkOn::RealBecauseReplicaDiffers => Limits { runs_max: REAL_RUNS_MAX, pairs: false },
            _ => Limits::default(),
        };
        let judge = |trace: &Trace| {
            let verdict = match shrunk_on {
                // The replica rules candidates out; the real program must confirm the others.
                ShrunkOn::ReplicaConfirmed => self.ask_both(trace)?,
                _ => self.ask(trace)?,
            };
            // The shrinker offers only candidates smaller than all accepted ones.
            if verdict.shows(signature) {
                self.best = (trace.clone(), verdict.clone());
            }
            Ok::<_, SearchError>(verdict)
        };
        Ok((shrink::shrink(trace, verdict, signature, limits, judge)?, shrunk_on))
    }

    /// Builds up smaller traces and shrinks them further, until there are none or the runs are used up.
    fn build_up_below(&mut self, shrunk: &mut Shrunk, build_up_max: u64) -> Result<(), SearchError> {
        let (signature, rules) = (self.failure.signature(), self.subject.rules());
        let mut cache = ProbeCache::new(rules, signature);
        let mut left = build_up_max;
        while left > 0 {
            let before = cache.runs();
            let probed = |trace: &Trace| {
                self.next()?;
                let mut seen = cache.probe(trace);
                // The probe ran the replica alone, without the baseline.
                let beside = self.subject.baseline_rules().is_some();
                if beside && seen.verdict.shows(signature) && !self.ablation.shows(trace, signature) {
                    drop_from(&mut seen.verdict, signature);
                }
                self.keep_cause(trace, &mut seen.verdict);
                Ok::<_, SearchError>(seen)
            };
            let built = build_up(&shrunk.trace, signature, left, probed)?;
            left -= built.runs;
            shrunk.runs += cache.runs() - before;
            let Some(trace) = built.trace else { break };
            // The subject must show what the replica shows.
            let verdict = self.ask(&trace)?;
            shrunk.runs += 1;
            if !verdict.shows(signature) {
                break;
            }
            self.best = (trace.clone(), verdict.clone());
            let (further, _) = self.shrink(trace, verdict)?;
            shrunk.take(further);
        }
        Ok(())
    }

    /// Returns whether no single edit of a trace is smaller and keeps the signature, and how many runs that took.
    fn check(&mut self, trace: &Trace, shrunk_on: ShrunkOn) -> Result<(bool, u64), SearchError> {
        let (signature, kind) = (self.failure.signature(), self.subject.kind());
        shrink::is_minimal(trace, signature, |trace| match shrunk_on {
            // A daemon is slow: it runs only traces that its replica shows.
            ShrunkOn::ReplicaConfirmed if kind == SubjectKind::Daemon => self.ask_both(trace),
            _ => self.ask(trace),
        })
    }

    fn confirm(
        &mut self,
        fresh: &Fresh<'_>,
        shrunk: Shrunk,
        shrunk_on: ShrunkOn,
        (minimal, checks): (bool, u64),
    ) -> Result<Finding, SubjectError> {
        let (failure, signature) = (self.failure, self.failure.signature());
        let once = fresh()?.run_one(&shrunk.trace, Options::DIGESTED)?;
        let twice = fresh()?.run_one(&shrunk.trace, Options::DIGESTED)?;
        Ok(Finding {
            target: self.subject.name(),
            kind: self.subject.kind(),
            failure: failure.clone(),
            minimal,
            runs: shrunk.runs + checks,
            shrunk_on,
            cause: self.ablation.cause_of(&shrunk.trace, signature, &once.verdict),
            confirmed: once == twice && once.counting().any(|broken| broken.signature == signature),
            digest: once.digest,
            backtrace: once.backtrace,
            life: once.life,
            variant_of: None,
            verdict: once.verdict,
            trace: shrunk.trace,
            slipped: shrunk.slipped,
        })
    }

    /// Runs a trace on the subject. Returns the violations that count; the one searched for counts only with the same
    /// cause.
    fn ask(&mut self, trace: &Trace) -> Result<Verdict, SearchError> {
        self.next()?;
        let mut verdict = match self.subject.kind() {
            SubjectKind::Replica if self.ablation.is_surely_shown() => {
                probe_replica(trace, self.subject.rules(), self.failure.signature())
            }
            // A trace that the subject does not accept shows nothing.
            _ if !self.subject.takes(trace) => NOTHING_SHOWN,
            _ => self.subject.run_one(trace, Options::VERDICT)?.counted(),
        };
        self.keep_cause(trace, &mut verdict);
        Ok(verdict)
    }

    /// Removes the searched violation from a verdict if it has another cause.
    fn keep_cause(&self, trace: &Trace, verdict: &mut Verdict) {
        let signature = self.failure.signature();
        if let Some(key) = self.failure.key().filter(|_| verdict.shows(signature))
            && !self.ablation.is_caused_by(key, trace, signature, verdict)
        {
            drop_from(verdict, signature);
        }
    }

    /// Runs a trace on a real program if its replica shows the signature.
    fn ask_both(&mut self, trace: &Trace) -> Result<Verdict, SearchError> {
        self.next()?;
        if !self.subject.takes(trace) {
            return Ok(NOTHING_SHOWN);
        }
        let signature = self.failure.signature();
        let expected = self.ablation.probe(trace, signature);
        if expected.shows(signature) { self.ask(trace) } else { Ok(expected) }
    }
}

fn drop_from(verdict: &mut Verdict, signature: Signature) {
    verdict.breaks.retain(|broken| broken.signature != signature);
}
