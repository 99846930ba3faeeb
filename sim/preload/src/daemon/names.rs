//! Names of scripts, read where the daemon keeps them: in the object that an entry's argument points at.
//!
//! Invariant: a name is one of the configuration in force, or it is not found.

use core::ffi::CStr;

use treefall_model::event::EntryKind;
use treefall_model::id::{Pid, ScriptRef};
use treefall_model::index::Block;

use crate::layout::{field, layout};
use crate::single::Single;
use crate::{drive, heap, sys};

/// Most bytes of a command that are read.
pub(super) const COMMAND_MAX: usize = 500;

/// Data shared by all processes of a daemon.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Shared {
    /// Whether the asked process failed; the words then say how.
    pub(super) failed: bool,
    /// Whether that is the program's own doing.
    pub(super) strayed: bool,
    /// Length of the command that it was to execute; zeros end the words.
    pub(super) length: usize,
    pub(super) words: [u8; COMMAND_MAX],
    /// Offset of the name's pointer in a script's object, plus one; 0: not known yet.
    pub(super) name_at: usize,
}

/// Address of the shared memory; 0: not made yet.
static SHARED: Single<usize> = Single::new(0);

/// Makes the shared memory, in the first process.
pub fn share() {
    let Some(memory) = sys::map(size_of::<Shared>(), true) else { sys::exit(sys::EXIT_NO_MEMORY) };
    SHARED.set(memory.as_ptr() as usize);
}

/// Returns the shared data.
pub(super) fn shared() -> *mut Shared {
    SHARED.get() as *mut Shared
}

/// Returns the script whose child's timeout is being handled, by the entry that has this pid.
pub(super) fn script_of_timeout(pid: Pid) -> Option<ScriptRef> {
    name_in(object_of(pid, EntryKind::ChildTimeout)?)
}

/// Returns the script of the configuration in force whose name this object holds, once the place of the name is known.
pub(super) fn name_in(object: usize) -> Option<ScriptRef> {
    // SAFETY: our own shared mapping.
    let at = unsafe { (*shared()).name_at }.checked_sub(1)?;
    let name = text_at(object, at)?;
    drive::with(|session| session.world.script_named(name))
}

/// Returns the argument of the child's entry of this kind: the address of its script's object. It is the entry whose
/// handler runs, or else the newest.
pub(super) fn object_of(pid: Pid, wanted: EntryKind) -> Option<usize> {
    let layout = layout();
    let is_its = |at: usize| {
        // SAFETY: fields inside a block of the heap.
        let (kind, of) = unsafe { (field::<i32>(at + layout.kind), field::<i32>(at + layout.pid)) };
        of == pid.get() && layout.kind_of(kind) == wanted
    };
    // One whose handler runs was taken off its list: its links lead to itself. Another of that pid may wait on READY.
    let is_handled = |at: usize| {
        let link = at + layout.node;
        // SAFETY: a field inside a block of the heap.
        is_its(at) && unsafe { field::<usize>(link) } == link
    };
    argument_of(newest(is_handled).or_else(|| newest(is_its))?)
}

/// Returns the argument of the entry that was handed out last, if it is a timer: a tick arms the next before it forks.
pub(super) fn object_of_tick() -> Option<usize> {
    let layout = layout();
    let entry = newest(|_| true)?;
    // SAFETY: a field inside a block of the heap.
    let kind = unsafe { field::<i32>(entry + layout.kind) };
    if layout.kind_of(kind) == EntryKind::Timer { argument_of(entry) } else { None }
}

/// Returns the address of the entry that was handed out last, of those that fit. In broken memory it may be one that was
/// freed.
fn newest(fits: impl Fn(usize) -> bool) -> Option<usize> {
    let blocks = heap::now();
    let entries = (0..blocks.made()).map(Block).filter(|block| fits(blocks.address(*block)));
    // SAFETY: the first word of a block of the heap: how many entries were handed out before this one.
    let age = |block: &Block| (blocks.is_live(*block), unsafe { field::<u64>(blocks.address(*block)) });
    entries.max_by_key(age).map(|block| blocks.address(block))
}

fn argument_of(entry: usize) -> Option<usize> {
    // SAFETY: a field inside a block of the heap.
    let object: usize = unsafe { field(entry + layout().argument) };
    heap::live_bytes(object).map(|_| object)
}

/// Finds the offset of the name in a script's object.
pub(super) fn learn(object: usize, script: ScriptRef) {
    /// Most words of an object that are searched.
    const WORDS_MAX: usize = 64;
    let is_name = |at: &usize| {
        let name = text_at(object, *at);
        name.is_some()
            && name.and_then(|name| drive::with(|session| session.world.script_named(name))) == Some(script)
    };
    if let Some(at) = (0..WORDS_MAX).map(|word| word * 8).find(is_name) {
        // SAFETY: our own shared mapping.
        unsafe { (*shared()).name_at = at + 1 };
    }
}

/// Returns the text that a word of an object points at, if both are in the heap.
fn text_at(object: usize, at: usize) -> Option<&'static str> {
    if at + 8 > heap::live_bytes(object)? {
        return None;
    }
    // SAFETY: a word inside a live block of the heap.
    let text: usize = unsafe { field(object + at) };
    let length = heap::live_bytes(text)?;
    // SAFETY: a live block of the heap, so long; nothing writes to it while it is read.
    let bytes = unsafe { core::slice::from_raw_parts(text as *const u8, length) };
    CStr::from_bytes_until_nul(bytes).ok()?.to_str().ok()
}
