//! General helpers for all crates of treefall: control of long tasks, suggestions for mistyped names, wrapped text,
//! atomic writes, standard input.

#![forbid(unsafe_code)]

pub mod control;
pub mod files;
pub mod input;
pub mod nearest;
pub mod wrap;
