//! Which part of keepalived a defect needs, and the known crashes outside the trees.
//!
//! The replicas have the [`Defect`](super::Defect)s. An [`Elsewhere`] is in no replica: a daemon shows it, or no subject
//! does yet. Its row says what it rests on.

use super::{Release, at};
use crate::event::SubjectKind;
use crate::law::Law;
use crate::trace::{Link, Setup};

/// The part of keepalived that has to be in use for a defect to show.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reach {
    /// Scripts that are tracked as children: the scheduler's two trees.
    Trees,
    /// The checker process and its misc checks.
    Checker,
    /// A caller that cancels a running child's entry; no script of keepalived's does.
    Cancelling,
    /// Delays of an interface's changes.
    InterfaceDelays,
    /// `track_process`.
    TrackProcess,
    /// The parent process, which starts, reloads and stops the others.
    Parent,
    /// The way in which a script is executed.
    Execution,
}

impl Reach {
    /// What it is called in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trees => "trees",
            Self::Checker => "checker",
            Self::Cancelling => "cancelling",
            Self::InterfaceDelays => "interface delays",
            Self::TrackProcess => "track_process",
            Self::Parent => "parent",
            Self::Execution => "script execution",
        }
    }

    /// Whether a subject of this kind can show a defect of this reach.
    #[must_use]
    pub const fn shown_by(self, kind: SubjectKind) -> bool {
        match self {
            Self::Trees => true,
            Self::Checker | Self::Cancelling => !matches!(kind, SubjectKind::Daemon),
            Self::InterfaceDelays => matches!(kind, SubjectKind::Daemon),
            Self::TrackProcess | Self::Parent | Self::Execution => false,
        }
    }

    /// Whether a trace of this setup uses a part of keepalived that no replica has.
    #[must_use]
    pub fn is_used_by(self, setup: &Setup) -> bool {
        match self {
            Self::InterfaceDelays => setup.links.iter().any(Link::is_delayed),
            _ => false,
        }
    }
}

/// A known crash outside the trees, which no replica has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elsewhere {
    /// The part of keepalived that it needs.
    pub reach: Reach,
    /// The first release that has it.
    pub from: Release,
    /// The first release without it; `None`: the newest still has it.
    pub mended_in: Option<Release>,
    /// What a configuration has to use, to follow "if you use".
    pub used_with: &'static str,
    /// What goes wrong, in one sentence.
    pub headline: &'static str,
    /// The law that it breaks where a daemon shows it with a guarded heap.
    pub law: Option<Law>,
    /// How it is known.
    pub rests_on: &'static str,
}

/// Every release from 2.0.8 to the newest was asked, as far as it has the keyword.
const MEASURED: &str = "a use after free on the real program of each of these releases, with a guarded heap";
const SANITIZER: &str = "a use after free that the address sanitizer reports on the program built from upstream's newest \
                         sources; on older releases, their sources";

impl Elsewhere {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self {
            reach: Reach::InterfaceDelays,
            from: at(2, 3),
            mended_in: None,
            used_with: "`interface_up_down_delays`",
            headline: "A reload frees the timer of a delayed change of an interface, and the next change cancels it.",
            law: Some(Law::NoUseAfterFree),
            rests_on: MEASURED,
        },
        Self {
            reach: Reach::TrackProcess,
            from: at(0, 11),
            mended_in: None,
            used_with: "`track_process`",
            headline: "A reload frees the timer that reads the processes again, and the next overrun cancels it.",
            law: None,
            rests_on: SANITIZER,
        },
        Self {
            reach: Reach::Execution,
            from: at(3, 4),
            mended_in: None,
            used_with: "a script without `#!`, run by root through bash, in a build with libmagic",
            headline: "A script's death by a signal is passed on to the process that started it.",
            law: None,
            rests_on: "the behaviour of the program built from upstream's newest sources; on older releases, their sources",
        },
    ];

    /// The row that a violation of `law` by a daemon is of, in a trace of `setup` that no replica shows; `None` where the
    /// trace uses nothing that a row is about.
    #[must_use]
    pub fn shown(law: Law, setup: &Setup) -> Option<&'static Self> {
        Self::ALL.iter().find(|row| row.law == Some(law) && row.reach.is_used_by(setup))
    }

    /// The row of this reach.
    #[must_use]
    pub fn of(reach: Reach) -> Option<&'static Self> {
        Self::ALL.iter().find(|row| row.reach == reach)
    }

    /// Whether `release` has it.
    #[must_use]
    pub fn is_in(&self, release: Release) -> bool {
        self.from <= release && self.mended_in.is_none_or(|mended| release < mended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_asked_only_for_what_it_has() {
        for kind in [SubjectKind::Replica, SubjectKind::Engine] {
            assert!(Reach::Trees.shown_by(kind) && Reach::Checker.shown_by(kind));
        }
        assert!(Reach::Trees.shown_by(SubjectKind::Daemon) && !Reach::Checker.shown_by(SubjectKind::Daemon));
        for row in Elsewhere::ALL {
            assert_eq!(row.reach.shown_by(SubjectKind::Daemon), row.law.is_some(), "{row:?}");
        }
    }

    #[test]
    fn no_row_outside_the_trees_claims_more_than_it_says_it_rests_on() {
        for row in Elsewhere::ALL {
            assert!(row.reach != Reach::Trees && !row.rests_on.is_empty(), "{row:?}");
            assert!(row.headline.ends_with('.'), "{row:?}");
        }
        assert_eq!(at(2, 2).crashes_elsewhere().count(), 1);
        assert_eq!(at(2, 3).crashes_elsewhere().count(), 2);
    }
}
