//! Snapshots of the daemon: processes that wait where it is about to read its configuration, and serve traces there.
//!
//! The first process forks one for each heap policy, when the first such trace comes, and passes requests on to it; the
//! snapshot answers `treefall` itself. Until its configuration the daemon does two thirds of all that it does in a short
//! trace, and the same in each.
//!
//! Invariants: a snapshot serves only if the daemon came to it by calls without effect in the world, and no message waits
//! at a socket of its own; what a trace leaves there is dropped before the next. Otherwise the first process plays the
//! traces. A snapshot ends with the first process.

use alloc::boxed::Box;
use alloc::vec::Vec;

use treefall_model::codec;
use treefall_model::trace::{Config, HeapPolicy, Setup, Trace};
use treefall_world::wire::{Options, Staged};

use crate::daemon::{files, identity};
use crate::single::Single;
use crate::{drive, sys, watchdog};

/// Ends of the pipes between first process and snapshot.
#[derive(Clone, Copy)]
struct Pipes {
    requests: i32,
    answers: i32,
}

/// Knowledge of the first process about the snapshot of a heap policy.
#[derive(Clone, Copy)]
enum Known {
    /// None was asked for.
    Nothing,
    /// It serves.
    Serves(i32, Pipes),
    /// It cannot serve.
    Unfit,
}

/// One place for each heap policy.
static KNOWN: Single<[Known; HeapPolicy::ALL.len()]> = Single::new([Known::Nothing; HeapPolicy::ALL.len()]);

/// Knowledge of a snapshot about itself.
#[derive(Clone, Copy)]
struct Own {
    /// The first request, until the daemon comes to its configuration.
    first: Option<&'static [u8]>,
    pipes: Pipes,
    /// Calls of the daemon until then.
    steps: u64,
    /// Its sockets, one bit for each descriptor.
    sockets: u64,
}

static OWN: Single<Own> =
    Single::new(Own { first: None, pipes: Pipes { requests: -1, answers: -1 }, steps: 0, sockets: 0 });

/// Outcome of a request to a snapshot.
pub enum Asked {
    /// It has answered.
    Played,
    /// This is the snapshot, which begins.
    Begins,
    /// No snapshot can play these traces.
    Unfit,
}

/// Prepares the process in which the daemon begins.
pub type Prepare = fn(&'static Trace, &Options);

/// Passes a request on to the snapshot for its traces, and waits until it has answered.
pub fn ask(options: &Options, traces: &[Staged], message: &[u8], prepare: Prepare) -> Asked {
    let setups = || traces.iter().map(|staged| codec::decode(&staged.trace));
    let Some(heap) = setups().next().map(|trace| trace.setup().heap) else { return Asked::Unfit };
    // A followed entry may be older than the configuration. The daemon lists its interfaces before it reads that, and the
    // answer depends on the trace.
    let unfit = |trace: Trace| trace.setup().heap != heap || !trace.setup().links.is_empty();
    if options.follow.is_some() || setups().any(unfit) {
        return Asked::Unfit;
    }
    let place = HeapPolicy::ALL.iter().position(|policy| *policy == heap).unwrap_or(0);
    let mut known = KNOWN.get();
    if let Known::Nothing = known[place] {
        known[place] = match begin(heap, options, message, prepare) {
            Some(begun) => begun,
            None => return Asked::Begins,
        };
    } else if let Known::Serves(_, pipes) = known[place] {
        let length = (message.len() as u32).to_le_bytes();
        let _ = sys::write_all(pipes.requests, &length) && sys::write_all(pipes.requests, message);
    }
    if let Known::Serves(snapshot, pipes) = known[place]
        && !sys::read_exact(pipes.answers, &mut [0])
    {
        match sys::wait(snapshot) {
            status if status == sys::CHILD_ELSEWHERE << 8 => known[place] = Known::Unfit,
            status if status & 0x7f == 0 => sys::exit(status >> 8),
            _ => sys::exit(sys::EXIT_UNSHELTERED),
        }
    }
    KNOWN.set(known);
    if let Known::Serves(..) = known[place] { Asked::Played } else { Asked::Unfit }
}

/// Forks a snapshot. Returns `None` in it.
fn begin(heap: HeapPolicy, options: &Options, message: &[u8], prepare: Prepare) -> Option<Known> {
    let configs = alloc::vec![Config { scripts: Vec::new() }];
    let Ok(trace) = Trace::new(Setup { configs, heap, ..Setup::default() }, Vec::new()) else {
        return Some(Known::Unfit);
    };
    let (Ok((requests, to_requests)), Ok((answers, to_answers))) = (sys::pipe(), sys::pipe()) else {
        return Some(Known::Unfit);
    };
    files::remove_leftovers();
    let parent = sys::pid();
    let child = sys::fork();
    let kept = if child == 0 { [to_requests, answers] } else { [requests, to_answers] };
    kept.into_iter().for_each(sys::close);
    if child < 0 {
        return Some(Known::Unfit);
    }
    if child > 0 {
        return Some(Known::Serves(child, Pipes { requests: to_requests, answers }));
    }
    if !sys::die_with_parent(parent) {
        sys::exit(sys::CHILD_DONE);
    }
    let pipes = Pipes { requests, answers: to_answers };
    OWN.set(Own { first: Some(Vec::leak(message.to_vec())), pipes, ..OWN.get() });
    identity::keep();
    prepare(Box::leak(Box::new(trace)), options);
    watchdog::start_clock();
    None
}

/// Ends the process if it is a snapshot whose daemon did not come to its configuration.
pub fn left() {
    if OWN.get().first.is_some() {
        sys::exit(sys::CHILD_ELSEWHERE);
    }
}

/// Makes the process a snapshot that serves, and returns its first request; `None`: it is none, or does already.
pub fn arrive() -> Option<Vec<u8>> {
    let own = OWN.get();
    let message = own.first?;
    watchdog::stop_clock();
    let steps = drive::with(|session| session.world.steps_without_effect());
    let sockets = (0..u64::BITS).filter_map(|fd| Some((fd, sys::has_message(fd as i32)?)));
    let sockets = sockets.map(|(fd, waits)| (!waits).then_some(1 << fd)).sum::<Option<u64>>();
    let (Some(steps), Some(sockets)) = (steps, sockets) else { sys::exit(sys::CHILD_ELSEWHERE) };
    OWN.set(Own { first: None, steps, sockets, ..own });
    Some(message.to_vec())
}

/// Tells the first process that a request was answered, and returns the next; `None`: the first process is gone.
pub fn next() -> Option<Vec<u8>> {
    let Pipes { requests, answers } = OWN.get().pipes;
    if sys::write_all(answers, &[0]) { super::receive(requests) } else { None }
}

/// Returns how many calls without effect the daemon made until its configuration.
pub fn steps() -> u64 {
    OWN.get().steps
}

/// Drops the messages that a trace left at the daemon's sockets.
pub fn drop_messages() {
    let sockets = OWN.get().sockets;
    (0..u64::BITS).filter(|fd| sockets & 1 << fd != 0).for_each(|fd| sys::drop_messages(fd as i32));
}
