//! Binary format of traces, for fuzzers and for the engine's process.
//!
//! Invariants: `decode(&encode(t)) == t` for every trace. *Any* bytes decode to some trace, so `encode(&decode(bytes))`
//! is a canonical form of `bytes`. Input that ends early is read as if followed by zeros; a number out of range is
//! brought into range; a run named twice in one wake counts once.
//!
//! The format suits mutation: common values take one byte, numbers are relative to earlier ones, and wakes extend to
//! the end of the input without a count. Inserting or deleting bytes inserts or deletes wakes.
//!
//! ```text
//! version | [extensions] | header | [costs] | [failing starts] | configuration.. | [interfaces] | wake..
//! extensions     only in version 4: bit 0 the heap is guarded, 3 interfaces follow; other bits are read as zero
//! header         bits 0-1 configurations - 1 (3: a byte more), 2-3 pids, 4-5 heap, 6 costs follow, 7 failing starts follow
//! configuration  count of scripts in bits 0-2 (a byte of 255: a varint follows), then the scripts
//! script         bits 0-1 kind, 2 own timeout, 3 rise and fall, 4 habit, 5 name; then interval and what the bits announce
//! interfaces     count, then for each: bit 0 a down delay, 1 an up delay, 4-7 length of the name; the name; the delays
//! wake           bit 0 a span (else next timer), 1 signals first, 2-3 signals, 4-5 exits (3: a varint more)
//!                6, only where there are interfaces: behind the wake bit 2 events, 3 a rank; count of events, events; rank
//! event          bit 0 up, 4-7 interface
//! exit           bits 0-1 status, 2-4 script (7: a varint more), 5-6 generations back (3: a varint more), 7 own number
//! ```
//!
//! Unless bit 7 says otherwise, the number of an exit's run is one more than that of the last exit named of the same
//! script and generation, or 1.

mod bytes;
mod outside;
#[cfg(test)]
mod tests;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use self::bytes::{Reader, Writer, flag, name_of, small};
use crate::id::{ConfigId, Generation, Run, ScriptId, ScriptRef, StartNo};
use crate::signal::{ExitStatus, Signal};
use crate::trace::{
    Advance, CONFIGS_MAX, COST_MAX, Config, Costs, EXITS_MAX, Exit, FORK_FAILURES_MAX, Habit, HeapPolicy,
    NAME_MAX, Name, OnTerm, Order, PidPolicy, SCRIPTS_MAX, START_NO_MAX, Script, ScriptKind, Setup, Trace,
    WAKES_MAX, Wake,
};

/// The first byte of a trace without extensions. [`decode`] reads version 2 as it was written, when no script could
/// cancel, [`EXTENDED`] with its extensions, and any other version as this one.
pub const VERSION: u8 = 3;
/// The first byte of a trace with extensions: what only scenario format 2 can say.
pub const EXTENDED: u8 = 4;
/// Extension: the heap is guarded.
const GUARDED: u8 = 1;
/// Extension: interfaces follow the configurations, and external events the wakes.
const LINKS: u8 = 1 << 3;
/// Last version without scripts that cancel.
const NONE_CANCELS: u8 = 2;

/// Encodes a trace; equal traces give equal bytes.
#[must_use]
pub fn encode(trace: &Trace) -> Vec<u8> {
    let setup = trace.setup();
    let mut out = Writer::with_capacity(64 + 4 * trace.wakes().len());
    match extensions(setup) {
        0 => out.byte(VERSION),
        some => out.bytes(&[EXTENDED, some]),
    }
    write_setup(&mut out, setup);
    outside::write_links(&mut out, &setup.links);
    let mut runs = Runs::of(setup);
    for wake in trace.wakes() {
        write_wake(&mut out, wake, &mut runs);
    }
    out.into_bytes()
}

/// Returns the extensions that a setup needs.
fn extensions(setup: &Setup) -> u8 {
    flag(setup.heap == HeapPolicy::Guarded, GUARDED) | flag(!setup.links.is_empty(), LINKS)
}

