//! The program's heap while it is driven: entries in numbered blocks, all other memory beside them.
//!
//! Invariants: entries, known by the size that the calibration found, lie in slots of one size, numbered in the order
//! of creation; the trace's heap policy selects which freed slot is reused. A freed block keeps its bytes, and its
//! state is kept outside of it, so the program can corrupt neither. Fresh memory is zeroed, so a trace never sees data
//! of the one before.
//!
//! With a guarded heap each entry has a page of its own, which nothing can use once the entry is freed ([`guarded_at`]);
//! what is looked at then is a copy made at the free.

use core::ptr::NonNull;

use treefall_model::index::Block;
use treefall_model::trace::HeapPolicy;

pub use crate::blocks::{Blocks, STRIDE};
use crate::blocks::{GUARDED, PAGE, PLAIN};
use crate::escape::is_sheltered;
use crate::fatal::fatal;
use crate::registers::Registers;
use crate::single::Single;
use crate::stopped::{self, Place};
use crate::{progress, sys};

const _: () = assert!(BLOCKS_MAX < usize::MAX / STRIDE);
/// Most entries of one trace.
const BLOCKS_MAX: usize = 1 << 23;
/// The same with a guarded heap.
const GUARDED_MAX: usize = 1 << 20;
/// Bytes for all other memory.
const REST_BYTES: usize = 256 << 20;
/// Freed blocks of the rest are kept by size: steps of 16 bytes up to this, powers of two above.
const SMALL: usize = 4_096;
const SMALL_CLASSES: usize = SMALL / 16 + 1;
const CLASSES: usize = SMALL_CLASSES + 64;
/// A program that requests more than this between two blockings of its loop, in entries or in bytes of the rest,
/// requests without end: a thousand scripts that do everything possible in one wake need a hundredth of it.
const MORE_ENTRIES: usize = BLOCKS_MAX / 16;
const MORE_BYTES: usize = REST_BYTES / 16;
/// Before each block of the rest: its size, and whether it is live.
const HEADER: usize = 16;
const LIVE: usize = 0x11fe_11fe;
const FREED: usize = 0xf4ee_f4ee;

/// State of the heap, as plain numbers: addresses of mappings that live as long as the process.
#[derive(Clone, Copy)]
struct Heap {
    /// Size of an entry; 0: not known yet.
    entry: usize,
    policy: HeapPolicy,
    /// Place for the slots of a heap that is not guarded, and of one that is; 0: not made yet.
    places: [usize; 2],
    /// The slots.
    slots: usize,
    /// Distance between slots, as a power of two.
    shift: u32,
    /// With a guarded heap, copies of freed slots, [`STRIDE`] bytes each.
    copies: usize,
    /// The slot whose hand-out and free keep their places.
    followed: Option<Block>,
    /// Whether each slot is live.
    live: usize,
    /// Copy of the first `seen` slots and their states, from the last call of [`changes`].
    slots_then: usize,
    live_then: usize,
    seen: usize,
    /// Space for the numbers of changed slots.
    changed: usize,
    /// Numbers of freed slots, in the order of freeing.
    freed: usize,
    first_freed: usize,
    past_freed: usize,
    made: usize,
    rest: usize,
    rest_at: usize,
    classes: [usize; CLASSES],
    last: (usize, usize),
    /// `made` and `rest_at` when the loop last blocked.
    made_then: usize,
    rest_then: usize,
}

static HEAP: Single<Heap> = Single::new(Heap {
    entry: 0,
    policy: HeapPolicy::LastFreedFirst,
    places: [0; 2],
    slots: 0,
    shift: PLAIN,
    copies: 0,
    followed: None,
    live: 0,
    slots_then: 0,
    live_then: 0,
    seen: 0,
    changed: 0,
    freed: 0,
    first_freed: 0,
    past_freed: 0,
    made: 0,
    rest: 0,
    rest_at: 0,
    classes: [0; CLASSES],
    last: (0, 0),
    made_then: 0,
    rest_then: 0,
});

fn heap() -> &'static mut Heap {
    // SAFETY: one thread, and no caller below holds the reference over a call to another.
    unsafe { &mut *HEAP.as_ptr() }
}

