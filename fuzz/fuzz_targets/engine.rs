//! The real program on a trace, beside the replica of its release and judged by the model.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use treefall_fuzz::{mutate_behind, reach};

fuzz_target!(|bytes: &[u8]| treefall::fuzzing::engine(bytes, &mut reach));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_behind(0, data, size, max_size, seed)
});
