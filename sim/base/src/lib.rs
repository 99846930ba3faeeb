//! What every crate of treefall may need and none is about: control of long works, nearest names, wrapped
//! text, atomic writes, standard input.

#![forbid(unsafe_code)]

pub mod control;
pub mod files;
pub mod input;
pub mod nearest;
pub mod wrap;
