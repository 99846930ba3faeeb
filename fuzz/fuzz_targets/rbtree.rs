//! The replica's trees beside a sorted list.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| treefall::fuzzing::rbtree(bytes));
