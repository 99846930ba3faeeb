//! The laws about children: `no-child-forgotten`, `kill-follows-term`, `exit-not-lost`, `one-run-at-a-time`.
//!
//! A child owes nothing; the program owes the child. What it owes next is known from events alone: SIGTERM
//! when the timeout is over, SIGTERM in a reload, SIGKILL when the grace after a SIGTERM is over. A debt is
//! called in when the loop comes to handle it, never by the clock: a wake may be late, handlers may take
//! time, and nothing is said of what lies after the last turn. Which law is broken depends on one thing:
//!
//! - a child that was **never** sent a signal when one was due breaks `no-child-forgotten`: nobody tracks it.
//!   It is certain when a reload is done that passed it over, and when the loop blocks again after a turn
//!   that came past its timeout (or past the moment at which a reload ought to have told it);
//! - a child that was told to die, lives on, and was sent no SIGKILL when its grace was over breaks
//!   `kill-follows-term`, whether it is still tracked (`ReloadRestartsGrace`) or not (`ReloadForgetsChildren`,
//!   the second expiry of `ReloadSkipsQueuedTimeout`).
//!
//! The grace is two seconds from a timeout's SIGTERM and one second from the **first** reload's; a child that
//! a timeout had told before has the longer of the two. Later reloads tell it again, and change nothing: so
//! reloads closer than a second, that put SIGKILL off again and again, break the law. In a turn with a reload
//! SIGKILL may wait for the next turn, if the loop arms its timer so that there is one at once.
//!
//! An exit is lost, too, that is not reaped by a program that read SIGCHLD for it.
//!
//! Each child breaks one of the two laws once; then it is written off. Exempt: fifo scripts have no timeout;
//! a shutdown is judged by its own law; a zombie is not a living child; a run whose entry was cancelled and that was
//! sent SIGKILL is over, though it may take its time to die.

use alloc::collections::{BinaryHeap, VecDeque};
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::follow::Loop;
use super::ledger::Ledger;
use super::roster::{Child, Roster, Window};
use crate::canon::Canon;
use crate::event::{EntryKind, Step};
use crate::id::{Generation, Pid, Run};
use crate::law::Law;
use crate::signal::Signal;
use crate::time::{Deadline, Instant, Span};
use crate::trace::{OnTerm, ScriptKind};
use crate::violation::{self, Detail};

/// From a timeout's SIGTERM, or SIGKILL, to the next step.
pub(super) const GRACE: Span = Span::from_secs(2);
/// From a reload's SIGTERM to SIGKILL.
pub(super) const RELOAD_GRACE: Span = Span::from_secs(1);
/// From the second SIGKILL to the next.
pub(super) const FORCING_GRACE: Span = Span::from_secs(10);

/// The queue of debts is swept when it is so much longer than there are children.
const STALE_DEBTS: usize = 64;

/// A debt: by when, to whom, and which of the child's debts it is. The earliest is paid first.
type Debt = Reverse<(Instant, u32, u64)>;

/// What a running handler armed and what it owes from its end on.
#[derive(Clone, Copy, Debug)]
struct Armed {
    slot: u32,
    ticket: u64,
    /// From the handler's end to when its entry fires at the latest, if it was armed.
    due: Option<Span>,
    /// From the handler's end to when the next signal is owed, if one is.
    owed: Option<Span>,
}

/// The children, and what they are owed.
#[derive(Clone, Debug)]
pub(super) struct Children {
    pub(super) roster: Roster,
    debts: BinaryHeap<Debt>,
    postponed: Vec<Debt>,
    armed: Vec<Armed>,
    tickets: u64,
    /// Reaped, and their handlers not yet run.
    reaped: VecDeque<(Run, Pid)>,
    /// Whether dispatches are shown, so that a lost exit can be told.
    dispatches: bool,
    /// Known children that are zombies.
    zombies: usize,
    /// SIGCHLD was read in this turn; so many of the zombies have come since.
    reading: Option<usize>,
}

impl Children {
    pub(super) fn new(scripts: usize, dispatches: bool) -> Self {
        Self {
            roster: Roster::new(scripts),
            debts: BinaryHeap::new(),
            postponed: Vec::new(),
            armed: Vec::new(),
            tickets: 0,
            reaped: VecDeque::new(),
            dispatches,
            zombies: 0,
            reading: None,
        }
    }

