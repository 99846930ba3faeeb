//! The program that was taken over: where it lies, and its functions.
//!
//! Always: a function here is called with the arguments that the release takes, or with more: on this machine
//! an argument too many does no harm.

use treefall_world::wire::Symbols;

use crate::single::Single;
use crate::sys;

/// A handler of an entry, as the program calls it. Old releases look at the result, which is 0.
pub type EntryHandler = extern "C" fn(usize) -> i32;
/// A handler of a signal, as the program calls it.
pub type SignalHandler = extern "C" fn(usize, i32);

/// The delay, in microseconds, of a timer that never fires.
pub const NEVER: u64 = u64::MAX;

/// What is known of the program.
#[derive(Clone, Copy)]
struct Program {
    bias: usize,
    symbols: Symbols,
}

static PROGRAM: Single<Program> = Single::new(Program { bias: 0, symbols: Symbols::NONE });

/// The program lies `bias` above the addresses of its file.
pub fn set_bias(bias: usize) {
    PROGRAM.set(Program { bias, ..PROGRAM.get() });
}

/// The program's functions are at these places of its file.
pub fn set_symbols(symbols: Symbols) {
    PROGRAM.set(Program { symbols, ..PROGRAM.get() });
}

/// The offset of an address in the program's text; `None`: it lies elsewhere.
pub fn text_offset(address: usize) -> Option<u64> {
    let Program { bias, symbols } = PROGRAM.get();
    let offset = (address as u64).wrapping_sub(bias as u64);
    (symbols.text_start..symbols.text_end).contains(&offset).then_some(offset)
}

fn library_start() -> usize {
    unsafe extern "C" {
        static __ehdr_start: u8;
    }
    // Every linker defines this symbol as the file's first byte in memory, and hides it.
    &raw const __ehdr_start as usize
}

/// How far an address is above the library's start; huge when it is below.
pub fn library_offset(address: usize) -> usize {
    address.wrapping_sub(library_start())
}

/// Whether an address lies in the library itself: the program may be mapped right behind it.
pub fn in_library(address: usize) -> bool {
    library().contains(&address)
}

/// Where the library itself lies.
pub fn library() -> core::ops::Range<usize> {
    const LOADED: u32 = 1;
    const HEADERS: usize = 32;
    const HEADER_COUNT: usize = 56;
    const HEADER_BYTES: usize = 56;
    let start = library_start();
    // SAFETY: our own file's header and program headers, as the loader mapped them.
    let end = unsafe {
        let headers = start + *((start + HEADERS) as *const usize);
        let count = usize::from(*((start + HEADER_COUNT) as *const u16));
        let ends = (0..count).map(|number| {
            let header = headers + number * HEADER_BYTES;
            let (kind, from, bytes) =
                (*(header as *const u32), *((header + 16) as *const usize), *((header + 40) as *const usize));
            if kind == LOADED { start + from + bytes } else { 0 }
        });
        ends.max().unwrap_or(start)
    };
    start..end
}

