//! From a log's text to what its story can produce: the whole of an import.
//!
//! A long log is searched in windows. Each begins at a start or reload, where all scripts start anew, and goes to the
//! end of the story; the shortest come first, and none begins further before the end than [`Bounds::window`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use treefall_model::event::{FailedBy, LogLine, SubjectKind};
use treefall_model::release::{Defect, Rules};
use treefall_model::time::Span;
use treefall_model::trace::{Script, Trace, Wake};
use treefall_model::verdict::{Outcome, Signature, Verdict, Weight};

use super::scripts::{Scripts, scripts};
use super::search::{GoOn, Searched, Way, Went, follow, free_setups, search, setups};
use super::signs::{Sign, SignKind};
use super::story::{Item, Story, What, tell};
use super::walk::{Course, GRACE, LATE, micros};
use super::windows::courses;
use super::{Bounds, ImportError, NOT_LOOKED_FOR};
use treefall_scenario::{Provenance, Scenario};
use treefall_search::cause::{Cause, cause};
use treefall_subject::Options;
use treefall_subject::keepalived_conf::Conf;
use treefall_subject::replica::run_replica;
use treefall_subject::target::{Base, ReplicaName};

/// Fewest interleavings that each window and setup is given, if there are any left.
const SHARE_MIN: u64 = 40;
/// What a story is allowed, the strictest first.
const LENIENCIES: [Leniency; 5] = [
    Leniency::USUAL,
    Leniency { late: LATE, lacks: 0, untold: 4 },
    Leniency { late: 300_000, lacks: 0, untold: 4 },
    Leniency { late: 1_200_000, lacks: 0, untold: 4 },
    Leniency { late: 300_000, lacks: 3, untold: 4 },
];
/// Most windows in which ways are followed.
const FOLLOWED_MAX: usize = 4;
/// Most steps of the ways that are followed in one window with one setup.
const STEPS_MAX: u64 = 200_000;
/// And in all of them.
const STEPS_ALL: u64 = 600_000;
/// How long a killed child lives on of which the log says that it did.
const LINGER: Span = Span::from_secs(3);
/// From one SIGKILL that did not help to the next.
const FORCED_AGAIN: Span = Span::from_secs(10);
/// Most wakes by which a way is gone on with behind a memory break, until the process dies of it.
const FURTHER_MAX: usize = 12;
/// A second, in microseconds.
const SECOND: i64 = 1_000_000;

/// What the story that fits is allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leniency {
    /// How late the machine may be with anything, in microseconds.
    pub late: i64,
    /// How many lines the log may lack that keepalived writes.
    pub lacks: u32,
    /// How many more runs may hang without a word of the log.
    pub untold: u32,
}

impl Leniency {
    /// What each story is allowed.
    pub const USUAL: Self = Self { late: LATE, lacks: 0, untold: 0 };
}

/// What a log came to.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What it tells.
    pub story: Story,
    /// Its scripts.
    pub scripts: Scripts,
    /// The replica that went along it.
    pub replica: ReplicaName,
    /// How many windows were searched.
    pub windows: usize,
    /// In how many of them there is a way that gives the log's lines.
    pub windows_fitting: usize,
    /// The others: of them nothing is ruled out.
    pub no_ways: Vec<NoWay>,
    /// The first line of the longest.
    pub window_line: usize,
    /// How many runs might hang without a word of the log.
    pub untold: u32,
    /// What the story is allowed, where it is more than what is usual.
    pub leniency: Option<Leniency>,
    /// How it went.
    pub searched: Searched,
    /// The signatures that the story can produce: what breaks memory first, then what assumes least and is smallest.
    pub found: Vec<Reproduction>,
    /// The release's defects that are the cause of none of them, though they were looked for in each window that has a way.
    pub not_seen: Vec<Defect>,
    /// Those of which nothing can be said: the log shows what is not explained, or the search was cut short.
    pub undecided: Vec<Defect>,
    /// What the log shows of crashes, hangs and gaps that nothing found explains. Where there is any, nothing is ruled out.
    pub unexplained: Vec<Sign>,
    /// The release's defects that were not looked for ([`NOT_LOOKED_FOR`]), or of which no scenario shows what was met.
    pub not_looked_for: Vec<Defect>,
    /// The story itself, by the plainest way along it.
    pub plainest: Option<Scenario>,
}

