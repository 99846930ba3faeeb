//! Systems under test: each runs traces and shows their histories.
//!
//! Every subject takes the same [`Trace`] and has the same observer. A subject's failure to run at all is an error of
//! the harness, [`SubjectError`]; its behaviour in a run is a verdict.

#![forbid(unsafe_code)]

pub mod backtrace;
pub mod baseline;
pub mod daemon;
pub mod engine;
pub mod keepalived_conf;
pub mod program;
pub mod recording;
pub mod replica;
pub mod roots;
pub mod target;

use treefall_model::contents::Contents;
use treefall_model::event::{Record, SubjectKind};
use treefall_model::observe::Mark;
pub use treefall_model::observe::{Options, Spot};
use treefall_model::release::Rules;
use treefall_model::time::Span;
use treefall_model::trace::retain_links;
use treefall_model::trace::{Setup, Trace};
use treefall_model::verdict::{Verdict, Violation};
use treefall_model::violation::EntryFacts;
use treefall_world::Counts;
use treefall_world::calls::{self, Fate};
use treefall_world::wire::Called;

use crate::baseline::Compared;
use backtrace::{EntryLife, Frame};

/// The result of one run of one trace. Two results are equal if they show the same, whatever caused it.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The model's verdict.
    pub verdict: Verdict,
    /// The digest of the history, and of the indexes after each step if requested.
    pub digest: u128,
    /// The digest at the moment when a memory law broke.
    pub digest_at_break: Option<u128>,
    /// Counts of events.
    pub counts: Counts,
    /// The history, if requested.
    pub records: Vec<Record>,
    /// The steps, if requested.
    pub marks: Vec<Mark>,
    /// Contents of the indexes at the requested step.
    pub contents: Option<Contents>,
    /// Number of records before the first use of a freed entry, or of something that no replica has; only replicas
    /// record it.
    pub first_use: Option<u64>,
    /// The stack at which a real program crashed or hung, or reached the requested moment, innermost frame first.
    /// Never compared.
    pub backtrace: Vec<Frame>,
    /// The freed entry whose use ended the run of a real program with a guarded heap.
    pub used_after_free: Option<EntryFacts>,
    /// Where a real program allocated and freed the entry that it then used, found by a second run. Only with a
    /// digest; empty if no freed entry was used. Never compared.
    pub life: EntryLife,
    /// The calls that a real program made, if requested, in the order of the list of [`calls`]. Never compared.
    pub ledger: Vec<Call>,
    /// The violations compared with the baseline's; `None`: there is no baseline, or no violation.
    pub beside: Option<Compared>,
}

impl Ran {
    /// Returns the violations that count: all, or with a baseline those at a new place.
    pub fn counting(&self) -> impl Iterator<Item = &Violation> {
        let counts = |signature| self.beside.as_ref().is_none_or(|beside| beside.is_new(signature));
        self.verdict.breaks.iter().filter(move |broken| counts(broken.signature))
    }

    /// Returns the verdict with only the violations that count.
    #[must_use]
    pub fn counted(&self) -> Verdict {
        Verdict { breaks: self.counting().cloned().collect(), outcome: self.verdict.outcome.clone() }
    }
}

/// A call of a real program to a library or to the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// Its name.
    pub name: &'static str,
    /// How it was handled.
    pub fate: Fate,
    /// How often it was made, at least once.
    pub times: u32,
}

impl PartialEq for Ran {
    fn eq(&self, other: &Self) -> bool {
        let shown = |ran: &Self| {
            let Self {
                digest,
                digest_at_break,
                counts,
                first_use,
                backtrace: _,
                used_after_free: _,
                life: _,
                ledger: _,
                ..
            } = *ran;
            (digest, digest_at_break, counts, first_use)
        };
        shown(self) == shown(other)
            && self.verdict == other.verdict
            && self.records == other.records
            && self.beside == other.beside
            && self.marks == other.marks
    }
}

impl Call {
    /// Converts a call as counted by the library in a subject of this kind.
    pub(crate) fn of(called: Called, kind: SubjectKind) -> Option<Self> {
        let (name, row) = calls::counted(usize::from(called.call))?;
        let fate = if kind == SubjectKind::Daemon { row.daemon } else { row.engine };
        Some(Self { name, fate, times: called.times })
    }
}

/// A system under test.
pub trait Subject: Send {
    /// Returns its kind.
    fn kind(&self) -> SubjectKind;

    /// Returns its name, as `--target` takes it.
    fn name(&self) -> String;

    /// Returns the rules of its release: a replica's own, or a real program's by its banner.
    fn rules(&self) -> Rules;

