//! Searches all interleavings that reproduce a story, those with the fewest assumptions first, up to a limit.
//!
//! At each blocked loop one choice is the simplest and costs 0. Every other choice costs 1: the reload in the same
//! wake as the timer, in either order; a moment later; a run that hangs though the log does not say so. A window is
//! searched exhaustively with total costs 0, 1, 2 and 3, until its share of the tries is used up.
//!
//! Invariant: nothing is random, so the same search has the same result.

use std::collections::BTreeMap;

use treefall_base::control::Control;
use treefall_model::event::{FailedBy, LogLine, SubjectKind};
use treefall_model::id::Run;
use treefall_model::observe::Options;
use treefall_model::release::Rules;
use treefall_model::time::{Instant, Span};
use treefall_model::trace::{Advance, Config, Costs, Habit, OnTerm, Order, Script, Setup, Trace, Wake};
use treefall_model::verdict::{Outcome, Signature, Weight};

use super::item::{ItemKind, LogItem};
use super::log_replay::{GRACE, LogReplay, PlacedItem, RunFate, StepOutcome, between, brings, micros};
use super::matching::end_status;
use super::windows::LogWindow;
use treefall_subject::replica::run_replica_as;

/// Largest total cost of an interleaving.
const COST_MAX: u32 = 3;
/// Most wakes of one interleaving.
const WAKES_MAX: usize = 400;
/// Most wakes after the last line of the log, while the process is not yet dead.
const IDLE_MAX: usize = 32;
/// Duration of a run that the log says nothing of.
const QUIET: Span = Span::from_millis(1);
/// A timeout this close before the timer counts as due with it.
const DUE: Span = Span::from_millis(1);

/// Counts and results of a search.
#[derive(Clone, Default, Debug)]
pub struct Searched {
    /// Interleavings tried.
    pub tried: u64,
    /// Those of them that reproduce the log's lines.
    pub fitting: u64,
    /// All interleavings of the search's alphabet were tried.
    pub exhausted: bool,
    /// Largest cost up to which all interleavings were tried, in every window; `None`: not even cost 0.
    pub departures: Option<u32>,
    /// The smallest interleaving for each signature, in the order of signatures.
    pub best: BTreeMap<Signature, Interleaving>,
    /// The simplest interleaving that reproduces the log's lines, in the longest window that has one.
    pub plainest: Option<Interleaving>,
}

/// A trace that reproduces lines of a log, and where it has each line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interleaving {
    /// The events from outside.
    pub trace: Trace,
    /// Number of assumptions that the log does not state.
    pub untold: u32,
    /// The process survives a memory violation to the end of the trace, although the log reports its death.
    pub survives: bool,
    /// Its cost, in departures from the simplest choices.
    pub cost: u32,
    /// Where each item of the log lies in the trace.
    pub placed: Vec<PlacedItem>,
    /// Interval of the log's time in which the trace begins, in microseconds, both ends included.
    pub began: (i64, i64),
    /// Number of times that the search met the signature.
    pub seen: u64,
}

impl Interleaving {
    /// Returns a sort key: smaller is better. Exits that follow a violation in its wake need not match the log, so
    /// that fewer exits are better.
    pub(super) fn size(&self) -> (u32, bool, usize, usize, u32) {
        let exits = self.trace.wakes().iter().map(|wake| wake.exits.len()).sum();
        (self.untold, self.survives, exits, self.trace.wakes().len(), self.cost)
    }
}

/// The search of one window with one setup.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct WindowResult {
    /// An interleaving reproduces the log's lines.
    pub(super) fits: bool,
    /// Interleavings tried.
    pub(super) tried: u64,
    /// The furthest line that no interleaving passed, from 1; 0: none was tried.
    pub(super) stuck: usize,
    /// Steps of the beam search.
    pub(super) steps: u64,
}

/// One interleaving to continue from a blocked loop.
pub(super) struct Choice {
    pub(super) cost: u32,
    pub(super) untold: u32,
    pub(super) act: Act,
}

