//! Measures how long a keepalived lives in the field: many lives in virtual time, each until its first failure.
//!
//! A [`Workload`] describes scripts, reloads and the machine in a user's terms. Each [`Life`] is a fresh replica
//! whose wakes are drawn from a stream of its own until it fails. Lives are counted in the order of their numbers, so
//! that the result does not depend on how many run in parallel. [`numbers`] computes means, medians and
//! probabilities, with their confidence intervals.
//!
//! Only this module and the generator are random. Every failure has a trace that was replayed.

pub mod field;
mod life;
pub mod numbers;
mod outside;
mod recent_wakes;
mod spread;
mod workload;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use treefall_base::control::Control;
use treefall_model::release::Rules;
use treefall_model::time::Span;
use treefall_model::trace::TraceError;

pub use life::{Failure, Life, Until, Watch, live};
pub use spread::{Spread, SpreadError};
pub use workload::{Machine, Reload, Worker, Workload};

/// Most lives in one chunk. Lives of a chunk after the end of the soak are wasted.
const CHUNK_MAX: u64 = 8;

/// The extent of a soak.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The seed of the lives' streams.
    pub seed: u64,
    /// How each life is observed.
    pub watch: Watch,
    /// The soak ends after so many failures.
    pub failures: usize,
    /// The soak ends after so much virtual time of all lives together.
    pub most: Span,
}

/// Simulates lives 0, 1, 2.. by `plan`, at most `jobs` in parallel. The lives do not depend on `jobs`.
///
/// Between chunks `keep_going` receives the lives so far. Each life reports its number and its length to `control`.
/// An interrupted chunk is discarded: the lives of it that had already failed would bias the result. If the first
/// chunk is interrupted, all of its lives count up to that moment.
///
/// # Errors
/// When no trace can have the workload.
///
/// # Panics
/// When a life panics.
pub fn soak(
    workload: &Workload,
    rules: Rules,
    plan: Plan,
    jobs: usize,
    keep_going: &mut dyn FnMut(&[Life]) -> bool,
    control: Control<'_, (u64, Span)>,
) -> Result<Vec<Life>, TraceError> {
    let mut lives: Vec<Life> = Vec::new();
    let (mut failures, mut followed) = (0, 0_u64);
    while keep_going(&lives) {
        // If no further life failed, so many would use up the time.
        let whole =
            plan.most.as_micros().saturating_sub(followed).div_ceil(plan.watch.span.as_micros().max(1));
        let left = (plan.failures.saturating_sub(failures) as u64).min(whole);
        let first = lives.len() as u64;
        let numbers = first..first + left.clamp(1, CHUNK_MAX);
        let interrupted = AtomicBool::new(false);
        let within = |life| {
            let stop = control.check(life).is_err();
            interrupted.fetch_or(stop, Ordering::Relaxed);
            !stop
        };
        let chunk = chunk(workload, rules, plan, jobs, numbers, Control::new(&within))?;
        if interrupted.into_inner() {
            return Ok(if lives.is_empty() { chunk } else { lives });
        }
        for life in chunk {
            failures += usize::from(life.failure.is_some());
            followed = followed.saturating_add(life.lasted.as_micros());
            lives.push(life);
            if failures >= plan.failures || followed >= plan.most.as_micros() {
                return Ok(lives);
            }
        }
    }
    Ok(lives)
}

/// Simulates the lives of these numbers, in order.
fn chunk(
    workload: &Workload,
    rules: Rules,
    plan: Plan,
    jobs: usize,
    numbers: std::ops::Range<u64>,
    control: Control<'_, (u64, Span)>,
) -> Result<Vec<Life>, TraceError> {
    let next = AtomicU64::new(numbers.start);
    let done = Mutex::new(Vec::new());
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if !numbers.contains(&number) {
                break;
            }
            let keep_going = |followed| control.check((number, followed)).is_ok();
            let life = live(workload, rules, (plan.seed, number), plan.watch, Control::new(&keep_going));
            if let Ok(mut done) = done.lock() {
                done.push((number, life));
            }
        }
    };
    std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..jobs.min(CHUNK_MAX as usize)).map(|_| scope.spawn(work)).collect();
        work();
        for helper in helpers {
            helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, life)| life).collect()
}
