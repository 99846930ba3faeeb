//! The engine as a subject: one calibrated process for many traces.

use treefall_model::event::SubjectKind;
use treefall_model::release::Rules;
use treefall_model::trace::Trace;
use treefall_world::wire::RulesAs;

use super::{Conditions, Engine, EngineError};
use crate::program::Program;
use crate::{Options, Ran, Subject, SubjectError, cut_off, without_interfaces};

/// Runs traces on a real program's scheduler.
#[derive(Debug)]
pub struct EngineSubject {
    name: String,
    engine: Engine,
    rules: RulesAs,
}

impl EngineSubject {
    /// Starts and calibrates `program`, named `name` by `--target`. The script layer around it follows the release of
    /// its banner.
    ///
    /// # Errors
    /// When it cannot be driven.
    /// When it cannot be driven.
    pub fn start(name: String, program: &Program, conditions: &Conditions) -> Result<Self, EngineError> {
        let engine = Engine::start_under(program, conditions)?;
        Ok(Self { name, rules: RulesAs::of(program.release()), engine })
    }

    /// Returns the engine, for what only it can report.
    #[must_use]
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }
}

impl Subject for EngineSubject {
    fn kind(&self) -> SubjectKind {
        SubjectKind::Engine
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn rules(&self) -> Rules {
        self.rules.rules()
    }

    fn fitted(&self, trace: Trace) -> Trace {
        cut_off(trace)
    }

    fn takes(&self, trace: &Trace) -> bool {
        trace.setup().links.is_empty()
    }

    fn keep_ledger(&mut self, on: bool) {
        self.engine.keep_ledger(on);
    }

    fn run(&mut self, traces: &[Trace], options: Options) -> Result<Vec<Ran>, SubjectError> {
        without_interfaces(self, traces)?;
        Ok(self.engine.run(traces, &self.rules, options)?)
    }
}
