//! What a log tells of one vrrp process: its release, its scripts, and what happened, each thing in an interval.
//!
//! Always: items are in the order of time as the log has it, and every line of it is in exactly one number of the
//! [`Census`]. What else the log shows of crashes, hangs and missing lines is in [`Story::signs`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use treefall_model::event::LogLine;
use treefall_model::id::{Generation, ScriptId, ScriptRef};
use treefall_model::release::Release;
use treefall_model::signal::Signal;
use treefall_world::words::Kind;

use super::ImportError;
use super::line::{TextLine, Writer};
use super::lines::{TIMELESS, lines};
use super::messages::{Said, read, shape};
use super::process::{Chosen, Pids, choose, end_sign, is_newest_first, with_hangs};
use super::signs::{SIGNS_MAX, Sign, SignKind, is_of_keepalived, sign};

/// Most kinds of messages that are not understood that are told apart.
const SHAPES_MAX: usize = 500;
/// Most things of one story.
const ITEMS_MAX: usize = 1_000_000;
/// The script of a line that names none, though it tells of one.
const NAMELESS: ScriptId = ScriptId(u16::MAX);
/// Most vrrp processes of one log that are remembered, the last ones.
const SOURCES_MAX: usize = 64;
/// Lines of two writers may be so far out of order, in microseconds, without the clock having gone back.
const OUT_OF_ORDER: i64 = 2_000_000;
/// A further `Reloading` of this soon, in microseconds, is another process's, where lines do not tell whose they are.
const SAME_RELOAD: i64 = 1_000_000;

/// Something that the log tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// Its line, from 1.
    pub line: usize,
    /// When, in microseconds since a moment of the log's own; the end is not included.
    pub when: Range<i64>,
    /// What.
    pub what: What,
    /// As the log says it, cut where it is long.
    pub text: String,
}

/// What an item tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// The vrrp process begins.
    Begins,
    /// It reloads.
    Reload,
    /// It is told to end.
    Stops,
    /// It has ended.
    Stopped,
    /// It logs a line; of scripts by their place among [`Story::names`], of generation 0 always.
    Logs(LogLine),
    /// It died of a signal, if it is known of which.
    Dies(Option<Signal>),
    /// It was told to end, and no word of it says that it did.
    Hung,
}

impl What {
    /// Whether the process is over, by whatever.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Stopped) || self.is_death()
    }

    /// Whether it ended other than by its own word.
    #[must_use]
    pub const fn is_death(self) -> bool {
        matches!(self, Self::Dies(_) | Self::Hung)
    }
}

/// A message that is not understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unknown {
    /// How often there was one of its kind.
    pub times: u64,
    /// The line of the first, from 1.
    pub line: usize,
    /// What is the same in all, numbers as `N`.
    pub shape: String,
}

/// What became of the lines of a log.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Census {
    /// All of them.
    pub lines: u64,
    /// Those that tell of the story.
    pub told: u64,
    /// Of keepalived, and known to tell nothing of the story.
    pub nothing: u64,
    /// Of others, or of keepalived's other processes.
    pub foreign: u64,
    /// Second copies of lines, in another rendering.
    pub copies: u64,
    /// Without a time stamp that is known.
    pub unstamped: u64,
    /// The first of these, from 1.
    pub unstamped_first: Option<usize>,
    /// Of keepalived, and not understood.
    pub unknown: u64,
    /// These by kind, the most frequent first; more kinds than the bound are in the number alone.
    pub kinds: Vec<Unknown>,
}

/// What a log tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Story {
    /// The release, as its first line says it, and as the tables know it.
    pub version: Option<(String, Option<Release>)>,
    /// The names of the scripts that it names, in the order in which it does.
    pub names: Vec<String>,
    /// What happened to the process.
    pub items: Vec<Item>,
    /// How many processes the log tells of.
    pub processes: usize,
    /// Where its clock went back last, if it did: what is before cannot be placed in time.
    pub set_back: Option<SetBack>,
    /// What else shows a crash, a hang or a gap, in the order of the log.
    pub signs: Vec<Sign>,
    /// The newest line comes first: lines are numbered from the last one on.
    pub newest_first: bool,
    /// No line has a time stamp: only the order of the lines is known.
    pub timeless: bool,
    /// What became of its lines.
    pub census: Census,
}

