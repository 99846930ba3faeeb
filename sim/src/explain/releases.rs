//! Which releases have it: the trace on the replica of each.

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::event::SubjectKind;
use treefall_model::observe::Options;
use treefall_model::release::{Release, Rules};
use treefall_model::trace::Trace;
use treefall_model::verdict::{Signature, Verdict};

use super::ask::Shown;
use crate::subject::replica::run_replica_as;

/// Releases that follow each other and do the same.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Span {
    /// The first.
    pub first: String,
    /// The last.
    pub last: String,
    /// What the trace does there.
    pub shown: Shown,
    /// Those of which the replica was compared with a real program.
    pub checked_against_real: Vec<String>,
}

impl Span {
    /// `2.2.5 to 2.3.1`.
    #[must_use]
    pub fn name(&self) -> String {
        name(&self.first, &self.last)
    }
}

fn name(first: &str, last: &str) -> String {
    if first == last { first.to_owned() } else { format!("{first} to {last}") }
}

/// The trace on every release.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Releases {
    /// All releases, oldest first.
    pub spans: Vec<Span>,
    /// The oldest that fails.
    pub first_bad: Option<String>,
    /// The first after the last that fails; `None`: the newest still does, or none does.
    pub first_good: Option<String>,
}

impl Releases {
    /// `2.2.5 to 2.3.1`: the releases that fail, in words; empty when none does.
    #[must_use]
    pub fn bad(&self) -> String {
        let alike = self.spans.chunk_by(|a, b| a.shown.fails() == b.shown.fails());
        let bad = alike.filter(|spans| spans[0].shown.fails());
        let name = |spans: &[Span]| name(&spans[0].first, &spans[spans.len() - 1].last);
        bad.map(name).collect::<Vec<_>>().join(", ")
    }
}

/// Which releases have a find, by the replica of each, as far as a subject of this kind shows it.
pub(super) fn releases(kind: SubjectKind, trace: &Trace, signature: Signature) -> Releases {
    on_each(kind, trace, |verdict| Shown::of(verdict, signature))
}

/// Which releases break a law at all.
pub(super) fn breaking(kind: SubjectKind, trace: &Trace) -> Releases {
    on_each(kind, trace, Shown::of_any)
}

fn on_each(kind: SubjectKind, trace: &Trace, shows: impl Fn(&Verdict) -> Shown) -> Releases {
    let shown = |release: &Release| {
        let verdict = run_replica_as(kind, trace, Rules::of(*release), Options::VERDICT).verdict;
        (*release, shows(&verdict))
    };
    let all: Vec<(Release, Shown)> = Release::ALL.iter().map(shown).collect();
    let spans = all.chunk_by(|a, b| a.1 == b.1).map(|span| Span {
        first: span[0].0.to_string(),
        last: span[span.len() - 1].0.to_string(),
        shown: span[0].1.clone(),
        checked_against_real: span
            .iter()
            .filter(|(release, _)| release.checked_against_real())
            .map(|(release, _)| release.to_string())
            .collect(),
    });
    let last_bad = all.iter().rposition(|(_, shown)| shown.fails());
    Releases {
        spans: spans.collect(),
        first_bad: all.iter().find(|(_, shown)| shown.fails()).map(|(release, _)| release.to_string()),
        first_good: last_bad.and_then(|last| all.get(last + 1)).map(|(release, _)| release.to_string()),
    }
}
