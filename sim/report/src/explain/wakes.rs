//! The wakes of a trace in one run, and their descriptions.

use treefall_model::event::{Event, Record};
use treefall_model::time::{Instant, Span};
use treefall_model::trace::{Advance, Order, Rank, Trace, Wake};

use crate::Names;

/// One wake in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Met {
    /// When the loop had blocked before it.
    pub blocked_at: Instant,
    /// When the blocking call returned.
    pub woke_at: Instant,
    /// The timerfd was ready.
    pub timer: bool,
    /// The place of the [`Event::Woke`] in the history.
    pub record: usize,
}

/// Finds the wakes of a trace in a history; `None`: the run did not reach it, or the blocking call did not return for it.
#[must_use]
pub fn met(trace: &Trace, history: &[Record]) -> Vec<Option<Met>> {
    let mut met = vec![None; trace.wakes().len()];
    let (mut blocked_at, mut used) = (Instant::START, 0);
    for (place, record) in history.iter().enumerate() {
        match record.event {
            Event::Blocked { .. } => blocked_at = record.at,
            Event::Woke { wakes, timer, .. } => {
                // A wake that is used up with another is silent: the loop stayed blocked. One that used up none
                // is the world's own.
                if wakes == used + 1
                    && let Some(slot) = met.get_mut(used as usize)
                {
                    *slot = Some(Met { blocked_at, woke_at: record.at, timer, record: place });
                }
                used = wakes;
            }
            _ => {}
        }
    }
    met
}

/// Returns the span from blocking until `at`; `None`: `at` is earlier.
pub(super) fn since(at: Instant, blocked_at: Instant) -> Option<Span> {
    (at >= blocked_at).then(|| at.saturating_since(blocked_at))
}

/// Lists the events of a wake: `the timer`, `SIGHUP`, `the exit of chk#1`.
#[must_use]
pub fn brings(wake: &Wake, timer: bool, names: &Names<'_>) -> Vec<String> {
    let timer = timer.then(|| "the timer".to_owned());
    let exits = wake.exits.iter().map(|exit| format!("the exit of {}", names.run(exit.run)));
    let hup = wake.hup.map(|_| "SIGHUP".to_owned());
    let term = wake.term.then(|| "SIGTERM".to_owned());
    let events = wake.events.iter().map(|event| names.external(*event));
    timer.into_iter().chain(exits).chain(hup).chain(term).chain(events).collect()
}

/// How what is ready in a wake is reported: `timer first`, `interfaces first, then timer`; empty where one thing alone is.
pub(super) fn reported(wake: &Wake, timer: bool) -> String {
    let signals = !wake.exits.is_empty() || wake.hup.is_some() || wake.term;
    let others = match (timer, signals, wake.order) {
        (true, true, order) => order_words(order),
        (true, false, _) => "timer",
        (false, true, _) => "signals",
        (false, false, _) => "",
    };
    match (wake.events.is_empty(), timer && signals, wake.rank) {
        (true, true, _) => others.to_owned(),
        (true, false, _) => String::new(),
        (false, ..) if others.is_empty() => String::new(),
        (false, false, Rank::Last) => format!("{others} first"),
        (false, false, Rank::First) => "interfaces first".to_owned(),
        (false, false, Rank::Between) => format!("{others} first"),
        (false, true, Rank::Last) => format!("{others}, interfaces last"),
        (false, true, Rank::First) => format!("interfaces first, then {others}"),
        (false, true, Rank::Between) => format!("{others}, interfaces between"),
    }
}

/// `timer first`, `signals first`.
#[must_use]
pub const fn order_words(order: Order) -> &'static str {
    match order {
        Order::TimerFirst => "timer first",
        Order::SignalsFirst => "signals first",
    }
}

/// Returns the instant of each wake, also where the blocking call did not return; `None`: the run does not reveal it.
#[must_use]
pub fn times(trace: &Trace, history: &[Record]) -> Vec<Option<Instant>> {
    let mut times = Vec::new();
    let mut now = Some(Instant::START);
    let silent = |times: &mut Vec<Option<Instant>>, now: &mut Option<Instant>, upto: usize| {
        let wakes = trace.wakes();
        for wake in wakes.iter().take(upto).skip(times.len()) {
            *now = match wake.advance {
                Advance::By(span) => now.map(|now| now + span),
                Advance::NextTimer => None,
            };
            times.push(*now);
        }
    };
    for record in history {
        match record.event {
            Event::Blocked { .. } => now = Some(record.at),
            Event::Woke { wakes, .. } if wakes as usize > times.len() => {
                silent(&mut times, &mut now, wakes as usize - 1);
                now = Some(record.at);
                times.push(now);
            }
            _ => {}
        }
    }
    silent(&mut times, &mut now, trace.wakes().len());
    times
}

/// A wake in one line: `wake 1, at 2.000000 (the timer and SIGHUP, timer first)`.
#[must_use]
pub fn in_words(
    place: usize,
    wake: &Wake,
    met: Option<&Met>,
    at: Option<Instant>,
    names: &Names<'_>,
) -> String {
    let timer = met.is_some_and(|met| met.timer);
    let brings = brings(wake, timer, names);
    let what = if brings.is_empty() { "nothing but time".to_owned() } else { and(&brings) };
    let order = reported(wake, timer);
    let order = if order.is_empty() { order } else { format!(", {order}") };
    let name = name(place);
    match at {
        Some(at) => format!("{name}, at {at} ({what}{order})"),
        None => format!("{name} ({what})"),
    }
}

/// Names a wake by its place: `wake 1`.
pub(super) fn name(place: usize) -> String {
    format!("wake {}", place + 1)
}

/// `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn and(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [firsts @ .., last] => format!("{} and {last}", firsts.join(", ")),
    }
}
