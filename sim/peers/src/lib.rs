//! What treefall is measured beside, each doing the same work with less looking.
//!
//! - [`clock`]: tokio's paused clock, simulating the same scripts without any check;
//! - [`lockstep`]: a `BTreeMap` and an intrusive tree, wholly compared at every event: about the most that
//!   checked simulation can do;
//! - [`planted`]: one planted bug of three steps, found and shrunk by proptest-state-machine, by quickcheck and
//!   by treefall.
//!
//! A package of its own outside the default members, so that its dependencies weigh on nobody's build.

// Not `forbid`: the macro that puts a link into the lockstep's timers lifts it for what it writes.
#![deny(unsafe_code)]

pub mod clock;
pub mod lockstep;
pub mod planted;
