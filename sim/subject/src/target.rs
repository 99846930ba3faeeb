//! Names of targets, as a user types them: `replica:2.3.1`, `engine:/usr/sbin/keepalived`.

use std::fmt;
use std::path::PathBuf;

use treefall_model::event::SubjectKind;
use treefall_model::release::{Defect, Release, Rules, Unlisted};

use super::program::{INSTALL, Program, ProgramError};
use treefall_base::nearest::{nearest, offer};

/// The release in a replica's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Base {
    /// As this release does.
    Release(Release),
    /// As the newest, with every known defect mended.
    Mended,
}

impl Base {
    /// Returns the rules of the replica with this base.
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

/// The name of a replica: a release, with defects added or fixed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicaName {
    /// The release that it starts from.
    pub base: Base,
    /// Defects that are added.
    pub with: Vec<Defect>,
    /// Defects that are fixed.
    pub without: Vec<Defect>,
}

impl ReplicaName {
    /// Returns the name of a release's replica.
    #[must_use]
    pub fn of(release: Release) -> Self {
        Self { base: Base::Release(release), with: Vec::new(), without: Vec::new() }
    }

    /// Returns the name of the replica with every known defect fixed.
    #[must_use]
    pub fn mended() -> Self {
        Self { base: Base::Mended, with: Vec::new(), without: Vec::new() }
    }

    /// Returns its rules.
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

/// The place of a real program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The program; inside `root` when there is one.
    pub path: PathBuf,
    /// Another root directory that contains it.
    pub root: Option<PathBuf>,
    /// The release whose interface is used to drive it, whatever its banner says.
    pub as_release: Option<Release>,
}

impl Place {
    /// Returns a program on the machine's own root.
    #[must_use]
    pub fn of(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), root: None, as_release: None }
    }

    /// Returns a program inside another root.
    #[must_use]
    pub fn inside(root: impl Into<PathBuf>, path: impl Into<PathBuf>) -> Self {
        Self { root: Some(root.into()), ..Self::of(path) }
    }

    /// Reads the program.
    ///
    /// # Errors
    /// When it is no keepalived that can be driven.
    pub fn open(&self) -> Result<Program, ProgramError> {
        Program::open_as(&self.path, self.root.as_deref(), self.as_release)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.root.iter().try_for_each(|root| write!(f, "@{}", root.display()))?;
        self.as_release.iter().try_for_each(|release| write!(f, "{AS}{release}"))
    }
}

/// A system under test, as a user names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// An in-process replica.
    Replica(ReplicaName),
    /// A real program's scheduler under the virtual world.
    Engine(Place),
    /// The whole real daemon.
    Daemon(Place),
    /// The whole real daemon with a user's configuration file.
    Configured(Place, PathBuf),
}

/// Words before the colon of a target.
const KINDS: [&str; 3] = ["replica", "engine", "daemon"];

/// Text before a user's configuration file in a daemon's name.
const CONFIG: &str = ",config=";

/// Text before the release that a real program is driven as.
const AS: &str = ",as=";

impl Target {
    /// Returns its kind.
    #[must_use]
    pub fn kind(&self) -> SubjectKind {
        match self {
            Self::Replica(_) => SubjectKind::Replica,
            Self::Engine(_) => SubjectKind::Engine,
            Self::Daemon(_) | Self::Configured(..) => SubjectKind::Daemon,
        }
    }

    /// Returns the same target, driven as `release` unless its name contains a release.
    #[must_use]
    pub fn driven_as(mut self, release: Option<Release>) -> Self {
        if let Self::Engine(place) | Self::Daemon(place) | Self::Configured(place, _) = &mut self {
            place.as_release = place.as_release.or(release);
        }
        self
    }

