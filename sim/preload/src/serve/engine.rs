//! The engine's side of the conversation with `treefall`: calibrate once, then run batches of traces.
//!
//! Invariant: this process, once calibrated, runs nothing of the program's. A child forked from it runs trace after trace,
//! each with a fresh master, and is replaced after any trace whose end leaves its heap in doubt.

use alloc::boxed::Box;
use alloc::vec::Vec;

use treefall_model::codec;
use treefall_world::wire::{Options, Refusal, Reply, Request, Wire as _};

use super::{Forked, Results, fork_child, receive, refused, send, send_results, told, wall, why_ended};
use crate::calibrate::{Misfit, calibrate};
use crate::stopped::Place;
use crate::{arena, clocks, crash, drive, heap, program, sanitizer, signals, stopped, sys, watchdog};

/// SIGSTOP.
const STOP: i32 = 19;

/// Serves requests, the first one given, until the other end is gone; then the process ends.
pub fn serve(socket: i32, first: Option<Vec<u8>>) -> ! {
    heap::open();
    signals::install();
    sanitizer::install(crash::sanitizer_reported);
    let results = Results::open();
    let mut message = first;
    while let Some(request) = message {
        let alive = match Request::from_bytes(&request) {
            Some(Request::Calibrate { symbols, clocks }) => {
                clocks::set(clocks);
                program::set_symbols(symbols);
                let refused =
                    |misfit: Misfit| Refusal { stopped: stopped::kept(Place::Stopped), ..misfit.refusal() };
                let calibrated = wall().map_err(|why| Misfit::layout(&why)).and_then(|()| calibrate());
                let reply = calibrated.map_or_else(|misfit| Reply::Refused(refused(misfit)), Reply::Ready);
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

/// Runs the traces of a batch in one child after another. Returns false when the other end is gone.
fn batch(socket: i32, results: Results, options: &Options, traces: &[Vec<u8>]) -> bool {
    let mut done = 0;
    while done < traces.len() {
        results.clear();
        let status = match fork_child(socket, !options.stands) {
            Forked::Child => {
                if options.stands {
                    sys::raise(STOP);
                } else {
                    watchdog::start_clock();
                }
                sys::exit(run_all(results, options, &traces[done..]))
            }
            Forked::Over(status) => status,
            Forked::Failed(why) => return send(socket, &refused(why)),
            Forked::Gone => return false,
        };
        let count = results.count();
        let exit = (status & 0x7f == 0).then_some(status >> 8 & 0xff);
        if !matches!(exit, Some(sys::CHILD_DONE | sys::CHILD_FULL)) || count == 0 {
            return send(socket, &why_ended(status, results));
        }
        done += count as usize;
        if !send_results(socket, results) {
            return false;
        }
    }
    true
}

/// Runs traces, in the child, until one leaves the heap in doubt.
fn run_all(results: Results, options: &Options, traces: &[Vec<u8>]) -> i32 {
    let mark = arena::mark();
    for bytes in traces {
        let trace = Box::leak(Box::new(codec::decode(bytes)));
        let Some(ran) = drive::run(trace, options) else {
            results.clear();
            results.push(&super::not_driven().to_bytes());
            return sys::CHILD_FATAL;
        };
        let told = told(ran);
        let verdict = &told.observed.verdict;
        let doubtful = !verdict.outcome.survived() || verdict.memory_break().is_some();
        if !results.push(&told.to_bytes()) {
            return sys::CHILD_FULL;
        }
        core::mem::forget(told);
        if doubtful {
            return sys::CHILD_DONE;
        }
        // SAFETY: trace, world and result are not used again: the last was forgotten, the others leaked.
        unsafe { arena::reset(mark) };
    }
    sys::CHILD_DONE
}
