//! The expectations of a scenario for each release: that it is clean, or the laws that it breaks.
//!
//! Invariant: [`Expectations`] has at most one row for each release, so that no two rows contradict each other.
//! [`Expectations::new`] builds it, in the order of the releases, `mended` last.

use std::fmt;

use treefall_model::event::{EntryKind, Step, SubjectKind};
use treefall_model::law::Law;
use treefall_model::release::{Release, Unlisted};
use treefall_model::verdict::{Outcome, Signature, Verdict, Weight};

use treefall_base::nearest::nearest;

/// The releases that a row covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whom {
    /// The releases from `first` (or the oldest) to `last` (or the newest), both included.
    Releases {
        /// The oldest release; `None`: the oldest in the tables.
        first: Option<Release>,
        /// The newest release; `None`: no limit.
        last: Option<Release>,
    },
    /// The replica with every known defect mended.
    Mended,
}

impl Whom {
    /// Returns whether the row covers `release`.
    #[must_use]
    pub fn includes(self, release: Release) -> bool {
        match self {
            Self::Releases { first, last } => {
                first.is_none_or(|first| first <= release) && last.is_none_or(|last| release <= last)
            }
            Self::Mended => false,
        }
    }

    /// Returns whether both cover a common release, or both the mended replica.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        match (self, other) {
            (Self::Mended, Self::Mended) => true,
            _ => Release::ALL.iter().any(|release| self.includes(*release) && other.includes(*release)),
        }
    }

    /// Parses `2.2.7`, `2.0.8..=2.2.4`, `2.3.2..`, `..=2.2.4` or `mended`.
    ///
    /// # Errors
    /// The problem of the text.
    pub fn parse(text: &str) -> Result<Self, NoRange> {
        if text == MENDED {
            return Ok(Self::Mended);
        }
        let Some((first, last)) = text.split_once("..") else {
            let only = release(text).map_err(|no| no.or_near(text, MENDED))?;
            return Ok(Self::Releases { first: Some(only), last: Some(only) });
        };
        let first = if first.is_empty() { None } else { Some(release(first)?) };
        let last = match last.strip_prefix('=') {
            Some(last) => Some(release(last)?),
            None if last.is_empty() => None,
            None => {
                let first = first.map(|first| first.to_string()).unwrap_or_default();
                return Err(NoRange::new(format!(
                    "a range names its last release: write \"{first}..={last}\""
                )));
            }
        };
        if let (Some(first), Some(last)) = (first, last)
            && first > last
        {
            return Err(NoRange::new(format!("{first} comes after {last}")));
        }
        Ok(Self::Releases { first, last })
    }

    fn rank(self) -> (bool, Option<Release>) {
        match self {
            Self::Releases { first, .. } => (false, first),
            Self::Mended => (true, None),
        }
    }
}

/// A text does not denote a range of releases.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoRange {
    /// The problem, as a sentence.
    pub why: String,
    /// The release that was probably meant, or `mended`.
    pub meant: Option<String>,
}

impl NoRange {
    fn new(why: String) -> Self {
        Self { why, meant: None }
    }

    /// Suggests a release near to `word`.
    fn or_near(self, text: &str, word: &str) -> Self {
        let meant = nearest(text, self.meant.as_deref().into_iter().chain([word])).map(str::to_owned);
        Self { meant, ..self }
    }
}

/// Returns the release with this name.
///
/// # Errors
/// When there is none, with a suggestion.
pub(super) fn release(text: &str) -> Result<Release, NoRange> {
    Release::look_up(text).map_err(|unlisted| {
        let (oldest, newest) = (Release::OLDEST, Release::NEWEST);
        let known: Vec<String> = Release::ALL.iter().map(ToString::to_string).collect();
        // A version outside the tables' range is not a typing error.
        let slip = !matches!(unlisted, Unlisted::Newer | Unlisted::Older);
        NoRange {
            why: format!("{text:?} is no release of keepalived that treefall knows ({oldest} to {newest})"),
            meant: nearest(text, known.iter().map(String::as_str)).filter(|_| slip).map(str::to_owned),
        }
    })
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mended => f.write_str(MENDED),
            Self::Releases { first: Some(first), last: Some(last) } if first == last => first.fmt(f),
            Self::Releases { first, last } => {
                first.iter().try_for_each(|first| first.fmt(f))?;
                f.write_str("..")?;
                last.iter().try_for_each(|last| write!(f, "={last}"))
            }
        }
    }
}

