//! The replica of a release (first byte) on a trace (the rest), judged by the model: every broken law must be explained.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| treefall::fuzzing::conformance(bytes));
