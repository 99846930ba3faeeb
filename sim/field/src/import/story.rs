//! Reads what a log says of one vrrp process: its release, its scripts, and what happened, each thing in an interval.
//!
//! Invariant: items are in the log's order of time, and every line is counted in exactly one field of [`LineCounts`].
//! Other evidence of crashes, hangs and missing lines is in [`Story::signs`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use treefall_model::id::{Generation, ScriptId, ScriptRef};
use treefall_model::release::Release;
use treefall_world::words::Kind;

use super::error::ImportError;
use super::item::{ItemKind, LogItem, NAMELESS, renumbered};
use super::line::{TextLine, Writer};
use super::lines::{TIMELESS, lines};
use super::messages::{Message, read, shape};
use super::process::{Chosen, Pids, choose, end_sign, is_newest_first, with_hangs};
use super::signs::{SIGNS_MAX, Sign, SignKind, is_of_keepalived, sign};

/// Most kinds of unknown messages that are counted separately.
const SHAPES_MAX: usize = 500;
/// Most items of one story.
const ITEMS_MAX: usize = 1_000_000;
/// Most vrrp processes of one log to remember; the oldest are forgotten.
const SOURCES_MAX: usize = 64;
/// Lines of two writers may be out of order by this many microseconds without a clock that went back.
const OUT_OF_ORDER: i64 = 2_000_000;
/// A second `Reloading` within this many microseconds is that of another process, in logs without process tags.
const SAME_RELOAD: i64 = 1_000_000;

/// A kind of message that is not understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unknown {
    /// Number of messages of this kind.
    pub times: u64,
    /// Number of the first line, from 1.
    pub line: usize,
    /// What all of them have in common, with `N` for numbers.
    pub shape: String,
}

/// How each line of a log was classified.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct LineCounts {
    /// All lines.
    pub lines: u64,
    /// Lines that belong to the story.
    pub told: u64,
    /// Lines of keepalived that are known to be irrelevant.
    pub nothing: u64,
    /// Lines of other programs, or of keepalived's other processes.
    pub foreign: u64,
    /// Second copies of lines, in another rendering.
    pub copies: u64,
    /// Lines without a time stamp that is known.
    pub unstamped: u64,
    /// The first of these, from 1.
    pub unstamped_first: Option<usize>,
    /// Lines of keepalived that are not understood.
    pub unknown: u64,
    /// Kinds of these lines, the most frequent first. Kinds beyond the limit are counted in the number alone.
    pub kinds: Vec<Unknown>,
}

/// What a log says of one vrrp process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Story {
    /// The release, as the log's first line states it and as the tables know it.
    pub version: Option<(String, Option<Release>)>,
    /// Names of the scripts, in the order of their first mention.
    pub names: Vec<String>,
    /// What happened to the process.
    pub items: Vec<LogItem>,
    /// Number of vrrp processes in the log.
    pub processes: usize,
    /// Where the log's clock last went back. Earlier items cannot be placed in time.
    pub set_back: Option<SetBack>,
    /// Other evidence of crashes, hangs and gaps, in the log's order.
    pub signs: Vec<Sign>,
    /// The newest line comes first; lines are numbered from the last one.
    pub newest_first: bool,
    /// No line has a time stamp, so that only the order of lines is known.
    pub timeless: bool,
    /// How its lines were classified.
    pub counts: LineCounts,
}

/// A place where the clock of a log goes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetBack {
    /// The first line after it, from 1.
    pub line: usize,
    /// By how much, in microseconds.
    pub by: i64,
}

impl Story {
    /// Returns the item that reports the process's death or hang, if there is one.
    #[must_use]
    pub fn death(&self) -> Option<&LogItem> {
        self.items.last().filter(|item| item.what.is_death())
    }

    /// Returns the sign of an end other than an orderly exit.
    #[must_use]
    pub fn end_sign(&self) -> Option<Sign> {
        end_sign(self.death()?, false)
    }
}