/// Address of the first mapping, where no loader maps anything. A freed block that held an address of this heap
/// therefore reads the same in every process.
const PLACE: usize = 0x2000_0000_0000;

fn mapping(number: usize, bytes: usize) -> usize {
    /// Distance between mappings; none is larger.
    const APART: usize = 1 << 32;
    let Some(start) = sys::map_at(PLACE + number * APART, bytes) else { sys::exit(sys::EXIT_NO_MEMORY) };
    start.as_ptr() as usize
}

/// Makes the mappings; must be called once, first.
pub fn open() {
    let heap = heap();
    heap.places[0] = mapping(0, BLOCKS_MAX * STRIDE);
    heap.slots = heap.places[0];
    heap.live = mapping(1, BLOCKS_MAX);
    heap.slots_then = mapping(2, BLOCKS_MAX * STRIDE);
    heap.live_then = mapping(3, BLOCKS_MAX);
    heap.changed = mapping(4, BLOCKS_MAX * size_of::<Block>());
    // Every free writes one number, and a slot may be freed many times: the queue wraps around.
    heap.freed = mapping(5, BLOCKS_MAX * 4);
    heap.rest = mapping(6, REST_BYTES);
    heap.rest_at = heap.rest;
}

/// Sets the size of an entry. Returns false when it does not fit a slot.
pub fn set_entry_size(bytes: usize) -> bool {
    heap().entry = bytes;
    (1..=STRIDE).contains(&bytes)
}

/// Drops all blocks; later ones follow `policy`.
pub fn reset(policy: HeapPolicy) {
    let heap = heap();
    lift();
    heap.policy = policy;
    let is_guarded = policy == HeapPolicy::Guarded;
    if is_guarded && heap.places[1] == 0 {
        heap.places[1] = mapping(7, GUARDED_MAX * PAGE);
        heap.copies = mapping(8, GUARDED_MAX * STRIDE);
    }
    heap.slots = heap.places[usize::from(is_guarded)];
    heap.shift = if is_guarded { GUARDED } else { PLAIN };
    heap.followed = None;
    heap.first_freed = 0;
    heap.past_freed = 0;
    heap.made = 0;
    heap.seen = 0;
    heap.rest_at = heap.rest;
    heap.classes = [0; CLASSES];
    blocked();
}

/// Keeps from now on where this entry is handed out and freed.
pub fn follow(entry: Option<Block>) {
    heap().followed = entry;
}

/// Lets freed entries of a guarded heap be used: nobody judges any more.
pub fn lift() {
    let heap = heap();
    if heap.shift == GUARDED && heap.made > 0 {
        // SAFETY: the slots that were made, in a mapping of ours.
        unsafe { sys::protect(heap.slots, heap.made << GUARDED, true) };
    }
}

/// Returns the freed entry of a guarded heap that has `address`.
pub fn guarded_at(address: usize) -> Option<Block> {
    let heap = heap();
    let number = address.checked_sub(heap.slots)? >> heap.shift;
    let block = (heap.shift == GUARDED && number < heap.made).then_some(Block(number as u32))?;
    (!now().is_live(block)).then_some(block)
}

/// Notes that the loop blocks: requests so far were not without end.
#[inline]
pub fn blocked() {
    let heap = heap();
    heap.made_then = heap.made;
    heap.rest_then = heap.rest_at;
}

/// Returns how many entries were made.
pub fn blocks() -> u32 {
    heap().made as u32
}

/// Returns the entries' blocks now.
#[inline]
pub fn now() -> Blocks {
    let heap = heap();
    let Heap { slots, live, made, shift, copies, .. } = *heap;
    Blocks { slots, live, made, shift, copies }
}

/// Returns the blocks that changed since the last call: a byte, the state, or a new block.
pub fn changes() -> &'static [Block] {
    type Slot = [u64; STRIDE / 8];
    let heap = heap();
    let blocks = now();
    let mut count = 0;
    for number in 0..heap.made {
        // SAFETY: a slot that was made and the same place in the copy, each with its byte of life, and the next
        // place in the list, which has one for every slot.
        unsafe {
            let slot = blocks.address(Block(number as u32)) as *const Slot;
            let live = (heap.live + number) as *const u8;
            let slot_then = (heap.slots_then + number * STRIDE) as *mut Slot;
            let live_then = (heap.live_then + number) as *mut u8;
            if number >= heap.seen || *live != *live_then || differ(&*slot, &*slot_then) {
                *slot_then = *slot;
                *live_then = *live;
                *(heap.changed as *mut Block).add(count) = Block(number as u32);
                count += 1;
            }
        }
    }
    heap.seen = heap.made;
    // SAFETY: `count` blocks were just written; nothing writes there before the next call.
    unsafe { core::slice::from_raw_parts(heap.changed as *const Block, count) }
}