/// An expected failure: a law, at any step and entry, or one signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Failure {
    /// The law is broken, with any signature.
    Law(Law),
    /// The law is broken with this signature.
    Signature(Signature),
}

impl Failure {
    /// Returns the law that is broken.
    #[must_use]
    pub const fn law(self) -> Law {
        match self {
            Self::Law(law) | Self::Signature(Signature { law, .. }) => law,
        }
    }

    /// Returns whether a violation with this signature is the failure.
    #[must_use]
    pub fn is(self, signature: Signature) -> bool {
        match self {
            Self::Law(law) => law == signature.law,
            Self::Signature(expected) => expected == signature,
        }
    }

    /// Parses a law's name, or `law/step/entry`.
    ///
    /// # Errors
    /// The unknown part, with all possible names.
    pub fn parse(text: &str) -> Result<Self, UnknownPart> {
        let mut parts = text.splitn(3, '/');
        let law = parts.next().unwrap_or_default();
        let Some(law) = Law::named(law) else {
            return Err(UnknownPart::new("law", law, Law::ALL.into_iter().map(Law::name)));
        };
        let Some(step) = parts.next() else { return Ok(Self::Law(law)) };
        let Some(step) = Step::ALL.into_iter().find(|known| known.name() == step) else {
            return Err(UnknownPart::new("step", step, Step::ALL.into_iter().map(Step::name)));
        };
        let entry = parts.next().unwrap_or_default();
        let known = EntryKind::ALL.into_iter().find(|known| known.name() == entry);
        if known.is_none() && entry != NO_ENTRY {
            let names = EntryKind::ALL.into_iter().map(EntryKind::name).chain([NO_ENTRY]);
            return Err(UnknownPart::new("kind of entry", entry, names));
        }
        Ok(Self::Signature(Signature { law, step, entry: known }))
    }
}

/// The notation of a signature without an entry.
const NO_ENTRY: &str = "none";

/// An unknown name in a signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownPart {
    /// The kind of name that was expected.
    pub what: &'static str,
    /// The name as written.
    pub name: String,
    /// All names of that kind.
    pub known: Vec<&'static str>,
}

impl UnknownPart {
    fn new(what: &'static str, name: &str, known: impl Iterator<Item = &'static str>) -> Self {
        Self { what, name: name.to_owned(), known: known.collect() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Law(law) => f.write_str(law.name()),
            Self::Signature(signature) => signature.fmt(f),
        }
    }
}

/// The expectation for a run.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Expectation {
    /// The failures, each once, in the order of the laws. Empty: the run is clean.
    failures: Vec<Failure>,
}

impl Expectation {
    /// Returns the expectation that no law is broken and the run survives.
    #[must_use]
    pub const fn clean() -> Self {
        Self { failures: Vec::new() }
    }

    /// Returns the expectation of exactly these failures.
    #[must_use]
    pub fn broken(failures: impl IntoIterator<Item = Failure>) -> Self {
        let mut failures: Vec<Failure> = failures.into_iter().collect();
        failures.sort_unstable();
        failures.dedup();
        Self { failures }
    }

    /// Returns the expectation of exactly a run's signatures.
    #[must_use]
    pub fn exactly(verdict: &Verdict) -> Self {
        Self::broken(verdict.signatures().map(Failure::Signature))
    }

    /// Returns the failures, in the order of the laws; empty if the run is to be clean.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Returns the part that applies to a subject of this kind: the laws that it shows completely, wherever they
    /// break.
    #[must_use]
    pub fn of_kind(&self, kind: SubjectKind) -> Self {
        match kind {
            SubjectKind::Replica | SubjectKind::Engine => self.clone(),
            SubjectKind::Daemon => {
                let laws = self.failures.iter().map(|failure| failure.law());
                Self::broken(laws.filter(|law| law.shown_whole_by(kind)).map(Failure::Law))
            }
        }
    }

