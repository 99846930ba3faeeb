//! Reads, formats and writes any text as a scenario.
#![no_main]

use libfuzzer_sys::fuzz_target;
use treefall::fuzzing::ScenarioText;

fuzz_target!(|text: ScenarioText| treefall::fuzzing::scenario_text(&text));
