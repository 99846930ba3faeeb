//! Digests of histories and of indexes.
//!
//! A [`Digest`] is the 128-bit XXH3 hash, seed 0, of *cells* of 32 bytes, one for each record or mark. Cells never
//! change their meaning, so digests can be compared between versions of treefall: a new kind of event takes a new tag,
//! new fields go behind the old ones. All numbers are little-endian; unused bytes are zero:
//!
//! | bytes | hold |
//! | --- | --- |
//! | 0..8 | the instant, in microseconds |
//! | 8 | the tag: events from 1 on in the order of [`Event`]'s first version, 255 a mark |
//! | 9.. | the fields, in the order of their declaration |
//!
//! Sizes in bytes: a run 10 (script 2, generation 4, n-th 4), a script 6, a pid or a count 4, a span or an instant 8, a
//! signal, a code, a flag and values with a number, such as [`Handler`](crate::event::Handler), 1. An optional field
//! has a byte 1 before it, or is all zero. A deadline is an optional instant. A log line is its own tag, then its
//! fields.

use xxhash_rust::xxh3::Xxh3;

use crate::event::{Answer, EntryKind, Event, FailedBy, LogLine, Record, Step, Target};
use crate::id::{Pid, Run, ScriptRef};
use crate::index::{Block, Entry, IndexView, Link, List, Tree};
use crate::signal::ExitStatus;
use crate::time::{Deadline, Instant};

/// Bytes of a cell.
const CELL: usize = 32;
/// Words of a cell.
const WORDS: usize = CELL / 8;
/// Cells hashed at once.
const CELLS: usize = 64;
/// The tag of a mark.
const MARK: u8 = 255;

/// Running digest of records and marks.
///
/// Cells are collected and hashed many at a time: they are written in whole words and read much later, so the processor
/// does not stall on partly written words.
#[derive(Clone)]
pub struct Digest {
    hash: Xxh3,
    cells: [[u8; CELL]; CELLS],
    waiting: usize,
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Digest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Digest({:032x})", self.value())
    }
}

impl Digest {
    /// Creates the digest of an empty history.
    #[must_use]
    pub const fn new() -> Self {
        Self { hash: Xxh3::new(), cells: [[0; CELL]; CELLS], waiting: 0 }
    }

    /// Returns the digest of everything so far.
    #[must_use]
    pub fn value(&self) -> u128 {
        let mut hash = self.hash.clone();
        hash.update(self.cells[..self.waiting].as_flattened());
        hash.digest128()
    }

    /// Adds a record.
    #[inline]
    pub fn record(&mut self, record: &Record) {
        self.add(cell(record));
    }

    /// Adds a mark: a step is done, and the indexes have this hash.
    pub fn mark(&mut self, at: Instant, step: Step, index_hash: u64) {
        let mut cell = Cell::new(at, MARK);
        cell.byte(step as u8);
        cell.number(index_hash, 8);
        self.add(cell.words);
    }

    #[inline]
    fn add(&mut self, words: [u64; WORDS]) {
        if self.waiting == CELLS {
            self.hash.update(self.cells.as_flattened());
            self.waiting = 0;
        }
        for (bytes, word) in self.cells[self.waiting].as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        self.waiting += 1;
    }
}

/// A cell being filled.
struct Cell {
    words: [u64; WORDS],
    /// Bytes used.
    used: usize,
}