/// The clock of a log goes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetBack {
    /// The first line behind it, from 1.
    pub line: usize,
    /// By how much, in microseconds.
    pub by: i64,
}

impl Story {
    /// The item that tells of the process's death, or that it hung, if it did.
    #[must_use]
    pub fn death(&self) -> Option<&Item> {
        self.items.last().filter(|item| item.what.is_death())
    }

    /// What shows that the process ended other than it should.
    #[must_use]
    pub fn end_sign(&self) -> Option<Sign> {
        end_sign(self.death()?, false)
    }
}

/// The story that `text` tells.
///
/// # Errors
/// When there is nothing of keepalived in it.
pub fn tell(text: &str) -> Result<Story, ImportError> {
    let (mut lines, copies) = lines(text);
    let newest_first = is_newest_first(&lines);
    if newest_first {
        lines.reverse();
        let whole = text.lines().count();
        lines.iter_mut().for_each(|line| line.number = (whole + 1).saturating_sub(line.number));
    }
    let timeless = !lines.iter().any(|line| line.writer.is_keepalived() && line.when.is_some());
    let pids = Pids::of(lines.iter().map(|line| line.whole.as_str()));
    let census = Census { lines: copies, copies, ..Census::default() };
    let mut teller = StoryReader { pids, newest_first, timeless, census, ..StoryReader::default() };
    for line in &lines {
        teller.line(line)?;
        if teller.items.len() > ITEMS_MAX {
            return Err(ImportError::TooMuch { line: line.number, limit: ITEMS_MAX });
        }
    }
    teller.finish()
}

#[derive(Default)]
struct StoryReader<'l> {
    /// The vrrp processes that wrote, in the order of their first lines, and the last one's place among them.
    sources: Vec<&'l str>,
    source: usize,
    /// No line has a time stamp.
    timeless: bool,
    census: Census,
    kinds: BTreeMap<String, (u64, usize)>,
    pids: Pids,
    newest_first: bool,
    /// Each version that the log tells, with its line.
    versions: Vec<(usize, (String, Option<Release>))>,
    /// The lines in which a whole keepalived starts.
    starts: Vec<usize>,
    names: Vec<String>,
    items: Vec<Item>,
    signs: Vec<Sign>,
    /// Lines say which process wrote them.
    tagged: bool,
    /// There is a checker process too.
    checker: bool,
    keepalived: u64,
}

