//! Messages between `treefall` and the library inside the real program: setup, requests, results.
//!
//! Invariants: both sides are built from the same sources, so there is one version and no negotiation. A message that
//! does not decode to its end is refused, never guessed. Numbers are written in groups of seven bits, lowest first,
//! except single bytes; a list is its length and its items.

use alloc::string::String;
use alloc::vec::Vec;

use treefall_model::contents::{Contents, Held};
use treefall_model::event::{
    Answer, End, EntryKind, Event, FailedBy, Handler, LogLine, Record, Step, Target,
};
use treefall_model::id::{ConfigId, Generation, LinkId, Pid, Run, ScriptId, ScriptRef, StartNo};
use treefall_model::index::{Block, Entry};
use treefall_model::law::Law;
use treefall_model::observe::{self, Mark, Observed, Spot};
use treefall_model::release::{Defect, Release, Rules};
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::{Deadline, Instant, Span};
use treefall_model::verdict::{Again, Outcome, Signature, Verdict, Violation};

use crate::Counts;

mod plain;

pub use plain::{get_bytes, put_bytes};

/// Environment variable that names the parent's socket to the library: descriptor, then [`Image`] as text.
pub const VARIABLE: &str = "TREEFALL_ENGINE";

/// Bytes of stack that are sent, at most. A sanitizer's report takes the most.
pub const STACK_MAX: usize = 64 << 10;

/// Longest message, in bytes.
pub const MESSAGE_MAX: usize = 1 << 30;

/// A value that can be sent.
pub trait Wire: Sized {
    /// Writes the value.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads a value from the front; `None` when the bytes hold none.
    fn get(input: &mut &[u8]) -> Option<Self>;

    /// Writes several values, one after the other.
    fn put_all(items: &[Self], out: &mut Vec<u8>) {
        items.iter().for_each(|item| item.put(out));
    }

    /// Reads `length` values, one after the other.
    fn get_all(length: usize, input: &mut &[u8]) -> Option<Vec<Self>> {
        // Every item takes at least one byte, so an impossible length takes no memory.
        let mut items = Vec::with_capacity(length.min(input.len()));
        for _ in 0..length {
            items.push(Self::get(input)?);
        }
        Some(items)
    }

    /// Returns the value as bytes.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.put(&mut out);
        out
    }

    /// Reads a value that takes all the bytes.
    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let value = Self::get(&mut bytes)?;
        bytes.is_empty().then_some(value)
    }
}

macro_rules! wire_struct {
    ($type:ident { $($field:ident),* $(,)? }) => {
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                $( self.$field.put(out); )*
            }
            fn get(input: &mut &[u8]) -> Option<Self> {
                Some(Self { $( $field: Wire::get(input)? ),* })
            }
        }
    };
}

macro_rules! wire_newtype {
    ($($type:ident)*) => { $(
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }
            fn get(input: &mut &[u8]) -> Option<Self> {
                Wire::get(input).map($type)
            }
        }
    )* };
}

macro_rules! wire_enum {
    ($type:ident { $( $number:literal = $name:ident $({ $($field:ident),* })? $(($inner:ident))? ),* $(,)? }) => {
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                match self { $(
                    Self::$name $({ $($field),* })? $(($inner))? => {
                        out.push($number);
                        $( $( $field.put(out); )* )?
                        $( $inner.put(out); )?
                    }
                )* }
            }
            fn get(input: &mut &[u8]) -> Option<Self> {
                Some(match u8::get(input)? {
                    $( $number => {
                        $( let $inner = Wire::get(input)?; )?
                        Self::$name $({ $($field: Wire::get(input)?),* })? $(($inner))?
                    } )*
                    _ => return None,
                })
            }
        }
    };
}

/// Implements [`Wire`] for enums without fields, by their lists of all values.
macro_rules! wire_by_place {
    ($($type:ident)*) => { $(
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                let place = $type::ALL.iter().position(|value| value == self);
                (place.unwrap_or(usize::MAX) as u64).put(out);
            }
            fn get(input: &mut &[u8]) -> Option<Self> {
                $type::ALL.get(usize::try_from(u64::get(input)?).ok()?).copied()
            }
        }
    )* };
}

// Below the macros that it uses.
mod answer;
mod details;

pub use answer::{Called, Facts, RESULTS, Refusal, Reply, Stopped, TraceResult};

wire_newtype! { ConfigId Generation LinkId ScriptId StartNo }
wire_struct!(ScriptRef { generation, script });
wire_struct!(Run { of, nth });
wire_by_place! { Law Defect Release Handler EntryKind }

impl Wire for Pid {
    fn put(&self, out: &mut Vec<u8>) {
        self.get().unsigned_abs().put(out);
    }
    fn get(input: &mut &[u8]) -> Option<Self> {
        Self::new(i32::try_from(u32::get(input)?).ok()?)
    }
}

