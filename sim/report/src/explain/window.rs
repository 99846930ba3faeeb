//! The width of the window: for each time in a trace, the widest interval in which it still fails.
//!
//! There are three kinds of time. *Events*: a signal or an exit is moved alone, on a loop that is never late: timers due
//! before it wake the loop on time. *Returns of the loop*: a whole wake is moved, so that behind a deadline the loop is
//! late, as on a loaded machine. *Configuration*: interval, timeout, and other values of the setup that are not defaults.
//!
//! The search goes outwards from the value, by doubling and then by halving, to the microsecond or to the unit of the
//! subject's configuration; a time that a user's configuration fixes is not moved. [`SAMPLES`] places inside are tried for
//! gaps. Invariant: both ends fail, and one unit beyond an end does not, unless [`End`] says otherwise.

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::event::{Event, SubjectKind};
use treefall_model::observe::Options;
use treefall_model::release::Rules;
use treefall_model::time::{Deadline, Instant, Span};
use treefall_model::trace::{Advance, OnTerm, Script, Setup, Trace, Wake};

use super::minimality::tried;
use super::probe::Probe;
use super::wakes::{self, Met};
use crate::Names;
use crate::section::{Cell, Content, Section, Table, Tone};
use treefall_search::error::SearchError;
use treefall_subject::replica::run_replica_as;

/// Most times of one trace that are moved.
pub const TIMES_MAX: usize = 32;
/// Farthest move, in microseconds: an end there is open.
const FARTHEST: u64 = 3_600_000_000;
/// Places inside an interval at which gaps are looked for.
pub const SAMPLES: u64 = 8;
/// Most timers that a moved event waits for.
const TIMERS_MAX: usize = 24;

/// The interval in which one time can be moved.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Window {
    /// The time: `SIGHUP`, `wake 1`, `timeout of chk_haproxy`.
    pub time: String,
    /// Its value in the trace, in seconds.
    pub value: String,
    /// The least value that fails, in seconds.
    pub from: String,
    /// The greatest.
    pub to: String,
    /// How it ends below.
    pub below: End,
    /// How it ends above.
    pub above: End,
    /// Whether it does not fail somewhere in between.
    pub gaps: bool,
    /// The condition: `timer first`.
    pub given: String,
}

/// How an interval ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// One microsecond further, or one unit of the configuration, it does not fail.
    Closed,
    /// It fails as far as it was tried.
    Open,
    /// There is no trace beyond, or the subject cannot play it.
    Last,
}

impl End {
    const fn words(self, open: &'static str) -> &'static str {
        match self {
            Self::Closed => "",
            Self::Open => open,
            Self::Last => " at the furthest",
        }
    }
}

impl Window {
    /// `[2.000000, 2.000000] s, timer first`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let from = format!("{}{}", self.from, self.below.words(" or less"));
        let to = format!("{}{}", self.to, self.above.words(" or more"));
        let gaps = if self.gaps { ", with gaps" } else { "" };
        let given = if self.given.is_empty() { String::new() } else { format!(", {}", self.given) };
        format!("within [{from}, {to}] s{given}{gaps}")
    }
}

/// The windows of a trace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Windows {
    /// In this order: events, returns of the loop, configuration.
    pub windows: Vec<Window>,
    /// Runs that this took.
    pub runs: u64,
    /// Number of times that were not moved: beyond [`TIMES_MAX`], or without runs left.
    pub left_out: usize,
}

impl Windows {
    /// Explains `at the furthest`; empty: no window has such an end.
    #[must_use]
    pub fn note(&self) -> &'static str {
        let last = |window: &Window| window.below == End::Last || window.above == End::Last;
        if self.windows.iter().any(last) {
            "at the furthest: it fails that far, and further no trace can have it: the next wake, the start or a limit is in the way"
        } else {
            ""
        }
    }
}

/// The section of these windows; `None`: there is none.
pub(crate) fn section(windows: &Windows) -> Option<Section<'static>> {
    let mut table = Table::new(["time", "in the trace", "fails"]);
    for window in &windows.windows {
        table.row([window.time.clone(), format!("{} s", window.value), window.in_words()].map(Cell::from));
    }
    if table.rows.is_empty() {
        return None;
    }
    let what = "Each time, moved alone: the widest interval in which the trace still fails.";
    let mut blocks = vec![Content::Sentence(Tone::Plain, what.to_owned()), Content::Table(table)];
    if !windows.note().is_empty() {
        blocks.push(Content::Sentence(Tone::Quiet, format!("{}.", windows.note())));
    }
    blocks.push(tried(windows.runs, windows.left_out, "times were not moved"));
    Some(Section::new("window", "window", "How wide the window is", blocks))
}

