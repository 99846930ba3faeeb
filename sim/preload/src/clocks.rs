//! What the virtual clocks show when a trace begins.

use treefall_world::wire::Clocks;

use crate::single::Single;

/// The clocks at the beginning of a trace.
static CLOCKS: Single<Clocks> = Single::new(Clocks::STANDARD);

/// Sets what the clocks show when a trace begins.
pub fn set(clocks: Clocks) {
    CLOCKS.set(clocks);
}

/// Returns CLOCK_REALTIME at the beginning of a trace, in seconds: the program's cached clock counts from there.
#[inline]
pub fn real_start() -> i64 {
    CLOCKS.get().date as i64
}

/// Returns CLOCK_MONOTONIC at the beginning of a trace, in seconds.
#[inline]
pub fn uptime_start() -> i64 {
    CLOCKS.get().uptime as i64
}