impl Cell {
    #[inline(always)]
    fn new(at: Instant, tag: u8) -> Self {
        let mut cell = Self { words: [at.as_micros(), 0, 0, 0], used: 8 };
        cell.byte(tag);
        cell
    }

    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        self.number(byte.into(), 1);
    }

    /// Adds a number that fits in `size` bytes, lowest byte first.
    #[inline(always)]
    fn number(&mut self, number: u64, size: usize) {
        let (word, bits) = (self.used / 8, self.used % 8 * 8);
        self.words[word] |= number << bits;
        if bits + 8 * size > 64 {
            self.words[word + 1] |= number >> (64 - bits);
        }
        self.used += size;
    }

    #[inline(always)]
    fn bytes(&mut self, bytes: [u8; 2]) {
        self.number(u16::from_le_bytes(bytes).into(), 2);
    }

    #[inline(always)]
    fn pid(&mut self, pid: Pid) {
        self.number(pid.get().cast_unsigned().into(), 4);
    }

    #[inline(always)]
    fn script(&mut self, script: ScriptRef) {
        self.number(script.script.0.into(), 2);
        self.number(script.generation.0.into(), 4);
    }

    #[inline(always)]
    fn run(&mut self, run: Run) {
        self.script(run.of);
        self.number(run.nth.into(), 4);
    }

    /// Adds an optional field of `size` bytes.
    #[inline(always)]
    fn option<T>(&mut self, value: Option<T>, size: usize, put: impl FnOnce(&mut Self, T)) {
        let after = self.used + 1 + size;
        if let Some(value) = value {
            self.byte(1);
            put(self, value);
        }
        self.used = after;
    }

    #[inline(always)]
    fn status(&mut self, status: ExitStatus) {
        match status {
            ExitStatus::Code(code) => self.bytes([0, code]),
            ExitStatus::Signal(signal) => self.bytes([1, signal.number()]),
        }
    }

    #[inline(always)]
    fn target(&mut self, target: Target) {
        let (tag, pid) = match target {
            Target::Group(pid) => (0, pid.get()),
            Target::Process(pid) => (1, pid.get()),
            Target::OwnGroup => (2, 0),
            Target::Everyone => (3, 0),
        };
        self.byte(tag);
        self.number(pid.cast_unsigned().into(), 4);
    }

    fn line(&mut self, line: LogLine) {
        let tag = match line {
            LogLine::Skipped { .. } => 1,
            LogLine::NowReturning { .. } => 2,
            LogLine::Succeeded { .. } => 3,
            LogLine::Failed { .. } => 4,
            LogLine::Carried { .. } => 5,
            LogLine::FailedToTerminate { .. } => 6,
            LogLine::Lost { .. } => 7,
            LogLine::KillFailed { .. } => 8,
            LogLine::ForkFailed { .. } => 9,
            LogLine::Late { .. } => 10,
            LogLine::Backstop { .. } => 11,
        };
        self.byte(tag);
        match line {
            LogLine::Skipped { script, timing_out: flag } | LogLine::Carried { script, up: flag } => {
                self.script(script);
                self.byte(u8::from(flag));
            }
            LogLine::NowReturning { script, code } => {
                self.script(script);
                self.byte(code);
            }
            LogLine::Failed { script, by } => {
                self.script(script);
                match by {
                    FailedBy::Code(code) => self.bytes([0, code]),
                    FailedBy::Signal(signal) => self.bytes([1, signal.number()]),
                    FailedBy::TimedOut => self.bytes([2, 0]),
                }
            }
            LogLine::FailedToTerminate { script, pid } | LogLine::Lost { script, pid } => {
                self.script(script);
                self.pid(pid);
            }
            LogLine::KillFailed { script, pid, signal } => {
                self.script(script);
                self.pid(pid);
                self.byte(signal.number());
            }
            LogLine::Succeeded { script } | LogLine::ForkFailed { script } => self.script(script),
            LogLine::Late { by } => self.number(by.as_micros(), 8),
            LogLine::Backstop { children } => self.number(children.into(), 4),
        }
    }
}