    /// Returns the rules of the baseline that it is compared with, if there is one.
    fn baseline_rules(&self) -> Option<Rules> {
        None
    }

    /// Returns the nearest trace that it accepts. Only a daemon does not accept all.
    fn fitted(&self, trace: Trace) -> Trace {
        trace
    }

    /// Returns whether it accepts the trace. Only a daemon does not accept all.
    fn takes(&self, _trace: &Trace) -> bool {
        true
    }

    /// Returns the unit of its scripts' intervals and timeouts; `None`: its configuration fixes them.
    fn unit_of_times(&self) -> Option<Span> {
        Some(Span::from_micros(1))
    }

    /// Replaces drawn parts of a setup by what the subject fixes. A daemon with a user's configuration has scripts of
    /// its own.
    fn arrange(&self, _setup: &mut Setup) {}

    /// Switches the recording of its calls on or off. Only a real program makes any.
    fn keep_ledger(&mut self, _on: bool) {}

    /// Runs the traces one by one. Results are in their order.
    ///
    /// # Errors
    /// When it cannot run. A crash or a hang of the subject is a verdict, not an error.
    fn run(&mut self, traces: &[Trace], options: Options) -> Result<Vec<Ran>, SubjectError>;

    /// Runs one trace.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    fn run_one(&mut self, trace: &Trace, options: Options) -> Result<Ran, SubjectError> {
        let mut ran = self.run(std::slice::from_ref(trace), options)?;
        ran.pop().ok_or(SubjectError::NoAnswer)
    }
}

/// Why a subject cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// It returned fewer results than there were traces.
    #[error("the subject gave no answer for a trace; this is a fault of treefall: please report it")]
    NoAnswer,
    /// The file is no program that can be driven.
    #[error(transparent)]
    Program(#[from] program::ProgramError),
    /// The real program cannot be driven.
    #[error(transparent)]
    Engine(#[from] engine::EngineError),
    /// A scheduler alone has no network interfaces.
    #[error(
        "{0} cannot play this trace: it has network interfaces, and a scheduler alone knows none; `daemon:PATH` plays it"
    )]
    Interfaces(String),
    /// The whole daemon cannot be run.
    #[error(transparent)]
    Daemon(#[from] daemon::DaemonError),
}

impl SubjectError {
    /// Whether the trace is one that the subject cannot be given.
    #[must_use]
    pub const fn is_unfit(&self) -> bool {
        matches!(self, Self::Interfaces(_) | Self::Daemon(daemon::DaemonError::Unfit(_)))
    }
}

/// Refuses traces with network interfaces for `subject`, a scheduler alone.
fn without_interfaces(subject: &dyn Subject, traces: &[Trace]) -> Result<(), SubjectError> {
    match traces.iter().any(|trace| !subject.takes(trace)) {
        true => Err(SubjectError::Interfaces(subject.name())),
        false => Ok(()),
    }
}

/// Removes all network interfaces of a trace.
fn cut_off(trace: Trace) -> Trace {
    if trace.setup().links.is_empty() {
        return trace;
    }
    let (mut setup, mut wakes) = trace.clone().into_parts();
    retain_links(&mut setup, &mut wakes, |_, _| false);
    Trace::new(setup, wakes).unwrap_or(trace)
}

/// The subject that a target names. The one place where names become subjects.
///
/// # Errors
/// When the real program cannot be started.
pub fn build(target: &target::Target) -> Result<Box<dyn Subject>, SubjectError> {
    build_under(target, &engine::Conditions::default())
}

/// Builds a subject whose real program starts under other conditions.
///
/// # Errors
/// As [`build`].
pub fn build_under(
    target: &target::Target,
    conditions: &engine::Conditions,
) -> Result<Box<dyn Subject>, SubjectError> {
    Ok(match target {
        target::Target::Replica(name) => Box::new(replica::ReplicaSubject::new(name.clone())),
        target::Target::Engine(place) => {
            let program = place.open()?;
            Box::new(engine::EngineSubject::start(target.to_string(), &program, conditions)?)
        }
        target::Target::Daemon(place) => {
            let program = place.open()?;
            Box::new(daemon::DaemonSubject::start(target.to_string(), &program, conditions)?)
        }
        target::Target::Configured(place, file) => {
            let own = daemon::Own::load(file).map_err(daemon::DaemonError::from)?;
            let program = place.open()?;
            let daemon = daemon::DaemonSubject::start(target.to_string(), &program, conditions)?;
            Box::new(daemon.with_own(own))
        }
    })
}
