//! keepalived's releases, their defects and behaviours, as tables.
//!
//! A [`Release`] is one of [`Release::ALL`]; no other can be built. What sets releases apart is data: the
//! table of [`Defect`]s and the table of [`Behaviour`]s. A subject or a world is given [`Rules`], never a
//! release, and asks them at one named place a rule; nothing else may compare releases.

mod advice;
mod behaviour;
mod defect;
mod reach;

use core::fmt;

pub use advice::Advice;
pub use behaviour::{
    BeforeMove, Behaviour, CachedCalls, CarriedBy, CleanupCall, CurrentEntry, Destruction, EqualKeys, Expiry,
    FirstArmed, FirstResult, KillallFlag, LastInErase, LateWake, LeftmostRule, LinkDelays, LostMisc,
    MasterLayout, NeverFinished, ShortTimeouts, TimerValue,
};
pub use defect::{Defect, Defects, Layer, Row};
pub use reach::{Elsewhere, Reach};

/// A release of keepalived that the tables know: one of [`Release::ALL`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    major: u8,
    minor: u8,
    patch: u8,
}

/// How many releases of each minor line there are: minor, first and last patch.
const LINES: [(u8, u8, u8); 5] = [(0, 8, 20), (1, 0, 5), (2, 0, 8), (3, 0, 4), (4, 0, 3)];

/// How many releases there are.
const COUNT: usize = {
    let mut count = 0;
    let mut line = 0;
    while line < LINES.len() {
        count += (LINES[line].2 - LINES[line].1) as usize + 1;
        line += 1;
    }
    count
};

const ALL: [Release; COUNT] = {
    let mut all = [Release { major: 2, minor: 0, patch: 0 }; COUNT];
    let (mut place, mut line) = (0, 0);
    while line < LINES.len() {
        let (minor, first, last) = LINES[line];
        let mut patch = first;
        while patch <= last {
            all[place] = Release { major: 2, minor, patch };
            place += 1;
            patch += 1;
        }
        line += 1;
    }
    all
};

impl Release {
    /// All releases, oldest first, without a gap in a minor line.
    pub const ALL: &[Self] = &ALL;

    /// The oldest: the pid tree came with it.
    pub const OLDEST: Self = ALL[0];

    /// The newest.
    pub const NEWEST: Self = ALL[COUNT - 1];

    /// The releases of which the project has real programs to compare the replica with (Debian's packages).
    pub const CHECKED_AGAINST_REAL: &[Self] = &[at(1, 5), at(2, 7), at(3, 3), at(3, 4)];

    /// Release `major.minor.patch`, if the tables know it.
    #[must_use]
    pub fn new(major: u8, minor: u8, patch: u8) -> Option<Self> {
        let release = Self { major, minor, patch };
        ALL.contains(&release).then_some(release)
    }

    /// The release that `text` names, such as `2.3.1`, if the tables know it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(number);
        let release = Self::new(parts.next()??, parts.next()??, parts.next()??)?;
        parts.next().is_none().then_some(release)
    }

    /// The release that `text` names, or where a version that the tables do not know stands among theirs.
    ///
    /// # Errors
    /// [`Unlisted`] when the tables do not have it.
    pub fn look_up(text: &str) -> Result<Self, Unlisted> {
        if let Some(release) = Self::parse(text) {
            return Ok(release);
        }
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
            // A number too great for its type is greater than any in the tables.
            digits.then(|| part.parse().unwrap_or(u32::MAX))
        };
        let mut parts = text.split('.').map(number);
        let mut next = || parts.next().flatten().ok_or(Unlisted::NoVersion);
        let version = (next()?, next()?, next()?);
        if parts.any(|part| part.is_none()) {
            return Err(Unlisted::NoVersion);
        }
        let numbers = |it: &Self| (u32::from(it.major), u32::from(it.minor), u32::from(it.patch));
        let before = ALL.into_iter().rfind(|release| numbers(release) <= version);
        Err(match before {
            None => Unlisted::Older,
            Some(before) if before == Self::NEWEST => Unlisted::Newer,
            Some(before) => Unlisted::After(before),
        })
    }

    /// The first number of its name.
    #[must_use]
    pub const fn major(self) -> u8 {
        self.major
    }

    /// The second number of its name.
    #[must_use]
    pub const fn minor(self) -> u8 {
        self.minor
    }

    /// The third number of its name.
    #[must_use]
    pub const fn patch(self) -> u8 {
        self.patch
    }

    /// The known defects that it has.
    #[must_use]
    pub fn defects(self) -> Defects {
        Defect::ALL.into_iter().filter(|defect| defect.is_in(self)).collect()
    }

    /// The known defects by which its trees can break, and the process crash or hang.
    pub fn tree_crashes(self) -> impl Iterator<Item = Defect> {
        self.defects().iter().filter(|defect| defect.crashes_trees())
    }

    /// The known crashes that it has outside the trees.
    pub fn crashes_elsewhere(self) -> impl Iterator<Item = &'static Elsewhere> {
        Elsewhere::ALL.iter().filter(move |row| row.is_in(self))
    }

    /// Whether the project can compare the replica of this release with the real program.
    #[must_use]
    pub fn checked_against_real(self) -> bool {
        Self::CHECKED_AGAINST_REAL.contains(&self)
    }

    /// Consecutive releases that have the same defects, grouped, oldest first.
    pub fn with_defects_of_their_own() -> impl Iterator<Item = Group> {
        let groups = ALL.chunk_by(|a, b| a.defects() == b.defects());
        groups.map(|group| Group {
            first: group[0],
            last: group[group.len() - 1],
            defects: group[0].defects(),
        })
    }
}

