//! The replica without defects on a trace, judged by the model: no law may break.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| treefall::fuzzing::mended(bytes));
