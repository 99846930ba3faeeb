//! The real kernel, by raw system calls: no function of libc that the library hooks is used.
//!
//! Invariant: nothing here allocates or depends on whether the process was taken over.

use core::arch::asm;
use core::ptr::NonNull;

const READ: usize = 0;
const WRITE: usize = 1;
const CLOSE: usize = 3;
const POLL: usize = 7;
const MMAP: usize = 9;
const RT_SIGACTION: usize = 13;
const MINCORE: usize = 27;
const MADVISE: usize = 28;
const MPROTECT: usize = 10;
const SETITIMER: usize = 38;
const CLOCK_GETTIME: usize = 228;
const PRLIMIT: usize = 302;
const SECCOMP: usize = 317;
const MOUNT_SETATTR: usize = 442;
const GETPID: usize = 39;
const FORK: usize = 57;
const WAIT4: usize = 61;
const KILL: usize = 62;
const GETPPID: usize = 110;
const SIGALTSTACK: usize = 131;
const PRCTL: usize = 157;
const TGKILL: usize = 234;
const GETTID: usize = 186;
const EXIT_GROUP: usize = 231;
const WAITID: usize = 247;
const OPEN: usize = 2;
const RT_SIGPROCMASK: usize = 14;
const PWRITE: usize = 18;
const ACCESS: usize = 21;
const RECVFROM: usize = 45;
const FCNTL: usize = 72;
const FTRUNCATE: usize = 77;
const UNLINK: usize = 87;
const DUP3: usize = 292;
const GETSOCKOPT: usize = 55;
const MOUNT: usize = 165;
const PIPE2: usize = 293;

const O_CLOEXEC: usize = 0o2_000_000;
const POLLIN: i16 = 1;
const TOO_MANY_FILES: i32 = 24;

/// Exit status: no memory left.
pub const EXIT_NO_MEMORY: i32 = 90;
/// Exit status: a fault where nothing could catch it.
pub const EXIT_UNSHELTERED: i32 = 91;
/// Exit status: a function of libc was not found.
pub const EXIT_NO_FUNCTION: i32 = 92;
/// Exit status: an invariant of the library is broken.
pub const EXIT_PANIC: i32 = 93;

/// Exit status of a child: it ran everything, or a trace that leaves the heap in doubt.
pub const CHILD_DONE: i32 = 0;
/// Exit status of a child: the next result did not fit.
pub const CHILD_FULL: i32 = 81;
/// Exit status of a child: the harness failed; the text is in the results.
pub const CHILD_FATAL: i32 = 82;
/// Exit status of a child: it cannot serve traces at the daemon's configuration.
pub const CHILD_ELSEWHERE: i32 = 83;

/// Makes a system call.
///
/// # Safety
/// The arguments must be valid for the call, which may write where they point.
unsafe fn call(number: usize, arguments: [usize; 6]) -> isize {
    let result;
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the kernel's calling convention; the caller is responsible for what the call does.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c,
             in("r10") d, in("r8") e, in("r9") f, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// Ends the process at once, without running any code of the program.
pub fn exit(code: i32) -> ! {
    loop {
        // SAFETY: exit_group takes a number and touches no memory.
        unsafe { call(EXIT_GROUP, [code as usize, 0, 0, 0, 0, 0]) };
    }
}

/// Reads until `buffer` is full. Returns false when the other end is gone.
pub fn read_exact(fd: i32, mut buffer: &mut [u8]) -> bool {
    while !buffer.is_empty() {
        // SAFETY: the kernel writes at most `len` bytes into a buffer that is ours.
        let n = unsafe { call(READ, [fd as usize, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0]) };
        match usize::try_from(n) {
            Ok(0) => return false,
            Ok(n) => buffer = &mut buffer[n..],
            Err(_) if n == -4 => {}
            Err(_) => return false,
        }
    }
    true
}

/// Writes all of `bytes`. Returns false when the other end is gone.
pub fn write_all(fd: i32, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        // SAFETY: the kernel reads at most `len` bytes of a slice that is ours.
        let n = unsafe { call(WRITE, [fd as usize, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0]) };
        match usize::try_from(n) {
            Ok(n) => bytes = &bytes[n..],
            Err(_) if n == -4 => {}
            Err(_) => return false,
        }
    }
    true
}

