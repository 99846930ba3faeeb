//! Calls that a driven program must not make: each ends the run with its name, or is allowed where the list ([`calls`])
//! says that a daemon needs it.
//!
//! Invariant: outside of a taken-over process each calls the real function with all registers untouched, for any number
//! of arguments.

use core::arch::naked_asm;
use core::ffi::CStr;
use core::sync::atomic::AtomicUsize;

use treefall_world::calls::{self, Fate};

use crate::fatal::fatal;
use crate::ledger;
use crate::libc;
use crate::registers::Registers;
use crate::single::{MODE, Mode, NATIVE_MAX, mode};
use crate::stopped::{self, Place};

/// Handles a call in a taken-over process: allows it where it is a daemon's and harmless, otherwise ends the run.
unsafe extern "C" fn admit(name: *const core::ffi::c_char, stack: usize, base: usize, call: usize) {
    // SAFETY: the stubs hand over a constant text.
    let name = unsafe { CStr::from_ptr(name) }.to_str().unwrap_or("?");
    ledger::count(call);
    let fate = calls::counted(call).map(|(_, row)| row.daemon);
    if matches!(mode(), Mode::Daemon | Mode::Script) && fate == Some(Fate::LetThrough) {
        return;
    }
    // SAFETY: the stubs hand over the registers that they were called with.
    stopped::keep(Place::Stopped, unsafe { Registers::of_caller(stack, base) });
    match mode() {
        Mode::Daemon => fatal(format_args!("the daemon called {name}, which is not let through")),
        _ => fatal(format_args!("the program called {name}, which the engine does not let through")),
    }
}

unsafe extern "C" fn resolve(name: *const core::ffi::c_char, slot: *const AtomicUsize) -> usize {
    // SAFETY: the stubs hand over a constant text and a static.
    unsafe { libc::find(&*slot, CStr::from_ptr(name)) }
}

macro_rules! concat_bytes {
    ($name:ident) => {{
        const TEXT: &str = concat!(stringify!($name), "\0");
        const BYTES: &[u8; TEXT.len()] = match TEXT.as_bytes().first_chunk() {
            Some(bytes) => bytes,
            None => panic!("a text has its own length"),
        };
        BYTES
    }};
}
macro_rules! forbidden {
    ($($name:ident)*) => { $(
        #[doc = concat!("`", stringify!($name), "` is not let through.")]
        ///
        /// # Safety
        /// As libc's.
        #[cfg_attr(panic = "abort", unsafe(no_mangle))]
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name() {
            static SLOT: AtomicUsize = AtomicUsize::new(0);
            static NAME: [u8; concat!(stringify!($name), "\0").len()] = *concat_bytes!($name);
            naked_asm!(
                "cmp byte ptr [rip + {mode}], {native}",
                "ja 2f",
                "4:",
                "mov r11, [rip + {slot}]",
                "test r11, r11",
                "je 3f",
                "jmp r11",
                // Taken over. All registers that carry arguments are kept.
                "2:",
                "push rax",
                "push rdi",
                "push rsi",
                "push rdx",
                "push rcx",
                "push r8",
                "push r9",
                "lea rdi, [rip + {name}]",
                "mov rsi, rsp",
                "add rsi, 56",
                "mov rdx, rbp",
                "mov ecx, {call}",
                "call {admit}",
                "pop r9",
                "pop r8",
                "pop rcx",
                "pop rdx",
                "pop rsi",
                "pop rdi",
                "pop rax",
                "jmp 4b",
                // First use.
                "3:",
                "push rax",
                "push rdi",
                "push rsi",
                "push rdx",
                "push rcx",
                "push r8",
                "push r9",
                "lea rdi, [rip + {name}]",
                "lea rsi, [rip + {slot}]",
                "call {resolve}",
                "mov r11, rax",
                "pop r9",
                "pop r8",
                "pop rcx",
                "pop rdx",
                "pop rsi",
                "pop rdi",
                "pop rax",
                "jmp r11",
                mode = sym MODE,
                slot = sym SLOT,
                name = sym NAME,
                native = const NATIVE_MAX,
                call = const calls::number(stringify!($name)),
                admit = sym admit,
                resolve = sym resolve,
            )
        }
    )* };
}

forbidden! {
    vfork execl execlp execle execvpe execveat fexecve posix_spawn posix_spawnp system daemon
    pthread_create waitid wait wait3 wait4
    clock_nanosleep select pselect poll ppoll epoll_pwait epoll_pwait2
    connect bind send sendto sendmsg recv recvfrom
    eventfd inotify_init1 pipe pipe2 openat creat unlink rename
    clone raise pause sigsuspend sem_wait sem_timedwait pthread_cond_wait
    mount umount umount2 setns unshare sched_setaffinity
}
