//! Converts the addresses that the library in a real program reports to names.
//!
//! Invariant: the files of a process are read once, when the first place in it needs a name.

use treefall_model::event::SubjectKind;
use treefall_model::verdict::Outcome;
use treefall_world::wire::{Refusal, Stopped, TraceResult};

use super::EngineError;
use super::process::Process;
use super::unwind::Unwinder;
use crate::backtrace::{EntryLife, Frame, innermost};
use crate::program::Program;
use crate::{Call, Ran};

/// Names the places of one program.
#[derive(Debug)]
pub(crate) struct PlaceNames {
    program: Program,
    kind: SubjectKind,
    unwinder: Option<Unwinder>,
}

impl PlaceNames {
    /// Returns the names for this program, driven as this kind of subject.
    pub(crate) fn new(program: &Program, kind: SubjectKind) -> Self {
        Self { program: program.clone(), kind, unwinder: None }
    }

    /// Returns the program.
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// Returns the stack. The children that run traces are copies of the process, with the same addresses.
    fn frames(&mut self, process: &Process, stopped: &Stopped) -> Vec<Frame> {
        let Self { program, unwinder, .. } = self;
        let Some(pid) = process.id() else { return Vec::new() };
        unwinder.get_or_insert_with(|| Unwinder::of(pid, program)).frames(program, stopped)
    }

    /// Converts a result.
    pub(crate) fn read(&mut self, process: &Process, told: TraceResult) -> Ran {
        let TraceResult { mut observed, stopped, handed_out, freed, counts, ledger } = told;
        let mut backtrace = stopped.map_or_else(Vec::new, |stopped| self.frames(process, &stopped));
        let mut frames =
            |place: Option<Stopped>| place.map_or_else(Vec::new, |stopped| self.frames(process, &stopped));
        let life = EntryLife { handed_out: frames(handed_out), freed: frames(freed) };
        let hung = matches!(observed.verdict.outcome, Outcome::Hung { .. });
        if let Some(frame) = backtrace.first_mut().filter(|frame| hung && frame.function.is_some()) {
            frame.offset = 0;
        }
        match &mut observed.verdict.outcome {
            Outcome::Survived => {}
            // The frames are those of the requested moment instead.
            Outcome::Crashed { .. } | Outcome::Hung { .. } if observed.spotted => {}
            Outcome::Crashed { function, .. } | Outcome::Hung { function } => {
                *function = innermost(&backtrace).map(str::to_owned);
            }
        }
        Ran {
            verdict: observed.verdict,
            digest: observed.digest,
            digest_at_break: observed.digest_at_break,
            used_after_free: observed.used_after_free,
            counts,
            records: observed.records,
            marks: observed.marks,
            contents: observed.contents,
            first_use: None,
            backtrace,
            life,
            beside: None,
            ledger: ledger.into_iter().filter_map(|called| Call::of(called, self.kind)).collect(),
        }
    }

    /// Converts a refusal.
    pub(crate) fn refused(&mut self, process: &Process, refusal: Refusal) -> EngineError {
        let frames = refusal.stopped.map(|stopped| self.frames(process, &stopped));
        let place = frames.and_then(|frames| innermost(&frames).map(str::to_owned));
        match refusal.misbehaves {
            true => {
                EngineError::Misbehaves { path: self.program.path().to_path_buf(), why: refusal.why, place }
            }
            false => EngineError::Refused { why: refusal.why, place },
        }
    }
}