    /// What is known of each child, and what it is owed. Exits wait for their handlers and what handlers armed for
    /// its end only within a turn.
    pub(super) fn canon(&self, turn: &Loop<'_>, canon: &mut Canon) {
        canon.word(self.roster.len() as u64);
        canon.word((self.armed.len() + self.reaped.len()) as u64);
        for place in 0..canon.children().len() {
            let (run, _) = canon.children()[place];
            let slot = self.roster.find(run);
            canon.flag(slot.is_some());
            let Some(slot) = slot else { continue };
            let child = self.roster.child(slot);
            canon.byte(child.kind as u8 | u8::from(child.cancelled) << 7);
            let told = [child.obeys, child.exited, child.told.is_some(), child.kills > 0];
            let known = [child.written_off, child.config == turn.config()];
            told.into_iter().chain(known).for_each(|flag| canon.flag(flag));
            // Its own timeout is judged as long as its generation is in force.
            if run.of.generation == turn.generation {
                child.due.canon(canon);
            }
            if child.written_off {
                // Nothing is owed to it, and nobody judges who kills it.
                continue;
            }
            canon.flag(child.graced);
            // Its killer is judged as long as it has not killed.
            if child.graced && child.kills == 0 {
                canon.ahead(child.grace_from);
            }
            canon.maybe_at(child.owed);
            let debt =
                self.debts.iter().find(|Reverse((_, to, ticket))| (*to, *ticket) == (slot, child.ticket));
            let by = debt.map(|Reverse((by, ..))| *by);
            canon.maybe_at(by);
            // When the loop blocked is asked of what was due before.
            if by.is_some_and(|by| canon.is_past(by)) {
                canon.at(turn.blocked);
            }
        }
    }

    /// The running handler is done: what it armed was armed by now.
    pub(super) fn handler_ends(&mut self, at: Instant) {
        while let Some(armed) = self.armed.pop() {
            let child = self.roster.child_mut(armed.slot);
            if child.ticket != armed.ticket {
                continue;
            }
            if let Some(span) = armed.due {
                child.due.to = at + span;
            }
            if let Some(span) = armed.owed {
                let by = (at + span).max(child.owed.unwrap_or(Instant::START));
                child.owed = Some(by);
                self.debts.push(Reverse((by, armed.slot, armed.ticket)));
            }
        }
        if self.debts.len() > 4 * self.roster.len() + STALE_DEBTS {
            let roster = &self.roster;
            self.debts.retain(|Reverse((_, slot, ticket))| roster.child(*slot).ticket == *ticket);
        }
    }

    fn arm(&mut self, slot: u32, due: Option<Span>, owed: Option<Span>) {
        self.tickets += 1;
        self.roster.child_mut(slot).ticket = self.tickets;
        self.armed.push(Armed { slot, ticket: self.tickets, due, owed });
    }

    pub(super) fn started(&mut self, turn: &Loop<'_>, ledger: &mut Ledger, run: Run, pid: Pid) {
        let script = turn.script(run.of);
        let alive = |slot: &u32| !self.roster.child(*slot).is_over();
        if let Some(other) = self.roster.of_script(run.of.script).find(alive).filter(|_| script.is_some()) {
            let other = self.roster.child(other).run;
            ledger.broken(Law::OneRunAtATime, Step::Started, Some(EntryKind::Child), Some(run), || {
                Detail::SecondRun { script: turn.named(run.of), nth: run.nth, other }
            });
        }
        let kind = script.map_or(ScriptKind::Fifo, |script| script.kind);
        let obeys = script.is_some_and(|script| matches!(script.habit.on_term, OnTerm::Dies(_)));
        let mut child = Child::new(run, pid, turn.config(), kind, obeys);
        let timeout = script.filter(|script| script.kind != ScriptKind::Fifo).map(|script| script.timeout);
        if let Some(span) = timeout {
            child.due = Window::open(turn.began, span);
        }
        let replaced = self.roster.find(run).is_some_and(|slot| self.roster.child(slot).exited);
        self.zombies -= usize::from(replaced);
        let slot = self.roster.insert(child);
        self.arm(slot, timeout, timeout);
    }

