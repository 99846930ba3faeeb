//! All ways to go along a story, those first that assume and deviate least, to a bound.
//!
//! At each blocked loop there is one way on that is the plainest: cost 0. Each other (the reload in the same wake as the
//! timer, in either order; a moment later; a run that hangs though the log does not say so) costs 1. A window is gone
//! along with 0, 1, 2 and 3 of these in all ways that there are, until its share of the tries is used up.
//!
//! Always: what is found is found again by the same search; nothing is drawn at random.

use std::collections::BTreeMap;

use treefall_model::event::{FailedBy, LogLine, SubjectKind};
use treefall_model::id::Run;
use treefall_model::observe::Options;
use treefall_model::release::Rules;
use treefall_model::time::{Instant, Span};
use treefall_model::trace::{Advance, Config, Costs, Habit, OnTerm, Order, Script, Setup, Trace, Wake};
use treefall_model::verdict::{Outcome, Signature, Weight};

use super::story::{Item, What};
use super::told::end_told;
use super::walk::{Course, Fate, GRACE, Led, Placed, Walk, between, brings, micros};
use treefall_subject::replica::run_replica_as;

/// How often a way may depart from the plainest.
const COST_MAX: u32 = 3;
/// Most wakes of one way.
const WAKES_MAX: usize = 400;
/// Most wakes after all that the log tells, while its process is not dead yet.
const IDLE_MAX: usize = 32;
/// How long a run takes of which the log tells nothing.
const QUIET: Span = Span::from_millis(1);
/// A timeout is taken to be due with the timer when it lies so far before it at most.
const DUE: Span = Span::from_millis(1);

/// What a search came to.
#[derive(Clone, Default, Debug)]
pub struct Searched {
    /// Interleavings that were tried.
    pub tried: u64,
    /// Those of them that give the log's lines.
    pub fitting: u64,
    /// There is no other within the alphabet of the search.
    pub exhausted: bool,
    /// In each window all were tried that depart from the plainest so often at most; `None`: not even the plainest.
    pub departures: Option<u32>,
    /// A smallest way for each signature, in the order of the signatures.
    pub best: BTreeMap<Signature, Way>,
    /// The plainest way that gives the log's lines, in the longest window that has one.
    pub plainest: Option<Way>,
}

/// A way along a story.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// What the outside world does.
    pub trace: Trace,
    /// How much is assumed in it that the log does not tell.
    pub untold: u32,
    /// The process does not die of it, as far as the trace goes, though it breaks its memory and the log tells that it died.
    pub survives: bool,
    /// What it costs.
    pub cost: u32,
    /// Where the items of the log lie in it.
    pub placed: Vec<Placed>,
    /// Where its beginning may lie in the log's time, in microseconds; both ends are included.
    pub began: (i64, i64),
    /// How often the same signature was met: several times in one interleaving, and once where several begin alike.
    pub seen: u64,
}

impl Way {
    /// The smaller the better. What comes behind a break in its wake is not held against the log: of two ways the one
    /// counts that has fewer runs end.
    pub(super) fn size(&self) -> (u32, bool, usize, usize, u32) {
        let exits = self.trace.wakes().iter().map(|wake| wake.exits.len()).sum();
        (self.untold, self.survives, exits, self.trace.wakes().len(), self.cost)
    }
}

/// How the search of one window went, with one setup.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Went {
    /// A way was met that gives the log's lines.
    pub(super) fits: bool,
    /// Interleavings that were tried.
    pub(super) tried: u64,
    /// The furthest line that none was past, from 1; 0: none was tried.
    pub(super) stuck: usize,
    /// Steps of ways that were followed.
    pub(super) steps: u64,
}

/// One way on from a blocked loop.
pub(super) struct Choice {
    pub(super) cost: u32,
    pub(super) untold: u32,
    pub(super) act: Act,
}

pub(super) enum Act {
    Fates(Vec<(Run, Fate)>),
    Wake(Wake),
}

