//! How long a keepalived lives in the field: virtual time flows until the first failure, many times over.
//!
//! A [`Workload`] says in a user's terms what goes on: scripts, reloads, how fast the machine is. Each [`Life`] is a
//! fresh replica under it, its wakes made on the fly from a stream of its own, until it fails. Lives
//! are taken in the order of their numbers, so that what comes out does not depend on how many run side by side.
//! [`numbers`] makes means, medians and probabilities of them, with their intervals.
//!
//! Randomness is here and in the generator alone. Every failure is a trace that was replayed.

pub mod field;
mod life;
pub mod numbers;
mod outside;
mod spread;
mod tail;
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

/// Lives that are given out together at most: what a chunk holds beyond the soak's end was run for nothing.
const CHUNK_MAX: u64 = 8;

/// How many lives.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The seed of the lives' streams.
    pub seed: u64,
    /// How each is followed.
    pub watch: Watch,
    /// After so many failures it is enough.
    pub failures: usize,
    /// And after so much virtual time of all lives together.
    pub most: Span,
}

/// Follows lives 0, 1, 2.. as `plan` has it, at most `jobs` side by side. The lives do not depend on `jobs`.
///
/// Between chunks `keep_going` receives the lives so far. Each life reports to `control` its number and how long it was
/// followed. Lives that are interrupted are left out with their chunk: those of it that had failed by then would make the
/// others look longer lived than they are. In the first chunk all of them count, as far as they were followed.
///
/// # Errors
/// When no trace can have the workload.
///
/// # Panics
/// When a life does.
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
        // Were no further one to fail, so many would use up the time.
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

/// The lives of these numbers, in order.
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
