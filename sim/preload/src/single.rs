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
    /// The daemon's first process, on its way to its first fork: only its clock stands still.
    Parent = 1,
    /// Answer as the calibration needs it.
    Calibrate = 2,
    /// Ask the world: the engine drives the program.
    Run = 3,
    /// Ask the world: the daemon runs by itself.
    Daemon = 4,
    /// A child that the daemon forked, up to its exec.
    Script = 5,
}

/// The highest mode in which calls that the engine forbids go straight on.
pub const NATIVE_MAX: u8 = Mode::Parent as u8;

/// The mode as a byte, for the hooks that are written in assembly.
pub static MODE: AtomicU8 = AtomicU8::new(0);

/// What the hooks are to do now.
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

/// Whether there is a world to be asked.
#[inline]
pub fn has_world() -> bool {
    matches!(mode(), Mode::Run | Mode::Daemon)
}

/// From now on the hooks do this.
pub fn set_mode(mode: Mode) {
    MODE.store(mode as u8, Ordering::Relaxed);
}
