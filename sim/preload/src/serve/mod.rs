//! Parts of the conversation with `treefall` that engine and daemon share: messages, results, and forked children.
//!
//! Invariants: a result is in shared memory before the next trace begins, so that a child that dies loses none. When
//! `treefall` ends, its socket is hung up and every process here ends.

pub mod daemon;
pub mod engine;
pub mod snapshot;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ptr::NonNull;

use treefall_world::wire::{self, MESSAGE_MAX, Refusal, Reply, TraceResult, Wire};

use crate::layout::Layout;
use crate::stopped::Place;
use crate::{drive, fatal, filter, stopped, sys};

/// Bytes for the results of one child.
const RESULTS_BYTES: usize = 1 << 30;

/// Shared memory for the results of children.
#[derive(Clone, Copy)]
pub struct Results {
    /// The number of results and of bytes, then the bytes.
    memory: NonNull<u8>,
}

/// Bytes of the two numbers.
const HEAD: usize = 16;

impl Results {
    /// Maps memory without results.
    pub fn open() -> Self {
        let Some(memory) = sys::map(RESULTS_BYTES, true) else { sys::exit(sys::EXIT_NO_MEMORY) };
        Self { memory }
    }

    fn head(self) -> [u64; 2] {
        // SAFETY: the mapping begins with two counts; its writer is this process, or gone.
        unsafe { self.memory.cast::<[u64; 2]>().read() }
    }

    fn set_head(self, head: [u64; 2]) {
        // SAFETY: as above.
        unsafe { self.memory.cast::<[u64; 2]>().write(head) };
    }

    /// Removes all results.
    pub fn clear(self) {
        self.set_head([0, 0]);
    }

    /// Returns the number of results.
    pub fn count(self) -> u64 {
        self.head()[0]
    }

    /// Stores a layout behind all results.
    pub fn keep(self, layout: Layout) {
        // SAFETY: the end of the mapping, which no result of a calibration comes near.
        unsafe { self.kept_at().write_unaligned(layout) };
    }

    /// Returns the layout stored last.
    pub fn kept(self) -> Layout {
        // SAFETY: as above; its writer is gone.
        unsafe { self.kept_at().read_unaligned() }
    }

    fn kept_at(self) -> *mut Layout {
        // SAFETY: inside the mapping.
        unsafe { self.memory.as_ptr().add(RESULTS_BYTES - size_of::<Layout>()).cast() }
    }

    /// Adds a result. Returns false when it does not fit.
    pub fn push(self, bytes: &[u8]) -> bool {
        let [count, used] = self.head();
        let used = used as usize;
        if bytes.len() > RESULTS_BYTES - HEAD - used {
            return false;
        }
        // SAFETY: inside the mapping, behind what was written before.
        unsafe {
            let room = self.memory.as_ptr().add(HEAD + used);
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), room, bytes.len());
        }
        self.set_head([count + 1, (used + bytes.len()) as u64]);
        true
    }

    /// Returns all results, one after the other.
    pub fn bytes(&self) -> &[u8] {
        let [_, used] = self.head();
        // SAFETY: this many bytes were written behind the head; the writer is gone.
        unsafe { core::slice::from_raw_parts(self.memory.as_ptr().add(HEAD), used as usize) }
    }
}

/// Receives a message; `None` when the other end is gone.
pub fn receive(socket: i32) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    if !sys::read_exact(socket, &mut length) {
        return None;
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MESSAGE_MAX {
        return None;
    }
    let mut message = alloc::vec![0; length];
    sys::read_exact(socket, &mut message).then_some(message)
}

fn send_bytes(socket: i32, parts: &[&[u8]]) -> bool {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let Ok(length) = u32::try_from(length) else { return false };
    sys::write_all(socket, &length.to_le_bytes()) && parts.iter().all(|part| sys::write_all(socket, part))
}

/// Sends a reply. Returns false when the other end is gone.
pub fn send(socket: i32, reply: &Reply) -> bool {
    send_bytes(socket, &[&reply.to_bytes()])
}

/// Explains why a child that gave no result ended with this status.
pub fn why_ended(status: i32, results: Results) -> Reply {
    refused(match (status & 0x7f == 0).then_some(status >> 8 & 0xff) {
        Some(sys::CHILD_FULL) => format!(
            "the history of one trace is larger than {RESULTS_BYTES} bytes; ask for its verdict alone"
        ),
        Some(sys::CHILD_FATAL) => match Refusal::from_bytes(results.bytes()) {
            Some(refusal) => return Reply::Refused(refusal),
            None => String::from("no reason was given"),
        },
        Some(code) => format!("the process that ran the trace ended with status {code} and gave no result"),
        None => format!("the process that ran the trace was killed by signal {}", status & 0x7f),
    })
}

