//! The layout of the program's master and entries, as the calibration found it.
//!
//! Invariant: an address is read only when it lies in the master or in a block of the heap, and a link is checked
//! before it is followed, so a broken tree can be walked without a fault.

use treefall_model::event::{EntryKind, Handler};
use treefall_model::id::{Generation, Pid, ScriptId, ScriptRef};
use treefall_model::index::{
    Block, Branch, Entry, Head, IndexView, Link, List, NO_BLOCK, NOWHERE, Node, Tree, Words,
};
use treefall_model::time::{Deadline, Instant};

use crate::clocks::real_start;
use crate::single::Single;
use crate::{callbacks, heap};

/// Offsets in bytes in the master and in an entry, and the program's numbers of types.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Offsets of the five roots, in the master.
    pub roots: [usize; 5],
    /// Offsets of the three list heads, in the master.
    pub lists: [usize; 3],
    /// Offset of the type.
    pub kind: usize,
    /// Offset of the handler.
    pub handler: usize,
    /// Offset of the argument.
    pub argument: usize,
    /// Offset of the deadline: seconds, then microseconds.
    pub deadline: usize,
    /// Seconds of a deadline that never comes.
    pub never: i64,
    /// Offset of the pid.
    pub pid: usize,
    /// Offset of the status.
    pub status: usize,
    /// Offset of the node in a deadline tree, and of the links in a list.
    pub node: usize,
    /// Offset of the node in CHILD_PID.
    pub pid_node: usize,
    /// Kinds by the program's numbers.
    pub kinds: [EntryKind; KINDS_MAX],
    /// Handlers of the timerfd's and the signalfd's entries.
    pub base_handlers: [usize; 2],
    /// Killers of a reload and of a shutdown; 0: none of its own.
    pub killers: [usize; 2],
}

/// More than the number of types in the program.
pub const KINDS_MAX: usize = 32;

/// Offsets inside a tree node: parent and colour, higher, lower.
pub const PARENT: usize = 0;
/// See [`PARENT`].
pub const RIGHT: usize = 8;
/// See [`PARENT`].
pub const LEFT: usize = 16;
/// Offsets inside a list's links: next, previous.
pub const NEXT: usize = 0;
/// See [`NEXT`].
pub const PREVIOUS: usize = 8;
/// A deadline tree's root is followed by its cached leftmost node.
pub const LEFTMOST: usize = 8;

/// More seconds, or microseconds beside them, than any deadline of a trace has.
const SECONDS_MAX: u64 = 1 << 39;

impl Layout {
    /// An empty layout.
    pub const NONE: Self = Self {
        roots: [0; 5],
        lists: [0; 3],
        kind: 0,
        handler: 0,
        argument: 0,
        deadline: 0,
        never: 0,
        pid: 0,
        status: 0,
        node: 0,
        pid_node: 0,
        kinds: [EntryKind::Other; KINDS_MAX],
        base_handlers: [0; 2],
        killers: [0; 2],
    };

    /// Returns the kind for the program's number.
    #[inline]
    pub fn kind_of(&self, number: i32) -> EntryKind {
        usize::try_from(number).ok().and_then(|n| self.kinds.get(n)).copied().unwrap_or(EntryKind::Other)
    }

    #[inline(always)]
    fn node_offset(&self, tree: Tree) -> usize {
        if tree == Tree::ChildPid { self.pid_node } else { self.node }
    }

    fn handler_of(&self, address: usize) -> Option<Handler> {
        if let Some(handler) = callbacks::known(address) {
            return Some(handler);
        }
        if address == self.base_handlers[0] {
            Some(Handler::TimerFd)
        } else if address == self.base_handlers[1] {
            Some(Handler::SignalFd)
        } else if self.killers.contains(&address) && address != 0 {
            Some(Handler::Killer)
        } else {
            None
        }
    }
}

/// The layout in force.
pub static LAYOUT: Single<Layout> = Single::new(Layout::NONE);

/// Returns the layout in force.
#[inline]
pub fn layout() -> &'static Layout {
    // SAFETY: written once, at the end of the calibration, before anything refers to it.
    unsafe { &*LAYOUT.as_ptr() }
}

/// Reads one field.
///
/// # Safety
/// `address` must be mapped for the size of the field.
#[inline]
pub unsafe fn field<T: Copy>(address: usize) -> T {
    // SAFETY: the caller guarantees the address; fields are read whatever their alignment.
    unsafe { (address as *const T).read_unaligned() }
}

/// Tag of an argument that names a script: not a valid address, so a program that follows it crashes at once.
const TAG: usize = 0x5f1a << 48;
const TAG_MASK: usize = 0xffff << 48;

/// Encodes a script as an argument for the program.
#[inline]
pub fn tagged(script: Option<ScriptRef>) -> usize {
    script.map_or(0, |of| TAG | (of.generation.0 as usize) << 16 | usize::from(of.script.0))
}

