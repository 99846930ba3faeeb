//! Exhaustive search: all traces of an alphabet ([`Bound`]) up to a bound, breadth first, each state gone on from once.
//!
//! A state is told by what decides its future ([`treefall_model::canon`]): two traces that lead to one state break
//! the same laws from there on, so that one is gone on from and stands for both. Breadth first, so that the trace
//! which is kept for a signature is a shortest one. Where no new state is met any more the search is *closed*: what
//! it found holds for traces of any length, with no more living runs than the bound has where ways were cut by it.
//!
//! - `alphabet`: what traces are made of; `space`: all of them to a bound; `walk`: a replica that goes from wake to wake;
//! - `graph`: the states, by hash, with where they were met first: states are walked to again, not kept;
//! - `real`: a real program beside the replica;
//! - `worker`: goes on from states; `explorer`: rounds of them, side by side, and what they come to;
//! - `check`: whether states taken for one are alike; `checkpoint`: a search on disk.
//!
//! Always: states are numbered, and finds are kept, in the order of states and labels, so that the result is the same
//! whatever the number of jobs.

mod alphabet;
mod check;
pub mod checkpoint;
mod explorer;
mod graph;
mod real;
mod space;
mod walk;
mod worker;

pub use alphabet::{Bound, Choices, KINDS, Kind, LIVING_MAX, Label, SETUPS_MAX, STEP};
pub use check::Unlike;
pub use explorer::{Explorer, FoundTrace, Progress, Standing};
pub use graph::Node;
pub use space::{Space, SpaceError};
pub use worker::Merging;
