//! Searches a story by beam search, for stories that depart further from the simplest choices than
//! [`search`](super::search) tries.
//!
//! The interleaving whose time is earliest is extended next. Of interleavings in the same state only the cheapest is
//! kept, and of all others the [`WIDTH`] cheapest. Each run may end or continue at each of its events: its start, a
//! tick that finds it running, a SIGTERM.
//!
//! Invariant: nothing is random, and the number of steps is bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use treefall_model::event::{FailedBy, LogLine};
use treefall_model::id::Run;
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::{Instant, Span};
use treefall_model::trace::{Advance, Wake};

use super::item::{ItemKind, LogItem};
use super::log_replay::{GRACE, LiveRun, LogReplay, RunFate, StepOutcome, between, micros};
use super::matching::end_status;
use super::search::{Act, Choice, Search, plain_fate, quiet_wake, take, wakes};
use super::windows::LogWindow;

/// Most interleavings that are followed side by side.
const WIDTH: usize = 40;
/// The same within the first lines of a window, while its beginning is uncertain.
const WIDTH_AT_FIRST: usize = 110;
const FIRST_LINES: usize = 8;
/// Most wakes of one interleaving.
const WAKES_MAX: usize = 1_500;
/// Most wakes after the last line of the log, while the process is not yet dead.
const IDLE_MAX: usize = 24;
/// Stamps narrower than this, in microseconds, are precise.
const PRECISE: i64 = 50_000;
/// Most parts into which the interval of a window's beginning is divided.
const PARTS_MAX: i64 = 80;
/// Number of runs beyond the limit that may continue until a line confirms them.
const UNTOLD_AHEAD: u32 = 2;
/// Longest time that a late machine may sleep past a deadline.
const LATE_MAX: i64 = 3_000_000;
/// Delay of a timer wake that the log need not mention.
const NUDGE: Span = Span::from_millis(3);
/// Longest delay of a line.
const SLACK: Span = Span::from_millis(60);
/// Moments within this many microseconds are equal.
const ALIKE: u64 = 2_000;

/// Costs of departures from the simplest choice.
const OTHER_FATE: u32 = 3;
const DEPARTS: u32 = 2;
const NUDGED: u32 = 1;
const LACKS: u32 = 12;

/// An interleaving that can be extended.
struct Open<'t> {
    replay: LogReplay<'t>,
    cost: u32,
}

/// The state of an interleaving, as far as it affects what follows.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Stand {
    next: usize,
    placed: usize,
    generation: u32,
    untold: u32,
    armed: u64,
    began: i64,
    living: Vec<(u16, u32, u64, u8)>,
}

impl Stand {
    fn of(replay: &LogReplay<'_>) -> Self {
        let now = replay.now();
        let living = replay.living.iter().map(|(run, alive)| {
            let fate = alive.fate.map_or(0, |fate| fate as u8 + 1) * 2 + u8::from(alive.termed);
            (run.of.script.0, run.of.generation.0, between(alive.since, now).as_micros() / ALIKE, fate)
        });
        Self {
            next: replay.next,
            placed: replay.placed.len(),
            generation: replay.generation.0,
            untold: replay.untold,
            armed: replay.armed().map_or(u64::MAX, |at| between(now, at).as_micros() / ALIKE),
            began: replay.began.0 / PRECISE,
            living: living.collect(),
        }
    }
}

