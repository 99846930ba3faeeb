//! The table of known defects: one row each, with what brought it, what mended it, and one sentence.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use super::{Reach, Release, at};

/// A known bug of keepalived's scheduler or of its script layer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Defect {
    /// A timed-out child's node stays linked in the pid tree.
    TimeoutLeavesPidEntry,
    /// A timed-out child is taken out of the pid tree at once, so that its exit is ignored.
    TimeoutDropsPidEntryEarly,
    /// A skipped run is started all the same.
    SkippedRunStillStarts,
    /// A reload empties CHILD and CHILD_PID: nobody kills what ignores SIGTERM.
    ReloadForgetsChildren,
    /// A reload frees a queued timeout's entry that the pid tree still links.
    ReloadFreesQueuedTimeout,
    /// Entries kept over a reload point at the old configuration.
    StaleArgumentAfterReload,
    /// The exit of a timed-out, queued child erases its pid node twice.
    ExitErasesTwice,
    /// A child whose timeout is queued at a reload is signalled by nobody.
    ReloadSkipsQueuedTimeout,
    /// A timed-out child that no longer exists is tracked for ever.
    LostChildRetriedForEver,
    /// Each reload sets the dying children's deadline anew.
    ReloadRestartsGrace,
    /// A reload destroys a queued termination.
    ReloadEatsTermination,
    /// A shutdown ends while READY still holds child timeouts or exits.
    ShutdownStopsBeforeReady,
    /// A failed `getpgid` makes the sweep signal pid 1.
    GroupOfNobody,
    /// A misc check takes a kill that succeeded for one that failed.
    MiscKillTestInverted,
    /// Cancelling a queued timeout leaves its entry linked in the pid tree.
    CancelLeavesPidEntry,
}

/// Where a defect lives, and so which subject can prove it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Layer {
    /// The program's exported code: `engine` proves it.
    Scheduler,
    /// Our world, on replica and engine: only `daemon` proves it.
    Script,
}

/// What is known of a defect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// Which.
    pub defect: Defect,
    /// Its name, in CamelCase as everywhere.
    pub name: &'static str,
    /// The first release that has it; `None`: it is older than 2.0.8, the oldest in the table.
    pub from: Option<Release>,
    /// The commit that brought it, if it is known.
    pub brought_by: Option<&'static str>,
    /// The first release without it; `None`: the newest still has it.
    pub mended_in: Option<Release>,
    /// The commit that mended it.
    pub mended_by: Option<&'static str>,
    /// Where it lives.
    pub layer: Layer,
    /// Which part of keepalived has to be in use for it to show.
    pub reach: Reach,
    /// Whether it can break memory: dangling nodes, or trees that no longer hold together; a crash or a hang may follow.
    pub breaks_memory: bool,
    /// What goes wrong, in one sentence for reports.
    pub headline: &'static str,
    /// The numbers of the upstream issues that report it, the one to cite first.
    pub issues: &'static [u16],
    /// The number of the upstream pull request that brought `mended_by`.
    pub pull_request: Option<u16>,
}

use Layer::{Scheduler, Script};

/// The first release and the commit that brought it; the release and the commit that mended it.
type Life = (Option<Release>, Option<&'static str>, Option<Release>, Option<&'static str>);

const fn row(defect: Defect, name: &'static str, life: Life, layer: Layer, headline: &'static str) -> Row {
    let (from, brought_by, mended_in, mended_by) = life;
    Row {
        defect,
        name,
        from,
        brought_by,
        mended_in,
        mended_by,
        layer,
        reach: Reach::Trees,
        breaks_memory: false,
        headline,
        issues: &[],
        pull_request: None,
    }
}

impl Row {
    const fn breaking_memory(self) -> Self {
        Self { breaks_memory: true, ..self }
    }

