//! Names of subjects, as a person types them: `replica:2.3.1`, `engine:/usr/sbin/keepalived`.

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
    /// The release that it is driven as, whatever it says of itself.
    pub as_release: Option<Release>,
}

impl Place {
    /// A program on the machine's own root.
    #[must_use]
    pub fn of(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), root: None, as_release: None }
    }

    /// A program inside another root.
    #[must_use]
    pub fn inside(root: impl Into<PathBuf>, path: impl Into<PathBuf>) -> Self {
        Self { root: Some(root.into()), ..Self::of(path) }
    }

    /// Looks at the program.
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

/// What may stand before a colon.
const KINDS: [&str; 3] = ["replica", "engine", "daemon"];

/// What stands before a person's own configuration file in a daemon's name.
const CONFIG: &str = ",config=";

/// What stands before the release that a real program is driven as.
const AS: &str = ",as=";

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

    /// The same, a real program driven as `release`; one whose name has a release keeps it.
    #[must_use]
    pub fn driven_as(mut self, release: Option<Release>) -> Self {
        if let Self::Engine(place) | Self::Daemon(place) | Self::Configured(place, _) = &mut self {
            place.as_release = place.as_release.or(release);
        }
        self
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

/// Why a text names no target. Each says what would, and offers the target that was meant where one is near.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The word before the colon.
    #[error(
        "`{text}` names no target; targets are `replica:RELEASE`, `replica:all`, `replica:mended`, \
         `engine[:PATH[@ROOT][,as=RELEASE]]`, `daemon[:PATH[@ROOT][,as=RELEASE][,config=FILE]]`{}",
        offer(meant.as_ref())
    )]
    UnknownKind {
        /// What was typed.
        text: String,
        /// The target that was meant, if one is near.
        meant: Option<String>,
    },
    /// A replica of nothing.
    #[error(
        "target `{0}` names no release; write one of {oldest} to {newest}, as `replica:{newest}`, or `replica:all`, or \
         `replica:mended`",
        oldest = Release::OLDEST,
        newest = Release::NEWEST
    )]
    NoRelease(String),
    /// A release that the tables do not have.
    #[error("target `{text}`: {}{}", not_known(release), offer(meant.as_ref()))]
    UnknownRelease {
        /// What was typed.
        text: String,
        /// The release in it.
        release: String,
        /// The target that was meant, if one is near.
        meant: Option<String>,
    },
    /// A defect that the table does not have.
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
    /// Nothing after the colon.
    #[error(
        "no program is named after the colon of `{0}`; write `engine:PATH`, or `engine` alone for the one installed"
    )]
    NoPath(String),
    /// A word behind a daemon's path that stands for nothing.
    #[error("target `{text}`: a daemon has no `{key}`{}", offer(meant.as_ref()))]
    UnknownOption {
        /// What was typed.
        text: String,
        /// The word before the equals sign.
        key: String,
        /// The target that was meant, if one is near.
        meant: Option<String>,
    },
    /// No file where a configuration is to be named.
    #[error("target `{0}` names no file after `config=`; write `,config=FILE`, or leave it out")]
    NoConfig(String),
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
                // The two options may stand in either order.
                let (file, as_release) = split_as(text, file)?;
                let configured = |place| Target::Configured(place, PathBuf::from(file)).driven_as(as_release);
                real(text, Some(place), installed, configured)
            }
        },
        _ => Err(unknown_kind(text, kind, rest)),
    }
}

/// What is said of a release that the tables do not have.
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

/// The release among `names` that was meant by one that is none. A version out of the tables' range is no slip.
fn meant_release<'n>(release: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    match Release::look_up(release) {
        Err(Unlisted::Newer | Unlisted::Older) => None,
        _ => nearest(release, names),
    }
}

/// A real program: the one named, or the first of those installed.
fn real(
    text: &str,
    place: Option<&str>,
    installed: &[PathBuf],
    target: impl Fn(Place) -> Target,
) -> Result<Vec<Target>, TargetError> {
    let place = match place {
        // As when a shell's variable is empty: another program than the one meant would be tested.
        Some("") => return Err(TargetError::NoPath(text.to_owned())),
        None => installed.first().map(Place::of),
        Some(place) => {
            let (place, as_release) = split_as(text, place)?;
            Some(Place { as_release, ..parse_place(place) })
        }
    };
    Ok(vec![target(place.ok_or(TargetError::NothingInstalled)?)])
}

/// A replica of every release.
fn all_replicas() -> Vec<Target> {
    Release::ALL.iter().map(|release| Target::Replica(ReplicaName::of(*release))).collect()
}

/// The replica that `rest` of the target `text` names.
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

