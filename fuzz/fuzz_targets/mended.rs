//! The replica without defects on a trace, judged by the model: no law may break.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use treefall_fuzz::{mutate_behind, reach};

fuzz_target!(|bytes: &[u8]| treefall::fuzzing::mended(bytes, &mut reach));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_behind(0, data, size, max_size, seed)
});