impl<'l> StoryReader<'l> {
    fn line(&mut self, line: &'l TextLine) -> Result<(), ImportError> {
        self.census.lines += 1;
        let (number, whole) = (line.number, line.whole.as_str());
        let when = match &line.when {
            Some(when) => when.clone(),
            None if self.timeless && line.writer.is_keepalived() => TIMELESS,
            None => {
                self.census.unstamped += 1;
                self.census.unstamped_first.get_or_insert(number);
                self.look(number, whole, false);
                return Ok(());
            }
        };
        if line.writer == Writer::Vrrp {
            self.one_at_a_time(number, &line.source)?;
        }
        self.tagged |= line.writer == Writer::Vrrp;
        self.keepalived += u64::from(!matches!(line.writer, Writer::Foreign | Writer::Outside));
        self.checker |= line.text.starts_with("Starting Healthcheck child process");
        let item = |what| Item { line: number, when: when.clone(), what, text: cut(&line.text) };
        let said = read(line.writer, &line.text);
        if matches!(said, Said::Nothing | Said::Unknown) {
            self.look(number, whole, !matches!(line.writer, Writer::Foreign | Writer::Outside));
        }
        match said {
            Said::Version(text, release) => {
                self.versions.push((number, (text.to_owned(), release)));
                self.starts.extend(line.text.starts_with("Starting Keepalived").then_some(number));
                self.census.told += 1;
            }
            Said::Begins => self.add(item(What::Begins)),
            Said::Stops => self.add(item(What::Stops)),
            Said::Stopped => self.add(item(What::Stopped)),
            Said::ParentStopped => self.census.told += 1,
            Said::Dies(signal, of) if self.pids.is_another(of) => {
                self.signs.extend(end_sign(&item(What::Dies(signal)), true));
                self.census.foreign += 1;
            }
            Said::Dies(signal, _) => self.add(item(What::Dies(signal))),
            Said::Reloads if self.is_another_reload(&when) => self.census.foreign += 1,
            Said::Reloads => self.add(item(What::Reload)),
            // Of the loop alone, and no thing that can be waited for.
            Said::Script(_, Kind::Late { .. }) => self.census.told += 1,
            // A misc check says it in the same words.
            Said::Script(None, Kind::FailedToTerminate { .. })
                if self.checker && line.writer == Writer::Untold =>
            {
                self.unknown(number, &line.text);
            }
            Said::Script(name, kind) => {
                let script = name.map_or(Some(NAMELESS.0), |name| self.place(name));
                let Some(script) = script else {
                    self.unknown(number, &line.text);
                    return Ok(());
                };
                let of = ScriptRef { generation: Generation(0), script: ScriptId(script) };
                self.add(item(What::Logs(kind.of(of))));
            }
            Said::Nothing if matches!(line.writer, Writer::Untold | Writer::Parent | Writer::Vrrp) => {
                self.census.nothing += 1;
            }
            Said::Nothing => self.census.foreign += 1,
            Said::Unknown => self.unknown(number, &line.text),
        }
        Ok(())
    }

    /// One process may follow another; two whose lines alternate are of two daemons, whose stories are not one.
    fn one_at_a_time(&mut self, number: usize, source: &'l str) -> Result<(), ImportError> {
        if self.sources.get(self.source) == Some(&source) {
            return Ok(());
        }
        if self.sources.contains(&source) {
            let other = self.sources.get(self.source).copied().unwrap_or_default();
            return Err(ImportError::TwoDaemons {
                line: number,
                one: source.to_owned(),
                other: other.to_owned(),
            });
        }
        if self.sources.len() >= SOURCES_MAX {
            self.sources.remove(0);
        }
        self.sources.push(source);
        self.source = self.sources.len() - 1;
        Ok(())
    }

    /// Looks at a line that tells nothing of the story for what it shows all the same.
    fn look(&mut self, number: usize, whole: &str, named: bool) {
        let Some(kind) = sign(whole, named).filter(|_| self.signs.len() < SIGNS_MAX) else { return };
        self.signs.push(Sign::new(number, kind, false, whole));
    }

    fn add(&mut self, item: Item) {
        self.items.push(item);
        self.census.told += 1;
    }

    /// Where lines do not tell whose they are, checker and vrrp process each tell of the same reload.
    fn is_another_reload(&self, when: &Range<i64>) -> bool {
        let close = |item: &Item| item.what == What::Reload && when.start - item.when.start <= SAME_RELOAD;
        !self.tagged && self.checker && self.items.last().is_some_and(close)
    }

    fn place(&mut self, name: &str) -> Option<u16> {
        let place = self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        u16::try_from(place).ok().filter(|place| *place < NAMELESS.0)
    }

    fn unknown(&mut self, number: usize, text: &str) {
        self.census.unknown += 1;
        let shape = shape(text);
        if self.kinds.len() < SHAPES_MAX || self.kinds.contains_key(&shape) {
            self.kinds.entry(shape).or_insert((0, number)).0 += 1;
        }
    }

