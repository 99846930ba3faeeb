//! Reports to the world what the daemon does, as its calls show it.
//!
//! Invariants: everything is reported when it is seen, in order. A reload shows by its first line in the log, and its
//! end by the next thing that a reload does not do; a shutdown shows by the first effect after its SIGTERM was read.
//! Indexes are looked at where the replica's are in the same state: when a tick has armed the next, when the base
//! entries are added after a reload's clean-up, and before the loop blocks.

use alloc::string::String;
use alloc::vec::Vec;

use treefall_model::event::{End, LogLine, Step};
use treefall_model::id::ScriptRef;
use treefall_model::signal::Signal;
use treefall_world::Descriptor;
use treefall_world::words::{self, Said};

use super::{files, names};
use crate::escape::{Left, escape};
use crate::fatal::{fatal, stray};
use crate::single::Single;
use crate::{drive, program, sys};

/// Knowledge of the daemon that none of its calls shows directly.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// A SIGTERM was read, and no effect of its handler was seen yet.
    pub(super) term: bool,
    /// A reload came between a SIGTERM and its first effect, which drops a queued shutdown in every known release.
    pub(super) dropped: bool,
    /// The reload did not drop it: EVENT still held it after the clean-up.
    pub(super) kept: bool,
    /// The signal handler is still reading.
    pub(super) reading: bool,
    /// The first configuration is being put in force.
    pub(super) starting: bool,
    /// A reload began, and nothing that comes after one was seen yet.
    pub(super) reload: bool,
    /// Fifo scripts started for the configuration that is being put in force.
    pub(super) fifos: usize,
    /// The base entries are still to be added after this reload's clean-up.
    pub(super) cleaning: bool,
    /// A shutdown began.
    pub(super) ending: bool,
    /// A tick just logged that it skips a run.
    pub(super) skipped: bool,
    /// The script whose start failed last.
    pub(super) unstarted: Option<ScriptRef>,
    /// Texts of the configurations.
    pub(super) configs: &'static [String],
    /// Descriptor of the copy that the daemon reads its configuration from; below 0: it reads the file.
    pub(super) copy: i32,
}

const NOTHING: Known = Known {
    term: false,
    dropped: false,
    kept: false,
    reading: false,
    starting: false,
    reload: false,
    fifos: 0,
    cleaning: false,
    ending: false,
    skipped: false,
    unstarted: None,
    configs: &[],
    copy: -1,
};

pub(super) static KNOWN: Single<Known> = Single::new(NOTHING);

pub(super) fn change(what: impl FnOnce(&mut Known)) {
    let mut known = KNOWN.get();
    what(&mut known);
    KNOWN.set(known);
}

/// Begins a run that has no configuration yet.
pub fn begin() {
    change(|known| *known = Known { copy: known.copy, starting: true, ..NOTHING });
}

/// Sets the configurations of the trace; they are never freed.
pub fn stage(configs: Vec<String>) {
    let configs: &'static [String] = configs.leak();
    change(|known| known.configs = configs);
    write_config(0);
}

/// Notes that the daemon reads its configuration from this file in memory from now on. Its vrrp process can only read
/// it.
pub fn keeps_copy(fd: i32) {
    let copy = sys::aside(fd);
    if fd >= 0 && copy < 0 {
        // What cannot be written there would not be read.
        sys::exit(sys::EXIT_NO_MEMORY);
    }
    change(|known| known.copy = copy);
}

/// Writes the configuration that the daemon reads next.
fn write_config(number: usize) {
    let Known { configs, copy, .. } = KNOWN.get();
    let Some(text) = configs.get(number) else { fatal(format_args!("there is no configuration {number}")) };
    let written = if copy >= 0 {
        sys::replace(copy, text.as_bytes())
    } else {
        sys::write_file(files::config(), text.as_bytes())
    };
    if !written {
        fatal(format_args!("the configuration cannot be written where the daemon reads it"));
    }
}

/// Looks at the indexes in the daemon's own master.
pub(super) fn look(step: Step) {
    drive::with(|session| session.master = program::master());
    drive::look(step);
}

/// Handles something that a shutdown's handler may do, or that comes after it.
pub(super) fn settle() {
    let known = KNOWN.get();
    if known.term && !known.reading {
        change(|known| {
            known.term = false;
            known.ending = true;
        });
        // A further SIGTERM begins nothing.
        if !known.ending {
            drive::with(|session| session.world.termination_begins());
        }
    }
    change(|known| known.skipped = false);
}

/// Whether a configuration is being put in force; a fork then is that of a fifo script.
pub(super) fn puts_in_force() -> bool {
    let known = KNOWN.get();
    known.starting || known.reload
}