/// The setups that are tried: what the log does not decide.
pub(super) fn setups(scripts: &[Script], stubborn: Option<bool>, kill_linger: Span) -> Vec<Trace> {
    let habits: &[OnTerm] = match stubborn {
        Some(true) => &[OnTerm::Ignores],
        Some(false) => &[OnTerm::Dies(Span::ZERO)],
        None => &[OnTerm::Dies(Span::ZERO), OnTerm::Ignores],
    };
    let costs = [Costs::default(), Costs { start: Span::from_micros(200), ..Costs::default() }];
    let both = habits.iter().flat_map(|on_term| costs.map(|costs| (*on_term, costs)));
    let one = |(on_term, costs)| {
        let habit = Habit { on_term, kill_linger };
        let scripts = scripts.iter().map(|script| Script { habit, ..script.clone() }).collect();
        let setup = Setup { configs: vec![Config { scripts }], costs, ..Setup::default() };
        Trace::new(setup, Vec::new()).ok()
    };
    both.filter_map(one).collect()
}

/// The setups with which ways are followed: every run may ignore its SIGTERM.
pub(super) fn free_setups(scripts: &[Script], kill_linger: Span) -> Vec<Trace> {
    setups(scripts, Some(true), kill_linger)
}

/// Follows ways along one window, with one setup, in so many steps at most; takes what is found into `searched`.
pub(super) fn follow(
    start: &Trace,
    rules: Rules,
    course: &Course<'_>,
    steps: u64,
    go_on: &GoOn<'_>,
    searched: &mut Searched,
) -> Went {
    let went = Went::default();
    let mut search = Search { start, rules, left: u64::MAX, go_on, deeper: true, cut: false, went, searched };
    search.follow(course, steps);
    let went = search.went;
    (searched.exhausted, searched.departures) = (false, None);
    went
}

/// Searches one window, with one setup, in so many tries at most and while `go_on` says so; takes what is found into
/// `searched`.
pub(super) fn search(
    start: &Trace,
    rules: Rules,
    course: &Course<'_>,
    tries: u64,
    go_on: &GoOn<'_>,
    searched: &mut Searched,
) -> Went {
    let went = Went::default();
    let mut search = Search { start, rules, left: tries, go_on, deeper: false, cut: false, went, searched };
    let (first, led) = Walk::begin(start, rules, course, course.begins.clone(), false);
    let mut whole = None;
    for cost_max in 0..=COST_MAX {
        search.deeper = false;
        search.go(first.clone(), led, cost_max);
        if search.cut {
            break;
        }
        whole = Some(cost_max);
        if !search.deeper {
            // There are none that depart further.
            whole = Some(u32::MAX);
            break;
        }
    }
    let went = search.went;
    searched.exhausted &= whole == Some(u32::MAX);
    searched.departures = searched.departures.min(whole);
    went
}

/// Asked before each step of a search, with how many interleavings were tried: whether to go on.
pub type GoOn<'g> = dyn Fn(u64) -> bool + 'g;

pub(super) struct Search<'w> {
    pub(super) start: &'w Trace,
    pub(super) rules: Rules,
    pub(super) left: u64,
    pub(super) go_on: &'w GoOn<'w>,
    /// There are ways that cost more than was allowed.
    pub(super) deeper: bool,
    /// A way was cut off at a bound.
    pub(super) cut: bool,
    pub(super) went: Went,
    pub(super) searched: &'w mut Searched,
}

