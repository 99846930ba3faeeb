//! Replays a story on a replica, wake by wake, and compares each line that the replica logs with the log.
//!
//! Invariant: while a [`LogReplay`] continues, each line logged so far is one of the log, in its script's order and
//! on its side of each reload, and for some beginning within [`LogReplay::began`] every item lies in its interval.

use std::collections::BTreeMap;
use std::ops::Range;

use treefall_model::event::{Answer, Event, FailedBy, LogLine, Record, Step, SubjectKind};
use treefall_model::id::{ConfigId, Generation, Run, ScriptId};
use treefall_model::index::IndexView;
use treefall_model::judge::Judge;
use treefall_model::observe::{AsDaemon, Observer};
use treefall_model::release::Rules;
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::{Deadline, Instant, Span};
use treefall_model::trace::{OnTerm, Setup, Trace, Wake};
use treefall_model::verdict::{Outcome, Signature, Weight};

use super::item::{ItemKind, LogItem, script_of};
use super::matching::{end_status, is_ignored, same};
use super::past::Past;
use super::windows::LogWindow;
use treefall_subject::replica::{Replica, Stands};

/// One microsecond of further delay is allowed for so many microseconds since the window began.
const LATER: i64 = 500;
/// Time from a child's SIGTERM to its SIGKILL, after a timeout.
pub(super) const GRACE: Span = Span::from_secs(2);

/// Judges a run, and collects its records until they are taken.
#[derive(Clone, Debug)]
struct JudgeLog<'t> {
    judge: Judge<'t>,
    records: Vec<Record>,
    /// Number of records taken earlier.
    before: u64,
}

impl Observer for JudgeLog<'_> {
    fn record(&mut self, record: &Record) {
        self.records.push(*record);
        self.judge.record(record);
    }

    fn step<V: IndexView>(&mut self, step: Step, at: Instant, view: &V) {
        self.judge.step(step, at, view);
    }
}

fn in_force(watcher: &AsDaemon<JudgeLog<'_>>) -> bool {
    !watcher.inner().judge.is_over()
}

/// How a run ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RunFate {
    /// It ends at once, with the same result as the last run.
    Quiet,
    /// It ends only where the log says so.
    Held,
    /// It dies of the SIGTERM that it received.
    Dies,
}

/// A run that is alive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LiveRun {
    pub(super) since: Instant,
    pub(super) fate: Option<RunFate>,
    /// Its script's tick found it running, or it received a signal, since its fate was first decided.
    pub(super) met: bool,
    /// It received a SIGTERM.
    pub(super) termed: bool,
    /// It keeps running although no line of the log is known to mention it.
    pub(super) untold: bool,
}

/// The place of a log item in a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlacedItem {
    /// Number of its line, from 1.
    pub line: usize,
    /// Number of its wake, from 1; 0: before the first.
    pub wake: usize,
    /// Its moment in the trace's time.
    pub at: Instant,
}

/// The result of a replayed wake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StepOutcome {
    /// The replay continues.
    Continues,
    /// The process ended as the log has it, or broke a memory law.
    Ended,
    /// The replica did something that contradicts the log.
    Diverged,
}

/// A replica that replays a window of a log.
#[derive(Clone)]
pub(super) struct LogReplay<'t> {
    replica: Replica<'t, AsDaemon<JudgeLog<'t>>>,
    setup: &'t Setup,
    pub(super) window: &'t LogWindow<'t>,
    pub(super) wakes: Vec<Wake>,
    done: Vec<bool>,
    /// The first item that is not yet matched.
    pub(super) next: usize,
    /// Interval of the log's time in which the trace may begin, in microseconds, both ends included.
    pub(super) began: (i64, i64),
    /// The last known result of each script, and what its runs did since.
    pasts: Vec<Past>,
    pub(super) living: BTreeMap<Run, LiveRun>,
    pub(super) generation: Generation,
    /// Number of assumptions that the log does not state.
    pub(super) untold: u32,
    /// Violations in the last step.
    pub(super) broken: Vec<Signature>,
    pub(super) placed: Vec<PlacedItem>,
    /// Wakes since the last item was matched.
    pub(super) idle: usize,
    /// The fate of a run is decided anew at each of its events.
    pub(super) decides_anew: bool,
    /// How much too early the last step was for a line, in microseconds, if it diverged for that reason.
    pub(super) early: Option<i64>,
    /// How long the last wake slept until its timer.
    pub(super) slept: Option<Span>,
    /// Lines that the replica logged and the log lacks.
    pub(super) lacking: u32,
}

