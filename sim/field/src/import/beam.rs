//! A search that follows many ways along a story side by side and keeps the plainest: for stories that need more
//! departures from the plainest way than [`search`](super::search) tries.
//!
//! Always the way that is least far in time continues. Of ways that stand alike one is kept; of all ways the
//! [`WIDTH`] that cost least. Each run may end, or go on, at each event of its own: its start, a tick that finds it,
//! a SIGTERM.
//!
//! Invariant: nothing is drawn at random, and the number of steps is bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use treefall_model::event::{FailedBy, LogLine};
use treefall_model::id::Run;
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::{Instant, Span};
use treefall_model::trace::{Advance, Wake};

use super::search::{Act, Choice, Search, plain_fate, quiet_wake, take, wakes};
use super::story::{Item, What};
use super::told::end_told;
use super::walk::{Alive, Course, Fate, GRACE, Led, Walk, between, micros};

/// Most ways that are followed side by side.
const WIDTH: usize = 40;
/// And while the beginning is not known, at the first lines of a window.
const WIDTH_AT_FIRST: usize = 110;
const FIRST_LINES: usize = 8;
/// Most wakes of one way.
const WAKES_MAX: usize = 1_500;
/// Most wakes after all that the log tells, while its process is not dead yet.
const IDLE_MAX: usize = 24;
/// Stamps narrower than this, in microseconds, are precise.
const PRECISE: i64 = 50_000;
/// Most parts of the interval in which a window begins.
const PARTS_MAX: i64 = 80;
/// So many more runs may go on until a line tells of them.
const UNTOLD_AHEAD: u32 = 2;
/// Longest that a machine that is late may sleep past a deadline.
const LATE_MAX: i64 = 3_000_000;
/// A timer wake may be so late without a word of the log.
const NUDGE: Span = Span::from_millis(3);
/// A line may be so late.
const SLACK: Span = Span::from_millis(60);
/// Moments this close, in microseconds, are alike.
const ALIKE: u64 = 2_000;

/// What a way costs that departs from the plainest.
const OTHER_FATE: u32 = 3;
const DEPARTS: u32 = 2;
const NUDGED: u32 = 1;
const LACKS: u32 = 12;

/// A way that is not at its end.
struct Open<'t> {
    walk: Walk<'t>,
    cost: u32,
}

/// What decides how a way continues, as far as it matters.
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
    fn of(walk: &Walk<'_>) -> Self {
        let now = walk.now();
        let living = walk.living.iter().map(|(run, alive)| {
            let fate = alive.fate.map_or(0, |fate| fate as u8 + 1) * 2 + u8::from(alive.termed);
            (run.of.script.0, run.of.generation.0, between(alive.since, now).as_micros() / ALIKE, fate)
        });
        Self {
            next: walk.next,
            placed: walk.placed.len(),
            generation: walk.generation.0,
            untold: walk.untold,
            armed: walk.armed().map_or(u64::MAX, |at| between(now, at).as_micros() / ALIKE),
            began: walk.began.0 / PRECISE,
            living: living.collect(),
        }
    }
}

