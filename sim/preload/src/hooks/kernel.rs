//! Hooks of clock, timerfd, signalfd, epoll, processes, signals and the log.
//!
//! Invariant: in a taken-over process each asks the trace's world, or the calibration's [`probe`](mod@crate::probe);
//! none touches the machine.

use crate::clocks::{real_start, uptime_start};
use crate::daemon::netlink;
use crate::descriptors::{self, EPOLL_FD, SIGNAL_FD, TIMER_FD, is_virtual};
use crate::fatal::fatal;
use crate::ledger::{self, number};
use crate::libc::{fail, next};
use crate::single::{Mode, has_world, mode};
use crate::{daemon, drive, log, probe, progress};
use treefall_model::event::{Answer, Target};
use treefall_model::id::Pid;
use treefall_model::signal::Signal;
use treefall_model::time::Span;

const ESRCH: i32 = 3;
/// SIGPWR.
const POWER: i32 = 30;
const EPERM: i32 = 1;
const ECHILD: i32 = 10;
const EAGAIN: i32 = 11;

const CLOCK_REALTIME: i32 = 0;
const CLOCK_REALTIME_COARSE: i32 = 5;

/// Whether the call goes to the real function.
#[inline]
fn off(call: usize) -> bool {
    if matches!(mode(), Mode::Off | Mode::Parent | Mode::Script) {
        return true;
    }
    ledger::count(call);
    progress::made();
    if mode() == Mode::Daemon {
        daemon::name_start();
    }
    false
}

/// Whether a call with this descriptor goes to the real function: a daemon has real and virtual ones. It is counted by
/// which it is.
#[inline]
fn is_real(fd: i32, call: usize, real: usize) -> bool {
    let is_real = mode() == Mode::Daemon && !is_virtual(fd);
    off(if is_real { real } else { call }) || is_real
}

/// Whether a log line goes to the real function; a daemon's never does.
fn log_is_off(call: usize) -> bool {
    !matches!(mode(), Mode::Parent | Mode::Script) && off(call)
}

/// Whether a call that reads the clock goes to the real function; a daemon's never does.
#[inline]
fn clock_is_off(call: usize) -> bool {
    if mode() != Mode::Off {
        ledger::count(call);
        progress::made();
    }
    mode() == Mode::Off
}

