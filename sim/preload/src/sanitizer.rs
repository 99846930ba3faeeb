//! Interface to the runtime library of a program that was built with an address sanitizer.
//!
//! Invariant: in a program without one, nothing here has an effect. The blocks of [`heap`](crate::heap) are not the
//! sanitizer's, and the program's initialisation, which would register variables, never runs; the sanitizer watches
//! only the program's stack. The laws cover freed entries.

use core::ffi::CStr;

use crate::single::Single;

/// A function of this library that the sanitizer calls.
pub type Callback = unsafe extern "C" fn();

/// The sanitizer's function that unmarks the stack; 0: there is no sanitizer.
static FORGET_STACK: Single<usize> = Single::new(0);

/// Returns the address of the function of this name, in any library.
fn find(name: &CStr) -> usize {
    unsafe extern "C" {
        fn dlsym(handle: *const u8, name: *const core::ffi::c_char) -> *const u8;
    }
    // SAFETY: a name that ends in zero; a null handle means all that is loaded.
    unsafe { dlsym(core::ptr::null(), name.as_ptr()) as usize }
}

/// Makes a sanitizer that found an error call `reported` before it ends the process. To be called before anything of
/// the program's runs.
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

/// Unmarks the stack after frames of the program were dropped without running.
pub fn frames_dropped() {
    let forget = FORGET_STACK.get();
    if forget != 0 {
        // SAFETY: the sanitizer's own function, which takes nothing.
        unsafe { core::mem::transmute::<usize, Callback>(forget)() };
    }
}
