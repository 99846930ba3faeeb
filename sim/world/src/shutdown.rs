//! The shutdown of a process without instances: children told to die, and a backstop.
//!
//! Always: once it has begun, either children are left and the backstop is armed, or the loop is told to return.

use treefall_model::event::{Event, Handler, LogLine};
use treefall_model::observe::Observer;
use treefall_model::signal::Signal;
use treefall_model::time::Span;

use crate::layer::{Action, Counted};
use crate::world::World;
use crate::{Ending, Op};

/// How long children have until the backstop.
const BACKSTOP: Span = Span::from_secs(1);

impl<O: Observer> World<'_, O> {
    /// The shutdown begins: are there children?
    pub(crate) fn begin_shutdown(&mut self) {
        self.layer.then(Action::Event(Event::TerminationBegun));
        self.layer.then(Action::Count(Counted::TerminateStart));
    }

    /// The children are counted: they are told to die and the backstop is armed, or the loop returns.
    pub(crate) fn shut_down(&mut self, children: u32) {
        if children == 0 {
            self.layer.then(Action::Op(Op::Terminate));
            return;
        }
        self.layer.then(Action::Op(Op::TerminateChildren { signal: Signal::TERM, ending: Ending::Shutdown }));
        self.layer.then(Action::Op(Op::AddShutdownTimer { handler: Handler::Backstop, after: BACKSTOP }));
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
