//! The shutdown: children are told to die, instances get time if there are any, and a backstop ends it.
//!
//! Invariant: once it has begun, either a timer of the shutdown is armed, or the loop is told to return.

use treefall_model::event::{Event, Handler, LogLine};
use treefall_model::observe::Observer;
use treefall_model::signal::Signal;
use treefall_model::time::Span;

use crate::layer::{Action, Counted};
use crate::ops::{Ending, Op};
use crate::world::World;

/// Time that children have until the backstop.
const BACKSTOP: Span = Span::from_secs(1);
/// Time that instances have to shut down.
const SHUTDOWN_TIMER: Span = Span::from_secs(1);
/// Time that children have after that.
const BACKSTOP_AFTER_TIMER: Span = Span::from_millis(100);

impl<O: Observer> World<'_, O> {
    /// Begins the shutdown and counts the children.
    pub(crate) fn begin_shutdown(&mut self) {
        self.layer.then(Action::Event(Event::TerminationBegun));
        self.layer.then(Action::Count(Counted::TerminateStart));
    }

    /// Continues with the count: tells the children to die, then gives instances their time, or arms the backstop, or
    /// lets the loop return.
    pub(crate) fn shut_down(&mut self, children: u32) {
        if children > 0 {
            let ending = Ending::Shutdown;
            self.layer.then(Action::Op(Op::TerminateChildren { signal: Signal::TERM, ending }));
        }
        if self.layer.has_instance {
            self.layer.then(Action::Op(Op::AddShutdownTimer {
                handler: Handler::ShutdownTimer,
                after: SHUTDOWN_TIMER,
            }));
            self.layer.then(Action::Op(Op::ShutdownTimerRuns(true)));
        } else if children > 0 {
            self.arm_backstop(BACKSTOP);
        } else {
            self.layer.then(Action::Op(Op::Terminate));
        }
    }

    fn arm_backstop(&mut self, after: Span) {
        self.layer.then(Action::Op(Op::AddShutdownTimer { handler: Handler::Backstop, after }));
    }

    /// Ends the instances' time and counts the children that are left.
    pub(crate) fn shutdown_timer(&mut self) {
        self.layer.then(Action::Op(Op::ShutdownTimerRuns(false)));
        self.layer.then(Action::Count(Counted::ShutdownTimer));
    }

    /// Continues with the count: arms the backstop, or lets the loop return.
    pub(crate) fn shutdown_timer_ends(&mut self, children: u32) {
        if children > 0 {
            self.arm_backstop(BACKSTOP_AFTER_TIMER);
        } else {
            self.layer.then(Action::Op(Op::Terminate));
        }
    }

    /// Sends SIGKILL to all children that are left.
    pub(crate) fn backstop(&mut self) {
        self.layer.then(Action::Op(Op::TerminateChildren { signal: Signal::KILL, ending: Ending::Shutdown }));
        self.layer.then(Action::Count(Counted::Backstop));
    }

    /// Continues with the count: logs it, and lets the loop return.
    pub(crate) fn backstop_ends(&mut self, children: u32) {
        self.layer.then(Action::Log(LogLine::Backstop { children }));
        self.layer.then(Action::Op(Op::Terminate));
    }
}
