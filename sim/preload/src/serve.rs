//! The conversation with `treefall`: calibrate once, then run batches, each in forked children.
//!
//! Always: this process, once calibrated, runs nothing of the program's: a child forked from it does, trace
//! after trace with a fresh master each, and is replaced after any trace whose end leaves its heap in doubt. A
//! result is in the shared memory before the next trace begins, so that a child that dies takes no result with
//! it. When `treefall` ends, its socket is hung up and every process here ends.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ptr::NonNull;

use treefall_model::codec;
use treefall_world::wire::{self, MESSAGE_MAX, Options, Refusal, Reply, Request, Told, Wire};

use crate::calibrate::calibrate;
use crate::layout::Layout;
use crate::{arena, daemon, drive, fatal, filter, guard, heap, hooks, program, sanitizer, stopped, sys};

/// Room for the results of one child.
const RESULTS_BYTES: usize = 1 << 30;

/// The child ran all that it was to run, or ended after a trace that leaves the heap in doubt.
pub const CHILD_DONE: i32 = 0;
/// The next result did not fit any more.
pub const CHILD_FULL: i32 = 81;
/// The harness failed: the text is in the results.
pub const CHILD_FATAL: i32 = 82;

/// The memory that children write their results to.
#[derive(Clone, Copy)]
pub struct Results {
    /// First the count of results and of bytes, then the bytes.
    memory: NonNull<u8>,
}

/// The two counts.
const HEAD: usize = 16;

