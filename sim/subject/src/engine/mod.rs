//! Drives the scheduler of the real, unmodified program under the virtual clock: the parent's side.
//!
//! A library is preloaded into the program, takes control before its `main`, determines the layout of its data and
//! runs traces on the functions that the program exports (`sim/preload`). This module starts the program, sends
//! traces and receives results.
//!
//! Invariant: an [`EngineError`] states that the harness could not run, a
//! [`Verdict`](treefall_model::verdict::Verdict) what the program did; neither is ever reported as the other. Results
//! are in the order of the traces.

mod debugger;
pub(super) mod places;
pub(super) mod process;
mod subject;
mod unwind;

pub use process::{Apart, Conditions, LIBRARY};
pub use subject::EngineSubject;

use std::path::PathBuf;

use treefall_model::codec;
use treefall_model::event::SubjectKind;
use treefall_model::trace::Trace;
use treefall_world::wire::{self, Facts, Reply, Request, RulesAs};

use super::program::{Program, ProgramError};
use super::{Options, Ran};
use places::PlaceNames;
use process::Process;

/// A real program, calibrated and ready to run traces.
#[derive(Debug)]
pub struct Engine {
    process: Process,
    facts: Facts,
    teller: PlaceNames,
    ledger: bool,
    debugger: bool,
}

/// Why the engine cannot run a program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The program's scheduler cannot be found.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The library is not built for this machine.
    #[error("the engine runs on x86-64 Linux with glibc only; use `replica:RELEASE`, which runs everywhere")]
    OtherMachine,
    /// A resource for starting a process is not available.
    #[error("cannot make {what}: {source}; check the limits of open files and memory (`ulimit -a`)")]
    Start {
        /// The resource.
        what: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
    /// The program could not be started.
    #[error("cannot start {path}: {source}; check that it may be executed and that its loader is there")]
    Spawn {
        /// The program.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The library never got control of the program.
    #[error(
        "{path} cannot be taken over: it ended with {how} before it answered{said}; if libraries are missing there, \
         install them (`ldd` names them); else its loader did not load the engine's library, or it has start code \
         of its own, which no build of Debian's has"
    )]
    NotTakenOver {
        /// The program.
        path: PathBuf,
        /// How it ended.
        how: String,
        /// What it said on its standard error, after a colon.
        said: String,
    },
    /// The program ended while it was driven.
    #[error("the program ended with {how} where it should have answered{said}")]
    Gone {
        /// How it ended.
        how: String,
        /// What it said on its standard error, after a colon.
        said: String,
    },
    /// The program does not reach the place where the library takes control.
    #[error(
        "the program does not come to its first fork: {what}; it was ended. Look what it does before that: `strace -f \
         PROGRAM --dont-fork --vrrp`"
    )]
    Stuck {
        /// What it does instead.
        what: String,
    },
    /// The library refused the calibration or a run.
    #[error(
        "the engine cannot drive this program: {why}{}; use `replica:RELEASE`, and please report the build",
        place.as_ref().map_or_else(String::new, |place| format!(" (in {place})"))
    )]
    Refused {
        /// The reason.
        why: String,
        /// The program's function in which it happened.
        place: Option<String>,
    },
    /// Its data are as expected, but its functions do not behave as a scheduler's.
    #[error(
        "{path} does not do what a scheduler does, before any trace is played: {why}{}",
        place.as_ref().map_or_else(String::new, |place| format!(" (in {place})"))
    )]
    Misbehaves {
        /// The program.
        path: PathBuf,
        /// What it does wrong.
        why: String,
        /// The program's function in which it happened.
        place: Option<String>,
    },
    /// The run under gdb failed.
    #[error("{why}; without `--gdb` the program runs by itself")]
    Debugger {
        /// The reason.
        why: String,
    },
    /// The batch exceeds the limit of a message.
    #[error("a batch of {bytes} bytes is too large for the engine; run fewer traces at a time")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The answer cannot be decoded.
    #[error("the engine's answer cannot be read; this is a fault of treefall: please report it")]
    Garbled,
}