/// A window in which no way was found that gives the log's lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoWay {
    /// The line that it begins at, from 1.
    pub begins: usize,
    /// Interleavings that were tried in it; 0: a bound came before.
    pub tried: u64,
    /// The furthest line that none of these gets past, from 1, and what it says.
    pub stuck: Option<(usize, String)>,
}

/// A signature that the story can produce.
#[derive(Clone, Debug)]
pub struct Reproduction {
    /// Which, as a replay of the scenario shows it and a report of it tells.
    pub signature: Signature,
    /// By ablation.
    pub cause: Cause,
    /// How the replica ends after it.
    pub outcome: Outcome,
    /// The smallest way to it.
    pub way: Way,
    /// The same as a scenario, which expects nothing yet.
    pub scenario: Scenario,
}

impl Reproduction {
    /// Whether it breaks the program's memory, and so can be what killed it.
    #[must_use]
    pub fn breaks_memory(&self) -> bool {
        self.signature.law.weight() == Weight::Memory
    }
}

/// From one line of a log to another, in words.
#[must_use]
pub fn lines_told(first: usize, last: usize) -> String {
    if first == last { format!("line {first}") } else { format!("lines {first} to {last}") }
}

/// Imports the log `text`, which people call `name`. `replica` says on which release; else the log does.
///
/// # Errors
/// When it cannot be understood, or nothing that was tried gives its lines.
pub fn import(
    name: &str,
    text: &str,
    conf: Option<&Conf>,
    replica: Option<ReplicaName>,
    bounds: Bounds,
) -> Result<Imported, ImportError> {
    import_while(name, text, conf, replica, bounds, &|_| true)
}