    const fn within(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    /// The issues that report it, and the pull request that mended it.
    const fn upstream(self, issues: &'static [u16], pull_request: u16) -> Self {
        Self { issues, pull_request: Some(pull_request), ..self }
    }

    /// The number of the issue to cite, or its name where no issue reports it: `2468`.
    #[must_use]
    pub fn short_name(&self) -> String {
        self.issues.first().map_or_else(|| self.name.to_owned(), u16::to_string)
    }

    /// The issues that report it: `issue 2468`, `issues 1093, 1706, 1894`; empty where none does.
    #[must_use]
    pub fn issues_in_words(&self) -> String {
        let numbers: Vec<String> = self.issues.iter().map(u16::to_string).collect();
        match numbers.as_slice() {
            [] => String::new(),
            [only] => format!("issue {only}"),
            several => format!("issues {}", several.join(", ")),
        }
    }
}

const TABLE: [Row; 15] = [
    row(
        Defect::TimeoutLeavesPidEntry,
        "TimeoutLeavesPidEntry",
        (Some(at(0, 8)), Some("20214037"), Some(at(0, 11)), Some("a577fa0c")),
        Scheduler,
        "A timed-out child's entry stays linked in the pid tree while it is queued, retired and used again.",
    )
    .upstream(&[1093, 1706, 1894], 1094)
    .breaking_memory(),
    row(
        Defect::TimeoutDropsPidEntryEarly,
        "TimeoutDropsPidEntryEarly",
        (Some(at(0, 11)), Some("a577fa0c"), Some(at(0, 20)), Some("0a0095b8")),
        Scheduler,
        "A child leaves the pid tree the moment it times out, so an exit reaped before its timeout runs is lost.",
    )
    .upstream(&[1364], 1432),
    row(
        Defect::SkippedRunStillStarts,
        "SkippedRunStillStarts",
        (Some(at(1, 3)), Some("e8e64015"), Some(at(3, 3)), Some("94d40e3b")),
        Script,
        "A tick that finds the last run not ended says it skips this one, and starts it all the same.",
    )
    .upstream(&[], 2563),
    row(
        Defect::ReloadForgetsChildren,
        "ReloadForgetsChildren",
        (None, None, Some(at(2, 5)), Some("f4a9f52a")),
        Scheduler,
        "A reload sends SIGTERM and then forgets its children: one that ignores SIGTERM is never killed.",
    )
    .upstream(&[], 2038),
    row(
        Defect::ReloadFreesQueuedTimeout,
        "ReloadFreesQueuedTimeout",
        (Some(at(2, 5)), Some("f4a9f52a"), Some(at(3, 2)), Some("7e04261d")),
        Scheduler,
        "A reload frees the entry of a child whose timeout is queued, while the pid tree still links it.",
    )
    .upstream(&[2468], 2478)
    .breaking_memory(),
    row(
        Defect::StaleArgumentAfterReload,
        "StaleArgumentAfterReload",
        (Some(at(2, 5)), Some("f4a9f52a"), Some(at(3, 2)), Some("7e04261d")),
        Scheduler,
        "An entry kept for a running child over a reload still points at the freed script.",
    )
    .upstream(&[2468], 2478),
    row(
        Defect::ExitErasesTwice,
        "ExitErasesTwice",
        (Some(at(3, 2)), Some("7e04261d"), Some(at(3, 3)), Some("e15990e1")),
        Scheduler,
        "The exit of a child whose timeout is queued erases its pid node twice.",
    )
    .upstream(&[2548], 2554)
    .breaking_memory(),
    row(
        Defect::ReloadSkipsQueuedTimeout,
        "ReloadSkipsQueuedTimeout",
        (None, None, None, None),
        Scheduler,
        "A child whose timeout is queued when a reload runs gets no signal and is tracked by nobody.",
    ),
    row(
        Defect::LostChildRetriedForEver,
        "LostChildRetriedForEver",
        (Some(at(0, 8)), Some("79f73b6b"), Some(at(0, 19)), Some("79e1ec8a")),
        Script,
        "A timed-out child that no longer exists is tracked again each second, and its script never runs again.",
    )
    .upstream(&[1364], 1396),
    row(
        Defect::ReloadRestartsGrace,
        "ReloadRestartsGrace",
        (Some(at(2, 5)), None, None, None),
        Scheduler,
        "Each reload puts off the killing of what the last one told to die: often enough, it never comes.",
    ),
    row(
        Defect::ReloadEatsTermination,
        "ReloadEatsTermination",
        (None, None, None, None),
        Scheduler,
        "A reload destroys a termination that was queued behind it: the SIGTERM is lost.",
    ),
    row(
        Defect::ShutdownStopsBeforeReady,
        "ShutdownStopsBeforeReady",
        (None, None, None, None),
        Scheduler,
        "A shutdown ends while child timeouts are still queued: those children are never killed.",
    ),
    row(
        Defect::GroupOfNobody,
        "GroupOfNobody",
        (None, None, None, None),
        Scheduler,
        "When a child no longer exists, the signal meant for its process group goes to pid 1.",
    ),
    row(
        Defect::MiscKillTestInverted,
        "MiscKillTestInverted",
        (None, None, Some(at(0, 20)), Some("2738ee60")),
        Script,
        "A misc check takes a signal that was sent for one that was not, and waits 1000 s until SIGKILL.",
    )
    .within(Reach::Checker)
    .upstream(&[], 1478),
    row(
        Defect::CancelLeavesPidEntry,
        "CancelLeavesPidEntry",
        (Some(at(0, 8)), None, Some(at(3, 2)), Some("7e04261d")),
        Scheduler,
        "Cancelling the entry of a child whose timeout is queued leaves it linked in the pid tree.",
    )
    .within(Reach::Cancelling)
    .upstream(&[], 2478)
    .breaking_memory(),
];

impl Defect {
    /// All of them, in the order of the table.
    pub const ALL: [Self; TABLE.len()] = {
        let mut all = [TABLE[0].defect; TABLE.len()];
        let mut place = 0;
        while place < TABLE.len() {
            all[place] = TABLE[place].defect;
            place += 1;
        }
        all
    };

