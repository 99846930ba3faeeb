//! Lists the single changes of a trace.
//!
//! Invariant: each one changes the trace, and the lists depend on the trace alone.

use treefall_model::signal::ExitStatus;
use treefall_model::time::Span;
use treefall_model::trace::{
    Advance, Config, Costs, Habit, HeapPolicy, OnTerm, Order, PidPolicy, Rank, Script, ScriptKind, Setup,
    Trace, Wake,
};

use super::edit::Edit;
use super::size::is_numbered;

/// Times that are tried, in seconds.
const SECONDS: [u64; 4] = [1, 2, 3, 5];

impl Edit {
    /// The edits that take a wake, a script, a configuration, an exit, a signal, an event or an interface away.
    #[must_use]
    pub fn taking_away(trace: &Trace) -> Vec<Self> {
        let mut edits = Vec::new();
        of_wakes(trace.wakes(), &mut edits);
        let configs = &trace.setup().configs;
        let widest = configs.iter().map(|config| config.scripts.len()).max().unwrap_or(0);
        edits.extend((0..widest).rev().map(|script| Self::DropScript { script }));
        edits.extend((0..configs.len()).rev().map(|config| Self::DropConfig { config }));
        edits.extend((0..configs.len()).rev().map(|config| Self::DropLastScript { config }));
        for (wake, value) in trace.wakes().iter().enumerate() {
            edits.extend((0..value.exits.len()).rev().map(|exit| Self::DropExit { wake, exit }));
            edits.extend(value.hup.map(|_| Self::DropHup { wake }));
            edits.extend(value.term.then_some(Self::DropTerm { wake }));
            edits.extend((0..value.events.len()).rev().map(|event| Self::DropEvent { wake, event }));
        }
        edits.extend((0..trace.setup().links.len()).rev().map(|link| Self::DropLink { link }));
        edits
    }

    /// Returns the edits that remove nothing, but simplify or change something.
    #[must_use]
    pub fn simplifying(trace: &Trace) -> Vec<Self> {
        let mut edits = Vec::new();
        of_setup(trace.setup(), &mut edits);
        for (wake, value) in trace.wakes().iter().enumerate() {
            of_wake(wake, value, trace.setup(), &mut edits);
        }
        for (config, value) in trace.setup().configs.iter().enumerate() {
            for (script, value) in value.scripts.iter().enumerate() {
                of_script(config, script, value, &mut edits);
            }
        }
        edits
    }

    /// Returns all single edits of a trace, the largest removals first.
    #[must_use]
    pub fn all(trace: &Trace) -> Vec<Self> {
        let mut edits = Self::taking_away(trace);
        edits.append(&mut Self::simplifying(trace));
        edits
    }
}

fn of_wakes(wakes: &[Wake], edits: &mut Vec<Edit>) {
    let length = wakes.len();
    edits.extend((0..length).rev().map(|start| Edit::DropWakes { start, end: start + 1 }));
    edits.extend((2..length).map(|end| Edit::DropWakes { start: 0, end }));
    for wake in (0..length.saturating_sub(1)).rev() {
        let advances = [wakes[wake + 1].advance, wakes[wake].advance];
        edits.push(Edit::MergeWakes { wake });
        edits.extend((advances[0] != advances[1]).then_some(Edit::MergeIntoFirst { wake }));
        let spans =
            SECONDS.map(Span::from_secs).into_iter().filter(|span| !advances.contains(&Advance::By(*span)));
        edits.extend(spans.map(|span| Edit::MergeLate { wake, span }));
    }
}

fn of_setup(setup: &Setup, edits: &mut Vec<Edit>) {
    let mut push = |changes: bool, edit| edits.extend(changes.then_some(edit));
    push(setup.pids != PidPolicy::default(), Edit::SimplePids);
    push(setup.heap != HeapPolicy::default(), Edit::SimpleHeap);
    push(!setup.fork_failures.is_empty(), Edit::ForksSucceed);
    push(setup.costs != Costs::default(), Edit::NoCosts);
    for start in setup.fork_failures.iter().filter(|_| setup.fork_failures.len() > 1) {
        push(true, Edit::ForkSucceeds { start: *start });
    }
    for (link, value) in setup.links.iter().enumerate() {
        for (up, delay) in [(false, value.down_delay), (true, value.up_delay)] {
            let plain = [0, SECONDS[0], SECONDS[1], SECONDS[2], SECONDS[3]].map(Span::from_secs);
            let others = others(delay, plain).map(|delay| Edit::DelayOf { link, up, delay });
            others.for_each(|edit| push(true, edit));
        }
    }
    for (kind, cost) in setup.costs.each().into_iter().enumerate() {
        push(!cost.is_zero(), Edit::NoCost { kind });
    }
    let scripts = || setup.configs.iter().flat_map(|config| &config.scripts);
    let any = |differs: &dyn Fn(&Script) -> bool| scripts().any(differs);
    push(any(&|script| script.habit != Habit::default()), Edit::SimpleHabits);
    push(any(&|script| script.timeout != script.interval), Edit::TimeoutsAsIntervals);
    let named = |config: &Config| {
        config.scripts.iter().enumerate().any(|(place, script)| !is_numbered(&script.name, place))
    };
    push(setup.configs.iter().any(named), Edit::Names);
    // An edit of all scripts equals an edit of the only script.
    let several = scripts().nth(1).is_some();
    for seconds in SECONDS.map(Span::from_secs).into_iter().filter(|_| several) {
        push(any(&|script| script.interval != seconds), Edit::AllIntervals { interval: seconds });
        push(any(&|script| script.timeout != seconds), Edit::AllTimeouts { timeout: seconds });
    }
}