impl Results {
    /// Memory for results, none in it.
    pub fn open() -> Self {
        let Some(memory) = sys::map(RESULTS_BYTES, true) else { sys::exit(crate::EXIT_NO_MEMORY) };
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

    /// There are none any more.
    pub fn clear(self) {
        self.set_head([0, 0]);
    }

    /// How many there are.
    pub fn count(self) -> u64 {
        self.head()[0]
    }

    /// Keeps a layout behind all results.
    pub fn keep(self, layout: Layout) {
        // SAFETY: the end of the mapping, which no result of a calibration comes near.
        unsafe { self.kept_at().write_unaligned(layout) };
    }

    /// The layout kept last.
    pub fn kept(self) -> Layout {
        // SAFETY: as above; its writer is gone.
        unsafe { self.kept_at().read_unaligned() }
    }

    fn kept_at(self) -> *mut Layout {
        // SAFETY: inside the mapping.
        unsafe { self.memory.as_ptr().add(RESULTS_BYTES - size_of::<Layout>()).cast() }
    }

    /// Adds one result. `false`: it does not fit.
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

    /// All of them, one behind the other.
    pub fn bytes(&self) -> &[u8] {
        let [_, used] = self.head();
        // SAFETY: so many bytes were written behind the head; the writer is gone.
        unsafe { core::slice::from_raw_parts(self.memory.as_ptr().add(HEAD), used as usize) }
    }
}

/// Serves until the other end is gone. Returns when the program is to go on into its own `main`, as a daemon.
pub fn serve(socket: i32) {
    let mut message = receive(socket);
    if let Some(Request::Enter { symbols, files, clocks }) = message.as_deref().and_then(Request::from_bytes)
    {
        hooks::kernel::set_clocks(clocks);
        if daemon::serve::enter(socket, symbols, &files) {
            return;
        }
        sys::exit(0);
    }
    heap::open();
    guard::install();
    sanitizer::install();
    let results = Results::open();
    while let Some(request) = message {
        let alive = match Request::from_bytes(&request) {
            Some(Request::Calibrate { symbols, clocks }) => {
                hooks::kernel::set_clocks(clocks);
                program::set_symbols(symbols);
                let refused = |why| Reply::Refused(Refusal { why, stopped: stopped::kept() });
                let reply = wall().and_then(|()| calibrate()).map_or_else(refused, Reply::Ready);
                send(socket, &reply)
            }
            Some(Request::Batch { options, traces }) => batch(socket, results, &options, &traces),
            _ => send(socket, &refused("a request that does not decode".into())),
        };
        if !alive {
            break;
        }
        message = receive(socket);
    }
    sys::exit(0)
}

/// The next message; `None`: the other end is gone.
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

/// Sends a reply. `false`: the other end is gone.
pub fn send(socket: i32, reply: &Reply) -> bool {
    send_bytes(socket, &[&reply.to_bytes()])
}

/// Runs the traces of a batch, child after child. `false`: the other end is gone.
fn batch(socket: i32, results: Results, options: &Options, traces: &[Vec<u8>]) -> bool {
    let mut done = 0;
    while done < traces.len() {
        results.set_head([0, 0]);
        let status = match fork_child(socket, !options.stands) {
            Forked::Child => {
                if options.stands {
                    sys::raise(STOP);
                } else {
                    guard::start_clock();
                }
                sys::exit(run_all(results, options, &traces[done..]))
            }
            Forked::Over(status) => status,
            Forked::Failed(why) => return send(socket, &refused(why)),
            Forked::Gone => return false,
        };
        let count = results.count();
        let exit = (status & 0x7f == 0).then_some(status >> 8 & 0xff);
        if !matches!(exit, Some(CHILD_DONE | CHILD_FULL)) || count == 0 {
            return send(socket, &why_ended(status, results));
        }
        done += count as usize;
        if !send_results(socket, results) {
            return false;
        }
    }
    true
}

/// Why a child that gave no result ended with this status.
pub fn why_ended(status: i32, results: Results) -> Reply {
    refused(match (status & 0x7f == 0).then_some(status >> 8 & 0xff) {
        Some(CHILD_FULL) => format!(
            "the history of one trace is larger than {RESULTS_BYTES} bytes; ask for its verdict alone"
        ),
        Some(CHILD_FATAL) => match Refusal::from_bytes(results.bytes()) {
            Some(refusal) => return Reply::Refused(refusal),
            None => String::from("no reason was given"),
        },
        Some(code) => format!("the process that ran the trace ended with status {code} and gave no result"),
        None => format!("the process that ran the trace was killed by signal {}", status & 0x7f),
    })
}

/// Sends all results. `false`: the other end is gone.
pub fn send_results(socket: i32, results: Results) -> bool {
    // The reply's own beginning, then the results as the child wrote them.
    let mut beginning = Vec::new();
    beginning.push(wire::RESULTS);
    results.count().put(&mut beginning);
    send_bytes(socket, &[&beginning, results.bytes()])
}

/// Where a fork has led to.
pub enum Forked {
    /// This is the child; it ends with its parent.
    Child,
    /// The child has ended, with this status.
    Over(i32),
    /// There is no child, or it was put an end to: why, for a person.
    Failed(String),
    /// `treefall` is gone, and so is the child.
    Gone,
}

/// SIGSTOP.
const STOP: i32 = 19;
/// From one look at the child's CPU time to the next.
const LOOK_MILLIS: usize = 10_000;
/// So many looks in a row that find no CPU time used: what ends such a child by itself
/// ([`asleep`](crate::asleep)) has failed.
const LOOKS: u32 = 6;

/// Forks a child and, in the parent, waits for its end; watched: one that waits for ever is put an end to.
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
            sys::exit(CHILD_DONE);
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
    // The child holds the pipe's other end for as long as it lives.
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

/// The wall behind the hooks is set up.
///
/// # Errors
/// Why it cannot be, for a person.
pub fn wall() -> Result<(), String> {
    filter::install().map_err(|error| {
        format!(
            "this kernel takes no filter of system calls (error {error}); it has to be built with \
             CONFIG_SECCOMP_FILTER, and a sandbox around treefall has to let `seccomp` through"
        )
    })
}

/// In the child: runs traces until one leaves the heap in doubt.
fn run_all(results: Results, options: &Options, traces: &[Vec<u8>]) -> i32 {
    let mark = arena::mark();
    for bytes in traces {
        let trace = Box::leak(Box::new(codec::decode(bytes)));
        let Some(ran) = drive::run(trace, options) else {
            results.set_head([0, 0]);
            results.push(&Refusal { why: fatal::noted(), stopped: stopped::kept() }.to_bytes());
            return CHILD_FATAL;
        };
        let told = told(ran);
        let verdict = &told.observed.verdict;
        let doubtful = !verdict.outcome.survived() || verdict.memory_break().is_some();
        if !results.push(&told.to_bytes()) {
            return CHILD_FULL;
        }
        core::mem::forget(told);
        if doubtful {
            return CHILD_DONE;
        }
        // SAFETY: trace, world and result are not used again: the last was forgotten, the others leaked.
        unsafe { arena::reset(mark) };
    }
    CHILD_DONE
}

/// What is told of a run.
pub fn told(ran: drive::Ran) -> Told {
    let stopped = if ran.faulted { stopped::kept() } else { None };
    Told { observed: ran.observed, stopped, counts: ran.counts, ledger: ran.ledger }
}

/// A refusal that comes from no place in the program.
pub fn refused(why: String) -> Reply {
    Reply::Refused(Refusal { why, stopped: None })
}