/// The same, its search ending as at a bound where `go_on`, which is told how many interleavings were tried, says no.
///
/// # Errors
/// As [`import`].
pub fn import_while(
    name: &str,
    text: &str,
    conf: Option<&Conf>,
    replica: Option<ReplicaName>,
    bounds: Bounds,
    go_on: &GoOn<'_>,
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
    let courses = courses(&story, &scripts.scripts, bounds.window, untold);
    let (mut searched, mut went) =
        search_all(&story, &scripts.scripts, &courses, replica.rules(), bounds.tries, go_on);
    let mut leniency = None;
    let explained = searched.best.keys().any(|signature| signature.law.weight() == Weight::Memory);
    let none_fits = went.iter().all(|went| !went.fits);
    if none_fits || crashed && !explained {
        let leniencies = if none_fits { &LENIENCIES[..] } else { &LENIENCIES[..1] };
        leniency = follow_all(
            &story,
            &scripts.scripts,
            &courses,
            (replica.rules(), leniencies),
            go_on,
            (&mut searched, &mut went),
        );
    }
    // A window without a word of the scripts fits whatever they are.
    let tells = |course: &Course<'_>| course.items.iter().any(|item| item.script().is_some());
    let of_telling: Vec<bool> = courses
        .iter()
        .zip(&went)
        .filter(|((_, course), _)| tells(course))
        .map(|(_, went)| went.fits)
        .collect();
    let none_fits = went.iter().all(|went| !went.fits);
    if none_fits || (!of_telling.is_empty() && of_telling.iter().all(|fits| !fits)) {
        return Err(unexplained(does_not_fit(&story, &searched, &went, conf.is_some())));
    }
    let no_ways: Vec<NoWay> = courses.iter().zip(&went).filter_map(no_way).collect();
    let windows_fitting = courses.len() - no_ways.len();
    let window_line = courses.last().map_or(0, |(line, _)| *line);
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
    let plainest =
        searched.plainest.as_ref().map(|way| teller.scenario(format!("The story that {name} tells"), way));
    let windows = courses.len();
    Ok(Imported {
        windows,
        windows_fitting,
        no_ways,
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

/// What of these signs and of the process's end is not explained: where its end is, the ends of others.
fn not_explained(signs: &[&Sign], end: Option<Sign>, explained: bool) -> Vec<Sign> {
    let others = signs.iter().filter(|sign| sign.of_another || !explained);
    let own = end.filter(|_| !explained);
    own.into_iter().chain(others.map(|sign| (*sign).clone())).collect()
}

/// How long a killed child lives on of which the log says that it did: until its end is told, or behind the log's. Of
/// several the last counts: what ends a log matters most.
fn linger(story: &Story) -> Span {
    let outlives = |item: &&Item| matches!(item.what, What::Logs(LogLine::FailedToTerminate { .. }));
    let ends = |item: &&Item| matches!(item.what, What::Logs(LogLine::Failed { by: FailedBy::TimedOut, .. }));
    let ended = story
        .items
        .iter()
        .rposition(|item| ends(&item))
        .filter(|place| story.items[..*place].iter().any(|item| outlives(&item)));
    let until = ended.map_or(story.items.as_slice(), |place| &story.items[..=place]);
    // The children before this one have ended, each with such a line.
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
    courses: &[(usize, Course<'_>)],
    rules: Rules,
    tries: u64,
    go_on: &GoOn<'_>,
) -> (Searched, Vec<Went>) {
    let logs = |wanted: fn(&LogLine) -> bool| {
        story.items.iter().any(|item| matches!(&item.what, What::Logs(line) if wanted(line)))
    };
    let outlives = logs(|line| matches!(line, LogLine::FailedToTerminate { .. }));
    let stubborn = outlives || logs(|line| matches!(line, LogLine::Skipped { timing_out: true, .. }));
    let timed_out = logs(|line| matches!(line, LogLine::Failed { by: FailedBy::TimedOut, .. }));
    let stubborn = if stubborn { Some(true) } else { timed_out.then_some(false) };
    let starts = setups(scripts, stubborn, if outlives { linger(story) } else { Span::ZERO });
    let mut searched = Searched { exhausted: true, departures: Some(u32::MAX), ..Searched::default() };
    let mut went = vec![Went::default(); courses.len()];
    let all: Vec<(&Course<'_>, &Trace)> =
        courses.iter().flat_map(|(_, course)| starts.iter().map(move |start| (course, start))).collect();
    for (place, (course, start)) in all.iter().enumerate() {
        let left = tries.saturating_sub(searched.tried);
        let share = (left / (all.len() - place) as u64).max(SHARE_MIN).min(left);
        if share == 0 || !go_on(searched.tried) {
            (searched.exhausted, searched.departures) = (false, None);
            break;
        }
        let so = search(start, rules, course, share, go_on, &mut searched);
        let all = &mut went[place / starts.len()];
        (all.fits, all.tried, all.stuck) =
            (all.fits || so.fits, all.tried + so.tried, all.stuck.max(so.stuck));
    }
    (searched, went)
}

/// Follows ways along the windows of which none fits otherwise, the longest first, until one does: at first as of a machine
/// that is hardly late, then of one that is busier, then of a log that lacks lines. Returns what fits.
fn follow_all(
    story: &Story,
    scripts: &[Script],
    courses: &[(usize, Course<'_>)],
    (rules, leniencies): (Rules, &[Leniency]),
    go_on: &GoOn<'_>,
    (searched, went): (&mut Searched, &mut [Went]),
) -> Option<Leniency> {
    let outlives = |item: &Item| matches!(item.what, What::Logs(LogLine::FailedToTerminate { .. }));
    let linger = if story.items.iter().any(outlives) { linger(story) } else { Span::ZERO };
    let starts = free_setups(scripts, linger);
    let mut left = STEPS_ALL;
    for leniency in leniencies.iter().copied() {
        for (place, (_, course)) in courses.iter().enumerate().rev().take(FOLLOWED_MAX) {
            let untold = course.untold + leniency.untold;
            let course = Course { late: leniency.late, lacks: leniency.lacks, untold, ..course.clone() };
            for start in &starts {
                let so = follow(start, rules, &course, STEPS_MAX.min(left), go_on, searched);
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

/// Why a window has no way, if it has none.
fn no_way(((begins, course), went): (&(usize, Course<'_>), &Went)) -> Option<NoWay> {
    let stuck = course.items.iter().find(|item| item.line == went.stuck);
    let stuck = stuck.map(|item| (item.line, item.text.clone()));
    (!went.fits).then_some(NoWay { begins: *begins, tried: went.tried, stuck })
}

fn does_not_fit(story: &Story, searched: &Searched, went: &[Went], configured: bool) -> ImportError {
    let stuck = went.iter().filter(|went| !went.fits).map(|went| went.stuck).max().unwrap_or(0);
    let item = story.items.iter().find(|item| item.line == stuck).or(story.items.last());
    let remedy = if configured {
        "name the configuration that was in force, the release with `--target`, or another `--window`"
    } else {
        "the scripts' intervals and timeouts may be others than was inferred: name the configuration with `--config`"
    };
    ImportError::DoesNotFit {
        tried: searched.tried,
        line: item.map_or(0, |item| item.line),
        text: item.map_or_else(String::new, |item| item.text.clone()),
        remedy,
    }
}

/// Tells ways as scenarios.
struct ScenarioWriter<'s> {
    name: &'s str,
    story: &'s Story,
    replica: &'s ReplicaName,
}

impl ScenarioWriter<'_> {
    /// What was found, and the defects behind what was met and no scenario shows.
    fn found(&self, searched: &Searched) -> (Vec<Reproduction>, BTreeSet<Defect>) {
        let rules = self.replica.rules();
        let mut found: BTreeMap<Signature, Reproduction> = BTreeMap::new();
        let mut unshown = BTreeSet::new();
        for (met, way) in &searched.best {
            let (way, verdict) = self.to_its_end(way, *met);
            // The search sees what a whole daemon shows; the scenario is replayed on a replica, which shows more of the
            // same, and of a law a report tells what broke last.
            let Some(broken) = verdict.breaks.iter().rfind(|broken| broken.signature.law == met.law) else {
                let cause = cause(SubjectKind::Daemon, &way.trace, *met, rules);
                unshown.extend(cause.defects().iter().copied());
                continue;
            };
            let signature = broken.signature;
            if found.get(&signature).is_some_and(|other| other.way.size() <= way.size()) {
                continue;
            }
            let title = format!("{}, in the story that {} tells", signature.law.name(), self.name);
            let one = Reproduction {
                signature,
                cause: cause(SubjectKind::Replica, &way.trace, signature, rules),
                outcome: verdict.outcome,
                scenario: self.scenario(title, &way),
                way,
            };
            found.insert(signature, one);
        }
        let mut found: Vec<Reproduction> = found.into_values().collect();
        found.sort_by_key(|found| {
            (!found.breaks_memory(), found.way.untold, found.way.trace.wakes().len(), found.signature)
        });
        (found, unshown)
    }

    /// The way, gone on with until the process dies of what broke, where the log tells that it died; and how it ends.
    fn to_its_end(&self, way: &Way, signature: Signature) -> (Way, Verdict) {
        let verdict = |trace: &Trace| run_replica(trace, self.replica.rules(), Options::VERDICT).verdict;
        let memory = signature.law.weight() == Weight::Memory;
        let first = verdict(&way.trace);
        if !memory || !first.outcome.survived() || self.story.death().is_none() {
            return (way.clone(), first);
        }
        let (setup, mut wakes) = way.trace.clone().into_parts();
        for _ in 0..FURTHER_MAX {
            wakes.push(Wake::next_timer());
            let Ok(trace) = Trace::new(setup.clone(), wakes.clone()) else { break };
            let verdict = verdict(&trace);
            if !verdict.outcome.survived() {
                return (Way { trace, ..way.clone() }, verdict);
            }
        }
        (way.clone(), first)
    }

    fn scenario(&self, title: String, way: &Way) -> Scenario {
        let mut scenario = Scenario::new(&title, way.trace.clone());
        let lines = way.placed.first().zip(way.placed.last());
        scenario.source = lines.map_or_else(
            || format!("{}, of its end", self.name),
            |(first, last)| format!("{}, {}", self.name, lines_told(first.line, last.line)),
        );
        scenario.story = self.story(way);
        scenario.provenance = Provenance {
            found_by: Some("treefall import".to_owned()),
            found_on: Some(self.replica.to_string()),
            ..Provenance::default()
        };
        scenario
    }

    /// Each line of the log with the interval in which the trace can have it.
    fn story(&self, way: &Way) -> String {
        let mut text = String::from(
            "The lines of the log that the trace gives, with where each lies and between what it may lie, in seconds:\n",
        );
        for placed in &way.placed {
            let item = self.story.items.iter().find(|item| item.line == placed.line);
            let Some(Item { when, text: said, .. }) = item else { continue };
            let from = (when.start - way.began.1 - LATE).max(0);
            let to = (when.end - 1 - way.began.0).max(micros(placed.at));
            let seconds = |micros: i64| format!("{}.{:06}", micros / SECOND, micros % SECOND);
            let _ = writeln!(
                text,
                "  wake {}, {} ({} to {}), line {}: {said}",
                placed.wake,
                placed.at,
                seconds(from),
                seconds(to),
                placed.line,
            );
        }
        match way.untold {
            0 => text.push_str("Nothing is assumed that the log does not tell.\n"),
            some => {
                let _ = writeln!(
                    text,
                    "Of {some} of its runs the log does not tell that they hung, or ended, as they do here."
                );
            }
        }
        text
    }
}
