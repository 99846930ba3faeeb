//! Names of subjects, as a person types them: `replica:2.3.1`, `engine:/usr/sbin/keepalived`.

use std::fmt;
use std::path::{Path, PathBuf};

use treefall_model::event::SubjectKind;
use treefall_model::release::{Defect, Release, Rules};

use super::program::INSTALL;

/// The release in a replica's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Base {
    /// As this release does.
    Release(Release),
    /// As the newest, with every known defect mended.
    Mended,
}

impl Base {
    /// What a replica of this name is made to do.
    #[must_use]
    pub fn rules(self) -> Rules {
        match self {
            Self::Release(release) => Rules::of(release),
            Self::Mended => Rules::mended(),
        }
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(release) => release.fmt(f),
            Self::Mended => f.write_str("mended"),
        }
    }
}

/// A replica's name: a release, and defects put in or mended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicaName {
    /// What it starts from.
    pub base: Base,
    /// Defects put in besides.
    pub with: Vec<Defect>,
    /// Defects mended.
    pub without: Vec<Defect>,
}

impl ReplicaName {
    /// A replica of a release as it is.
    #[must_use]
    pub fn of(release: Release) -> Self {
        Self { base: Base::Release(release), with: Vec::new(), without: Vec::new() }
    }

    /// The replica with every known defect mended.
    #[must_use]
    pub fn mended() -> Self {
        Self { base: Base::Mended, with: Vec::new(), without: Vec::new() }
    }

    /// What it is made to do.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let with = self.with.iter().fold(self.base.rules(), |rules, defect| rules.with(*defect));
        self.without.iter().fold(with, |rules, defect| rules.without(*defect))
    }
}

impl fmt::Display for ReplicaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "replica:{}", self.base)?;
        self.with.iter().try_for_each(|defect| write!(f, "+{}", defect.name()))?;
        self.without.iter().try_for_each(|defect| write!(f, "-{}", defect.name()))
    }
}

/// Where a real program is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The program; inside `root` when there is one.
    pub path: PathBuf,
    /// Another root that it lives in.
    pub root: Option<PathBuf>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.root.as_ref().map_or(Ok(()), |root| write!(f, "@{}", root.display()))
    }
}

/// What a person asks to have tested.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// An in-process replica.
    Replica(ReplicaName),
    /// A real program's scheduler under our world.
    Engine(Place),
    /// The whole real daemon.
    Daemon(Place),
    /// The whole real daemon with a person's own configuration file.
    Configured(Place, PathBuf),
}

/// What stands before a person's own configuration file in a daemon's name.
const CONFIG: &str = ",config=";

impl Target {
    /// Which of the three kinds it is.
    #[must_use]
    pub fn kind(&self) -> SubjectKind {
        match self {
            Self::Replica(_) => SubjectKind::Replica,
            Self::Engine(_) => SubjectKind::Engine,
            Self::Daemon(_) | Self::Configured(..) => SubjectKind::Daemon,
        }
    }

    /// Where the real program is, if it is one.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Replica(_) => None,
            Self::Engine(place) | Self::Daemon(place) | Self::Configured(place, _) => Some(place),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replica(name) => name.fmt(f),
            Self::Engine(place) => write!(f, "engine:{place}"),
            Self::Daemon(place) => write!(f, "daemon:{place}"),
            Self::Configured(place, file) => write!(f, "daemon:{place}{CONFIG}{}", file.display()),
        }
    }
}

/// Why a text names no target. Each says what would.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The word before the colon.
    #[error(
        "`{0}` names no target; targets are `replica:RELEASE`, `replica:all`, `replica:mended`, `engine[:PATH[@ROOT]]`, \
         `daemon[:PATH[@ROOT][,config=FILE]]`"
    )]
    UnknownKind(String),
    /// A release that the tables do not have.
    #[error(
        "`{text}` is no release that treefall knows ({} to {}); `replica:all` takes each{hint}",
        Release::OLDEST,
        Release::NEWEST
    )]
    UnknownRelease {
        /// What was typed.
        text: String,
        /// The nearest, if any is near.
        hint: String,
    },
    /// A defect that the table does not have.
    #[error("`{text}` is no known defect{hint}; `treefall targets` lists them")]
    UnknownDefect {
        /// What was typed.
        text: String,
        /// The nearest, if any is near.
        hint: String,
    },
    /// Nothing after the colon.
    #[error(
        "no program is named after the colon; write `engine:PATH`, or `engine` alone for the one installed"
    )]
    NoPath,
    /// No keepalived at the usual places.
    #[error("no keepalived was found on this machine; {INSTALL}, or name one: `engine:PATH`, `daemon:PATH`")]
    NothingInstalled,
}

