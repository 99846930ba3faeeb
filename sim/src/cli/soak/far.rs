//! How far a soak is, its lives under way included.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use treefall_model::time::Span;

use super::answer::lives;
use crate::cli::progress::Progress;
use treefall_field::soak::numbers::seconds;
use treefall_field::soak::{Life, Plan};

/// How far a soak is.
#[derive(Default)]
pub(super) struct Far {
    lives: AtomicUsize,
    failures: AtomicUsize,
    /// Virtual time of all lives that are over, in microseconds.
    followed: AtomicU64,
    /// For how long each of those under way was followed, by its number.
    under_way: Mutex<Vec<(u64, Span)>>,
}

impl Far {
    /// These are over; others begin.
    pub(super) fn whole(&self, lives: &[Life]) {
        let failures = lives.iter().filter(|life| life.failure.is_some()).count();
        let followed = lives.iter().map(|life| life.lasted.as_micros()).fold(0, u64::saturating_add);
        self.lives.store(lives.len(), Ordering::Relaxed);
        self.failures.store(failures, Ordering::Relaxed);
        self.followed.store(followed, Ordering::Relaxed);
        if let Ok(mut under_way) = self.under_way.lock() {
            under_way.clear();
        }
    }

    /// The life of this number was followed for so long.
    pub(super) fn within(&self, number: u64, followed: Span) {
        let Ok(mut under_way) = self.under_way.lock() else { return };
        match under_way.iter_mut().find(|(other, _)| *other == number) {
            Some((_, known)) => *known = followed,
            None => under_way.push((number, followed)),
        }
    }

    /// Lives, failures and virtual time, each of as much as there may be.
    pub(super) fn told(&self, progress: &Progress, plan: Plan) -> String {
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