impl<'t> LogReplay<'t> {
    /// Starts a replay at the beginning of the window. `start` is a trace without wakes.
    pub(super) fn begin(
        start: &'t Trace,
        rules: Rules,
        window: &'t LogWindow<'t>,
        began: Range<i64>,
        decides_anew: bool,
    ) -> (Self, StepOutcome) {
        let judge = Judge::of(start.setup(), SubjectKind::Daemon);
        let watcher = AsDaemon::new(JudgeLog { judge, records: Vec::new(), before: 0 });
        // Results that its first reload carries over are already in `pasts`.
        let opening = window.items.iter().take_while(|item| matches!(item.what, ItemKind::Logs(_))).count();
        let left_out = |(place, item): (usize, &LogItem)| match item.what {
            ItemKind::Logs(LogLine::Carried { .. }) => window.middle && place < opening,
            ItemKind::Logs(line) => is_ignored(&line),
            _ => false,
        };
        let mut replay = Self {
            replica: Replica::new(start, rules, watcher).with_instance(),
            setup: start.setup(),
            window,
            wakes: Vec::new(),
            done: window.items.iter().enumerate().map(left_out).collect(),
            next: 0,
            began: (began.start, began.end),
            pasts: window.pasts.clone(),
            living: BTreeMap::new(),
            generation: Generation(0),
            untold: 0,
            broken: Vec::new(),
            placed: Vec::new(),
            idle: 0,
            decides_anew,
            early: None,
            slept: None,
            lacking: 0,
        };
        replay.advance();
        let stands = replay.replica.begin(in_force);
        let outcome = replay.after(&stands);
        (replay, outcome)
    }

    /// Replays one more wake.
    pub(super) fn step(&mut self, wake: Wake) -> StepOutcome {
        self.early = None;
        self.slept = self.armed().map(|at| between(self.now(), at));
        let stands = self.replica.wake(&wake, in_force);
        self.wakes.push(wake);
        self.idle += usize::from(self.is_done());
        self.after(&stands)
    }

    fn after(&mut self, stands: &Stands) -> StepOutcome {
        let watcher = self.replica.observer().inner_mut();
        let mut breaks = watcher.judge.take_breaks();
        if let Stands::Over(outcome) = stands
            && *outcome != Outcome::Survived
        {
            breaks.extend(watcher.judge.clone().finish(outcome.clone()).breaks);
        }
        let records = std::mem::take(&mut watcher.records);
        let memory = breaks.iter().find(|broken| broken.signature.law.weight() == Weight::Memory);
        // Records after the violation are not compared.
        let trusted = memory.map_or(records.len(), |broken| {
            usize::try_from(broken.records.saturating_sub(watcher.before)).unwrap_or(usize::MAX)
        });
        watcher.before += records.len() as u64;
        let is_memory = memory.is_some();
        self.broken = breaks.iter().map(|broken| broken.signature).collect();
        for record in records.iter().take(trusted) {
            if !self.apply(record) {
                return StepOutcome::Diverged;
            }
        }
        match stands {
            _ if self.is_overdue() => StepOutcome::Diverged,
            _ if is_memory => StepOutcome::Ended,
            Stands::Over(_) | Stands::Stopped if self.is_done() => StepOutcome::Ended,
            Stands::Over(_) | Stands::Stopped => StepOutcome::Diverged,
            Stands::Blocked => StepOutcome::Continues,
        }
    }

