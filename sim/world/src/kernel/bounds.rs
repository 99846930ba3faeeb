//! Bounds on what the loop does before it blocks, and between two wakes of the trace.
//!
//! Invariant: the bounds allow everything that a loop that returns could need. A run beyond them ends: as stuck where
//! the clock stands still, as late where time passed ([`End`]).

use treefall_model::event::End;
use treefall_model::time::Instant;

/// Steps allowed between two blocking calls, whatever there is to do. A reload of nothing takes about twenty.
const STEPS_BASE: usize = 4_000;
/// More steps for each script and each child: to start one, time it out, reap it and tell it to die at a reload takes
/// about fifty.
const STEPS_EACH: usize = 256;

/// Starts allowed between two wakes of the trace: this many, and as many more for each script. Where handlers take
/// longer than the interval of what they handle, the loop never blocks, and children, each of which allows more steps,
/// would multiply with every wake.
const STARTS_EACH: usize = 16;

/// What the loop did, with the bounds.
#[derive(Clone)]
pub(super) struct Bounds {
    /// Calls since the loop last moved on.
    steps: u32,
    /// Bound on those.
    steps_max: u32,
    /// The clock at that moment.
    moved_at: Instant,
    /// Starts before the last wake of the trace that was used.
    starts_before: u32,
    /// Bound on starts from one wake to the next.
    starts_max: u32,
    /// Instant of that wake.
    woken_at: Instant,
    /// Most scripts in any configuration of the trace.
    widest: usize,
}

impl Bounds {
    /// Starts a trace whose configurations have at most this many scripts.
    pub(super) fn new(widest: usize) -> Self {
        let starts_max = u32::try_from(STARTS_EACH * (1 + widest)).unwrap_or(u32::MAX);
        let (moved_at, woken_at) = (Instant::START, Instant::START);
        let mut bounds =
            Self { steps: 0, steps_max: 0, moved_at, starts_before: 0, starts_max, woken_at, widest };
        bounds.moved_on(Instant::START, 0);
        bounds
    }

    /// Counts something that the program does and the kernel sees.
    pub(super) fn step(&mut self) {
        self.steps = self.steps.saturating_add(1);
    }

    /// Restarts the count of steps: the blocking call used a wake, or time passed. `unreaped` children are left.
    pub(super) fn moved_on(&mut self, now: Instant, unreaped: usize) {
        self.steps = 0;
        self.moved_at = now;
        let most = STEPS_BASE + STEPS_EACH * (2 * self.widest + unreaped);
        self.steps_max = u32::try_from(most).unwrap_or(u32::MAX);
    }

    /// Returns when the loop last moved on.
    pub(super) fn moved_at(&self) -> Instant {
        self.moved_at
    }

    /// Notes that a wake of the trace was used, after `starts` starts in all.
    pub(super) fn woke(&mut self, now: Instant, starts: u32) {
        (self.woken_at, self.starts_before) = (now, starts);
    }

    /// Returns how the run ends, if the loop exceeded its bounds on steps or starts.
    pub(super) fn limit(&self, now: Instant, starts: u32) -> Option<End> {
        let end = |since: Instant| if now == since { End::NoProgress } else { End::Overrun };
        if self.steps > self.steps_max {
            return Some(end(self.moved_at));
        }
        (starts.saturating_sub(self.starts_before) > self.starts_max).then(|| end(self.woken_at))
    }
}
