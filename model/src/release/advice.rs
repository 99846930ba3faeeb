//! Which release to run against a failure.
//!
//! Always: no release with a known crash of the trees is recommended.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::{Defect, Defects, Release};

/// Which release to run against a failure: the first that lacks it and has no known crash of the trees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Advice {
    without: Release,
    crash: bool,
}

/// Releases that follow each other and have the same crashes of the trees.
struct Crashing {
    first: Release,
    last: Release,
    defects: Defects,
}

impl Advice {
    /// Against a failure that `without` is the first release to lack, and all after it. `crash`: it breaks memory.
    #[must_use]
    pub const fn against(without: Release, crash: bool) -> Self {
        Self { without, crash }
    }

    /// Against a defect; `None`: the newest release has it.
    #[must_use]
    pub fn against_defect(defect: Defect) -> Option<Self> {
        Some(Self::against(defect.row().mended_in?, defect.breaks_memory()))
    }

    /// The release to run; `None`: each one without the failure has a known crash of the trees.
    #[must_use]
    pub fn run(self) -> Option<Release> {
        self.lacking().find(|release| release.tree_crashes().next().is_none())
    }

    fn lacking(self) -> impl Iterator<Item = Release> {
        Release::ALL.iter().copied().filter(move |release| *release >= self.without)
    }

    /// The releases without the failure that have a known crash of the trees.
    fn crashing(self) -> Vec<Crashing> {
        let mut all: Vec<Crashing> = Vec::new();
        let mut before = Defects::NONE;
        for release in self.lacking() {
            let defects: Defects = release.tree_crashes().collect();
            match all.last_mut() {
                _ if defects.is_empty() => {}
                Some(last) if defects == before => last.last = release,
                _ => all.push(Crashing { first: release, last: release, defects }),
            }
            before = defects;
        }
        all
    }
}

impl Crashing {
    /// `introduces 2548`, or `has 2468` where an older release has it already.
    fn in_words(&self) -> String {
        let new = self.defects.iter().all(|defect| defect.row().from == Some(self.first));
        alloc::format!("{} {}", if new { "introduces" } else { "has" }, self.names())
    }

    fn names(&self) -> String {
        let names: Vec<String> = self.defects.iter().map(|defect| defect.row().short_name()).collect();
        names.join(" and ")
    }
}

/// `fixed in 2.3.3 (2.3.2 fixes this crash but introduces 2548)`.
impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = self.run();
        match run {
            Some(run) => write!(f, "fixed in {run}")?,
            None => f.write_str("fixed in no release without a known crash of the trees")?,
        }
        let crashing = self.crashing();
        let (before, after): (Vec<_>, Vec<_>) =
            crashing.iter().partition(|it| run.is_none_or(|run| it.first < run));
        let mut notes: Vec<String> = Vec::new();
        for (place, it) in before.into_iter().enumerate() {
            let what = if self.crash { "crash" } else { "failure" };
            let fixes = if place == 0 { alloc::format!("fixes this {what} but ") } else { String::new() };
            notes.push(alloc::format!("{} {fixes}{}", it.first, it.in_words()));
        }
        for it in after {
            let names = it.names();
            notes.push(match it.first == it.last {
                true => alloc::format!("{} has another crash, {names}", it.first),
                false => alloc::format!("{} to {} have another crash, {names}", it.first, it.last),
            });
        }
        if notes.is_empty() { Ok(()) } else { write!(f, " ({})", notes.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::at;
    use alloc::string::ToString as _;

    #[test]
    fn no_release_with_a_known_crash_is_recommended() {
        for release in Release::ALL {
            let run = Advice::against(*release, true).run();
            assert!(
                run.is_some_and(|run| run >= *release && run.tree_crashes().next().is_none()),
                "{release}"
            );
        }
    }

    #[test]
    fn advice_says_which_releases_have_another_crash() {
        let against = |defect| Advice::against_defect(defect).map(|advice| advice.to_string());
        assert_eq!(
            against(Defect::ReloadFreesQueuedTimeout).as_deref(),
            Some("fixed in 2.3.3 (2.3.2 fixes this crash but introduces 2548)")
        );
        assert_eq!(against(Defect::ExitErasesTwice).as_deref(), Some("fixed in 2.3.3"));
        assert_eq!(
            against(Defect::ReloadForgetsChildren).as_deref(),
            Some("fixed in 2.3.3 (2.2.5 fixes this failure but introduces 2468; 2.3.2 introduces 2548)")
        );
        assert_eq!(
            against(Defect::TimeoutLeavesPidEntry).as_deref(),
            Some("fixed in 2.0.11 (2.2.5 to 2.3.1 have another crash, 2468; 2.3.2 has another crash, 2548)")
        );
        assert_eq!(against(Defect::ReloadSkipsQueuedTimeout), None);
        assert_eq!(
            Advice::against(at(3, 1), false).to_string(),
            "fixed in 2.3.3 (2.3.1 fixes this failure but has 2468; 2.3.2 introduces 2548)"
        );
    }
}