impl Search<'_> {
    /// Searches a window in at most `steps` steps.
    pub(super) fn follow(&mut self, window: &LogWindow<'_>, steps: u64) {
        let mut beam = Beam { open: BTreeMap::new(), stands: BTreeMap::new(), made: 0 };
        let start = self.start;
        for began in beginnings(window) {
            let (first, outcome) = LogReplay::begin(start, self.rules, window, began, true);
            self.goes(&mut beam, first, outcome, 0);
        }
        let mut left = steps;
        while let Some((_, Open { replay, cost })) = beam.open.pop_first() {
            if left == 0 || self.control.check(self.searched.tried).is_err() {
                self.cut = true;
                return;
            }
            let choices = self.choices_after(&replay);
            if choices.is_empty() && replay.untold <= replay.window.untold {
                self.over(&replay, StepOutcome::Continues, cost);
            }
            for choice in choices {
                let mut next = replay.clone();
                next.untold += choice.untold;
                let lacking = next.lacking;
                let mut cost = cost + choice.cost;
                let mut outcome = taken(&mut next, &choice);
                if outcome == StepOutcome::Diverged
                    && let Some(late) = later(&next, &choice.act)
                {
                    // The line that came too early may be that of a late machine.
                    let early = u32::try_from(next.early.unwrap_or(0) / 20_000).unwrap_or(0).min(20);
                    next = replay.clone();
                    outcome = take(&mut next, Act::Wake(late));
                    cost += NUDGED + early;
                    left = left.saturating_sub(1);
                }
                left = left.saturating_sub(1);
                self.went.steps += 1;
                cost += LACKS * (next.lacking - lacking);
                self.goes(&mut beam, next, outcome, cost);
            }
        }
    }

    /// Records a step's result, and keeps the interleaving if it continues.
    fn goes<'t>(&mut self, beam: &mut Beam<'t>, replay: LogReplay<'t>, outcome: StepOutcome, cost: u32) {
        self.reached(&replay);
        let told = replay.untold <= replay.window.untold;
        let outcome = if outcome != StepOutcome::Diverged && told && !self.broke(&replay, cost) {
            StepOutcome::Diverged
        } else {
            outcome
        };
        match outcome {
            StepOutcome::Continues if replay.untold <= replay.window.untold + UNTOLD_AHEAD => {
                beam.add(replay, cost)
            }
            StepOutcome::Ended if told => self.over(&replay, outcome, cost),
            StepOutcome::Continues | StepOutcome::Ended | StepOutcome::Diverged => {}
        }
    }

    fn choices_after(&mut self, replay: &LogReplay<'_>) -> Vec<Choice> {
        if replay.wakes.len() >= WAKES_MAX {
            self.cut = true;
            return Vec::new();
        }
        let undecided = replay.living.iter().find(|(_, alive)| alive.fate.is_none()).map(|(run, _)| *run);
        if let Some(run) = undecided {
            return fates(replay, run);
        }
        if let Some(wake) = deaths(replay).or_else(|| quiet_wake(replay)) {
            return vec![Choice { cost: 0, untold: 0, act: Act::Wake(wake) }];
        }
        if replay.is_done() {
            let Some(death) = replay.window.death() else { return Vec::new() };
            let in_time = replay.armed().is_some_and(|at| replay.began.0 + micros(at) < death.when.end);
            if !in_time || replay.idle >= IDLE_MAX {
                return Vec::new();
            }
        }
        let mut choices = wakes(replay);
        choices.iter_mut().for_each(|choice| choice.cost *= DEPARTS);
        choices.extend(late(replay));
        choices
    }
}

/// Divides the interval of a window's beginning into parts about as wide as its lines' stamps.
fn beginnings(window: &LogWindow<'_>) -> Vec<Range<i64>> {
    let width = |item: &LogItem| item.when.end - item.when.start;
    let precise = window.items.iter().filter(|item| width(item) < PRECISE).count() * 2 > window.items.len();
    let Range { start, end } = window.begins;
    let part = if precise { PRECISE } else { 500_000 };
    let parts = ((end - start) / part).clamp(1, PARTS_MAX);
    let part = (end - start) / parts;
    (0..parts)
        .map(|place| start + place * part..if place + 1 == parts { end } else { start + (place + 1) * part })
        .collect()
}

fn taken(replay: &mut LogReplay<'_>, choice: &Choice) -> StepOutcome {
    let act = match &choice.act {
        Act::Fates(fates) => {
            for (run, _) in fates {
                if let Some(alive) = replay.living.get_mut(run) {
                    alive.untold |= choice.untold > 0;
                }
            }
            Act::Fates(fates.clone())
        }
        Act::Wake(wake) => Act::Wake(wake.clone()),
    };
    take(replay, act)
}

/// The interleavings that can be extended, by time, and the cheapest for each state.
struct Beam<'t> {
    open: BTreeMap<(Instant, u64), Open<'t>>,
    stands: BTreeMap<(Instant, Stand), (u32, (Instant, u64))>,
    made: u64,
}

impl<'t> Beam<'t> {
    fn add(&mut self, replay: LogReplay<'t>, cost: u32) {
        let now = replay.now();
        let rounded = Instant::from_micros(now.as_micros() / ALIKE);
        let key = (now, self.made);
        self.made += 1;
        let stand = (rounded, Stand::of(&replay));
        if let Some((other, place)) = self.stands.get(&stand) {
            if *other <= cost {
                return;
            }
            self.open.remove(&place.clone());
        }
        self.stands.insert(stand, (cost, key));
        self.open.insert(key, Open { replay, cost });
        let width =
            match self.open.first_key_value().is_some_and(|(_, open)| open.replay.placed.len() < FIRST_LINES)
            {
                true => WIDTH_AT_FIRST,
                false => WIDTH,
            };
        if self.open.len() > 2 * width {
            self.thin(width);
        }
    }

