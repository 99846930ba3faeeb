//! The functions of libc that this library stands before, by name.
//!
//! Always: until the process is taken over each goes straight on to the real one. After that, each is virtual,
//! or goes on because it touches nothing outside, or ends the run with its name ([`forbidden`]).

pub mod forbidden;
pub mod kernel;
pub mod memory;
pub mod next;
pub mod process;

/// Fails a call as libc does.
pub(crate) fn fail(errno: i32) -> i32 {
    unsafe extern "C" {
        fn __errno_location() -> *mut i32;
    }
    // SAFETY: libc gives the address of this thread's errno.
    unsafe { *__errno_location() = errno };
    -1
}
