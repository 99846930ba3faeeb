//! The affected releases: the trace on the replica of each, with the defect by which it fails there.
//!
//! Invariants: each row's cause is found by ablation on that release's replica; first bad and first good refer to the
//! failure's own cause, as older releases may fail by another; a release with a known crash of the trees is never good.

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::event::SubjectKind;
use treefall_model::observe::Options;
use treefall_model::release::{Advice, Release, Rules};
use treefall_model::trace::Trace;
use treefall_model::verdict::{Signature, Verdict, Weight};

use super::probe::Shown;
use crate::section::{Cell, Content, Section, Table, Tone};
use treefall_search::cause::{Cause, cause};
use treefall_subject::replica::run_replica_as;

/// Consecutive releases with the same result and cause.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Span {
    /// The first.
    pub first: String,
    /// The last.
    pub last: String,
    /// The result of the trace.
    pub shown: Shown,
    /// The defects whose fix alone makes the failure vanish, the leading cause first, or two that are needed together; empty:
    /// none, or it does not fail.
    pub causes: Vec<String>,
    /// Both of `causes` must be mended.
    pub together: bool,
    /// It fails by the failure's own cause; for a trace without a failure: it fails.
    pub own: bool,
    /// The releases whose replica was compared with a real program.
    pub checked_against_real: Vec<String>,
}

impl Span {
    /// Describes result and cause: `FAILS, by ReloadRestartsGrace; hung`.
    #[must_use]
    pub fn in_words(&self) -> String {
        if self.shown.cut_short {
            let broken = self.shown.broken.join(", ");
            let broken = if broken.is_empty() { broken } else { format!(" (breaks {broken})") };
            return format!("not judged to the end{broken}{}", self.shown.ending());
        }
        if !self.shown.fails() {
            return self.shown.to_string();
        }
        let causes = self.why().unwrap_or_else(|| "what is not known".to_owned());
        let by = if self.own { "by" } else { "by another cause:" };
        format!("{}, {by} {causes}{}", self.shown.headline(), self.shown.ending())
    }

    /// `A`, `A (also required: B)`, `A and B together`; `None`: not known.
    fn why(&self) -> Option<String> {
        match (self.causes.is_empty(), self.together) {
            (true, _) => None,
            (_, true) => Some(format!("{} together", self.causes.join(" and "))),
            (_, false) => Some(match self.causes.split_first() {
                Some((leading, others)) if !others.is_empty() => {
                    format!("{leading} (also required: {})", others.join(", "))
                }
                _ => self.causes.join(""),
            }),
        }
    }
}

/// Consecutive releases with the same description.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReleaseRow<'r> {
    /// `2.2.5 to 2.3.1`.
    pub name: String,
    /// Result and cause.
    pub words: String,
    /// The result on the first of them.
    pub shown: &'r Shown,
    /// The releases whose replica was compared with a real program.
    pub checked_against_real: Vec<&'r str>,
}

fn name(first: &str, last: &str) -> String {
    if first == last { first.to_owned() } else { format!("{first} to {last}") }
}

/// The trace on every release.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Releases {
    /// All releases, oldest first; none where the trace has network interfaces, which no replica has.
    pub spans: Vec<Span>,
    /// The oldest release that fails by this cause.
    pub first_bad: Option<String>,
    /// The first good release: behind the last failing one, judged to the end, without a known crash of the trees; `None`: the
    /// newest still fails, or none does.
    pub first_good: Option<String>,
    /// The first release without this cause, judged to the end. It may have another known crash.
    pub first_without: Option<String>,
    /// Which release to run, in words; `None` as for `first_without`.
    pub fixed: Option<String>,
}

/// Said where no replica was asked.
pub(crate) const NOT_ASKED: &str =
    "not asked: no replica has network interfaces, a whole daemon alone plays them";

impl Releases {
    /// Of a trace that no replica plays.
    const fn not_asked() -> Self {
        Self { spans: Vec::new(), first_bad: None, first_good: None, first_without: None, fixed: None }
    }

    /// Whether a replica of each release was asked.
    #[must_use]
    pub const fn were_asked(&self) -> bool {
        !self.spans.is_empty()
    }