    /// Returns the place of the real program, if it is one.
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

/// A text names no target. Each message says what would be accepted, and suggests the nearest target.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The word before the colon is unknown.
    #[error(
        "`{text}` names no target; targets are `replica:RELEASE`, `replica:all`, `replica:mended`, \
         `engine[:PATH[@ROOT][,as=RELEASE]]`, `daemon[:PATH[@ROOT][,as=RELEASE][,config=FILE]]`{}",
        offer(meant.as_ref())
    )]
    UnknownKind {
        /// The text.
        text: String,
        /// The nearest target, if there is one.
        meant: Option<String>,
    },
    /// The name of a replica has no release.
    #[error(
        "target `{0}` names no release; write one of {oldest} to {newest}, as `replica:{newest}`, or `replica:all`, or \
         `replica:mended`",
        oldest = Release::OLDEST,
        newest = Release::NEWEST
    )]
    NoRelease(String),
    /// The release is unknown.
    #[error("target `{text}`: {}{}", not_known(release), offer(meant.as_ref()))]
    UnknownRelease {
        /// What was typed.
        text: String,
        /// The release in it.
        release: String,
        /// The target that was meant, if one is near.
        meant: Option<String>,
    },
    /// The defect is unknown.
    #[error(
        "target `{text}`: `{defect}` is no known defect; `treefall targets` lists them{}",
        offer(meant.as_ref())
    )]
    UnknownDefect {
        /// What was typed.
        text: String,
        /// The defect in it.
        defect: String,
        /// The target that was meant, if one is near.
        meant: Option<String>,
    },
    /// There is nothing after the colon.
    #[error(
        "no program is named after the colon of `{0}`; write `engine:PATH`, or `engine` alone for the one installed"
    )]
    NoPath(String),
    /// A word after a daemon's path is unknown.
    #[error("target `{text}`: a daemon has no `{key}`{}", offer(meant.as_ref()))]
    UnknownOption {
        /// What was typed.
        text: String,
        /// The word before the equals sign.
        key: String,
        /// The target that was meant, if one is near.
        meant: Option<String>,
    },
    /// There is no file after `config=`.
    #[error("target `{0}` names no file after `config=`; write `,config=FILE`, or leave it out")]
    NoConfig(String),
    /// There is no keepalived at the usual places.
    #[error("no keepalived was found on this machine; {INSTALL}, or name one: `engine:PATH`, `daemon:PATH`")]
    NothingInstalled,
}

/// Parses the targets that `text` names: one, or several for `replica:all`.
///
/// `installed` lists the programs found on the machine, for `engine` without a path.
///
/// # Errors
/// When it names none.
pub fn parse(text: &str, installed: &[PathBuf]) -> Result<Vec<Target>, TargetError> {
    let (kind, rest) = match text.split_once(':') {
        Some((kind, rest)) => (kind, Some(rest)),
        None => (text, None),
    };
    match (kind, rest) {
        ("replica", None | Some("")) => Err(TargetError::NoRelease(text.to_owned())),
        ("replica", Some("all")) => Ok(all_replicas()),
        ("replica", Some(rest)) => parse_replica(text, rest).map(|name| vec![Target::Replica(name)]),
        ("engine", rest) => real(text, rest, installed, Target::Engine),
        ("daemon", rest) => match rest.unwrap_or_default().split_once(CONFIG) {
            None => {
                known_options(text, rest.unwrap_or_default())?;
                real(text, rest, installed, Target::Daemon)
            }
            Some((_, "")) => Err(TargetError::NoConfig(text.to_owned())),
            Some((place, file)) => {
                // The two options may be in either order.
                let (file, as_release) = split_as(text, file)?;
                let configured = |place| Target::Configured(place, PathBuf::from(file)).driven_as(as_release);
                real(text, Some(place), installed, configured)
            }
        },
        _ => Err(unknown_kind(text, kind, rest)),
    }
}

/// Describes a release that the tables do not have.
fn not_known(release: &str) -> String {
    let (oldest, newest) = (Release::OLDEST, Release::NEWEST);
    match Release::look_up(release) {
        Err(Unlisted::Newer) => format!(
            "`{release}` is newer than {newest}, the newest release that treefall knows; `replica:{newest}` is the nearest \
             replica, and a real program of it is driven as {newest}"
        ),
        Err(Unlisted::Older) => {
            format!("`{release}` is older than {oldest}, the oldest release that treefall knows")
        }
        _ => format!(
            "`{release}` is no release that treefall knows; there are {oldest} to {newest}, `replica:all` takes each"
        ),
    }
}

/// Returns the release among `names` that is nearest to an unknown one. A version outside the tables' range is not a
/// typing error.
fn meant_release<'n>(release: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    match Release::look_up(release) {
        Err(Unlisted::Newer | Unlisted::Older) => None,
        _ => nearest(release, names),
    }
}

/// Parses a real program: the named one, or the first installed one.
fn real(
    text: &str,
    place: Option<&str>,
    installed: &[PathBuf],
    target: impl Fn(Place) -> Target,
) -> Result<Vec<Target>, TargetError> {
    let place = match place {
        // An empty shell variable would otherwise select another program than the intended one.
        Some("") => return Err(TargetError::NoPath(text.to_owned())),
        None => installed.first().map(Place::of),
        Some(place) => {
            let (place, as_release) = split_as(text, place)?;
            Some(Place { as_release, ..parse_place(place) })
        }
    };
    Ok(vec![target(place.ok_or(TargetError::NothingInstalled)?)])
}