/// Decodes the script that an argument names.
#[inline]
pub fn untagged(argument: usize) -> Option<ScriptRef> {
    (argument & TAG_MASK == TAG).then_some(ScriptRef {
        generation: Generation((argument >> 16) as u32),
        script: ScriptId(argument as u16),
    })
}

/// View of one master's trees and lists, with everything at hand that stays the same during it.
#[derive(Clone, Copy)]
pub struct View {
    /// Address of the master.
    master: usize,
    layout: &'static Layout,
    blocks: heap::Blocks,
    tells_changes: bool,
}

impl View {
    /// Creates a view of the master at `master`. Telling changes pays only with many entries, and must be constant over
    /// a trace.
    #[inline]
    pub fn now(master: usize, tells_changes: bool) -> Self {
        Self { master, layout: layout(), blocks: heap::now(), tells_changes }
    }

    #[inline(always)]
    fn link(&self, offset: usize, word: usize) -> Link {
        if word == 0 {
            return Link::End;
        }
        self.blocks.block_at(word, offset).map_or(Link::Wild, Link::To)
    }

    /// As [`link`](Self::link), as a number.
    #[inline(always)]
    fn number(&self, offset: usize, word: usize) -> u32 {
        if word == 0 { NOWHERE } else { self.blocks.block_at(word, offset).map_or(NO_BLOCK, |block| block.0) }
    }

    #[inline]
    fn list_link(&self, list: List, word: usize) -> Link {
        if word == self.master + self.layout.lists[list as usize] {
            return Link::End;
        }
        // No list ends in a null pointer.
        self.blocks.block_at(word, self.layout.node).map_or(Link::Wild, Link::To)
    }

    /// As [`list_link`](Self::list_link), as a number.
    #[inline(always)]
    fn list_number(&self, list: List, word: usize) -> u32 {
        let head = self.master + self.layout.lists[list as usize];
        if word == head {
            NOWHERE
        } else {
            self.blocks.block_at(word, self.layout.node).map_or(NO_BLOCK, |block| block.0)
        }
    }

    #[inline]
    fn of_block(&self, block: Block, offset: usize) -> usize {
        debug_assert!(block.0 < self.blocks.made());
        // SAFETY: a word inside a block of the heap.
        unsafe { field(self.blocks.address(block) + offset) }
    }

    /// Reads parent and colour, left, right.
    #[inline(always)]
    fn tree_words(&self, tree: Tree, block: Block) -> [usize; 3] {
        debug_assert!(block.0 < self.blocks.made());
        let at = self.blocks.address(block) + self.layout.node_offset(tree);
        // SAFETY: words inside a block of the heap.
        [PARENT, LEFT, RIGHT].map(|link| unsafe { field(at + link) })
    }

    /// Reads previous, next.
    #[inline(always)]
    fn list_words(&self, block: Block) -> [usize; 2] {
        debug_assert!(block.0 < self.blocks.made());
        let at = self.blocks.address(block) + self.layout.node;
        // SAFETY: words inside a block of the heap.
        [PREVIOUS, NEXT].map(|link| unsafe { field(at + link) })
    }

    #[inline]
    fn of_master(&self, offset: usize) -> usize {
        // SAFETY: a word inside the master, at an offset that the calibration found there.
        unsafe { field(self.master + offset) }
    }

    /// Reads an entry's contents.
    #[inline(always)]
    fn read(&self, block: Block) -> Entry {
        let layout = self.layout;
        let at = self.blocks.address(block);
        // SAFETY: fields inside a block of the heap.
        let (number, seconds, micros, pid, handler, argument) = unsafe {
            (
                field::<i32>(at + layout.kind),
                field::<i64>(at + layout.deadline),
                field::<i64>(at + layout.deadline + 8),
                field::<i32>(at + layout.pid),
                field::<usize>(at + layout.handler),
                field::<usize>(at + layout.argument),
            )
        };
        let kind = layout.kind_of(number);
        Entry {
            kind,
            deadline: if seconds == layout.never { Deadline::Never } else { deadline(seconds, micros) },
            pid: Pid::new(pid).filter(|_| kind.has_pid()),
            handler: layout.handler_of(handler),
            argument: untagged(argument),
        }
    }
}

/// Converts a deadline of the program's cached clock.
#[inline]
fn deadline(seconds: i64, micros: i64) -> Deadline {
    let micros = seconds.saturating_sub(real_start()).saturating_mul(1_000_000).saturating_add(micros);
    Deadline::At(Instant::from_micros(u64::try_from(micros).unwrap_or(0)))
}

impl IndexView for View {
    #[inline]
    fn root(&self, tree: Tree) -> Link {
        self.link(self.layout.node_offset(tree), self.of_master(self.layout.roots[tree as usize]))
    }

    #[inline]
    fn leftmost(&self, tree: Tree) -> Option<Link> {
        let cached = || self.of_master(self.layout.roots[tree as usize] + LEFTMOST);
        (tree != Tree::ChildPid).then(|| self.link(self.layout.node, cached()))
    }

