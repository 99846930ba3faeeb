//! Details in words.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use super::{Child, Detail, EntryFacts, Flaw, Index, Misplacement, Script};
use crate::event::{Answer, Target};
use crate::id::{Pid, Run, ScriptRef};
use crate::outcome::Outcome;
use crate::trace::Name;

/// Names for what a detail speaks of; what has none is called by its number.
pub trait Naming {
    /// The name of a run: `chk#1`.
    fn run(&self, run: Run) -> Option<String>;
    /// The name of a script, without its generation: `chk`.
    fn script(&self, of: ScriptRef) -> Option<String>;
    /// The name of the run that a pid was.
    fn run_of(&self, pid: Pid) -> Option<String>;
    /// Whether the numbers of heap blocks tell a reader anything.
    fn numbers_blocks(&self) -> bool;
}

/// No names at all.
struct Numbers;

impl Naming for Numbers {
    fn run(&self, _run: Run) -> Option<String> {
        None
    }
    fn script(&self, _of: ScriptRef) -> Option<String> {
        None
    }
    fn run_of(&self, _pid: Pid) -> Option<String> {
        None
    }
    fn numbers_blocks(&self) -> bool {
        true
    }
}

/// A detail with the names that it is told by.
pub struct InWords<'d, N: ?Sized> {
    detail: &'d Detail,
    naming: &'d N,
}

impl Detail {
    /// The detail in words, with these names.
    #[must_use]
    pub const fn in_words<'d, N: Naming + ?Sized>(&'d self, naming: &'d N) -> InWords<'d, N> {
        InWords { detail: self, naming }
    }
}

/// With numbers alone.
impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.in_words(&Numbers).fmt(f)
    }
}

impl<N: Naming + ?Sized> fmt::Display for InWords<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail {
            Detail::Unknown => Ok(()),
            Detail::Flawed { .. } | Detail::Misplaced { .. } | Detail::StaleArgument { .. } => {
                self.of_index(f)
            }
            Detail::KilledEarly { .. }
            | Detail::IntervalEarly { .. }
            | Detail::IntervalAfterTimeout { .. }
            | Detail::IntervalsOutOfOrder { .. }
            | Detail::TimeoutEarly { .. }
            | Detail::TimeoutsOutOfOrder { .. } => self.of_timer(f),
            Detail::SecondRun { .. }
            | Detail::PassedOver { .. }
            | Detail::NeverSignalled { .. }
            | Detail::NeverKilled { .. }
            | Detail::ExitUnhandled { .. }
            | Detail::ExitsUnreaped { .. }
            | Detail::LeftAlive { .. } => self.of_child(f),
            Detail::WrongTarget { signal, target, answer } => {
                write!(f, "{signal} to {}, {}", target_words(*target), answer_words(*answer))
            }
            Detail::TerminationIgnored { at } => {
                write!(f, "SIGTERM was read, and at {at} the loop blocks as if it had not been")
            }
            Detail::TerminationOverdue { by, at } => {
                write!(f, "the loop was to return by {by}; at {at} it blocks again")
            }
            Detail::UsedAfterFree { entry } => {
                write!(f, "the program used {}, which was freed", self.entry(entry))
            }
            Detail::Strayed { what } => f.write_str(what),
            Detail::LoopLeft => f.write_str("the loop returned, and nothing had asked the program to end"),
            Detail::NoProgress => f.write_str("the loop does not come back to its blocking call"),
            Detail::Died { outcome: outcome @ Outcome::Hung { .. } } => {
                write!(f, "the program {outcome} before it came back to its blocking call")
            }
            Detail::Died { outcome } => {
                write!(f, "the program {outcome} before its indexes could be looked at again")
            }
        }
    }
}