/// Maps zeroed memory, taken from the machine when touched; `shared` with children forked later.
pub fn map(bytes: usize, shared: bool) -> Option<NonNull<u8>> {
    const ANONYMOUS: usize = 0x20;
    const NORESERVE: usize = 0x4000;
    let flags = ANONYMOUS | NORESERVE | if shared { 1 } else { 2 };
    // SAFETY: a new anonymous mapping at an address of the kernel's choice overlaps nothing.
    let address = unsafe { call(MMAP, [0, bytes, 3, flags, usize::MAX, 0]) };
    if address < 0 { None } else { NonNull::new(address as *mut u8) }
}

/// As [`map`], private, at this address if it is free, otherwise anywhere.
pub fn map_at(address: usize, bytes: usize) -> Option<NonNull<u8>> {
    const PRIVATE_ANONYMOUS_NORESERVE: usize = 0x4022;
    const FIXED_IF_FREE: usize = 0x10_0000;
    let flags = PRIVATE_ANONYMOUS_NORESERVE | FIXED_IF_FREE;
    // SAFETY: a new anonymous mapping that takes no other's place overlaps nothing.
    let mapped = unsafe { call(MMAP, [address, bytes, 3, flags, usize::MAX, 0]) };
    if mapped < 0 { map(bytes, false) } else { NonNull::new(mapped as *mut u8) }
}

/// Returns pages to the machine; a private anonymous mapping reads as zeros again.
///
/// # Safety
/// `start` to `start + bytes` must be whole pages of an anonymous mapping of ours that nothing refers to.
pub unsafe fn discard(start: usize, bytes: usize) {
    const DONTNEED: usize = 4;
    // SAFETY: the caller guarantees the range.
    unsafe { call(MADVISE, [start, bytes, DONTNEED, 0, 0, 0]) };
}

/// Lets pages be read and written, or (`open` false) makes every access fault. Returns false when the kernel cannot.
///
/// # Safety
/// `start` to `start + bytes` must be whole pages of a mapping of ours; nothing may use closed ones.
pub unsafe fn protect(start: usize, bytes: usize, open: bool) -> bool {
    let access = if open { 3 } else { 0 };
    // SAFETY: the caller guarantees the range.
    unsafe { call(MPROTECT, [start, bytes, access, 0, 0, 0]) == 0 }
}

/// Whether the page at `address` is mapped.
pub fn is_mapped(address: usize) -> bool {
    let mut resident = 0_u8;
    // SAFETY: mincore of one page writes one byte.
    unsafe { call(MINCORE, [address & !4095, 4096, &raw mut resident as usize, 0, 0, 0]) == 0 }
}

/// Forks, bypassing libc and its handlers: 0 in the child, its pid in the parent, an error below zero.
pub fn fork() -> i32 {
    // SAFETY: the process has one thread; the child goes on with a copy of everything.
    unsafe { call(FORK, [0; 6]) as i32 }
}

/// Waits for the child `pid`; returns its status as `waitpid` stores it.
pub fn wait(pid: i32) -> i32 {
    let mut status = 0_i32;
    loop {
        // SAFETY: the kernel writes one status.
        let got = unsafe { call(WAIT4, [pid as usize, &raw mut status as usize, 0, 0, 0, 0]) };
        if got != -4 {
            return status;
        }
    }
}

/// Whether the child `pid` was stopped and stands still.
pub fn is_stopped(pid: i32) -> bool {
    const OF_PID: usize = 1;
    /// A look alone, at a stop alone, that leaves it to be seen again.
    const NO_HANG_STOPPED_NO_WAIT: usize = 0x0100_0003;
    const PID_WORD: usize = 4;
    let mut information = [0_i32; 32];
    let at = information.as_mut_ptr() as usize;
    // SAFETY: the kernel writes one record of 128 bytes.
    let done = unsafe { call(WAITID, [OF_PID, pid as usize, at, NO_HANG_STOPPED_NO_WAIT, 0, 0]) };
    done == 0 && information[PID_WORD] == pid
}

/// Kills our child `pid`.
pub fn kill(pid: i32) {
    // SAFETY: a signal to a child of ours that is not reaped.
    unsafe { call(KILL, [pid as usize, 9, 0, 0, 0, 0]) };
}

