//! One detail of each kind with its words, for tests of this and other crates.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::{Child, Detail, EntryFacts, Flaw, Index, Misplacement, Script};
use crate::event::{Answer, EntryKind, Target};
use crate::id::{Generation, Pid, Run, ScriptId, ScriptRef};
use crate::index::{Block, List, Tree};
use crate::outcome::Outcome;
use crate::signal::Signal;
use crate::time::{Instant, Span};
use crate::trace::Name;

const fn at(seconds: u64) -> Instant {
    Instant::from_micros(seconds * 1_000_000)
}

const fn run(nth: u32) -> Run {
    Run { of: ScriptRef { generation: Generation(1), script: ScriptId(0) }, nth }
}

/// Details of each kind, each with the words that `Display` puts it into.
#[must_use]
pub fn samples() -> Vec<(Detail, &'static str)> {
    let mut samples = of_indexes();
    samples.extend(of_children());
    samples.extend(of_timers());
    samples.extend(of_the_process());
    samples
}

fn of_indexes() -> Vec<(Detail, &'static str)> {
    let entry = EntryFacts { block: Block(4), kind: EntryKind::Child, pid: Pid::new(1001) };
    let timer = EntryFacts { block: Block(5), kind: EntryKind::Timer, pid: None };
    let place = |place| Detail::Misplaced { entry, place };
    [
        (Detail::Unknown, ""),
        (
            Detail::Flawed { index: Index::Tree(Tree::ChildPid), flaw: Flaw::GivenBack, entry: Some(entry) },
            "block 4 (child, pid 1001) in CHILD_PID: it is not live: it was given back",
        ),
        (
            Detail::Flawed { index: Index::List(List::Ready), flaw: Flaw::Wild, entry: None },
            "in READY: a link leads to no entry",
        ),
        (place(Misplacement::NoChildInChild), "block 4 (child, pid 1001) is in CHILD"),
        (
            place(Misplacement::OnlyInChildPid),
            "block 4 (child, pid 1001) is in CHILD_PID, and neither in CHILD nor a timeout on READY",
        ),
        (
            place(Misplacement::ChildNotInChildPid),
            "block 4 (child, pid 1001) is in CHILD, and not in CHILD_PID",
        ),
        (
            place(Misplacement::TimeoutNotInChildPid),
            "block 4 (child, pid 1001) is a timeout on READY, and not in CHILD_PID",
        ),
        (
            Detail::StaleArgument { entry: timer, argument: run(1).of, in_force: Generation(2) },
            "block 5 (timer) points at script 0 of generation 1, and 2 is in force",
        ),
    ]
    .into()
}

fn of_children() -> Vec<(Detail, &'static str)> {
    let name = Name::new("chk").ok();
    let child = || Child { run: run(2), pid: Pid::SELF, name: name.clone() };
    let nameless = Child { name: None, ..child() };
    [
        (
            Detail::PassedOver { child: child(), queued: true },
            "the reload is done, and chk, run 0@1#2, pid 1000, lives on without a signal (its timeout was queued)",
        ),
        (
            Detail::PassedOver { child: nameless, queued: false },
            "the reload is done, and script 0, run 0@1#2, pid 1000, lives on without a signal",
        ),
        (
            Detail::NeverSignalled { child: child(), by: at(2), at: at(3) },
            "chk, run 0@1#2, pid 1000, was due to be told to die by 2.000000; at 3.000000 nobody has",
        ),
        (
            Detail::NeverKilled { child: child(), term_sent: at(1), by: at(3), at: at(4) },
            "chk, run 0@1#2, pid 1000, told to die at 1.000000, was to be killed by 3.000000; at 4.000000 it lives",
        ),
        (
            Detail::ExitUnhandled { child: child() },
            "chk, run 0@1#2, pid 1000, was reaped, and its handler never ran",
        ),
        (
            Detail::ExitsUnreaped { left: 2 },
            "SIGCHLD was read, and 2 of the children that had exited by then were not reaped",
        ),
        (
            Detail::SecondRun {
                script: Script { of: run(2).of, name: name.clone() },
                nth: 2,
                other: run(1),
            },
            "start 2 of chk while its start 1 is still running (run 0@1#1)",
        ),
        (
            Detail::LeftAlive { child: child(), term_sent: true },
            "the loop returned, and chk, run 0@1#2, pid 1000, lives on: it was not killed",
        ),
        (
            Detail::LeftAlive { child: child(), term_sent: false },
            "the loop returned, and chk, run 0@1#2, pid 1000, lives on: it was not told to die, nor killed",
        ),
    ]
    .into()
}