    /// Applies a record. Returns whether it agrees with the log.
    fn apply(&mut self, record: &Record) -> bool {
        match record.event {
            Event::Started { run, .. } => {
                let (met, termed, untold) = (false, false, false);
                self.living.insert(run, LiveRun { since: record.at, fate: None, met, termed, untold });
            }
            Event::Signalled { run: Some(run), signal: Signal::TERM, answer: Answer::Delivered, .. } => {
                if let Some(alive) = self.living.get_mut(&run).filter(|_| self.decides_anew) {
                    (alive.fate, alive.met, alive.termed) = (None, true, true);
                }
            }
            Event::Exited { run, status } => {
                if self.living.remove(&run).is_some_and(|alive| alive.untold && !alive.termed) {
                    self.untold = self.untold.saturating_sub(1);
                }
                let past = self.pasts.get_mut(usize::from(run.of.script.0));
                if let (ExitStatus::Code(_), Some(past)) = (status, past) {
                    past.ended(status);
                }
            }
            Event::ReloadBegun { generation, .. } => {
                self.generation = generation;
                return self.place(self.next, ItemKind::Reload, record.at) && self.carries();
            }
            Event::TerminationBegun => return self.place(self.next, ItemKind::Stops, record.at),
            Event::Logged(line) => return self.logged(&line, record.at),
            Event::Ended(_) if self.open(self.next).is_some_and(|item| item.what == ItemKind::Stopped) => {
                self.done[self.next] = true;
                self.advance();
            }
            _ => {}
        }
        true
    }

    /// Matches what the log says at a reload of results from before the window. Returns whether it can be true.
    fn carries(&mut self) -> bool {
        for place in self.next..self.window.items.len() {
            let ItemKind::Logs(told) = self.window.items[place].what else { break };
            let LogLine::Carried { script, up } = told else { continue };
            match self.pasts.get_mut(usize::from(script.script.0)).and_then(|past| past.carried(up)) {
                Some(true) => self.done[place] = true,
                Some(false) => return false,
                None => {}
            }
        }
        self.advance();
        true
    }

    fn logged(&mut self, line: &LogLine, at: Instant) -> bool {
        let script = script_of(line).map(|script| script.script);
        if let LogLine::Succeeded { script } = *line
            && self.past(script.script.0).is_some_and(Past::may_return_to_0)
            && let Some((place, item)) = self.next_item_of(script.script.0)
            && matches!(item.what, ItemKind::Logs(LogLine::NowReturning { code: 0, .. }))
            && !self.place(place, item.what, at)
        {
            return false;
        }
        let matches_log = self.matches_log(line, script, at);
        self.tells_of(line, script);
        let place = script.map(|script| usize::from(script.0));
        if let Some(past) = place.and_then(|place| self.pasts.get_mut(place)) {
            past.settle(line);
        }
        matches_log
    }

    /// Notes that a line of the script confirms its living runs.
    fn tells_of(&mut self, line: &LogLine, script: Option<ScriptId>) {
        let skips = matches!(line, LogLine::Skipped { .. });
        let of_script = |run: &Run| Some(run.of.script) == script && run.of.generation == self.generation;
        for (_, alive) in self.living.iter_mut().filter(|(run, _)| of_script(run)) {
            if std::mem::take(&mut alive.untold) {
                self.untold = self.untold.saturating_sub(1);
            }
            if skips && self.decides_anew {
                (alive.fate, alive.met) = (None, true);
            }
        }
    }

    fn past(&self, script: u16) -> Option<&Past> {
        self.pasts.get(usize::from(script))
    }

    /// Returns whether the log has the line here, or may lack it.
    fn matches_log(&mut self, line: &LogLine, script: Option<ScriptId>, at: Instant) -> bool {
        let from = self.next;
        for place in from..self.window.items.len() {
            let ItemKind::Logs(told) = self.window.items[place].what else { break };
            if self.done[place] {
                continue;
            }
            if same(&told, line) {
                self.hangs(line);
                return self.place(place, self.window.items[place].what, at);
            }
            // Lines of one script keep their order.
            if script_of(&told).map(|script| script.script) == script {
                break;
            }
        }
        self.may_lack(line) || self.is_lost()
    }