    /// Compares the expectation with a run's verdict.
    ///
    /// After a memory violation anything can happen, so the run's end counts only if no memory violation is expected.
    /// An expected violation of `progress` appears as a hang.
    #[must_use]
    pub fn compare(&self, verdict: &Verdict) -> Comparison {
        let broken = || verdict.signatures();
        let expected = |signature| self.failures.iter().any(|failure| failure.is(signature));
        let memory = self.failures.iter().any(|failure| failure.law().weight() == Weight::Memory);
        let hang = self.failures.iter().any(|failure| failure.law() == Law::Progress);
        let hung = hang && matches!(verdict.outcome, Outcome::Hung { .. });
        Comparison {
            missing: self
                .failures
                .iter()
                .copied()
                .filter(|failure| !broken().any(|s| failure.is(s)))
                .collect(),
            unexpected: broken().filter(|signature| !expected(*signature)).collect(),
            ended_badly: !memory && !hung && !verdict.outcome.survived(),
        }
    }
}

/// Formats it as `clean`, or as the failures, separated by commas.
impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, rest)) = self.failures.split_first() else { return f.write_str(CLEAN) };
        first.fmt(f)?;
        rest.iter().try_for_each(|failure| write!(f, ", {failure}"))
    }
}

/// The name of the replica without defects.
pub(super) const MENDED: &str = "mended";
/// The expectation that no law is broken.
pub(super) const CLEAN: &str = "clean";

/// The difference between a run and its expectation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Comparison {
    /// Expected failures that did not occur.
    pub missing: Vec<Failure>,
    /// Signatures that were not expected.
    pub unexpected: Vec<Signature>,
    /// The run crashed or hung, although no expected memory violation explains it.
    pub ended_badly: bool,
}

impl Comparison {
    /// Returns whether the run was as expected.
    #[must_use]
    pub fn is_as_expected(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && !self.ended_badly
    }
}

/// All expectations of a scenario.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Expectations {
    rows: Vec<(Whom, Expectation)>,
}

impl Expectations {
    /// Sorts these rows by release.
    ///
    /// # Errors
    /// Two rows that cover the same release.
    pub fn new(rows: impl IntoIterator<Item = (Whom, Expectation)>) -> Result<Self, (Whom, Whom)> {
        let mut rows: Vec<(Whom, Expectation)> = rows.into_iter().collect();
        rows.sort_by_key(|(whom, _)| whom.rank());
        for (place, (whom, _)) in rows.iter().enumerate() {
            if let Some((other, _)) = rows[..place].iter().find(|(other, _)| other.overlaps(*whom)) {
                return Err((*other, *whom));
            }
        }
        Ok(Self { rows })
    }

    /// Returns the rows in the order of the releases, `mended` last.
    #[must_use]
    pub fn rows(&self) -> &[(Whom, Expectation)] {
        &self.rows
    }

    /// Returns the expectation for `release`, if there is one.
    #[must_use]
    pub fn of(&self, release: Release) -> Option<&Expectation> {
        self.rows.iter().find(|(whom, _)| whom.includes(release)).map(|(_, expectation)| expectation)
    }

    /// Returns the expectation for the mended replica, if there is one.
    #[must_use]
    pub fn of_mended(&self) -> Option<&Expectation> {
        self.rows.iter().find(|(whom, _)| *whom == Whom::Mended).map(|(_, expectation)| expectation)
    }
}