/// Of a replica's name the release is none; `changes` follow it.
fn unknown_release(text: &str, release: &str, changes: &str) -> TargetError {
    let names = Release::ALL.iter().map(Release::to_string).chain(["mended".to_owned(), "all".to_owned()]);
    let names: Vec<String> = names.collect();
    let near = meant_release(release, names.iter().map(String::as_str));
    let meant = near.map(|near| format!("replica:{near}{changes}"));
    TargetError::UnknownRelease { text: text.to_owned(), release: release.to_owned(), meant }
}

/// What stands before `,as=RELEASE` at the end of a place, and the release.
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

/// Of a replica's name a defect is none; `later` ones follow it.
fn unknown_defect(text: &str, defect: &str, later: &str) -> TargetError {
    let near = nearest(defect, Defect::ALL.iter().map(|defect| defect.name()));
    let before = &text[..text.len() - defect.len() - later.len()];
    let meant = near.map(|near| format!("{before}{near}{later}"));
    TargetError::UnknownDefect { text: text.to_owned(), defect: defect.to_owned(), meant }
}

/// Refuses a slip of the pen in what stands before a configuration: no program's path ends so.
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

/// `PATH` or `PATH@ROOT`, split at the last `@`.
fn parse_place(text: &str) -> Place {
    match text.rsplit_once('@') {
        Some((path, root)) if !root.is_empty() => Place::inside(root, path),
        _ => Place::of(text),
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
            "engine:./keepalived,as=2.3.4",
            "daemon:/usr/sbin/keepalived@/var/roots/sid,as=2.3.4,config=/etc/keepalived/keepalived.conf",
        ] {
            assert_eq!(written(text), text);
        }
        assert_eq!(written("daemon:/x,config=my.conf,as=2.3.4"), "daemon:/x,as=2.3.4,config=my.conf");
        assert_eq!(written("engine"), "engine:/usr/sbin/keepalived");
    }

    #[test]
    fn a_slip_of_the_pen_is_answered_with_the_target_that_was_meant() {
        for (typed, meant) in [
            ("replca:2.3.1", "replica:2.3.1"),
            ("enigne", "engine"),
            ("engin:/usr/sbin/keepalived", "engine:/usr/sbin/keepalived"),
            ("deamon:/usr/sbin/keepalived", "daemon:/usr/sbin/keepalived"),
            ("/usr/sbin/keepalived", "engine:/usr/sbin/keepalived"),
            ("2.3.1", "replica:2.3.1"),
            ("replica:2.3.11", "replica:2.3.1"),
            ("replica:2.3.11+ExitErasesTwice", "replica:2.3.1+ExitErasesTwice"),
            ("replica:2.2.9", "replica:2.2.8"),
            ("engine:/x,as=2.3.11", "engine:/x,as=2.3.1"),
            ("replica:mendd", "replica:mended"),
            ("replica:al", "replica:all"),
            ("replica:mended+ExitErasesTwise", "replica:mended+ExitErasesTwice"),
            ("replica:2.3.2-exiterasestwice", "replica:2.3.2-ExitErasesTwice"),
            ("daemon:/usr/sbin/keepalived,conf=my.conf", "daemon:/usr/sbin/keepalived,config=my.conf"),
        ] {
            let error = parse(typed, &[]).expect_err(typed).to_string();
            assert!(error.contains(&format!("`{typed}`")), "{typed} is not quoted: {error}");
            assert!(error.ends_with(&format!("; did you mean `{meant}`?")), "{typed}: {error}");
        }
    }

    #[test]
    fn what_is_like_no_target_is_told_what_targets_are() {
        for (typed, says) in [
            ("keepalived", "`keepalived` names no target; targets are"),
            ("replica", "target `replica` names no release; write one of 2.0.8 to"),
            ("replica:+ExitErasesTwice", "target `replica:+ExitErasesTwice` names no release"),
            ("replica:", "target `replica:` names no release; write one of"),
            ("replica:9.9", "`9.9` is no release that treefall knows; there are 2.0.8 to"),
            ("replica:2.9.0", "target `replica:2.9.0`: `2.9.0` is newer than"),
            ("replica:3.0.0+ExitErasesTwice", "`3.0.0` is newer than"),
            ("engine:/x,as=2.99.0", "target `engine:/x,as=2.99.0`: `2.99.0` is newer than"),
            ("replica:2.0.7", "`2.0.7` is older than 2.0.8, the oldest release"),
            ("replica:2.3.1+", "target `replica:2.3.1+`: `` is no known defect"),
            ("engine:", "no program is named after the colon of `engine:`"),
            ("daemon:/x,config=", "target `daemon:/x,config=` names no file"),
            ("engine", "apt-get install keepalived"),
            ("daemon", "treefall roots fetch sid`, which needs mmdebstrap"),
        ] {
            let error = parse(typed, &[]).expect_err(typed).to_string();
            assert!(error.contains(says) && !error.contains("did you mean"), "{typed}: {error}");
        }
        // A comma and an equals sign alone make no option of a path.
        assert!(parse("daemon:/opt/a,b=c/keepalived", &[]).is_ok());
    }
}
