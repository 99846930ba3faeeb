//! Runs a trace on the replica without defects and judges it by the model: it must violate no law.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use treefall::fuzzing::TraceAlone;
use treefall_fuzz::{mutate_behind, reach};

fuzz_target!(|input: TraceAlone| treefall::fuzzing::mended(&input, &mut reach));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_behind(0, data, size, max_size, seed)
});