/// Whether two slots differ, without a branch for each word.
#[inline]
fn differ(a: &[u64; STRIDE / 8], b: &[u64; STRIDE / 8]) -> bool {
    a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b)) != 0
}

/// Returns the block that begins at `address`.
#[inline]
pub fn block_at(address: usize) -> Option<Block> {
    now().block_at(address, 0)
}

/// Returns the address of a block's first byte.
pub fn address(block: Block) -> usize {
    now().address(block)
}

/// Returns address and requested size of the last block.
pub fn last() -> (usize, usize) {
    heap().last
}

/// Ends the run, out of memory: a program that requests without end hangs; otherwise the trace needs more than there
/// is, or a leak fills the heap.
fn exhausted(heap: &Heap, what: &str) -> ! {
    if heap.made - heap.made_then > MORE_ENTRIES || heap.rest_at - heap.rest_then > MORE_BYTES {
        progress::endless();
    }
    fatal(format_args!(
        "the program has used up, over the whole trace, the memory that it is given for {what} ({BLOCKS_MAX} entries, \
         {} MiB for all else); play a shorter trace, or one whose heap policy hands out freed blocks again",
        REST_BYTES >> 20
    ))
}

/// Returns the size that serves a request to the rest, and its class.
fn class(size: usize) -> (usize, usize) {
    if size <= SMALL {
        let size = size.max(1).next_multiple_of(16);
        (size, size / 16)
    } else {
        let size = size.checked_next_power_of_two().unwrap_or(usize::MAX & !15);
        (size, SMALL_CLASSES + size.trailing_zeros() as usize)
    }
}

fn take_entry(heap: &mut Heap) -> usize {
    let again = match heap.policy {
        HeapPolicy::NeverAgain | HeapPolicy::Guarded => None,
        _ if heap.first_freed == heap.past_freed => None,
        HeapPolicy::LastFreedFirst => {
            heap.past_freed -= 1;
            Some(heap.past_freed)
        }
        HeapPolicy::FirstFreedFirst => {
            heap.first_freed += 1;
            Some(heap.first_freed - 1)
        }
    };
    let number = match again {
        // SAFETY: a place in the queue, taken round its end, that was written when the slot was freed.
        Some(place) => unsafe { *((heap.freed + place % BLOCKS_MAX * 4) as *const u32) as usize },
        None => {
            if heap.made == if heap.shift == GUARDED { GUARDED_MAX } else { BLOCKS_MAX } {
                exhausted(heap, "entries");
            }
            heap.made += 1;
            heap.made - 1
        }
    };
    // SAFETY: the slot's own byte.
    unsafe { *((heap.live + number) as *mut u8) = 1 };
    if heap.followed == Some(Block(number as u32)) {
        stopped::keep(Place::HandedOut, Registers::here());
    }
    heap.slots + (number << heap.shift)
}

fn take_rest(heap: &mut Heap, size: usize, align: usize) -> usize {
    let (size, class) = class(size);
    let free = heap.classes[class];
    let block = if free != 0 && align <= 16 {
        // SAFETY: a freed block of the rest holds the address of the next one.
        heap.classes[class] = unsafe { *(free as *const usize) };
        free
    } else {
        let block = (heap.rest_at + HEADER).next_multiple_of(align.max(16));
        if size > (heap.rest + REST_BYTES).saturating_sub(block) {
            exhausted(heap, "what is no entry");
        }
        heap.rest_at = block + size;
        block
    };
    // SAFETY: the two words before the block are its header, inside the mapping.
    unsafe {
        *((block - 16) as *mut usize) = size;
        *((block - 8) as *mut usize) = LIVE;
    }
    block
}