/// Decodes any bytes to a trace.
#[must_use]
pub fn decode(bytes: &[u8]) -> Trace {
    let mut input = Reader::new(bytes);
    let version = input.byte();
    let extensions = if version == EXTENDED { input.byte() } else { 0 };
    let mut setup = read_setup(&mut input);
    if version == NONE_CANCELS {
        let scripts = setup.configs.iter_mut().flat_map(|config| &mut config.scripts);
        scripts
            .filter(|script| script.kind == ScriptKind::Cancelling)
            .for_each(|script| script.kind = ScriptKind::Track);
    }
    if extensions & GUARDED != 0 {
        setup.heap = HeapPolicy::Guarded;
    }
    if extensions & LINKS != 0 {
        setup.links = outside::read_links(&mut input);
    }
    let mut runs = Runs::of(&setup);
    // A wake takes at least one byte. Unused capacity is never touched.
    let mut wakes = Vec::with_capacity(input.left().min(WAKES_MAX));
    while !input.is_empty() && wakes.len() < WAKES_MAX {
        wakes.push(read_wake(&mut input, (setup.configs.len(), setup.links.len()), &mut runs));
    }
    let trace = Trace::new(setup, wakes);
    trace.expect("every number read was brought into its range, every name made unique")
}

const COSTS: u8 = 1 << 6;
const FAILURES: u8 = 1 << 7;

fn write_setup(out: &mut Writer, setup: &Setup) {
    let pids = match setup.pids {
        PidPolicy::Ascending => 0,
        PidPolicy::Scattered => 1,
        PidPolicy::Reused => 2,
    };
    let heap = match setup.heap {
        HeapPolicy::LastFreedFirst => 0,
        HeapPolicy::FirstFreedFirst => 1,
        // The extension says which of the two.
        HeapPolicy::NeverAgain | HeapPolicy::Guarded => 2,
    };
    let more = small(setup.configs.len().saturating_sub(1));
    let costs = setup.costs != Costs::default();
    let failures = !setup.fork_failures.is_empty();
    out.byte(more.min(3) | pids << 2 | heap << 4 | flag(costs, COSTS) | flag(failures, FAILURES));
    if more >= 3 {
        out.byte(more - 3);
    }
    if costs {
        setup.costs.each().into_iter().for_each(|cost| out.span(cost));
    }
    if failures {
        out.varint(setup.fork_failures.len() as u64);
        let mut least = 0;
        for start in &setup.fork_failures {
            out.varint(u64::from(start.0) - least);
            least = u64::from(start.0) + 1;
        }
    }
    for config in &setup.configs {
        write_config(out, config);
    }
}

fn read_setup(input: &mut Reader<'_>) -> Setup {
    let header = input.byte();
    let more = match header & 3 {
        3 => 3 + usize::from(input.byte()),
        few => usize::from(few),
    };
    let pids = match header >> 2 & 3 {
        1 => PidPolicy::Scattered,
        2 => PidPolicy::Reused,
        _ => PidPolicy::Ascending,
    };
    let heap = match header >> 4 & 3 {
        1 => HeapPolicy::FirstFreedFirst,
        2 => HeapPolicy::NeverAgain,
        _ => HeapPolicy::LastFreedFirst,
    };
    let mut costs = Costs::default();
    if header & COSTS != 0 {
        costs = Costs::of([(); 5].map(|()| input.span().min(COST_MAX)));
    }
    let mut fork_failures = BTreeSet::new();
    if header & FAILURES != 0 {
        let mut least = 0_u64;
        for _ in 0..input.count(FORK_FAILURES_MAX) {
            let start = least.saturating_add(input.varint());
            let Some(start) = u32::try_from(start).ok().filter(|start| *start <= START_NO_MAX) else { break };
            fork_failures.insert(StartNo(start));
            least = u64::from(start) + 1;
        }
    }
    let configs = (0..1 + more % CONFIGS_MAX).map(|_| read_config(input)).collect();
    Setup { configs, fork_failures, pids, heap, costs, links: Vec::new() }
}

/// Count of scripts that announces a varint.
const MANY: u8 = u8::MAX;
/// Largest count of scripts in the byte itself.
const FEW: u8 = 7;

