//! The daemon as a subject: one started program, a process forked from it for every trace.

use treefall_model::event::SubjectKind;
use treefall_model::release::Rules;
use treefall_model::time::Span;
use treefall_model::trace::{Setup, Trace};
use treefall_world::wire::RulesAs;

use super::{Daemon, DaemonError, Own, config};
use crate::engine::Conditions;
use crate::program::Program;
use crate::{Options, Ran, Subject, SubjectError};

/// Runs traces on a whole daemon.
#[derive(Debug)]
pub struct DaemonSubject {
    name: String,
    daemon: Daemon,
    rules: RulesAs,
}

impl DaemonSubject {
    /// Starts `program`, which `--target` calls `name`.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn start(name: String, program: &Program, conditions: &Conditions) -> Result<Self, DaemonError> {
        let daemon = Daemon::start(program, conditions)?;
        Ok(Self { name, rules: RulesAs::of(program.release()), daemon })
    }

    /// The same with a person's own configuration.
    #[must_use]
    pub fn with_own(mut self, own: Own) -> Self {
        self.daemon.set_own(own);
        self
    }
}

impl Subject for DaemonSubject {
    fn kind(&self) -> SubjectKind {
        SubjectKind::Daemon
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn rules(&self) -> Rules {
        self.rules.rules()
    }

    fn fitted(&self, trace: Trace) -> Trace {
        match self.daemon.own() {
            Some(own) => own.nearest(trace, self.rules()),
            None => config::nearest(trace, self.rules()),
        }
    }

    fn takes(&self, trace: &Trace) -> bool {
        match self.daemon.own() {
            Some(own) => own.can_be_said(trace, self.rules()).is_ok(),
            None => config::can_be_said(trace, self.rules()).is_ok(),
        }
    }

    fn unit_of_times(&self) -> Option<Span> {
        self.daemon.own().is_none().then(|| config::unit(self.rules()))
    }

    fn arrange(&self, setup: &mut Setup) {
        if let Some(own) = self.daemon.own() {
            own.arrange(setup);
        }
    }

    fn keep_ledger(&mut self, on: bool) {
        self.daemon.keep_ledger(on);
    }

    fn run(&mut self, traces: &[Trace], options: Options) -> Result<Vec<Ran>, SubjectError> {
        Ok(self.daemon.run(traces, &self.rules, options)?)
    }
}
