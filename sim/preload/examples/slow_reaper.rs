//! Preloaded into a real keepalived in real time, makes each child that it reaps take `REAP_MICROS` microseconds more:
//! what the log line of the field report did (keepalived issue 2468). `sim/examples/real_log_line.sh` plays it.
//!
//! Always: it stands before `waitpid` alone, in every process that loads it; what that returns is the kernel's own. Where
//! no child was reaped nothing is waited for. No wait is longer than a second.

use std::sync::OnceLock;
use std::time::Duration;

use syscalls::{Errno, Sysno, syscall};

/// The longest wait.
const REAP_MAX: Duration = Duration::from_secs(1);

// SAFETY: glibc and musl alike have it, and it returns the calling thread's own.
unsafe extern "C" {
    fn __errno_location() -> *mut i32;
}

/// Stands before libc's.
///
/// # Safety
/// As libc's: `status` is null or may be written.
// SAFETY: the name is libc's, whose caller means libc's function: this one does the same, later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32 {
    // SAFETY: the caller's promise about `status` is what the call needs; no usage is asked for.
    match unsafe { syscall!(Sysno::wait4, pid, status, options, 0) } {
        Ok(reaped) => {
            if reaped != 0 {
                take(time_of_a_child());
            }
            reaped as i32
        }
        Err(error) => {
            // SAFETY: it points to the calling thread's own error number.
            unsafe { *__errno_location() = error.into_raw() };
            -1
        }
    }
}

/// What each child takes. Nothing, where the variable does not say.
fn time_of_a_child() -> Duration {
    static TIME: OnceLock<Duration> = OnceLock::new();
    *TIME.get_or_init(|| {
        let micros = std::env::var("REAP_MICROS").ok().and_then(|text| text.parse().ok());
        Duration::from_micros(micros.unwrap_or(0)).min(REAP_MAX)
    })
}

/// Works for so long, as writing a line does: a sleep of so little would take half as much again.
fn take(time: Duration) {
    let Ok(start) = monotonic() else { return };
    while monotonic().is_ok_and(|now| now.saturating_sub(start) < time) {}
}

fn monotonic() -> Result<Duration, Errno> {
    const CLOCK_MONOTONIC: usize = 1;
    let mut now = [0_i64; 2];
    // SAFETY: the kernel writes a `timespec` there: two words on a machine of 64 bits.
    unsafe { syscall!(Sysno::clock_gettime, CLOCK_MONOTONIC, now.as_mut_ptr()) }?;
    Ok(Duration::new(now[0] as u64, now[1] as u32))
}