/// Sends all results. Returns false when the other end is gone.
pub fn send_results(socket: i32, results: Results) -> bool {
    // The beginning of the reply, then the results as the child wrote them.
    let mut beginning = Vec::new();
    beginning.push(wire::RESULTS);
    results.count().put(&mut beginning);
    send_bytes(socket, &[&beginning, results.bytes()])
}

/// Outcome of a fork.
pub enum Forked {
    /// This is the child; it ends with its parent.
    Child,
    /// The child has ended, with this status.
    Over(i32),
    /// There is no child, or it was killed: the reason, for a person.
    Failed(String),
    /// `treefall` is gone, and the child was killed.
    Gone,
}

/// Milliseconds between looks at the child's CPU time.
const LOOK_MILLIS: usize = 10_000;
/// Looks in a row without CPU time after which [`asleep`](crate::asleep) has failed to end the child.
const LOOKS: u32 = 6;

/// Forks a child and waits for its end in the parent; a `watched` child that waits for ever is killed.
pub fn fork_child(socket: i32, watched: bool) -> Forked {
    let parent = sys::pid();
    let (ended, alive) = match sys::pipe() {
        Ok(ends) => ends,
        Err(error) => {
            return Forked::Failed(format!(
                "no pipe to a process of its own can be made (error {error}); raise the limit of open files \
                 (`ulimit -n`)"
            ));
        }
    };
    let child = sys::fork();
    if child == 0 {
        if !sys::die_with_parent(parent) {
            sys::exit(sys::CHILD_DONE);
        }
        sys::close(ended);
        return Forked::Child;
    }
    sys::close(alive);
    if child < 0 {
        sys::close(ended);
        return Forked::Failed(format!(
            "no process can be forked (error {}); raise the limits of processes and of memory (`ulimit -u`, `ulimit \
             -v`, and those of the container)",
            -child
        ));
    }
    // The child holds the other end of the pipe as long as it lives.
    let (mut used, mut idle) = (0, 0);
    let [gone, over] = loop {
        let seen = sys::poll([socket, ended], LOOK_MILLIS);
        if seen != [false, false] {
            break seen;
        }
        let now = sys::cpu_micros(child).unwrap_or(used);
        // One that somebody stopped goes on when it is continued.
        idle = if watched && now == used && !sys::is_stopped(child) { idle + 1 } else { 0 };
        used = now;
        if idle == LOOKS {
            sys::kill(child);
            sys::wait(child);
            sys::close(ended);
            return Forked::Failed(format!(
                "the process that ran the trace used no CPU time for {} s and did not end; it was killed (does its \
                 disk not answer?)",
                LOOK_MILLIS / 1_000 * LOOKS as usize
            ));
        }
    };
    if gone && !over {
        sys::kill(child);
    }
    let status = sys::wait(child);
    sys::close(ended);
    if over || !gone { Forked::Over(status) } else { Forked::Gone }
}

/// Installs the filter of system calls.
///
/// # Errors
/// The reason why it cannot be installed, for a person.
pub fn wall() -> Result<(), String> {
    filter::install().map_err(|error| {
        format!(
            "this kernel takes no filter of system calls (error {error}); it has to be built with \
             CONFIG_SECCOMP_FILTER, and a sandbox around treefall has to let `seccomp` through"
        )
    })
}

/// Returns the part of a run's result that is sent.
pub fn told(ran: drive::Ran) -> TraceResult {
    let told = ran.faulted || ran.observed.spotted;
    let stopped = if told { stopped::kept(Place::Stopped) } else { None };
    let [handed_out, freed] = [Place::HandedOut, Place::Freed].map(stopped::kept);
    TraceResult { observed: ran.observed, stopped, handed_out, freed, counts: ran.counts, ledger: ran.ledger }
}

/// Builds the refusal of a program through which a trace could not be driven.
pub fn not_driven() -> Refusal {
    Refusal { why: fatal::noted(), misbehaves: false, stopped: stopped::kept(Place::Stopped) }
}

/// Builds a refusal that concerns no place in the program.
pub fn refused(why: String) -> Reply {
    Reply::Refused(Refusal { why, misbehaves: false, stopped: None })
}