impl Wire for Signal {
    fn put(&self, out: &mut Vec<u8>) {
        self.number().put(out);
    }
    fn get(input: &mut &[u8]) -> Option<Self> {
        Self::new(u8::get(input)?)
    }
}

impl Wire for Instant {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_micros().put(out);
    }
    fn get(input: &mut &[u8]) -> Option<Self> {
        u64::get(input).map(Self::from_micros)
    }
}

impl Wire for Span {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_micros().put(out);
    }
    fn get(input: &mut &[u8]) -> Option<Self> {
        u64::get(input).map(Self::from_micros)
    }
}

wire_enum!(ExitStatus { 0 = Code(code), 1 = Signal(signal) });
wire_enum!(Deadline { 0 = Never, 1 = At(instant) });
wire_enum!(Target { 0 = Group(pid), 1 = Process(pid), 2 = OwnGroup, 3 = Everyone });
wire_enum!(Answer { 0 = Delivered, 1 = NoSuchProcess, 2 = NotPermitted });
wire_enum!(FailedBy { 0 = Code(code), 1 = Signal(signal), 2 = TimedOut });
wire_enum!(End { 0 = TraceExhausted, 1 = LoopReturned, 2 = NoProgress, 3 = Overrun, 4 = EndOfTime });
wire_enum!(LogLine {
    0 = Skipped { script, timing_out },
    1 = NowReturning { script, code },
    2 = Succeeded { script },
    3 = Failed { script, by },
    4 = Carried { script, up },
    5 = FailedToTerminate { script, pid },
    6 = Lost { script, pid },
    7 = KillFailed { script, pid, signal },
    8 = ForkFailed { script },
    9 = Late { by },
    10 = Backstop { children },
});
wire_enum!(Event {
    0 = Blocked { deadline },
    1 = Woke { wakes, timer, signals },
    2 = Exited { run, status },
    3 = Moot { run },
    4 = SignalRead { signal },
    5 = Dispatched { handler, entry, script, run },
    6 = Started { run, pid },
    7 = StartFailed { script, start },
    8 = Signalled { target, run, signal, answer },
    9 = Reaped { run, pid, status },
    10 = Logged(line),
    11 = ReloadBegun { config, generation },
    12 = ReloadDone { generation },
    13 = TerminationBegun,
    14 = Ended(end),
    15 = Cancelled { run, entry },
    16 = LinkRead { link, up },
});
wire_struct!(Record { at, event });
wire_enum!(Step {
    0 = AddTimer, 1 = AddChild, 2 = AddEvent, 3 = TerminateChildren, 4 = Cleanup, 5 = AddBase, 6 = Cancel,
    7 = Dispatched, 8 = Blocked, 9 = Woke, 10 = Signalled, 11 = Exited, 12 = Reaped, 13 = Started,
    14 = SignalRead, 15 = Logged, 16 = Reload, 17 = Termination, 18 = Ended, 19 = LinkRead,
});
wire_struct!(Signature { law, step, entry });
wire_struct!(Again { run, at, records });
wire_struct!(Violation { signature, at, records, detail, run, again });
wire_struct!(Counts {
    timer_wakes,
    exits,
    hups,
    terms,
    records,
    wakes,
    starts,
    failed_starts,
    reloads,
    timeouts,
    cancels,
    steps,
});

/// Rules, as the release of their behaviours and their defects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RulesAs {
    /// The release of the behaviours.
    pub release: Release,
    /// The defects.
    pub defects: Vec<Defect>,
}
wire_struct!(RulesAs { release, defects });

impl RulesAs {
    /// Returns the rules of a release.
    #[must_use]
    pub fn of(release: Release) -> Self {
        Self { release, defects: release.defects().iter().collect() }
    }

    /// Returns the rules themselves.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let bare = Defect::ALL.into_iter().fold(Rules::of(self.release), Rules::without);
        self.defects.iter().copied().fold(bare, Rules::with)
    }
}

