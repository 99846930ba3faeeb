//! The functions of libc that this library stands before, by name.
//!
//! Always: until the process is taken over each goes straight on to the real one. After that, each is virtual,
//! or goes on because it touches nothing outside, or ends the run with its name ([`forbidden`]).

pub mod forbidden;
pub mod kernel;
pub mod memory;
pub mod process;