/// Returns the clock in microseconds since the trace began.
fn clock() -> u64 {
    if mode() == Mode::Daemon {
        daemon::reads_clock();
    }
    match mode() {
        Mode::Run | Mode::Daemon => drive::with(|session| session.world.clock().as_micros()),
        Mode::Calibrate => probe::clock(),
        Mode::Off | Mode::Parent | Mode::Script => 0,
    }
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn clock_gettime(clock_id: i32, time: *mut i64) -> i32 {
    if clock_is_off(number!("clock_gettime")) {
        return next!(clock_gettime(clock_id, time) as fn(i32, *mut i64) -> i32);
    }
    let real = matches!(clock_id, CLOCK_REALTIME | CLOCK_REALTIME_COARSE);
    let micros = if real { calm_clock() } else { clock() };
    let start = if real { real_start() } else { uptime_start() };
    // SAFETY: the caller's own record of two words.
    unsafe {
        *time = start + (micros / 1_000_000) as i64;
        *time.add(1) = (micros % 1_000_000 * 1_000) as i64;
    }
    0
}

/// Returns the clock without counting a step.
fn calm_clock() -> u64 {
    match mode() {
        Mode::Run | Mode::Daemon => drive::with(|session| session.world.now().as_micros()),
        Mode::Calibrate => probe::clock(),
        Mode::Off | Mode::Parent | Mode::Script => 0,
    }
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn gettimeofday(time: *mut i64, zone: *mut u8) -> i32 {
    if clock_is_off(number!("gettimeofday")) {
        return next!(gettimeofday(time, zone) as fn(*mut i64, *mut u8) -> i32);
    }
    let micros = calm_clock();
    // SAFETY: the caller's own record of two words.
    unsafe {
        *time = real_start() + (micros / 1_000_000) as i64;
        *time.add(1) = (micros % 1_000_000) as i64;
    }
    0
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn time(result: *mut i64) -> i64 {
    if clock_is_off(number!("time")) {
        return next!(time(result) as fn(*mut i64) -> i64);
    }
    let seconds = real_start() + (calm_clock() / 1_000_000) as i64;
    if !result.is_null() {
        // SAFETY: the caller's own word.
        unsafe { *result = seconds };
    }
    seconds
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn epoll_create(size: i32) -> i32 {
    if off(number!("epoll_create")) { next!(epoll_create(size) as fn(i32) -> i32) } else { EPOLL_FD }
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn epoll_create1(flags: i32) -> i32 {
    if off(number!("epoll_create1")) { next!(epoll_create1(flags) as fn(i32) -> i32) } else { EPOLL_FD }
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn epoll_ctl(epoll: i32, operation: i32, fd: i32, event: *const u8) -> i32 {
    const DELETE: i32 = 2;
    if off(number!("epoll_ctl")) {
        return next!(epoll_ctl(epoll, operation, fd, event) as fn(i32, i32, i32, *const u8) -> i32);
    }
    // SAFETY: the caller's packed record: what to wait for, then eight bytes of its own.
    let data = || unsafe { event.add(4).cast::<u64>().read_unaligned() };
    let data = (operation != DELETE && !event.is_null()).then(data);
    if mode() == Mode::Daemon {
        daemon::registers(fd == TIMER_FD, data.is_some());
        netlink::registers(fd, data);
    }
    descriptors::register(fd, data);
    0
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn epoll_wait(epoll: i32, events: *mut u8, most: i32, timeout: i32) -> i32 {
    const READABLE: u32 = 1;
    const EVENT_BYTES: usize = 12;
    if off(number!("epoll_wait")) {
        return next!(epoll_wait(epoll, events, most, timeout) as fn(i32, *mut u8, i32, i32) -> i32);
    }
    let ready = match mode() {
        Mode::Run => drive::block(),
        Mode::Daemon => daemon::block(),
        _ => probe::block(),
    };
    let data = ready.map(|descriptor| descriptors::data_of(descriptor?));
    let mut count = 0;
    for data in data.into_iter().flatten().take(usize::try_from(most).unwrap_or(0)) {
        // SAFETY: the caller has room for `most` packed records.
        unsafe {
            let event = events.add(EVENT_BYTES * count);
            event.cast::<u32>().write_unaligned(READABLE);
            event.add(4).cast::<u64>().write_unaligned(data);
        }
        count += 1;
    }
    count as i32
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn timerfd_create(clock_id: i32, flags: i32) -> i32 {
    if off(number!("timerfd_create")) {
        next!(timerfd_create(clock_id, flags) as fn(i32, i32) -> i32)
    } else {
        TIMER_FD
    }
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn timerfd_settime(fd: i32, flags: i32, new: *const i64, old: *mut i64) -> i32 {
    if off(number!("timerfd_settime")) {
        return next!(timerfd_settime(fd, flags, new, old) as fn(i32, i32, *const i64, *mut i64) -> i32);
    }
    if flags != 0 {
        fatal(format_args!("the program armed its timerfd with flags {flags}, not relative to now"));
    }
    // SAFETY: the caller's record of four words: the interval, then the first expiry.
    let (seconds, nanos) = unsafe { (*new.add(2), *new.add(3)) };
    let after = match (seconds, nanos) {
        (0, 0) => None,
        // Beyond the clock's range: no deadline.
        (seconds, _) if seconds > i64::MAX / 2 => None,
        (seconds, nanos) => {
            let micros = (seconds as u64).saturating_mul(1_000_000).saturating_add(nanos as u64 / 1_000);
            Some(Span::from_micros(micros))
        }
    };
    if has_world() {
        drive::with(|session| session.world.arm_timer(after));
    } else {
        probe::arm_timer(after);
    }
    0
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn signalfd(fd: i32, mask: *const u64, flags: i32) -> i32 {
    if off(number!("signalfd")) {
        next!(signalfd(fd, mask, flags) as fn(i32, *const u64, i32) -> i32)
    } else {
        SIGNAL_FD
    }
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn read(fd: i32, buffer: *mut u8, bytes: usize) -> isize {
    const SIGINFO_BYTES: usize = 128;
    if is_real(fd, number!("read"), number!("read (real)")) {
        return next!(read(fd, buffer, bytes) as fn(i32, *mut u8, usize) -> isize);
    }
    match fd {
        TIMER_FD if bytes >= 8 => {
            let expired = match mode() {
                Mode::Run => drive::read_timer(),
                Mode::Daemon => daemon::read_timer(),
                _ => probe::read_timer(),
            };
            if !expired {
                return fail(EAGAIN) as isize;
            }
            // SAFETY: the caller has room for eight bytes.
            unsafe { buffer.cast::<u64>().write_unaligned(1) };
            8
        }
        SIGNAL_FD if bytes >= SIGINFO_BYTES => {
            let signal = match mode() {
                Mode::Run => drive::read_signal(),
                Mode::Daemon => daemon::read_signal(),
                _ => None,
            };
            let Some(signal) = signal else { return fail(EAGAIN) as isize };
            // SAFETY: the caller has room for one record; its first word is the signal's number.
            unsafe {
                core::ptr::write_bytes(buffer, 0, SIGINFO_BYTES);
                buffer.cast::<u32>().write_unaligned(u32::from(signal.number()));
            }
            SIGINFO_BYTES as isize
        }
        _ => fatal(format_args!("the program read {bytes} bytes of descriptor {fd}, which is not virtual")),
    }
}

/// Opens a daemon's socket. One for packets of a whole network is answered with one to itself: nothing is sent where
/// no interface is, and the kernel closes it without waiting for all processors, six milliseconds of a trace.
///
/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn socket(domain: i32, kind: i32, protocol: i32) -> i32 {
    const LOCAL: i32 = 1;
    const PACKETS: i32 = 17;
    const FLAGS: i32 = 0o2_004_000;
    const DATAGRAMS: i32 = 2;
    let (domain, kind, protocol) = match mode() {
        Mode::Off | Mode::Parent => (domain, kind, protocol),
        Mode::Daemon | Mode::Script => {
            ledger::count(number!("socket"));
            if domain == PACKETS { (LOCAL, DATAGRAMS | kind & FLAGS, 0) } else { (domain, kind, protocol) }
        }
        Mode::Calibrate | Mode::Run => {
            fatal(format_args!("the program called socket, which the engine does not let through"))
        }
    };
    next!(socket(domain, kind, protocol) as fn(i32, i32, i32) -> i32)
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn close(fd: i32) -> i32 {
    if is_real(fd, number!("close"), number!("close (real)")) {
        next!(close(fd) as fn(i32) -> i32)
    } else {
        0
    }
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn fcntl(fd: i32, command: i32, argument: usize) -> i32 {
    if is_real(fd, number!("fcntl"), number!("fcntl (real)")) {
        next!(fcntl(fd, command, argument) as fn(i32, i32, usize) -> i32)
    } else {
        0
    }
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn fcntl64(fd: i32, command: i32, argument: usize) -> i32 {
    if is_real(fd, number!("fcntl64"), number!("fcntl64 (real)")) {
        next!(fcntl64(fd, command, argument) as fn(i32, i32, usize) -> i32)
    } else {
        0
    }
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32 {
    const NO_HANG: i32 = 1;
    if off(number!("waitpid")) {
        return next!(waitpid(pid, status, options) as fn(i32, *mut i32, i32) -> i32);
    }
    if pid != -1 || options & NO_HANG == 0 {
        fatal(format_args!(
            "the program called waitpid({pid}, .., {options}), not for any child without waiting"
        ));
    }
    let reaped = if has_world() { drive::with(|s| s.world.reap()) } else { probe::reap() };
    match reaped {
        Some((pid, how)) => {
            // SAFETY: the caller's own word.
            unsafe { *status = how.raw() };
            pid.get()
        }
        None if has_world() && drive::with(|s| s.world.has_children()) => 0,
        None => fail(ECHILD),
    }
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn kill(pid: i32, signal: i32) -> i32 {
    if off(number!("kill")) {
        return next!(kill(pid, signal) as fn(i32, i32) -> i32);
    }
    if mode() == Mode::Calibrate {
        return 0;
    }
    if mode() == Mode::Daemon {
        // How 2.2.0 and 2.2.1 tell their parent, which is not played, that a configuration was read.
        if signal == POWER && pid == daemon::parent() {
            return 0;
        }
        daemon::signals();
    }
    let Some(target) = Target::of_kill(pid) else { return fail(ESRCH) };
    let Some(signal) = u8::try_from(signal).ok().and_then(Signal::new) else {
        fatal(format_args!("the program sent signal {signal}"))
    };
    match drive::with(|session| session.world.send(target, signal)) {
        Answer::Delivered => 0,
        Answer::NoSuchProcess => fail(ESRCH),
        Answer::NotPermitted => fail(EPERM),
    }
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn getpgid(pid: i32) -> i32 {
    if off(number!("getpgid")) {
        return next!(getpgid(pid) as fn(i32) -> i32);
    }
    if mode() == Mode::Calibrate {
        return if pid == 0 { Pid::SELF.get() } else { pid };
    }
    drive::check_over();
    drive::with(|session| session.world.group_of(pid)).map_or_else(|| fail(ESRCH), Pid::get)
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn sigaction(signal: i32, new: *const u8, old: *mut u8) -> i32 {
    const ACTION_BYTES: usize = 152;
    if off(number!("sigaction")) {
        return next!(sigaction(signal, new, old) as fn(i32, *const u8, *mut u8) -> i32);
    }
    if !old.is_null() {
        // SAFETY: the caller's own record, of libc's size.
        unsafe { core::ptr::write_bytes(old, 0, ACTION_BYTES) };
    }
    0
}

fn no_mask(old: *mut u64) -> i32 {
    if !old.is_null() {
        // SAFETY: the caller's own set, of libc's size.
        unsafe { core::ptr::write_bytes(old, 0, 16) };
    }
    0
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn sigprocmask(how: i32, new: *const u64, old: *mut u64) -> i32 {
    if off(number!("sigprocmask")) {
        next!(sigprocmask(how, new, old) as fn(i32, *const u64, *mut u64) -> i32)
    } else {
        no_mask(old)
    }
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn pthread_sigmask(how: i32, new: *const u64, old: *mut u64) -> i32 {
    if off(number!("pthread_sigmask")) {
        next!(pthread_sigmask(how, new, old) as fn(i32, *const u64, *mut u64) -> i32)
    } else {
        no_mask(old)
    }
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn __vsyslog_chk(priority: i32, flag: i32, format: *const u8, arguments: *mut u8) {
    if log_is_off(number!("__vsyslog_chk")) {
        return next!(__vsyslog_chk(priority, flag, format, arguments) as fn(i32, i32, *const u8, *mut u8));
    }
    // SAFETY: the caller's own format and arguments.
    unsafe { log::line(format, arguments) }
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn vsyslog(priority: i32, format: *const u8, arguments: *mut u8) {
    if log_is_off(number!("vsyslog")) {
        return next!(vsyslog(priority, format, arguments) as fn(i32, *const u8, *mut u8));
    }
    // SAFETY: the caller's own format and arguments.
    unsafe { log::line(format, arguments) }
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn random() -> i64 {
    if off(number!("random")) { next!(random() as fn() -> i64) } else { 4 }
}

/// # Safety
/// As libc's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn srandom(seed: u32) {
    if !off(number!("srandom")) {
        return;
    }
    next!(srandom(seed) as fn(u32));
}
