//! Hooks of calls that make processes, end the process, or change its status on the machine.
//!
//! Invariant: the engine allows none of them. The daemon makes no process and changes nothing; it reads its own files.

use core::ffi::{CStr, c_char};

use crate::fatal::{fatal, stray};
use crate::ledger::{self, number};
use crate::libc::{fail, next};
use crate::single::{Mode, mode};
use crate::{daemon, progress, serve};

/// Whether the call goes to the real function. The engine's programs must not make it; otherwise it is the daemon's.
fn off(call: usize, name: &str) -> bool {
    match mode() {
        Mode::Off | Mode::Parent => true,
        Mode::Daemon | Mode::Script => {
            ledger::count(call);
            false
        }
        Mode::Calibrate | Mode::Run => {
            fatal(format_args!("the program called {name}, which the engine does not let through"))
        }
    }
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn fork() -> i32 {
    ledger::count(number!("fork"));
    match mode() {
        Mode::Off => next!(fork() as fn() -> i32),
        Mode::Parent => {
            serve::daemon::serve_at_fork();
            0
        }
        Mode::Daemon => daemon::start_child(),
        _ => stray(format_args!("the program called fork where it starts no script")),
    }
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn execve(
    path: *const c_char,
    words: *const *const c_char,
    environment: *const *const c_char,
) -> i32 {
    ledger::count(number!("execve"));
    // SAFETY: the caller's own list.
    unsafe { daemon::admits_exec(words) };
    next!(execve(path, words, environment)
        as fn(*const c_char, *const *const c_char, *const *const c_char) -> i32)
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn execv(path: *const c_char, words: *const *const c_char) -> i32 {
    ledger::count(number!("execv"));
    // SAFETY: the caller's own list.
    unsafe { daemon::admits_exec(words) };
    next!(execv(path, words) as fn(*const c_char, *const *const c_char) -> i32)
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn execvp(path: *const c_char, words: *const *const c_char) -> i32 {
    ledger::count(number!("execvp"));
    // SAFETY: the caller's own list.
    unsafe { daemon::admits_exec(words) };
    next!(execvp(path, words) as fn(*const c_char, *const *const c_char) -> i32)
}

macro_rules! leaves {
    ($($name:ident)*) => { $(
        /// # Safety
        /// As libc's.
        #[cfg_attr(panic = "abort", unsafe(no_mangle))]
        pub unsafe extern "C" fn $name(code: i32) {
            ledger::count(number!(stringify!($name)));
            daemon::leave(code);
            next!($name(code) as fn(i32));
        }
    )* };
}
leaves! { exit _exit }

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn getpid() -> i32 {
    if mode() > Mode::Parent {
        ledger::count(number!("getpid"));
    }
    daemon::pid()
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn getppid() -> i32 {
    if mode() > Mode::Parent {
        ledger::count(number!("getppid"));
    }
    daemon::parent()
}

/// Goes back to the beginning of a file: of the copy of its configuration, in a daemon that is about to read it.
///
/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn rewind(stream: *mut u8) {
    if mode() > Mode::Parent {
        ledger::count(number!("rewind"));
    }
    serve::daemon::serve_at_configuration();
    next!(rewind(stream) as fn(*mut u8));
}

/// Calls that change the status of a process: a daemon that plays a trace gets the answer that they succeeded.
macro_rules! nothing_done {
    ($($name:ident($($value:ident),*);)*) => { $(
        /// # Safety
        /// As libc's.
        #[cfg_attr(panic = "abort", unsafe(no_mangle))]
        pub unsafe extern "C" fn $name($($value: usize),*) -> i32 {
            if off(number!(stringify!($name)), stringify!($name)) { next!($name($($value),*) as fn($(nothing_done!(@ $value)),*) -> i32) } else { 0 }
        }
    )* };
    (@ $value:ident) => { usize };
}
nothing_done! {
    setpgid(pid, group);
    setgroups(count, groups);
    setgid(group);
    setuid(user);
    setegid(group);
    seteuid(user);
    setrlimit(what, limits);
    setsid();
    setpriority(which, who, priority);
    sched_setscheduler(pid, policy, parameter);
    prctl(option, two, three, four, five);
    mlockall(flags);
    munlockall();
    sleep(seconds);
    usleep(micros);
    nanosleep(wanted, left);
    closelog();
    openlog(name, options, facility);
}

/// Answers that libmagic cannot be used: at each reload it would be asked for the type of each script file, for twenty
/// milliseconds.
///
/// # Safety
/// As libmagic's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn magic_open(flags: i32) -> *mut u8 {
    if mode() == Mode::Off {
        return next!(magic_open(flags) as fn(i32) -> *mut u8);
    }
    ledger::count(number!("magic_open"));
    fail(12);
    core::ptr::null_mut()
}

/// Answers with an empty stream what a command prints, such as `nft` its version. No process is made; there must be a
/// stream, because not every release checks for one.
///
/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn popen(command: *const c_char, kind: *const c_char) -> *mut u8 {
    if off(number!("popen"), "popen") {
        return next!(popen(command, kind) as fn(*const c_char, *const c_char) -> *mut u8);
    }
    let (path, kind) = (c"/dev/null".as_ptr(), c"r".as_ptr());
    next!(fopen(path, kind) as fn(*const c_char, *const c_char) -> *mut u8)
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn memfd_create(name: *const c_char, flags: u32) -> i32 {
    ledger::count(number!("memfd_create"));
    let fd = next!(memfd_create(name, flags) as fn(*const c_char, u32) -> i32);
    if mode() == Mode::Parent {
        daemon::keeps_copy(fd);
    }
    fd
}

/// A path below `/etc/keepalived`, moved to the program's own root.
struct Path {
    bytes: [u8; PATH_MAX],
}
const PATH_MAX: usize = 1_024;

impl Path {
    /// # Safety
    /// `path` must be a text.
    unsafe fn of(path: *const c_char) -> Option<Self> {
        if mode() != Mode::Parent && mode() != Mode::Daemon || path.is_null() {
            return None;
        }
        // SAFETY: as required above.
        let path = unsafe { CStr::from_ptr(path) }.to_bytes();
        let root = daemon::root().as_bytes();
        if root.is_empty() || !path.starts_with(b"/etc/keepalived/") || root.len() + path.len() >= PATH_MAX {
            return None;
        }
        let mut bytes = [0; PATH_MAX];
        bytes[..root.len()].copy_from_slice(root);
        bytes[root.len()..root.len() + path.len()].copy_from_slice(path);
        Some(Self { bytes })
    }
}

macro_rules! of_path {
    ($($name:ident($($value:ident: $type:ty),*) -> $result:ty;)*) => { $(
        /// # Safety
        /// As libc's.
        #[cfg_attr(panic = "abort", unsafe(no_mangle))]
        pub unsafe extern "C" fn $name(path: *const c_char, $($value: $type),*) -> $result {
            ledger::count(number!(stringify!($name)));
            progress::made();
            // SAFETY: the caller's own path.
            if mode() == Mode::Daemon && !path.is_null() && daemon::is_config(unsafe { CStr::from_ptr(path) }) {
                serve::daemon::serve_at_configuration();
            }
            // SAFETY: the caller's own path.
            let other = unsafe { Path::of(path) };
            let path = other.as_ref().map_or(path, |other| other.bytes.as_ptr().cast());
            match mode() {
                Mode::Calibrate | Mode::Run => {
                    fatal(format_args!("the program called {}, which the engine does not let through", stringify!($name)))
                }
                _ => next!($name(path, $($value),*) as fn(*const c_char, $($type),*) -> $result),
            }
        }
    )* };
}
of_path! {
    fopen(kind: *const c_char) -> *mut u8;
    fopen64(kind: *const c_char) -> *mut u8;
    open(flags: i32, mode: u32) -> i32;
    open64(flags: i32, mode: u32) -> i32;
    stat(facts: *mut u8) -> i32;
    access(how: i32) -> i32;
}