impl EngineError {
    /// Converts the error of a program that has not answered yet: the library did not get control.
    pub(crate) fn before_an_answer(self, program: &Program) -> Self {
        match self {
            Self::Gone { how, said } => Self::NotTakenOver { path: program.path().to_path_buf(), how, said },
            other => other,
        }
    }
}

impl Engine {
    /// Starts and calibrates `program`.
    ///
    /// # Errors
    /// An [`EngineError`] when it cannot be driven.
    pub fn start(program: &Program) -> Result<Self, EngineError> {
        Self::start_under(program, &Conditions::default())
    }

    /// Starts and calibrates `program` in a process with other conditions.
    ///
    /// # Errors
    /// An [`EngineError`] when it cannot be driven.
    pub fn start_under(program: &Program, conditions: &Conditions) -> Result<Self, EngineError> {
        program.engine_offsets()?;
        let mut process = Process::start(program, conditions)?;
        let asked =
            process.ask(&Request::Calibrate { symbols: program.symbols(), clocks: conditions.clocks });
        let answered = asked.and_then(|()| process.answer()).map_err(|error| error.before_an_answer(program));
        let mut teller = PlaceNames::new(program, SubjectKind::Engine);
        match answered? {
            Reply::Ready(facts) => {
                Ok(Self { process, facts, teller, ledger: false, debugger: conditions.debugger })
            }
            Reply::Refused(refusal) => Err(teller.refused(&process, refusal)),
            Reply::Results(_) | Reply::Serving => Err(EngineError::Garbled),
        }
    }

    /// Returns the program.
    #[must_use]
    pub fn program(&self) -> &Program {
        self.teller.program()
    }

    /// Switches the recording of the program's calls on or off.
    pub fn keep_ledger(&mut self, on: bool) {
        self.ledger = on;
    }

    /// Returns the results of the calibration.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Runs the traces, each with a fresh master and a world that follows `rules`.
    ///
    /// # Errors
    /// An [`EngineError`] when the harness fails. A crash or a hang of the program is not an error.
    pub fn run(
        &mut self,
        traces: &[Trace],
        rules: &RulesAs,
        watch: Options,
    ) -> Result<Vec<Ran>, EngineError> {
        let rules = rules.clone();
        let options =
            wire::Options { rules, watch, ledger: self.ledger, stands: self.debugger, follow: None };
        let mut ran = self.play(traces, &options)?;
        let again = watch.digest && !self.debugger;
        for (trace, ran) in traces.iter().zip(&mut ran).filter(|_| again) {
            if let Some(used) = ran.used_after_free {
                let options = wire::Options { follow: Some(used.block), ..options.clone() };
                let again = self.play(std::slice::from_ref(trace), &options)?.pop();
                ran.life = again.map(|again| again.life).unwrap_or_default();
            }
        }
        Ok(ran)
    }

    /// Runs the traces once.
    fn play(&mut self, traces: &[Trace], options: &wire::Options) -> Result<Vec<Ran>, EngineError> {
        let encoded = traces.iter().map(codec::encode).collect();
        let options = options.clone();
        self.process.ask(&Request::Batch { options, traces: encoded })?;
        if self.debugger {
            let program = self.process.id().ok_or_else(|| EngineError::Debugger {
                why: "the program's process cannot be found".to_owned(),
            })?;
            debugger::attach(program)?;
        }
        let mut ran = Vec::with_capacity(traces.len());
        while ran.len() < traces.len() {
            match self.process.answer()? {
                Reply::Results(results) if !results.is_empty() => {
                    ran.extend(results.into_iter().map(|told| self.teller.read(&self.process, told)));
                }
                Reply::Refused(refusal) => return Err(self.teller.refused(&self.process, refusal)),
                Reply::Ready(_) | Reply::Results(_) | Reply::Serving => return Err(EngineError::Garbled),
            }
        }
        Ok(ran)
    }
}