impl<N: Naming + ?Sized> InWords<'_, N> {
    fn of_index(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail {
            Detail::Flawed { index, flaw, entry: Some(entry) } => {
                write!(f, "{} in {}: {}", self.entry(entry), index_name(*index), flaw_words(*flaw))
            }
            Detail::Flawed { index, flaw, entry: None } => {
                write!(f, "in {}: {}", index_name(*index), flaw_words(*flaw))
            }
            Detail::Misplaced { entry, place } => {
                write!(f, "{} {}", self.entry(entry), misplacement_words(*place))
            }
            Detail::StaleArgument { entry, argument, in_force } => {
                let script =
                    self.naming.script(*argument).unwrap_or_else(|| format!("script {}", argument.script.0));
                let (entry, generation) = (self.entry(entry), argument.generation.0);
                write!(
                    f,
                    "{entry} points at {script} of generation {generation}, and {} is in force",
                    in_force.0
                )
            }
            _ => Ok(()),
        }
    }

    fn of_child(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail {
            Detail::SecondRun { script, nth, other } => {
                let name = script_name(script);
                let run = self.naming.run(*other).unwrap_or_else(|| other.to_string());
                let before = other.nth;
                write!(f, "start {nth} of {name} while its start {before} is still running (run {run})")
            }
            Detail::PassedOver { child, queued } => {
                let child = self.child(child);
                let how = if *queued { " (its timeout was queued)" } else { "" };
                write!(f, "the reload is done, and {child}, lives on without a signal{how}")
            }
            Detail::NeverSignalled { child, by, at } => {
                let child = self.child(child);
                write!(f, "{child}, was due to be told to die by {by}; at {at} nobody has")
            }
            Detail::NeverKilled { child, term_sent, by, at } => {
                let child = self.child(child);
                write!(f, "{child}, told to die at {term_sent}, was to be killed by {by}; at {at} it lives")
            }
            Detail::ExitUnhandled { child } => {
                write!(f, "{}, was reaped, and its handler never ran", self.child(child))
            }
            Detail::ExitsUnreaped { left } => {
                write!(
                    f,
                    "SIGCHLD was read, and {left} of the children that had exited by then were not reaped"
                )
            }
            Detail::LeftAlive { child, term_sent } => {
                let child = self.child(child);
                let never = if *term_sent { "" } else { "told to die, nor " };
                write!(f, "the loop returned, and {child}, lives on: it was not {never}killed")
            }
            _ => Ok(()),
        }
    }

    fn of_timer(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail {
            Detail::KilledEarly { run, at, grace, until } => {
                let run = self.run(*run);
                write!(f, "SIGKILL to {run} at {at}, before its grace of {grace} is over at {until}")
            }
            Detail::IntervalEarly { script, at, due } => {
                let name = script_name(script);
                write!(f, "the interval of {name} fired at {at}, not due before {due}")
            }
            Detail::IntervalAfterTimeout { script, timed_out } => {
                let (name, run) = (script_name(script), self.run(*timed_out));
                write!(f, "the interval of {name} fired after the timeout of {run}")
            }
            Detail::IntervalsOutOfOrder { script, due, earlier, earlier_due } => {
                let (name, other) = (script_name(script), script_name(earlier));
                write!(f, "the interval of {name}, due by {due}, fired after {other}'s, due {earlier_due}")
            }
            Detail::TimeoutEarly { run, name, at, due } => {
                let run = self.named_run(*run, name.as_ref());
                write!(f, "the timeout of {run}, fired at {at}, not due before {due}")
            }
            Detail::TimeoutsOutOfOrder { run, due, earlier, earlier_due } => {
                let (run, other) = (self.run(*run), self.run(*earlier));
                write!(f, "the timeout of {run}, due by {due}, fired after {other}'s, due {earlier_due}")
            }
            _ => Ok(()),
        }
    }

    /// `chk#1`, or `run 0@0#1`.
    fn run(&self, run: Run) -> String {
        self.naming.run(run).unwrap_or_else(|| format!("run {run}"))
    }

    /// `chk#1`, or `chk, run 0@0#1`.
    fn named_run(&self, run: Run, name: Option<&Name>) -> String {
        self.naming.run(run).unwrap_or_else(|| format!("{}, run {run}", name_or_number(name, run.of)))
    }

    /// `chk#1, pid 1001`, or `chk, run 0@0#1, pid 1001`.
    fn child(&self, child: &Child) -> String {
        format!("{}, pid {}", self.named_run(child.run, child.name.as_ref()), child.pid)
    }

    /// `block 4 (child, pid 1001, chk#1)`, or `an entry (child, pid 1001, chk#1)`.
    fn entry(&self, entry: &EntryFacts) -> String {
        let block = entry.block.0;
        let what =
            if self.naming.numbers_blocks() { format!("block {block}") } else { "an entry".to_string() };
        let kind = entry.kind.name();
        let Some(pid) = entry.pid else { return format!("{what} ({kind})") };
        let run = self.naming.run_of(pid).map_or_else(String::new, |run| format!(", {run}"));
        format!("{what} ({kind}, pid {pid}{run})")
    }
}

fn script_name(script: &Script) -> String {
    name_or_number(script.name.as_ref(), script.of)
}

fn name_or_number(name: Option<&Name>, of: ScriptRef) -> String {
    name.map_or_else(|| format!("script {}", of.script.0), ToString::to_string)
}

const fn index_name(index: Index) -> &'static str {
    match index {
        Index::Tree(tree) => tree.name(),
        Index::List(list) => list.name(),
    }
}

/// Of the entry.
const fn flaw_words(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::Wild => "a link leads to no entry",
        Flaw::GivenBack => "it is not live: it was given back",
        Flaw::RootHasParent => "it is the root and has a parent",
        Flaw::RootIsRed => "it is the root and red",
        Flaw::TooDeep => "the way down to it is longer than a tree can be high",
        Flaw::RedBelowRed => "it is red, as its parent is",
        Flaw::OneChildTwice => "both its children are one node",
        Flaw::OutOfOrder => "it stands right of a greater one",
        Flaw::BlackHeights => "the black heights below it differ",
        Flaw::Parent => "its parent link does not lead to its parent",
        Flaw::Leftmost => "the cached leftmost node is not the leftmost",
        Flaw::ListTooLong => "the list has more entries than there are",
        Flaw::ListBack => "its link back does not lead to the entry before it",
        Flaw::ListLast => "the list's last entry is another",
    }
}

const fn misplacement_words(place: Misplacement) -> &'static str {
    match place {
        Misplacement::NoChildInChild => "is in CHILD",
        Misplacement::OnlyInChildPid => "is in CHILD_PID, and neither in CHILD nor a timeout on READY",
        Misplacement::ChildNotInChildPid => "is in CHILD, and not in CHILD_PID",
        Misplacement::TimeoutNotInChildPid => "is a timeout on READY, and not in CHILD_PID",
    }
}

fn target_words(target: Target) -> String {
    match target {
        Target::Group(pid) => format!("the group of {pid}, which is no child of it"),
        Target::Process(pid) => format!("process {pid}, which is no child of it"),
        Target::OwnGroup => "its own group".to_string(),
        Target::Everyone => "every process there is".to_string(),
    }
}

const fn answer_words(answer: Answer) -> &'static str {
    match answer {
        Answer::Delivered => "delivered",
        Answer::NoSuchProcess => "and there was no such process",
        Answer::NotPermitted => "and it was not allowed to",
    }
}
