//! The program that was taken over: its address, and its functions.
//!
//! Invariant: a function here is called with the arguments that its release takes, or with more; on this machine extra
//! arguments do no harm.

use treefall_world::wire::Symbols;

use crate::single::Single;
use crate::sys;

/// An entry's handler, as the program calls it. Old releases read the result, which is 0.
pub type EntryHandler = extern "C" fn(usize) -> i32;
/// A signal's handler, as the program calls it.
pub type SignalHandler = extern "C" fn(usize, i32);

/// The delay, in microseconds, of a timer that never fires.
pub const NEVER: u64 = u64::MAX;

/// Known facts about the program.
#[derive(Clone, Copy)]
struct Program {
    bias: usize,
    symbols: Symbols,
}

static PROGRAM: Single<Program> = Single::new(Program { bias: 0, symbols: Symbols::NONE });

/// Sets the difference between the program's addresses and those of its file.
pub fn set_bias(bias: usize) {
    PROGRAM.set(Program { bias, ..PROGRAM.get() });
}

/// Sets the places of the program's functions in its file.
pub fn set_symbols(symbols: Symbols) {
    PROGRAM.set(Program { symbols, ..PROGRAM.get() });
}

/// Returns an address's offset in the program's text; `None` outside.
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

/// Returns the offset of an address from the library's start; huge when below it.
pub fn library_offset(address: usize) -> usize {
    address.wrapping_sub(library_start())
}

/// Whether an address is in the library itself; the program may be mapped right behind it.
pub fn in_library(address: usize) -> bool {
    library().contains(&address)
}

/// Returns the library's own addresses.
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
            // saw that the function does what it is taken for; the caller guarantees the moment.
            unsafe {
                let address = at(PROGRAM.get().symbols.$name);
                let function: extern "C" fn($($type),*) $(-> $result)? = core::mem::transmute(address);
                function($($argument),*)
            }
        }
    )* };
}

functions! {
    /// Creates a master, with the base entries in it.
    thread_make_master() -> usize;
    /// Adds the entries of timerfd and signalfd.
    thread_add_base_threads(master: usize, with_snmp: usize);
    /// Cleans up all entries.
    thread_cleanup_master(master: usize, keep_children: usize);
    /// Adds a timer, due in `micros`.
    thread_add_timer(master: usize, handler: EntryHandler, argument: usize, micros: u64) -> usize;
    /// Adds a timer that also runs in a shutdown.
    thread_add_timer_shutdown(master: usize, handler: EntryHandler, argument: usize, micros: u64) -> usize;
    /// Adds a child with a timeout in `micros`.
    thread_add_child(master: usize, handler: EntryHandler, argument: usize, pid: i32, micros: u64) -> usize;
    /// Adds an event.
    thread_add_event(master: usize, handler: EntryHandler, argument: usize, value: i32) -> usize;
    /// Adds a descriptor to read, with a timeout in `micros`.
    thread_add_read(master: usize, handler: EntryHandler, argument: usize, fd: i32, micros: u64, flags: u32) -> usize;
    /// Adds a descriptor to write, with a timeout in `micros`.
    thread_add_write(master: usize, handler: EntryHandler, argument: usize, fd: i32, micros: u64, flags: u32) -> usize;
    /// Adds the event that begins a shutdown.
    thread_add_start_terminate_event(master: usize, handler: EntryHandler) -> usize;
    /// Adds the event that ends the loop.
    thread_add_terminate_event(master: usize) -> usize;
    /// Cancels an entry.
    thread_cancel(entry: usize);
    /// Handles SIGCHLD as the program does.
    thread_child_handler(argument: usize, signal: i32);
    /// Runs the loop.
    process_threads(master: usize);
    /// Sends a signal to all children in CHILD.
    script_killall(master: usize, signal: i32, flag: usize);
    /// Sets a handler for a signal.
    signal_set(signal: i32, handler: SignalHandler, argument: usize);
    /// Refreshes the cached clock.
    set_time_now();
}

/// Whether the program has timers that run in a shutdown; not every release has.
pub fn has_shutdown_timer() -> bool {
    PROGRAM.get().symbols.thread_add_timer_shutdown != 0
}

/// Returns the program's own handler of SIGCHLD, for [`signal_set`].
pub fn child_handler() -> SignalHandler {
    let address = at(PROGRAM.get().symbols.thread_child_handler);
    // SAFETY: the symbol is the program's own handler of this signature.
    unsafe { core::mem::transmute::<usize, SignalHandler>(address) }
}

/// Returns the program's variable `master`: the address of its master, or 0.
pub fn master() -> usize {
    // SAFETY: a variable of the program's, one word, by its symbol.
    unsafe { *(at(PROGRAM.get().symbols.master) as *const usize) }
}

/// Sets the program's variable `master`.
///
/// # Safety
/// As for a call into the program.
pub unsafe fn set_master(master: usize) {
    // SAFETY: a variable of the program's, one word, by its symbol.
    unsafe { *(at(PROGRAM.get().symbols.master) as *mut usize) = master };
}

/// The program's number of the vrrp process; its parent process has 0.
const VRRP: i32 = 1;

/// Sets the program's variable for its kind of process, as the vrrp process does when it begins. Does nothing when the
/// program does not show the variable.
///
/// # Safety
/// As for a call into the program.
pub unsafe fn become_vrrp() {
    let offset = PROGRAM.get().symbols.prog_type;
    if offset != 0 {
        // SAFETY: an enumeration of the program's, by its symbol.
        unsafe { *(at(offset) as *mut i32) = VRRP };
    }
}

/// Sets the delay from which a wake counts as late to its default, one second, as the program's `main` would. Returns
/// false when the program does not export the variable.
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

/// Copy of the program's variables after the calibration.
static SNAPSHOT: Single<usize> = Single::new(0);

/// Returns address and size of the program's variables.
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

/// Restores the program's variables from the copy: a run leaves values that the next must not see, such as that a
/// shutdown has begun.
pub fn restore_variables() {
    let (start, bytes) = variables();
    // SAFETY: as above; no code of the program's is running.
    unsafe { core::ptr::copy_nonoverlapping(SNAPSHOT.get() as *const u8, start as *mut u8, bytes) };
}

/// Whether the program exports the function that refreshes its clock.
pub fn has_clock() -> bool {
    PROGRAM.get().symbols.set_time_now != 0
}
