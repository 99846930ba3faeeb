//! From the first trace of a signature to something a person can use: shrunk, confirmed, with its cause.

use std::sync::atomic::{AtomicUsize, Ordering};

use treefall_model::event::SubjectKind;
use treefall_model::trace::Trace;
use treefall_model::verdict::{Break, Outcome, Signature, Verdict};

use crate::cause::{Cause, cause};
use crate::hunt::Find;
use crate::scout::Scouts;
use crate::shrink::{self, Limits, Shrunk, build_up};
use crate::subject::backtrace::Frame;
use crate::subject::replica::{probe_replica, probe_replica_as};
use crate::subject::{Options, Subject, SubjectError};

/// Most runs of the replica in building up what is smaller than a shrunk find.
pub const BUILD_UP_MAX: u64 = 300_000;

/// Most runs of a real program in one shrinking: each that ends badly costs a fork.
const REAL_RUNS_MAX: u64 = 2_000;

/// On what a find was shrunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShrunkOn {
    /// On the subject itself.
    Itself,
    /// On the replica of its release, each step confirmed on the subject.
    ReplicaConfirmed,
    /// On the real program, because the replica does not show the find: the two differ.
    RealBecauseReplicaDiffers,
}

/// A find, worked out.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The target that it was found on.
    pub target: String,
    /// What was found.
    pub find: Find,
    /// Its smallest trace.
    pub trace: Trace,
    /// The verdict on the smallest trace.
    pub verdict: Verdict,
    /// Runs that shrinking took, the check of minimality included.
    pub runs: u64,
    /// No single removal or simplification keeps the signature; checked by itself, on the subject (of a
    /// daemon, where its replica shows it).
    pub minimal: bool,
    /// On what it was shrunk.
    pub shrunk_on: ShrunkOn,
    /// Other signatures met while shrinking, each with its trace.
    pub slipped: Vec<(Signature, Trace)>,
    /// What mends it.
    pub cause: Cause,
    /// Two runs of the smallest trace, in subjects of their own, gave this signature and one digest.
    pub confirmed: bool,
    /// The digest of the smallest trace's run.
    pub digest: u128,
    /// Who called whom where a real program crashed or hung.
    pub backtrace: Vec<Frame>,
}

impl Finding {
    /// What makes it the same as another.
    #[must_use]
    pub fn signature(&self) -> Signature {
        self.find.signature()
    }

    /// The break, as the smallest trace shows it.
    #[must_use]
    pub fn broken(&self) -> &Break {
        let signature = self.signature();
        let shown = self.verdict.breaks.iter().find(|broken| broken.signature == signature);
        shown.unwrap_or(&self.find.broken)
    }
}

/// Works out a find: shrinks it on `subject`, confirms it on subjects that `fresh` makes, asks for its cause.
/// Where edits lead no further, smaller traces are built up in at most `build_up_max` runs of the replica.
///
/// # Errors
/// When a subject cannot run.
pub fn work_out(
    subject: &mut dyn Subject,
    fresh: &dyn Fn() -> Result<Box<dyn Subject>, SubjectError>,
    find: &Find,
    build_up_max: u64,
) -> Result<Finding, SubjectError> {
    let (mut shrunk, shrunk_on) = shrink_on(subject, find)?;
    // What is built up is judged as a replica shows it, and a daemon shows less.
    if shrunk_on != ShrunkOn::RealBecauseReplicaDiffers && subject.kind() != SubjectKind::Daemon {
        go_below(subject, find, &mut shrunk, build_up_max)?;
    }
    confirm(subject, fresh, find, shrunk, shrunk_on)
}

/// Builds up smaller traces and shrinks them further, until there is none or the runs are spent.
fn go_below(
    subject: &mut dyn Subject,
    find: &Find,
    shrunk: &mut Shrunk,
    build_up_max: u64,
) -> Result<(), SubjectError> {
    let (signature, rules) = (find.signature(), subject.rules());
    let mut scouts = Scouts::new(rules, signature);
    let mut left = build_up_max;
    while left > 0 {
        let before = scouts.runs();
        let scouted = |trace: &Trace| Ok::<_, SubjectError>(scouts.look(trace));
        let built = build_up(&shrunk.trace, signature, left, scouted)?;
        left -= built.runs;
        shrunk.runs += scouts.runs() - before;
        let Some(trace) = built.trace else { break };
        // What the replica shows, the subject must show too.
        let verdict = ask(subject, &trace, signature)?;
        shrunk.runs += 1;
        if !has(&verdict, signature) {
            break;
        }
        let (further, _) = shrink_on(subject, &Find { trace, verdict, ..find.clone() })?;
        shrunk.take(further);
    }
    Ok(())
}

/// The same for a find that is as small as it is to be.
///
/// # Errors
/// As [`work_out`].
pub fn work_out_as_it_is(
    subject: &mut dyn Subject,
    fresh: &dyn Fn() -> Result<Box<dyn Subject>, SubjectError>,
    find: &Find,
) -> Result<Finding, SubjectError> {
    let (trace, verdict) = (find.trace.clone(), find.verdict.clone());
    let shrunk = Shrunk { trace, verdict, runs: 0, accepted: 0, minimal: true, slipped: Vec::new() };
    confirm(subject, fresh, find, shrunk, ShrunkOn::Itself)
}

