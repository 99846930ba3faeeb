//! The real functions of libc behind the hooks, and its `errno`.
//!
//! Invariant: a function is looked up at its first use and kept. The look-up calls nothing that a hook answers, so that
//! constructors of libraries may call hooks before anything here was set up.

use core::ffi::CStr;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::sys;

/// The address of the real function of this name. A program that calls it is linked against it: it exists.
pub fn find(slot: &AtomicUsize, name: &CStr) -> usize {
    unsafe extern "C" {
        fn dlsym(handle: *const u8, name: *const core::ffi::c_char) -> *const u8;
    }
    /// The next library after the one that asks.
    const NEXT: usize = usize::MAX;
    let known = slot.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    // SAFETY: a name that ends in zero; the loader has done its work before any code of a library runs.
    let found = unsafe { dlsym(NEXT as *const u8, name.as_ptr()) } as usize;
    if found == 0 {
        sys::exit(sys::EXIT_NO_FUNCTION);
    }
    slot.store(found, Ordering::Relaxed);
    found
}

/// Fails a call as libc does.
pub(crate) fn fail(errno: i32) -> i32 {
    unsafe extern "C" {
        fn __errno_location() -> *mut i32;
    }
    // SAFETY: libc gives the address of this thread's errno.
    unsafe { *__errno_location() = errno };
    -1
}

/// Calls the real function of this name and type.
macro_rules! next {
    ($name:ident($($value:expr),*) as fn($($type:ty),*) $(-> $result:ty)?) => {{
        static SLOT: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);
        const NAME: &core::ffi::CStr =
            match core::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!("a name without zeros"),
            };
        let address = $crate::libc::find(&SLOT, NAME);
        // SAFETY: the real function has the signature that its manual page tells.
        let function: unsafe extern "C" fn($($type),*) $(-> $result)? = unsafe { core::mem::transmute(address) };
        // SAFETY: the caller's own arguments.
        unsafe { function($($value),*) }
    }};
}
pub(crate) use next;