const fn tag(event: &Event) -> u8 {
    match event {
        Event::Blocked { .. } => 1,
        Event::Woke { .. } => 2,
        Event::Exited { .. } => 3,
        Event::Moot { .. } => 4,
        Event::SignalRead { .. } => 5,
        Event::Dispatched { .. } => 6,
        Event::Started { .. } => 7,
        Event::StartFailed { .. } => 8,
        Event::Signalled { .. } => 9,
        Event::Reaped { .. } => 10,
        Event::Logged(_) => 11,
        Event::ReloadBegun { .. } => 12,
        Event::ReloadDone { .. } => 13,
        Event::TerminationBegun => 14,
        Event::Ended(_) => 15,
        Event::Cancelled { .. } => 16,
        Event::LinkRead { .. } => 17,
    }
}

/// Returns the cell of a record.
#[must_use]
pub fn cell_bytes(record: &Record) -> [u8; CELL] {
    let mut bytes = [0; CELL];
    for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(cell(record)) {
        *bytes = word.to_le_bytes();
    }
    bytes
}

/// Returns the 128-bit XXH3 hash, seed 0, of bytes.
#[must_use]
pub fn of_bytes(bytes: &[u8]) -> u128 {
    xxhash_rust::xxh3::xxh3_128(bytes)
}

#[inline]
fn cell(record: &Record) -> [u64; WORDS] {
    let mut cell = Cell::new(record.at, tag(&record.event));
    match record.event {
        Event::Blocked { deadline } => match deadline {
            Deadline::At(at) => cell.option(Some(at), 8, |cell, at| cell.number(at.as_micros(), 8)),
            Deadline::Never => {}
        },
        Event::Woke { wakes, timer, signals } => {
            cell.number(wakes.into(), 4);
            cell.bytes([u8::from(timer), u8::from(signals)]);
        }
        Event::Exited { run, status } => {
            cell.run(run);
            cell.status(status);
        }
        Event::Moot { run } => cell.run(run),
        Event::SignalRead { signal } => cell.byte(signal.number()),
        Event::Dispatched { handler, entry, script, run } => {
            cell.bytes([handler as u8, entry as u8]);
            cell.option(script, 6, Cell::script);
            cell.option(run, 10, Cell::run);
        }
        Event::Started { run, pid } => {
            cell.run(run);
            cell.pid(pid);
        }
        Event::StartFailed { script, start } => {
            cell.script(script);
            cell.number(start.0.into(), 4);
        }
        Event::Signalled { target, run, signal, answer } => {
            cell.target(target);
            cell.option(run, 10, Cell::run);
            cell.bytes([signal.number(), answer as u8]);
        }
        Event::Reaped { run, pid, status } => {
            cell.run(run);
            cell.pid(pid);
            cell.status(status);
        }
        Event::Logged(line) => cell.line(line),
        Event::ReloadBegun { config, generation } => {
            cell.byte(config.0);
            cell.number(generation.0.into(), 4);
        }
        Event::ReloadDone { generation } => cell.number(generation.0.into(), 4),
        Event::TerminationBegun => {}
        Event::Ended(end) => cell.byte(end as u8),
        Event::Cancelled { run, entry } => {
            cell.run(run);
            cell.byte(entry as u8);
        }
        Event::LinkRead { link, up } => cell.bytes([link.0, u8::from(up)]),
    }
    cell.words
}

// Numbers in cells must never change.
const _: () = {
    assert!(
        Answer::Delivered as u8 == 0 && Answer::NoSuchProcess as u8 == 1 && Answer::NotPermitted as u8 == 2
    );
    assert!(Step::AddTimer as u8 == 0 && Step::Ended as u8 == 18 && Step::LinkRead as u8 == 19);
    assert!(EntryKind::Read as u8 == 0 && EntryKind::Other as u8 == 9);
    assert!(crate::event::Handler::TimerFd as u8 == 0 && crate::event::Handler::Killer as u8 == 11);
    assert!(crate::event::End::TraceExhausted as u8 == 0 && crate::event::End::NoProgress as u8 == 2);
    assert!(crate::event::End::Overrun as u8 == 3 && crate::event::End::EndOfTime as u8 == 4);
};