fn write_config(out: &mut Writer, config: &Config) {
    match small(config.scripts.len()) {
        few @ 0..=FEW => out.byte(few),
        _ => {
            out.byte(MANY);
            out.varint(config.scripts.len() as u64);
        }
    }
    for (place, script) in config.scripts.iter().enumerate() {
        write_script(out, script, place);
    }
}

fn read_config(input: &mut Reader<'_>) -> Config {
    let count = match input.byte() {
        MANY => input.count(SCRIPTS_MAX),
        few => usize::from(few & FEW).min(input.left()),
    };
    let mut scripts = Vec::new();
    let mut named = false;
    for place in 0..count {
        if input.is_empty() {
            break;
        }
        let (script, own_name) = read_script(input, place);
        named |= own_name;
        scripts.push(script);
    }
    if named {
        make_names_unique(&mut scripts);
    }
    Config { scripts }
}

fn make_names_unique(scripts: &mut [Script]) {
    let mut taken = BTreeSet::new();
    for (place, script) in scripts.iter_mut().enumerate() {
        let mut next = place;
        while !taken.insert(script.name.clone()) {
            script.name = Name::numbered(next);
            next += SCRIPTS_MAX;
        }
    }
}

const OWN_TIMEOUT: u8 = 1 << 2;
const RISE_AND_FALL: u8 = 1 << 3;
const HABIT: u8 = 1 << 4;
const NAME: u8 = 1 << 5;

const IGNORES: u8 = 1;
const DIES_LATE: u8 = 1 << 1;
const LINGERS: u8 = 1 << 2;

fn write_script(out: &mut Writer, script: &Script, place: usize) {
    let kind = match script.kind {
        ScriptKind::Track => 0,
        ScriptKind::Misc => 1,
        ScriptKind::Fifo => 2,
        ScriptKind::Cancelling => 3,
    };
    let own_timeout = script.timeout != script.interval;
    let counts = (script.rise, script.fall) != (1, 1);
    let habit = script.habit != Habit::default();
    let named = script.name != Name::numbered(place);
    let flags = flag(own_timeout, OWN_TIMEOUT) | flag(counts, RISE_AND_FALL) | flag(habit, HABIT);
    out.byte(kind | flags | flag(named, NAME));
    out.span(script.interval);
    if own_timeout {
        out.span(script.timeout);
    }
    if counts {
        out.byte(script.rise);
        out.byte(script.fall);
    }
    if habit {
        let Habit { on_term, kill_linger } = script.habit;
        let late = match on_term {
            OnTerm::Dies(after) if !after.is_zero() => Some(after),
            OnTerm::Dies(_) | OnTerm::Ignores => None,
        };
        let ignores = flag(on_term == OnTerm::Ignores, IGNORES);
        out.byte(ignores | flag(late.is_some(), DIES_LATE) | flag(!kill_linger.is_zero(), LINGERS));
        late.into_iter().for_each(|after| out.span(after));
        if !kill_linger.is_zero() {
            out.span(kill_linger);
        }
    }
    if named {
        let name = script.name.as_str().as_bytes();
        out.byte(small(name.len()));
        out.bytes(name);
    }
}

/// Reads a script, and whether it has a name of its own.
fn read_script(input: &mut Reader<'_>, place: usize) -> (Script, bool) {
    let tag = input.byte();
    let mut script = Script::new(Name::numbered(place));
    script.kind = match tag & 3 {
        1 => ScriptKind::Misc,
        2 => ScriptKind::Fifo,
        3 => ScriptKind::Cancelling,
        _ => ScriptKind::Track,
    };
    script.interval = input.span_or_second();
    script.timeout = if tag & OWN_TIMEOUT != 0 { input.span_or_second() } else { script.interval };
    if tag & RISE_AND_FALL != 0 {
        script.rise = input.byte().max(1);
        script.fall = input.byte().max(1);
    }
    if tag & HABIT != 0 {
        let habit = input.byte();
        if habit & DIES_LATE != 0 {
            script.habit.on_term = OnTerm::Dies(input.span());
        }
        if habit & IGNORES != 0 {
            script.habit.on_term = OnTerm::Ignores;
        }
        if habit & LINGERS != 0 {
            script.habit.kill_linger = input.span();
        }
    }
    let named = tag & NAME != 0;
    if named {
        script.name = read_name(input, place);
    }
    (script, named)
}