impl Search<'_> {
    /// Follows ways along a window, in at most `steps` steps.
    pub(super) fn follow(&mut self, course: &Course<'_>, steps: u64) {
        let mut beam = Beam { open: BTreeMap::new(), stands: BTreeMap::new(), made: 0 };
        let start = self.start;
        for began in beginnings(course) {
            let (first, led) = Walk::begin(start, self.rules, course, began, true);
            self.goes(&mut beam, first, led, 0);
        }
        let mut left = steps;
        while let Some((_, Open { walk, cost })) = beam.open.pop_first() {
            if left == 0 || !(self.go_on)(self.searched.tried) {
                self.cut = true;
                return;
            }
            let choices = self.ways_on(&walk);
            if choices.is_empty() && walk.untold <= walk.course.untold {
                self.over(&walk, Led::On, cost);
            }
            for choice in choices {
                let mut next = walk.clone();
                next.untold += choice.untold;
                let lacking = next.lacking;
                let mut cost = cost + choice.cost;
                let mut led = taken(&mut next, &choice);
                if led == Led::Astray
                    && let Some(late) = later(&next, &choice.act)
                {
                    // The line that came too early may be that of a machine that was late.
                    let early = u32::try_from(next.early.unwrap_or(0) / 20_000).unwrap_or(0).min(20);
                    next = walk.clone();
                    led = take(&mut next, Act::Wake(late));
                    cost += NUDGED + early;
                    left = left.saturating_sub(1);
                }
                left = left.saturating_sub(1);
                self.went.steps += 1;
                cost += LACKS * (next.lacking - lacking);
                self.goes(&mut beam, next, led, cost);
            }
        }
    }

    /// Takes in where a step led.
    fn goes<'t>(&mut self, beam: &mut Beam<'t>, walk: Walk<'t>, led: Led, cost: u32) {
        self.reached(&walk);
        let told = walk.untold <= walk.course.untold;
        let led = if led != Led::Astray && told && !self.broke(&walk, cost) { Led::Astray } else { led };
        match led {
            Led::On if walk.untold <= walk.course.untold + UNTOLD_AHEAD => beam.add(walk, cost),
            Led::End if told => self.over(&walk, led, cost),
            Led::On | Led::End | Led::Astray => {}
        }
    }

    fn ways_on(&mut self, walk: &Walk<'_>) -> Vec<Choice> {
        if walk.wakes.len() >= WAKES_MAX {
            self.cut = true;
            return Vec::new();
        }
        let undecided = walk.living.iter().find(|(_, alive)| alive.fate.is_none()).map(|(run, _)| *run);
        if let Some(run) = undecided {
            return fates(walk, run);
        }
        if let Some(wake) = deaths(walk).or_else(|| quiet_wake(walk)) {
            return vec![Choice { cost: 0, untold: 0, act: Act::Wake(wake) }];
        }
        if walk.is_done() {
            let Some(death) = walk.course.death() else { return Vec::new() };
            let in_time = walk.armed().is_some_and(|at| walk.began.0 + micros(at) < death.when.end);
            if !in_time || walk.idle >= IDLE_MAX {
                return Vec::new();
            }
        }
        let mut choices = wakes(walk);
        choices.iter_mut().for_each(|choice| choice.cost *= DEPARTS);
        choices.extend(late(walk));
        choices
    }
}

/// The interval in which a window begins, in parts about as wide as the stamps of its lines.
fn beginnings(course: &Course<'_>) -> Vec<Range<i64>> {
    let width = |item: &Item| item.when.end - item.when.start;
    let precise = course.items.iter().filter(|item| width(item) < PRECISE).count() * 2 > course.items.len();
    let Range { start, end } = course.begins;
    let part = if precise { PRECISE } else { 500_000 };
    let parts = ((end - start) / part).clamp(1, PARTS_MAX);
    let part = (end - start) / parts;
    (0..parts)
        .map(|place| start + place * part..if place + 1 == parts { end } else { start + (place + 1) * part })
        .collect()
}

fn taken(walk: &mut Walk<'_>, choice: &Choice) -> Led {
    let act = match &choice.act {
        Act::Fates(fates) => {
            for (run, _) in fates {
                if let Some(alive) = walk.living.get_mut(run) {
                    alive.untold |= choice.untold > 0;
                }
            }
            Act::Fates(fates.clone())
        }
        Act::Wake(wake) => Act::Wake(wake.clone()),
    };
    take(walk, act)
}

/// The ways that are open, in the order of their times, and where they stand.
struct Beam<'t> {
    open: BTreeMap<(Instant, u64), Open<'t>>,
    stands: BTreeMap<(Instant, Stand), (u32, (Instant, u64))>,
    made: u64,
}

impl<'t> Beam<'t> {
    fn add(&mut self, walk: Walk<'t>, cost: u32) {
        let now = walk.now();
        let rounded = Instant::from_micros(now.as_micros() / ALIKE);
        let key = (now, self.made);
        self.made += 1;
        let stand = (rounded, Stand::of(&walk));
        if let Some((other, place)) = self.stands.get(&stand) {
            if *other <= cost {
                return;
            }
            self.open.remove(&place.clone());
        }
        self.stands.insert(stand, (cost, key));
        self.open.insert(key, Open { walk, cost });
        let width =
            match self.open.first_key_value().is_some_and(|(_, open)| open.walk.placed.len() < FIRST_LINES) {
                true => WIDTH_AT_FIRST,
                false => WIDTH,
            };
        if self.open.len() > 2 * width {
            self.thin(width);
        }
    }

