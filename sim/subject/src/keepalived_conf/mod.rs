//! keepalived's own configuration files, read as far as scripts and what tracks them go.
//!
//! A person's file is read for its `vrrp_script` blocks and for which of them an instance or a sync group tracks.
//! All else is only counted: [`Other`] says where it is, so that whoever uses the file can tell what is not
//! taken over.
//!
//! Included files, parameters, conditions and repeated lines are worked out as keepalived does (`expand`).
//!
//! Always: what is read is what keepalived would read. Nothing is written, and no script is run.

mod expand;
mod lines;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use treefall_model::release::Release;
use treefall_model::time::Span;

use lines::ConfigLine;
use treefall_base::input;
use treefall_base::nearest::{nearest, offer};

/// Largest file that is read, in bytes: 4 MiB.
pub const SIZE_MAX: u64 = 4 << 20;

/// What a vrrp_script has.
const OF_SCRIPTS: [&str; 8] =
    ["script", "interval", "timeout", "weight", "rise", "fall", "user", "init_fail"];
/// What is read on the outermost level.
const OUTERMOST: [&str; 3] = ["vrrp_script", "vrrp_instance", "vrrp_sync_group"];
/// What is read of a tracker.
const OF_TRACKERS: [&str; 1] = ["track_script"];
/// Words of keepalived's that are like these and are not meant to be one.
const ALIKE: [&str; 8] = [
    "bfd_instance",
    "track_bfd",
    "track_file",
    "track_interface",
    "track_process",
    "track_src_ip",
    "vrrp_track_file",
    "vrrp_track_process",
];

/// What is of interest in a configuration.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Conf {
    /// Its scripts, in order.
    pub scripts: Vec<VrrpScript>,
    /// What tracks them, in order.
    pub trackers: Vec<Tracker>,
    /// What else there is on the outermost level.
    pub others: Vec<Other>,
}

/// A `vrrp_script`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VrrpScript {
    /// Its name.
    pub name: String,
    /// Where it begins, from 1.
    pub line: usize,
    /// What it executes.
    pub command: String,
    /// From one run to the next, if it is told.
    pub interval: Option<Span>,
    /// How long a run may take, if it is told.
    pub timeout: Option<Span>,
    /// Successes in a row until it counts as up, from 1 on, if it is told.
    pub rise: Option<u32>,
    /// Failures in a row until it counts as down, from 1 on, if it is told.
    pub fall: Option<u32>,
    /// What a priority changes by, as it is written.
    pub weight: Option<String>,
    /// Who runs it, and perhaps with which group, as it is written.
    pub user: Option<String>,
    /// It counts as down until it was up.
    pub init_fail: bool,
}

impl VrrpScript {
    /// From one run to the next: a second, where it is not told.
    #[must_use]
    pub fn interval(&self) -> Span {
        self.interval.unwrap_or(Span::from_secs(1))
    }

    /// How long a run may take: as long as the interval, where it is not told.
    #[must_use]
    pub fn timeout(&self) -> Span {
        self.timeout.unwrap_or(self.interval())
    }

    /// Successes in a row until it counts as up: one, where it is not told.
    #[must_use]
    pub fn rise(&self) -> u32 {
        self.rise.unwrap_or(1)
    }

    /// Failures in a row until it counts as down: one, where it is not told.
    #[must_use]
    pub fn fall(&self) -> u32 {
        self.fall.unwrap_or(1)
    }
}

/// A `vrrp_instance` or a `vrrp_sync_group`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tracker {
    /// Which of the two.
    pub is_group: bool,
    /// Its name.
    pub name: String,
    /// Where it begins, from 1.
    pub line: usize,
    /// The scripts that it tracks.
    pub tracked: Vec<Tracked>,
    /// What else it has.
    pub others: Vec<Other>,
}

/// A script that is tracked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tracked {
    /// Its name.
    pub name: String,
    /// Where, from 1.
    pub line: usize,
    /// What comes behind the name, as it is written.
    pub rest: String,
}

/// Something that is not read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Other {
    /// Its first word.
    pub keyword: String,
    /// Where it begins, from 1.
    pub line: usize,
}

/// The first release that reads fractions of a second in a vrrp_script.
const READS_FRACTIONS: &str = "2.3.2";

impl Conf {
    /// The same as `release` reads it: before 2.3.2 an interval or timeout that is no whole number of seconds is ignored.
    #[must_use]
    pub fn as_read_by(mut self, release: Release) -> Self {
        if Release::parse(READS_FRACTIONS).is_none_or(|first| release >= first) {
            return self;
        }
        let whole = |span: &Span| span.as_micros().is_multiple_of(1_000_000);
        for script in &mut self.scripts {
            (script.interval, script.timeout) = (script.interval.filter(whole), script.timeout.filter(whole));
        }
        self
    }

    /// The scripts that something tracks, in their order: keepalived runs no others.
    pub fn tracked(&self) -> impl Iterator<Item = &VrrpScript> {
        self.scripts.iter().filter(|script| {
            let mut tracked = self.trackers.iter().flat_map(|tracker| &tracker.tracked);
            tracked.any(|tracked| tracked.name == script.name)
        })
    }

