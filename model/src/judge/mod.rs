//! The reference model: it follows a run's events and looks at its indexes, and says which laws they break.
//!
//! The judge knows no release and sees no subject. From setup and events alone it keeps who is alive, who is
//! owed what until when, and which configuration is in force; it judges each event as it comes and predicts
//! none, so that ties are allowed. A module a group of laws:
//!
//! - `children`: `no-child-forgotten`, `kill-follows-term`, `exit-not-lost`, `one-run-at-a-time`, over `roster`;
//! - `timers`: `timers-in-order`; `signals`: `signals-only-its-children`; `shutdown`: `termination-honoured`;
//! - `indexes`: `one-entry-per-child`, `no-stale-argument`, and, with `shape`, `no-dangling-node` and `tree-shape`;
//! - here: `progress`, and `no-use-after-free`, which the subject finds.
//!
//! `follow` keeps what they share of the loop, `ledger` what they found. An event costs constant time and, in
//! a steady state, no allocation. A look at the indexes that finds nothing is a `sweep`, linear in their nodes,
//! or, with many entries whose subject tells what changed (`known` and `seats`), linear in the paths of what did. Only where these say no is the whole look taken that reports.

mod children;
mod follow;
mod indexes;
mod known;
mod ledger;
mod roster;
mod seats;
mod shape;
mod shutdown;
mod signals;
mod sweep;
mod timers;

use alloc::string::String;
use alloc::vec::Vec;

use crate::canon::{Canon, Part};
use crate::event::{Answer, End, EntryKind, Event, Handler, Record, Step, SubjectKind, Target};
use crate::id::{Generation, Pid, Run, ScriptRef};
use crate::index::{Block, IndexView};
use crate::law::Law;
use crate::observe::Observer;
use crate::signal::{ExitStatus, Signal};
use crate::time::{Deadline, Instant};
use crate::trace::Setup;
use crate::verdict::{Outcome, Signature, Verdict, Violation};
use crate::violation::{Detail, EntryFacts};

use children::Children;
use follow::Loop;
use indexes::Indexes;
use ledger::Ledger;
use shutdown::Shutdown;
use signals::Signals;
use timers::Timers;

/// The model, following one run.
#[derive(Clone, Debug)]
pub struct Judge<'s> {
    turn: Loop<'s>,
    ledger: Ledger,
    children: Children,
    timers: Timers,
    shutdown: Shutdown,
    signals: Signals,
    indexes: Indexes,
}

impl<'s> Judge<'s> {
    /// A judge of a run of a trace with this setup, on a subject that shows every event.
    #[must_use]
    pub fn new(setup: &'s Setup) -> Self {
        Self::of(setup, SubjectKind::Replica)
    }

    /// A judge of a run on a subject of this kind. Of a `daemon`, which does not show its dispatches, the laws
    /// that rest on them are not judged: `exit-not-lost`, and of `timers-in-order` all but the killer.
    #[must_use]
    pub fn of(setup: &'s Setup, subject: SubjectKind) -> Self {
        let turn = Loop::new(setup);
        let scripts = turn.scripts().len();
        Self {
            turn,
            ledger: Ledger::new(),
            children: Children::new(scripts, subject != SubjectKind::Daemon),
            timers: Timers::new(scripts),
            shutdown: Shutdown::new(),
            signals: Signals::new(),
            indexes: Indexes::new(),
        }
    }

    /// Looks at all trees and lists at every step, also where the subject tells what changed. The verdict is the
    /// same; this is what the other is compared with.
    pub fn look_at_all(&mut self) {
        self.indexes.look_at_all();
    }

    /// The laws broken so far, in the order in which they broke.
    #[must_use]
    pub fn breaks(&self) -> &[Violation] {
        self.ledger.breaks()
    }

    /// Whether a law was broken with this signature so far.
    #[must_use]
    pub fn shows(&self, signature: Signature) -> bool {
        self.breaks().iter().any(|broken| broken.signature == signature)
    }