fn confirm(
    subject: &mut dyn Subject,
    fresh: &dyn Fn() -> Result<Box<dyn Subject>, SubjectError>,
    find: &Find,
    shrunk: Shrunk,
    shrunk_on: ShrunkOn,
) -> Result<Finding, SubjectError> {
    let signature = find.signature();
    let (minimal, checks) = shrink::is_minimal(&shrunk.trace, signature, |trace| match shrunk_on {
        // A daemon takes long to ask: what its replica does not show either is not asked of it.
        ShrunkOn::ReplicaConfirmed if subject.kind() == SubjectKind::Daemon => {
            ask_both(subject, trace, signature)
        }
        _ => ask(subject, trace, signature),
    })?;
    let once = fresh()?.run_one(&shrunk.trace, Options::DIGESTED)?;
    let twice = fresh()?.run_one(&shrunk.trace, Options::DIGESTED)?;
    Ok(Finding {
        target: subject.name(),
        find: find.clone(),
        minimal,
        runs: shrunk.runs + checks,
        shrunk_on,
        cause: cause(subject.kind(), &shrunk.trace, signature, subject.rules()),
        confirmed: once == twice && has(&once.verdict, signature),
        digest: once.digest,
        backtrace: once.backtrace,
        verdict: once.verdict,
        trace: shrunk.trace,
        slipped: shrunk.slipped,
    })
}

/// What the subject does with a trace, as far as it matters to who looks for `signature`.
fn ask(subject: &mut dyn Subject, trace: &Trace, signature: Signature) -> Result<Verdict, SubjectError> {
    match subject.kind() {
        SubjectKind::Replica => Ok(probe_replica(trace, subject.rules(), signature)),
        SubjectKind::Daemon if subject.fitted(trace.clone()) != *trace => {
            // It cannot be given this one, which so shows nothing.
            Ok(Verdict { breaks: Vec::new(), outcome: Outcome::Survived })
        }
        _ => subject.run_one(trace, Options::VERDICT).map(|ran| ran.verdict),
    }
}

/// What a real program does with a trace, asked only where its replica shows the signature.
fn ask_both(subject: &mut dyn Subject, trace: &Trace, signature: Signature) -> Result<Verdict, SubjectError> {
    let expected = probe_replica_as(subject.kind(), trace, subject.rules(), signature);
    if has(&expected, signature) { ask(subject, trace, signature) } else { Ok(expected) }
}

fn shrink_on(subject: &mut dyn Subject, find: &Find) -> Result<(Shrunk, ShrunkOn), SubjectError> {
    let (signature, rules) = (find.signature(), subject.rules());
    let (trace, verdict) = (find.trace.clone(), find.verdict.clone());
    if subject.kind() == SubjectKind::Replica {
        let judge = |trace: &Trace| ask(subject, trace, signature);
        return Ok((shrink::shrink(trace, verdict, signature, Limits::default(), judge)?, ShrunkOn::Itself));
    }
    if !has(&probe_replica_as(subject.kind(), &trace, rules, signature), signature) {
        let limits = Limits { runs_max: REAL_RUNS_MAX, pairs: false };
        let judge = |trace: &Trace| ask(subject, trace, signature);
        let shrunk = shrink::shrink(trace, verdict, signature, limits, judge)?;
        return Ok((shrunk, ShrunkOn::RealBecauseReplicaDiffers));
    }
    // The replica says what is not worth a try; what it takes, the real program must show too.
    let judge = |trace: &Trace| ask_both(subject, trace, signature);
    Ok((shrink::shrink(trace, verdict, signature, Limits::default(), judge)?, ShrunkOn::ReplicaConfirmed))
}

/// Works out the finds side by side, each on one of the crew; the findings are in the order of the finds.
///
/// # Errors
/// As [`work_out`], of the first find for which it fails.
pub fn work_out_all(
    crew: &mut [Box<dyn Subject>],
    fresh: &(dyn Fn() -> Result<Box<dyn Subject>, SubjectError> + Sync),
    finds: &[Find],
    build_up_max: u64,
) -> Result<Vec<Finding>, SubjectError> {
    let next = AtomicUsize::new(0);
    let work = |subject: &mut Box<dyn Subject>| {
        let take = || next.fetch_add(1, Ordering::Relaxed);
        let places = std::iter::repeat_with(take).map_while(|place| Some((place, finds.get(place)?)));
        places
            .map(|(place, find)| (place, work_out(subject.as_mut(), &|| fresh(), find, build_up_max)))
            .collect()
    };
    let mut done: Vec<(usize, Result<Finding, SubjectError>)> = std::thread::scope(|scope| {
        let crew = crew.iter_mut().take(finds.len().max(1));
        let workers: Vec<_> = crew.map(|subject| scope.spawn(|| work(subject))).collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined
            .flat_map(|result: Result<Vec<_>, _>| {
                result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, finding)| finding).collect()
}

fn has(verdict: &Verdict, signature: Signature) -> bool {
    verdict.breaks.iter().any(|broken| broken.signature == signature)
}
