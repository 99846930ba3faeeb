//! What the fuzz targets share beside `treefall::fuzzing`: the fuzzer's own mutations, and the counters by which it is
//! told of states.

mod counters;

pub use counters::reach;

use libfuzzer_sys::fuzzer_mutate;

/// Changes the trace that stands behind the first `behind` bytes: every other time on the level of wakes, else, and
/// where that leads nowhere, as libFuzzer does.
pub fn mutate_behind(behind: usize, data: &mut [u8], size: usize, size_max: usize, seed: u32) -> usize {
    let bytewise = |data: &mut [u8]| fuzzer_mutate(data, size, size_max);
    if seed % 2 == 0 || size <= behind || size_max <= behind {
        return bytewise(data);
    }
    match treefall::fuzzing::mutate(&data[behind..size], seed / 2, size_max - behind) {
        Some(changed) => {
            data[behind..behind + changed.len()].copy_from_slice(&changed);
            behind + changed.len()
        }
        None => bytewise(data),
    }
}