    /// Whether a memory law broke: nothing is judged any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ledger.is_over()
    }

    /// The laws broken since they were last taken, each signature once; judging goes on as if none had broken.
    /// For who lets a run go on in more ways than one, and asks of each step of it what it breaks.
    pub fn take_breaks(&mut self) -> Vec<Violation> {
        self.ledger.take_breaks()
    }

    /// Writes down all that its judgement of what is to come rests on, the loop being blocked and no memory law
    /// broken: of what broke nothing, for a law that broke is judged on.
    pub fn canon(&self, canon: &mut Canon) {
        canon.part(Part::Debts);
        self.children.canon(&self.turn, canon);
        canon.part(Part::Ticks);
        self.timers.canon(canon);
        canon.part(Part::Judge);
        self.turn.canon(canon);
        self.shutdown.canon(canon);
    }

    /// Whether the last look found that the entry in a block is where it should not be, and that its argument is
    /// stale. A part of what [`canon`](Self::canon) tells, for who knows the blocks.
    #[must_use]
    pub fn broken_at(&self, block: Block) -> [bool; 2] {
        self.indexes.broken_at(block)
    }

    /// Judges that the program used a freed entry, and ended there.
    pub fn used_after_free(&mut self, entry: EntryFacts) {
        let kind = Some(entry.kind);
        let detail = || Detail::UsedAfterFree { entry };
        self.ledger.broken(Law::NoUseAfterFree, Step::Ended, kind, None, detail);
    }

    /// The verdict. A program that crashed inside one operation, so that no look at the indexes could see why,
    /// broke its memory all the same: law `tree-shape`, at the last record. One that hung there did not come
    /// back to its blocking call: law `progress`.
    #[must_use]
    pub fn finish(mut self, outcome: Outcome) -> Verdict {
        let died = || Detail::Died { outcome: outcome.clone() };
        match outcome {
            Outcome::Survived => {}
            Outcome::Crashed { .. } => self.ledger.broken(Law::TreeShape, Step::Ended, None, None, died),
            Outcome::Hung { .. } => self.no_progress(died),
        }
        Verdict { breaks: self.ledger.into_breaks(), outcome }
    }

    /// Writes down that the program did what it was not asked to. Judging ends here.
    pub fn stray(&mut self, what: String) {
        self.ledger.broken(Law::ExpectedActions, Step::Ended, None, None, || Detail::Strayed { what });
    }

    fn no_progress(&mut self, detail: impl FnOnce() -> Detail) {
        self.ledger.broken(Law::Progress, Step::Ended, None, None, detail);
    }

    fn handler_ends(&mut self, at: Instant) {
        self.children.handler_ends(at);
        self.timers.handler_ends(at);
        self.shutdown.handler_ends(at);
    }

    fn blocked(&mut self, at: Instant, deadline: Deadline) {
        self.handler_ends(at);
        self.children.blocked(&self.turn, &mut self.ledger, deadline);
        self.shutdown.blocked(&self.turn, &mut self.ledger);
        self.signals.blocked();
        self.turn.blocks(at, deadline);
    }

    fn dispatched(
        &mut self,
        handler: Handler,
        entry: EntryKind,
        script: Option<ScriptRef>,
        run: Option<Run>,
    ) {
        let at = self.ledger.at;
        self.handler_ends(at);
        self.turn.began = at;
        self.turn.running = Some((entry, run));
        match handler {
            Handler::TimerFd => self.turn.timer_handled = true,
            Handler::Tick | Handler::MiscTick => {
                if let Some(of) = script {
                    let misc = handler == Handler::MiscTick;
                    self.timers.ticked(&self.turn, &mut self.ledger, of, misc, entry);
                }
            }
            Handler::TrackChild | Handler::MiscChild | Handler::FifoChild => {
                self.of_child(handler, entry, script, run)
            }
            _ => {}
        }
    }

    fn of_child(&mut self, handler: Handler, entry: EntryKind, script: Option<ScriptRef>, run: Option<Run>) {
        let child =
            run.and_then(|run| self.children.roster.find(run)).map(|slot| *self.children.roster.child(slot));
        // Where a pid was used again and an old entry still bears it, the run that the pid names is not the one
        // whose timeout this is.
        if entry == EntryKind::ChildTimeout
            && let Some(child) = &child
            && script.is_none_or(|script| script == child.run.of)
        {
            self.timers.timed_out(&self.turn, &mut self.ledger, child);
        }
        if entry == EntryKind::ChildTerminated
            && let Some(run) = run
        {
            self.children.exit_handled(run, child.map(|child| child.pid));
        }
        // A misc check is armed again when its run is over, or (in some releases) lost.
        if handler == Handler::MiscChild
            && let Some(of) = script
            && (entry == EntryKind::ChildTerminated || child.is_none())
        {
            self.timers.misc_is_over(&self.turn, self.ledger.at, of);
        }
    }

    fn reaped(&mut self, run: Run, status: ExitStatus) {
        if let Some(child) = self.children.reaped(&self.turn, run) {
            self.signals.reaped(&child, status);
        }
    }

    fn signalled(&mut self, target: Target, run: Option<Run>, signal: Signal, answer: Answer) {
        self.signals.sent(&mut self.ledger, target, run, signal, answer);
        if let Some(run) = run {
            self.children.signalled(&self.turn, &mut self.ledger, run, signal);
        }
    }

    fn reload_done(&mut self, generation: Generation) {
        self.children.reload_ends(&self.turn, &mut self.ledger);
        self.turn.reload_ends(generation);
        let scripts = self.turn.scripts().len();
        self.children.turn_to(generation, scripts);
        self.timers.turn_to(scripts);
    }

    fn ended(&mut self, at: Instant, end: End) {
        self.handler_ends(at);
        match end {
            End::TraceExhausted | End::Overrun | End::EndOfTime => {}
            End::LoopReturned => self.shutdown.returned(&self.turn, &mut self.ledger, &self.children.roster),
            End::NoProgress => self.no_progress(|| Detail::NoProgress),
        }
    }

    fn started(&mut self, run: Run, pid: Pid) {
        self.children.started(&self.turn, &mut self.ledger, run, pid);
    }
}