/// Greatest height that is walked: no red-black tree with fewer than 2^32 nodes is higher.
const HEIGHT_MAX: u32 = 64;
/// Stands for a null link, for a link to no entry, and for a walk that was cut.
const END: u64 = u64::MAX;
const WILD: u64 = u64::MAX - 1;
const CUT: u64 = u64::MAX - 2;

/// Hashes all trees and lists as they are linked: the block at each place, its colour, and the contents of its entry;
/// of retired entries the block alone. Equal indexes have equal hashes. Recordings keep these hashes: whoever changes
/// them raises the number of the recordings' projection. The walk ends on corrupted indexes too.
#[must_use]
pub fn index_hash<V: IndexView>(view: &V) -> u64 {
    let mut hasher = Hasher { state: 0, nodes_left: 0 };
    let nodes = view.blocks().saturating_add(1);
    for tree in Tree::ALL {
        hasher.nodes_left = nodes;
        hasher.mix(tree as u64, view.leftmost(tree).map_or(CUT, link_word));
        hasher.subtree(view, tree, view.root(tree), 0);
    }
    for list in List::ALL {
        hasher.nodes_left = nodes;
        hasher.mix(list as u64, link_word(view.last(list)));
        hasher.list(view, list);
    }
    hasher.state
}

const fn link_word(link: Link) -> u64 {
    match link {
        Link::End => END,
        Link::Wild => WILD,
        Link::To(block) => block.0 as u64,
    }
}

struct Hasher {
    state: u64,
    nodes_left: u32,
}

impl Hasher {
    #[inline]
    fn mix(&mut self, a: u64, b: u64) {
        let mixed = (self.state ^ a.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_add(b.rotate_left(32));
        let mixed = mixed.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        self.state = mixed ^ (mixed >> 32);
    }

    /// Adds an entry's contents. The walk gives its place among equals.
    #[inline]
    fn entry(&mut self, entry: &Entry) {
        let due = match entry.deadline {
            Deadline::At(at) => at.as_micros(),
            Deadline::Never => END,
        };
        // The field has another meaning in entries that are not a child's; retired ones keep it.
        let pid =
            entry.pid.filter(|_| entry.kind.has_pid()).map_or(0, |pid| u64::from(pid.get().unsigned_abs()));
        let handler = entry.handler.map_or(0xff, |handler| handler as u64);
        let argument =
            entry.argument.map_or(END, |it| u64::from(it.generation.0) << 16 | u64::from(it.script.0));
        self.mix(due, argument);
        self.mix(pid << 16 | handler << 8 | entry.kind as u64, 0);
    }

    fn subtree<V: IndexView>(&mut self, view: &V, tree: Tree, link: Link, height: u32) {
        let Link::To(block) = link else {
            return self.mix(link_word(link), 0);
        };
        if height == HEIGHT_MAX || self.nodes_left == 0 {
            return self.mix(CUT, 0);
        }
        self.nodes_left -= 1;
        let node = view.node(tree, block);
        self.mix(u64::from(block.0) << 1 | u64::from(node.red), link_word(node.parent));
        self.entry(&view.entry(block));
        self.subtree(view, tree, node.left, height + 1);
        self.subtree(view, tree, node.right, height + 1);
    }

    fn list<V: IndexView>(&mut self, view: &V, list: List) {
        let mut link = view.first(list);
        while let Link::To(block) = link {
            if self.nodes_left == 0 {
                return self.mix(CUT, 0);
            }
            self.nodes_left -= 1;
            self.listed(view, list, block);
            link = view.next(list, block);
        }
        self.mix(link_word(link), 0);
    }

    fn listed<V: IndexView>(&mut self, view: &V, list: List, block: Block) {
        self.mix(u64::from(block.0), link_word(view.previous(list, block)));
        if list != List::Unuse {
            let entry = view.entry(block);
            // A deadline means nothing in a list.
            self.entry(&Entry { deadline: Deadline::Never, ..entry });
        }
    }
}
