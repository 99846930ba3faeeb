//! Starts of the daemon's children: finds which script each one is.
//!
//! The first time a real process is asked: it runs the daemon's own code from fork to exec, writes down the command,
//! and ends. Once the child's entry exists, the script's name is searched in the object that the entry's argument
//! points at; later starts read it there, because a real process costs twenty times as much as a whole reload. A start
//! that must fail never gets an entry, and the entry of a fifo script names no script: those are asked each time.
//!
//! Invariants: nothing is ever executed; the daemon's child is the world's. A name that is read belongs to a script of
//! the configuration in force, or the run ends with an error; no start is guessed.

use alloc::format;
use alloc::string::String;
use core::ffi::{CStr, c_char};

use treefall_model::event::{EntryKind, Step};
use treefall_model::id::ScriptRef;
use treefall_world::{FIFOS, Unnamed};

use super::names::{COMMAND_MAX, Shared, learn, name_in, object_of, object_of_tick, shared};
use super::observe::{self, KNOWN, change, look, puts_in_force, settle, settle_all};
use crate::escape::Left;
use crate::fatal::{self, fatal, stray};
use crate::libc::fail;
use crate::single::{Mode, Single, mode, set_mode};
use crate::{crash, drive, progress, sys, watchdog};

const EAGAIN: i32 = 11;

/// A start whose script is not known yet.
#[derive(Clone, Copy)]
struct Pending {
    unnamed: Unnamed,
    /// The answer of a real process.
    asked: Option<ScriptRef>,
}

static PENDING: Single<Option<Pending>> = Single::new(None);

/// `fork` in a daemon that plays a trace: the world starts a child.
pub fn start_child() -> i32 {
    progress::made();
    name_start();
    if puts_in_force() {
        return start_fifo();
    }
    let skipped = KNOWN.get().skipped;
    drive::check_limit();
    settle_all();
    // The tick has armed the next; it was looked at if the daemon logged that it skips a run.
    if !skipped && !KNOWN.get().ending {
        look(Step::AddTimer);
    }
    // Entries in broken memory say nothing.
    let sound = drive::with(|session| !session.world.observer().memory_broke());
    // SAFETY: our own shared mapping, which no other process writes to now.
    let learnt = sound && unsafe { (*shared()).name_at != 0 };
    let unnamed = drive::with(|session| session.world.fork_unnamed());
    let asked = if unnamed.is_some() && learnt {
        None
    } else {
        let Some(script) = ask(|name| drive::with(|session| session.world.script_named(name))) else {
            return 0;
        };
        Some(script)
    };
    match unnamed {
        Some(unnamed) => {
            PENDING.set(Some(Pending { unnamed, asked }));
            unnamed.pid.get()
        }
        None => fail_start(asked.unwrap_or_default()),
    }
}

/// Starts a fifo script. Only its command identifies it, because its entry's argument is not its own object.
fn start_fifo() -> i32 {
    let before = KNOWN.get().fifos;
    if before == FIFOS.len() {
        stray(format_args!(
            "the daemon starts more while it puts a configuration in force than it has fifos"
        ));
    }
    change(|known| known.fifos = before + 1);
    settle();
    let unnamed = drive::with(|session| session.world.fork_unnamed());
    let Some(script) = ask(|name| drive::with(|session| session.world.script_of_fifo(name))) else {
        return 0;
    };
    match unnamed {
        Some(unnamed) => {
            drive::with(|session| session.world.name_start(unnamed, script));
            unnamed.pid.get()
        }
        None => fail_start(script),
    }
}

/// Fails the start of `script`, as the setup says.
fn fail_start(script: ScriptRef) -> i32 {
    drive::with(|session| session.world.spawn(script));
    change(|known| known.unstarted = Some(script));
    fail(EAGAIN)
}

