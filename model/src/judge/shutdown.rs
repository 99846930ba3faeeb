//! The law `termination-honoured`: a SIGTERM that was read begins a shutdown before the loop blocks again; the
//! shutdown ends the loop within its bounds; and whom it leaves alive was told to die, and killed if he would
//! not. And of the law `expected-actions`: a loop returns only after a shutdown was asked for.
//!
//! The bounds are keepalived's own: a second for the shutdown timer, a tenth more for the backstop; each is
//! called in when the loop comes to handle it. Exempt: a second SIGTERM during a shutdown.

use super::follow::Loop;
use super::ledger::Ledger;
use super::roster::Roster;
use crate::canon::Canon;
use crate::event::{EntryKind, Step};
use crate::law::Law;
use crate::time::{Instant, Span};
use crate::violation::Detail;

/// The shutdown timer, and the backstop of a process without instances.
const SHUTDOWN_TIMER: Span = Span::from_secs(1);
/// The backstop after the shutdown timer.
const BACKSTOP: Span = Span::from_millis(100);

/// How far a shutdown has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// None was asked for.
    Not,
    /// SIGTERM was read.
    Asked,
    /// It has begun, in the running handler.
    Begun,
    /// The loop is to return, or to come to its backstop, when this is handled.
    TimerUntil(Instant),
    /// The loop is to return when this is handled.
    BackstopUntil(Instant),
    /// It did not return, which was written down.
    Overdue,
}

/// The shutdown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shutdown(Stage);

impl Shutdown {
    pub(super) const fn new() -> Self {
        Self(Stage::Not)
    }

    /// How far it is.
    pub(super) fn canon(self, canon: &mut Canon) {
        let (stage, until) = match self.0 {
            Stage::Not => (0, None),
            Stage::Asked => (1, None),
            Stage::Begun => (2, None),
            Stage::TimerUntil(until) => (3, Some(until)),
            Stage::BackstopUntil(until) => (4, Some(until)),
            Stage::Overdue => (5, None),
        };
        canon.byte(stage);
        canon.maybe_at(until);
    }

    pub(super) fn asked(&mut self) {
        if self.0 == Stage::Not {
            self.0 = Stage::Asked;
        }
    }

    pub(super) fn begun(&mut self) {
        if matches!(self.0, Stage::Not | Stage::Asked) {
            self.0 = Stage::Begun;
        }
    }

    pub(super) fn handler_ends(&mut self, at: Instant) {
        if self.0 == Stage::Begun {
            self.0 = Stage::TimerUntil(at + SHUTDOWN_TIMER);
        }
    }

    pub(super) fn blocked(&mut self, turn: &Loop<'_>, ledger: &mut Ledger) {
        let at = ledger.at;
        match self.0 {
            Stage::Asked => {
                self.0 = Stage::Not;
                ledger.broken(Law::TerminationHonoured, Step::Blocked, Some(EntryKind::Event), None, || {
                    Detail::TerminationIgnored { at }
                });
            }
            Stage::TimerUntil(until) if turn.came_past(until) => self.0 = Stage::BackstopUntil(at + BACKSTOP),
            Stage::BackstopUntil(until) if turn.came_past(until) => {
                self.0 = Stage::Overdue;
                ledger.broken(Law::TerminationHonoured, Step::Blocked, Some(EntryKind::Timer), None, || {
                    Detail::TerminationOverdue { by: until, at }
                });
            }
            _ => {}
        }
    }

    /// The loop returned: whom does the process leave?
    pub(super) fn returned(self, turn: &Loop<'_>, ledger: &mut Ledger, roster: &Roster) {
        if self.0 == Stage::Not {
            ledger.broken(Law::ExpectedActions, Step::Ended, None, None, || Detail::LoopLeft);
        }
        let left = |child: &&super::roster::Child| {
            let dies = child.kills > 0 || (child.told.is_some() && child.obeys);
            child.counts() && !dies
        };
        // The first by name, so that the report does not hang on the order of the table.
        let Some(child) = roster.all().filter(left).min_by_key(|child| child.run) else { return };
        ledger.broken(Law::TerminationHonoured, Step::Ended, Some(EntryKind::Child), Some(child.run), || {
            Detail::LeftAlive { child: turn.child(child), term_sent: child.told.is_some() }
        });
    }
}
