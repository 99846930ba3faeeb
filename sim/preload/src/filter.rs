//! Filter of the system calls that a taken-over process may make.
//!
//! The hooks intercept functions that a program imports. Calls that bypass them, from inside libc, from another
//! library, or from a broken program's code, meet the kernel's filter: a call on the list below is allowed, any other
//! ends the run with its name. The library's own calls, recognised by their address, are allowed.
//!
//! Invariant: nothing on the list makes a process, sends a signal except a process's own SIGABRT, waits for time to
//! pass, or reaches beyond a daemon's namespaces and files. [`asleep`](crate::asleep) finds an allowed call that never
//! returns.

use alloc::vec::Vec;

use syscalls::Sysno;

use crate::program;
use crate::sys::{self, FilterStep};

/// The allowed calls, with reasons.
const LET_THROUGH: [(&str, &[Sysno]); 7] = [
    (
        "files: everything that is mounted can only be read, but for a file system in memory",
        &[
            Sysno::read,
            Sysno::write,
            Sysno::close,
            Sysno::openat,
            Sysno::newfstatat,
            Sysno::readlink,
            Sysno::fstat,
            Sysno::lstat,
            Sysno::stat,
            Sysno::lseek,
            Sysno::open,
            Sysno::access,
            Sysno::creat,
            Sysno::pread64,
            Sysno::pwrite64,
            Sysno::readv,
            Sysno::writev,
            Sysno::statx,
            Sysno::statfs,
            Sysno::fstatfs,
            Sysno::faccessat,
            Sysno::faccessat2,
            Sysno::readlinkat,
            Sysno::getdents64,
            Sysno::getcwd,
            Sysno::chdir,
            Sysno::fchdir,
            Sysno::umask,
            Sysno::unlink,
            Sysno::unlinkat,
            Sysno::rename,
            Sysno::renameat,
            Sysno::renameat2,
            Sysno::mkdir,
            Sysno::mkdirat,
            Sysno::rmdir,
            Sysno::ftruncate,
            Sysno::truncate,
            Sysno::chmod,
            Sysno::fchmod,
            Sysno::fchmodat,
            Sysno::chown,
            Sysno::fchown,
            Sysno::fchownat,
            Sysno::fsync,
            Sysno::fdatasync,
            Sysno::fadvise64,
            Sysno::flock,
            Sysno::mknod,
            Sysno::mknodat,
            Sysno::getxattr,
        ],
    ),
    (
        "descriptors, of which the process has its own",
        &[
            Sysno::fcntl,
            Sysno::ioctl,
            Sysno::dup,
            Sysno::dup2,
            Sysno::dup3,
            Sysno::close_range,
            Sysno::pipe,
            Sysno::pipe2,
            Sysno::eventfd,
            Sysno::eventfd2,
            Sysno::memfd_create,
            Sysno::inotify_init1,
            Sysno::inotify_add_watch,
            Sysno::inotify_rm_watch,
            Sysno::signalfd4,
            Sysno::epoll_create1,
            Sysno::epoll_ctl,
            Sysno::timerfd_create,
            Sysno::timerfd_settime,
        ],
    ),
    (
        "the network, which is a namespace without a way out",
        &[
            Sysno::setsockopt,
            Sysno::recvmsg,
            Sysno::sendto,
            Sysno::socket,
            Sysno::recvfrom,
            Sysno::bind,
            Sysno::getsockname,
            Sysno::getsockopt,
            Sysno::getpeername,
            Sysno::connect,
            Sysno::listen,
            Sysno::shutdown,
            Sysno::sendmsg,
            Sysno::sendmmsg,
            Sysno::recvmmsg,
            Sysno::socketpair,
        ],
    ),
    (
        "memory of the process's own",
        &[
            Sysno::mmap,
            Sysno::munmap,
            Sysno::mprotect,
            Sysno::mremap,
            Sysno::madvise,
            Sysno::brk,
            Sysno::mincore,
            Sysno::mlock,
            Sysno::munlock,
        ],
    ),
    (
        "what signals the process itself takes, and the locks that libc takes where there are no threads",
        &[
            Sysno::rt_sigaction,
            Sysno::rt_sigprocmask,
            Sysno::sigaltstack,
            Sysno::futex,
            Sysno::set_robust_list,
            Sysno::rseq,
            Sysno::arch_prctl,
            Sysno::sched_yield,
        ],
    ),
    (
        "questions what the process is, that change nothing",
        &[
            Sysno::getpid,
            Sysno::getppid,
            Sysno::gettid,
            Sysno::getpgid,
            Sysno::getpgrp,
            Sysno::getsid,
            Sysno::getuid,
            Sysno::geteuid,
            Sysno::getgid,
            Sysno::getegid,
            Sysno::getgroups,
            Sysno::getresuid,
            Sysno::getresgid,
            Sysno::uname,
            Sysno::getrusage,
            Sysno::getrlimit,
            Sysno::getpriority,
            Sysno::sched_getaffinity,
            Sysno::sched_getscheduler,
            Sysno::sched_get_priority_max,
            Sysno::sched_get_priority_min,
            Sysno::capget,
            Sysno::getcpu,
        ],
    ),
    (
        "what a process asks of its own limits and rights, and what a child does to itself before its exec",
        &[
            Sysno::prlimit64,
            Sysno::setrlimit,
            Sysno::prctl,
            Sysno::capset,
            Sysno::setpgid,
            Sysno::setsid,
            Sysno::setpriority,
            Sysno::sched_setscheduler,
            Sysno::sched_setaffinity,
            Sysno::setgroups,
            Sysno::setuid,
            Sysno::setgid,
            Sysno::setresuid,
            Sysno::setresgid,
        ],
    ),
];

