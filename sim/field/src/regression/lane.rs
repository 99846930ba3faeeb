//! Plays each trace on two programs at the same time.
//!
//! A program that cannot be driven through one trace is restarted, and only that trace is marked, so that all other
//! runs count.

use std::fmt;

use treefall_model::event::SubjectKind;
use treefall_model::release::Rules;
use treefall_model::trace::Trace;
use treefall_search::generator::Source;
use treefall_search::oracle::Closeness;
use treefall_subject::daemon::DaemonError;
use treefall_subject::engine::EngineError;
use treefall_subject::replica::ReplicaSubject;
use treefall_subject::target::Target;
use treefall_subject::{Options, Ran, Subject, SubjectError, build};

/// A new and an old program, and how both are driven.
#[derive(Clone, PartialEq, Debug)]
pub struct Sides {
    /// The program that is checked.
    pub new: Target,
    /// The program to compare it with.
    pub old: Target,
    /// The kind of subject that both are observed as: a replica beside a real program shows what that one shows.
    pub kind: SubjectKind,
}

impl Sides {
    /// Combines two targets; `None`: they cannot be observed as the same kind.
    #[must_use]
    pub fn of(new: Target, old: Target) -> Option<Self> {
        let kind = match (new.kind(), old.kind()) {
            (SubjectKind::Replica, kind) | (kind, SubjectKind::Replica) => kind,
            (one, other) if one == other => one,
            _ => return None,
        };
        Some(Self { new, old, kind })
    }

    /// Returns how closely the two can be compared.
    #[must_use]
    pub fn closeness(&self, strict: bool) -> Closeness {
        let has_replica = [&self.new, &self.old].iter().any(|side| side.kind() == SubjectKind::Replica);
        Closeness { strict, no_indexes: self.kind == SubjectKind::Daemon && has_replica }
    }

    /// Returns the name of the kind: `engine`, `daemon` or `replica`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self.kind {
            SubjectKind::Replica => "replica",
            SubjectKind::Engine => "engine",
            SubjectKind::Daemon => "daemon",
        }
    }
}

impl fmt::Display for Sides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} beside {}", self.new, self.old)
    }
}

/// The result of a trace on one side.
#[derive(Clone, Debug)]
pub enum Side {
    /// The program ran it.
    Ran(Box<Ran>),
    /// The program could not be driven through it; states why.
    NotDriven(String),
}

/// One trace on both sides.
#[derive(Clone, Debug)]
pub struct PlayedPair {
    /// The trace, in the form that both programs accept.
    pub trace: Trace,
    /// The new program's result.
    pub new: Side,
    /// The old program's result.
    pub old: Side,
}

/// Two started programs.
pub struct Lane {
    sides: Sides,
    new: Box<dyn Subject>,
    old: Box<dyn Subject>,
}

impl Lane {
    /// Starts both programs.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn start(sides: &Sides) -> Result<Self, SubjectError> {
        let [new, old] = [&sides.new, &sides.old].map(|target| side(target, sides.kind));
        Ok(Self { sides: sides.clone(), new: new?, old: old? })
    }

    /// Returns the two programs.
    #[must_use]
    pub const fn sides(&self) -> &Sides {
        &self.sides
    }

    /// Returns the rules that the new and the old program are driven by.
    #[must_use]
    pub fn rules(&self) -> (Rules, Rules) {
        (self.new.rules(), self.old.rules())
    }

    /// Draws trace `number`, in the form that both programs accept.
    #[must_use]
    pub fn draw(&self, source: Source, number: u64) -> Trace {
        self.fitted(source.trace_for(self.new.as_ref(), number))
    }

    /// Returns the nearest trace that both programs accept.
    fn fitted(&self, trace: Trace) -> Trace {
        let trace = self.old.fitted(self.new.fitted(trace));
        self.new.fitted(trace)
    }

    /// Returns whether both programs accept the trace as it is.
    #[must_use]
    pub fn takes(&self, trace: &Trace) -> bool {
        self.new.takes(trace) && self.old.takes(trace)
    }

    /// Plays the traces on both programs, in order. Both programs must accept each trace.
    ///
    /// # Errors
    /// When a program cannot be restarted, or the harness fails.
    pub fn play(&mut self, traces: Vec<Trace>, options: Options) -> Result<Vec<PlayedPair>, SubjectError> {
        let Self { sides, new, old } = self;
        let kind = sides.kind;
        let (of_new, of_old) = std::thread::scope(|scope| {
            let of_new = scope.spawn(|| run_all(new, &sides.new, kind, &traces, options));
            let of_old = run_all(old, &sides.old, kind, &traces, options);
            (of_new.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), of_old)
        });
        let both = of_new?.into_iter().zip(of_old?);
        Ok(traces.into_iter().zip(both).map(|(trace, (new, old))| PlayedPair { trace, new, old }).collect())
    }

    /// Plays one trace on both.
    ///
    /// # Errors
    /// As [`play`](Self::play).
    pub fn play_one(&mut self, trace: Trace, options: Options) -> Result<PlayedPair, SubjectError> {
        self.play(vec![trace], options)?.pop().ok_or(SubjectError::NoAnswer)
    }
}

/// Builds the subject of one side.
fn side(target: &Target, kind: SubjectKind) -> Result<Box<dyn Subject>, SubjectError> {
    match target {
        Target::Replica(name) => Ok(Box::new(ReplicaSubject::new(name.clone()).seen_as(kind))),
        real => build(real),
    }
}

/// Runs the traces together, or one by one if the program cannot be driven through them all.
fn run_all(
    subject: &mut Box<dyn Subject>,
    target: &Target,
    kind: SubjectKind,
    traces: &[Trace],
    options: Options,
) -> Result<Vec<Side>, SubjectError> {
    let ran = |ran| Side::Ran(Box::new(ran));
    match subject.run(traces, options) {
        Ok(runs) => return Ok(runs.into_iter().map(ran).collect()),
        Err(error) if why_not_driven(&error).is_none() => return Err(error),
        Err(_) => *subject = side(target, kind)?,
    }
    let mut sides = Vec::with_capacity(traces.len());
    for trace in traces {
        sides.push(match subject.run_one(trace, options) {
            Ok(one) => ran(one),
            Err(error) => {
                let Some(why) = why_not_driven(&error) else { return Err(error) };
                *subject = side(target, kind)?;
                Side::NotDriven(why)
            }
        });
    }
    Ok(sides)
}

/// Returns what a program does wrong before any trace, if it could not be started for that reason.
#[must_use]
pub fn misbehaviour(error: &SubjectError) -> Option<&str> {
    match error {
        SubjectError::Engine(EngineError::Misbehaves { why, .. })
        | SubjectError::Daemon(DaemonError::Engine(EngineError::Misbehaves { why, .. })) => Some(why),
        _ => None,
    }
}

/// Returns why a program could not be driven through a trace, if that is the error.
fn why_not_driven(error: &SubjectError) -> Option<String> {
    let (SubjectError::Engine(error) | SubjectError::Daemon(DaemonError::Engine(error))) = error else {
        return None;
    };
    match error {
        EngineError::Refused { why, place } => {
            Some(place.as_ref().map_or_else(|| why.clone(), |place| format!("{why} (in {place})")))
        }
        EngineError::Gone { .. } | EngineError::Stuck { .. } => Some(error.to_string()),
        _ => None,
    }
}