/// A time that is moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Time {
    /// The n-th event of a wake (its exits, then SIGHUP, then SIGTERM), alone.
    Thing {
        wake: usize,
        thing: usize,
    },
    /// A whole wake.
    Wake {
        wake: usize,
    },
    Interval {
        config: usize,
        script: usize,
    },
    Timeout {
        config: usize,
        script: usize,
    },
    DiesAfter {
        config: usize,
        script: usize,
    },
    KillLinger {
        config: usize,
        script: usize,
    },
}

impl Time {
    /// Whether it is a value of the configuration.
    fn is_configured(self) -> bool {
        matches!(self, Self::Interval { .. } | Self::Timeout { .. })
    }
}

/// The trace whose times are moved.
struct Frame<'t> {
    trace: &'t Trace,
    met: &'t [Option<Met>],
    kind: SubjectKind,
    rules: Rules,
}

/// Finds the windows of `trace`, whose wakes were met so. `prompt`: the replica that plays a loop that is never late.
pub(super) fn windows(
    asker: &mut Probe<'_>,
    trace: &Trace,
    met: &[Option<Met>],
    prompt: (SubjectKind, Rules),
    names: &Names<'_>,
) -> Result<Windows, SearchError> {
    let before = asker.runs;
    let frame = Frame { trace, met, kind: prompt.0, rules: prompt.1 };
    let mut times = frame.times();
    if asker.unit_of_times().is_none() {
        times.retain(|time| !time.is_configured());
    }
    let (mut windows, mut left_out) = (Vec::new(), times.len().saturating_sub(TIMES_MAX));
    for time in times.into_iter().take(TIMES_MAX) {
        match frame.window(asker, time, names)? {
            Some(window) => windows.push(window),
            None => left_out += usize::from(asker.spent()),
        }
    }
    Ok(Windows { windows, runs: asker.runs - before, left_out })
}