fn at(offset: u64) -> usize {
    PROGRAM.get().bias + offset as usize
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => { $(
        $(#[$doc])*
        ///
        /// # Safety
        /// The program must be in a state in which its own code could make this call.
        #[inline]
        pub unsafe fn $name($($argument: $type),*) $(-> $result)? {
            // SAFETY: the parent found the symbol of this name in the program's file, and the calibration
            // saw that the function does what it is taken for; the caller answers for the moment.
            unsafe {
                let address = at(PROGRAM.get().symbols.$name);
                let function: extern "C" fn($($type),*) $(-> $result)? = core::mem::transmute(address);
                function($($argument),*)
            }
        }
    )* };
}

functions! {
    /// A new master, with the base entries in it.
    thread_make_master() -> usize;
    /// The timerfd's and the signalfd's entries are added.
    thread_add_base_threads(master: usize, with_snmp: usize);
    /// All entries are cleaned up.
    thread_cleanup_master(master: usize, keep_children: usize);
    /// A timer, due in `micros`.
    thread_add_timer(master: usize, handler: EntryHandler, argument: usize, micros: u64) -> usize;
    /// A timer that also runs in a shutdown.
    thread_add_timer_shutdown(master: usize, handler: EntryHandler, argument: usize, micros: u64) -> usize;
    /// A child, its timeout in `micros`.
    thread_add_child(master: usize, handler: EntryHandler, argument: usize, pid: i32, micros: u64) -> usize;
    /// An event.
    thread_add_event(master: usize, handler: EntryHandler, argument: usize, value: i32) -> usize;
    /// A descriptor to read; `micros` until its timeout.
    thread_add_read(master: usize, handler: EntryHandler, argument: usize, fd: i32, micros: u64, flags: u32) -> usize;
    /// A descriptor to write; `micros` until its timeout.
    thread_add_write(master: usize, handler: EntryHandler, argument: usize, fd: i32, micros: u64, flags: u32) -> usize;
    /// The event that begins a shutdown.
    thread_add_start_terminate_event(master: usize, handler: EntryHandler) -> usize;
    /// The event that ends the loop.
    thread_add_terminate_event(master: usize) -> usize;
    /// An entry is cancelled.
    thread_cancel(entry: usize);
    /// The program's own handler of SIGCHLD.
    thread_child_handler(argument: usize, signal: i32);
    /// The loop.
    process_threads(master: usize);
    /// A signal to all of CHILD.
    script_killall(master: usize, signal: i32, flag: usize);
    /// A handler for a signal.
    signal_set(signal: i32, handler: SignalHandler, argument: usize);
    /// The cached clock is read anew.
    set_time_now();
}

/// Whether the program has the functions that not every release has.
pub fn has_shutdown_timer() -> bool {
    PROGRAM.get().symbols.thread_add_timer_shutdown != 0
}

/// The program's own handler of SIGCHLD, to be handed to [`signal_set`].
pub fn child_handler() -> SignalHandler {
    let address = at(PROGRAM.get().symbols.thread_child_handler);
    // SAFETY: the symbol is the program's own handler of this signature.
    unsafe { core::mem::transmute::<usize, SignalHandler>(address) }
}

/// What the program's variable `master` holds: the address of its master, or 0.
pub fn master() -> usize {
    // SAFETY: a variable of the program's, one word, by its symbol.
    unsafe { *(at(PROGRAM.get().symbols.master) as *const usize) }
}

/// The program's variable `master` is set.
///
/// # Safety
/// As for a call into the program.
pub unsafe fn set_master(master: usize) {
    // SAFETY: a variable of the program's, one word, by its symbol.
    unsafe { *(at(PROGRAM.get().symbols.master) as *mut usize) = master };
}

/// The delay above which a wake counts as late is given its default, which the program's `main` would have
/// set: a second. `false`: the program does not show the variable.
///
/// # Safety
/// As for a call into the program.
pub unsafe fn set_late_wake_default() -> bool {
    const SECOND: u64 = 1_000_000;
    let Symbols { min_auto_priority_delay: offset, min_auto_priority_delay_size: size, .. } =
        PROGRAM.get().symbols;
    // SAFETY: a variable of the program's, of the size that its symbol says.
    unsafe {
        match (offset, size) {
            (0, _) => return false,
            (_, 8) => *(at(offset) as *mut u64) = SECOND,
            (_, 4) => *(at(offset) as *mut u32) = SECOND as u32,
            _ => return false,
        }
    }
    true
}

/// The program's variables as they were after the calibration.
static SNAPSHOT: Single<usize> = Single::new(0);

/// Where the program's variables are, and how many bytes.
pub fn variables() -> (usize, usize) {
    let Symbols { data_start, data_end, .. } = PROGRAM.get().symbols;
    (at(data_start), (data_end - data_start) as usize)
}

/// Keeps a copy of the program's variables.
pub fn keep_variables() {
    let (start, bytes) = variables();
    if SNAPSHOT.get() == 0 {
        let Some(copy) = sys::map(bytes.max(1), false) else { sys::exit(sys::EXIT_NO_MEMORY) };
        SNAPSHOT.set(copy.as_ptr() as usize);
    }
    // SAFETY: the program's writable segment, as its file's headers tell it, and a mapping of its size.
    unsafe { core::ptr::copy_nonoverlapping(start as *const u8, SNAPSHOT.get() as *mut u8, bytes) };
}

/// The program's variables are again as they were kept: a run leaves some that the next would see (that a
/// shutdown has begun, for one).
pub fn restore_variables() {
    let (start, bytes) = variables();
    // SAFETY: as above; no code of the program's is running.
    unsafe { core::ptr::copy_nonoverlapping(SNAPSHOT.get() as *const u8, start as *mut u8, bytes) };
}

/// Whether a call that not every program shows can be made.
pub fn has_clock() -> bool {
    PROGRAM.get().symbols.set_time_now != 0
}