/// Raises `signal` in this thread.
pub fn raise(signal: i32) {
    // SAFETY: a signal to ourselves; its handler is ours.
    unsafe {
        let (process, thread) = (call(GETPID, [0; 6]), call(GETTID, [0; 6]));
        call(TGKILL, [process as usize, thread as usize, signal as usize, 0, 0, 0]);
    }
}

/// Makes the kernel kill this process when its parent ends. Returns false when the parent is already gone.
pub fn die_with_parent(parent: i32) -> bool {
    const SET_PDEATHSIG: usize = 1;
    // SAFETY: numbers only.
    unsafe {
        call(PRCTL, [SET_PDEATHSIG, 9, 0, 0, 0, 0]);
        call(GETPPID, [0; 6]) as i32 == parent
    }
}

/// Returns this process's real pid.
pub fn pid() -> i32 {
    // SAFETY: no arguments.
    unsafe { call(GETPID, [0; 6]) as i32 }
}

/// Returns the real pid of this process's parent.
pub fn parent() -> i32 {
    // SAFETY: no arguments.
    unsafe { call(GETPPID, [0; 6]) as i32 }
}

/// Whether a file exists; `path` ends in zero.
pub fn exists(path: &str) -> bool {
    assert!(path.ends_with('\0'), "a path for the kernel ends in zero");
    // SAFETY: a text that ends in zero, and a number.
    unsafe { call(ACCESS, [path.as_ptr() as usize, 0, 0, 0, 0, 0]) == 0 }
}

/// Whether a message waits at a socket; `None`: it is no socket.
pub fn has_message(fd: i32) -> Option<bool> {
    const PEEK: usize = 2;
    const NO_SOCKET: isize = -88;
    const NO_DESCRIPTOR: isize = -9;
    match receive(fd, PEEK) {
        NO_SOCKET | NO_DESCRIPTOR => None,
        got => Some(got > 0),
    }
}

/// Drops all messages that wait at a socket.
pub fn drop_messages(fd: i32) {
    while receive(fd, 0) > 0 {}
}

/// Receives a byte of a message without waiting.
fn receive(fd: i32, flags: usize) -> isize {
    const DO_NOT_WAIT: usize = 0x40;
    let mut byte = 0_u8;
    // SAFETY: the kernel writes one byte, and no address.
    unsafe { call(RECVFROM, [fd as usize, &raw mut byte as usize, 1, flags | DO_NOT_WAIT, 0, 0]) }
}

/// Makes a pipe: the end to read, the end to write, both of high numbers that no program expects.
///
/// # Errors
/// The kernel's error number.
pub fn pipe() -> Result<(i32, i32), i32> {
    let mut ends = [0_i32; 2];
    // SAFETY: the kernel writes two descriptors.
    let result = unsafe { call(PIPE2, [ends.as_mut_ptr() as usize, O_CLOEXEC, 0, 0, 0, 0]) };
    if result != 0 {
        return Err(-(result as i32));
    }
    let high = ends.map(aside);
    ends.into_iter().for_each(close);
    if high.iter().all(|end| *end >= 0) { Ok((high[0], high[1])) } else { Err(TOO_MANY_FILES) }
}

/// Closes a descriptor of ours.
pub fn close(fd: i32) {
    // SAFETY: a number.
    unsafe { call(CLOSE, [fd as usize, 0, 0, 0, 0, 0]) };
}

/// Waits until one of two descriptors is readable or hung up, or for `millis`; returns which are.
pub fn poll(fds: [i32; 2], millis: usize) -> [bool; 2] {
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Wanted {
        fd: i32,
        events: i16,
        seen: i16,
    }
    let mut wanted = fds.map(|fd| Wanted { fd, events: POLLIN, seen: 0 });
    // SAFETY: two records, as required above.
    unsafe { call(POLL, [wanted.as_mut_ptr() as usize, 2, millis, 0, 0, 0]) };
    wanted.map(|wanted| wanted.seen != 0)
}

/// Raises SIGPROF every `millis` of CPU time; 0: never.
pub fn tick_cpu(millis: u64) {
    const PROF: usize = 2;
    tick(PROF, millis * 1_000);
}

/// Raises SIGALRM every `micros` on the wall clock; 0: never.
pub fn tick_wall(micros: u64) {
    const REAL: usize = 0;
    tick(REAL, micros);
}