    pub(super) fn exited(&mut self, run: Run) {
        if let Some(slot) = self.roster.find(run) {
            let child = self.roster.child_mut(slot);
            self.zombies += usize::from(!child.exited);
            child.exited = true;
            self.reading = self.reading.map(|since| since + 1);
        }
    }

    /// The program read SIGCHLD: whoever is a zombie now is to be reaped before the loop blocks.
    pub(super) fn told_of_exits(&mut self) {
        self.reading = Some(0);
    }

    /// Lets a reaped child go, and says who it was.
    pub(super) fn reaped(&mut self, turn: &Loop<'_>, run: Run) -> Option<Child> {
        let child = self.roster.remove(run)?;
        self.zombies -= usize::from(child.exited);
        let judged = !child.written_off && !child.cancelled;
        let expected = run.of.generation == turn.generation && !turn.reloaded && !turn.ending && judged;
        if self.dispatches && expected {
            self.reaped.push_back((run, child.pid));
        }
        Some(child)
    }

    /// The exit of a child reached its handler. With pids that are used again the program can only say the
    /// pid, so that an exit of the same pid counts for it.
    pub(super) fn exit_handled(&mut self, run: Run, pid: Option<Pid>) {
        let exact = self.reaped.iter().position(|(reaped, _)| *reaped == run);
        let place = exact.or_else(|| self.reaped.iter().position(|(_, reaped)| Some(*reaped) == pid));
        match place {
            Some(0) => drop(self.reaped.pop_front()),
            Some(place) => drop(self.reaped.remove(place)),
            None => {}
        }
    }

    /// The entry of a run was cancelled: its exit reaches no handler, by design. What the run is owed it is still
    /// owed, until SIGKILL is sent.
    pub(super) fn cancelled(&mut self, run: Run) {
        self.reaped.retain(|(reaped, _)| *reaped != run);
        if let Some(slot) = self.roster.find(run) {
            self.roster.child_mut(slot).cancelled = true;
        }
    }

    /// The exits that wait for their handlers are lost by design: a reload or a shutdown begins.
    pub(super) fn exits_dropped(&mut self) {
        self.reaped.clear();
    }

    pub(super) fn signalled(&mut self, turn: &Loop<'_>, ledger: &mut Ledger, run: Run, signal: Signal) {
        let Some(slot) = self.roster.find(run) else { return };
        match signal {
            Signal::TERM => self.told(turn, slot, ledger.at),
            Signal::KILL => self.killed(turn, ledger, slot),
            _ => {}
        }
    }

    fn told(&mut self, turn: &Loop<'_>, slot: u32, at: Instant) {
        let child = self.roster.child_mut(slot);
        let first = child.told.is_none();
        child.told.get_or_insert(at);
        if turn.ending {
            return;
        }
        if !turn.reloading {
            // A timeout's: its entry fires again after the grace.
            child.due = Window::open(turn.began, GRACE);
        }
        if child.kills > 0 {
            return;
        }
        if turn.reloading {
            if !child.graced {
                child.graced = true;
                let grace = turn.began + RELOAD_GRACE;
                child.grace_from = if first { grace } else { grace.min(child.due.from) };
                child.owed = child.owed.filter(|_| !first);
                self.arm(slot, None, Some(RELOAD_GRACE));
            }
            return;
        }
        if first {
            child.owed = None;
            self.arm(slot, Some(GRACE), Some(GRACE));
        }
    }

    fn killed(&mut self, turn: &Loop<'_>, ledger: &mut Ledger, slot: u32) {
        let child = self.roster.child_mut(slot);
        let (run, from, at) = (child.run, child.grace_from, ledger.at);
        let by_killer = child.graced && child.kills == 0 && run.of.generation != turn.generation;
        if by_killer && !turn.reloading && !turn.ending && at < from && !child.written_off {
            ledger.broken(Law::TimersInOrder, Step::Signalled, Some(EntryKind::Child), Some(run), || {
                Detail::KilledEarly { run, at, grace: RELOAD_GRACE, until: from }
            });
        }
        let child = self.roster.child_mut(slot);
        child.kills = child.kills.saturating_add(1);
        child.owed = None;
        if matches!(turn.running, Some((EntryKind::ChildTimeout, _))) {
            child.due = Window::open(turn.began, GRACE);
            self.arm(slot, Some(FORCING_GRACE), None);
        } else {
            self.tickets += 1;
            child.ticket = self.tickets;
        }
    }

