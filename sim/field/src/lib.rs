//! treefall in the field: scenarios held against releases, time to crash, logs to scenarios.

#![forbid(unsafe_code)]

pub mod check;
pub mod import;
pub mod regression;
pub mod soak;
pub mod survival;
