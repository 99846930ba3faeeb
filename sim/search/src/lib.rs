//! Searches for failures and their causes.
//!
//! The flow: [`generator`] draws traces, [`hunt`] runs them, [`oracle`] and the model judge them, [`shrink`] makes
//! them small, [`triage`] confirms them and determines their [`cause`]. [`explore`] runs all small traces instead,
//! and [`fuzzing`] lets a fuzzer draw them.

#![forbid(unsafe_code)]

pub mod apart;
pub mod campaign;
pub mod cause;
pub mod doctor;
pub mod error;
pub mod explore;
pub mod fuzzing;
pub mod generator;
pub mod hunt;
pub mod known;
pub mod masking;
pub mod mutants;
pub mod optimum;
pub mod oracle;
pub mod shard;
pub mod shrink;
pub mod triage;
pub mod variants;
pub mod workload;
