//! Hooks: functions of libc that the library replaces, by name.
//!
//! Invariant: until the process is taken over each calls the real function. Afterwards each is virtual, or is allowed
//! because it touches nothing outside, or ends the run with its name ([`forbidden`]).

pub mod forbidden;
pub mod kernel;
pub mod memory;
pub mod process;
pub mod sockets;