pub(super) enum Act {
    Fates(Vec<(Run, RunFate)>),
    Wake(Wake),
}

/// Returns the setups to try for what the log leaves open.
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

/// Returns the setups of the beam search: any run may ignore its SIGTERM.
pub(super) fn free_setups(scripts: &[Script], kill_linger: Span) -> Vec<Trace> {
    setups(scripts, Some(true), kill_linger)
}

/// Runs the beam search on one window with one setup, in at most `steps` steps, and adds the results to `searched`.
pub(super) fn follow(
    start: &Trace,
    rules: Rules,
    window: &LogWindow<'_>,
    steps: u64,
    control: Control<'_>,
    searched: &mut Searched,
) -> WindowResult {
    let went = WindowResult::default();
    let mut search =
        Search { start, rules, left: u64::MAX, control, deeper: true, cut: false, went, searched };
    search.follow(window, steps);
    let went = search.went;
    (searched.exhausted, searched.departures) = (false, None);
    went
}

/// Searches one window with one setup, in at most `tries` tries, and adds the results to `searched`.
pub(super) fn search(
    start: &Trace,
    rules: Rules,
    window: &LogWindow<'_>,
    tries: u64,
    control: Control<'_>,
    searched: &mut Searched,
) -> WindowResult {
    let went = WindowResult::default();
    let mut search = Search { start, rules, left: tries, control, deeper: false, cut: false, went, searched };
    let (first, outcome) = LogReplay::begin(start, rules, window, window.begins.clone(), false);
    let mut whole = None;
    for cost_max in 0..=COST_MAX {
        search.deeper = false;
        search.go(first.clone(), outcome, cost_max);
        if search.cut {
            break;
        }
        whole = Some(cost_max);
        if !search.deeper {
            // No interleaving costs more.
            whole = Some(u32::MAX);
            break;
        }
    }
    let went = search.went;
    searched.exhausted &= whole == Some(u32::MAX);
    searched.departures = searched.departures.min(whole);
    went
}

pub(super) struct Search<'w> {
    pub(super) start: &'w Trace,
    pub(super) rules: Rules,
    pub(super) left: u64,
    pub(super) control: Control<'w>,
    /// Some interleavings cost more than the current limit.
    pub(super) deeper: bool,
    /// An interleaving was cut off at a limit.
    pub(super) cut: bool,
    pub(super) went: WindowResult,
    pub(super) searched: &'w mut Searched,
}