fn read_name(input: &mut Reader<'_>, place: usize) -> Name {
    let length = usize::from(input.byte()).min(NAME_MAX);
    name_of(input, length, place)
}

/// The runs named so far, kept equally by reader and writer.
struct Runs {
    /// For each script, the generation and number of the last run named.
    last: Vec<(Generation, u32)>,
    /// Reloads before this wake.
    reloads: u32,
}

impl Runs {
    fn of(setup: &Setup) -> Self {
        let widest = setup.configs.iter().map(|config| config.scripts.len()).max().unwrap_or(0);
        Self { last: alloc::vec![(Generation(0), 0); widest], reloads: 0 }
    }

    /// Returns the likely number of the script's next run.
    fn expected(&self, of: ScriptRef) -> u32 {
        let (generation, nth) = self.last[usize::from(of.script.0)];
        if generation == of.generation { nth.saturating_add(1) } else { 1 }
    }

    fn told(&mut self, run: Run) {
        self.last[usize::from(run.of.script.0)] = (run.of.generation, run.nth);
    }
}

const SPAN: u8 = 1;
const SIGNALS_FIRST: u8 = 1 << 1;
/// Value of bits 2 and 3 of a wake.
const HUP_FIRST: u8 = 1;
const HUP_OTHER: u8 = 2;
const SIGNALS: u8 = 3;
/// External events follow; without interfaces the bit means nothing.
const OUTSIDE: u8 = 1 << 6;
/// In the byte that [`SIGNALS`] announces. Rare among random bytes, because a SIGTERM ends the run.
const TERM: u8 = 0b1110_0000;
const HUP: u8 = 1 << 4;

fn write_wake(out: &mut Writer, wake: &Wake, runs: &mut Runs) {
    let signals = match (wake.term, wake.hup) {
        (true, _) => SIGNALS,
        (false, None) => 0,
        (false, Some(ConfigId(0))) => HUP_FIRST,
        (false, Some(_)) => HUP_OTHER,
    };
    let exits = small(wake.exits.len()).min(3);
    let span = flag(matches!(wake.advance, Advance::By(_)), SPAN);
    let order = flag(wake.order == Order::SignalsFirst, SIGNALS_FIRST);
    let outside = flag(outside::has_any(wake), OUTSIDE);
    out.byte(span | order | signals << 2 | exits << 4 | outside);
    if let Advance::By(span) = wake.advance {
        out.span(span);
    }
    let config = wake.hup.unwrap_or_default().0;
    match signals {
        HUP_OTHER => out.byte(config),
        SIGNALS => out.byte(TERM | flag(wake.hup.is_some(), HUP) | config),
        _ => {}
    }
    if exits == 3 {
        out.varint(wake.exits.len() as u64 - 3);
    }
    for exit in &wake.exits {
        write_exit(out, exit, runs);
    }
    if outside != 0 {
        outside::write_events(out, wake);
    }
    runs.reloads += u32::from(wake.hup.is_some());
}

fn read_wake(input: &mut Reader<'_>, (configs, links): (usize, usize), runs: &mut Runs) -> Wake {
    let tag = input.byte();
    let mut wake = Wake::new(if tag & SPAN != 0 { Advance::By(input.span()) } else { Advance::NextTimer });
    if tag & SIGNALS_FIRST != 0 {
        wake.order = Order::SignalsFirst;
    }
    // There are at most 16 configurations, so the remainder fits in a byte.
    let config = |byte: u8| Some(ConfigId(small(usize::from(byte) % configs)));
    match tag >> 2 & 3 {
        HUP_FIRST => wake.hup = config(0),
        HUP_OTHER => wake.hup = config(input.byte()),
        SIGNALS => {
            let signals = input.byte();
            wake.term = signals & TERM == TERM;
            wake.hup = if signals & HUP != 0 { config(signals & 0xf) } else { None };
        }
        _ => {}
    }
    let exits = match tag >> 4 & 3 {
        3 => 3 + input.count(EXITS_MAX - 3),
        few => usize::from(few),
    };
    wake.exits.reserve_exact(exits.min(input.left()));
    for _ in 0..exits {
        if input.is_empty() {
            break;
        }
        wake.exits.extend(read_exit(input, runs));
    }
    wake.exits.sort_unstable();
    wake.exits.dedup_by_key(|exit| exit.run);
    if links > 0 && tag & OUTSIDE != 0 {
        outside::read_events(input, links, &mut wake);
    }
    runs.reloads += u32::from(wake.hup.is_some());
    wake
}