fn tick(timer: usize, micros: u64) {
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let every = [seconds, micros, seconds, micros];
    // SAFETY: the kernel reads four numbers.
    unsafe { call(SETITIMER, [timer, every.as_ptr() as usize, 0, 0, 0, 0]) };
}

/// Returns the CPU time of process `pid` in microseconds, 0 being this process; `None` when there is none.
pub fn cpu_micros(pid: i32) -> Option<u64> {
    /// The kernel's number for the clock of a process.
    const OF_PROCESS: i32 = 2;
    let clock = (!pid << 3) | OF_PROCESS;
    let mut time = [0_u64; 2];
    // SAFETY: the kernel writes two words.
    let result = unsafe { call(CLOCK_GETTIME, [clock as usize, time.as_mut_ptr() as usize, 0, 0, 0, 0]) };
    (result == 0).then(|| time[0] * 1_000_000 + time[1] / 1_000)
}

/// Limits files that this process writes to `bytes`; larger writes fail.
pub fn limit_files(bytes: u64) {
    const FILE_SIZE: usize = 1;
    const TOO_LARGE: i32 = 25;
    ignore_signal(TOO_LARGE);
    let limit = [bytes, bytes];
    // SAFETY: the kernel reads two words.
    unsafe { call(PRLIMIT, [0, FILE_SIZE, limit.as_ptr() as usize, 0, 0, 0]) };
}

/// Instruction of a filter of system calls.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FilterStep {
    /// Operation.
    pub code: u16,
    /// Steps skipped if a comparison holds.
    pub then: u8,
    /// Steps skipped if it does not.
    pub otherwise: u8,
    /// Operand.
    pub number: u32,
}

/// Filters every later system call of this process and its children.
///
/// # Errors
/// The kernel's error number.
pub fn filter(steps: &[FilterStep]) -> Result<(), i32> {
    const NO_NEW_PRIVILEGES: usize = 38;
    const SET_FILTER: usize = 1;
    let program = [steps.len(), steps.as_ptr() as usize];
    // SAFETY: numbers; then the kernel reads two words: the number of steps and their address.
    let result = unsafe {
        call(PRCTL, [NO_NEW_PRIVILEGES, 1, 0, 0, 0, 0]);
        call(SECCOMP, [SET_FILTER, 0, program.as_ptr() as usize, 0, 0, 0])
    };
    if result == 0 { Ok(()) } else { Err(-(result as i32)) }
}

/// Makes everything that is mounted read-only in this process's namespace. Returns false when the kernel cannot do that
/// (before 5.12).
pub fn freeze_mounts() -> bool {
    const HERE: usize = -100_isize as usize;
    const RECURSIVE: usize = 0x8000;
    const READ_ONLY: u64 = 1;
    let wanted = [READ_ONLY, 0, 0, 0];
    let path = c"/".as_ptr() as usize;
    // SAFETY: a text that ends in zero, and four words that the kernel reads.
    unsafe {
        call(MOUNT_SETATTR, [HERE, path, RECURSIVE, wanted.as_ptr() as usize, size_of_val(&wanted), 0]) == 0
    }
}

/// A handler as the kernel calls it.
pub type SignalHandler = unsafe extern "C" fn(i32, *const u8, *const u8);

#[repr(C)]
struct Action {
    handler: usize,
    flags: usize,
    restorer: usize,
    mask: u64,
}

fn ignore_signal(signal: i32) {
    const IGNORE: usize = 1;
    let action = Action { handler: IGNORE, flags: 0, restorer: 0, mask: 0 };
    // SAFETY: the kernel reads one action of its own layout.
    unsafe { call(RT_SIGACTION, [signal as usize, &raw const action as usize, 0, 8, 0, 0]) };
}

/// Installs `handler` for `signal`, on the alternate stack, with all other signals blocked; an interrupted call is
/// restarted.
///
/// # Safety
/// `restorer` must be the code that ends a handler.
pub unsafe fn on_signal(signal: i32, handler: SignalHandler, restorer: usize) {
    const SIGINFO: usize = 4;
    const RESTORER: usize = 0x0400_0000;
    const ON_STACK: usize = 0x0800_0000;
    const RESTART: usize = 0x1000_0000;
    let flags = SIGINFO | RESTORER | ON_STACK | RESTART;
    let action = Action { handler: handler as usize, flags, restorer, mask: u64::MAX };
    // SAFETY: the kernel reads one action of its own layout.
    unsafe { call(RT_SIGACTION, [signal as usize, &raw const action as usize, 0, 8, 0, 0]) };
}

