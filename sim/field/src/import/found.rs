//! Imports a log: reads its text, searches it, and returns the failures that it can produce.
//!
//! A long log is searched in windows. Each window begins at a start or a reload, where all scripts start anew, and
//! ends with the log. The shortest window comes first; none begins earlier than [`Bounds::window`] before the end.

use treefall_base::control::Control;
use treefall_model::event::{FailedBy, LogLine};
use treefall_model::release::{Defect, Rules};
use treefall_model::time::Span;
use treefall_model::trace::{Script, Trace};
use treefall_model::verdict::Weight;
use treefall_scenario::Scenario;
use treefall_subject::keepalived_conf::Conf;
use treefall_subject::target::{Base, ReplicaName};

use super::error::ImportError;
use super::item::{ItemKind, LogItem};
use super::log_replay::GRACE;
use super::scenarios::{Reproduction, ScenarioWriter};
use super::scripts::{Scripts, scripts};
use super::search::{Searched, WindowResult, follow, free_setups, search, setups};
use super::signs::{Sign, SignKind};
use super::story::{Story, tell};
use super::windows::{LATE, LogWindow, windows};

/// What is assumed where a log is silent.
pub const ASSUMPTIONS: [&str; 8] = [
    "a run that the log does not mention did what the script's last run did: it hung, or it ended within a millisecond \
     with the same result",
    "in a window that begins at a reload, no earlier children are left; results are carried over as the log says, and \
     may be any if it does not",
    "the machine was never late by more than 50 ms, and 2 ms more for each second of a window",
    "each reload brought the same scripts",
    "the process did not end in the same wake as a reload",
    "violations of the law no-stale-argument, which a whole daemon does not show, and misc checks are not searched for",
    "no fork and no signal failed, even if the log reports it",
    "handlers take no time, or 200 us for each child that starts: both are tried",
];

/// Defects that this search cannot show because of its assumptions: they are neither seen nor ruled out.
pub const NOT_LOOKED_FOR: [Defect; 4] = [
    Defect::StaleArgumentAfterReload,
    Defect::ReloadEatsTermination,
    Defect::MiscKillTestInverted,
    Defect::CancelLeavesPidEntry,
];

/// Limits of an import.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How long before the end of the story a window may begin.
    pub window: Span,
    /// Most interleavings that are tried, in all windows together.
    pub tries: u64,
    /// Most runs that may hang although the log says nothing of them. `None`: 0, or one for each script if the log
    /// reports a death.
    pub untold: Option<u32>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { window: Span::from_secs(60), tries: 4_000, untold: None }
    }
}

/// Least number of interleavings tried for each window and setup, while any are left.
const SHARE_MIN: u64 = 40;
/// Tolerances to try, the strictest first.
const LENIENCIES: [Leniency; 5] = [
    Leniency::USUAL,
    Leniency { late: LATE, lacks: 0, untold: 4 },
    Leniency { late: 300_000, lacks: 0, untold: 4 },
    Leniency { late: 1_200_000, lacks: 0, untold: 4 },
    Leniency { late: 300_000, lacks: 3, untold: 4 },
];
/// Most windows in which the beam search runs.
const FOLLOWED_MAX: usize = 4;
/// Most steps of the beam search in one window with one setup.
const STEPS_MAX: u64 = 200_000;
/// Most steps of the beam search in all windows.
const STEPS_ALL: u64 = 600_000;
/// How long a child survives its SIGKILL if the log reports that it did.
const LINGER: Span = Span::from_secs(3);
/// Time between two SIGKILLs of a child that survives the first.
const FORCED_AGAIN: Span = Span::from_secs(10);
/// How far the log and the replica may differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leniency {
    /// Longest delay of any action of the machine, in microseconds.
    pub late: i64,
    /// Number of lines that keepalived writes and the log may lack.
    pub lacks: u32,
    /// Number of further runs that may hang although the log says nothing of them.
    pub untold: u32,
}

impl Leniency {
    /// The tolerance that every log gets.
    pub const USUAL: Self = Self { late: LATE, lacks: 0, untold: 0 };
}

