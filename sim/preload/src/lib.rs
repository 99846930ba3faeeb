//! The library that is preloaded into the real keepalived, takes it over and drives its scheduler.
//!
//! The library comes before libc, so the program calls its functions ([`hooks`]). [`start`] takes over only the program
//! that the parent process names; in every other process each hook calls the real function. What happens next depends on
//! the parent's first message:
//!
//! - [`serve::engine`]: finds the layout of the program's data ([`calibrate`], [`probe`], [`search`], [`layout`]), then runs
//!   traces on the program's own scheduler functions ([`drive`], [`program`], [`callbacks`]). `main` never runs.
//! - [`serve::daemon`]: lets `main` run, and plays each trace in a process forked from it ([`serve::snapshot`]); [`daemon`] tells the world what
//!   the daemon does.
//!
//! Both run in the world of `treefall_world` and answer the parent through [`serve`].
//!
//! Layers, lowest first; a file imports only files of lower layers:
//!
//! 1. the kernel and the process: [`sys`], [`single`], [`libc`], [`clocks`], [`descriptors`], [`registers`], [`ledger`],
//!    [`blocks`];
//! 2. leaving the program: [`sanitizer`], [`escape`], [`stopped`], [`fatal`], [`progress`];
//! 3. memory and the program: [`arena`], [`heap`], [`program`], [`callbacks`], [`filter`];
//! 4. signal handlers: [`crash`], [`single_step`], [`asleep`], [`watchdog`];
//! 5. a trace: [`layout`], [`probe`], [`search`], [`calibrate`], [`drive`], [`daemon`];
//! 6. [`signals`], which installs the handlers, and [`serve`];
//! 7. where the program enters the library: [`start`], [`log`], [`hooks`].
//!
//! Invariants: this crate holds all `unsafe` code of the project. Its memory comes from [`arena`], never from the
//! program's heap; the program's blocks come from [`heap`]. A crash, a hang, a system call that is not on the list
//! ([`filter`]) or one that never returns ([`asleep`]) ends the run with its name. It imports few functions of libc, none
//! with a version, so that one build loads wherever glibc is.
//!
//! As an ordinary member of the workspace (built with unwinding panics, for lints and tests) it exports nothing.

#![cfg_attr(panic = "abort", no_std)]

extern crate alloc;

pub mod arena;
pub mod asleep;
pub mod blocks;
pub mod calibrate;
pub mod callbacks;
pub mod clocks;
pub mod crash;
pub mod daemon;
pub mod descriptors;
pub mod drive;
pub mod escape;
pub mod fatal;
pub mod filter;
pub mod heap;
pub mod hooks;
pub mod layout;
pub mod ledger;
pub mod libc;
pub mod log;
pub mod probe;
pub mod program;
pub mod progress;
pub mod registers;
pub mod sanitizer;
pub mod search;
pub mod serve;
pub mod signals;
pub mod single;
pub mod single_step;
pub mod start;
pub mod stopped;
pub mod sys;
pub mod watchdog;

#[cfg(panic = "abort")]
#[global_allocator]
static OWN: arena::Own = arena::Own;

#[cfg(panic = "abort")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    if escape::is_sheltered() {
        progress::set_in_harness(false);
        fatal::fatal(format_args!("the engine's library failed: {info}"));
    }
    sys::exit(sys::EXIT_PANIC)
}

// Named by the prebuilt core library and never called, for panics abort. Hidden, so that no program's own are
// taken for ours.
#[cfg(panic = "abort")]
core::arch::global_asm!(
    ".hidden rust_eh_personality",
    ".hidden _Unwind_Resume",
    ".globl rust_eh_personality",
    ".globl _Unwind_Resume",
    "rust_eh_personality:",
    "_Unwind_Resume:",
    "ud2",
);
