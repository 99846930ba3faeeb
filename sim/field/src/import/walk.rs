//! A replica that goes along a story, one wake at a time, and is compared with it at each line that it logs.
//!
//! Always: of a [`Walk`] that goes on, each line logged so far is one of the log, in the order of its script and on
//! its side of each reload, and there is a beginning ([`Walk::began`]) for which every item lies in its interval.

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
use treefall_model::trace::{OnTerm, Script, Setup, Trace, Wake};
use treefall_model::verdict::{Outcome, Signature, Weight};

use super::past::Past;
use super::story::{Item, What, script_of};
use super::told::{end_told, is_beside, same};
use treefall_subject::replica::{Replica, Stands};

/// How late the machine may be with anything, in microseconds.
pub(super) const LATE: i64 = 50_000;
/// And how much later with each microsecond since the window began: one in so many.
const LATER: i64 = 500;
/// How long after the line that tells of the start of the process its scripts may start, in microseconds.
pub(super) const START_UP: i64 = 1_000_000;

/// From a child's SIGTERM to its SIGKILL, after a timeout.
pub(super) const GRACE: Span = Span::from_secs(2);

/// The part of a story that is gone along.
#[derive(Clone, Debug)]
pub(super) struct Course<'s> {
    /// What happens after its beginning.
    pub(super) items: &'s [Item],
    /// The scripts, as the trace has them.
    pub(super) scripts: &'s [Script],
    /// What their results were before it.
    pub(super) pasts: Vec<Past>,
    /// It begins at a reload, or in between.
    pub(super) middle: bool,
    /// When its scripts start, in the log's time.
    pub(super) begins: Range<i64>,
    /// How many runs may hang, or end, without a word of the log.
    pub(super) untold: u32,
    /// How many lines may be missing.
    pub(super) lacks: u32,
    /// How late the machine may be with anything, in microseconds.
    pub(super) late: i64,
}

impl Course<'_> {
    /// When the process dies, if it does.
    pub(super) fn death(&self) -> Option<&Item> {
        self.items.last().filter(|item| item.what.is_death())
    }
}

/// Judges, and keeps what happened since it was last asked.
#[derive(Clone, Debug)]
struct Watcher<'t> {
    judge: Judge<'t>,
    records: Vec<Record>,
    /// How many were taken before these.
    before: u64,
}

impl Observer for Watcher<'_> {
    fn record(&mut self, record: &Record) {
        self.records.push(*record);
        self.judge.record(record);
    }

    fn step<V: IndexView>(&mut self, step: Step, at: Instant, view: &V) {
        self.judge.step(step, at, view);
    }
}

fn in_force(watcher: &AsDaemon<Watcher<'_>>) -> bool {
    !watcher.inner().judge.is_over()
}

/// What becomes of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It ends at once, with the result of the last one.
    Quiet,
    /// It does not end by itself, but where the log tells so.
    Held,
    /// It dies of the SIGTERM that it was sent.
    Dies,
}

/// A living run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Alive {
    pub(super) since: Instant,
    pub(super) fate: Option<Fate>,
    /// Its script's tick found it, or it was signalled, since its fate was decided first.
    pub(super) met: bool,
    /// It was sent a SIGTERM.
    pub(super) termed: bool,
    /// It goes on though no line of the log is known to tell of it.
    pub(super) untold: bool,
}

/// Where an item was put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Its line, from 1.
    pub line: usize,
    /// In the how-manieth wake, from 1; 0: before the first.
    pub wake: usize,
    /// When, in the trace's time.
    pub at: Instant,
}

/// Where a step led.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Led {
    /// On.
    On,
    /// To the end of the process, as the log has it, or to a memory break.
    End,
    /// Away from what the log tells.
    Astray,
}

/// A replica on its way along a course.
#[derive(Clone)]
pub(super) struct Walk<'t> {
    replica: Replica<'t, AsDaemon<Watcher<'t>>>,
    setup: &'t Setup,
    pub(super) course: &'t Course<'t>,
    pub(super) wakes: Vec<Wake>,
    done: Vec<bool>,
    /// The first item that is not done.
    pub(super) next: usize,
    /// Where the beginning of the trace may lie in the log's time, both ends included.
    pub(super) began: (i64, i64),
    /// What each script was before the replica had a result of it, and what its runs did since.
    pasts: Vec<Past>,
    pub(super) living: BTreeMap<Run, Alive>,
    pub(super) generation: Generation,
    /// How much was assumed that the log does not tell.
    pub(super) untold: u32,
    /// What broke in the last step.
    pub(super) broken: Vec<Signature>,
    pub(super) placed: Vec<Placed>,
    /// Wakes since everything that the log tells was done.
    pub(super) idle: usize,
    /// The fates of runs are decided anew at each event of theirs.
    pub(super) decides_anew: bool,
    /// By how much the last step was too early for a line, in microseconds, if that is why it led astray.
    pub(super) early: Option<i64>,
    /// How long the last wake slept until its timer.
    pub(super) slept: Option<Span>,
    /// Lines that the replica logged and the log lacks.
    pub(super) lacking: u32,
}