/// The result of importing a log.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The log's story.
    pub story: Story,
    /// The scripts of the story.
    pub scripts: Scripts,
    /// The replica that replayed the log.
    pub replica: ReplicaName,
    /// Number of windows searched.
    pub windows: usize,
    /// Number of windows with an interleaving that reproduces the log's lines.
    pub windows_fitting: usize,
    /// The other windows. They rule no defect out.
    pub unmatched: Vec<UnmatchedWindow>,
    /// The first line of the longest window.
    pub window_line: usize,
    /// Number of runs that may hang although the log says nothing of them.
    pub untold: u32,
    /// The tolerance that was needed, if it exceeds the usual one.
    pub leniency: Option<Leniency>,
    /// Counts and results of the search.
    pub searched: Searched,
    /// Signatures that the log can produce: memory violations first, then by fewest assumptions and smallest trace.
    pub found: Vec<Reproduction>,
    /// Defects of the release that cause none of them, though every window that fits was searched for them.
    pub not_seen: Vec<Defect>,
    /// Defects that remain open, because the log shows something unexplained or the search was cut short.
    pub undecided: Vec<Defect>,
    /// Crashes, hangs and gaps in the log that nothing found explains. If there are any, no defect is ruled out.
    pub unexplained: Vec<Sign>,
    /// Defects of the release that are not searched for ([`NOT_LOOKED_FOR`]), or were met but appear in no scenario.
    pub not_looked_for: Vec<Defect>,
    /// The simplest interleaving that reproduces the log, as a scenario.
    pub plainest: Option<Scenario>,
}

/// A window without an interleaving that reproduces the log's lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnmatchedWindow {
    /// Number of its first line, from 1.
    pub begins: usize,
    /// Interleavings tried in it; 0 if a limit was reached before.
    pub tried: u64,
    /// The furthest line that no interleaving reproduces, from 1, with its text.
    pub stuck: Option<(usize, String)>,
}

/// Imports the log `text`. `name` is its name in messages; `replica` overrides the release that the log names.
///
/// `control` receives the number of interleavings tried; when it interrupts, the search ends as if at its limit.
///
/// # Errors
/// When the text cannot be understood, or no interleaving that was tried reproduces its lines.
pub fn import(
    name: &str,
    text: &str,
    conf: Option<&Conf>,
    replica: Option<ReplicaName>,
    bounds: Bounds,
    control: Control<'_>,
) -> Result<Imported, ImportError> {
    let mut story = tell(text)?;
    let replica = match (replica, &story.version) {
        (Some(replica), _) => replica,
        (None, Some((_, Some(release)))) => ReplicaName::of(*release),
        (None, version) => {
            let version = version.as_ref().map(|(version, _)| version.clone());
            let reason = ImportError::NoRelease { version };
            let sign = story
                .end_sign()
                .or_else(|| story.signs.iter().find(|sign| sign.kind == SignKind::Crash).cloned());
            return Err(match sign {
                Some(sign) => ImportError::NotExplained { sign, reason: Box::new(reason) },
                None => reason,
            });
        }
    };
    let end = story.end_sign();
    let sign = end.clone().or_else(|| story.signs.iter().find(|sign| sign.kind != SignKind::Gap).cloned());
    let unexplained = |reason| match (reason, sign) {
        (
            reason @ (ImportError::NoScripts | ImportError::NoTrackScripts | ImportError::DoesNotFit { .. }),
            Some(sign),
        ) => ImportError::NotExplained { sign, reason: Box::new(reason) },
        (reason, _) => reason,
    };
    let conf = conf.map(|conf| match replica.base {
        Base::Release(release) => conf.clone().as_read_by(release),
        Base::Mended => conf.clone(),
    });
    let conf = conf.as_ref();
    let scripts = match scripts(&mut story, conf) {
        Ok(scripts) => scripts,
        Err(reason) => return Err(unexplained(reason)),
    };
    let crashed = end.as_ref().is_some_and(|sign| sign.kind != SignKind::Kill);
    let for_each = u32::try_from(scripts.scripts.len()).unwrap_or(u32::MAX);
    let untold = bounds.untold.unwrap_or(if crashed { for_each } else { 0 });
    let windows = windows(&story, &scripts.scripts, bounds.window, untold);
    let (mut searched, mut went) =
        search_all(&story, &scripts.scripts, &windows, replica.rules(), bounds.tries, control);
    let mut leniency = None;
    let explained = searched.best.keys().any(|signature| signature.law.weight() == Weight::Memory);
    let none_fits = went.iter().all(|went| !went.fits);
    if none_fits || crashed && !explained {
        let leniencies = if none_fits { &LENIENCIES[..] } else { &LENIENCIES[..1] };
        leniency = follow_all(
            &story,
            &scripts.scripts,
            &windows,
            (replica.rules(), leniencies),
            control,
            (&mut searched, &mut went),
        );
    }
    // A window without lines of scripts fits whatever the scripts are.
    let tells = |window: &LogWindow<'_>| window.items.iter().any(|item| item.script().is_some());
    let of_telling: Vec<bool> = windows
        .iter()
        .zip(&went)
        .filter(|((_, window), _)| tells(window))
        .map(|(_, went)| went.fits)
        .collect();
    let none_fits = went.iter().all(|went| !went.fits);
    if none_fits || (!of_telling.is_empty() && of_telling.iter().all(|fits| !fits)) {
        return Err(unexplained(does_not_fit(&story, &searched, &went, conf.is_some())));
    }
    let unmatched: Vec<UnmatchedWindow> = windows.iter().zip(&went).filter_map(unmatched).collect();
    let windows_fitting = windows.len() - unmatched.len();
    let window_line = windows.last().map_or(0, |(line, _)| *line);
    let teller = ScenarioWriter { name, story: &story, replica: &replica };
    let (found, unshown) = teller.found(&searched);
    let caused = |defect: &Defect| found.iter().any(|found| found.cause.defects().contains(defect));
    let (not_looked_for, mut not_seen): (Vec<Defect>, Vec<Defect>) = replica
        .rules()
        .defects
        .iter()
        .filter(|defect| !caused(defect))
        .partition(|defect| NOT_LOOKED_FOR.contains(defect) || unshown.contains(defect));
    let mut undecided = Vec::new();
    let is_near = |sign: &&Sign| sign.kind != SignKind::Gap || sign.line >= window_line;
    let signs: Vec<&Sign> = story.signs.iter().filter(is_near).collect();
    let gap = signs.iter().any(|sign| sign.kind == SignKind::Gap);
    let unexplained = not_explained(&signs, end, found.iter().any(Reproduction::breaks_memory));
    if gap || !unexplained.is_empty() || searched.departures.is_none() || of_telling.is_empty() {
        std::mem::swap(&mut not_seen, &mut undecided);
    }
    let plainest = searched
        .plainest
        .as_ref()
        .map(|interleaving| teller.scenario(format!("The story of {name}"), interleaving));
    let windows = windows.len();
    Ok(Imported {
        windows,
        windows_fitting,
        unmatched,
        window_line,
        untold,
        found,
        not_seen,
        undecided,
        unexplained,
        not_looked_for,
        plainest,
        leniency,
        searched,
        story,
        scripts,
        replica,
    })
}