    /// Keeps the cheapest interleavings.
    fn thin(&mut self, width: usize) {
        let mut costs: Vec<(u32, (Instant, u64))> =
            self.open.iter().map(|(key, open)| (open.cost, *key)).collect();
        costs.sort_unstable();
        let kept: BTreeSet<(Instant, u64)> = costs.into_iter().take(width).map(|(_, key)| key).collect();
        self.open.retain(|key, _| kept.contains(key));
        let first = self.open.keys().next().map_or(Instant::START, |(now, _)| *now);
        let rounded = Instant::from_micros(first.as_micros() / ALIKE);
        self.stands.retain(|(now, _), _| *now >= rounded);
    }
}

/// Returns the possible fates of a run at one of its events.
fn fates(replay: &LogReplay<'_>, run: Run) -> Vec<Choice> {
    let Some(alive) = replay.living.get(&run) else { return Vec::new() };
    let plain = plain(replay, run, alive);
    let all: &[RunFate] = if alive.termed {
        &[RunFate::Dies, RunFate::Held, RunFate::Quiet]
    } else {
        &[RunFate::Held, RunFate::Quiet]
    };
    let one = |fate: &RunFate| {
        let is_plain = *fate == plain;
        let untold = u32::from(!is_plain && *fate == RunFate::Held && !alive.met && !alive.untold);
        let cost = if is_plain { 0 } else { OTHER_FATE };
        Choice { cost, untold, act: Act::Fates(vec![(run, *fate)]) }
    };
    all.iter().map(one).collect()
}

/// Returns the simplest fate of a run, given the next line of its script.
fn plain(replay: &LogReplay<'_>, run: Run, alive: &LiveRun) -> RunFate {
    if run.of.generation != replay.generation {
        return if alive.termed { RunFate::Dies } else { RunFate::Held };
    }
    let script = run.of.script.0;
    let Some(of) = replay.window.scripts.get(usize::from(script)) else { return RunFate::Quiet };
    if !alive.met {
        return plain_fate(replay, run);
    }
    let told = replay.next_item_of(script).map(|(_, item)| item);
    let Some(LogItem { what: ItemKind::Logs(line), .. }) = told else {
        return if alive.termed { RunFate::Dies } else { RunFate::Quiet };
    };
    let from = told.and_then(|item| replay.reach(item)).map_or(Instant::MAX, |(from, _)| from);
    let within = |span: Span| from <= replay.now() + span + SLACK;
    let held = match *line {
        LogLine::Failed { by: FailedBy::TimedOut, .. } if alive.termed => {
            return if within(Span::ZERO) { RunFate::Dies } else { RunFate::Held };
        }
        LogLine::Skipped { .. } => within(of.interval),
        LogLine::Failed { by: FailedBy::TimedOut, .. } => from <= alive.since + of.timeout + GRACE + SLACK,
        LogLine::Carried { .. } => false,
        _ if end_status(line).is_some() => within(of.interval) || alive.termed,
        _ => true,
    };
    match (held, alive.termed) {
        (true, _) => RunFate::Held,
        (false, true) => RunFate::Dies,
        (false, false) => RunFate::Quiet,
    }
}

/// Returns the wake in which runs die of a SIGTERM, if any do.
fn deaths(replay: &LogReplay<'_>) -> Option<Wake> {
    let dying = replay.living.iter().filter(|(_, alive)| alive.fate == Some(RunFate::Dies));
    dying.fold(None, |wake, (run, _)| {
        let wake = wake.unwrap_or_else(|| Wake::new(Advance::By(Span::ZERO)));
        Some(wake.exit(*run, ExitStatus::Signal(Signal::TERM)))
    })
}

/// Returns a slightly late timer wake, if a run continues whose timeout may come before or after its script's tick.
fn late(replay: &LogReplay<'_>) -> Option<Choice> {
    let at = replay.armed()?;
    let held = replay.living.values().any(|alive| alive.fate == Some(RunFate::Held));
    let wake = Wake::new(Advance::By(between(replay.now(), at) + NUDGE));
    held.then_some(Choice { cost: NUDGED, untold: 0, act: Act::Wake(wake) })
}

/// Returns the same wake, delayed until the line fits that came too early.
fn later(astray: &LogReplay<'_>, act: &Act) -> Option<Wake> {
    let Act::Wake(wake) = act else { return None };
    let early = astray.early.filter(|early| *early <= LATE_MAX)?;
    let early = Span::from_micros(u64::try_from(early).ok()?);
    let slept = match wake.advance {
        Advance::By(span) => span,
        Advance::NextTimer => astray.slept?,
    };
    Some(Wake { advance: Advance::By(slept + early), ..wake.clone() })
}