impl Frame<'_> {
    fn times(&self) -> Vec<Time> {
        let mut times = Vec::new();
        let wakes = self.trace.wakes();
        for (wake, value) in wakes.iter().enumerate() {
            // What happens to interfaces moves with its wake.
            let things = value.external_events() - value.events.len();
            times.extend((0..things).map(|thing| Time::Thing { wake, thing }));
        }
        times.extend((0..wakes.len()).map(|wake| Time::Wake { wake }));
        for (config, value) in self.trace.setup().configs.iter().enumerate() {
            for (script, value) in value.scripts.iter().enumerate() {
                times.extend([Time::Interval { config, script }, Time::Timeout { config, script }]);
                if matches!(value.habit.on_term, OnTerm::Dies(after) if !after.is_zero()) {
                    times.push(Time::DiesAfter { config, script });
                }
                if !value.habit.kill_linger.is_zero() {
                    times.push(Time::KillLinger { config, script });
                }
            }
        }
        times
    }

    /// Returns the value of a time; `None`: the run does not reveal it.
    fn value(&self, time: Time) -> Option<u64> {
        let script = |config: usize, script: usize| &self.trace.setup().configs[config].scripts[script];
        let span = match time {
            Time::Thing { wake, .. } | Time::Wake { wake } => {
                return self.met[wake].map(|met| met.woke_at.as_micros());
            }
            Time::Interval { config, script: place } => script(config, place).interval,
            Time::Timeout { config, script: place } => script(config, place).timeout,
            Time::KillLinger { config, script: place } => script(config, place).habit.kill_linger,
            Time::DiesAfter { config, script: place } => match script(config, place).habit.on_term {
                OnTerm::Dies(after) => after,
                OnTerm::Ignores => return None,
            },
        };
        Some(span.as_micros())
    }

    /// Returns the trace with another value; `None`: there is no such trace.
    fn with(&self, time: Time, value: u64) -> Option<Trace> {
        let (mut setup, mut wakes) = self.trace.clone().into_parts();
        let span = Span::from_micros(value);
        match time {
            Time::Thing { wake, thing } => return self.moved(wake, thing, Instant::from_micros(value)),
            Time::Wake { wake } => self.put_off(&mut wakes, wake, Instant::from_micros(value))?,
            Time::Interval { config, script } => script_in(&mut setup, config, script)?.interval = span,
            Time::Timeout { config, script } => script_in(&mut setup, config, script)?.timeout = span,
            Time::DiesAfter { config, script } => {
                script_in(&mut setup, config, script)?.habit.on_term = OnTerm::Dies(span);
            }
            Time::KillLinger { config, script } => {
                script_in(&mut setup, config, script)?.habit.kill_linger = span;
            }
        }
        Trace::new(setup, wakes).ok()
    }

    /// Moves a wake to `at`; later wakes stay.
    fn put_off(&self, wakes: &mut [Wake], wake: usize, at: Instant) -> Option<()> {
        let met = self.met[wake]?;
        wakes[wake].advance = Advance::By(wakes::since(at, met.blocked_at)?);
        let Some(next) = wakes.get_mut(wake + 1) else { return Some(()) };
        let (Some(then), Advance::By(_)) = (self.met[wake + 1], next.advance) else { return Some(()) };
        if then.blocked_at == met.woke_at {
            next.advance = Advance::By(wakes::since(then.woke_at, at)?);
        }
        Some(())
    }

    /// Moves one event out of its wake to `at`, on a loop that is never late.
    fn moved(&self, wake: usize, thing: usize, at: Instant) -> Option<Trace> {
        let met = self.met[wake]?;
        if at == met.woke_at {
            return Some(self.trace.clone());
        }
        let (setup, mut wakes) = self.trace.clone().into_parts();
        let mut alone = Wake::new(Advance::By(Span::ZERO));
        alone.order = wakes[wake].order;
        let from = &mut wakes[wake];
        let exits = from.exits.len();
        if thing < exits {
            alone.exits.push(from.exits.remove(thing));
        } else if thing == exits && from.hup.is_some() {
            alone.hup = from.hup.take();
        } else {
            alone.term = std::mem::take(&mut from.term);
        }
        let empty = from.external_events() == 0;
        if at < met.woke_at {
            alone.advance = Advance::By(wakes::since(at, met.blocked_at)?);
            // The rest of the wake stays.
            if let Advance::By(_) = from.advance {
                from.advance = Advance::By(wakes::since(met.woke_at, at)?);
            }
            wakes.insert(wake, alone);
            if empty && !met.timer {
                wakes.remove(wake + 1);
            }
            return Trace::new(setup, wakes).ok();
        }
        if empty && !met.timer {
            // The event was alone: it moves, and all timers before it stay on time.
            wakes.truncate(wake);
        } else {
            wakes.truncate(wake + 1);
        }
        self.promptly(Trace::new(setup, wakes).ok()?, alone, at, wake)
    }

    /// Adds wakes for every timer due before `at`, then `alone` at that instant, then the later wakes.
    fn promptly(&self, before: Trace, alone: Wake, at: Instant, wake: usize) -> Option<Trace> {
        let (setup, mut wakes) = before.into_parts();
        for _ in 0..TIMERS_MAX {
            let so_far = Trace::new(setup.clone(), wakes.clone()).ok()?;
            let options = Options { keep: true, ..Options::EVENTS };
            let records = run_replica_as(self.kind, &so_far, self.rules, options).records;
            let blocked = records.iter().rev().find_map(|record| match record.event {
                Event::Blocked { deadline } => Some((record.at, deadline)),
                _ => None,
            });
            let (blocked_at, deadline) = blocked?;
            if deadline >= Deadline::At(at) {
                let mut alone = alone;
                alone.advance = Advance::By(wakes::since(at, blocked_at)?);
                wakes.push(alone);
                // Later wakes stay where that is still possible.
                let mut base = at;
                for (place, next) in self.trace.wakes().iter().enumerate().skip(wake + 1) {
                    let mut next = next.clone();
                    if let (Advance::By(_), Some(met)) = (next.advance, self.met[place]) {
                        next.advance = Advance::By(wakes::since(met.woke_at, base)?);
                        base = met.woke_at;
                    }
                    wakes.push(next);
                }
                return Trace::new(setup, wakes).ok();
            }
            wakes.push(Wake::next_timer());
        }
        None
    }

    fn window(
        &self,
        asker: &mut Probe<'_>,
        time: Time,
        names: &Names<'_>,
    ) -> Result<Option<Window>, SearchError> {
        let Some(value) = self.value(time) else { return Ok(None) };
        let unit = asker.unit_of_times().filter(|_| time.is_configured());
        let unit = unit.map_or(1, |unit| unit.as_micros().max(1));
        let mut fails = |value: u64| -> Result<Option<bool>, SearchError> {
            match self.with(time, value) {
                Some(trace) => asker.has(&trace),
                None => Ok(None),
            }
        };
        if fails(value)? != Some(true) {
            return Ok(None);
        }
        let (to, above) = edge(value, true, unit, &mut fails)?;
        let (from, below) = edge(value, false, unit, &mut fails)?;
        let mut gaps = false;
        let width = to - from;
        if width / unit > SAMPLES {
            for place in 1..=SAMPLES {
                gaps |= fails(from + width / unit / (SAMPLES + 1) * unit * place)? == Some(false);
            }
        }
        let seconds = |micros| Instant::from_micros(micros).to_string();
        let (time, given) = self.in_words(time, names);
        Ok(Some(Window {
            time,
            value: seconds(value),
            from: seconds(from),
            to: seconds(to),
            below,
            above,
            gaps,
            given,
        }))
    }

    fn in_words(&self, time: Time, names: &Names<'_>) -> (String, String) {
        let script = |config: usize, place: usize| {
            let name = &self.trace.setup().configs[config].scripts[place].name;
            let several = self.trace.setup().configs.len() > 1;
            if several { format!("{name} in configuration {config}") } else { name.to_string() }
        };
        let order = |wake: usize| {
            wakes::reported(&self.trace.wakes()[wake], self.met[wake].is_some_and(|met| met.timer))
        };
        match time {
            Time::Thing { wake, thing } => {
                let brings = wakes::brings(&self.trace.wakes()[wake], false, names);
                let name = brings.get(thing).cloned().unwrap_or_default();
                // A run exits once; a signal may come several times.
                let again = |(place, other): (usize, &Wake)| {
                    place != wake && wakes::brings(other, false, names).contains(&name)
                };
                let several = self.trace.wakes().iter().enumerate().any(again);
                let of = if several { format!(" of wake {}", wake + 1) } else { String::new() };
                (format!("{name}{of} by itself"), order(wake))
            }
            Time::Wake { wake } => (format!("the return of the loop in wake {}", wake + 1), order(wake)),
            Time::Interval { config, script: place } => {
                (format!("interval of {}", script(config, place)), String::new())
            }
            Time::Timeout { config, script: place } => {
                (format!("timeout of {}", script(config, place)), String::new())
            }
            Time::DiesAfter { config, script: place } => {
                (format!("from SIGTERM to the death of {}", script(config, place)), String::new())
            }
            Time::KillLinger { config, script: place } => {
                (format!("from SIGKILL to the death of {}", script(config, place)), String::new())
            }
        }
    }
}