/// Returns the signs, and the end of the process, that remain unexplained. If its end is `explained`, only signs of
/// other processes remain.
fn not_explained(signs: &[&Sign], end: Option<Sign>, explained: bool) -> Vec<Sign> {
    let others = signs.iter().filter(|sign| sign.of_another || !explained);
    let own = end.filter(|_| !explained);
    own.into_iter().chain(others.map(|sign| (*sign).clone())).collect()
}

/// Returns how long a child survives its SIGKILL, if the log reports that it did: until its end is logged, or beyond
/// the end of the log. The last such child counts, because the end of a log matters most.
fn linger(story: &Story) -> Span {
    let outlives = |item: &&LogItem| matches!(item.what, ItemKind::Logs(LogLine::FailedToTerminate { .. }));
    let ends =
        |item: &&LogItem| matches!(item.what, ItemKind::Logs(LogLine::Failed { by: FailedBy::TimedOut, .. }));
    let ended = story
        .items
        .iter()
        .rposition(|item| ends(&item))
        .filter(|place| story.items[..*place].iter().any(|item| outlives(&item)));
    let until = ended.map_or(story.items.as_slice(), |place| &story.items[..=place]);
    // Earlier children have ended, each with such a line.
    let others = until.len().saturating_sub(1);
    let since = until[..others].iter().rposition(|item| ends(&item)).map_or(0, |place| place + 1);
    let (Some(first), Some(last)) = (until[since..].iter().find(outlives), until.last()) else {
        return LINGER;
    };
    let told = last.when.start - first.when.start;
    let further = if ended.is_some() { GRACE } else { LINGER + FORCED_AGAIN };
    further + Span::from_micros(u64::try_from(told).unwrap_or(0))
}

