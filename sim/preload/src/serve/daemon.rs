//! The daemon's first process: calibrated before its `main`, held at its first fork, where it serves traces.
//!
//! Invariants: the calibration runs in a process of its own, so the daemon starts as it would without this library.
//! Each trace is played in a process forked there in place of the daemon's own fork; however that process ends, it first
//! writes its result to shared memory. When `treefall` ends, its socket is hung up and this process ends, with the
//! namespaces that it is the first process of.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use treefall_model::codec;
use treefall_model::event::SubjectKind;
use treefall_model::trace::Trace;
use treefall_world::wire::{Facts, Files, Options, Refusal, Reply, Request, Staged, Symbols, Wire as _};

use super::snapshot::{self, Asked};
use super::{Forked, Results};
use crate::calibrate::{Misfit, calibrate};
use crate::daemon::{files, netlink, observe, start};
use crate::escape::{self, Left};
use crate::layout::{LAYOUT, Layout};
use crate::single::{Mode, Single, mode, set_mode};
use crate::{descriptors, drive, heap, program, signals, sys, watchdog};

/// State of the first process.
#[derive(Clone, Copy)]
struct Server {
    socket: i32,
    results: Option<Results>,
}

static SERVER: Single<Server> = Single::new(Server { socket: -1, results: None });

/// Largest file that a daemon may write: an endless log must show as a loop, not as a full disk or memory.
const FILE_MAX: u64 = 64 << 20;

/// Calibrates, prepares the first fork, and replies. Returns false when `treefall` is gone or this program cannot be
/// driven.
pub fn enter(socket: i32, symbols: Symbols, of: &Files) -> bool {
    heap::open();
    crate::daemon::names::share();
    program::set_symbols(symbols);
    let results = Results::open();
    let reply = match calibrate_apart(results) {
        Ok((facts, layout)) => {
            LAYOUT.set(layout);
            heap::set_entry_size(facts.entry as usize);
            Reply::Ready(facts)
        }
        Err(misfit) => Reply::Refused(misfit.refusal()),
    };
    let text = |text: &str| -> &'static str { Box::leak(format!("{text}\0").into_boxed_str()) };
    let config = text(&of.config);
    // On a kernel that cannot do this, only file permissions protect the user's files from a broken daemon.
    sys::freeze_mounts();
    let reply = if matches!(reply, Reply::Ready(_)) && !sys::mount_memory(text(&of.mount)) {
        super::refused(format!("nothing can be mounted at {} in a namespace of its own", of.mount))
    } else {
        reply
    };
    let reply = if matches!(reply, Reply::Ready(_)) && !sys::write_file(config, of.text.as_bytes()) {
        super::refused(format!("{} cannot be written", of.config))
    } else {
        reply
    };
    let fits = matches!(reply, Reply::Ready(_));
    // Standard input and output were inherited as the socket and the library; what the daemon reads or prints must not
    // reach them.
    let aside = sys::aside(socket);
    if aside < 0 {
        let why =
            String::from("no descriptor above 900 can be had; raise the limit of open files (`ulimit -n`)");
        super::send(socket, &super::refused(why));
        return false;
    }
    sys::same_as(2, socket);
    sys::same_as(2, 1);
    let socket = aside;
    SERVER.set(Server { socket, results: Some(results) });
    files::set(files::Files {
        config,
        leftovers: Vec::leak(of.leftovers.iter().map(|path| text(path)).collect()),
        root: text(&of.root),
    });
    if !super::send(socket, &reply) || !fits {
        return false;
    }
    set_mode(Mode::Parent);
    true
}

/// Calibrates in a process of its own.
fn calibrate_apart(results: Results) -> Result<(Facts, Layout), Misfit> {
    let child = sys::fork();
    if child == 0 {
        signals::install();
        results.clear();
        match calibrate() {
            Ok(facts) => {
                results.push(&facts.to_bytes());
                results.keep(LAYOUT.get());
                sys::exit(sys::CHILD_DONE);
            }
            Err(misfit) => {
                results.push(&misfit.refusal().to_bytes());
                sys::exit(sys::CHILD_FATAL);
            }
        }
    }
    let status = sys::wait(child);
    match (status, results.bytes()) {
        (0, bytes) => {
            let facts = Facts::from_bytes(bytes);
            let facts = facts.ok_or_else(|| Misfit::layout("the calibration's result does not decode"))?;
            Ok((facts, results.kept()))
        }
        (_, bytes) => Err(match Refusal::from_bytes(bytes) {
            Some(Refusal { why, misbehaves, .. }) => Misfit { why, misbehaves },
            None => Misfit::layout(&format!("the process that calibrates ended with status {status:#x}")),
        }),
    }
}