impl Search<'_> {
    /// Goes all ways that cost exactly `cost_max`.
    fn go<'t>(&mut self, first: Walk<'t>, led: Led, cost_max: u32) {
        let mut open = vec![(first, led, 0)];
        while let Some((walk, led, cost)) = open.pop() {
            if self.left == 0 || !(self.go_on)(self.searched.tried) {
                self.cut = true;
                return;
            }
            let full = cost == cost_max;
            self.reached(&walk);
            let led = if full && led != Led::Astray && !self.broke(&walk, cost) { Led::Astray } else { led };
            let choices = match led {
                Led::On => self.choices(&walk),
                Led::End | Led::Astray => Vec::new(),
            };
            if choices.is_empty() {
                if full {
                    self.over(&walk, led, cost);
                }
                continue;
            }
            // The plainest is gone on with first.
            for choice in choices.into_iter().rev() {
                let untold = walk.untold + choice.untold;
                if cost + choice.cost > cost_max {
                    self.deeper |= untold <= walk.course.untold;
                } else if untold <= walk.course.untold {
                    let mut next = walk.clone();
                    next.untold = untold;
                    let led = take(&mut next, choice.act);
                    open.push((next, led, cost + choice.cost));
                }
            }
        }
    }

    pub(super) fn reached(&mut self, walk: &Walk<'_>) {
        // Lines of two scripts may be met in another order than the log's: what counts is the first that is open.
        let items = walk.course.items;
        let open = items.get(walk.next).or(items.last()).map_or(0, |item| item.line);
        self.went.stuck = self.went.stuck.max(open);
    }

    /// A way is at its end.
    pub(super) fn over(&mut self, walk: &Walk<'_>, led: Led, cost: u32) {
        self.left -= 1;
        self.searched.tried += 1;
        self.went.tried += 1;
        let (done, broke) =
            (walk.is_done() && led != Led::Astray, led == Led::End && !walk.broken.is_empty());
        let fits = done || broke;
        self.searched.fitting += u64::from(fits);
        if done && !self.went.fits {
            // Of the longest window in the end.
            self.searched.plainest = self.way(walk, cost).or(self.searched.plainest.take());
        }
        self.went.fits |= fits;
    }

    /// Keeps what broke in the last step. Whether the log bears it out: not where it goes on behind a crash.
    pub(super) fn broke(&mut self, walk: &Walk<'_>, cost: u32) -> bool {
        if walk.broken.is_empty() {
            return true;
        }
        let Some(mut way) = self.way(walk, cost) else { return true };
        let memory = |signature: &Signature| signature.law.weight() == Weight::Memory;
        if walk.broken.iter().any(memory) {
            let (goes_on, dies) = (walk.goes_on(), walk.course.death().is_some());
            // The log continues where this would have been the end, or it shows no end that this could explain.
            if goes_on && !dies {
                return false;
            }
            let survives = self.survives(&way.trace);
            if survives && !dies || goes_on && !survives {
                return false;
            }
            way.survives = survives;
        }
        for signature in &walk.broken {
            let best = self.searched.best.entry(*signature).or_insert_with(|| way.clone());
            let seen = best.seen + 1;
            if way.size() < best.size() {
                *best = way.clone();
            }
            best.seen = seen;
        }
        true
    }

    fn survives(&self, trace: &Trace) -> bool {
        run_replica_as(SubjectKind::Daemon, trace, self.rules, Options::EVENTS).verdict.outcome
            == Outcome::Survived
    }

    fn way(&self, walk: &Walk<'_>, cost: u32) -> Option<Way> {
        let trace = Trace::new(self.start.setup().clone(), walk.wakes.clone()).ok()?;
        Some(Way {
            trace,
            untold: walk.untold,
            survives: false,
            cost,
            placed: walk.placed.clone(),
            began: walk.began,
            seen: 0,
        })
    }

    fn choices(&mut self, walk: &Walk<'_>) -> Vec<Choice> {
        if walk.wakes.len() >= WAKES_MAX {
            self.cut = true;
            return Vec::new();
        }
        let undecided: Vec<Run> =
            walk.living.iter().filter(|(_, alive)| alive.fate.is_none()).map(|(run, _)| *run).collect();
        if !undecided.is_empty() {
            return fates(walk, &undecided);
        }
        if let Some(wake) = quiet_wake(walk) {
            return vec![Choice { cost: 0, untold: 0, act: Act::Wake(wake) }];
        }
        if walk.is_done() {
            let Some(death) = walk.course.death() else { return Vec::new() };
            let in_time = walk.armed().is_some_and(|at| walk.began.0 + micros(at) < death.when.end);
            if !in_time {
                return Vec::new();
            }
            if walk.idle >= IDLE_MAX {
                self.cut = true;
                return Vec::new();
            }
        }
        wakes(walk)
    }
}