fn search_all(
    story: &Story,
    scripts: &[Script],
    windows: &[(usize, LogWindow<'_>)],
    rules: Rules,
    tries: u64,
    control: Control<'_>,
) -> (Searched, Vec<WindowResult>) {
    let logs = |wanted: fn(&LogLine) -> bool| {
        story.items.iter().any(|item| matches!(&item.what, ItemKind::Logs(line) if wanted(line)))
    };
    let outlives = logs(|line| matches!(line, LogLine::FailedToTerminate { .. }));
    let stubborn = outlives || logs(|line| matches!(line, LogLine::Skipped { timing_out: true, .. }));
    let timed_out = logs(|line| matches!(line, LogLine::Failed { by: FailedBy::TimedOut, .. }));
    let stubborn = if stubborn { Some(true) } else { timed_out.then_some(false) };
    let starts = setups(scripts, stubborn, if outlives { linger(story) } else { Span::ZERO });
    let mut searched = Searched { exhausted: true, departures: Some(u32::MAX), ..Searched::default() };
    let mut went = vec![WindowResult::default(); windows.len()];
    let all: Vec<(&LogWindow<'_>, &Trace)> =
        windows.iter().flat_map(|(_, window)| starts.iter().map(move |start| (window, start))).collect();
    for (place, (window, start)) in all.iter().enumerate() {
        let left = tries.saturating_sub(searched.tried);
        let share = (left / (all.len() - place) as u64).max(SHARE_MIN).min(left);
        if share == 0 || control.check(searched.tried).is_err() {
            (searched.exhausted, searched.departures) = (false, None);
            break;
        }
        let so = search(start, rules, window, share, control, &mut searched);
        let all = &mut went[place / starts.len()];
        (all.fits, all.tried, all.stuck) =
            (all.fits || so.fits, all.tried + so.tried, all.stuck.max(so.stuck));
    }
    (searched, went)
}

/// Runs the beam search in the windows that fit no interleaving so far, the longest first, with growing tolerance.
/// Returns the tolerance of the first that fits.
fn follow_all(
    story: &Story,
    scripts: &[Script],
    windows: &[(usize, LogWindow<'_>)],
    (rules, leniencies): (Rules, &[Leniency]),
    control: Control<'_>,
    (searched, went): (&mut Searched, &mut [WindowResult]),
) -> Option<Leniency> {
    let outlives = |item: &LogItem| matches!(item.what, ItemKind::Logs(LogLine::FailedToTerminate { .. }));
    let linger = if story.items.iter().any(outlives) { linger(story) } else { Span::ZERO };
    let starts = free_setups(scripts, linger);
    let mut left = STEPS_ALL;
    for leniency in leniencies.iter().copied() {
        for (place, (_, window)) in windows.iter().enumerate().rev().take(FOLLOWED_MAX) {
            let untold = window.untold + leniency.untold;
            let window = LogWindow { late: leniency.late, lacks: leniency.lacks, untold, ..window.clone() };
            for start in &starts {
                let so = follow(start, rules, &window, STEPS_MAX.min(left), control, searched);
                left = left.saturating_sub(so.steps);
                let all = &mut went[place];
                all.tried += so.tried;
                all.stuck = all.stuck.max(so.stuck);
                if so.fits {
                    all.fits = true;
                    return Some(leniency);
                }
            }
        }
    }
    None
}

/// Returns the window as unmatched, unless an interleaving fits.
fn unmatched(((begins, window), went): (&(usize, LogWindow<'_>), &WindowResult)) -> Option<UnmatchedWindow> {
    let stuck = window.items.iter().find(|item| item.line == went.stuck);
    let stuck = stuck.map(|item| (item.line, item.text.clone()));
    (!went.fits).then_some(UnmatchedWindow { begins: *begins, tried: went.tried, stuck })
}

fn does_not_fit(story: &Story, searched: &Searched, went: &[WindowResult], configured: bool) -> ImportError {
    let stuck = went.iter().filter(|went| !went.fits).map(|went| went.stuck).max().unwrap_or(0);
    let item = story.items.iter().find(|item| item.line == stuck).or(story.items.last());
    let remedy = if configured {
        "name the configuration that was in force, the release with `--target`, or another `--window`"
    } else {
        "the scripts' intervals and timeouts may differ from the inferred ones: name the configuration with `--config`"
    };
    ImportError::DoesNotFit {
        tried: searched.tried,
        line: item.map_or(0, |item| item.line),
        text: item.map_or_else(String::new, |item| item.text.clone()),
        remedy,
    }
}