/// Begins the shutdown that a reload did not drop, after that reload.
fn begin_kept() {
    if KNOWN.get().kept {
        change(|known| known.kept = false);
        settle_all();
        begin_dropped();
    }
}

/// Begins a shutdown whose SIGTERM was read before a reload, if none has begun.
fn begin_dropped() {
    if !KNOWN.get().ending {
        change(|known| known.ending = true);
        drive::with(|session| session.world.termination_begins());
    }
}

/// Handles something that never happens while a configuration is put in force.
pub(super) fn settle_all() {
    settle();
    change(|known| known.starting = false);
    if KNOWN.get().reload {
        change(|known| known.reload = false);
        drive::with(|session| session.world.reload_ends());
    }
}

/// Blocks the loop. A SIGTERM that was read and had no effect so far has none.
pub fn block() -> [Option<Descriptor>; 3] {
    change(|known| {
        known.reading = false;
        known.term = false;
    });
    begin_kept();
    settle_all();
    drive::with(|session| session.master = program::master());
    drive::block()
}

/// Reads the timerfd.
pub fn read_timer() -> bool {
    settle_all();
    drive::read_timer()
}

/// Reads the signalfd.
pub fn read_signal() -> Option<Signal> {
    if !KNOWN.get().reading {
        settle_all();
    }
    let signal = drive::read_signal();
    change(|known| {
        known.reading = signal.is_some();
        known.term |= signal == Some(Signal::TERM);
    });
    signal
}

/// Notes that the daemon reads its netlink socket: no longer a shutdown's handler, if it was one. A reload may read it.
pub(super) fn reads_messages() {
    drive::check_limit();
    settle();
}

/// Notes that the daemon reads the clock: another tick may have begun, which first arms the next.
pub fn reads_clock() {
    change(|known| known.skipped = false);
}

/// Notes that the daemon registers a descriptor with epoll, or (`added` false) removes it.
pub fn registers(timer: bool, added: bool) {
    if !added {
        settle();
    } else if timer && KNOWN.get().cleaning {
        change(|known| known.cleaning = false);
        look(Step::Cleanup);
        let kept = KNOWN.get().dropped && drive::queues_event();
        change(|known| known.kept |= kept);
    }
}

/// Notes that the daemon sends a signal, as far as is known in a handler that just began.
pub fn signals() {
    drive::check_limit();
    begin_kept();
    settle();
}

/// Reads a line that the daemon logs.
pub fn line(text: &str) {
    let said = words::read(text);
    // The handler that tried a failed start logs it; that handler began within the bounds.
    if !matches!(said, Said::Line(words::Line { kind: words::Kind::ForkFailed, .. })) {
        drive::check_limit();
    }
    match said {
        Said::Reloading => reload(),
        Said::Started => settle_all(),
        Said::Line(said) => {
            if let Some(line) = name(said) {
                logged(line);
            }
        }
        Said::Other => files::remember(text),
    }
}

fn reload() {
    // It drops everything queued, also a termination.
    change(|known| {
        known.dropped |= known.term;
        known.term = false;
    });
    settle_all();
    let config = drive::with(|session| session.world.reload_begins());
    change(|known| {
        known.reload = true;
        known.fifos = 0;
        known.cleaning = true;
    });
    write_config(usize::from(config.0));
}

fn logged(line: LogLine) {
    settle();
    if let LogLine::Skipped { .. } = line {
        if !KNOWN.get().ending {
            look(Step::AddTimer);
        }
        change(|known| known.skipped = true);
    }
    drive::with(|session| session.world.logged(line));
}

/// Resolves the script's name in a log line. A script that the trace does not have is not followed.
fn name(said: words::Line<'_>) -> Option<LogLine> {
    let script = match (said.script, said.kind) {
        (Some(script), _) => drive::with(|session| session.world.script_named(script))?,
        (None, words::Kind::FailedToTerminate { pid } | words::Kind::Lost { pid }) => {
            // A pid may be in use again, and its entry says whose it was; a broken one says nothing.
            let told = names::script_of_timeout(pid);
            told.or_else(|| drive::with(|session| session.world.script_of_pid(pid)))?
        }
        (None, _) => KNOWN.get().unstarted.unwrap_or_default(),
    };
    Some(said.kind.of(script))
}

/// Ends the run of a daemon whose process ends by itself.
pub(super) fn exits(code: i32) -> ! {
    settle_all();
    if KNOWN.get().dropped {
        begin_dropped();
    }
    if !KNOWN.get().ending {
        stray(format_args!("the daemon ended by itself with status {code}{}", files::last_line()));
    }
    drive::finish(End::LoopReturned);
    escape(Left::Ended)
}
