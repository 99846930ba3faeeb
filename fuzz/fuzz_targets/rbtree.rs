//! Plays operations on the replica's trees and on a sorted list, and compares the two.
#![no_main]

use libfuzzer_sys::fuzz_target;
use treefall::fuzzing::TreeOps;

fuzz_target!(|ops: TreeOps| treefall::fuzzing::rbtree(&ops));