    /// How many of the first in the table are "the eight" that the issues speak of.
    const EIGHT: u8 = 8;

    /// Its row of the table.
    #[must_use]
    pub const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// Its name, as targets and reports write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The defect that is called so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|defect| defect.name() == name)
    }

    /// What goes wrong, in one sentence.
    #[must_use]
    pub const fn headline(self) -> &'static str {
        self.row().headline
    }

    /// Where it lives.
    #[must_use]
    pub const fn layer(self) -> Layer {
        self.row().layer
    }

    /// Whether it is one of the eight that the issues speak of.
    #[must_use]
    pub const fn is_one_of_the_eight(self) -> bool {
        (self as u8) < Self::EIGHT
    }

    /// Whether it can break memory.
    #[must_use]
    pub const fn breaks_memory(self) -> bool {
        self.row().breaks_memory
    }

    /// Whether it is a crash of the trees: it can break memory, in keepalived as it is configured by anybody who has a
    /// script.
    #[must_use]
    pub const fn crashes_trees(self) -> bool {
        self.breaks_memory() && matches!(self.row().reach, Reach::Trees)
    }

    /// The first release without it from which on no release has a known crash of the trees; `None`: the newest has
    /// it, or a crash.
    #[must_use]
    pub fn safe_from(self) -> Option<Release> {
        let mended = self.row().mended_in?;
        let crashes = |release: &Release| release.tree_crashes().next().is_some();
        let first = Release::ALL.iter().rposition(crashes).map_or(0, |last| last + 1);
        Release::ALL.get(first).map(|first| mended.max(*first))
    }

    /// Whether `release` has it.
    #[must_use]
    pub fn is_in(self, release: Release) -> bool {
        let row = self.row();
        row.from.is_none_or(|from| from <= release) && row.mended_in.is_none_or(|mended| release < mended)
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of defects, in the order of the table.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Defects(u16);

impl Defects {
    /// No defect.
    pub const NONE: Self = Self(0);

    /// The set with `defect`.
    #[must_use]
    pub const fn with(self, defect: Defect) -> Self {
        Self(self.0 | 1 << defect as u8)
    }

    /// The set without `defect`.
    #[must_use]
    pub const fn without(self, defect: Defect) -> Self {
        Self(self.0 & !(1 << defect as u8))
    }

    /// Whether `defect` is in the set.
    #[must_use]
    pub const fn has(self, defect: Defect) -> bool {
        self.0 & 1 << defect as u8 != 0
    }

    /// Whether no defect is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many there are.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The defects, in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = Defect> {
        Defect::ALL.into_iter().filter(move |defect| self.has(*defect))
    }
}