/// Asks a real process which script starts; `of` finds the script by the first argument of its command. Returns `None`
/// in that process.
fn ask(of: impl FnOnce(&str) -> Option<ScriptRef>) -> Option<ScriptRef> {
    // SAFETY: our own shared mapping.
    unsafe {
        (*shared()).length = 0;
        (*shared()).failed = false;
    }
    let parent = sys::pid();
    let child = sys::fork();
    if child == 0 {
        if !sys::die_with_parent(parent) {
            sys::exit(0);
        }
        set_mode(Mode::Script);
        watchdog::start_clock();
        return None;
    }
    if child < 0 {
        fatal(format_args!("no process can be forked to ask what the daemon starts (error {})", -child));
    }
    let status = sys::wait(child);
    // SAFETY: as above; its writer is gone.
    let Shared { length, words, failed, strayed, .. } = unsafe { *shared() };
    let command = core::str::from_utf8(&words[..length.min(COMMAND_MAX)]).unwrap_or_default();
    if failed && strayed {
        stray(format_args!("in a child of the daemon, before it executed anything: {command}"));
    }
    if failed {
        fatal(format_args!("in a child of the daemon, before it executed anything: {command}"));
    }
    if command.is_empty() {
        stray(format_args!(
            "a child of the daemon ended with status {status:#x} before it executed anything"
        ));
    }
    let name = command.split('\0').nth(1).unwrap_or_default();
    let Some(script) = of(name) else {
        let command = command.replace('\0', " ");
        stray(format_args!("the daemon starts `{command}`, which is no script of the trace"))
    };
    Some(script)
}

/// Ends the asked process, which reached no exec, and records the reason.
pub fn failed(how: Left) -> ! {
    let why = match how {
        Left::Crashed => format!("it crashed by signal {}", crash::signal()),
        Left::Hung => String::from("it ran on without an end"),
        Left::Fatal | Left::Strayed | Left::Ended | Left::Returned => fatal::noted(),
    };
    let bytes = &why.as_bytes()[..why.len().min(COMMAND_MAX)];
    // SAFETY: our own shared mapping, and no other process writes to it now.
    unsafe {
        core::ptr::copy_nonoverlapping(bytes.as_ptr(), (&raw mut (*shared()).words).cast(), bytes.len());
        (*shared()).length = bytes.len();
        (*shared()).failed = true;
        (*shared()).strayed = matches!(how, Left::Crashed | Left::Hung | Left::Strayed);
    }
    sys::exit(sys::CHILD_FATAL)
}

/// Names the pending start, if there is one. Its entry exists: thread_add_child was called right after the fork, and
/// the program has since made another call than reading the clock.
pub fn name_start() {
    let Some(Pending { unnamed, asked }) = PENDING.get() else { return };
    PENDING.set(None);
    let object = object_of(unnamed.pid, EntryKind::Child);
    let script = match (asked, object) {
        (Some(script), object) => {
            if let Some(object) = object.filter(|_| !drive::with(|s| s.world.observer().memory_broke())) {
                learn(object, script);
            }
            Some(script)
        }
        (None, Some(object)) => name_in(object),
        // It crashed before there was an entry.
        (None, None) => object_of_tick().and_then(name_in),
    };
    let Some(script) = script else {
        stray(format_args!(
            "the daemon started a child, pid {}, and its entry does not tell which script it is",
            unnamed.pid
        ))
    };
    drive::with(|session| session.world.name_start(unnamed, script));
}

/// Handles an exec: in the asked process, records the command and ends. In any other it is allowed, or ends the run.
///
/// # Safety
/// `words` must be pointers to texts, up to a null pointer.
pub unsafe fn admits_exec(words: *const *const c_char) {
    match mode() {
        Mode::Off | Mode::Parent => return,
        Mode::Script => {}
        _ => stray(format_args!("the program called exec, which no scheduler does")),
    }
    let asked = shared();
    let mut length = 0;
    // SAFETY: as required above; our own shared mapping, and no other process writes to it now.
    unsafe {
        let all = (0..64).map(|place| *words.add(place)).take_while(|word| !word.is_null());
        for word in all {
            for byte in CStr::from_ptr(word).to_bytes_with_nul() {
                if length < COMMAND_MAX {
                    (*asked).words[length] = *byte;
                    length += 1;
                }
            }
        }
        (*asked).length = length;
    }
    sys::exit(0)
}

/// Handles a call of `exit`: the run of a daemon is over.
pub fn leave(code: i32) {
    match mode() {
        Mode::Off | Mode::Parent => {}
        Mode::Script => sys::exit(code),
        Mode::Daemon => observe::exits(code),
        _ => stray(format_args!("the program called exit, and nothing had asked it to end")),
    }
}
