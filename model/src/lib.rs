//! The vocabulary of treefall, and its reference model of a timer tree.
//!
//! - [`time`], [`id`], [`signal`]: instants and spans, names, signals;
//! - [`trace`]: the input; [`event`]: what is observed; [`index`]: trees and lists between steps;
//! - [`release`]: keepalived's releases, their defects and behaviours, as tables;
//! - [`codec`]: traces as bytes; [`canon`]: a state by what decides its future; [`contents`]: what trees and lists hold;
//! - [`law`]: the laws, [`judge`]: the model that follows a run and judges it, [`verdict`]: what it says,
//!   [`violation`]: what exactly was broken, [`place`]: where in a run something was seen.
//!
//! There are three ways to make up a trace, each for one purpose:
//!
//! - `strategies` (feature `proptest`): laws that hold for every value, such as those of the codec and of the scenario
//!   format. It covers all of a type, names and limits included, and shrinks a failure to a small value.
//! - `arbitrary::Arbitrary` (feature `arbitrary`) for [`trace::Trace`], [`release::Release`] and [`release::Defect`]: the
//!   inputs of the fuzz targets, and tests that run on such inputs (arbtest). A trace is read by [`codec::decode`], so
//!   corpora stay valid and a mutated byte changes one wake.
//! - The generator (`treefall::generator`): campaigns that look for bugs of a scheduler. It keeps exits and signals close
//!   to the timers that they race with, and a seed names the same trace on every machine.
//!
//! Everything here is a value or a pure function of values: no input or output, no clock, no release in the
//! judging. The crate is `no_std`, because the judge also runs inside the real program's process.
//!
//! # Examples
//!
//! A trace is a plain value: here a script whose run hangs, and a reload in the very wake that its timeout comes in. It
//! goes to bytes and back unchanged.
//!
//! ```
//! use treefall_model::codec::{decode, encode};
//! use treefall_model::id::ConfigId;
//! use treefall_model::time::Span;
//! use treefall_model::trace::{Config, Name, Script, Setup, Trace, Wake};
//!
//! let hangs = Script { timeout: Span::from_secs(2), interval: Span::from_secs(3), ..Script::new(Name::new("chk")?) };
//! let setup = Setup { configs: vec![Config { scripts: vec![hangs] }], ..Setup::default() };
//! let trace = Trace::new(setup, vec![Wake::next_timer().hup(ConfigId(0))])?;
//! assert_eq!(decode(&encode(&trace)), trace);
//! # Ok::<(), treefall_model::trace::TraceError>(())
//! ```
//!
//! Releases are a table: each knows its defects, and each defect what mended it.
//!
//! ```
//! use treefall_model::release::{Defect, Release};
//!
//! let release = Release::parse("2.3.1").expect("the tables know it");
//! assert!(release.defects().iter().any(|defect| defect == Defect::ReloadFreesQueuedTimeout));
//! assert_eq!(Defect::ReloadFreesQueuedTimeout.row().mended_by, Some("7e04261d"));
//! ```

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(any(test, feature = "arbitrary"))]
mod arbitrary;
pub mod canon;
pub mod codec;
pub mod contents;
pub mod digest;
pub mod event;
pub mod id;
pub mod index;
pub mod judge;
pub mod law;
pub mod observe;
pub mod outcome;
pub mod outside;
pub mod place;
pub mod release;
pub mod signal;
#[cfg(any(test, feature = "proptest"))]
pub mod strategies;
pub mod time;
pub mod trace;
mod valid;
pub mod verdict;
pub mod violation;

pub use time::{Deadline, Instant, Span};