fn script_in(setup: &mut Setup, config: usize, script: usize) -> Option<&mut Script> {
    setup.configs.get_mut(config)?.scripts.get_mut(script)
}

/// Returns the last failing value from `value` on, upwards or downwards in units, and the kind of end.
fn edge(
    value: u64,
    up: bool,
    unit: u64,
    fails: &mut dyn FnMut(u64) -> Result<Option<bool>, SearchError>,
) -> Result<(u64, End), SearchError> {
    let limit = if up { value.saturating_add(FARTHEST) } else { value.saturating_sub(FARTHEST) };
    let step = |by: u64| {
        if up { value.saturating_add(by).min(limit) } else { value.saturating_sub(by).max(limit) }
    };
    let (mut good, mut by) = (value, unit);
    let mut bad = loop {
        let next = step(by);
        if next == good {
            return Ok((good, if good == 0 { End::Last } else { End::Open }));
        }
        if fails(next)? != Some(true) {
            break next;
        }
        (good, by) = (next, by.saturating_mul(2));
    };
    while good.abs_diff(bad) / unit > 1 {
        let half = (good.abs_diff(bad) / unit / 2) * unit;
        let middle = if bad > good { good + half } else { good - half };
        if fails(middle)? == Some(true) { good = middle } else { bad = middle }
    }
    Ok((good, if fails(bad)?.is_none() { End::Last } else { End::Closed }))
}
