//! Measures treefall beside other tools, each of which does the same work with fewer checks.
//!
//! - [`clock`]: tokio's paused clock, simulating the same scripts without any check;
//! - [`lockstep`]: a `BTreeMap` and an intrusive tree, compared completely at every event: about the limit of checked
//!   simulation;
//! - [`planted`]: one planted bug of three steps, found and shrunk by proptest-state-machine, by quickcheck and by
//!   treefall.
//!
//! The package is outside the default members, so that its dependencies affect no other build.

// Not `forbid`: the macro that adds a link to the lockstep's timers allows unsafe code for what it generates.
#![deny(unsafe_code)]

pub mod clock;
pub mod lockstep;
pub mod planted;