/// Where a version stands that the tables do not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unlisted {
    /// It is newer than the newest.
    Newer,
    /// It is older than the oldest.
    Older,
    /// It comes after this release, and before the next.
    After(Release),
    /// It is no version: three numbers or more, with points between.
    NoVersion,
}

/// A run of consecutive releases that share their defects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Group {
    /// The oldest.
    pub first: Release,
    /// The newest.
    pub last: Release,
    /// What they have in common.
    pub defects: Defects,
}

impl Group {
    /// The releases of the group, oldest first.
    pub fn releases(self) -> impl Iterator<Item = Release> {
        ALL.into_iter().filter(move |release| (self.first..=self.last).contains(release))
    }
}

/// A release of the 2.x line that is known to be in the table; for tables only.
///
/// # Panics
/// When it is not (at compile time, in a constant).
const fn at(minor: u8, patch: u8) -> Release {
    let mut place = 0;
    while place < COUNT {
        if ALL[place].minor == minor && ALL[place].patch == patch {
            return ALL[place];
        }
        place += 1;
    }
    panic!("no such release")
}

/// A number without sign, spaces or leading zeros.
fn number(text: &str) -> Option<u8> {
    let plain = text.bytes().all(|c| c.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl fmt::Debug for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a world and a replica are made to do: the defects that they have, and all other differences between
/// releases.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rules {
    /// The known bugs that are in.
    pub defects: Defects,
    /// How the rest goes.
    pub behaviour: Behaviour,
}

impl Rules {
    /// As this release does.
    #[must_use]
    pub fn of(release: Release) -> Self {
        Self { defects: release.defects(), behaviour: Behaviour::of(release) }
    }

    /// As the newest release would with every known defect mended.
    #[must_use]
    pub fn mended() -> Self {
        Self { defects: Defects::NONE, behaviour: Behaviour::of(Release::NEWEST) }
    }

    /// The same, with this defect too.
    #[must_use]
    pub const fn with(mut self, defect: Defect) -> Self {
        self.defects = self.defects.with(defect);
        self
    }

    /// The same, with this defect mended.
    #[must_use]
    pub const fn without(mut self, defect: Defect) -> Self {
        self.defects = self.defects.without(defect);
        self
    }

    /// Whether this defect is in.
    #[must_use]
    pub const fn has(&self, defect: Defect) -> bool {
        self.defects.has(defect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    #[test]
    fn the_releases_are_those_of_the_lines() {
        let of_line = |(_, first, last): &(u8, u8, u8)| usize::from(last - first + 1);
        assert_eq!(Release::ALL.len(), LINES.iter().map(of_line).sum::<usize>());
        assert!(Release::ALL.is_sorted());
        assert_eq!(Release::OLDEST.to_string(), "2.0.8");
        assert_eq!(Release::ALL.last(), Some(&Release::NEWEST));
    }

    #[test]
    fn a_release_is_read_back_from_its_name() {
        for release in Release::ALL {
            assert_eq!(Release::parse(&release.to_string()), Some(*release));
        }
        for text in
            ["", "2", "2.3", "2.3.5", "2.0.7", "2.3.1.0", "2.3.+1", "2.3.01", "2.3. 1", "v2.3.1", "2.3.1x"]
        {
            assert_eq!(Release::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_version_that_is_in_no_table_has_its_place_all_the_same() {
        for release in Release::ALL {
            assert_eq!(Release::look_up(&release.to_string()), Ok(*release));
        }
        let newest = Release::NEWEST;
        let next = alloc::format!("{}.{}.{}", newest.major, newest.minor, newest.patch + 1);
        for newer in [next.as_str(), "2.99.0", "3.0.0", "10.0.0", "2.4.99999999999999999999"] {
            assert_eq!(Release::look_up(newer), Err(Unlisted::Newer), "{newer}");
        }
        for older in ["2.0.7", "1.3.9", "0.0.0"] {
            assert_eq!(Release::look_up(older), Err(Unlisted::Older), "{older}");
        }
        for (between, before) in [("2.2.9", at(2, 8)), ("2.0.21", at(0, 20)), ("2.3.1.1", at(3, 1))] {
            assert_eq!(Release::look_up(between), Err(Unlisted::After(before)), "{between}");
        }
        for text in ["", "2", "9.9", "2.3.", "2.3.x", "2.3.+1", "mended"] {
            assert_eq!(Release::look_up(text), Err(Unlisted::NoVersion), "{text:?}");
        }
    }

    #[test]
    fn consecutive_releases_with_the_same_defects_form_groups_that_cover_all() {
        let groups: Vec<Group> = Release::with_defects_of_their_own().collect();
        assert_eq!(groups.iter().flat_map(|group| group.releases()).collect::<Vec<_>>(), Release::ALL);
        let last = groups.last().expect("there are releases");
        assert_eq!((last.first, last.last), (at(3, 3), Release::NEWEST));
        assert!(groups.windows(2).all(|pair| pair[0].defects != pair[1].defects));
    }

    #[test]
    fn mended_rules_have_no_defect_and_each_can_be_put_back() {
        for defect in Defect::ALL {
            let rules = Rules::mended().with(defect);
            assert!(rules.has(defect));
            assert_eq!(rules.defects.iter().collect::<Vec<_>>(), [defect]);
            assert_eq!(rules.without(defect), Rules::mended());
        }
    }
}