impl<'t> Walk<'t> {
    /// At the beginning of the course: `start` is a trace without wakes.
    pub(super) fn begin(
        start: &'t Trace,
        rules: Rules,
        course: &'t Course<'t>,
        began: Range<i64>,
        decides_anew: bool,
    ) -> (Self, Led) {
        let judge = Judge::of(start.setup(), SubjectKind::Daemon);
        let watcher = AsDaemon::new(Watcher { judge, records: Vec::new(), before: 0 });
        // What its own reload says of before is in the pasts.
        let opening = course.items.iter().take_while(|item| matches!(item.what, What::Logs(_))).count();
        let left_out = |(place, item): (usize, &Item)| match item.what {
            What::Logs(LogLine::Carried { .. }) => course.middle && place < opening,
            What::Logs(line) => is_beside(&line),
            _ => false,
        };
        let mut walk = Self {
            replica: Replica::new(start, rules, watcher).with_instance(),
            setup: start.setup(),
            course,
            wakes: Vec::new(),
            done: course.items.iter().enumerate().map(left_out).collect(),
            next: 0,
            began: (began.start, began.end),
            pasts: course.pasts.clone(),
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
        walk.advance();
        let stands = walk.replica.begin(in_force);
        let led = walk.after(&stands);
        (walk, led)
    }

    /// Goes on by `wake`.
    pub(super) fn step(&mut self, wake: Wake) -> Led {
        self.early = None;
        self.slept = self.armed().map(|at| between(self.now(), at));
        let stands = self.replica.wake(&wake, in_force);
        self.wakes.push(wake);
        self.idle += usize::from(self.is_done());
        self.after(&stands)
    }

    fn after(&mut self, stands: &Stands) -> Led {
        let watcher = self.replica.observer().inner_mut();
        let mut breaks = watcher.judge.take_breaks();
        if let Stands::Over(outcome) = stands
            && *outcome != Outcome::Survived
        {
            breaks.extend(watcher.judge.clone().finish(outcome.clone()).breaks);
        }
        let records = std::mem::take(&mut watcher.records);
        let memory = breaks.iter().find(|broken| broken.signature.law.weight() == Weight::Memory);
        // What comes behind the break is not trusted.
        let trusted = memory.map_or(records.len(), |broken| {
            usize::try_from(broken.records.saturating_sub(watcher.before)).unwrap_or(usize::MAX)
        });
        watcher.before += records.len() as u64;
        let is_memory = memory.is_some();
        self.broken = breaks.iter().map(|broken| broken.signature).collect();
        for record in records.iter().take(trusted) {
            if !self.saw(record) {
                return Led::Astray;
            }
        }
        match stands {
            _ if self.is_overdue() => Led::Astray,
            _ if is_memory => Led::End,
            Stands::Over(_) | Stands::Stopped if self.is_done() => Led::End,
            Stands::Over(_) | Stands::Stopped => Led::Astray,
            Stands::Blocked => Led::On,
        }
    }

    /// Takes in what happened; whether the log bears it out.
    fn saw(&mut self, record: &Record) -> bool {
        match record.event {
            Event::Started { run, .. } => {
                let (met, termed, untold) = (false, false, false);
                self.living.insert(run, Alive { since: record.at, fate: None, met, termed, untold });
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
                return self.place(self.next, What::Reload, record.at) && self.carries();
            }
            Event::TerminationBegun => return self.place(self.next, What::Stops, record.at),
            Event::Logged(line) => return self.logged(&line, record.at),
            Event::Ended(_) if self.open(self.next).is_some_and(|item| item.what == What::Stopped) => {
                self.done[self.next] = true;
                self.advance();
            }
            _ => {}
        }
        true
    }

    /// What the log says at a reload of results from before the window; whether it can.
    fn carries(&mut self) -> bool {
        for place in self.next..self.course.items.len() {
            let What::Logs(told) = self.course.items[place].what else { break };
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
            && let Some((place, item)) = self.told_of(script.script.0)
            && matches!(item.what, What::Logs(LogLine::NowReturning { code: 0, .. }))
            && !self.place(place, item.what, at)
        {
            return false;
        }
        let borne_out = self.borne_out(line, script, at);
        self.tells_of(line, script);
        let place = script.map(|script| usize::from(script.0));
        if let Some(past) = place.and_then(|place| self.pasts.get_mut(place)) {
            past.settle(line);
        }
        borne_out
    }

    /// A line of a script tells that its runs go on.
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

    /// Whether the log has the line here, or need not have it.
    fn borne_out(&mut self, line: &LogLine, script: Option<ScriptId>, at: Instant) -> bool {
        let from = self.next;
        for place in from..self.course.items.len() {
            let What::Logs(told) = self.course.items[place].what else { break };
            if self.done[place] {
                continue;
            }
            if same(&told, line) {
                self.hangs(line);
                return self.place(place, self.course.items[place].what, at);
            }
            // The lines of one script come in their order.
            if script_of(&told).map(|script| script.script) == script {
                break;
            }
        }
        self.may_be_missing(line) || self.is_lost()
    }

    /// Whether one more line may be missing from the log.
    fn is_lost(&mut self) -> bool {
        let lacks = self.lacking < self.course.lacks;
        self.lacking += u32::from(lacks);
        lacks
    }

    /// Remembers a run that did not end by itself.
    fn hangs(&mut self, line: &LogLine) {
        let hangs = matches!(line, LogLine::Skipped { .. } | LogLine::Failed { by: FailedBy::TimedOut, .. });
        if let (true, Some(script)) = (hangs, script_of(line))
            && let Some(past) = self.pasts.get_mut(usize::from(script.script.0))
        {
            past.hung = true;
        }
    }

    /// Whether the last run of a script of which the log tells hung, or the log's silence tells that none ended, and one that began at `since` may hang on without
    /// a word of the log.
    pub(super) fn may_hang_on(&self, script: u16, since: Instant) -> bool {
        let place = usize::from(script);
        let Some(of) = self.setup.configs.first().and_then(|config| config.scripts.get(place)) else {
            return false;
        };
        let grace = if of.habit.on_term == OnTerm::Ignores { GRACE } else { Span::ZERO };
        let next = (self.next..self.course.items.len())
            .find_map(|place| self.open(place).filter(|item| !matches!(item.what, What::Logs(_))));
        let tick = since + of.interval;
        // Its next tick would be told as skipped, if it lived until then and nothing came before.
        let untold = of.timeout + grace < of.interval
            || next.is_none_or(|item| self.reach(item).is_some_and(|(from, _)| from <= tick));
        untold && self.past(script).is_some_and(|past| past.hung || past.never_ended())
    }

    /// Whether the log need not have this line.
    fn may_be_missing(&self, line: &LogLine) -> bool {
        let place = script_of(line).map(|script| usize::from(script.script.0));
        let of = place.and_then(|place| self.pasts.get(place).zip(self.course.scripts.get(place)));
        is_beside(line) || of.is_some_and(|(past, script)| past.may_lack(line, script))
    }

    /// Puts the item at this moment; whether it is `what`, and can lie there.
    fn place(&mut self, place: usize, what: What, at: Instant) -> bool {
        let Some(item) = self.course.items.get(place).filter(|item| item.what == what) else { return false };
        let micros = micros(at);
        let earliest = self.began.0.max(item.when.start - micros - late(self.course, at));
        if earliest > self.began.1 {
            self.early = Some(earliest - self.began.1);
        }
        self.began.0 = earliest;
        self.began.1 = self.began.1.min(item.when.end - 1 - micros);
        self.done[place] = true;
        self.placed.push(Placed { line: item.line, wake: self.wakes.len(), at });
        self.advance();
        self.began.0 <= self.began.1
    }

    fn advance(&mut self) {
        while self.done.get(self.next) == Some(&true) {
            self.next += 1;
        }
    }

    /// Whether something should have happened by now.
    fn is_overdue(&self) -> bool {
        let now = self.began.0 + micros(self.now());
        let until = self.course.items.iter().zip(&self.done).skip(self.next);
        let mut open = until.filter(|(_, done)| !**done).map(|(item, _)| item);
        let mut barrier = false;
        open.any(|item| {
            let behind = barrier;
            barrier |= !matches!(item.what, What::Logs(_));
            !behind && !item.what.is_end() && now >= item.when.end
        })
    }

    /// Whether all is done that the log tells, but the death.
    pub(super) fn is_done(&self) -> bool {
        let rest = self.course.items.get(self.next..).unwrap_or_default();
        rest.iter().zip(&self.done[self.next..]).all(|(item, done)| *done || item.what.is_death())
    }

    /// Whether the log goes on after the reload, or whatever it was, that the last step ended at. What the reload itself
    /// says of results it says behind the clean-up that breaks.
    pub(super) fn goes_on(&self) -> bool {
        let mut rest = (self.next..self.course.items.len()).filter_map(|place| self.open(place));
        rest.any(|item| !item.what.is_death() && !matches!(item.what, What::Logs(LogLine::Carried { .. })))
    }

    /// Now.
    pub(super) fn now(&self) -> Instant {
        self.replica.surroundings().now()
    }

    /// What the timer is armed for.
    pub(super) fn armed(&self) -> Option<Instant> {
        match self.replica.surroundings().armed() {
            Deadline::At(at) => Some(at.max(self.now())),
            Deadline::Never => None,
        }
    }

    /// The item at a place, if it is not done.
    pub(super) fn open(&self, place: usize) -> Option<&'t Item> {
        self.course.items.get(place).filter(|_| !self.done[place])
    }

    /// Between which two moments of the trace the item may lie, from now on; both are included.
    pub(super) fn reach(&self, item: &Item) -> Option<(Instant, Instant)> {
        let from = (item.when.start - late(self.course, self.now()) - self.began.1).max(micros(self.now()));
        let to = item.when.end - 1 - self.began.0;
        (from <= to).then(|| (instant(from), instant(to)))
    }

    /// The run's end as the result that the last one of its script had.
    pub(super) fn quiet_end(&self, run: Run) -> ExitStatus {
        self.past(run.of.script.0).map_or(ExitStatus::Code(0), Past::quiet_end)
    }

    /// Whether the log tells that a child of the script was gone when its timeout was handled, as [`Lost`] does; `None`:
    /// it tells of one that outlived its SIGKILL, and before 2.0.19 that may be the same.
    ///
    /// [`Lost`]: LogLine::Lost
    pub(super) fn tells_of_lost(&self, script: u16) -> Option<bool> {
        if let Some((_, Item { what: What::Logs(LogLine::Lost { .. }), .. })) = self.told_of(script) {
            return Some(true);
        }
        let rest = (self.next..self.course.items.len()).filter_map(|place| self.open(place));
        let outlives = |item: &Item| {
            let told = matches!(item.what, What::Logs(LogLine::FailedToTerminate { .. }));
            told && item.script().is_none_or(|of| of == script)
        };
        let mut here = rest.take_while(|item| matches!(item.what, What::Logs(_)));
        if here.any(outlives) { None } else { Some(false) }
    }

    /// The first item of the script that is not done, on this side of the next reload, and its place.
    pub(super) fn told_of(&self, script: u16) -> Option<(usize, &'t Item)> {
        let items = self.course.items.iter().enumerate().skip(self.next);
        let mut open = items.filter(|(place, _)| !self.done[*place]);
        let first =
            open.find(|(_, item)| !matches!(item.what, What::Logs(_)) || item.script() == Some(script));
        first.filter(|(_, item)| item.script() == Some(script))
    }
}

/// How late a machine may be with what the trace has at this moment, in microseconds.
fn late(course: &Course<'_>, at: Instant) -> i64 {
    course.late + micros(at) / LATER
}

pub(super) fn micros(at: Instant) -> i64 {
    i64::try_from(at.as_micros()).unwrap_or(i64::MAX / 4)
}

fn instant(micros: i64) -> Instant {
    Instant::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// A wake that brings what the item tells; a result needs the run whose it is.
pub(super) fn brings(item: &Item, run: Option<Run>, mut wake: Wake) -> Option<Wake> {
    match item.what {
        What::Reload => Some(wake.hup(ConfigId(0))),
        What::Stops => {
            wake.term = true;
            Some(wake)
        }
        What::Logs(line) => Some(wake.exit(run?, end_told(&line)?)),
        What::Begins | What::Stopped | What::Dies(_) | What::Hung => None,
    }
}

/// Whether this is how a process ends that broke its own memory.
pub(super) fn is_crash(signal: Option<Signal>) -> bool {
    signal.is_none_or(|signal| matches!(signal.number(), 4 | 6 | 7 | 8 | 11))
}

/// From one moment to a later one.
pub(super) fn between(from: Instant, to: Instant) -> Span {
    to.saturating_since(from)
}
