//! The library that is preloaded into the real keepalived, takes it over and drives its scheduler.
//!
//! It stands before libc ([`hooks`]). In the one program that its parent means ([`start`]) it lets `main` begin for
//! a whole daemon alone ([`daemon`]); else never: it finds out how the program lays out its data ([`calibrate`], [`search`], [`layout`]), then runs traces on the
//! program's own functions ([`drive`], [`program`], [`callbacks`]) with the world of `treefall_world` around
//! them, and answers its parent ([`serve`]). In every other program each hook goes straight on.
//!
//! Always: this is the only home of `unsafe` in the project. Its memory is its own ([`arena`]), the program's
//! entries lie in blocks that it hands out ([`heap`]); a crash or hang of the program is caught ([`guard`]) and
//! left by an escape ([`shelter`]); a
//! system call that nobody foresaw ([`filter`]) or that does not come back ([`asleep`]) ends the run with its name. It imports a handful of libc's functions, none with a version, so that one
//! build loads wherever glibc is.
//!
//! As an ordinary member of the workspace (built with unwinding panics, for lints and tests) it exports nothing.

#![cfg_attr(panic = "abort", no_std)]

extern crate alloc;

pub mod arena;
pub mod asleep;
pub mod calibrate;
pub mod callbacks;
pub mod daemon;
pub mod drive;
pub mod fatal;
pub mod filter;
pub mod follow;
pub mod guard;
pub mod heap;
pub mod hooks;
pub mod layout;
pub mod ledger;
pub mod log;
pub mod program;
pub mod sanitizer;
pub mod search;
pub mod serve;
pub mod shelter;
pub mod single;
pub mod start;
pub mod stopped;
pub mod sys;

/// Exit status: no memory left.
pub const EXIT_NO_MEMORY: i32 = 90;
/// Exit status: a fault where nothing could catch it.
pub const EXIT_UNSHELTERED: i32 = 91;
/// Exit status: a function of libc's is nowhere to be found.
pub const EXIT_NO_FUNCTION: i32 = 92;
/// Exit status: a law of the library's own is broken.
pub const EXIT_PANIC: i32 = 93;

#[cfg(panic = "abort")]
#[global_allocator]
static OWN: arena::Own = arena::Own;

#[cfg(panic = "abort")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    if shelter::is_sheltered() {
        guard::set_watching(false);
        fatal::fatal(format_args!("the engine's library failed: {info}"));
    }
    sys::exit(EXIT_PANIC)
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
