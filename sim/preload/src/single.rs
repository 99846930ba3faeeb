//! State of a process that has one thread.
//!
//! Invariants: before the process is taken over, nothing here is written, and hooks that run then, in any program and
//! on any thread, read only the [mode]. Afterwards the process has one thread: our calls drive the program, and a call
//! that makes a thread ends the run. A signal handler only reads, or leaves for good by an escape.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU8, Ordering};

/// A value that only the thread of a taken-over process uses.
pub struct Single<T>(UnsafeCell<T>);

// SAFETY: see the module: there is one thread whenever a value is touched.
unsafe impl<T> Sync for Single<T> {}

impl<T> Single<T> {
    /// Creates a value.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Returns the value's address.
    pub const fn as_ptr(&self) -> *mut T {
        self.0.get()
    }
}

impl<T: Copy> Single<T> {
    /// Returns a copy of the value.
    pub fn get(&self) -> T {
        // SAFETY: one thread, and no reference to the value is ever held.
        unsafe { *self.0.get() }
    }

    /// Sets the value.
    pub fn set(&self, value: T) {
        // SAFETY: one thread, and no reference to the value is ever held.
        unsafe { *self.0.get() = value }
    }
}

/// What the hooks do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
#[repr(u8)]
pub enum Mode {
    /// Nothing: the program is not ours.
    Off = 0,
    /// The daemon's first process, before its first fork: only its clock stands still.
    Parent = 1,
    /// Answer for the calibration.
    Calibrate = 2,
    /// Ask the world; the engine drives the program.
    Run = 3,
    /// Ask the world; the daemon runs by itself.
    Daemon = 4,
    /// A child that the daemon forked, until its exec.
    Script = 5,
}

/// Highest mode in which calls that the engine forbids reach the real function.
pub const NATIVE_MAX: u8 = Mode::Parent as u8;

/// The mode as a byte, for hooks in assembly.
pub static MODE: AtomicU8 = AtomicU8::new(0);

/// Returns the mode.
#[inline]
pub fn mode() -> Mode {
    match MODE.load(Ordering::Relaxed) {
        0 => Mode::Off,
        1 => Mode::Parent,
        2 => Mode::Calibrate,
        3 => Mode::Run,
        4 => Mode::Daemon,
        _ => Mode::Script,
    }
}

/// Whether there is a world to ask.
#[inline]
pub fn has_world() -> bool {
    matches!(mode(), Mode::Run | Mode::Daemon)
}

/// Sets the mode.
pub fn set_mode(mode: Mode) {
    MODE.store(mode as u8, Ordering::Relaxed);
}
