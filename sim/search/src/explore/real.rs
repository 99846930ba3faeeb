//! Runs a real program beside the replica on each trace of the search.
//!
//! A real program may have state that its trees and lists do not show: statics, fields of entries. Each step from a
//! state is therefore played twice: as it is, and with further wakes appended. A step to a known state by another
//! path than the first one is thereby compared beyond that state too. If history and indexes after every step equal
//! the replica's, the program is assumed to be in the replica's state, and violations are those of the program's own
//! run. Otherwise the trace is kept, counted, and not extended.
//!
//! This is a check by samples, not a proof: differences that show only after more wakes are missed.

use std::sync::{Mutex, PoisonError};

use treefall_model::event::SubjectKind;
use treefall_model::id::ConfigId;
use treefall_model::release::Rules;
use treefall_model::trace::{Trace, Wake};

use super::worker::{Expansion, Successor};
use crate::oracle::{Agreement, compare};
use treefall_subject::replica::run_replica;
use treefall_subject::{Options, Ran, Subject, SubjectError};

/// Most traces in one batch of a program.
const BATCH: usize = 256;

/// Real programs of one kind.
pub(super) struct Real {
    idle: Mutex<Vec<Box<dyn Subject>>>,
}

/// The real program's results of expanding a state.
#[derive(Default)]
pub(super) struct RealExpansion {
    pub(super) replays: u64,
    pub(super) different: Vec<Trace>,
}

impl Real {
    /// Takes as many subjects as there are parallel workers.
    pub(super) fn new(workers: Vec<Box<dyn Subject>>) -> Self {
        Self { idle: Mutex::new(workers) }
    }

    /// Plays the traces of all steps from some states, state by state. `states` has the replica's results.
    pub(super) fn play(
        &self,
        traces: &[Trace],
        states: &mut [Expansion],
        rules: Rules,
    ) -> Result<Vec<RealExpansion>, SubjectError> {
        let taken = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // There is one subject for each worker.
        let mut subject = taken.ok_or(SubjectError::NoAnswer)?;
        let played = play(subject.as_mut(), traces, states, rules);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(subject);
        played
    }
}

/// Plays all of them together, because a program starts a process for each batch.
fn play(
    subject: &mut dyn Subject,
    traces: &[Trace],
    states: &mut [Expansion],
    rules: Rules,
) -> Result<Vec<RealExpansion>, SubjectError> {
    let mut ran = Vec::with_capacity(traces.len());
    let behind: Vec<Trace> = traces.iter().map(with_wakes_behind).collect();
    let mut ran_behind = Vec::with_capacity(traces.len());
    for (all, ran) in [(traces, &mut ran), (&behind, &mut ran_behind)] {
        for batch in all.chunks(BATCH) {
            ran.extend(subject.run(batch, Options::HASHED)?);
        }
    }
    let mut played = traces.iter().zip(&ran).zip(behind.iter().zip(&ran_behind));
    let mut all = Vec::with_capacity(states.len());
    for went in states {
        let mut beside = RealExpansion { replays: 2 * went.ways.len() as u64, different: Vec::new() };
        went.broken.clear();
        for ((label, to), (itself, longer)) in went.ways.iter_mut().zip(played.by_ref()) {
            went.broken.extend(itself.1.verdict.signatures().map(|signature| (*label, signature)));
            for (trace, real) in [itself, longer] {
                if !agree(subject, trace, rules, real)? {
                    *to = Successor::Different;
                    beside.different.push(trace.clone());
                    break;
                }
            }
        }
        all.push(beside);
    }
    Ok(all)
}

/// Returns the trace with further wakes appended: timers, with a reload among them.
fn with_wakes_behind(trace: &Trace) -> Trace {
    let timer = Wake::next_timer;
    let behind = [timer(), timer(), timer().hup(ConfigId(0)), timer(), timer(), timer()];
    let wakes = trace.wakes().iter().cloned().chain(behind).collect();
    // It grows by six wakes, and stays far below the limit of a trace.
    Trace::new(trace.setup().clone(), wakes).unwrap_or_else(|_| trace.clone())
}

/// Returns whether the program did with a trace what the replica does. Histories are compared by digests first, and
/// in full if these differ.
fn agree(subject: &mut dyn Subject, trace: &Trace, rules: Rules, real: &Ran) -> Result<bool, SubjectError> {
    let replica = run_replica(trace, rules, Options::HASHED);
    if replica.digest == real.digest && replica.verdict == real.verdict {
        return Ok(true);
    }
    let replica = run_replica(trace, rules, Options::COMPARE);
    let real = subject.run_one(trace, Options::COMPARE)?;
    Ok(!matches!(compare(SubjectKind::Engine, &replica, &real), Agreement::Differs(_)))
}
