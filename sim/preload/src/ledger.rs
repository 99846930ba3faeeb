//! Counts how often the program made each intercepted call since a run began.
//!
//! Invariants: counting is one addition to memory in every run, so asking for the ledger changes no run. The number of
//! a call on the list of [`calls`](treefall_world::calls) is computed at compile time.

use alloc::vec::Vec;

use treefall_world::calls::COUNTED;
use treefall_world::wire::Called;

use crate::single::Single;

/// Counts by the numbers of [`calls`](treefall_world::calls).
pub static COUNTS: Single<[u32; COUNTED]> = Single::new([0; COUNTED]);

/// Counts a call.
#[inline(always)]
pub fn count(call: usize) {
    // SAFETY: one thread; a number below the count of numbers, or the build failed.
    unsafe {
        let count = COUNTS.as_ptr().cast::<u32>().add(call);
        *count = (*count).wrapping_add(1);
    }
}

/// Starts a run at zero.
pub fn begin() {
    COUNTS.set([0; COUNTED]);
}

/// Returns the calls made, in the order of the list.
pub fn told() -> Vec<Called> {
    let counts = COUNTS.get();
    let called = counts.iter().enumerate().filter(|(_, times)| **times > 0);
    called.map(|(call, times)| Called { call: call as u16, times: *times }).collect()
}

/// Returns the number of a call at compile time.
macro_rules! number {
    ($name:expr) => {
        const { treefall_world::calls::number($name) }
    };
}
pub(crate) use number;
