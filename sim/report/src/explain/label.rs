//! Entries, trees and lists in words.

use treefall_model::event::{EntryKind, Event, Handler, Record};
use treefall_model::id::{Pid, Run};
use treefall_model::index::{Block, List, Tree};
use treefall_model::time::Deadline;

use super::run_log::{EntryState, ListShot, Snapshot, TreeShot};
use crate::Names;

/// Names entries.
pub struct Labels<'n, 't> {
    names: &'n Names<'t>,
    runs: Vec<(Pid, Run)>,
}

impl<'n, 't> Labels<'n, 't> {
    /// Names the entries of a run with this history.
    #[must_use]
    pub fn new(names: &'n Names<'t>, history: &[Record]) -> Self {
        let started = history.iter().filter_map(|record| match record.event {
            Event::Started { run, pid } => Some((pid, run)),
            _ => None,
        });
        Self { names, runs: started.collect() }
    }

    /// Returns the run of a pid; of a pid that was used again, the last.
    #[must_use]
    pub fn run(&self, pid: Pid) -> Option<Run> {
        self.runs.iter().rev().find(|(known, _)| *known == pid).map(|(_, run)| *run)
    }

    /// Returns the name of a pid's run.
    #[must_use]
    pub fn run_name(&self, pid: Pid) -> Option<String> {
        self.run(pid).map(|run| self.names.run(run))
    }

    /// Returns the pid of a run.
    #[must_use]
    pub fn pid(&self, run: Run) -> Option<Pid> {
        self.runs.iter().find(|(_, known)| *known == run).map(|(pid, _)| *pid)
    }

    /// Names the owner of an entry: `chk#1`, `interval of chk`, `timerfd`.
    #[must_use]
    pub fn whose(&self, seat: &EntryState) -> String {
        let script = || seat.argument.map(|of| self.names.script(of));
        let child = || {
            seat.pid.map_or_else(
                || "a child".to_owned(),
                |pid| self.run(pid).map_or_else(|| format!("pid {}", pid.get()), |run| self.names.run(run)),
            )
        };
        match (seat.kind, seat.handler) {
            (EntryKind::Child | EntryKind::ChildTimeout | EntryKind::ChildTerminated, _) => child(),
            (EntryKind::Unused, _) => "retired".to_owned(),
            (_, Some(Handler::TimerFd)) => "timerfd".to_owned(),
            (_, Some(Handler::SignalFd)) => "signalfd".to_owned(),
            (EntryKind::Event, Some(Handler::Tick | Handler::MiscTick)) => {
                script().map_or_else(|| "start".to_owned(), |script| format!("start of {script}"))
            }
            (_, Some(Handler::Tick | Handler::MiscTick)) => {
                script().map_or_else(|| "interval".to_owned(), |script| format!("interval of {script}"))
            }
            (_, Some(handler)) => handler.name().to_owned(),
            (kind, None) => kind.name().to_owned(),
        }
    }

    /// Returns ` (block 4)`; empty for a daemon, whose block numbers mean nothing.
    pub(super) fn block(&self, block: Block) -> String {
        self.names.block(block)
    }

    /// Describes an entry in its place: its owner, and what is wrong with it.
    #[must_use]
    pub fn seat(&self, seat: &EntryState) -> String {
        let whose = self.whose(seat);
        let kind = match seat.kind {
            EntryKind::ChildTimeout => ", timed out",
            EntryKind::ChildTerminated => ", ended",
            _ => "",
        };
        let freed = if seat.live { "" } else { ", GIVEN BACK" };
        format!("{whose}{kind}{freed}")
    }

    /// Describes an entry of CHILD_PID, whose block may hold any kind by now.
    #[must_use]
    pub fn by_pid(&self, seat: &EntryState) -> String {
        let child =
            matches!(seat.kind, EntryKind::Child | EntryKind::ChildTimeout | EntryKind::ChildTerminated);
        let Some(pid) = seat.pid.filter(|_| !child) else { return self.seat(seat) };
        let run = self.run(pid).map_or_else(|| format!("pid {}", pid.get()), |run| self.names.run(run));
        let now = if seat.live { self.whose(seat) } else { "GIVEN BACK".to_owned() };
        format!("{run}, {now}")
    }

    /// Describes a tree in one line.
    #[must_use]
    pub fn tree(&self, shot: &TreeShot) -> String {
        let mut nodes: Vec<String> = shot
            .nodes
            .iter()
            .map(|(seat, _)| if shot.tree == Tree::ChildPid { self.by_pid(seat) } else { self.seat(seat) })
            .collect();
        if shot.astray {
            nodes.push("a link that leads astray".to_owned());
        }
        line(shot.tree.name(), &nodes)
    }

    /// Describes a list in one line; UNUSE by its length.
    #[must_use]
    pub fn list(&self, shot: &ListShot) -> String {
        let freed = shot.entries.iter().any(|seat| !seat.live);
        let mut entries: Vec<String> = if shot.list == List::Unuse && !freed {
            Some(format!("{} retired", shot.entries.len()))
                .filter(|_| !shot.entries.is_empty())
                .into_iter()
                .collect()
        } else {
            shot.entries.iter().map(|seat| self.seat(seat)).collect()
        };
        if shot.astray {
            entries.push("a link that leads astray".to_owned());
        }
        line(shot.list.name(), &entries)
    }

    /// Describes an entry with all its fields.
    #[must_use]
    pub fn whole(&self, seat: &EntryState) -> String {
        let due = match seat.due {
            Deadline::At(at) => at.to_string(),
            Deadline::Never => "never".to_owned(),
        };
        let argument = seat.argument.map_or_else(|| "nothing".to_owned(), |of| self.names.script(of));
        let calls = seat.handler.map_or("nothing known", Handler::name);
        format!("{}, due {due}, calls {calls}, argument {argument}", self.seat(seat))
    }

    /// Describes all trees and lists, a line each.
    #[must_use]
    pub fn lines(&self, snapshot: &Snapshot) -> Vec<String> {
        let trees = snapshot.trees.iter().map(|tree| self.tree(tree));
        trees.chain(snapshot.lists.iter().map(|list| self.list(list))).collect()
    }
}

fn line(name: &str, entries: &[String]) -> String {
    if entries.is_empty() { format!("{name}: empty") } else { format!("{name}: {}", entries.join(" | ")) }
}
