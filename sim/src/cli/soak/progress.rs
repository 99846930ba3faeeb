//! Tracks the progress of a soak, including lives that are still running.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use treefall_model::time::Span;

use super::answer::lives;
use crate::cli::progress::Progress;
use treefall_field::soak::numbers::seconds;
use treefall_field::soak::{Life, Plan};

/// Progress of a soak.
#[derive(Default)]
pub(super) struct SoakProgress {
    lives: AtomicUsize,
    failures: AtomicUsize,
    /// Virtual time of all finished lives, in microseconds.
    followed: AtomicU64,
    /// Virtual time of each running life, by number.
    under_way: Mutex<Vec<(u64, Span)>>,
}

impl SoakProgress {
    /// Adds finished lives and forgets the running ones.
    pub(super) fn add_finished(&self, lives: &[Life]) {
        let failures = lives.iter().filter(|life| life.failure.is_some()).count();
        let followed = lives.iter().map(|life| life.lasted.as_micros()).fold(0, u64::saturating_add);
        self.lives.store(lives.len(), Ordering::Relaxed);
        self.failures.store(failures, Ordering::Relaxed);
        self.followed.store(followed, Ordering::Relaxed);
        if let Ok(mut under_way) = self.under_way.lock() {
            under_way.clear();
        }
    }

    /// Sets the virtual time of a running life.
    pub(super) fn set_running(&self, number: u64, followed: Span) {
        let Ok(mut under_way) = self.under_way.lock() else { return };
        match under_way.iter_mut().find(|(other, _)| *other == number) {
            Some((_, known)) => *known = followed,
            None => under_way.push((number, followed)),
        }
    }

    /// Formats lives, failures and virtual time, each with its limit.
    pub(super) fn text(&self, progress: &Progress, plan: Plan) -> String {
        let under_way = self.under_way.lock().map_or(Span::ZERO, |lives| {
            Span::from_micros(lives.iter().map(|(_, span)| span.as_micros()).fold(0, u64::saturating_add))
        });
        let whole = Span::from_micros(self.followed.load(Ordering::Relaxed));
        let done = seconds(whole) + seconds(under_way);
        let lives = lives(self.lives.load(Ordering::Relaxed) as u64);
        let failures = self.failures.load(Ordering::Relaxed);
        let flown = progress.virtual_time(done, seconds(plan.most));
        format!("{flown}; {lives}, {failures} of {} failures", plan.failures)
    }
}
