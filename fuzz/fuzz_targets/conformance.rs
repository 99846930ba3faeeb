//! The replica of a release (first byte) on a trace (the rest), judged by the model: every broken law must be explained.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use treefall_fuzz::{mutate_behind, reach};

fuzz_target!(|bytes: &[u8]| treefall::fuzzing::conformance(bytes, &mut reach));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_behind(1, data, size, max_size, seed)
});
