//! Who is asked what a trace does, many times: the subject itself, or the replica of its release.
//!
//! Always: the number of runs is bounded; an answer that was not given because the bound was reached is none,
//! never a guess.

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

/// How a trace fares beside a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It breaks the same law at the same step by the same kind of entry: the failure's signature.
    Same,
    /// It breaks the same law otherwise, or, where that is a memory law, the other memory law; where there is no failure,
    /// any law.
    Kin,
    /// It breaks other laws alone.
    Other,
    /// It breaks none, and the program survives it.
    Clean,
}

/// What a trace did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Shown {
    /// Beside the failure.
    pub fate: Fate,
    /// The signatures of the laws that it broke, in the order in which they broke.
    pub broken: Vec<String>,
    /// How the run ended.
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    pub outcome: Outcome,
    /// It broke other laws alone, and the judging ended there, with the run or with memory: what would have come is not
    /// known.
    #[serde(skip)]
    pub cut_short: bool,
}

fn as_text<S: Serializer>(outcome: &Outcome, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(outcome)
}

impl Shown {
    /// What `verdict` shows to who looks for `signature`.
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

    /// Whether a break is of the failure's kin: of the same law, or both of memory.
    pub(super) fn kin(other: Signature, signature: Signature) -> bool {
        let memory = |signature: Signature| signature.law.weight() == Weight::Memory;
        other.law == signature.law || memory(other) && memory(signature)
    }

    /// What `verdict` shows to who looks for any failure.
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

    /// Whether the failure is there, by the same signature or another of its kin.
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

    /// Without how the run ended.
    pub(super) fn headline(&self) -> String {
        let broken = self.broken.join(", ");
        match self.fate {
            Fate::Same => "FAILS".to_owned(),
            Fate::Kin => format!("FAILS ({broken})"),
            Fate::Other => format!("clean of it (breaks {broken})"),
            Fate::Clean => "clean".to_owned(),
        }
    }

    /// How the run ended, after a semicolon, where it did not survive.
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

/// Who is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// The target itself.
    Itself,
    /// The replica of the target's release, of a daemon's as far as that shows it: a real program takes long to ask.
    ItsReplica,
}

/// Asks.
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
    /// Asks about `signature`.
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

    /// Whether the trace has the failure's signature; `None`: it was not asked.
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

    /// What the trace does; `None`: it was not asked, for it is none that the subject can be given, or the bound is
    /// reached.
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
