//! Runs a trace on the real program and on the replica of its release, and judges both by the model.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use treefall::fuzzing::TraceAlone;
use treefall_fuzz::{mutate_behind, reach};

fuzz_target!(|input: TraceAlone| treefall::fuzzing::engine(&input, &mut reach));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_behind(0, data, size, max_size, seed)
});