/// The targets that `text` names: one, or several for `replica:all`.
///
/// `installed` are the programs found on the machine, for `engine` without a path.
///
/// # Errors
/// [`TargetError`] when it names none.
pub fn parse(text: &str, installed: &[PathBuf]) -> Result<Vec<Target>, TargetError> {
    let (kind, rest) = match text.split_once(':') {
        Some((kind, rest)) => (kind, Some(rest)),
        None => (text, None),
    };
    match (kind, rest) {
        ("replica", Some("all")) => Ok(all_replicas()),
        ("replica", Some(rest)) => parse_replica(rest).map(|name| vec![Target::Replica(name)]),
        ("engine", rest) => real(rest, installed, Target::Engine),
        ("daemon", rest) => match rest.unwrap_or_default().split_once(CONFIG) {
            None => real(rest, installed, Target::Daemon),
            Some((place, file)) => {
                real(Some(place), installed, |place| Target::Configured(place, PathBuf::from(file)))
            }
        },
        _ => Err(TargetError::UnknownKind(text.to_owned())),
    }
}

/// A real program: the one named, or the first of those installed.
fn real(
    place: Option<&str>,
    installed: &[PathBuf],
    target: impl Fn(Place) -> Target,
) -> Result<Vec<Target>, TargetError> {
    let place = match place {
        // As when a shell's variable is empty: another program than the one meant would be tested.
        Some("") => return Err(TargetError::NoPath),
        None => installed.first().map(|path| Place { path: path.clone(), root: None }),
        Some(place) => Some(parse_place(place)),
    };
    Ok(vec![target(place.ok_or(TargetError::NothingInstalled)?)])
}

/// A replica of every release.
fn all_replicas() -> Vec<Target> {
    Release::ALL.iter().map(|release| Target::Replica(ReplicaName::of(*release))).collect()
}

fn parse_replica(text: &str) -> Result<ReplicaName, TargetError> {
    let end = text.find(['+', '-']).unwrap_or(text.len());
    let (base, mut rest) = text.split_at(end);
    let base = match base {
        "mended" => Base::Mended,
        _ => Base::Release(Release::parse(base).ok_or_else(|| unknown_release(base))?),
    };
    let mut name = ReplicaName { base, with: Vec::new(), without: Vec::new() };
    while let Some(sign) = rest.chars().next() {
        let body = &rest[1..];
        let end = body.find(['+', '-']).unwrap_or(body.len());
        let defect = parse_defect(&body[..end])?;
        if sign == '+' {
            name.with.push(defect)
        } else {
            name.without.push(defect)
        }
        rest = &body[end..];
    }
    Ok(name)
}

fn parse_defect(text: &str) -> Result<Defect, TargetError> {
    Defect::named(text).ok_or_else(|| TargetError::UnknownDefect {
        text: text.to_owned(),
        hint: nearest(text, Defect::ALL.iter().map(|defect| defect.name().to_owned())),
    })
}

fn unknown_release(text: &str) -> TargetError {
    let names = Release::ALL.iter().map(Release::to_string).chain(["mended".to_owned(), "all".to_owned()]);
    TargetError::UnknownRelease { text: text.to_owned(), hint: nearest(text, names) }
}

/// `, did you mean ..?` for the nearest of `names`, if one is near enough to be meant.
fn nearest(text: &str, names: impl Iterator<Item = String>) -> String {
    let near = names.map(|name| (strsim::jaro_winkler(text, &name), name));
    let best = near.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score > 0.8);
    best.map_or_else(String::new, |(_, name)| format!(", did you mean `{name}`?"))
}

/// `PATH` or `PATH@ROOT`, split at the last `@`.
fn parse_place(text: &str) -> Place {
    match text.rsplit_once('@') {
        Some((path, root)) if !root.is_empty() => {
            Place { path: PathBuf::from(path), root: Some(Path::new(root).to_path_buf()) }
        }
        _ => Place { path: PathBuf::from(text), root: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        parse(text, &[PathBuf::from("/usr/sbin/keepalived")])
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_target_is_written_as_it_was_typed() {
        for text in [
            "replica:2.3.1",
            "replica:mended",
            "replica:mended+ExitErasesTwice",
            "replica:2.3.1-ReloadFreesQueuedTimeout-StaleArgumentAfterReload",
            "engine:/usr/sbin/keepalived",
            "engine:/usr/sbin/keepalived@/var/roots/sid",
            "daemon:/usr/sbin/keepalived@/var/roots/sid",
            "daemon:/usr/sbin/keepalived@/var/roots/sid,config=/etc/keepalived/keepalived.conf",
        ] {
            assert_eq!(written(text), text);
        }
        assert_eq!(written("engine"), "engine:/usr/sbin/keepalived");
    }

    #[test]
    fn a_slip_of_the_pen_is_answered_with_what_was_meant() {
        let error = |text| parse(text, &[]).unwrap_err().to_string();
        assert!(error("replica:2.3.11").contains("did you mean `2.3.1`?"));
        assert!(error("replica:mended+ExitErasesTwise").contains("did you mean `ExitErasesTwice`?"));
        assert!(error("engin:/usr/sbin/keepalived").contains("names no target"));
        assert!(error("engine").contains("apt-get install keepalived"));
    }
}
