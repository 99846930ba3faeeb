//! Searches all traces of an alphabet up to a limit ([`Bound`]), breadth first, and expands each state once.
//!
//! A state is identified by everything that decides its future ([`treefall_model::canon`]): two traces that lead to
//! one state break the same laws from there on, so that only one of them is extended. Breadth first, the trace that
//! is kept for a signature is a shortest one. When no new state is left, the search is *closed*: its results hold for
//! traces of any length, with at most the limit's number of living runs if steps were cut by it.
//!
//! - `alphabet`: the parts of traces; `space`: all traces up to a limit; `walk`: a replica that advances wake by
//!   wake;
//! - `graph`: the states by hash, with their first predecessors; states are recomputed, not stored;
//! - `real`: a real program beside the replica;
//! - `worker`: expands states; `explorer`: rounds of these in parallel, and their results;
//! - `check`: whether states with the same hash behave the same; `checkpoint`: stores a search on disk.
//!
//! Invariant: states are numbered, and results kept, in the order of states and labels, so that they do not depend on
//! the number of jobs.

mod alphabet;
mod check;
pub mod checkpoint;
mod explorer;
mod graph;
mod real;
mod space;
mod walk;
mod worker;

pub use alphabet::{Bound, KINDS, Kind, LIVING_MAX, Label, SETUPS_MAX, STEP, WakeChoices};
pub use check::UnlikePaths;
pub use explorer::{Explorer, FoundTrace, Progress, Standing};
pub use graph::Node;
pub use space::{Space, SpaceError};
pub use worker::Merging;