    /// Uses up one line that the log may lack. Returns whether one was left.
    fn is_lost(&mut self) -> bool {
        let lacks = self.lacking < self.window.lacks;
        self.lacking += u32::from(lacks);
        lacks
    }

    /// Notes a run that did not end by itself.
    fn hangs(&mut self, line: &LogLine) {
        let hangs = matches!(line, LogLine::Skipped { .. } | LogLine::Failed { by: FailedBy::TimedOut, .. });
        if let (true, Some(script)) = (hangs, script_of(line))
            && let Some(past) = self.pasts.get_mut(usize::from(script.script.0))
        {
            past.hung = true;
        }
    }

    /// Returns whether a run of the script that began at `since` may hang without a line of the log: the script's
    /// last run hung, or the log shows no end of any run.
    pub(super) fn may_hang_on(&self, script: u16, since: Instant) -> bool {
        let place = usize::from(script);
        let Some(of) = self.setup.configs.first().and_then(|config| config.scripts.get(place)) else {
            return false;
        };
        let grace = if of.habit.on_term == OnTerm::Ignores { GRACE } else { Span::ZERO };
        let next = (self.next..self.window.items.len())
            .find_map(|place| self.open(place).filter(|item| !matches!(item.what, ItemKind::Logs(_))));
        let tick = since + of.interval;
        // If it lived to its next tick and nothing came before, that tick would be logged as skipped.
        let untold = of.timeout + grace < of.interval
            || next.is_none_or(|item| self.reach(item).is_some_and(|(from, _)| from <= tick));
        untold && self.past(script).is_some_and(|past| past.hung || past.never_ended())
    }

    /// Returns whether the log may lack this line.
    fn may_lack(&self, line: &LogLine) -> bool {
        let place = script_of(line).map(|script| usize::from(script.script.0));
        let of = place.and_then(|place| self.pasts.get(place).zip(self.window.scripts.get(place)));
        is_ignored(line) || of.is_some_and(|(past, script)| past.may_lack(line, script))
    }

    /// Places the item at this moment. Returns whether it is of this kind and can lie there.
    fn place(&mut self, place: usize, what: ItemKind, at: Instant) -> bool {
        let Some(item) = self.window.items.get(place).filter(|item| item.what == what) else { return false };
        let micros = micros(at);
        let earliest = self.began.0.max(item.when.start - micros - late(self.window, at));
        if earliest > self.began.1 {
            self.early = Some(earliest - self.began.1);
        }
        self.began.0 = earliest;
        self.began.1 = self.began.1.min(item.when.end - 1 - micros);
        self.done[place] = true;
        self.placed.push(PlacedItem { line: item.line, wake: self.wakes.len(), at });
        self.advance();
        self.began.0 <= self.began.1
    }

    fn advance(&mut self) {
        while self.done.get(self.next) == Some(&true) {
            self.next += 1;
        }
    }

    /// Returns whether an item should have happened by now.
    fn is_overdue(&self) -> bool {
        let now = self.began.0 + micros(self.now());
        let until = self.window.items.iter().zip(&self.done).skip(self.next);
        let mut open = until.filter(|(_, done)| !**done).map(|(item, _)| item);
        let mut barrier = false;
        open.any(|item| {
            let behind = barrier;
            barrier |= !matches!(item.what, ItemKind::Logs(_));
            !behind && !item.what.is_end() && now >= item.when.end
        })
    }

    /// Returns whether everything in the log has happened, except the death.
    pub(super) fn is_done(&self) -> bool {
        let rest = self.window.items.get(self.next..).unwrap_or_default();
        rest.iter().zip(&self.done[self.next..]).all(|(item, done)| *done || item.what.is_death())
    }

    /// Returns whether the log continues after the last step's violation. Results that a reload carries over do not
    /// count: they are logged after the clean-up.
    pub(super) fn continues(&self) -> bool {
        let mut rest = (self.next..self.window.items.len()).filter_map(|place| self.open(place));
        rest.any(|item| {
            !item.what.is_death() && !matches!(item.what, ItemKind::Logs(LogLine::Carried { .. }))
        })
    }

