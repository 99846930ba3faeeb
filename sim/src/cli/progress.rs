//! Formats the progress of long work: the share done, the rate, and the time left.

use std::fmt::Display;
use std::sync::Mutex;
use std::time::Duration;

use super::interrupt::Stopwatch;
use super::output::{Output, count};
use super::workers;
use treefall_field::soak::numbers::in_words as time;

/// Time between two updates; work may report far more often.
const SHOWN_EVERY: Duration = Duration::from_millis(200);

/// Rate of a work of many parts.
pub(super) struct Progress {
    watch: Stopwatch,
    /// Time limit, in real time.
    limit: Option<Duration>,
}

impl Progress {
    /// Starts a measurement.
    pub(super) fn begin(limit: Option<Duration>) -> Self {
        Self { watch: Stopwatch::start(), limit }
    }

    /// Formats `12 of 300 traces, 4/s, 72 s left`; the total is optional. Rate and time are unknown until the first
    /// part is done.
    pub(super) fn done(&self, done: u64, of: Option<u64>, one: &str) -> String {
        text_of(self.watch.elapsed(), self.limit, (done, of), one)
    }

    /// Formats the start of part `nth`, from 1: `3 of 12, 72 s left: NAME`. The name is last because a narrow
    /// terminal may cut it off.
    pub(super) fn part(&self, nth: usize, of: usize, name: impl Display) -> String {
        let done = nth.saturating_sub(1) as f64;
        format!("{nth} of {of}{}: {name}", left(self.watch.elapsed(), self.limit, done, Some(of as f64)))
    }

    /// Formats `done` of at most `of` seconds of virtual time.
    pub(super) fn virtual_time(&self, done: f64, of: f64) -> String {
        let elapsed = self.watch.elapsed();
        let rate = done / elapsed.as_secs_f64().max(SHORT);
        let left = left(elapsed, self.limit, done, Some(of));
        format!("{} of at most {}{left}, {} a second", time(done), time(of), time(rate))
    }
}

fn text_of(elapsed: Duration, limit: Option<Duration>, (done, of): (u64, Option<u64>), one: &str) -> String {
    let bound = of.map_or_else(String::new, |of| format!(" of {of}"));
    let many = if of.unwrap_or(done) == 1 { "" } else { "s" };
    let rate = done as f64 / elapsed.as_secs_f64().max(SHORT);
    let rate = match done {
        0 => String::new(),
        _ if rate >= 10.0 => format!(", {rate:.0}/s"),
        _ => format!(", {rate:.1}/s"),
    };
    format!("{done}{bound} {one}{many}{rate}{}", left(elapsed, limit, done as f64, of.map(|of| of as f64)))
}

/// Estimates the time left from the rate so far; at most the time limit.
fn left(elapsed: Duration, limit: Option<Duration>, done: f64, of: Option<f64>) -> String {
    let elapsed_s = elapsed.as_secs_f64();
    let by_parts = of.filter(|_| done > 0.0).map(|of| (of - done).max(0.0) * elapsed_s / done);
    let by_time = limit.map(|limit| limit.saturating_sub(elapsed).as_secs_f64());
    let left = match (by_parts, by_time) {
        (Some(parts), Some(time)) => Some(parts.min(time)),
        (parts, time) => parts.or(time),
    };
    left.map_or_else(String::new, |left| match left {
        // The estimate is too rough for tenths of a second.
        ..120.0 => format!(", {left:.0} s left"),
        _ => format!(", {} left", time(left)),
    })
}

/// Shortest time that gives a rate, in seconds.
const SHORT: f64 = 1e-3;

/// Shows the current work, from any thread.
pub(super) struct ProgressLine<'o> {
    watch: Stopwatch,
    /// The output, and the time of the last update.
    shown: Mutex<(&'o mut Output, Option<Duration>)>,
}

impl<'o> ProgressLine<'o> {
    pub(super) fn new(output: &'o mut Output) -> Self {
        Self { watch: Stopwatch::start(), shown: Mutex::new((output, None)) }
    }

    /// Shows the number of runs done for `what`; returns whether to continue.
    pub(super) fn keep_going(&self, what: impl FnOnce() -> String, runs: u64) -> bool {
        self.show(|| format!("{}, {}", what(), count(runs, "run")));
        !workers::interrupted()
    }

    /// Shows the text, if an update is due and no other thread is writing one.
    pub(super) fn show(&self, text: impl FnOnce() -> String) {
        let Ok(mut shown) = self.shown.try_lock() else { return };
        let now = self.watch.elapsed();
        if shown.1.is_none_or(|last| now >= last + SHOWN_EVERY) {
            shown.1 = Some(now);
            shown.0.progress(text());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_has_share_rate_and_time_left() {
        let seconds = Duration::from_secs;
        let text = |elapsed, limit: Option<u64>, done, of| {
            text_of(seconds(elapsed), limit.map(seconds), (done, of), "trace")
        };
        assert_eq!(text(10, None, 25, Some(100)), "25 of 100 traces, 2.5/s, 30 s left");
        assert_eq!(text(10, Some(15), 25, Some(100)), "25 of 100 traces, 2.5/s, 5 s left");
        assert_eq!(text(10, Some(70), 2_000, None), "2000 traces, 200/s, 60 s left");
        assert_eq!(text(10, Some(1_010), 2_000, None), "2000 traces, 200/s, 16.7 min left");
        assert_eq!(text(10, None, 2_000, None), "2000 traces, 200/s");
        // Before the first trace is done, and with more done than requested.
        assert_eq!(text(10, None, 0, Some(1)), "0 of 1 trace");
        assert_eq!(text(10, None, 101, Some(100)), "101 of 100 traces, 10/s, 0 s left");
    }
}
