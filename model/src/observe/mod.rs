//! Observation of a run: the boundary between a subject and its oracles.
//!
//! A subject tells its [`Observer`] of each event as it happens and, between steps, lets it look at the indexes. The
//! observer answers nothing, so a run is the same whether it is watched or not. [`Watch`] is the observer that all subjects
//! use.

mod observer;
mod watch;

pub use observer::{AsDaemon, Blind, Observer};
pub use watch::{Mark, Observed, Options, Spot, Watch, shall_tell_changes};