fn of_wake(wake: usize, value: &Wake, setup: &Setup, edits: &mut Vec<Edit>) {
    for (exit, ended) in value.exits.iter().enumerate().rev() {
        let statuses = [ExitStatus::SUCCESS, ExitStatus::Code(1)].into_iter();
        edits.extend(statuses.filter(|status| *status != ended.status).map(|status| Edit::ExitStatus {
            wake,
            exit,
            status,
        }));
        let nth = ended.run.nth;
        let others = others(nth, [1, nth / 2, nth - 1]).filter(|nth| *nth > 0);
        edits.extend(others.map(|nth| Edit::ExitNth { wake, exit, nth }));
        let generation = ended.run.of.generation.0;
        let others = self::others(generation, [0, generation.saturating_sub(1)]);
        edits.extend(others.map(|generation| Edit::ExitGeneration { wake, exit, generation }));
    }
    if let Some(hup) = value.hup {
        let configs = (0..setup.configs.len().min(4)).map(|config| config as u8);
        edits
            .extend(configs.filter(|config| *config != hup.0).map(|config| Edit::HupConfig { wake, config }));
    }
    if value.order != Order::TimerFirst {
        edits.push(Edit::OrderOf { wake, order: Order::TimerFirst });
    }
    if value.rank != Rank::Last {
        edits.push(Edit::RankOf { wake, rank: Rank::Last });
    }
    let by = |span| Edit::AdvanceOf { wake, advance: Advance::By(span) };
    let plain = [0, SECONDS[0], SECONDS[1], SECONDS[2], SECONDS[3]].map(Span::from_secs);
    match value.advance {
        Advance::NextTimer => edits.extend(plain.map(by)),
        Advance::By(span) => {
            edits.push(Edit::AdvanceOf { wake, advance: Advance::NextTimer });
            let micros = span.as_micros();
            let less = [micros / 1_000_000 * 1_000_000, micros / 2, micros.saturating_sub(1)];
            let spans: Vec<Span> = plain.into_iter().chain(less.map(Span::from_micros)).collect();
            edits.extend(others(span, spans).map(by));
        }
    }
}

fn of_script(config: usize, script: usize, value: &Script, edits: &mut Vec<Edit>) {
    let whole = |span: Span| Span::from_micros((span.as_micros() / 1_000_000).max(1) * 1_000_000);
    let seconds = SECONDS.map(Span::from_secs);
    let intervals: Vec<Span> = seconds.into_iter().chain([whole(value.interval)]).collect();
    let timeouts: Vec<Span> = seconds.into_iter().chain([value.interval, whole(value.timeout)]).collect();
    edits.extend(others(value.interval, intervals).map(|interval| Edit::Interval {
        config,
        script,
        interval,
    }));
    edits.extend(others(value.timeout, timeouts).map(|timeout| Edit::Timeout { config, script, timeout }));
    let mut push = |changes: bool, edit| edits.extend(changes.then_some(edit));
    let (on_term, lingers) = (value.habit.on_term, !value.habit.kill_linger.is_zero());
    push(value.habit != Habit::default(), Edit::SimpleHabit { config, script });
    push(lingers && on_term != OnTerm::default(), Edit::DiesAtOnce { config, script });
    push(lingers && on_term != OnTerm::default(), Edit::NoLinger { config, script });
    push(on_term != OnTerm::Ignores, Edit::Ignores { config, script });
    push(value.kind != ScriptKind::Track, Edit::Kind { config, script });
    push((value.rise, value.fall) != (1, 1), Edit::RiseAndFall { config, script });
}

/// Returns each distinct value other than `than`.
fn others<T: Copy + PartialEq>(than: T, values: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    let mut known = vec![than];
    values.into_iter().filter(move |value| {
        let new = !known.contains(value);
        known.push(*value);
        new
    })
}
