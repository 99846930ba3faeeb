//! Any text through the parser and the formatter of scenarios.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| treefall::fuzzing::scenario_text(bytes));