    /// What looks like a slip of the pen in what tracks scripts: keywords that are not read and are near one that is,
    /// and scripts that are not there; in the order of their lines.
    #[must_use]
    pub fn slips(&self) -> Vec<Slip> {
        let keywords = |others: &[Other], read: &[&'static str]| -> Vec<Slip> {
            let near = others.iter().map(|other| {
                let meant = nearest(&other.keyword, read.iter().chain(&ALIKE).copied())?;
                read.contains(&meant).then(|| Slip::new(other.line, &other.keyword, meant))
            });
            near.flatten().collect()
        };
        let mut slips = keywords(&self.others, &OUTERMOST);
        for tracker in &self.trackers {
            slips.extend(keywords(&tracker.others, &OF_TRACKERS));
            let unknown = tracker.tracked.iter().filter(|tracked| self.script(&tracked.name).is_none());
            slips.extend(unknown.filter_map(|tracked| {
                let meant = nearest(&tracked.name, self.scripts.iter().map(|script| script.name.as_str()))?;
                Some(Slip::new(tracked.line, &tracked.name, meant))
            }));
        }
        slips.sort_by_key(|slip| slip.line);
        slips
    }

    /// The script of this name.
    #[must_use]
    pub fn script(&self, name: &str) -> Option<&VrrpScript> {
        self.scripts.iter().find(|script| script.name == name)
    }
}

/// A word that stands for nothing here, and is near one that does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slip {
    /// Where, from 1.
    pub line: usize,
    /// As it is written.
    pub word: String,
    /// What was meant, it seems.
    pub meant: String,
}

impl Slip {
    fn new(line: usize, word: &str, meant: &str) -> Self {
        Self { line, word: word.to_owned(), meant: meant.to_owned() }
    }
}

/// ``line 8: `chkk`, perhaps `chk` was meant``
impl fmt::Display for Slip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: `{}`, perhaps `{}` was meant", self.line, self.word, self.meant)
    }
}

/// `; line 8: ..` for each, for the end of a message of one line.
pub fn offers(slips: &[Slip]) -> String {
    slips.iter().map(|slip| format!("; {slip}")).collect()
}

/// What is wrong with a configuration, where, and what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {what}; {remedy}{}", offer(*meant))]
pub struct ConfError {
    /// Where, from 1.
    pub line: usize,
    /// What.
    pub what: String,
    /// What to do.
    pub remedy: &'static str,
    /// The word that was meant, if one is near.
    pub meant: Option<&'static str>,
}

impl ConfError {
    fn new(line: usize, what: String, remedy: &'static str) -> Self {
        Self { line, what, remedy, meant: None }
    }
}

/// Why a configuration file cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfFileError {
    /// It cannot be read.
    #[error("{}: {error}; name a file in the format of keepalived.conf", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is larger than [`SIZE_MAX`].
    #[error("{}: larger than {} MiB, and so no configuration of keepalived's", path.display(), SIZE_MAX >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is wrong, or cannot be read by treefall.
    #[error("{}, {error}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What and where.
        error: ConfError,
    },
}

/// The configuration in the file at `path`.
///
/// # Errors
/// When it cannot be read or understood.
pub fn load(path: &Path) -> Result<Conf, ConfFileError> {
    load_as(path, None)
}

/// The configuration in the file at `path` as a keepalived with this configuration id (`--config-id`) reads it.
///
/// # Errors
/// When it cannot be read or understood.
pub fn load_as(path: &Path, id: Option<&str>) -> Result<Conf, ConfFileError> {
    let path_buf = || path.to_owned();
    let unreadable = |error| ConfFileError::Unreadable { path: path_buf(), error };
    let bytes = input::read(path, SIZE_MAX).map_err(unreadable)?;
    if bytes.len() as u64 > SIZE_MAX {
        return Err(ConfFileError::TooLarge { path: path_buf() });
    }
    // Comments are in whatever their writer's machine spoke: what is read of the file is not.
    let text = String::from_utf8_lossy(&bytes);
    // A relative path without a folder lies here.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_conditional = id.is_none() && text.lines().any(|line| line.trim_start().starts_with('@'));
    let conf = expand::lines(&text, Some(folder), id).and_then(|lines| of_lines(&lines));
    conf.map_err(|error| {
        let remedy = match is_conditional {
            true => "lines that begin with `@` hold for one configuration id: name it with `--config-id`",
            false => error.remedy,
        };
        ConfFileError::Wrong { path: path_buf(), error: ConfError { remedy, ..error } }
    })
}

/// The configuration that `text` holds.
///
/// # Errors
/// The first thing that is wrong, or that only keepalived itself can work out.
pub fn read(text: &str) -> Result<Conf, ConfError> {
    of_lines(&expand::lines(text, None, None)?)
}