    /// All releases, oldest first, as a table tells them: what differs in nothing that is said is one row.
    #[must_use]
    pub fn rows(&self) -> Vec<ReleaseRow<'_>> {
        let alike = self.spans.chunk_by(|a, b| a.in_words() == b.in_words());
        alike
            .map(|spans| {
                let checked = spans.iter().flat_map(|span| span.checked_against_real.iter());
                ReleaseRow {
                    name: name(&spans[0].first, &spans[spans.len() - 1].last),
                    words: spans[0].in_words(),
                    shown: &spans[0].shown,
                    checked_against_real: checked.map(String::as_str).collect(),
                }
            })
            .collect()
    }

    /// Returns the releases that fail by this cause, as `2.2.5 to 2.3.1`; empty: none.
    #[must_use]
    pub fn bad(&self) -> String {
        names(&self.spans, |span| span.own)
    }

    /// Returns those that fail by another cause, as `2.0.8 to 2.2.4 (ReloadForgetsChildren)`; empty: none.
    #[must_use]
    pub fn bad_otherwise(&self) -> String {
        let other = |span: &Span| span.shown.fails() && !span.own;
        let alike = self.spans.chunk_by(|a, b| other(a) == other(b) && a.why() == b.why());
        let told = alike.filter(|spans| other(&spans[0])).map(|spans| {
            let why = spans[0].why().unwrap_or_else(|| "not known".to_owned());
            format!("{} ({why})", name(&spans[0].first, &spans[spans.len() - 1].last))
        });
        told.collect::<Vec<_>>().join(", ")
    }

    /// Whether the first release without this cause fails by another.
    #[must_use]
    pub fn fails_otherwise(&self) -> bool {
        let without = self.first_without.as_ref();
        without.is_some_and(|it| self.spans.iter().any(|span| span.first == *it && span.shown.fails()))
    }
}