/// Does it; where it led.
pub(super) fn take(walk: &mut Walk<'_>, act: Act) -> Led {
    match act {
        Act::Wake(wake) => walk.step(wake),
        Act::Fates(fates) => {
            // What broke before was seen before.
            walk.broken.clear();
            for (run, fate) in fates {
                if let Some(alive) = walk.living.get_mut(&run) {
                    alive.fate = Some(fate);
                }
            }
            Led::On
        }
    }
}

/// What may become of runs that just began: what the log says next of their scripts decides what is plainest.
fn fates(walk: &Walk<'_>, undecided: &[Run]) -> Vec<Choice> {
    let plain: Vec<(Run, Fate)> = undecided.iter().map(|run| (*run, plain_fate(walk, *run))).collect();
    let quiet = |fates: &[(Run, Fate)]| fates.iter().filter(|(_, fate)| *fate == Fate::Quiet).count();
    let silent = u32::try_from(quiet(&plain)).unwrap_or(u32::MAX);
    let mut choices = vec![Choice { cost: 0, untold: 0, act: Act::Fates(plain.clone()) }];
    for place in 0..plain.len() {
        let mut other = plain.clone();
        let (fate, untold) = match other[place].1 {
            Fate::Quiet => (Fate::Held, 1),
            Fate::Held | Fate::Dies => (Fate::Quiet, 0),
        };
        other[place].1 = fate;
        choices.push(Choice { cost: 1, untold, act: Act::Fates(other) });
    }
    if silent > 1 {
        let all = plain.iter().map(|(run, _)| (*run, Fate::Held)).collect();
        choices.push(Choice { cost: 1, untold: silent, act: Act::Fates(all) });
    }
    choices
}

pub(super) fn plain_fate(walk: &Walk<'_>, run: Run) -> Fate {
    let script = run.of.script.0;
    let Some(of) = walk.course.scripts.get(usize::from(script)) else { return Fate::Quiet };
    let since = walk.living.get(&run).map_or(walk.now(), |alive| alive.since);
    let Some((_, Item { what: What::Logs(line), .. })) = walk.told_of(script) else {
        // What hung before hangs on, where its next tick need not have been told.
        return if walk.may_hang_on(script, since) { Fate::Held } else { Fate::Quiet };
    };
    // Until when the line can be about this run.
    let until = match *line {
        LogLine::Skipped { .. } => since + of.interval,
        LogLine::Failed { by: FailedBy::TimedOut, .. } => since + of.timeout + GRACE,
        LogLine::Carried { .. } => return Fate::Quiet,
        _ if end_told(line).is_some() => since + of.timeout,
        _ => return Fate::Held,
    };
    let held =
        walk.told_of(script).and_then(|(_, item)| walk.reach(item)).is_some_and(|(from, _)| from <= until);
    if held { Fate::Held } else { Fate::Quiet }
}

/// The end of the runs of which nothing is told, if there are any.
pub(super) fn quiet_wake(walk: &Walk<'_>) -> Option<Wake> {
    let quiet = walk.living.iter().filter(|(_, alive)| alive.fate == Some(Fate::Quiet));
    let mut wake = None;
    for (run, _) in quiet {
        let left = walk.armed().map_or(QUIET, |at| between(walk.now(), at));
        let after = if left > QUIET { QUIET } else { Span::from_micros(left.as_micros() / 2) };
        let so_far = wake.take().unwrap_or_else(|| Wake::new(Advance::By(after)));
        wake = Some(so_far.exit(*run, walk.quiet_end(*run)));
    }
    wake
}

/// The next thing that comes from outside, and the runs that it may be about.
fn outside<'t>(walk: &Walk<'t>) -> Option<(&'t Item, Vec<Option<Run>>)> {
    let next = walk.open(walk.next)?;
    if matches!(next.what, What::Reload | What::Stops) {
        return Some((next, vec![None]));
    }
    let scripts = 0..u16::try_from(walk.course.scripts.len()).unwrap_or(u16::MAX);
    let told = scripts.filter_map(|script| walk.told_of(script));
    let results = told.filter(|(_, item)| matches!(item.what, What::Logs(line) if end_told(&line).is_some()));
    let runs = |item: &Item| -> Vec<Option<Run>> {
        let of_script =
            |run: &&Run| Some(run.of.script.0) == item.script() && run.of.generation == walk.generation;
        walk.living.keys().filter(of_script).map(|run| Some(*run)).collect()
    };
    let with_runs = results.map(|(place, item)| (place, item, runs(item)));
    let first = with_runs.filter(|(_, _, runs)| !runs.is_empty()).min_by_key(|(place, ..)| *place);
    first.map(|(_, item, runs)| (item, runs))
}

