//! The moves of an entry inside one step, reconstructed from the records.
//!
//! Snapshots are taken after a step; by then the timer handler and the signal handler may both have moved the entry.
//! Invariant: the moves agree with the snapshot after the step, or none is returned; the last step of a run has no snapshot.

use treefall_model::event::{End, EntryKind, Event, Handler, Step};
use treefall_model::index::{Block, List, Tree};
use treefall_model::release::Defect;
use treefall_model::time::{Deadline, Instant};

use super::cause_step::Role;
use super::run_log::{EntryState, Places, RunLog};

/// The program's function that moves due entries.
const TIMER_HANDLER: &str = "thread_timerfd_handler";
/// The program's function that handles an exit.
const EXIT_HANDLER: &str = "process_child_termination";
/// Its name in reports: no program exports it.
const EXIT_HANDLER_SEEN: &str = "thread_child_handler";

/// One move of an entry.
pub(super) struct Move {
    /// The record after which it was made.
    pub(super) record: usize,
    pub(super) role: Role,
    pub(super) function: Option<&'static str>,
    pub(super) text: String,
}

/// The place of a child's entry between two records.
struct Child<'c> {
    run_log: &'c RunLog,
    seat: EntryState,
    its: String,
    child: bool,
    pid: bool,
    ready: bool,
    timed_out: bool,
    moves: Vec<Move>,
}

/// Returns the moves of the entry in `block` during a stage, in order.
///
/// Empty: it is no child's entry, nothing moved it, or the snapshot after the step disagrees. `its` names the owner: `chk#1's`.
pub(super) fn within(run_log: &RunLog, place: usize, block: Block, its: &str) -> Vec<Move> {
    let Some(before) = place.checked_sub(1).and_then(|before| run_log.snapshot(before)) else {
        return Vec::new();
    };
    let child =
        |seat: &EntryState| seat.live && matches!(seat.kind, EntryKind::Child | EntryKind::ChildTimeout);
    // There an exit reaches the wrong entry, and no snapshot can be trusted.
    let muddled = run_log.rules.has(Defect::TimeoutLeavesPidEntry);
    let Some(seat) = before.seat(block).filter(|seat| child(seat) && !muddled) else { return Vec::new() };
    let places = before.places(block);
    let mut it = Child {
        run_log,
        seat,
        its: its.to_owned(),
        child: places.in_tree(Tree::Child),
        pid: places.in_tree(Tree::ChildPid),
        ready: places.on_list(List::Ready),
        timed_out: seat.kind == EntryKind::ChildTimeout,
        moves: Vec::new(),
    };
    let stage = &run_log.stages[place];
    for record in stage.from..stage.to {
        let at = run_log.records[record].at;
        match run_log.records[record].event {
            Event::Dispatched { handler: Handler::TimerFd, .. } if it.is_due(at) => it.expires(record),
            Event::Reaped { pid, .. } if Some(pid) == seat.pid => it.exits(record, at),
            Event::Ended(End::LoopReturned) => it.is_left(record, at, before.seats_in(Tree::Child)),
            _ => {}
        }
    }
    let seen = run_log.snapshot(place).filter(|_| stage.step.is_some()).map(|after| after.places(block));
    match seen {
        Some(seen) if !it.agrees(stage.to.saturating_sub(1), stage.step, seen) => Vec::new(),
        _ => it.moves,
    }
}

impl Child<'_> {
    fn is_due(&self, at: Instant) -> bool {
        self.child && self.seat.due <= Deadline::At(at)
    }

    fn put(&mut self, record: usize, role: Role, function: Option<&'static str>, text: String) {
        self.moves.push(Move { record, role, function, text });
    }

    fn expires(&mut self, record: usize) {
        let early = self.run_log.rules.has(Defect::TimeoutDropsPidEntryEarly);
        (self.child, self.ready, self.timed_out, self.pid) = (false, true, true, self.pid && !early);
        let (leaves, still) =
            if early { ("CHILD and CHILD_PID", "") } else { ("CHILD", "; CHILD_PID links it on") };
        let text = format!(
            "{} entry is due: it leaves {leaves} for READY as a timeout to be handled{still}",
            self.its
        );
        self.put(record, Role::Moved, Some(TIMER_HANDLER), text);
    }

    fn exits(&mut self, record: usize, at: Instant) {
        let its = self.its.clone();
        if !self.pid {
            let text = format!("{its} exit finds no entry of its pid in CHILD_PID, and is told to nobody");
            return self.put(record, Role::Happened, Some(EXIT_HANDLER), text);
        }
        let text = if self.timed_out {
            format!(
                "{its} exit finds its timeout still on READY: the entry leaves CHILD_PID, and is an exit to be handled"
            )
        } else {
            format!("{its} entry leaves CHILD and CHILD_PID for READY as an exit to be handled")
        };
        (self.child, self.pid, self.ready) = (false, false, true);
        self.put(record, Role::Moved, Some(EXIT_HANDLER), text);
        let again = |(block, mark): &&(Block, treefall_subject::replica::Mark)| {
            *block == self.seat.block && mark.at == at && mark.function == EXIT_HANDLER_SEEN
        };
        if self.run_log.second_erases.iter().any(|erase| again(&erase)) {
            let text = format!(
                "{its} node, which CHILD_PID no longer links, is taken out of it A SECOND TIME, by the links that it had"
            );
            self.put(record, Role::Used, Some(EXIT_HANDLER), text);
        }
    }

    /// Whether the loop returned while the entry waited.
    fn is_left(&mut self, record: usize, at: Instant, mut children: impl Iterator<Item = EntryState>) {
        if !self.ready {
            return;
        }
        let gone = children.all(|seat| seat.due <= Deadline::At(at));
        let why = if gone { "CHILD is empty by now, so the loop returns: " } else { "" };
        let text = format!("{why}{} entry stays on READY, and is never served", self.its);
        self.put(record, Role::Happened, None, text);
    }

    /// Whether the snapshot after the step agrees; adds the move of an entry that is taken to be served.
    fn agrees(&mut self, record: usize, step: Option<Step>, seen: Places) -> bool {
        let [child, pid, ready] =
            [seen.in_tree(Tree::Child), seen.in_tree(Tree::ChildPid), seen.on_list(List::Ready)];
        if (child, pid, ready) == (self.child, self.pid, self.ready) {
            return true;
        }
        let served = step == Some(Step::Dispatched) || seen.on_list(List::Unuse);
        let taken = self.ready && !ready && !child && served && !self.moves.is_empty();
        if taken {
            let out = if self.pid && !pid { " and out of CHILD_PID" } else { "" };
            let still = if pid { "; CHILD_PID links it on" } else { "" };
            let text = format!("{} entry is taken off READY{out}, to be served{still}", self.its);
            self.put(record, Role::Moved, Some("thread_fetch_next_queue"), text);
        }
        taken
    }
}