/// Returns a replica of every release.
fn all_replicas() -> Vec<Target> {
    Release::ALL.iter().map(|release| Target::Replica(ReplicaName::of(*release))).collect()
}

/// Parses the replica that `rest` of the target `text` names.
fn parse_replica(text: &str, rest: &str) -> Result<ReplicaName, TargetError> {
    let (base, mut changes) = rest.split_at(rest.find(['+', '-']).unwrap_or(rest.len()));
    let base = match base {
        "mended" => Base::Mended,
        "" => return Err(TargetError::NoRelease(text.to_owned())),
        _ => Base::Release(Release::parse(base).ok_or_else(|| unknown_release(text, base, changes))?),
    };
    let mut name = ReplicaName { base, with: Vec::new(), without: Vec::new() };
    while let Some(sign) = changes.chars().next() {
        let body = &changes[1..];
        let (defect, later) = body.split_at(body.find(['+', '-']).unwrap_or(body.len()));
        let known = Defect::named(defect).ok_or_else(|| unknown_defect(text, defect, later))?;
        if sign == '+' {
            name.with.push(known)
        } else {
            name.without.push(known)
        }
        changes = later;
    }
    Ok(name)
}

fn unknown_kind(text: &str, kind: &str, rest: Option<&str>) -> TargetError {
    let meant = match rest {
        None if Release::parse(text).is_some() => Some(format!("replica:{text}")),
        None if text.contains('/') => Some(format!("engine:{text}")),
        None => nearest(kind, KINDS).map(str::to_owned),
        Some(rest) => nearest(kind, KINDS).map(|near| format!("{near}:{rest}")),
    };
    TargetError::UnknownKind { text: text.to_owned(), meant }
}

/// Returns the error of an unknown release in a replica's name; `changes` follow it.
fn unknown_release(text: &str, release: &str, changes: &str) -> TargetError {
    let names = Release::ALL.iter().map(Release::to_string).chain(["mended".to_owned(), "all".to_owned()]);
    let names: Vec<String> = names.collect();
    let near = meant_release(release, names.iter().map(String::as_str));
    let meant = near.map(|near| format!("replica:{near}{changes}"));
    TargetError::UnknownRelease { text: text.to_owned(), release: release.to_owned(), meant }
}

/// Splits `,as=RELEASE` off the end of a place.
fn split_as<'p>(text: &str, place: &'p str) -> Result<(&'p str, Option<Release>), TargetError> {
    let Some((path, release)) = place.rsplit_once(AS) else { return Ok((place, None)) };
    if let Some(release) = Release::parse(release) {
        return Ok((path, Some(release)));
    }
    let names: Vec<String> = Release::ALL.iter().map(Release::to_string).collect();
    let near = meant_release(release, names.iter().map(String::as_str));
    let meant = near.map(|near| text.replacen(&format!("{AS}{release}"), &format!("{AS}{near}"), 1));
    Err(TargetError::UnknownRelease { text: text.to_owned(), release: release.to_owned(), meant })
}

/// Returns the error of an unknown defect in a replica's name; `later` ones follow it.
fn unknown_defect(text: &str, defect: &str, later: &str) -> TargetError {
    let near = nearest(defect, Defect::ALL.iter().map(|defect| defect.name()));
    let before = &text[..text.len() - defect.len() - later.len()];
    let meant = near.map(|near| format!("{before}{near}{later}"));
    TargetError::UnknownDefect { text: text.to_owned(), defect: defect.to_owned(), meant }
}

/// Rejects a mistyped option before a configuration, which no program's path ends with.
fn known_options(text: &str, place: &str) -> Result<(), TargetError> {
    let Some((path, (key, file))) =
        place.rsplit_once(',').and_then(|(path, option)| Some((path, option.split_once('=')?)))
    else {
        return Ok(());
    };
    let key_of_config = CONFIG.trim_start_matches(',').trim_end_matches('=');
    match nearest(key, [key_of_config]) {
        None => Ok(()),
        Some(_) => Err(TargetError::UnknownOption {
            text: text.to_owned(),
            key: key.to_owned(),
            meant: Some(format!("daemon:{path}{CONFIG}{file}")),
        }),
    }
}

/// Parses `PATH` or `PATH@ROOT`, split at the last `@`.
fn parse_place(text: &str) -> Place {
    match text.rsplit_once('@') {
        Some((path, root)) if !root.is_empty() => Place::inside(root, path),
        _ => Place::of(text),
    }
}

#[cfg(test)]
mod tests;
