//! Simulates track scripts on tokio's paused clock, in one thread, without any check: each ticks, runs a while,
//! exits.
//!
//! An event is the same as in treefall's workload: a tick that starts a run, or a run's exit. tokio's timers have a
//! resolution of one millisecond, so that runs last that long and several events may share an instant, which only
//! reduces tokio's work.

use std::cell::Cell;
use std::rc::Rc;

use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;
use tokio::time::{Duration, Instant, sleep_until, timeout_at};

/// Returns a single-threaded runtime whose clock advances only when nothing is left to do.
///
/// # Panics
/// When the runtime cannot be made.
#[must_use]
pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

/// Simulates `scripts` scripts until `events` events have happened. Returns their number.
///
/// `timeouts`: each run has a timeout armed as well, as track scripts have.
#[must_use]
pub fn simulate(runtime: &Runtime, scripts: u16, events: u64, timeouts: bool) -> u64 {
    let count = Rc::new(Cell::new(0_u64));
    let local = LocalSet::new();
    for script in 0..scripts {
        let count = Rc::clone(&count);
        local.spawn_local(async move { run_script(script, &count, events, timeouts).await });
    }
    runtime.block_on(local);
    count.get()
}

async fn run_script(script: u16, count: &Cell<u64>, events: u64, timeouts: bool) {
    let interval = Duration::from_micros(1_000_000 + 1_009 * u64::from(script));
    let mut tick = Instant::now();
    while count.get() < events {
        tick += interval;
        sleep_until(tick).await;
        count.set(count.get() + 1);
        let exits = tick + Duration::from_millis(1);
        if timeouts {
            let exited = timeout_at(tick + interval, sleep_until(exits)).await;
            debug_assert!(exited.is_ok());
        } else {
            sleep_until(exits).await;
        }
        count.set(count.get() + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_run_until_there_were_as_many_events() {
        for timeouts in [false, true] {
            let count = simulate(&runtime(), 8, 1_000, timeouts);
            assert!((1_000..1_020).contains(&count), "{count}");
        }
    }
}