/// The wakes that may come next.
pub(super) fn wakes(walk: &Walk<'_>) -> Vec<Choice> {
    let armed = walk.armed();
    let choice = |cost, untold, wake| Choice { cost, untold, act: Act::Wake(wake) };
    let mut choices = Vec::new();
    let outside = outside(walk).and_then(|(item, runs)| Some((item, runs, walk.reach(item)?)));
    if let Some((item, runs, (from, to))) = &outside {
        let (from, to) = (*from, *to);
        let last = armed.map_or(to, |at| to.min(Instant::from_micros(at.as_micros().saturating_sub(1))));
        let middle = Instant::from_micros(from.as_micros().midpoint(last.as_micros()));
        let is_before = from <= last;
        // Whether it rather comes before the timer.
        let first =
            is_before && armed.is_none_or(|at| from.as_micros().midpoint(to.as_micros()) < at.as_micros());
        if armed.is_some_and(|at| at <= to) {
            choices.push(choice(u32::from(first), 0, Wake::next_timer()));
        }
        for (run, further) in runs.iter().zip([0_u32].into_iter().chain(std::iter::repeat(1))) {
            let mut add = |cost, wake| {
                choices.extend(brings(item, *run, wake).map(|wake| choice(cost, 0, wake)));
            };
            if is_before {
                let after = between(walk.now(), middle);
                add(u32::from(!first) + further, Wake::new(Advance::By(after)));
                if from == walk.now() && !after.is_zero() {
                    add(1 + further, Wake::new(Advance::By(Span::ZERO)));
                }
            }
            if armed.is_some_and(|at| from <= at && at <= to) {
                for order in [Order::TimerFirst, Order::SignalsFirst] {
                    add(1 + further, Wake { order, ..Wake::next_timer() });
                }
            }
        }
        choices.extend(with_more(walk, item, from, to));
    } else if armed.is_some() {
        choices.push(choice(0, 0, Wake::next_timer()));
    }
    for run in due(walk) {
        let wake = Wake::next_timer().exit(run, walk.quiet_end(run));
        let (cost, untold) = match walk.tells_of_lost(run.of.script.0) {
            Some(true) => (0, 0),
            None => (1, 0),
            Some(false) => (1, 1),
        };
        choices.push(choice(cost, untold, wake));
    }
    choices.sort_by_key(|choice| choice.cost);
    choices
}

/// A reload in one wake with the timer and an exit that the log does not tell.
fn with_more(walk: &Walk<'_>, item: &Item, from: Instant, to: Instant) -> Vec<Choice> {
    let mut choices = Vec::new();
    if item.what != What::Reload {
        return choices;
    }
    if walk.armed().is_some_and(|at| from <= at && at <= to) {
        for run in due(walk) {
            let wake = Wake::next_timer().exit(run, walk.quiet_end(run));
            let wake = brings(item, None, wake);
            choices.extend(wake.map(|wake| Choice { cost: 1, untold: 1, act: Act::Wake(wake) }));
        }
    }
    choices
}

/// The runs that hang and whose timeout is due with the timer.
fn due(walk: &Walk<'_>) -> Vec<Run> {
    let Some(at) = walk.armed() else { return Vec::new() };
    let is_due = |run: &Run, since: Instant| {
        let script = walk.course.scripts.get(usize::from(run.of.script.0));
        script.is_some_and(|script| {
            let due = since + script.timeout;
            due <= at && at.saturating_since(due) <= DUE
        })
    };
    let held = walk.living.iter().filter(|(_, alive)| alive.fate == Some(Fate::Held));
    held.filter(|(run, alive)| is_due(run, alive.since)).map(|(run, _)| *run).collect()
}
