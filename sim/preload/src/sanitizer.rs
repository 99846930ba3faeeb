//! A program that was built with an address sanitizer: what its runtime library is to be told.
//!
//! Always: in a program without one nothing here does anything. The blocks of [`heap`](crate::heap) are not the
//! sanitizer's, and what the program's own beginning would tell it of variables is never run, so that it watches
//! the program's stack alone; a freed entry is the laws' business.

use core::ffi::CStr;

use crate::single::Single;

/// A function of ours that the sanitizer calls.
pub type Callback = unsafe extern "C" fn();

/// The sanitizer's function that takes the marks off the stack; 0: there is no sanitizer.
static FORGET_STACK: Single<usize> = Single::new(0);

/// The function of this name, wherever it is.
fn find(name: &CStr) -> usize {
    unsafe extern "C" {
        fn dlsym(handle: *const u8, name: *const core::ffi::c_char) -> *const u8;
    }
    // SAFETY: a name that ends in zero; a null handle means all that is loaded.
    unsafe { dlsym(core::ptr::null(), name.as_ptr()) as usize }
}

/// In a taken-over process, before anything of the program's runs: a sanitizer that found an error calls `reported`, and would then end the
/// process.
pub fn install(reported: Callback) {
    FORGET_STACK.set(find(c"__asan_handle_no_return"));
    let set_death_callback = find(c"__sanitizer_set_death_callback");
    if set_death_callback != 0 {
        // SAFETY: the sanitizer's own function, which takes a function without arguments.
        unsafe {
            let set: extern "C" fn(Callback) = core::mem::transmute(set_death_callback);
            set(reported);
        }
    }
}

/// Frames of the program were dropped without being run: the sanitizer still has the marks that they left on
/// the stack.
pub fn frames_dropped() {
    let forget = FORGET_STACK.get();
    if forget != 0 {
        // SAFETY: the sanitizer's own function, which takes nothing.
        unsafe { core::mem::transmute::<usize, Callback>(forget)() };
    }
}