/// The section of these releases.
pub(crate) fn section(releases: &Releases, title: &'static str) -> Section<'static> {
    if !releases.were_asked() {
        let said = Content::Sentence(Tone::Plain, NOT_ASKED.to_owned());
        return Section::new("releases", "releases", title, vec![said]);
    }
    let mut table = Table::new(["release", "what the trace does", "compared with a real program"]);
    for row in releases.rows() {
        let checked = match row.checked_against_real.as_slice() {
            [] => "recorded".to_owned(),
            checked => checked.join(", "),
        };
        table.row([row.name.into(), Cell::toned(row.shown.tone(), row.words), checked.into()]);
    }
    Section::new("releases", "releases", title, vec![Content::Table(table)])
}

fn names(spans: &[Span], is: impl Fn(&Span) -> bool) -> String {
    let alike = spans.chunk_by(|a, b| is(a) == is(b)).filter(|spans| is(&spans[0]));
    let name = |spans: &[Span]| name(&spans[0].first, &spans[spans.len() - 1].last);
    alike.map(name).collect::<Vec<_>>().join(", ")
}

/// The result on one release.
#[derive(Clone, PartialEq, Eq)]
struct There {
    shown: Shown,
    cause: Option<Cause>,
    own: bool,
}

/// Runs a failure on the replica of each release, as far as a subject of this kind shows its events. `own`: its cause.
pub(super) fn releases(kind: SubjectKind, trace: &Trace, signature: Signature, own: &Cause) -> Releases {
    let crash = signature.law.weight() == Weight::Memory;
    on_each(kind, trace, crash, |verdict, rules| {
        let shown = Shown::of(verdict, signature);
        let signatures = || verdict.signatures();
        // Its own signature, or else the first related one.
        let kin = || signatures().find(|other| Shown::kin(*other, signature));
        let which = signatures().find(|other| *other == signature).or_else(kin);
        let cause = which.map(|which| cause(kind, trace, which, rules));
        let own = shown.fails() && cause.as_ref().is_some_and(|there| alike(own, there));
        There { shown, cause, own }
    })
}

/// Whether a release fails by the failure's own cause.
fn alike(own: &Cause, there: &Cause) -> bool {
    match (own, there) {
        (Cause::Known(own) | Cause::AsIf(own), _) => {
            own.first().is_some_and(|first| there.defects().contains(first))
        }
        // Where two defects are needed here, one may be enough elsewhere.
        (Cause::Together(own), Cause::Known(there)) => there.iter().any(|it| own.contains(it)),
        (Cause::Together(own), _) => own == there.defects(),
        // What no replica shows, or no mend ends, is one thing as far as anyone knows.
        (Cause::Elsewhere(_) | Cause::NotKnown | Cause::NotInReplica, _) => there.defects().is_empty(),
    }
}

/// Runs a trace on each release, where any violation is a failure.
pub(super) fn breaking(kind: SubjectKind, trace: &Trace) -> Releases {
    on_each(kind, trace, false, |verdict, rules| {
        let shown = Shown::of_any(verdict);
        let mut defects = Vec::new();
        for broken in &verdict.breaks {
            // One defect for each violation, or both where two are needed: a reader can look them up.
            let found = cause(kind, trace, broken.signature, rules);
            let named = found.defects().iter().take(if found.is_together() { 2 } else { 1 });
            named.for_each(|it| defects.extend((!defects.contains(it)).then_some(*it)));
        }
        let own = shown.fails();
        There { shown, cause: Some(Cause::Known(defects)), own }
    })
}

/// Applies `does` to each release. `crash`: the failure is a crash.
fn on_each(
    kind: SubjectKind,
    trace: &Trace,
    crash: bool,
    does: impl Fn(&Verdict, Rules) -> There,
) -> Releases {
    if !trace.setup().links.is_empty() {
        return Releases::not_asked();
    }
    let mut all: Vec<(Release, Rules, There)> = Vec::new();
    for release in Release::ALL {
        let rules = Rules::of(*release);
        // Releases with the same rules have the same result.
        let there = all.iter().find(|(_, known, _)| *known == rules).map(|(.., there)| there.clone());
        let there = there
            .unwrap_or_else(|| does(&run_replica_as(kind, trace, rules, Options::VERDICT).verdict, rules));
        all.push((*release, rules, there));
    }
    let causes = |there: &There| -> Vec<String> {
        let causes = there.cause.as_ref().filter(|_| there.shown.fails());
        causes.map_or(&[][..], Cause::defects).iter().map(|defect| defect.name().to_owned()).collect()
    };
    let together = |there: &There| {
        let fails = there.cause.as_ref().filter(|_| there.shown.fails());
        fails.is_some_and(Cause::is_together)
    };
    let spans = all.chunk_by(|(.., a), (.., b)| {
        a.shown == b.shown && a.own == b.own && causes(a) == causes(b) && together(a) == together(b)
    });
    let spans = spans.map(|span| Span {
        first: span[0].0.to_string(),
        last: span[span.len() - 1].0.to_string(),
        shown: span[0].2.shown.clone(),
        causes: causes(&span[0].2),
        together: together(&span[0].2),
        own: span[0].2.own,
        checked_against_real: span
            .iter()
            .filter(|(release, ..)| release.checked_against_real())
            .map(|(release, ..)| release.to_string())
            .collect(),
    });
    let without = first_without(&all, |(.., there)| there.own, |(.., there)| there.shown.cut_short);
    let advice = without.map(|(release, ..)| Advice::against(*release, crash));
    Releases {
        spans: spans.collect(),
        first_bad: all.iter().find(|(.., there)| there.own).map(|(release, ..)| release.to_string()),
        first_good: advice.and_then(Advice::run).map(|release| release.to_string()),
        first_without: without.map(|(release, ..)| release.to_string()),
        fixed: advice.map(|advice| advice.to_string()),
    }
}

/// Returns the first release behind the last bad one that was judged to the end; `None`: none is bad.
pub fn first_without<T>(all: &[T], bad: impl Fn(&T) -> bool, cut_short: impl Fn(&T) -> bool) -> Option<&T> {
    let last = all.iter().rposition(bad)?;
    all[last + 1..].iter().find(|one| !cut_short(one))
}

#[cfg(test)]
mod tests {
    use treefall_model::release::Defect;
    use treefall_model::verdict::Outcome;

    use super::super::probe::Fate;
    use super::*;

    #[test]
    fn no_replica_is_asked_of_a_trace_with_interfaces() {
        let text = "format = 2\ntitle = \"t\"\nconfig = [{}]\nlink = [{ name = \"lo\" }]\n";
        let trace = treefall_scenario::read("trace.toml", text).expect("a scenario").trace;
        let releases = on_each(SubjectKind::Daemon, &trace, true, |_, _| panic!("asked"));
        assert!(!releases.were_asked() && releases.first_bad.is_none());
    }

    #[test]
    fn a_release_that_was_not_judged_to_the_end_or_has_another_crash_is_no_good_one() {
        let text =
            "format = 1\ntitle = \"t\"\nscript = [{ name = \"s0\" }]\nwake = [{ after = \"next-timer\" }]\n";
        let trace = treefall_scenario::read("trace.toml", text).expect("a scenario").trace;
        let releases = on_each(SubjectKind::Replica, &trace, false, |_, rules| {
            let (own, cut_short) =
                (rules.has(Defect::ReloadForgetsChildren), rules.has(Defect::ReloadFreesQueuedTimeout));
            let fate = if own { Fate::Same } else { Fate::Other };
            let hung = Outcome::Hung { function: Some("thread_add_child".to_owned()) };
            let outcome = if cut_short { hung } else { Outcome::Survived };
            There { shown: Shown { fate, broken: Vec::new(), outcome, cut_short }, cause: None, own }
        });
        assert_eq!(releases.first_without.as_deref(), Some("2.3.2"));
        assert_eq!(releases.first_good.as_deref(), Some("2.3.3"));
        let words: Vec<String> = releases.rows().into_iter().map(|row| row.words).collect();
        assert_eq!(words[1], "not judged to the end; hung in thread_add_child");
    }
}