impl FromIterator<Defect> for Defects {
    fn from_iter<I: IntoIterator<Item = Defect>>(defects: I) -> Self {
        defects.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Defects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_stands_at_the_place_of_its_defect_and_bears_its_name() {
        for (place, row) in TABLE.iter().enumerate() {
            assert_eq!(row.defect as usize, place);
            assert_eq!(alloc::format!("{:?}", row.defect), row.name);
            assert_eq!(Defect::named(row.name), Some(row.defect));
            assert!(row.headline.ends_with('.'), "{}", row.name);
            assert!(row.mended_in.is_some() == row.mended_by.is_some(), "{}", row.name);
            assert!(row.mended_in.is_some() == row.pull_request.is_some(), "{}", row.name);
        }
        assert_eq!(Defect::ALL.into_iter().filter(|defect| defect.is_one_of_the_eight()).count(), 8);
    }

    #[test]
    fn no_release_from_a_safe_one_on_crashes_and_of_2468_that_is_later_than_its_mend() {
        let safe = Defect::ReloadFreesQueuedTimeout.safe_from();
        assert_eq!(
            (Defect::ReloadFreesQueuedTimeout.row().mended_in, safe),
            (Some(at(3, 2)), Some(at(3, 3)))
        );
        for defect in Defect::ALL {
            assert_eq!(defect.safe_from().is_some(), defect.row().mended_in.is_some(), "{defect}");
            let from = Release::ALL.iter().filter(|release| Some(**release) >= defect.safe_from());
            let bad = |it: Defect| it == defect || it.crashes_trees();
            let mut bad = from.filter(|release| release.defects().iter().any(bad));
            assert!(defect.safe_from().is_none() || bad.next().is_none(), "{defect}");
        }
    }

    fn of(minor: u8, patch: u8) -> Vec<Defect> {
        at(minor, patch).defects().iter().collect()
    }

    /// In every release of the table.
    const LASTING: [Defect; 4] = [
        Defect::ReloadSkipsQueuedTimeout,
        Defect::ReloadEatsTermination,
        Defect::ShutdownStopsBeforeReady,
        Defect::GroupOfNobody,
    ];

    fn lasting_and(more: &[Defect]) -> Vec<Defect> {
        let mut all: Vec<Defect> = LASTING.iter().chain(more).copied().collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn releases_have_the_defects_that_the_domain_page_tells() {
        use Defect::*;
        let cancel = CancelLeavesPidEntry;
        let old = [LostChildRetriedForEver, ReloadForgetsChildren, MiscKillTestInverted, cancel];
        assert_eq!(of(0, 8), lasting_and(&[&old[..], &[TimeoutLeavesPidEntry]].concat()));
        assert_eq!(of(0, 10), of(0, 8));
        assert_eq!(of(0, 11), lasting_and(&[&old[..], &[TimeoutDropsPidEntryEarly]].concat()));
        let named = [TimeoutDropsPidEntryEarly, ReloadForgetsChildren, MiscKillTestInverted, cancel];
        assert_eq!(of(0, 19), lasting_and(&named));
        assert_eq!(of(0, 20), lasting_and(&[ReloadForgetsChildren, cancel]));
        assert_eq!(of(1, 2), of(0, 20));
        assert_eq!(of(2, 4), lasting_and(&[SkippedRunStillStarts, ReloadForgetsChildren, cancel]));
        let report =
            [SkippedRunStillStarts, ReloadFreesQueuedTimeout, StaleArgumentAfterReload, ReloadRestartsGrace];
        assert_eq!(of(2, 5), lasting_and(&[&report[..], &[cancel]].concat()));
        assert_eq!(of(3, 1), of(2, 5));
        assert_eq!(of(3, 2), lasting_and(&[SkippedRunStillStarts, ExitErasesTwice, ReloadRestartsGrace]));
        assert_eq!(of(3, 3), lasting_and(&[ReloadRestartsGrace]));
        assert_eq!(Release::NEWEST.defects(), at(3, 3).defects());
    }
}
