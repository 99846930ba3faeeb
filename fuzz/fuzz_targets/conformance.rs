//! Runs a trace on the replica of a release and judges it by the model: a known defect must explain every violation.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use treefall::fuzzing::ReleaseAndTrace;
use treefall_fuzz::{mutate_behind, reach};

fuzz_target!(|input: ReleaseAndTrace| treefall::fuzzing::conformance(&input, &mut reach));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_behind(1, data, size, max_size, seed)
});
