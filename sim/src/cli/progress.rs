//! How far a long work is, told to whoever watches it: how much of it is done, how fast it goes, how long it takes yet.

use std::fmt::Display;
use std::sync::Mutex;
use std::time::Duration;

use super::interrupt::Stopwatch;
use super::output::{Output, count};
use super::workers;
use treefall_field::soak::numbers::in_words as time;

/// From one telling to the next: a work may ask to be told of far more often.
const SHOWN_EVERY: Duration = Duration::from_millis(200);

/// How fast a work of many parts goes.
pub(super) struct Progress {
    watch: Stopwatch,
    /// How long it may take, in a person's time.
    limit: Option<Duration>,
}

impl Progress {
    /// Of a work that begins.
    pub(super) fn begin(limit: Option<Duration>) -> Self {
        Self { watch: Stopwatch::start(), limit }
    }

    /// `12 of 300 traces, 4/s, 72 s left`: so many are done of so many, if there is a bound. Of parts of which none is
    /// done yet neither rate nor time is known.
    pub(super) fn done(&self, done: u64, of: Option<u64>, one: &str) -> String {
        in_words(self.watch.elapsed(), self.limit, (done, of), one)
    }

    /// The same of the part of this number, from 1, that is about to begin: `3 of 12, 72 s left: NAME`. What may be cut
    /// off in a narrow terminal stands last.
    pub(super) fn part(&self, nth: usize, of: usize, name: impl Display) -> String {
        let done = nth.saturating_sub(1) as f64;
        format!("{nth} of {of}{}: {name}", left(self.watch.elapsed(), self.limit, done, Some(of as f64)))
    }

    /// The same of `done` seconds of virtual time, of `of` at most.
    pub(super) fn virtual_time(&self, done: f64, of: f64) -> String {
        let elapsed = self.watch.elapsed();
        let rate = done / elapsed.as_secs_f64().max(SHORT);
        let left = left(elapsed, self.limit, done, Some(of));
        format!("{} of at most {}{left}, {} a second", time(done), time(of), time(rate))
    }
}

fn in_words(elapsed: Duration, limit: Option<Duration>, (done, of): (u64, Option<u64>), one: &str) -> String {
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

/// How long a work takes yet, by what it did until now, and at most as long as it may.
fn left(elapsed: Duration, limit: Option<Duration>, done: f64, of: Option<f64>) -> String {
    let elapsed_s = elapsed.as_secs_f64();
    let by_parts = of.filter(|_| done > 0.0).map(|of| (of - done).max(0.0) * elapsed_s / done);
    let by_time = limit.map(|limit| limit.saturating_sub(elapsed).as_secs_f64());
    let left = match (by_parts, by_time) {
        (Some(parts), Some(time)) => Some(parts.min(time)),
        (parts, time) => parts.or(time),
    };
    left.map_or_else(String::new, |left| match left {
        // To a tenth of a second nothing is known.
        ..120.0 => format!(", {left:.0} s left"),
        _ => format!(", {} left", time(left)),
    })
}

/// No rate is told of less, in seconds.
const SHORT: f64 = 1e-3;

/// Tells, from any thread, what is worked on.
pub(super) struct ProgressLine<'o> {
    watch: Stopwatch,
    /// Where to, and when it was told last.
    told: Mutex<(&'o mut Output, Option<Duration>)>,
}

impl<'o> ProgressLine<'o> {
    pub(super) fn new(output: &'o mut Output) -> Self {
        Self { watch: Stopwatch::start(), told: Mutex::new((output, None)) }
    }

    /// Tells that so many runs were done of `what`. Whether to go on: until the word to stop.
    pub(super) fn keep_going(&self, what: impl FnOnce() -> String, runs: u64) -> bool {
        self.show(|| format!("{}, {}", what(), count(runs, "run")));
        !workers::interrupted()
    }

    /// Tells it, if that is due and nobody else is telling.
    pub(super) fn show(&self, text: impl FnOnce() -> String) {
        let Ok(mut told) = self.told.try_lock() else { return };
        let now = self.watch.elapsed();
        if told.1.is_none_or(|last| now >= last + SHOWN_EVERY) {
            told.1 = Some(now);
            told.0.progress(text());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_is_told_by_what_is_done_how_fast_it_goes_and_how_long_it_takes_yet() {
        let seconds = Duration::from_secs;
        let told = |elapsed, limit: Option<u64>, done, of| {
            in_words(seconds(elapsed), limit.map(seconds), (done, of), "trace")
        };
        assert_eq!(told(10, None, 25, Some(100)), "25 of 100 traces, 2.5/s, 30 s left");
        assert_eq!(told(10, Some(15), 25, Some(100)), "25 of 100 traces, 2.5/s, 5 s left");
        assert_eq!(told(10, Some(70), 2_000, None), "2000 traces, 200/s, 60 s left");
        assert_eq!(told(10, Some(1_010), 2_000, None), "2000 traces, 200/s, 16.7 min left");
        assert_eq!(told(10, None, 2_000, None), "2000 traces, 200/s");
        // Before the first is done, and when more was done than was asked for.
        assert_eq!(told(10, None, 0, Some(1)), "0 of 1 trace");
        assert_eq!(told(10, None, 101, Some(100)), "101 of 100 traces, 10/s, 0 s left");
    }
}