impl Search<'_> {
    /// Tries all interleavings that cost exactly `cost_max`.
    fn go<'t>(&mut self, first: LogReplay<'t>, outcome: StepOutcome, cost_max: u32) {
        let mut open = vec![(first, outcome, 0)];
        while let Some((replay, outcome, cost)) = open.pop() {
            if self.left == 0 || self.control.check(self.searched.tried).is_err() {
                self.cut = true;
                return;
            }
            let full = cost == cost_max;
            self.reached(&replay);
            let outcome = if full && outcome != StepOutcome::Diverged && !self.broke(&replay, cost) {
                StepOutcome::Diverged
            } else {
                outcome
            };
            let choices = match outcome {
                StepOutcome::Continues => self.choices(&replay),
                StepOutcome::Ended | StepOutcome::Diverged => Vec::new(),
            };
            if choices.is_empty() {
                if full {
                    self.over(&replay, outcome, cost);
                }
                continue;
            }
            // The simplest choice is tried first.
            for choice in choices.into_iter().rev() {
                let untold = replay.untold + choice.untold;
                if cost + choice.cost > cost_max {
                    self.deeper |= untold <= replay.window.untold;
                } else if untold <= replay.window.untold {
                    let mut next = replay.clone();
                    next.untold = untold;
                    let outcome = take(&mut next, choice.act);
                    open.push((next, outcome, cost + choice.cost));
                }
            }
        }
    }

    pub(super) fn reached(&mut self, replay: &LogReplay<'_>) {
        // Lines of two scripts may be met in another order than the log's, so the first open line counts.
        let items = replay.window.items;
        let open = items.get(replay.next).or(items.last()).map_or(0, |item| item.line);
        self.went.stuck = self.went.stuck.max(open);
    }

    /// Records an interleaving that has ended.
    pub(super) fn over(&mut self, replay: &LogReplay<'_>, outcome: StepOutcome, cost: u32) {
        self.left -= 1;
        self.searched.tried += 1;
        self.went.tried += 1;
        let (done, broke) = (
            replay.is_done() && outcome != StepOutcome::Diverged,
            outcome == StepOutcome::Ended && !replay.broken.is_empty(),
        );
        let fits = done || broke;
        self.searched.fitting += u64::from(fits);
        if done && !self.went.fits {
            // In the end it is that of the longest window.
            self.searched.plainest = self.interleaving(replay, cost).or(self.searched.plainest.take());
        }
        self.went.fits |= fits;
    }

    /// Records the violations of the last step. Returns `false` if the log continues after a crash, which contradicts
    /// it.
    pub(super) fn broke(&mut self, replay: &LogReplay<'_>, cost: u32) -> bool {
        if replay.broken.is_empty() {
            return true;
        }
        let Some(mut interleaving) = self.interleaving(replay, cost) else { return true };
        let memory = |signature: &Signature| signature.law.weight() == Weight::Memory;
        if replay.broken.iter().any(memory) {
            let (continues, dies) = (replay.continues(), replay.window.death().is_some());
            // The log continues where the process would have died, or shows no end that this could explain.
            if continues && !dies {
                return false;
            }
            let survives = self.survives(&interleaving.trace);
            if survives && !dies || continues && !survives {
                return false;
            }
            interleaving.survives = survives;
        }
        for signature in &replay.broken {
            let best = self.searched.best.entry(*signature).or_insert_with(|| interleaving.clone());
            let seen = best.seen + 1;
            if interleaving.size() < best.size() {
                *best = interleaving.clone();
            }
            best.seen = seen;
        }
        true
    }

    fn survives(&self, trace: &Trace) -> bool {
        run_replica_as(SubjectKind::Daemon, trace, self.rules, Options::EVENTS).verdict.outcome
            == Outcome::Survived
    }

    fn interleaving(&self, replay: &LogReplay<'_>, cost: u32) -> Option<Interleaving> {
        let trace = Trace::new(self.start.setup().clone(), replay.wakes.clone()).ok()?;
        Some(Interleaving {
            trace,
            untold: replay.untold,
            survives: false,
            cost,
            placed: replay.placed.clone(),
            began: replay.began,
            seen: 0,
        })
    }

    fn choices(&mut self, replay: &LogReplay<'_>) -> Vec<Choice> {
        if replay.wakes.len() >= WAKES_MAX {
            self.cut = true;
            return Vec::new();
        }
        let undecided: Vec<Run> =
            replay.living.iter().filter(|(_, alive)| alive.fate.is_none()).map(|(run, _)| *run).collect();
        if !undecided.is_empty() {
            return fates(replay, &undecided);
        }
        if let Some(wake) = quiet_wake(replay) {
            return vec![Choice { cost: 0, untold: 0, act: Act::Wake(wake) }];
        }
        if replay.is_done() {
            let Some(death) = replay.window.death() else { return Vec::new() };
            let in_time = replay.armed().is_some_and(|at| replay.began.0 + micros(at) < death.when.end);
            if !in_time {
                return Vec::new();
            }
            if replay.idle >= IDLE_MAX {
                self.cut = true;
                return Vec::new();
            }
        }
        wakes(replay)
    }
}

/// Applies a choice and returns its result.
pub(super) fn take(replay: &mut LogReplay<'_>, act: Act) -> StepOutcome {
    match act {
        Act::Wake(wake) => replay.step(wake),
        Act::Fates(fates) => {
            // Earlier violations were recorded earlier.
            replay.broken.clear();
            for (run, fate) in fates {
                if let Some(alive) = replay.living.get_mut(&run) {
                    alive.fate = Some(fate);
                }
            }
            StepOutcome::Continues
        }
    }
}