/// Sets the stack for signal handlers.
///
/// # Safety
/// `stack` must be ours, of `bytes` bytes, for as long as the process lives.
pub unsafe fn alternate_stack(stack: NonNull<u8>, bytes: usize) {
    let description = [stack.as_ptr() as usize, 0, bytes];
    // SAFETY: the kernel reads three words; the caller guarantees the stack.
    unsafe { call(SIGALTSTACK, [description.as_ptr() as usize, 0, 0, 0, 0, 0]) };
}

/// Duplicates `fd` to a high number that no program expects, closed on exec; below 0: none.
pub fn aside(fd: i32) -> i32 {
    const DUP_CLOEXEC: usize = 1_030;
    const HIGH: usize = 900;
    // SAFETY: numbers.
    unsafe { call(FCNTL, [fd as usize, DUP_CLOEXEC, HIGH, 0, 0, 0]) as i32 }
}

/// Makes `second` a duplicate of `first`.
pub fn same_as(first: i32, second: i32) {
    // SAFETY: numbers.
    unsafe { call(DUP3, [first as usize, second as usize, 0, 0, 0, 0]) };
}

/// Returns an option of a socket that is a number; `None` when `fd` is no socket.
pub fn socket_option(fd: i32, option: usize) -> Option<i32> {
    const SOCKET_LEVEL: usize = 1;
    let (mut value, mut bytes) = (0_i32, size_of::<i32>() as u32);
    let (value_at, bytes_at) = (&raw mut value as usize, &raw mut bytes as usize);
    // SAFETY: the kernel writes a number of four bytes, and how many it wrote.
    let result = unsafe { call(GETSOCKOPT, [fd as usize, SOCKET_LEVEL, option, value_at, bytes_at, 0]) };
    (result == 0).then_some(value)
}

/// Replaces the file's content. Returns false when it cannot be written.
pub fn replace(fd: i32, bytes: &[u8]) -> bool {
    // SAFETY: numbers, and a slice of ours that the kernel reads.
    unsafe {
        let cut = call(FTRUNCATE, [fd as usize, 0, 0, 0, 0, 0]);
        let written = call(PWRITE, [fd as usize, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0]);
        cut == 0 && written == bytes.len() as isize
    }
}

/// Writes a file that holds `bytes`; `path` ends in zero. Returns false when it cannot be written.
pub fn write_file(path: &str, bytes: &[u8]) -> bool {
    const WRITE_CREATE_CUT: usize = 0o1_101;
    assert!(path.ends_with('\0'), "a path for the kernel ends in zero");
    // SAFETY: a text that ends in zero.
    let fd = unsafe { call(OPEN, [path.as_ptr() as usize, WRITE_CREATE_CUT | O_CLOEXEC, 0o600, 0, 0, 0]) };
    let Ok(fd) = i32::try_from(fd) else { return false };
    if fd < 0 {
        return false;
    }
    let written = write_all(fd, bytes);
    close(fd);
    written
}

/// Removes a file if it exists; `path` ends in zero.
pub fn unlink(path: &str) {
    assert!(path.ends_with('\0'), "a path for the kernel ends in zero");
    // SAFETY: a text that ends in zero.
    unsafe { call(UNLINK, [path.as_ptr() as usize, 0, 0, 0, 0, 0]) };
}

/// Unblocks all signals.
pub fn unblock_signals() {
    const SET: usize = 2;
    let none = 0_u64;
    // SAFETY: the kernel reads one set of eight bytes.
    unsafe { call(RT_SIGPROCMASK, [SET, &raw const none as usize, 0, 8, 0, 0]) };
}

/// Mounts an empty file system in memory; `path` ends in zero. Returns false when that is not allowed.
pub fn mount_memory(path: &str) -> bool {
    const NO_DEVICES_NO_SUID: usize = 6;
    assert!(path.ends_with('\0'), "a path for the kernel ends in zero");
    let kind = c"tmpfs".as_ptr() as usize;
    // SAFETY: texts that end in zero; no options.
    unsafe { call(MOUNT, [kind, path.as_ptr() as usize, kind, NO_DEVICES_NO_SUID, 0, 0]) == 0 }
}