    /// Keeps the ways that cost least.
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

/// What may become of a run at an event of its own.
fn fates(walk: &Walk<'_>, run: Run) -> Vec<Choice> {
    let Some(alive) = walk.living.get(&run) else { return Vec::new() };
    let plain = plain(walk, run, alive);
    let all: &[Fate] =
        if alive.termed { &[Fate::Dies, Fate::Held, Fate::Quiet] } else { &[Fate::Held, Fate::Quiet] };
    let one = |fate: &Fate| {
        let is_plain = *fate == plain;
        let untold = u32::from(!is_plain && *fate == Fate::Held && !alive.met && !alive.untold);
        let cost = if is_plain { 0 } else { OTHER_FATE };
        Choice { cost, untold, act: Act::Fates(vec![(run, *fate)]) }
    };
    all.iter().map(one).collect()
}

/// What becomes of a run, by the next line that the log has of its script.
fn plain(walk: &Walk<'_>, run: Run, alive: &Alive) -> Fate {
    if run.of.generation != walk.generation {
        return if alive.termed { Fate::Dies } else { Fate::Held };
    }
    let script = run.of.script.0;
    let Some(of) = walk.course.scripts.get(usize::from(script)) else { return Fate::Quiet };
    if !alive.met {
        return plain_fate(walk, run);
    }
    let told = walk.told_of(script).map(|(_, item)| item);
    let Some(Item { what: What::Logs(line), .. }) = told else {
        return if alive.termed { Fate::Dies } else { Fate::Quiet };
    };
    let from = told.and_then(|item| walk.reach(item)).map_or(Instant::MAX, |(from, _)| from);
    let within = |span: Span| from <= walk.now() + span + SLACK;
    let held = match *line {
        LogLine::Failed { by: FailedBy::TimedOut, .. } if alive.termed => {
            return if within(Span::ZERO) { Fate::Dies } else { Fate::Held };
        }
        LogLine::Skipped { .. } => within(of.interval),
        LogLine::Failed { by: FailedBy::TimedOut, .. } => from <= alive.since + of.timeout + GRACE + SLACK,
        LogLine::Carried { .. } => false,
        _ if end_told(line).is_some() => within(of.interval) || alive.termed,
        _ => true,
    };
    match (held, alive.termed) {
        (true, _) => Fate::Held,
        (false, true) => Fate::Dies,
        (false, false) => Fate::Quiet,
    }
}

/// The deaths of runs of a SIGTERM.
fn deaths(walk: &Walk<'_>) -> Option<Wake> {
    let dying = walk.living.iter().filter(|(_, alive)| alive.fate == Some(Fate::Dies));
    dying.fold(None, |wake, (run, _)| {
        let wake = wake.unwrap_or_else(|| Wake::new(Advance::By(Span::ZERO)));
        Some(wake.exit(*run, ExitStatus::Signal(Signal::TERM)))
    })
}

/// The timer a little late, while a run goes on whose timeout may come before its script's tick or behind it.
fn late(walk: &Walk<'_>) -> Option<Choice> {
    let at = walk.armed()?;
    let held = walk.living.values().any(|alive| alive.fate == Some(Fate::Held));
    let wake = Wake::new(Advance::By(between(walk.now(), at) + NUDGE));
    held.then_some(Choice { cost: NUDGED, untold: 0, act: Act::Wake(wake) })
}

/// The same wake so much later that the line fits for which it came too early.
fn later(astray: &Walk<'_>, act: &Act) -> Option<Wake> {
    let Act::Wake(wake) = act else { return None };
    let early = astray.early.filter(|early| *early <= LATE_MAX)?;
    let early = Span::from_micros(u64::try_from(early).ok()?);
    let slept = match wake.advance {
        Advance::By(span) => span,
        Advance::NextTimer => astray.slept?,
    };
    Some(Wake { advance: Advance::By(slept + early), ..wake.clone() })
}
