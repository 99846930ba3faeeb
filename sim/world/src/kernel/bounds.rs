//! How much the loop may do before it blocks, and between two wakes of the trace.
//!
//! Always: what a loop that comes back could need is allowed; a run that goes beyond it ends, as stuck where the clock
//! stands, as late where time went by ([`End`]).

use treefall_model::event::End;
use treefall_model::time::Instant;

/// Steps that a loop may take between two blocking calls, whatever there is to do. A reload of nothing takes
/// about twenty.
const STEPS_BASE: usize = 4_000;
/// And so many more for each script and each child: to start one, time it out, reap it and tell it to die
/// at a reload takes about fifty.
const STEPS_EACH: usize = 256;

/// Starts from one wake of the trace to the next: so many, and as many more for each script. Where handlers take
/// longer than what they handle is due again the loop never blocks, and its children, each of which allows
/// more steps, would grow in number by the power of the wakes.
const STARTS_EACH: usize = 16;

/// What the loop did, and how much of it is followed.
#[derive(Clone)]
pub(super) struct Bounds {
    /// Calls since the loop last moved on.
    steps: u32,
    /// Most of them.
    steps_max: u32,
    /// Where the clock stood then.
    moved_at: Instant,
    /// Starts before the wake of the trace that was used up last.
    starts_before: u32,
    /// Most of them from one wake to the next.
    starts_max: u32,
    /// When that wake came.
    woken_at: Instant,
    /// Most scripts that any configuration of the trace has.
    widest: usize,
}

impl Bounds {
    /// At the beginning of a trace whose configurations have so many scripts at most.
    pub(super) fn new(widest: usize) -> Self {
        let starts_max = u32::try_from(STARTS_EACH * (1 + widest)).unwrap_or(u32::MAX);
        let (moved_at, woken_at) = (Instant::START, Instant::START);
        let mut bounds =
            Self { steps: 0, steps_max: 0, moved_at, starts_before: 0, starts_max, woken_at, widest };
        bounds.moved_on(Instant::START, 0);
        bounds
    }

    /// The program does something that the kernel sees.
    pub(super) fn step(&mut self) {
        self.steps = self.steps.saturating_add(1);
    }

    /// The blocking call used up a wake, or time passed, with so many children that are not reaped: steps are counted
    /// anew.
    pub(super) fn moved_on(&mut self, now: Instant, unreaped: usize) {
        self.steps = 0;
        self.moved_at = now;
        let most = STEPS_BASE + STEPS_EACH * (2 * self.widest + unreaped);
        self.steps_max = u32::try_from(most).unwrap_or(u32::MAX);
    }

    /// When the loop last moved on.
    pub(super) fn moved_at(&self) -> Instant {
        self.moved_at
    }

    /// A wake of the trace is used up, after so many starts in all.
    pub(super) fn woke(&mut self, now: Instant, starts: u32) {
        (self.woken_at, self.starts_before) = (now, starts);
    }

    /// How the run ends, if the loop took more steps since it last moved on, or started more children since the last
    /// wake of the trace, than any it could need.
    pub(super) fn limit(&self, now: Instant, starts: u32) -> Option<End> {
        let end = |since: Instant| if now == since { End::NoProgress } else { End::Overrun };
        if self.steps > self.steps_max {
            return Some(end(self.moved_at));
        }
        (starts.saturating_sub(self.starts_before) > self.starts_max).then(|| end(self.woken_at))
    }
}