/// Reads the story of a log.
///
/// # Errors
/// When the text contains nothing of keepalived.
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
    let counts = LineCounts { lines: copies, copies, ..LineCounts::default() };
    let mut teller = StoryReader { pids, newest_first, timeless, counts, ..StoryReader::default() };
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
    /// The vrrp processes that wrote, in the order of their first lines, and the place of the last writer among them.
    sources: Vec<&'l str>,
    source: usize,
    /// No line has a time stamp.
    timeless: bool,
    counts: LineCounts,
    kinds: BTreeMap<String, (u64, usize)>,
    pids: Pids,
    newest_first: bool,
    /// Each version that the log names, with its line.
    versions: Vec<(usize, (String, Option<Release>))>,
    /// The lines in which a whole keepalived starts.
    starts: Vec<usize>,
    names: Vec<String>,
    items: Vec<LogItem>,
    signs: Vec<Sign>,
    /// Lines say which process wrote them.
    tagged: bool,
    /// There is a checker process too.
    checker: bool,
    keepalived: u64,
}

impl<'l> StoryReader<'l> {
    fn line(&mut self, line: &'l TextLine) -> Result<(), ImportError> {
        self.counts.lines += 1;
        let (number, whole) = (line.number, line.whole.as_str());
        let when = match &line.when {
            Some(when) => when.clone(),
            None if self.timeless && line.writer.is_keepalived() => TIMELESS,
            None => {
                self.counts.unstamped += 1;
                self.counts.unstamped_first.get_or_insert(number);
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
        let item = |what| LogItem { line: number, when: when.clone(), what, text: cut(&line.text) };
        let said = read(line.writer, &line.text);
        if matches!(said, Message::Nothing | Message::Unknown) {
            self.look(number, whole, !matches!(line.writer, Writer::Foreign | Writer::Outside));
        }
        match said {
            Message::Version(text, release) => {
                self.versions.push((number, (text.to_owned(), release)));
                self.starts.extend(line.text.starts_with("Starting Keepalived").then_some(number));
                self.counts.told += 1;
            }
            Message::Begins => self.add(item(ItemKind::Begins)),
            Message::Stops => self.add(item(ItemKind::Stops)),
            Message::Stopped => self.add(item(ItemKind::Stopped)),
            Message::ParentStopped => self.counts.told += 1,
            Message::Dies(signal, of) if self.pids.is_another(of) => {
                self.signs.extend(end_sign(&item(ItemKind::Dies(signal)), true));
                self.counts.foreign += 1;
            }
            Message::Dies(signal, _) => self.add(item(ItemKind::Dies(signal))),
            Message::Reloads if self.is_another_reload(&when) => self.counts.foreign += 1,
            Message::Reloads => self.add(item(ItemKind::Reload)),
            // It concerns the loop alone, and no replica logs it.
            Message::Script(_, Kind::Late { .. }) => self.counts.told += 1,
            // A misc check logs the same message.
            Message::Script(None, Kind::FailedToTerminate { .. })
                if self.checker && line.writer == Writer::Unspecified =>
            {
                self.unknown(number, &line.text);
            }
            Message::Script(name, kind) => {
                let script = name.map_or(Some(NAMELESS.0), |name| self.place(name));
                let Some(script) = script else {
                    self.unknown(number, &line.text);
                    return Ok(());
                };
                let of = ScriptRef { generation: Generation(0), script: ScriptId(script) };
                self.add(item(ItemKind::Logs(kind.of(of))));
            }
            Message::Nothing
                if matches!(line.writer, Writer::Unspecified | Writer::Parent | Writer::Vrrp) =>
            {
                self.counts.nothing += 1;
            }
            Message::Nothing => self.counts.foreign += 1,
            Message::Unknown => self.unknown(number, &line.text),
        }
        Ok(())
    }

    /// Checks that processes follow one another. Lines of two processes that alternate come from two daemons.
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

    /// Searches a line outside the story for other evidence.
    fn look(&mut self, number: usize, whole: &str, named: bool) {
        let Some(kind) = sign(whole, named).filter(|_| self.signs.len() < SIGNS_MAX) else { return };
        self.signs.push(Sign::new(number, kind, false, whole));
    }

    fn add(&mut self, item: LogItem) {
        self.items.push(item);
        self.counts.told += 1;
    }

    /// In logs without process tags, the checker and the vrrp process each report the same reload.
    fn is_another_reload(&self, when: &Range<i64>) -> bool {
        let close =
            |item: &LogItem| item.what == ItemKind::Reload && when.start - item.when.start <= SAME_RELOAD;
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
        self.counts.unknown += 1;
        let shape = shape(text);
        if self.kinds.len() < SHAPES_MAX || self.kinds.contains_key(&shape) {
            self.kinds.entry(shape).or_insert((0, number)).0 += 1;
        }
    }

    fn finish(mut self) -> Result<Story, ImportError> {
        if self.counts.lines == 0 {
            return Err(ImportError::Empty);
        }
        // If no line is keepalived's, only wording unique to keepalived shows that this is its log.
        let is_shown = |sign: &&Sign| {
            sign.kind != SignKind::Gap && (self.keepalived > 0 || is_of_keepalived(&sign.text))
        };
        let shown = self.signs.iter().find(is_shown).cloned();
        let unexplained = |reason| match shown {
            Some(sign) => ImportError::NotExplained { sign, reason: Box::new(reason) },
            None => reason,
        };
        if self.keepalived == 0 {
            let LineCounts { lines, unstamped, .. } = self.counts;
            return Err(unexplained(ImportError::NoKeepalived { lines, unstamped }));
        }
        let kinds = std::mem::take(&mut self.kinds).into_iter();
        let mut kinds: Vec<_> = kinds.map(|(shape, (times, line))| Unknown { times, line, shape }).collect();
        kinds.sort_by_key(|kind| (u64::MAX - kind.times, kind.line));
        self.counts.kinds = kinds;
        let (items, hangs) = with_hangs(self.items);
        let Chosen { items, processes, others } = choose(items, &self.starts);
        if items.is_empty() {
            return Err(unexplained(ImportError::NoStory { keepalived: self.keepalived }));
        }
        let mut signs = [self.signs, hangs, others].concat();
        signs.sort_by_key(|sign| sign.line);
        let end = items.last().map_or(0, |item| item.line);
        let version = version_at(end, self.versions);
        let used: BTreeSet<u16> = items.iter().filter_map(LogItem::script).collect();
        let (names, items) = renamed(&self.names, &used, items);
        let (set_back, newest_first, timeless) = (set_back(&items), self.newest_first, self.timeless);
        let counts = self.counts;
        Ok(Story { version, names, items, processes, set_back, signs, newest_first, timeless, counts })
    }
}

/// Returns the version in force at a line: the last one named before it, or else the first one after it.
fn version_at(
    line: usize,
    mut versions: Vec<(usize, (String, Option<Release>))>,
) -> Option<(String, Option<Release>)> {
    let behind = versions.partition_point(|(at, _)| *at <= line);
    let place = behind.saturating_sub(1);
    (place < versions.len()).then(|| versions.swap_remove(place).1)
}

fn cut(text: &str) -> String {
    /// Longest text that is kept, in characters.
    const LENGTH_MAX: usize = 160;
    text.chars().take(LENGTH_MAX).map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

/// Returns where the clock goes back for the last time.
fn set_back(items: &[LogItem]) -> Option<SetBack> {
    let by = |pair: &[LogItem]| pair[0].when.start - pair[1].when.start;
    let pair = items.windows(2).rfind(|pair| by(pair) > OUT_OF_ORDER)?;
    Some(SetBack { line: pair[1].line, by: by(pair) })
}

fn renamed(names: &[String], used: &BTreeSet<u16>, items: Vec<LogItem>) -> (Vec<String>, Vec<LogItem>) {
    let order: BTreeMap<u16, u16> = used.iter().copied().zip(0..).collect();
    let kept = used.iter().filter_map(|place| names.get(usize::from(*place)).cloned()).collect();
    (kept, renumbered(items, &order))
}

#[cfg(test)]
mod tests {
    use treefall_model::signal::Signal;

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
        assert_eq!(story.death().map(|item| item.what), Some(ItemKind::Dies(Some(Signal::SEGV))));
        let LineCounts { lines, told, nothing, foreign, unstamped, unknown, .. } = story.counts;
        assert_eq!((lines, told, nothing, foreign, unstamped, unknown), (10, 8, 0, 0, 1, 1));
        assert_eq!(story.counts.kinds[0].shape, "The flux capacitor is at N percent");
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
        let reloads =
            tell(text).unwrap().items.into_iter().filter(|item| item.what == ItemKind::Reload).count();
        assert_eq!(reloads, 2);
    }
}