fn of_lines(lines: &[(usize, String)]) -> Result<Conf, ConfError> {
    let mut conf = Conf::default();
    for line in lines::read(lines)? {
        match line.keyword() {
            "vrrp_script" => {
                let script = script(&line)?;
                if let Some(first) = conf.script(&script.name) {
                    let what =
                        format!("`{}` is a vrrp_script already, from line {} on", script.name, first.line);
                    return Err(ConfError::new(line.number, what, "give one of them another name"));
                }
                conf.scripts.push(script);
            }
            "vrrp_instance" | "vrrp_sync_group" => conf.trackers.push(tracker(&line)?),
            _ => conf.others.push(other(&line)),
        }
    }
    Ok(conf)
}

fn other(line: &ConfigLine) -> Other {
    Other { keyword: line.keyword().to_owned(), line: line.number }
}

/// The name and the block of a line that has both.
fn named(line: &ConfigLine) -> Result<(String, &[ConfigLine]), ConfError> {
    match (line.values(), &line.block) {
        ([name], Some(block)) => Ok((name.clone(), block)),
        ([_], None) => Err(ConfError::new(
            line.number,
            format!("this {} has no block", line.keyword()),
            "write it as `vrrp_script NAME {`, its values each on a line of its own, and `}`",
        )),
        _ => Err(ConfError::new(
            line.number,
            format!("a {} has one name, and this has {}", line.keyword(), line.values().len()),
            "write one word between the keyword and `{`",
        )),
    }
}

fn script(line: &ConfigLine) -> Result<VrrpScript, ConfError> {
    let (name, block) = named(line)?;
    let mut script = VrrpScript {
        name,
        line: line.number,
        command: String::new(),
        interval: None,
        timeout: None,
        rise: None,
        fall: None,
        weight: None,
        user: None,
        init_fail: false,
    };
    for line in block {
        let text = line.values().join(" ");
        match line.keyword() {
            "script" => script.command = some(line, text)?,
            "interval" => script.interval = Some(seconds(line)?),
            "timeout" => script.timeout = Some(seconds(line)?),
            "rise" => script.rise = Some(number(line)?),
            "fall" => script.fall = Some(number(line)?),
            "weight" => script.weight = Some(some(line, text)?),
            "user" => script.user = Some(some(line, text)?),
            "init_fail" => script.init_fail = true,
            unknown => {
                let what = format!("`{unknown}` is nothing that a vrrp_script has");
                let remedy = "it has script, interval, timeout, weight, rise, fall, user and init_fail";
                let meant = nearest(unknown, OF_SCRIPTS);
                return Err(ConfError { meant, ..ConfError::new(line.number, what, remedy) });
            }
        }
    }
    if script.command.is_empty() {
        let what = format!("vrrp_script `{}` executes nothing", script.name);
        return Err(ConfError::new(line.number, what, "write `script \"PATH ARGUMENTS\"` into it"));
    }
    Ok(script)
}

fn some(line: &ConfigLine, text: String) -> Result<String, ConfError> {
    if text.is_empty() {
        let what = format!("`{}` has no value", line.keyword());
        return Err(ConfError::new(line.number, what, "write one behind it"));
    }
    Ok(text)
}

/// The one value of a line.
fn value(line: &ConfigLine) -> Result<&str, ConfError> {
    match line.values() {
        [value] => Ok(value),
        several => {
            let what = format!("`{}` takes one value, and has {}", line.keyword(), several.len());
            Err(ConfError::new(line.number, what, "write one value behind it"))
        }
    }
}

fn number(line: &ConfigLine) -> Result<u32, ConfError> {
    let text = value(line)?;
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| {
        let what = format!("`{} {text}` is no whole number from 1 on", line.keyword());
        ConfError::new(line.number, what, "write one, as `3`")
    })
}

/// A span in seconds, up to six digits behind a point.
fn seconds(line: &ConfigLine) -> Result<Span, ConfError> {
    let text = value(line)?;
    span(text).filter(|span| !span.is_zero()).ok_or_else(|| {
        let what = format!("`{} {text}` is no time in seconds above nothing", line.keyword());
        ConfError::new(line.number, what, "write a number of seconds, as `5` or `0.25`")
    })
}

fn span(text: &str) -> Option<Span> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 9 || part.len() > 6 || !digits(whole) || !digits(part) {
        return None;
    }
    let micros: u64 = format!("{part:0<6}").parse().ok()?;
    Some(Span::from_micros(whole.parse::<u64>().ok()? * 1_000_000 + micros))
}

fn tracker(line: &ConfigLine) -> Result<Tracker, ConfError> {
    let (name, block) = named(line)?;
    let is_group = line.keyword() == "vrrp_sync_group";
    let mut tracker = Tracker { is_group, name, line: line.number, tracked: Vec::new(), others: Vec::new() };
    for line in block {
        match (line.keyword(), &line.block) {
            ("track_script", Some(scripts)) => {
                tracker.tracked.extend(scripts.iter().map(|script| Tracked {
                    name: script.keyword().to_owned(),
                    line: script.number,
                    rest: script.values().join(" "),
                }));
            }
            _ => tracker.others.push(other(line)),
        }
    }
    Ok(tracker)
}
