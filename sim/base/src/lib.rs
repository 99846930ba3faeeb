//! What every crate of treefall may need and none is about: nearest names, wrapped text, atomic writes, standard input.

#![forbid(unsafe_code)]

pub mod files;
pub mod input;
pub mod nearest;
pub mod wrap;
