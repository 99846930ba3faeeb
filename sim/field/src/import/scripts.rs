//! Determines the scripts of a story: from a configuration, or as far as possible from its log.
//!
//! Invariant: every value that was inferred or assumed is in [`Scripts::assumed`].

use std::collections::BTreeMap;

use treefall_model::event::{FailedBy, LogLine};
use treefall_model::time::{MICROS_PER_SECOND, Span};
use treefall_model::trace::{Name, Script};

use super::error::ImportError;
use super::item::{ItemKind, LogItem, renumbered};
use super::story::Story;
use treefall_subject::keepalived_conf::{Conf, VrrpScript};

/// Most scripts of one log.
const SCRIPTS_MAX: usize = 256;

/// The scripts of a story.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scripts {
    /// The scripts, in the order of the configuration, or of their first mention in the log.
    pub scripts: Vec<Script>,
    /// Values that neither configuration nor log states.
    pub assumed: Vec<Assumed>,
}

/// A script's values that were inferred or assumed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assumed {
    /// Name of the script.
    pub name: String,
    /// Time from one run to the next.
    pub interval: Span,
    /// Source of the interval.
    pub interval_from: &'static str,
    /// Longest duration of a run.
    pub timeout: Span,
    /// Source of the timeout.
    pub timeout_from: &'static str,
}

/// Determines the scripts of the story, and renumbers its items accordingly.
pub(super) fn scripts(story: &mut Story, conf: Option<&Conf>) -> Result<Scripts, ImportError> {
    let scripts = match conf {
        Some(conf) => configured(story, conf)?,
        None => inferred(story)?,
    };
    match scripts.scripts.len() {
        0 if conf.is_some() => Err(ImportError::NoTrackScripts),
        0 => Err(ImportError::NoScripts),
        1..=SCRIPTS_MAX => Ok(scripts),
        more => Err(ImportError::Script {
            what: format!("there are {more} scripts, and at most {SCRIPTS_MAX} can be followed"),
            remedy: "leave those out of the configuration, and their lines out of the log, that never time out",
        }),
    }
}

fn name(text: &str) -> Result<Name, ImportError> {
    Name::new(text).map_err(|error| ImportError::Script {
        what: error.to_string(),
        remedy: "give the script another name, in log and configuration",
    })
}

fn configured(story: &mut Story, conf: &Conf) -> Result<Scripts, ImportError> {
    // A file without an instance is a part of a configuration, so that all its scripts are taken.
    let tracked: Vec<&VrrpScript> = match conf.trackers.is_empty() {
        true => conf.scripts.iter().collect(),
        false => conf.tracked().collect(),
    };
    let mut order = BTreeMap::new();
    for (known, place) in story.names.iter().zip(0..) {
        let Some(of_conf) = tracked.iter().position(|script| script.name == *known) else {
            return Err(ImportError::Script {
                what: format!("the log names a script `{known}`, which nothing in the configuration tracks"),
                remedy: "name the configuration that the keepalived of the log ran with",
            });
        };
        order.insert(place, u16::try_from(of_conf).unwrap_or(u16::MAX));
    }
    let scripts = tracked.iter().map(|script| of_conf(script)).collect::<Result<Vec<_>, _>>()?;
    story.names = tracked.iter().map(|script| script.name.clone()).collect();
    story.items = renumbered(std::mem::take(&mut story.items), &order);
    Ok(Scripts { scripts, assumed: Vec::new() })
}

fn of_conf(script: &VrrpScript) -> Result<Script, ImportError> {
    let small = |what, number: u32| {
        u8::try_from(number).map_err(|_| ImportError::Script {
            what: format!("{what} of script `{}` is {number}, and a trace has at most 255", script.name),
            remedy: "write a smaller number into a copy of the configuration",
        })
    };
    Ok(Script {
        interval: script.interval(),
        timeout: script.timeout(),
        rise: small("rise", script.rise())?,
        fall: small("fall", script.fall())?,
        ..Script::new(name(&script.name)?)
    })
}

fn inferred(story: &Story) -> Result<Scripts, ImportError> {
    let mut scripts = Scripts { scripts: Vec::new(), assumed: Vec::new() };
    for (text, place) in story.names.iter().zip(0..) {
        let told = ShortestTimes::of(&story.items, place);
        let (interval, interval_from) = told.interval();
        let (timeout, timeout_from) = told.timeout(interval);
        scripts.scripts.push(Script { interval, timeout, ..Script::new(name(text)?) });
        scripts.assumed.push(Assumed { name: text.clone(), interval, interval_from, timeout, timeout_from });
    }
    Ok(scripts)
}

/// Shortest times between log lines of one script, in microseconds.
#[derive(Default)]
struct ShortestTimes {
    /// From one skipped tick, or the start of all scripts, to the next skipped tick.
    ticks: Option<i64>,
    /// From the start of all scripts, or a skipped tick, to a timeout.
    timeouts: Option<i64>,
}

impl ShortestTimes {
    fn of(items: &[LogItem], script: u16) -> Self {
        let mut told = Self::default();
        let mut since: Option<i64> = None;
        for item in items {
            let mine = item.script() == Some(script);
            match item.what {
                ItemKind::Begins | ItemKind::Reload => since = Some(item.when.start),
                ItemKind::Logs(LogLine::Skipped { .. }) if mine => {
                    shorter(&mut told.ticks, since, item.when.start);
                    since = Some(item.when.start);
                }
                ItemKind::Logs(LogLine::Failed { by: FailedBy::TimedOut, .. }) if mine => {
                    shorter(&mut told.timeouts, since, item.when.start);
                }
                _ => {}
            }
        }
        told
    }

    fn interval(&self) -> (Span, &'static str) {
        match self.ticks {
            Some(micros) => (whole_seconds(micros), "inferred from ticks that were skipped"),
            None => (Span::from_secs(1), "assumed, keepalived's default"),
        }
    }

    fn timeout(&self, interval: Span) -> (Span, &'static str) {
        match self.timeouts.map(whole_seconds) {
            Some(timeout) if timeout <= interval => (timeout, "inferred from a timeout"),
            _ => (interval, "assumed as long as the interval, keepalived's default"),
        }
    }
}

fn shorter(shortest: &mut Option<i64>, since: Option<i64>, now: i64) {
    if let Some(since) = since {
        let gap = now - since;
        // At the one-second resolution of most logs, lines of the same second give no interval.
        if gap > 0 && shortest.is_none_or(|shortest| gap < shortest) {
            *shortest = Some(gap);
        }
    }
}

/// Rounds to whole seconds, at least 1.
fn whole_seconds(micros: i64) -> Span {
    let micros = u64::try_from(micros).unwrap_or(0);
    Span::from_secs(((micros + MICROS_PER_SECOND / 2) / MICROS_PER_SECOND).max(1))
}