/// Returns the sort key of a file's row: by first release, `mended` last, invalid rows at the end.
pub(super) fn rank(text: &str) -> (bool, bool, Option<Release>) {
    match Whom::parse(text) {
        Ok(whom) => (false, whom.rank().0, whom.rank().1),
        Err(_) => (true, false, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use treefall_model::signal::Signal;
    use treefall_model::verdict::Violation;

    fn known(text: &str) -> Release {
        Release::parse(text).expect("in the table")
    }

    #[test]
    fn a_range_is_written_as_it_was_read() {
        for text in ["2.2.7", "2.0.8..=2.2.4", "2.3.2..", "..=2.2.4", "..", "mended"] {
            assert_eq!(Whom::parse(text).map(|whom| whom.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_range_includes_both_its_ends() {
        let whom = Whom::parse("2.2.5..=2.3.1").expect("a range");
        let included: Vec<_> = Release::ALL.iter().filter(|release| whom.includes(**release)).collect();
        assert_eq!(included.first(), Some(&&known("2.2.5")));
        assert_eq!(included.last(), Some(&&known("2.3.1")));
        assert_eq!(included.len(), 4 + 2);
    }

    #[test]
    fn what_is_no_range_says_why() {
        let known = format!("{} to {}", Release::OLDEST, Release::NEWEST);
        let unknown = |text| format!("{text:?} is no release of keepalived that treefall knows ({known})");
        let (between, empty) = (unknown("2.3.9"), unknown(""));
        for (text, why) in [
            ("2.3.9", between.as_str()),
            ("2.2.5..2.3.2", "a range names its last release: write \"2.2.5..=2.3.2\""),
            ("2.3.2..=2.2.5", "2.3.2 comes after 2.2.5"),
            ("", &empty),
        ] {
            assert_eq!(Whom::parse(text).map_err(|no| no.why), Err(why.to_owned()));
        }
        let meant = |text| Whom::parse(text).map_err(|no| no.meant);
        assert_eq!(meant("2.2.9"), Err(Some("2.2.8".to_owned())));
        for out_of_range in ["2.9.0", "3.0.0", "2.0.7"] {
            assert_eq!(meant(out_of_range), Err(None), "{out_of_range}");
        }
    }

    #[test]
    fn two_rows_for_one_release_are_refused() {
        let row = |text| (Whom::parse(text).expect("a range"), Expectation::clean());
        assert!(Expectations::new([row("2.0.8..=2.2.4"), row("2.2.5..")]).is_ok());
        let (first, second) =
            Expectations::new([row("2.2.5.."), row("2.0.8..=2.2.5")]).expect_err("2.2.5 twice");
        assert_eq!((first.to_string(), second.to_string()), ("2.0.8..=2.2.5".into(), "2.2.5..".into()));
        assert!(Expectations::new([row("mended"), row("mended")]).is_err());
    }

    #[test]
    fn every_signature_is_read_back() {
        for law in Law::ALL {
            for step in Step::ALL {
                for entry in EntryKind::ALL.into_iter().map(Some).chain([None]) {
                    let failure = Failure::Signature(Signature { law, step, entry });
                    assert_eq!(Failure::parse(&failure.to_string()), Ok(failure));
                }
            }
        }
        assert_eq!(Failure::parse("no-law").map_err(|part| part.what), Err("law"));
        assert_eq!(Failure::parse("progress/x").map_err(|part| part.what), Err("step"));
        assert_eq!(Failure::parse("progress/blocked").map_err(|part| part.what), Err("kind of entry"));
    }

    fn verdict(laws: &[Law], outcome: Outcome) -> Verdict {
        let broken = |law: &Law| Violation::bare(Signature { law: *law, step: Step::Cleanup, entry: None });
        Verdict { breaks: laws.iter().map(broken).collect(), outcome }
    }

    #[test]
    fn a_crash_is_excused_by_an_expected_memory_break_alone() {
        let crash = || Outcome::Crashed { signal: Signal::SEGV, function: None };
        let memory = Expectation::broken([Failure::Law(Law::NoDanglingNode)]);
        let conduct = Expectation::broken([Failure::Law(Law::NoChildForgotten)]);
        assert!(memory.compare(&verdict(&[Law::NoDanglingNode], crash())).is_as_expected());
        assert!(!conduct.compare(&verdict(&[Law::NoChildForgotten], crash())).is_as_expected());
        assert!(!Expectation::clean().compare(&verdict(&[], crash())).is_as_expected());
        assert!(Expectation::clean().compare(&verdict(&[], Outcome::Survived)).is_as_expected());
    }

    #[test]
    fn missing_and_unexpected_breaks_are_told_apart() {
        let expected =
            Expectation::broken([Failure::Law(Law::NoChildForgotten), Failure::Law(Law::ExitNotLost)]);
        let seen = verdict(&[Law::ExitNotLost, Law::Progress], Outcome::Survived);
        let comparison = expected.compare(&seen);
        assert_eq!(comparison.missing, [Failure::Law(Law::NoChildForgotten)]);
        assert_eq!(comparison.unexpected.iter().map(|s| s.law).collect::<Vec<_>>(), [Law::Progress]);
    }
}
