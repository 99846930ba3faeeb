//! The vocabulary of treefall, and its reference model of a timer tree.
//!
//! - [`time`], [`id`], [`signal`]: instants and spans, names, signals;
//! - [`trace`]: the input; [`event`]: what is observed; [`index`]: trees and lists between steps;
//! - [`release`]: keepalived's releases, their defects and behaviours, as tables;
//! - [`codec`]: traces as bytes; [`canon`]: a state by what decides its future;
//! - [`law`]: the laws, [`judge`]: the model that follows a run and judges it, [`verdict`]: what it says.
//!
//! Everything here is a value or a pure function of values: no input or output, no clock, no release in the
//! judging. The crate is `no_std`, because the judge also runs inside the real program's process.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(any(test, feature = "proptest"))]
pub mod arbitrary;
pub mod canon;
pub mod codec;
pub mod digest;
pub mod event;
pub mod id;
pub mod index;
pub mod judge;
pub mod law;
pub mod observe;
pub mod release;
pub mod signal;
pub mod time;
pub mod trace;
pub mod verdict;

pub use time::{Deadline, Instant, Span};