const OWN_NUMBER: u8 = 1 << 7;
/// Value of bits 0 and 1 of an exit; 0 is success.
const CODE: u8 = 1;
const BY_TERM: u8 = 2;
const BY_SIGNAL: u8 = 3;

fn write_exit(out: &mut Writer, exit: &Exit, runs: &mut Runs) {
    let ScriptRef { generation, script } = exit.run.of;
    let status = match exit.status {
        ExitStatus::SUCCESS => 0,
        ExitStatus::Code(_) => CODE,
        ExitStatus::Signal(Signal::TERM) => BY_TERM,
        ExitStatus::Signal(_) => BY_SIGNAL,
    };
    let back = runs.reloads - generation.0;
    let expected = runs.expected(exit.run.of);
    let place = small(usize::from(script.0)).min(7);
    let age = u8::try_from(back).unwrap_or(u8::MAX).min(3);
    out.byte(status | place << 2 | age << 5 | flag(exit.run.nth != expected, OWN_NUMBER));
    match exit.status {
        ExitStatus::Code(code) if status == CODE => out.byte(code),
        ExitStatus::Signal(signal) if status == BY_SIGNAL => out.byte(signal.number()),
        _ => {}
    }
    if place == 7 {
        out.varint(u64::from(script.0) - 7);
    }
    if age == 3 {
        out.varint(u64::from(back) - 3);
    }
    if exit.run.nth != expected {
        out.varint(u64::from(zigzag(exit.run.nth.wrapping_sub(expected))));
    }
    runs.told(exit.run);
}

/// Reads an exit; `None` when there is no script to have a run.
fn read_exit(input: &mut Reader<'_>, runs: &mut Runs) -> Option<Exit> {
    let tag = input.byte();
    let status = match tag & 3 {
        CODE => ExitStatus::Code(input.byte()),
        BY_TERM => ExitStatus::Signal(Signal::TERM),
        BY_SIGNAL => {
            let number = input.byte();
            ExitStatus::Signal(Signal::new(number % (Signal::MAX + 1)).unwrap_or(Signal::KILL))
        }
        _ => ExitStatus::SUCCESS,
    };
    let place = match tag >> 2 & 7 {
        7 => input.varint().saturating_add(7),
        few => u64::from(few),
    };
    let back = match tag >> 5 & 3 {
        3 => input.varint().saturating_add(3),
        few => u64::from(few),
    };
    let moved = if tag & OWN_NUMBER != 0 { input.varint() } else { 0 };
    let script = place.checked_rem(runs.last.len() as u64)?;
    let script = ScriptId(u16::try_from(script).unwrap_or(0));
    let back = u32::try_from(back).unwrap_or(u32::MAX);
    let of = ScriptRef { generation: Generation(runs.reloads.saturating_sub(back)), script };
    let moved = unzigzag(u32::try_from(moved).unwrap_or(0));
    let run = Run { of, nth: runs.expected(of).wrapping_add(moved).max(1) };
    runs.told(run);
    Some(Exit { run, status })
}

/// Maps small differences of either sign to small numbers.
const fn zigzag(difference: u32) -> u32 {
    let signed = difference.cast_signed();
    (signed << 1 ^ signed >> 31).cast_unsigned()
}

const fn unzigzag(number: u32) -> u32 {
    number >> 1 ^ (number & 1).wrapping_neg()
}