    fn finish(mut self) -> Result<Story, ImportError> {
        if self.census.lines == 0 {
            return Err(ImportError::Empty);
        }
        // Where no line is keepalived's, its own words alone show that the text is its log.
        let is_shown = |sign: &&Sign| {
            sign.kind != SignKind::Gap && (self.keepalived > 0 || is_of_keepalived(&sign.text))
        };
        let shown = self.signs.iter().find(is_shown).cloned();
        let unexplained = |reason| match shown {
            Some(sign) => ImportError::NotExplained { sign, reason: Box::new(reason) },
            None => reason,
        };
        if self.keepalived == 0 {
            let Census { lines, unstamped, .. } = self.census;
            return Err(unexplained(ImportError::NoKeepalived { lines, unstamped }));
        }
        let kinds = std::mem::take(&mut self.kinds).into_iter();
        let mut kinds: Vec<_> = kinds.map(|(shape, (times, line))| Unknown { times, line, shape }).collect();
        kinds.sort_by_key(|kind| (u64::MAX - kind.times, kind.line));
        self.census.kinds = kinds;
        let (items, hangs) = with_hangs(self.items);
        let Chosen { items, processes, others } = choose(items, &self.starts);
        if items.is_empty() {
            return Err(unexplained(ImportError::NoStory { keepalived: self.keepalived }));
        }
        let mut signs = [self.signs, hangs, others].concat();
        signs.sort_by_key(|sign| sign.line);
        let end = items.last().map_or(0, |item| item.line);
        let version = version_at(end, self.versions);
        let used: BTreeSet<u16> = items.iter().filter_map(Item::script).collect();
        let (names, items) = renamed(&self.names, &used, items);
        let (set_back, newest_first, timeless) = (set_back(&items), self.newest_first, self.timeless);
        let census = self.census;
        Ok(Story { version, names, items, processes, set_back, signs, newest_first, timeless, census })
    }
}

/// The version that was in force at a line: the last one told before it, or else the first behind it.
fn version_at(
    line: usize,
    mut versions: Vec<(usize, (String, Option<Release>))>,
) -> Option<(String, Option<Release>)> {
    let behind = versions.partition_point(|(at, _)| *at <= line);
    let place = behind.saturating_sub(1);
    (place < versions.len()).then(|| versions.swap_remove(place).1)
}

