//! Reads the scripts of keepalived's own configuration files, and what tracks them.
//!
//! A user's file is searched for its `vrrp_script` blocks and for the instances and sync groups that track them.
//! [`Other`] lists everything else, so that callers can report what they ignore.
//!
//! `expand` processes included files, parameters, conditions and repeated lines as keepalived does.
//!
//! Invariant: the result is what keepalived would read. Nothing is written, and no script is run.

mod error;
mod expand;
mod lines;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use treefall_model::release::Release;
use treefall_model::time::Span;

pub use error::{ConfError, ConfFileError, SIZE_MAX};
use lines::ConfigLine;
use treefall_base::input;
use treefall_base::nearest::nearest;

/// Keywords of a vrrp_script.
const OF_SCRIPTS: [&str; 8] =
    ["script", "interval", "timeout", "weight", "rise", "fall", "user", "init_fail"];
/// Keywords of the outermost level.
const OUTERMOST: [&str; 3] = ["vrrp_script", "vrrp_instance", "vrrp_sync_group"];
/// Keywords of a tracker.
const OF_TRACKERS: [&str; 1] = ["track_script"];
/// Other keywords of keepalived that resemble these.
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

/// The relevant parts of a configuration.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Conf {
    /// Its scripts, in order.
    pub scripts: Vec<VrrpScript>,
    /// The trackers, in order.
    pub trackers: Vec<Tracker>,
    /// Other blocks and keywords of the outermost level.
    pub others: Vec<Other>,
}

/// A `vrrp_script`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VrrpScript {
    /// Its name.
    pub name: String,
    /// Number of its first line, from 1.
    pub line: usize,
    /// The command.
    pub command: String,
    /// Time from one run to the next, if it is given.
    pub interval: Option<Span>,
    /// Longest duration of a run, if it is given.
    pub timeout: Option<Span>,
    /// Consecutive successes until it counts as up, from 1, if given.
    pub rise: Option<u32>,
    /// Consecutive failures until it counts as down, from 1, if given.
    pub fall: Option<u32>,
    /// The change of priorities, as written.
    pub weight: Option<String>,
    /// The user, and possibly the group, as written.
    pub user: Option<String>,
    /// It counts as down until its first success.
    pub init_fail: bool,
}

impl VrrpScript {
    /// Returns the time from one run to the next; by default a second.
    #[must_use]
    pub fn interval(&self) -> Span {
        self.interval.unwrap_or(Span::from_secs(1))
    }

    /// Returns the longest duration of a run; by default the interval.
    #[must_use]
    pub fn timeout(&self) -> Span {
        self.timeout.unwrap_or(self.interval())
    }

    /// Returns the consecutive successes until it counts as up; by default one.
    #[must_use]
    pub fn rise(&self) -> u32 {
        self.rise.unwrap_or(1)
    }

    /// Returns the consecutive failures until it counts as down; by default one.
    #[must_use]
    pub fn fall(&self) -> u32 {
        self.fall.unwrap_or(1)
    }
}

/// A `vrrp_instance` or a `vrrp_sync_group`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tracker {
    /// Its keyword.
    pub is_group: bool,
    /// Its name.
    pub name: String,
    /// Number of its first line, from 1.
    pub line: usize,
    /// The scripts that it tracks.
    pub tracked: Vec<Tracked>,
    /// Its other keywords.
    pub others: Vec<Other>,
}

/// A script that is tracked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tracked {
    /// Its name.
    pub name: String,
    /// Number of the line, from 1.
    pub line: usize,
    /// The rest of the line, as written.
    pub rest: String,
}

/// A keyword that is not interpreted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Other {
    /// Its first word.
    pub keyword: String,
    /// Number of its first line, from 1.
    pub line: usize,
}

/// The first release that accepts fractions of a second in a vrrp_script.
const READS_FRACTIONS: &str = "2.3.2";

impl Conf {
    /// Returns the configuration as `release` reads it: before 2.3.2, an interval or timeout with a fraction of a
    /// second is ignored.
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

    /// Returns the scripts that something tracks, in order: keepalived runs no others.
    pub fn tracked(&self) -> impl Iterator<Item = &VrrpScript> {
        self.scripts.iter().filter(|script| {
            let mut tracked = self.trackers.iter().flat_map(|tracker| &tracker.tracked);
            tracked.any(|tracked| tracked.name == script.name)
        })
    }

    /// Returns probable typing errors in trackers, by line: unknown keywords that are near a known one, and scripts
    /// that do not exist.
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

    /// Returns the script with this name.
    #[must_use]
    pub fn script(&self, name: &str) -> Option<&VrrpScript> {
        self.scripts.iter().find(|script| script.name == name)
    }
}

/// An unknown word that is near a known one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slip {
    /// Number of the line, from 1.
    pub line: usize,
    /// The word as written.
    pub word: String,
    /// The word that was probably meant.
    pub meant: String,
}

impl Slip {
    fn new(line: usize, word: &str, meant: &str) -> Self {
        Self { line, word: word.to_owned(), meant: meant.to_owned() }
    }
}

/// Formats it as ``line 8: `chkk`, perhaps `chk` was meant``.
impl fmt::Display for Slip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: `{}`, perhaps `{}` was meant", self.line, self.word, self.meant)
    }
}

/// Formats each as `; line 8: ..`, to append to a message.
pub fn offers(slips: &[Slip]) -> String {
    slips.iter().map(|slip| format!("; {slip}")).collect()
}

/// Loads the configuration at `path`.
///
/// # Errors
/// When it cannot be read or interpreted.
pub fn load(path: &Path) -> Result<Conf, ConfFileError> {
    load_as(path, None)
}

/// Loads the configuration at `path` as a keepalived with this configuration id (`--config-id`) reads it.
///
/// # Errors
/// When it cannot be read or interpreted.
pub fn load_as(path: &Path, id: Option<&str>) -> Result<Conf, ConfFileError> {
    let path_buf = || path.to_owned();
    let unreadable = |error| ConfFileError::Unreadable { path: path_buf(), error };
    let bytes = input::read(path, SIZE_MAX).map_err(unreadable)?;
    if bytes.len() as u64 > SIZE_MAX {
        return Err(ConfFileError::TooLarge { path: path_buf() });
    }
    // Comments may have any encoding; what is read of the file has none but ASCII.
    let text = String::from_utf8_lossy(&bytes);
    // A relative path without a folder is relative to this one.
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

/// Reads the configuration in `text`.
///
/// # Errors
/// The first error, or the first construct that only keepalived itself can evaluate.
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

/// Returns the name and the block of a line that has both.
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

/// Returns the only value of a line.
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

/// Parses a span in seconds with up to six decimal places.
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