fn of_timers() -> Vec<(Detail, &'static str)> {
    let script = |name: &str| Script { of: run(1).of, name: Name::new(name).ok() };
    [
        (
            Detail::KilledEarly { run: run(1), at: at(3), grace: Span::from_secs(1), until: at(4) },
            "SIGKILL to run 0@1#1 at 3.000000, before its grace of 1s is over at 4.000000",
        ),
        (
            Detail::IntervalEarly { script: script("chk"), at: at(1), due: at(2) },
            "the interval of chk fired at 1.000000, not due before 2.000000",
        ),
        (
            Detail::IntervalAfterTimeout { script: script("chk"), timed_out: run(1) },
            "the interval of chk fired after the timeout of run 0@1#1",
        ),
        (
            Detail::IntervalsOutOfOrder {
                script: script("chk"),
                due: at(1),
                earlier: script("other"),
                earlier_due: at(2),
            },
            "the interval of chk, due by 1.000000, fired after other's, due 2.000000",
        ),
        (
            Detail::TimeoutEarly { run: run(1), name: Name::new("chk").ok(), at: at(1), due: at(2) },
            "the timeout of chk, run 0@1#1, fired at 1.000000, not due before 2.000000",
        ),
        (
            Detail::TimeoutsOutOfOrder { run: run(1), due: at(1), earlier: run(2), earlier_due: at(2) },
            "the timeout of run 0@1#1, due by 1.000000, fired after run 0@1#2's, due 2.000000",
        ),
    ]
    .into()
}

fn of_the_process() -> Vec<(Detail, &'static str)> {
    let sent = |target, answer| Detail::WrongTarget { signal: Signal::KILL, target, answer };
    let function = || Some("rb_erase".to_string());
    [
        (
            sent(Target::Group(Pid::SELF), Answer::Delivered),
            "SIGKILL to the group of 1000, which is no child of it, delivered",
        ),
        (
            sent(Target::Process(Pid::SELF), Answer::NoSuchProcess),
            "SIGKILL to process 1000, which is no child of it, and there was no such process",
        ),
        (sent(Target::OwnGroup, Answer::NotPermitted), "SIGKILL to its own group, and it was not allowed to"),
        (sent(Target::Everyone, Answer::Delivered), "SIGKILL to every process there is, delivered"),
        (
            Detail::TerminationIgnored { at: at(1) },
            "SIGTERM was read, and at 1.000000 the loop blocks as if it had not been",
        ),
        (
            Detail::TerminationOverdue { by: at(1), at: at(2) },
            "the loop was to return by 1.000000; at 2.000000 it blocks again",
        ),
        (
            Detail::UsedAfterFree {
                entry: EntryFacts { block: Block(5), kind: EntryKind::Timer, pid: None },
            },
            "the program used block 5 (timer), which was freed",
        ),
        (Detail::Strayed { what: "it called fork".into() }, "it called fork"),
        (Detail::LoopLeft, "the loop returned, and nothing had asked the program to end"),
        (Detail::NoProgress, "the loop does not come back to its blocking call"),
        (
            Detail::Died { outcome: Outcome::Crashed { signal: Signal::SEGV, function: function() } },
            "the program crashed by SIGSEGV in rb_erase before its indexes could be looked at again",
        ),
        (
            Detail::Died { outcome: Outcome::Hung { function: None } },
            "the program hung before it came back to its blocking call",
        ),
    ]
    .into()
}