const ABORT: u32 = 6;

/// Offsets of what a filter can read.
const NUMBER_AT: u32 = 0;
const MACHINE_AT: u32 = 4;
const PLACE_AT: u32 = 8;
const THIRD_ARGUMENT_AT: u32 = 32;

const X86_64: u32 = 0xc000_003e;
const GO_ON: u32 = 0x7fff_0000;
const SIGNAL: u32 = 0x0003_0000;

const LOAD: u16 = 0x20;
const IS: u16 = 0x15;
const ABOVE: u16 = 0x25;
const AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

fn load(place: u32) -> FilterStep {
    FilterStep { code: LOAD, then: 0, otherwise: 0, number: place }
}

fn answer(number: u32) -> FilterStep {
    FilterStep { code: RETURN, then: 0, otherwise: 0, number }
}

/// Skips `then` steps if the comparison holds, otherwise `otherwise` steps.
fn compare(code: u16, number: u32, then: u8, otherwise: u8) -> FilterStep {
    FilterStep { code, then, otherwise, number }
}

/// Builds the filter for a library at these addresses.
fn steps(library: core::ops::Range<usize>) -> Vec<FilterStep> {
    let mut steps = Vec::new();
    steps.extend([load(MACHINE_AT), compare(IS, X86_64, 1, 0), answer(SIGNAL)]);
    // Addresses are compared in halves, once for each value of the upper half.
    let (first, last) = (library.start, library.end - 1);
    for upper in first >> 32..=last >> 32 {
        let from = if upper == first >> 32 { first as u32 } else { 0 };
        let to = if upper == last >> 32 { last as u32 } else { u32::MAX };
        steps.extend([load(PLACE_AT + 4), compare(IS, upper as u32, 0, 4), load(PLACE_AT)]);
        steps.extend([compare(AT_LEAST, from, 0, 2), compare(ABOVE, to, 1, 0), answer(GO_ON)]);
    }
    steps.push(load(NUMBER_AT));
    for number in LET_THROUGH.iter().flat_map(|(_, numbers)| numbers.iter()) {
        steps.extend([compare(IS, number.id() as u32, 0, 1), answer(GO_ON)]);
    }
    steps.push(compare(IS, Sysno::tgkill.id() as u32, 0, 3));
    steps.extend([load(THIRD_ARGUMENT_AT), compare(IS, ABORT, 0, 1), answer(GO_ON)]);
    steps.push(answer(SIGNAL));
    steps
}

/// Installs the filter for this process and all its children.
///
/// # Errors
/// The kernel's error number, when it has no such filters.
pub fn install() -> Result<(), i32> {
    sys::filter(&steps(program::library()))
}

/// Returns the name of a system call.
pub fn name_of(number: usize) -> &'static str {
    Sysno::new(number).map_or("of a number that is none", |call| call.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter as the kernel does.
    fn answer_to(steps: &[FilterStep], number: Sysno, place: usize, third: u32) -> u32 {
        let (mut at, mut held) = (0, 0);
        loop {
            let FilterStep { code, then, otherwise, number: with } = steps[at];
            let passed = |holds| usize::from(if holds { then } else { otherwise });
            at += 1;
            match code {
                LOAD => {
                    held = match with {
                        NUMBER_AT => number.id() as u32,
                        MACHINE_AT => X86_64,
                        PLACE_AT => place as u32,
                        THIRD_ARGUMENT_AT => third,
                        _ => (place >> 32) as u32,
                    }
                }
                IS => at += passed(held == with),
                ABOVE => at += passed(held > with),
                AT_LEAST => at += passed(held >= with),
                _ => return with,
            }
        }
    }

    #[test]
    fn the_librarys_calls_are_allowed_others_go_by_the_list() {
        for library in [0x7f00_1000..0x7f00_5000, 0x1_ffff_f000..0x2_0000_2000] {
            let steps = steps(library.clone());
            let ask = |number, place| answer_to(&steps, number, place, 0);
            for place in [library.start, library.end - 1, library.start + 0x1800] {
                assert_eq!(ask(Sysno::fork, place), GO_ON, "{place:#x}");
            }
            for place in [library.start - 1, library.end, 0x4000, 0x7fff_7f00_2000] {
                assert_eq!(ask(Sysno::fork, place), SIGNAL, "{place:#x}");
                assert_eq!(ask(Sysno::read, place), GO_ON);
                assert_eq!(ask(Sysno::setgid, place), GO_ON);
                assert_eq!(answer_to(&steps, Sysno::tgkill, place, ABORT), GO_ON);
                assert_eq!(answer_to(&steps, Sysno::tgkill, place, 15), SIGNAL);
            }
        }
    }

    #[test]
    fn no_call_that_forks_signals_or_waits_is_allowed() {
        let steps = steps(0x1000..0x2000);
        for number in [
            Sysno::fork,
            Sysno::vfork,
            Sysno::clone,
            Sysno::clone3,
            Sysno::execve,
            Sysno::execveat,
            Sysno::kill,
            Sysno::tkill,
            Sysno::wait4,
            Sysno::nanosleep,
            Sysno::clock_nanosleep,
            Sysno::pause,
            Sysno::poll,
            Sysno::select,
            Sysno::epoll_wait,
            Sysno::setitimer,
            Sysno::alarm,
            Sysno::clock_gettime,
            Sysno::getrandom,
            Sysno::mount,
            Sysno::umount2,
            Sysno::setns,
            Sysno::unshare,
            Sysno::ptrace,
            Sysno::exit_group,
        ] {
            assert_eq!(answer_to(&steps, number, 0x4000, 0), SIGNAL, "{number:?}");
        }
    }
}
