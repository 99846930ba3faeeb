//! The shutdown: children told to die, time for the instances if there are any, and a backstop.
//!
//! Always: once it has begun, either a timer of the shutdown is armed, or the loop is told to return.

use treefall_model::event::{Event, Handler, LogLine};
use treefall_model::observe::Observer;
use treefall_model::signal::Signal;
use treefall_model::time::Span;

use crate::layer::{Action, Counted};
use crate::ops::{Ending, Op};
use crate::world::World;

/// How long children have until the backstop.
const BACKSTOP: Span = Span::from_secs(1);
/// How long instances have to shut down.
const SHUTDOWN_TIMER: Span = Span::from_secs(1);
/// And how long children then still have.
const BACKSTOP_AFTER_TIMER: Span = Span::from_millis(100);

impl<O: Observer> World<'_, O> {
    /// The shutdown begins: are there children?
    pub(crate) fn begin_shutdown(&mut self) {
        self.layer.then(Action::Event(Event::TerminationBegun));
        self.layer.then(Action::Count(Counted::TerminateStart));
    }

    /// The children are counted: they are told to die. Then instances are given their time, or, without any, the
    /// backstop is armed, or the loop returns.
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

    /// The instances have had their time: children that are left have a little more.
    pub(crate) fn shutdown_timer(&mut self) {
        self.layer.then(Action::Op(Op::ShutdownTimerRuns(false)));
        self.layer.then(Action::Count(Counted::ShutdownTimer));
    }

    /// The children are counted: the backstop is armed, or the loop returns.
    pub(crate) fn shutdown_timer_ends(&mut self, children: u32) {
        if children > 0 {
            self.arm_backstop(BACKSTOP_AFTER_TIMER);
        } else {
            self.layer.then(Action::Op(Op::Terminate));
        }
    }

    /// Too long: SIGKILL to all that is left.
    pub(crate) fn backstop(&mut self) {
        self.layer.then(Action::Op(Op::TerminateChildren { signal: Signal::KILL, ending: Ending::Shutdown }));
        self.layer.then(Action::Count(Counted::Backstop));
    }

    /// The children are counted: this is logged, and the loop returns.
    pub(crate) fn backstop_ends(&mut self, children: u32) {
        self.layer.then(Action::Log(LogLine::Backstop { children }));
        self.layer.then(Action::Op(Op::Terminate));
    }
}