fn cut(text: &str) -> String {
    /// Longest that is kept, in letters.
    const LENGTH_MAX: usize = 160;
    text.chars().take(LENGTH_MAX).map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

impl Item {
    /// The script that it tells of.
    #[must_use]
    pub fn script(&self) -> Option<u16> {
        let What::Logs(line) = self.what else { return None };
        script_of(&line).map(|script| script.script.0)
    }
}

/// Where the clock goes back for the last time.
fn set_back(items: &[Item]) -> Option<SetBack> {
    let by = |pair: &[Item]| pair[0].when.start - pair[1].when.start;
    let pair = items.windows(2).rfind(|pair| by(pair) > OUT_OF_ORDER)?;
    Some(SetBack { line: pair[1].line, by: by(pair) })
}

/// The script that a line names.
pub(super) fn script_of(line: &LogLine) -> Option<ScriptRef> {
    let script = match *line {
        LogLine::Skipped { script, .. }
        | LogLine::NowReturning { script, .. }
        | LogLine::Succeeded { script }
        | LogLine::Failed { script, .. }
        | LogLine::Carried { script, .. }
        | LogLine::FailedToTerminate { script, .. }
        | LogLine::Lost { script, .. }
        | LogLine::KillFailed { script, .. } => Some(script),
        // The line itself names none.
        LogLine::ForkFailed { .. } | LogLine::Late { .. } | LogLine::Backstop { .. } => None,
    };
    script.filter(|script| script.script != NAMELESS)
}

/// The same line, of another script.
fn with_script(line: LogLine, script: ScriptRef) -> LogLine {
    match line {
        LogLine::Skipped { timing_out, .. } => LogLine::Skipped { script, timing_out },
        LogLine::NowReturning { code, .. } => LogLine::NowReturning { script, code },
        LogLine::Succeeded { .. } => LogLine::Succeeded { script },
        LogLine::Failed { by, .. } => LogLine::Failed { script, by },
        LogLine::Carried { up, .. } => LogLine::Carried { script, up },
        LogLine::FailedToTerminate { pid, .. } => LogLine::FailedToTerminate { script, pid },
        LogLine::Lost { pid, .. } => LogLine::Lost { script, pid },
        LogLine::KillFailed { pid, signal, .. } => LogLine::KillFailed { script, pid, signal },
        LogLine::ForkFailed { .. } => LogLine::ForkFailed { script },
        LogLine::Late { .. } | LogLine::Backstop { .. } => line,
    }
}

/// The items with their scripts numbered as `order` has them.
pub(super) fn renumbered(items: Vec<Item>, order: &BTreeMap<u16, u16>) -> Vec<Item> {
    let one = |mut item: Item| {
        if let (What::Logs(line), Some(script)) = (item.what, item.script()) {
            let script = ScriptId(*order.get(&script)?);
            item.what = What::Logs(with_script(line, ScriptRef { generation: Generation(0), script }));
        }
        Some(item)
    };
    items.into_iter().filter_map(one).collect()
}

fn renamed(names: &[String], used: &BTreeSet<u16>, items: Vec<Item>) -> (Vec<String>, Vec<Item>) {
    let order: BTreeMap<u16, u16> = used.iter().copied().zip(0..).collect();
    let kept = used.iter().filter_map(|place| names.get(usize::from(*place)).cloned()).collect();
    (kept, renumbered(items, &order))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
Wed Nov 25 10:00:00 2026: Starting Keepalived v2.2.7 (01/16,2022)
Wed Nov 25 10:00:00 2026: Starting VRRP child process, pid=5
Wed Nov 25 10:00:01 2026: Track script b is already running, expect idle - skipping run
Wed Nov 25 10:00:01 2026: Reloading
Wed Nov 25 10:00:02 2026: pid 5 exited due to segmentation fault (SIGSEGV).
Wed Nov 25 10:00:02 2026: VRRP child process(5) died: Respawning
Wed Nov 25 10:00:02 2026: Starting VRRP child process, pid=9
Wed Nov 25 10:00:03 2026: VRRP_Script(a) succeeded
Wed Nov 25 10:00:03 2026: The flux capacitor is at 88 percent
no time stamp
";

    #[test]
    fn the_story_is_that_of_the_process_that_died_and_every_line_is_counted() {
        let story = tell(LOG).unwrap();
        assert_eq!((story.processes, story.names.as_slice()), (2, ["b".to_owned()].as_slice()));
        let lines: Vec<usize> = story.items.iter().map(|item| item.line).collect();
        assert_eq!(lines, [2, 3, 4, 5]);
        assert_eq!(story.death().map(|item| item.what), Some(What::Dies(Some(Signal::SEGV))));
        let Census { lines, told, nothing, foreign, unstamped, unknown, .. } = story.census;
        assert_eq!((lines, told, nothing, foreign, unstamped, unknown), (10, 8, 0, 0, 1, 1));
        assert_eq!(story.census.kinds[0].shape, "The flux capacitor is at N percent");
    }

    #[test]
    fn of_a_log_without_a_death_the_last_process_is_taken() {
        let calm: String = LOG
            .lines()
            .filter(|line| !line.contains("exited") && !line.contains("died"))
            .collect::<Vec<_>>()
            .join("\n");
        let story = tell(&calm).unwrap();
        assert_eq!((story.names.as_slice(), story.death()), (["a".to_owned()].as_slice(), None));
    }

    #[test]
    fn a_reload_told_by_two_processes_is_one() {
        let text = "\
Wed Nov 25 10:00:00 2026: Starting Healthcheck child process, pid=4
Wed Nov 25 10:00:00 2026: Starting VRRP child process, pid=5
Wed Nov 25 10:00:01 2026: Reloading
Wed Nov 25 10:00:01 2026: Reloading
Wed Nov 25 10:00:05 2026: Reloading
";
        let reloads = tell(text).unwrap().items.into_iter().filter(|item| item.what == What::Reload).count();
        assert_eq!(reloads, 2);
    }
}