macro_rules! symbols {
    ($($(#[$doc:meta])* $field:ident),* $(,)?) => {
        /// Offsets in the program's file, from its symbols; 0 for a symbol that it lacks.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[expect(missing_docs, reason = "each field is called as the program's own symbol is")]
        pub struct Symbols { $( $(#[$doc])* pub $field: u64 ),* }
        wire_struct!(Symbols { $($field),* });

        impl Symbols {
            /// No symbol.
            pub const NONE: Self = Self { $($field: 0),* };

            /// Asks `find` for each symbol by its name.
            #[must_use]
            pub fn find(find: impl Fn(&str) -> u64) -> Self {
                Self { $($field: find(stringify!($field))),* }
            }
        }
    };
}

symbols! {
    thread_make_master, thread_add_base_threads, thread_cleanup_master, thread_add_timer,
    thread_add_timer_shutdown, thread_add_child, thread_add_event, thread_add_read, thread_add_write,
    thread_add_start_terminate_event, thread_add_terminate_event, thread_cancel, thread_child_handler,
    process_threads, script_killall, signal_set, set_time_now, master, min_auto_priority_delay,
    min_auto_priority_delay_size, prog_type, text_start, text_end, data_start, data_end,
}

/// Properties of the program's file in memory that tell the expected program from any other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Image {
    /// Address of `main` in the file.
    pub main: u64,
    /// Address at which the file's header is mapped.
    pub header: u64,
    /// Entry point in the header.
    pub entry: u64,
    /// Section table in the header; it differs between nearly any two builds.
    pub sections: u64,
}

impl Image {
    /// Returns the text for the environment variable, after the descriptor.
    #[must_use]
    pub fn variable(&self, descriptor: i32) -> String {
        let Self { main, header, entry, sections } = self;
        alloc::format!("{descriptor}:{main:x}:{header:x}:{entry:x}:{sections:x}")
    }

    /// Reads descriptor and image from the environment variable.
    #[must_use]
    pub fn from_variable(text: &str) -> Option<(i32, Self)> {
        let (descriptor, rest) = text.split_once(':')?;
        let mut numbers = rest.split(':').map(|part| u64::from_str_radix(part, 16).ok());
        let mut next = || numbers.next().flatten();
        let image = Self { main: next()?, header: next()?, entry: next()?, sections: next()? };
        Some((descriptor.parse().ok()?, image))
    }
}

/// Request from `treefall` to the library.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// First request to an engine: calibrate.
    Calibrate {
        /// Addresses of the program's functions.
        symbols: Symbols,
        /// What its clocks show.
        clocks: Clocks,
    },
    /// First request to a daemon: let its `main` begin, and take it over at its first fork.
    Enter {
        /// Addresses of the program's functions; its trees are looked at if all are there.
        symbols: Symbols,
        /// Its files.
        files: Files,
        /// What its clocks show.
        clocks: Clocks,
    },
    /// Runs traces on the daemon.
    Play {
        /// Options of the batch.
        options: Options,
        /// The traces, each with its configurations.
        traces: Vec<Staged>,
    },
    /// Runs traces on the engine.
    Batch {
        /// Options of the batch.
        options: Options,
        /// The traces, each encoded by the model's codec.
        traces: Vec<Vec<u8>>,
    },
}
wire_enum!(Request {
    0 = Calibrate { symbols, clocks },
    1 = Batch { options, traces },
    2 = Enter { symbols, files, clocks },
    3 = Play { options, traces },
});

/// What the program's clocks show when a trace begins, in seconds. No comparison may depend on them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clocks {
    /// CLOCK_MONOTONIC.
    pub uptime: u64,
    /// CLOCK_REALTIME, the date.
    pub date: u64,
}
wire_struct!(Clocks { uptime, date });

impl Clocks {
    /// The default: eleven days up, in September 2020.
    pub const STANDARD: Self = Self { uptime: 1_000_000, date: 1_601_000_000 };
}

impl Default for Clocks {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// Files of a daemon, as it sees them. A file system in memory is mounted for them in its namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Files {
    /// Mount point.
    pub mount: String,
    /// Path of its configuration.
    pub config: String,
    /// The configuration's text until the first trace.
    pub text: String,
    /// Files that a crash leaves behind and that are removed before the next trace: the pid file of the process that is
    /// taken over, and its fifos.
    pub leftovers: Vec<String>,
    /// Directory that replaces `/` for its own folder below `/etc`; empty for none.
    pub root: String,
}
wire_struct!(Files { mount, config, text, leftovers, root });

/// A trace for the daemon.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Staged {
    /// The trace, encoded by the model's codec.
    pub trace: Vec<u8>,
    /// Texts of its configurations.
    pub configs: Vec<String>,
}
wire_struct!(Staged { trace, configs });

/// Options of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Rules of the world around the program.
    pub rules: RulesAs,
    /// What is observed.
    pub watch: observe::Options,
    /// Whether to report the calls that the program makes.
    pub ledger: bool,
    /// Whether the process stops before its first trace, for a debugger, and is not watched for hangs.
    pub stands: bool,
    /// The entry whose hand-out and free are to be reported, as a run before this one numbered it.
    pub follow: Option<Block>,
}
wire_struct!(Options { rules, watch, ledger, stands, follow });
type WatchOptions = observe::Options;
wire_struct!(WatchOptions { judge, indexes, whole, digest, hash_indexes, keep, contents, spot });
wire_enum!(Spot { 0 = Record(place), 1 = Step(place) });

wire_struct!(Verdict { breaks, outcome });
wire_enum!(Outcome { 0 = Survived, 1 = Crashed { signal, function }, 2 = Hung { function } });
wire_struct!(Mark { records, step, index_hash });
wire_struct!(Observed {
    verdict,
    digest,
    digest_at_break,
    used_after_free,
    record_count,
    step_count,
    records,
    marks,
    spotted,
    contents,
});
wire_struct!(Entry { kind, deadline, pid, handler, argument });
wire_struct!(Held { index, entries, count, broken });
wire_struct!(Contents { held });
