//! The outside world that continues where a trace ends.

use treefall_model::id::Run;
use treefall_model::signal::Signal;
use treefall_model::time::Instant;
use treefall_model::trace::Wake;

/// The outside world where no trace says beforehand what it does. It learns what happens to the children, and is asked
/// for each wake once the trace has no more. Its wakes, appended to those of the trace, form a trace that replays the
/// run.
pub trait Outside: Send {
    /// Learns that a child was forked.
    fn started(&mut self, run: Run, at: Instant);

    /// Learns that a living child was sent a signal.
    fn signalled(&mut self, run: Run, signal: Signal, at: Instant);

    /// Learns that a child ended, by a requested exit or by a signal.
    fn ended(&mut self, run: Run);

    /// Writes what wakes the loop next into `wake`, which has no exit, no signal, and an advance to the next timer. The
    /// loop blocks at `now`, its timerfd armed for `timer`. Returns whether there is a wake.
    fn wake(&mut self, now: Instant, timer: Option<Instant>, wake: &mut Wake) -> bool;
}

/// The outside that continues where the trace ends. A copy of a kernel has none: it must not hear of two runs.
pub(super) struct Continuation<'t>(pub(super) Option<&'t mut dyn Outside>);

impl Clone for Continuation<'_> {
    fn clone(&self) -> Self {
        Self(None)
    }
}