/// Serves traces at the daemon's first fork. Returns only in the process that is to go on as that fork's child: one that
/// plays a trace, or one that is to serve traces later.
pub fn serve_at_fork() {
    let Server { socket, results } = SERVER.get();
    let Some(results) = results else { sys::exit(sys::EXIT_PANIC) };
    let reply = super::wall().map_or_else(super::refused, |()| Reply::Serving);
    if !super::send(socket, &reply) || reply != Reply::Serving {
        sys::exit(0);
    }
    while let Some(message) = super::receive(socket) {
        let alive = match Request::from_bytes(&message) {
            Some(Request::Play { options, traces }) => {
                match snapshot::ask(&options, &traces, &message, prepare) {
                    Asked::Played => true,
                    // This is the snapshot.
                    Asked::Begins => return,
                    Asked::Unfit => match play(socket, results, &options, &traces, begin) {
                        Some(alive) => alive,
                        // This is the child.
                        None => return,
                    },
                }
            }
            _ => super::send(socket, &super::refused(String::from("a request that does not decode"))),
        };
        if !alive {
            break;
        }
    }
    sys::exit(0)
}

/// Serves traces in the snapshot, where the daemon is about to read its configuration. Returns in a process that plays a
/// trace, and in any that is no snapshot at once.
pub fn serve_at_configuration() {
    let Some(mut message) = snapshot::arrive() else { return };
    let Server { socket, results } = SERVER.get();
    let Some(results) = results else { sys::exit(sys::EXIT_PANIC) };
    files::keep_leftovers();
    while let Some(Request::Play { options, traces }) = Request::from_bytes(&message) {
        match play(socket, results, &options, &traces, resume) {
            Some(true) => {}
            Some(false) => break,
            // This is the child.
            None => return,
        }
        let Some(next) = snapshot::next() else { break };
        message = next;
    }
    sys::exit(0)
}

/// Plays the traces, each in a process. Returns `None` in such a process, otherwise whether `treefall` is still there.
/// Results are sent when no more fit, and at the end.
fn play(
    socket: i32,
    results: Results,
    options: &Options,
    traces: &[Staged],
    begin: fn(&Staged, &Options),
) -> Option<bool> {
    results.clear();
    let mut rest = traces;
    while let Some((staged, later)) = rest.split_first() {
        files::remove_leftovers();
        snapshot::drop_messages();
        let before = results.count();
        let status = match super::fork_child(socket, true) {
            Forked::Child => {
                begin(staged, options);
                return None;
            }
            Forked::Over(status) => status,
            Forked::Failed(why) => return Some(super::send(socket, &super::refused(why))),
            Forked::Gone => return Some(false),
        };
        if status == sys::CHILD_FULL << 8 && before > 0 {
            // Earlier results fill the memory: this trace is played again without them.
            if !super::send_results(socket, results) {
                return Some(false);
            }
            results.clear();
        } else if status == sys::CHILD_DONE && results.count() == before + 1 {
            rest = later;
        } else {
            return Some(super::send(socket, &super::why_ended(status, results)));
        }
    }
    Some(super::send_results(socket, results))
}

/// Prepares the process in which the daemon begins.
fn prepare(trace: &'static Trace, options: &Options) {
    signals::install();
    sys::unblock_signals();
    sys::limit_files(FILE_MAX);
    heap::reset(trace.setup().heap);
    descriptors::reset();
    netlink::reset();
    drive::open(trace, options, SubjectKind::Daemon);
    escape::stand_apart(left);
    set_mode(Mode::Daemon);
    observe::begin();
}

fn trace_of(staged: &Staged) -> &'static Trace {
    Box::leak(Box::new(codec::decode(&staged.trace)))
}

/// Begins the trace, in the process that plays it.
fn begin(staged: &Staged, options: &Options) {
    prepare(trace_of(staged), options);
    observe::stage(staged.configs.clone());
    watchdog::start_clock();
}

/// Goes on with the trace where the daemon is about to read its configuration, in the process that plays it.
fn resume(staged: &Staged, options: &Options) {
    drive::replace(trace_of(staged), options, SubjectKind::Daemon, snapshot::steps());
    observe::stage(staged.configs.clone());
    watchdog::start_clock();
}

/// Writes the result after the daemon was left, and ends the process.
fn left(how: Left) -> ! {
    if mode() == Mode::Script {
        start::failed(how);
    }
    snapshot::left();
    let Some(results) = SERVER.get().results else { sys::exit(sys::EXIT_PANIC) };
    // It may have crashed while it made the entry of a child.
    if !matches!(how, Left::Fatal | Left::Strayed) {
        start::name_start();
    }
    let Some(ran) = drive::conclude(how) else {
        results.clear();
        results.push(&super::not_driven().to_bytes());
        sys::exit(sys::CHILD_FATAL)
    };
    watchdog::stop_clock();
    let fits = results.push(&super::told(ran).to_bytes());
    sys::exit(if fits { sys::CHILD_DONE } else { sys::CHILD_FULL })
}