impl Observer for Judge<'_> {
    fn record(&mut self, record: &Record) {
        if self.ledger.is_over() {
            return;
        }
        let at = record.at;
        self.ledger.records += 1;
        self.ledger.at = at;
        match record.event {
            Event::Blocked { deadline } => self.blocked(at, deadline),
            Event::Woke { .. } => {
                self.turn.wakes(at);
                self.timers.wakes();
            }
            Event::Exited { run, .. } => self.children.exited(run),
            Event::SignalRead { signal: Signal::TERM } => self.shutdown.asked(),
            Event::SignalRead { signal: Signal::CHLD } => self.children.told_of_exits(),
            Event::Dispatched { handler, entry, script, run } => self.dispatched(handler, entry, script, run),
            Event::Started { run, pid } => self.started(run, pid),
            Event::Signalled { target, run, signal, answer } => self.signalled(target, run, signal, answer),
            Event::Reaped { run, status, .. } => self.reaped(run, status),
            Event::ReloadBegun { config, .. } => {
                self.turn.reload_begins(config);
                self.children.exits_dropped();
            }
            Event::ReloadDone { generation } => self.reload_done(generation),
            Event::Cancelled { run, .. } => self.children.cancelled(run),
            Event::TerminationBegun => {
                self.turn.ending = true;
                self.shutdown.begun();
                self.children.exits_dropped();
            }
            Event::Ended(end) => self.ended(at, end),
            Event::SignalRead { .. }
            | Event::Moot { .. }
            | Event::StartFailed { .. }
            | Event::Logged(_)
            | Event::LinkRead { .. } => {}
        }
    }

    fn step<V: IndexView>(&mut self, step: Step, at: Instant, view: &V) {
        if !self.ledger.is_over() {
            self.ledger.at = at;
            self.indexes.look(&self.turn, &self.children.roster, &mut self.ledger, step, view);
        }
    }
}