/// Returns a zeroed block; without memory the run ends.
pub fn allocate(size: usize, align: usize) -> *mut u8 {
    let heap = heap();
    let block =
        if size == heap.entry && align <= 16 { take_entry(heap) } else { take_rest(heap, size, align) };
    heap.last = (block, size);
    // SAFETY: the block is at least `size` bytes long and not in use.
    unsafe { core::ptr::write_bytes(block as *mut u8, 0, size) };
    block as *mut u8
}

fn slots_hold(heap: &Heap, address: usize) -> bool {
    let bytes = if heap.shift == GUARDED { GUARDED_MAX * PAGE } else { BLOCKS_MAX * STRIDE };
    (heap.slots..heap.slots + bytes).contains(&address)
}

fn rest_holds(heap: &Heap, address: usize) -> bool {
    (heap.rest + HEADER..heap.rest_at).contains(&address)
}

/// Returns start and size of everything handed out that is no entry, freed or not.
pub fn rest() -> (usize, usize) {
    let heap = heap();
    (heap.rest, heap.rest_at - heap.rest)
}

/// Whether `address` is in this heap, not in libc's.
pub fn holds(address: usize) -> bool {
    slots_hold(heap(), address) || rest_holds(heap(), address)
}

/// Returns the size of a block of this heap.
pub fn bytes_of(block: NonNull<u8>) -> usize {
    let heap = heap();
    let address = block.as_ptr() as usize;
    if slots_hold(heap, address) {
        return heap.entry;
    }
    // SAFETY: the header of a block of the rest; the caller has one of this heap.
    unsafe { *((address - 16) as *const usize) }
}

/// Returns the size of the live block that begins at `address`.
pub fn live_bytes(address: usize) -> Option<usize> {
    if let Some(block) = block_at(address) {
        return now().is_live(block).then_some(heap().entry);
    }
    if !rest_holds(heap(), address) || !address.is_multiple_of(16) {
        return None;
    }
    // SAFETY: the two words before an aligned address of the rest lie in its mapping.
    let [bytes, life] = unsafe { *((address - HEADER) as *const [usize; 2]) };
    (life == LIVE).then_some(bytes)
}

/// Frees a block. One that is not live raises SIGABRT, as in glibc.
pub fn release(block: NonNull<u8>) {
    let heap = heap();
    let address = block.as_ptr() as usize;
    if slots_hold(heap, address) {
        match block_at(address) {
            Some(number) if now().is_live(number) => {
                guard(heap, number);
                let place = heap.past_freed % BLOCKS_MAX;
                // SAFETY: the slot's own byte, and the next place in the queue.
                unsafe {
                    *((heap.live + number.0 as usize) as *mut u8) = 0;
                    *((heap.freed + place * 4) as *mut u32) = number.0;
                }
                heap.past_freed += 1;
            }
            _ => double_free(),
        }
        return;
    }
    // SAFETY: a block of the rest has its header before it; a pointer into the middle of one reads bytes of
    // the mapping and is refused.
    unsafe {
        if !address.is_multiple_of(16) || *((address - 8) as *const usize) != LIVE {
            double_free();
            return;
        }
        *((address - 8) as *mut usize) = FREED;
        let (_, class) = class(*((address - 16) as *const usize));
        *(address as *mut usize) = heap.classes[class];
        heap.classes[class] = address;
    }
}

/// Keeps a copy of an entry that is about to be freed, and lets nothing use the entry any more; not of a heap that is
/// not guarded.
fn guard(heap: &Heap, entry: Block) {
    if heap.followed == Some(entry) {
        stopped::keep(Place::Freed, Registers::here());
    }
    if heap.shift != GUARDED {
        return;
    }
    let number = entry.0 as usize;
    let slot = heap.slots + (number << GUARDED);
    // SAFETY: a slot that was made, a page of its own, and the place of its copy.
    let is_closed = unsafe {
        core::ptr::copy_nonoverlapping(slot as *const u8, (heap.copies + number * STRIDE) as *mut u8, STRIDE);
        sys::protect(slot, PAGE, false)
    };
    if !is_closed {
        fatal(format_args!(
            "the kernel guards no more freed entries; raise its limit of mappings (`sysctl vm.max_map_count`), or \
             play a shorter trace"
        ));
    }
}

fn double_free() {
    if is_sheltered() {
        sys::raise(6);
    }
}