    #[inline(always)]
    fn node(&self, tree: Tree, block: Block) -> Node {
        let offset = self.layout.node_offset(tree);
        let parent = self.of_block(block, offset + PARENT);
        Node {
            parent: self.link(offset, parent & !3),
            left: self.link(offset, self.of_block(block, offset + LEFT)),
            right: self.link(offset, self.of_block(block, offset + RIGHT)),
            red: parent & 1 == 0,
        }
    }

    #[inline(always)]
    fn branch(&self, tree: Tree, block: Block) -> Branch {
        let offset = self.layout.node_offset(tree);
        let [parent, left, right] = self.tree_words(tree, block);
        Branch {
            parent: self.number(offset, parent & !3),
            left: self.number(offset, left),
            right: self.number(offset, right),
            red: parent & 1 == 0,
        }
    }

    #[inline(always)]
    fn neighbours(&self, list: List, block: Block) -> (u32, u32) {
        let [previous, next] = self.list_words(block);
        (self.list_number(list, previous), self.list_number(list, next))
    }

    #[inline]
    fn first(&self, list: List) -> Link {
        self.list_link(list, self.of_master(self.layout.lists[list as usize] + NEXT))
    }

    #[inline]
    fn last(&self, list: List) -> Link {
        self.list_link(list, self.of_master(self.layout.lists[list as usize] + PREVIOUS))
    }

    #[inline]
    fn next(&self, list: List, block: Block) -> Link {
        self.list_link(list, self.of_block(block, self.layout.node + NEXT))
    }

    #[inline]
    fn previous(&self, list: List, block: Block) -> Link {
        self.list_link(list, self.of_block(block, self.layout.node + PREVIOUS))
    }

    #[inline(always)]
    fn entry(&self, block: Block) -> Entry {
        self.read(block)
    }

    #[inline]
    fn is_live(&self, block: Block) -> bool {
        self.blocks.is_live(block)
    }

    #[inline]
    fn blocks(&self) -> u32 {
        self.blocks.made()
    }

    const NULL: u64 = 0;

    #[inline(always)]
    fn root_word(&self, tree: Tree) -> u64 {
        self.of_master(self.layout.roots[tree as usize]) as u64
    }

    #[inline(always)]
    fn leftmost_word(&self, tree: Tree) -> Option<u64> {
        let cached = || self.of_master(self.layout.roots[tree as usize] + LEFTMOST) as u64;
        (tree != Tree::ChildPid).then(cached)
    }

    #[inline(always)]
    fn words(&self, tree: Tree, block: Block) -> Words {
        let [parent, left, right] = self.tree_words(tree, block);
        Words { parent: (parent & !3) as u64, left: left as u64, right: right as u64, red: parent & 1 == 0 }
    }

    #[inline(always)]
    fn node_at(&self, tree: Tree, word: u64) -> Option<Block> {
        self.blocks.live_at(word as usize, self.layout.node_offset(tree))
    }

    #[inline(always)]
    fn key(&self, tree: Tree, block: Block) -> u64 {
        let at = self.blocks.address(block);
        let layout = self.layout;
        if tree == Tree::ChildPid {
            return self.read(block).key(tree);
        }
        // SAFETY: fields inside a block of the heap.
        let (seconds, micros) =
            unsafe { (field::<i64>(at + layout.deadline), field::<u64>(at + layout.deadline + 8)) };
        let since = seconds.wrapping_sub(real_start()) as u64;
        // Neither "never" nor out of bounds, checked without a case for each.
        if since < SECONDS_MAX && micros < SECONDS_MAX {
            return since * 1_000_000 + micros;
        }
        self.read(block).key(tree)
    }

    #[inline(always)]
    fn head(&self, list: List) -> Head {
        let offset = self.layout.lists[list as usize];
        let [first, last] = [NEXT, PREVIOUS].map(|link| self.of_master(offset + link) as u64);
        Head { first, last, end: (self.master + offset) as u64 }
    }

    #[inline(always)]
    fn neighbour_words(&self, _: List, block: Block) -> (u64, u64) {
        let [previous, next] = self.list_words(block);
        (previous as u64, next as u64)
    }

    #[inline(always)]
    fn seat_at(&self, word: u64) -> Option<Block> {
        self.blocks.live_at(word as usize, self.layout.node)
    }

    #[inline(always)]
    fn says(&self, block: Block) -> (EntryKind, Option<ScriptRef>) {
        let at = self.blocks.address(block);
        // SAFETY: fields inside a block of the heap.
        let (number, argument) =
            unsafe { (field::<i32>(at + self.layout.kind), field::<usize>(at + self.layout.argument)) };
        (self.layout.kind_of(number), untagged(argument))
    }

    #[inline]
    fn changed(&self) -> Option<&[Block]> {
        self.tells_changes.then(heap::changes)
    }
}
