//! treefall: a deterministic simulation and fuzz harness for keepalived's red-black-tree crash class.
//!
//! The flow, which the `hunt` command reads like: `seed -> generator -> Trace -> run(subject) -> History ->
//! oracles -> Verdict -> shrink -> report`.
//!
//! - [`generator`]: from a seed and a number to a trace; the only place with randomness;
//! - [`subject`]: what runs a trace: the replica, the real program;
//! - [`shrink`]: from a trace to a smaller one with the same signature;
//! - [`scenario`]: traces on disk, with their story and expectations; the only place that knows the format.
//!
//! The vocabulary and the model are `treefall_model`; what is around a scheduler is `treefall_world`.

#![forbid(unsafe_code)]

pub mod campaign;
pub mod cause;
pub mod check;
pub mod cli;
pub mod doctor;
pub mod explain;
pub mod explore;
pub mod finding;
pub mod fuzzing;
pub mod generator;
pub mod hidden;
pub mod hunt;
pub mod import;
pub mod keepalived_conf;
pub mod mutants;
pub mod optimum;
pub mod oracle;
pub mod report;
pub mod roots;
pub mod scenario;
pub mod scout;
pub mod shrink;
pub mod soak;
pub mod subject;
pub mod workload;

pub use treefall_model as model;
pub use treefall_world as world;