/// Returns the possible fates of runs that have just begun. The next lines of their scripts decide which is simplest.
fn fates(replay: &LogReplay<'_>, undecided: &[Run]) -> Vec<Choice> {
    let plain: Vec<(Run, RunFate)> = undecided.iter().map(|run| (*run, plain_fate(replay, *run))).collect();
    let quiet = |fates: &[(Run, RunFate)]| fates.iter().filter(|(_, fate)| *fate == RunFate::Quiet).count();
    let silent = u32::try_from(quiet(&plain)).unwrap_or(u32::MAX);
    let mut choices = vec![Choice { cost: 0, untold: 0, act: Act::Fates(plain.clone()) }];
    for place in 0..plain.len() {
        let mut other = plain.clone();
        let (fate, untold) = match other[place].1 {
            RunFate::Quiet => (RunFate::Held, 1),
            RunFate::Held | RunFate::Dies => (RunFate::Quiet, 0),
        };
        other[place].1 = fate;
        choices.push(Choice { cost: 1, untold, act: Act::Fates(other) });
    }
    if silent > 1 {
        let all = plain.iter().map(|(run, _)| (*run, RunFate::Held)).collect();
        choices.push(Choice { cost: 1, untold: silent, act: Act::Fates(all) });
    }
    choices
}

pub(super) fn plain_fate(replay: &LogReplay<'_>, run: Run) -> RunFate {
    let script = run.of.script.0;
    let Some(of) = replay.window.scripts.get(usize::from(script)) else { return RunFate::Quiet };
    let since = replay.living.get(&run).map_or(replay.now(), |alive| alive.since);
    let Some((_, LogItem { what: ItemKind::Logs(line), .. })) = replay.next_item_of(script) else {
        // A run that hung goes on hanging if its next tick may be missing from the log.
        return if replay.may_hang_on(script, since) { RunFate::Held } else { RunFate::Quiet };
    };
    // The latest moment at which the line can refer to this run.
    let until = match *line {
        LogLine::Skipped { .. } => since + of.interval,
        LogLine::Failed { by: FailedBy::TimedOut, .. } => since + of.timeout + GRACE,
        LogLine::Carried { .. } => return RunFate::Quiet,
        _ if end_status(line).is_some() => since + of.timeout,
        _ => return RunFate::Held,
    };
    let held = replay
        .next_item_of(script)
        .and_then(|(_, item)| replay.reach(item))
        .is_some_and(|(from, _)| from <= until);
    if held { RunFate::Held } else { RunFate::Quiet }
}

/// Returns the wake in which runs that the log does not mention end, if there are any.
pub(super) fn quiet_wake(replay: &LogReplay<'_>) -> Option<Wake> {
    let quiet = replay.living.iter().filter(|(_, alive)| alive.fate == Some(RunFate::Quiet));
    let mut wake = None;
    for (run, _) in quiet {
        let left = replay.armed().map_or(QUIET, |at| between(replay.now(), at));
        let after = if left > QUIET { QUIET } else { Span::from_micros(left.as_micros() / 2) };
        let so_far = wake.take().unwrap_or_else(|| Wake::new(Advance::By(after)));
        wake = Some(so_far.exit(*run, replay.quiet_end(*run)));
    }
    wake
}

