//! How often the program made each call that the library stands before, since a run began.
//!
//! Always: counting is one addition to memory, done for every run, so that no run differs from another by who asks for
//! its ledger; only the sum is told or not. A number on the list of [`calls`](treefall_world::calls) is found when the library is
//! built.

use alloc::vec::Vec;

use treefall_world::calls::COUNTED;
use treefall_world::wire::Called;

use crate::single::Single;

/// By the numbers of [`calls`](treefall_world::calls).
pub static COUNTS: Single<[u32; COUNTED]> = Single::new([0; COUNTED]);

/// A call was made.
#[inline(always)]
pub fn count(call: usize) {
    // SAFETY: one thread; a number below the count of numbers, or the build failed.
    unsafe {
        let count = COUNTS.as_ptr().cast::<u32>().add(call);
        *count = (*count).wrapping_add(1);
    }
}

/// A run begins.
pub fn begin() {
    COUNTS.set([0; COUNTED]);
}

/// What was called since, in the order of the list.
pub fn told() -> Vec<Called> {
    let counts = COUNTS.get();
    let called = counts.iter().enumerate().filter(|(_, times)| **times > 0);
    called.map(|(call, times)| Called { call: call as u16, times: *times }).collect()
}

/// The number of a call, known when the library is built.
macro_rules! number {
    ($name:expr) => {
        const { treefall_world::calls::number($name) }
    };
}
pub(crate) use number;
