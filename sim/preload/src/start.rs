//! Start of every process that loads the library: take it over, or leave it alone.
//!
//! Invariant: a process is taken over only when its environment names the parent's socket and its program is the one
//! that the parent means. Any other runs its own `main` unchanged.

use core::ffi::{CStr, c_char};

use treefall_world::wire::{Image, Request, VARIABLE, Wire as _};

use crate::libc::next;
use crate::serve::{daemon, engine, receive};
use crate::{clocks, program, sys};

/// First argument of `__libc_start_main`.
pub type Main = unsafe extern "C" fn(i32, *mut *mut c_char, *mut *mut c_char) -> i32;

/// # Safety
/// As libc's: it is called once, by the program's own beginning.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub unsafe extern "C" fn __libc_start_main(
    main: Main,
    argc: i32,
    argv: *mut *mut c_char,
    init: usize,
    fini: usize,
    loader_fini: usize,
    stack_end: usize,
) -> i32 {
    let (mut argc, mut argv) = (argc, argv);
    // SAFETY: the arguments are followed by the environment, which ends in a null pointer.
    if let Some((socket, bias)) = unsafe { meant(main as *const () as usize, argc, argv) } {
        program::set_bias(bias);
        select(socket);
        // SAFETY: as required above; nothing has looked at the arguments yet.
        (argc, argv) = unsafe { without_version(argc, argv) };
    }
    next!(__libc_start_main(main, argc, argv, init, fini, loader_fini, stack_end)
        as fn(Main, i32, *mut *mut c_char, usize, usize, usize, usize) -> i32)
}

/// Serves as engine or as daemon, by the parent's first message. Returns when the program is to run its own `main`, as
/// a daemon.
fn select(socket: i32) {
    let first = receive(socket);
    match first.as_deref().and_then(Request::from_bytes) {
        Some(Request::Enter { symbols, files, clocks }) => {
            clocks::set(clocks);
            if !daemon::enter(socket, symbols, &files) {
                sys::exit(0);
            }
        }
        _ => engine::serve(socket, first),
    }
}

/// Removes the first argument if it asks for the version: it makes a daemon that is not taken over end at once. What
/// follows the arguments stays where it is.
///
/// # Safety
/// As [`meant`].
unsafe fn without_version(argc: i32, argv: *mut *mut c_char) -> (i32, *mut *mut c_char) {
    // SAFETY: as required above: there is a second argument.
    unsafe {
        if argc < 2 || CStr::from_ptr(*argv.add(1)) != c"--version" {
            return (argc, argv);
        }
        *argv.add(1) = *argv;
        (argc - 1, argv.add(1))
    }
}

/// Returns the parent's socket and the program's address, if the parent means this program; then also removes the
/// library's variables from the environment.
///
/// # Safety
/// `argv` must hold `argc` arguments, a null pointer, and the environment up to a null pointer.
unsafe fn meant(main: usize, argc: i32, argv: *mut *mut c_char) -> Option<(i32, usize)> {
    // SAFETY: as required above.
    let environment = unsafe { argv.add(usize::try_from(argc).ok()? + 1) };
    let ours = |entry: &CStr| value_of(entry, VARIABLE).and_then(Image::from_variable);
    // SAFETY: as required above.
    let (socket, image) = unsafe { entries(environment) }.find_map(ours)?;
    let bias = main.wrapping_sub(usize::try_from(image.main).ok()?);
    let header = bias.wrapping_add(usize::try_from(image.header).ok()?);
    if !bias.is_multiple_of(4_096) || !sys::is_mapped(header) || !is_image(header, &image) {
        return None;
    }
    // SAFETY: as required above; one thread.
    unsafe {
        take_out(environment, |entry| {
            ours(entry).is_some()
                || ["LD_PRELOAD", "LD_BIND_NOW"].iter().any(|name| value_of(entry, name).is_some())
        });
    }
    Some((socket, bias))
}

fn value_of<'e>(entry: &'e CStr, name: &str) -> Option<&'e str> {
    entry.to_str().ok()?.strip_prefix(name)?.strip_prefix('=')
}

/// # Safety
/// `environment` must be pointers to texts, up to a null pointer.
unsafe fn entries<'e>(environment: *mut *mut c_char) -> impl Iterator<Item = &'e CStr> {
    (0..).map_while(move |place| {
        // SAFETY: as required above; the first null pointer ends the walk.
        unsafe {
            let entry = *environment.add(place);
            (!entry.is_null()).then(|| CStr::from_ptr(entry))
        }
    })
}

/// # Safety
/// As [`entries`], and nothing else may read the environment.
unsafe fn take_out(environment: *mut *mut c_char, out: impl Fn(&CStr) -> bool) {
    let mut kept = 0;
    let mut place = 0;
    loop {
        // SAFETY: no further than the null pointer, which is moved down too.
        unsafe {
            let entry = *environment.add(place);
            if entry.is_null() || !out(CStr::from_ptr(entry)) {
                *environment.add(kept) = entry;
                kept += 1;
            }
            if entry.is_null() {
                return;
            }
        }
        place += 1;
    }
}

/// Whether the ELF header in memory is the expected one.
fn is_image(header: usize, image: &Image) -> bool {
    const MAGIC: [u8; 4] = *b"\x7fELF";
    const ENTRY: usize = 24;
    const SECTIONS: usize = 40;
    // SAFETY: a page that is mapped, and aligned; a program's first page can be read.
    unsafe {
        (header as *const [u8; 4]).read() == MAGIC
            && ((header + ENTRY) as *const u64).read() == image.entry
            && ((header + SECTIONS) as *const u64).read() == image.sections
    }
}
