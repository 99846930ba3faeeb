//! Runs variations of a trace on the subject, or on the replica of its release.
//!
//! Invariant: the number of runs is bounded; beyond the bound a result is `None`, never a guess.

use std::fmt;

use crate::section::{Cell, Tone};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use treefall_model::event::SubjectKind;
use treefall_model::time::Span;
use treefall_model::trace::Trace;
use treefall_model::verdict::{Outcome, Signature, Verdict, Weight};

use treefall_base::control::Control;
use treefall_search::cause::Ablation;
use treefall_search::error::SearchError;
use treefall_subject::{Options, Subject};

/// The result of a trace, compared with a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It breaks the same law at the same step by the same kind of entry: the failure's signature.
    Same,
    /// It breaks the same law elsewhere, or, for a memory law, another memory law; without a failure to compare, any law.
    Kin,
    /// It breaks only other laws.
    Other,
    /// It breaks none, and the program survives it.
    Clean,
}

/// The result of a trace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Shown {
    /// Compared with the failure.
    pub fate: Fate,
    /// The signatures of its violations, in order.
    pub broken: Vec<String>,
    /// How the run ended.
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    pub outcome: Outcome,
    /// It broke only other laws, and judging ended there because the run or memory ended: the rest is not known.
    #[serde(skip)]
    pub cut_short: bool,
}

fn as_text<S: Serializer>(outcome: &Outcome, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(outcome)
}

impl Shown {
    /// Compares a verdict with `signature`.
    #[must_use]
    pub fn of(verdict: &Verdict, signature: Signature) -> Self {
        let fate = match () {
            () if verdict.shows(signature) => Fate::Same,
            () if verdict.signatures().any(|other| Self::kin(other, signature)) => Fate::Kin,
            () if verdict.is_clean() => Fate::Clean,
            () => Fate::Other,
        };
        Self::as_told(fate, verdict)
    }

    /// Whether two violations are of the same law, or both of memory.
    pub(super) fn kin(other: Signature, signature: Signature) -> bool {
        let memory = |signature: Signature| signature.law.weight() == Weight::Memory;
        other.law == signature.law || memory(other) && memory(signature)
    }

    /// Describes a verdict where any violation is a failure.
    pub(super) fn of_any(verdict: &Verdict) -> Self {
        Self::as_told(if verdict.is_clean() { Fate::Clean } else { Fate::Kin }, verdict)
    }

    fn as_told(fate: Fate, verdict: &Verdict) -> Self {
        Self {
            fate,
            cut_short: fate == Fate::Other && verdict.is_cut_short(),
            broken: verdict.signatures().map(|signature| signature.to_string()).collect(),
            outcome: verdict.outcome.clone(),
        }
    }

    /// Whether the failure shows, by its signature or a related one.
    #[must_use]
    pub fn fails(&self) -> bool {
        matches!(self.fate, Fate::Same | Fate::Kin)
    }
}

impl Shown {
    /// Its cell in a table; `None`: the trial was not run.
    pub(crate) fn cell(shown: Option<&Self>) -> Cell {
        match shown {
            Some(shown) => Cell::toned(shown.tone(), shown.to_string()),
            None => Cell::toned(Tone::Quiet, "not asked: it cannot be given this"),
        }
    }

    /// How a reader should take it.
    pub(crate) const fn tone(&self) -> Tone {
        match self.fate {
            Fate::Same | Fate::Kin => Tone::Bad,
            Fate::Clean => Tone::Good,
            Fate::Other => Tone::Warning,
        }
    }

    /// Returns the result without the run's end.
    pub(super) fn headline(&self) -> String {
        let broken = self.broken.join(", ");
        match self.fate {
            Fate::Same => "FAILS".to_owned(),
            Fate::Kin => format!("FAILS ({broken})"),
            Fate::Other => format!("clean of it (breaks {broken})"),
            Fate::Clean => "clean".to_owned(),
        }
    }

    /// Returns the end of a run that did not survive, after a semicolon.
    pub(super) fn ending(&self) -> String {
        let survived = self.outcome.survived() || self.fate == Fate::Clean;
        if survived { String::new() } else { format!("; {}", self.outcome) }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.headline(), self.ending())
    }
}

/// The subject that is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// The target itself.
    Itself,
    /// The replica of the target's release, as far as such a target shows its events: real programs are slow.
    ItsReplica,
}

/// Runs variations of a trace, within a bound.
pub(super) struct Probe<'s> {
    kind: SubjectKind,
    ablation: Ablation,
    pub(super) signature: Signature,
    subject: &'s mut dyn Subject,
    pub(super) asked: Asked,
    /// Runs so far.
    pub(super) runs: u64,
    runs_max: u64,
    control: Control<'s>,
}

impl<'s> Probe<'s> {
    /// Looks for `signature`.
    pub(super) fn new(
        subject: &'s mut dyn Subject,
        signature: Signature,
        asked: Asked,
        runs_max: u64,
        control: Control<'s>,
    ) -> Self {
        let (kind, ablation) = (subject.kind(), Ablation::of(subject));
        Self { kind, ablation, signature, subject, asked, runs: 0, runs_max, control }
    }

    /// The steps in which intervals and timeouts can be set; `None`: they are fixed.
    pub(super) fn unit_of_times(&self) -> Option<Span> {
        self.subject.unit_of_times()
    }

    /// Whether the bound on runs is reached.
    pub(super) fn spent(&self) -> bool {
        self.runs >= self.runs_max
    }

    /// Whether the trace has the failure's signature; `None`: it was not run.
    pub(super) fn has(&mut self, trace: &Trace) -> Result<Option<bool>, SearchError> {
        if self.spent() {
            return Ok(None);
        }
        self.control.check(self.runs)?;
        self.runs += 1;
        if !self.subject.takes(trace) {
            return Ok(None);
        }
        let signature = self.signature;
        Ok(Some(match (self.asked, self.kind) {
            (Asked::ItsReplica, _) | (_, SubjectKind::Replica) => self.ablation.shows(trace, signature),
            _ => self.subject.run_one(trace, Options::VERDICT)?.counted().shows(signature),
        }))
    }

    /// Returns the result of a trace; `None`: the subject cannot play it, or the bound is reached.
    pub(super) fn ask(&mut self, trace: &Trace) -> Result<Option<Shown>, SearchError> {
        if self.spent() {
            return Ok(None);
        }
        self.control.check(self.runs)?;
        if !self.subject.takes(trace) {
            return Ok(None);
        }
        let verdict = match (self.asked, self.kind) {
            (Asked::ItsReplica, _) | (_, SubjectKind::Replica) => self.ablation.verdict(trace),
            _ => self.subject.run_one(trace, Options::VERDICT)?.counted(),
        };
        self.runs += 1;
        Ok(Some(Shown::of(&verdict, self.signature)))
    }
}
