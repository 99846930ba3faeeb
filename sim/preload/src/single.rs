//! State of a process that has one thread.
//!
//! Always: until the take-over nothing here is written, and hooks that run then, in whatever program and on
//! whatever thread, read nothing but the [mode]. After it the process has one thread: the program is driven
//! by our calls alone, and making a thread is one of the calls that end the run. A signal handler of ours
//! reads, or leaves for good by an escape.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU8, Ordering};

/// A value that only the one thread of a taken-over process touches.
pub struct Single<T>(UnsafeCell<T>);

// SAFETY: see the module: there is one thread whenever a value is touched.
unsafe impl<T> Sync for Single<T> {}

impl<T> Single<T> {
    /// Holding `value`.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Where the value lies.
    pub const fn as_ptr(&self) -> *mut T {
        self.0.get()
    }
}

impl<T: Copy> Single<T> {
    /// A copy of the value.
    pub fn get(&self) -> T {
        // SAFETY: one thread, and no reference to the value is ever held.
        unsafe { *self.0.get() }
    }

    /// Another value.
    pub fn set(&self, value: T) {
        // SAFETY: one thread, and no reference to the value is ever held.
        unsafe { *self.0.get() = value }
    }
}

/// What the hooks are to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Mode {
    /// Nothing: the program is not ours.
    Off = 0,
    /// Answer as the calibration needs it.
    Calibrate = 1,
    /// Ask the world.
    Run = 2,
}

/// The mode as a byte, for the hooks that are written in assembly.
pub static MODE: AtomicU8 = AtomicU8::new(0);

/// What the hooks are to do now.
#[inline]
pub fn mode() -> Mode {
    match MODE.load(Ordering::Relaxed) {
        0 => Mode::Off,
        1 => Mode::Calibrate,
        _ => Mode::Run,
    }
}

/// From now on the hooks do this.
pub fn set_mode(mode: Mode) {
    MODE.store(mode as u8, Ordering::Relaxed);
}
