//! A real program beside the replica: each trace that the search comes to is played on both.
//!
//! States of a real program are not looked into. Where the program's history and its indexes after every step are those
//! of the replica, it stands where the replica stands, and the replica's state is its own; what is broken is told by
//! the program's own run. Where they are not, the trace is kept, counted, and not gone on from.

use std::sync::{Mutex, PoisonError};

use treefall_model::event::SubjectKind;
use treefall_model::release::Rules;
use treefall_model::trace::Trace;

use super::worker::{To, WentOn};
use crate::oracle::{Agreement, compare};
use treefall_subject::replica::run_replica;
use treefall_subject::{Options, Ran, Subject, SubjectError};

/// Most traces given to a program at once.
const BATCH: usize = 256;

/// Real programs of one kind.
pub(super) struct Real {
    idle: Mutex<Vec<Box<dyn Subject>>>,
}

/// What came of going on from a state beside the program.
#[derive(Default)]
pub(super) struct Beside {
    pub(super) replays: u64,
    pub(super) different: Vec<Trace>,
}

impl Real {
    /// As many as work side by side.
    pub(super) fn new(crew: Vec<Box<dyn Subject>>) -> Self {
        Self { idle: Mutex::new(crew) }
    }

    /// Plays the traces of all ways on from some states, state by state, of which `states` has what the replica did.
    pub(super) fn play(
        &self,
        traces: &[Trace],
        states: &mut [WentOn],
        rules: Rules,
    ) -> Result<Vec<Beside>, SubjectError> {
        let taken = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // There is one for each worker.
        let mut subject = taken.ok_or(SubjectError::NoAnswer)?;
        let played = play(subject.as_mut(), traces, states, rules);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(subject);
        played
    }
}

/// All of them together, for a program begins a process for each batch.
fn play(
    subject: &mut dyn Subject,
    traces: &[Trace],
    states: &mut [WentOn],
    rules: Rules,
) -> Result<Vec<Beside>, SubjectError> {
    let mut ran = Vec::with_capacity(traces.len());
    for batch in traces.chunks(BATCH) {
        ran.extend(subject.run(batch, Options::HASHED)?);
    }
    let mut played = traces.iter().zip(&ran);
    let mut all = Vec::with_capacity(states.len());
    for went in states {
        let mut beside = Beside { replays: went.ways.len() as u64, different: Vec::new() };
        went.broken.clear();
        for ((label, to), (trace, real)) in went.ways.iter_mut().zip(played.by_ref()) {
            went.broken.extend(real.verdict.signatures().map(|signature| (*label, signature)));
            if !agree(subject, trace, rules, real)? {
                *to = To::Different;
                beside.different.push(trace.clone());
            }
        }
        all.push(beside);
    }
    Ok(all)
}

/// Whether the program did with a trace what the replica does. Histories are compared by their digests, and in full
/// only where these differ.
fn agree(subject: &mut dyn Subject, trace: &Trace, rules: Rules, real: &Ran) -> Result<bool, SubjectError> {
    let replica = run_replica(trace, rules, Options::HASHED);
    if replica.digest == real.digest && replica.verdict == real.verdict {
        return Ok(true);
    }
    let replica = run_replica(trace, rules, Options::COMPARE);
    let real = subject.run_one(trace, Options::COMPARE)?;
    Ok(!matches!(compare(SubjectKind::Engine, &replica, &real), Agreement::Differs(_)))
}