    /// A reload is done: who of the generation before it was passed over?
    pub(super) fn reload_ends(&mut self, turn: &Loop<'_>, ledger: &mut Ledger) {
        // The loop still has the old generation in force, so that its scripts have their names.
        for place in 0..turn.scripts().len() {
            let script = crate::id::ScriptId(u16::try_from(place).unwrap_or(u16::MAX));
            let Some(mut slot) = self.roster.of_script(script).next() else { continue };
            loop {
                self.passed_over(turn, ledger, slot);
                match self.roster.older(slot) {
                    Some(older) => slot = older,
                    None => break,
                }
            }
        }
    }

    fn passed_over(&mut self, turn: &Loop<'_>, ledger: &mut Ledger, slot: u32) {
        let child = *self.roster.child(slot);
        if !child.counts() || child.was_signalled() || child.kind == ScriptKind::Fifo || turn.ending {
            return;
        }
        self.roster.child_mut(slot).written_off = true;
        let queued = turn.timer_handled && turn.came_past(child.due.from);
        let entry = if queued { EntryKind::ChildTimeout } else { EntryKind::Child };
        ledger.broken(Law::NoChildForgotten, Step::Reload, Some(entry), Some(child.run), || {
            Detail::PassedOver { child: turn.child(&child), queued }
        });
    }

    /// Another generation is in force.
    pub(super) fn turn_to(&mut self, generation: Generation, scripts: usize) {
        self.roster.turn_to(generation, scripts);
    }

    /// The loop blocks: what was this turn to have done?
    pub(super) fn blocked(&mut self, turn: &Loop<'_>, ledger: &mut Ledger, deadline: Deadline) {
        if let Some((run, pid)) = self.reaped.front().copied() {
            self.reaped.clear();
            ledger.broken(
                Law::ExitNotLost,
                Step::Blocked,
                Some(EntryKind::ChildTerminated),
                Some(run),
                || {
                    let child = violation::Child { run, pid, name: turn.named(run.of).name };
                    Detail::ExitUnhandled { child }
                },
            );
        }
        if let Some(since) = self.reading.take()
            && self.zombies > since
            && self.dispatches
        {
            ledger.broken(Law::ExitNotLost, Step::Blocked, Some(EntryKind::Child), None, || {
                Detail::ExitsUnreaped { left: (self.zombies - since) as u64 }
            });
        }
        while let Some(Reverse((by, slot, ticket))) = self.debts.peek().copied() {
            if !turn.came_past(by) {
                break;
            }
            self.debts.pop();
            let child = self.roster.child(slot);
            if child.ticket != ticket || child.owed.is_none() || !child.counts() || turn.ending {
                continue;
            }
            let waits = turn.reloaded
                && !Loop::sleeps_past(by, turn.blocked, turn.armed)
                && !Loop::sleeps_past(by, ledger.at, deadline);
            if waits && child.told.is_some() {
                self.postponed.push(Reverse((by, slot, ticket)));
            } else {
                self.not_signalled(turn, ledger, slot, by);
            }
        }
        self.debts.extend(self.postponed.drain(..));
    }

    fn not_signalled(&mut self, turn: &Loop<'_>, ledger: &mut Ledger, slot: u32, by: Instant) {
        let child = self.roster.child_mut(slot);
        child.written_off = true;
        let child = *child;
        let at = ledger.at;
        let Some(told) = child.told else {
            ledger.broken(
                Law::NoChildForgotten,
                Step::Blocked,
                Some(EntryKind::Child),
                Some(child.run),
                || Detail::NeverSignalled { child: turn.child(&child), by, at },
            );
            return;
        };
        // Found due before the reload, and lost with what was queued.
        let queued = turn.reloaded && turn.timer_handled && turn.armed <= Deadline::At(by);
        let entry = if queued { EntryKind::ChildTimeout } else { EntryKind::Child };
        ledger.broken(Law::KillFollowsTerm, Step::Blocked, Some(entry), Some(child.run), || {
            Detail::NeverKilled { child: turn.child(&child), term_sent: told, by, at }
        });
    }
}