    /// Returns the current time of the replay.
    pub(super) fn now(&self) -> Instant {
        self.replica.surroundings().now()
    }

    /// Returns the timer's deadline, if it is armed.
    pub(super) fn armed(&self) -> Option<Instant> {
        match self.replica.surroundings().armed() {
            Deadline::At(at) => Some(at.max(self.now())),
            Deadline::Never => None,
        }
    }

    /// Returns the item at a place, unless it is done.
    pub(super) fn open(&self, place: usize) -> Option<&'t LogItem> {
        self.window.items.get(place).filter(|_| !self.done[place])
    }

    /// Returns the first and last moment of the trace, from now on, at which the item may lie.
    pub(super) fn reach(&self, item: &LogItem) -> Option<(Instant, Instant)> {
        let from = (item.when.start - late(self.window, self.now()) - self.began.1).max(micros(self.now()));
        let to = item.when.end - 1 - self.began.0;
        (from <= to).then(|| (instant(from), instant(to)))
    }

    /// Returns the exit status of an unmentioned run: that of its script's last run.
    pub(super) fn quiet_end(&self, run: Run) -> ExitStatus {
        self.past(run.of.script.0).map_or(ExitStatus::Code(0), Past::quiet_end)
    }

    /// Returns whether the log reports that a child was gone when its timeout was handled, as [`Lost`] does. `None`:
    /// it reports a child that survived its SIGKILL, which may mean the same before 2.0.19.
    ///
    /// [`Lost`]: LogLine::Lost
    pub(super) fn logs_lost(&self, script: u16) -> Option<bool> {
        if let Some((_, LogItem { what: ItemKind::Logs(LogLine::Lost { .. }), .. })) =
            self.next_item_of(script)
        {
            return Some(true);
        }
        let rest = (self.next..self.window.items.len()).filter_map(|place| self.open(place));
        let outlives = |item: &LogItem| {
            let told = matches!(item.what, ItemKind::Logs(LogLine::FailedToTerminate { .. }));
            told && item.script().is_none_or(|of| of == script)
        };
        let mut here = rest.take_while(|item| matches!(item.what, ItemKind::Logs(_)));
        if here.any(outlives) { None } else { Some(false) }
    }

    /// Returns the script's first open item before the next reload, and its place.
    pub(super) fn next_item_of(&self, script: u16) -> Option<(usize, &'t LogItem)> {
        let items = self.window.items.iter().enumerate().skip(self.next);
        let mut open = items.filter(|(place, _)| !self.done[*place]);
        let first =
            open.find(|(_, item)| !matches!(item.what, ItemKind::Logs(_)) || item.script() == Some(script));
        first.filter(|(_, item)| item.script() == Some(script))
    }
}

/// Returns the longest delay that is allowed at this moment of the trace, in microseconds.
fn late(window: &LogWindow<'_>, at: Instant) -> i64 {
    window.late + micros(at) / LATER
}

pub(super) fn micros(at: Instant) -> i64 {
    i64::try_from(at.as_micros()).unwrap_or(i64::MAX / 4)
}

fn instant(micros: i64) -> Instant {
    Instant::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// Adds to the wake what the item reports. The end of a run needs the run.
pub(super) fn brings(item: &LogItem, run: Option<Run>, mut wake: Wake) -> Option<Wake> {
    match item.what {
        ItemKind::Reload => Some(wake.hup(ConfigId(0))),
        ItemKind::Stops => {
            wake.term = true;
            Some(wake)
        }
        ItemKind::Logs(line) => Some(wake.exit(run?, end_status(&line)?)),
        ItemKind::Begins | ItemKind::Stopped | ItemKind::Dies(_) | ItemKind::Hung => None,
    }
}

/// Returns the time from one moment to a later one.
pub(super) fn between(from: Instant, to: Instant) -> Span {
    to.saturating_since(from)
}