/// Returns the next event from outside, and the runs that it may concern.
fn outside<'t>(replay: &LogReplay<'t>) -> Option<(&'t LogItem, Vec<Option<Run>>)> {
    let next = replay.open(replay.next)?;
    if matches!(next.what, ItemKind::Reload | ItemKind::Stops) {
        return Some((next, vec![None]));
    }
    let scripts = 0..u16::try_from(replay.window.scripts.len()).unwrap_or(u16::MAX);
    let told = scripts.filter_map(|script| replay.next_item_of(script));
    let results =
        told.filter(|(_, item)| matches!(item.what, ItemKind::Logs(line) if end_status(&line).is_some()));
    let runs = |item: &LogItem| -> Vec<Option<Run>> {
        let of_script =
            |run: &&Run| Some(run.of.script.0) == item.script() && run.of.generation == replay.generation;
        replay.living.keys().filter(of_script).map(|run| Some(*run)).collect()
    };
    let with_runs = results.map(|(place, item)| (place, item, runs(item)));
    let first = with_runs.filter(|(_, _, runs)| !runs.is_empty()).min_by_key(|(place, ..)| *place);
    first.map(|(_, item, runs)| (item, runs))
}

/// Returns the possible next wakes.
pub(super) fn wakes(replay: &LogReplay<'_>) -> Vec<Choice> {
    let armed = replay.armed();
    let choice = |cost, untold, wake| Choice { cost, untold, act: Act::Wake(wake) };
    let mut choices = Vec::new();
    let outside = outside(replay).and_then(|(item, runs)| Some((item, runs, replay.reach(item)?)));
    if let Some((item, runs, (from, to))) = &outside {
        let (from, to) = (*from, *to);
        let last = armed.map_or(to, |at| to.min(Instant::from_micros(at.as_micros().saturating_sub(1))));
        let middle = Instant::from_micros(from.as_micros().midpoint(last.as_micros()));
        let is_before = from <= last;
        // Whether it more likely comes before the timer.
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
                let after = between(replay.now(), middle);
                add(u32::from(!first) + further, Wake::new(Advance::By(after)));
                if from == replay.now() && !after.is_zero() {
                    add(1 + further, Wake::new(Advance::By(Span::ZERO)));
                }
            }
            if armed.is_some_and(|at| from <= at && at <= to) {
                for order in [Order::TimerFirst, Order::SignalsFirst] {
                    add(1 + further, Wake { order, ..Wake::next_timer() });
                }
            }
        }
        choices.extend(with_more(replay, item, from, to));
    } else if armed.is_some() {
        choices.push(choice(0, 0, Wake::next_timer()));
    }
    for run in due(replay) {
        let wake = Wake::next_timer().exit(run, replay.quiet_end(run));
        let (cost, untold) = match replay.logs_lost(run.of.script.0) {
            Some(true) => (0, 0),
            None => (1, 0),
            Some(false) => (1, 1),
        };
        choices.push(choice(cost, untold, wake));
    }
    choices.sort_by_key(|choice| choice.cost);
    choices
}

/// Returns wakes that combine a reload with the timer and an exit that the log does not mention.
fn with_more(replay: &LogReplay<'_>, item: &LogItem, from: Instant, to: Instant) -> Vec<Choice> {
    let mut choices = Vec::new();
    if item.what != ItemKind::Reload {
        return choices;
    }
    if replay.armed().is_some_and(|at| from <= at && at <= to) {
        for run in due(replay) {
            let wake = Wake::next_timer().exit(run, replay.quiet_end(run));
            let wake = brings(item, None, wake);
            choices.extend(wake.map(|wake| Choice { cost: 1, untold: 1, act: Act::Wake(wake) }));
        }
    }
    choices
}

/// Returns the hanging runs whose timeout is due with the timer.
fn due(replay: &LogReplay<'_>) -> Vec<Run> {
    let Some(at) = replay.armed() else { return Vec::new() };
    let is_due = |run: &Run, since: Instant| {
        let script = replay.window.scripts.get(usize::from(run.of.script.0));
        script.is_some_and(|script| {
            let due = since + script.timeout;
            due <= at && at.saturating_since(due) <= DUE
        })
    };
    let held = replay.living.iter().filter(|(_, alive)| alive.fate == Some(RunFate::Held));
    held.filter(|(run, alive)| is_due(run, alive.since)).map(|(run, _)| *run).collect()
}
