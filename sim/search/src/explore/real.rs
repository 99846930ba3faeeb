//! A real program beside the replica: each trace that the search comes to is played on both.
//!
//! A real program may hold state that its trees and lists do not show: statics, fields of entries. So each way on from a
//! state is played twice: as it is, and with further wakes behind it. A way that leads to a known state, by another path than
//! the one that is gone on from, is thereby compared beyond that state too. Where history and indexes after every step are
//! those of the replica, the program is taken to be where the replica is; what is broken is told by the program's own
//! run. Where they are not, the trace is kept, counted, and not gone on from.
//!
//! This is a check by samples, no proof: what differs only after more wakes than these is not seen.

use std::sync::{Mutex, PoisonError};

use treefall_model::event::SubjectKind;
use treefall_model::id::ConfigId;
use treefall_model::release::Rules;
use treefall_model::trace::{Trace, Wake};

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
    pub(super) fn new(workers: Vec<Box<dyn Subject>>) -> Self {
        Self { idle: Mutex::new(workers) }
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
        let mut beside = Beside { replays: 2 * went.ways.len() as u64, different: Vec::new() };
        went.broken.clear();
        for ((label, to), (itself, longer)) in went.ways.iter_mut().zip(played.by_ref()) {
            went.broken.extend(itself.1.verdict.signatures().map(|signature| (*label, signature)));
            for (trace, real) in [itself, longer] {
                if !agree(subject, trace, rules, real)? {
                    *to = To::Different;
                    beside.different.push(trace.clone());
                    break;
                }
            }
        }
        all.push(beside);
    }
    Ok(all)
}

/// The trace with further wakes behind it: timers, a reload among them.
fn with_wakes_behind(trace: &Trace) -> Trace {
    let timer = Wake::next_timer;
    let behind = [timer(), timer(), timer().hup(ConfigId(0)), timer(), timer(), timer()];
    let wakes = trace.wakes().iter().cloned().chain(behind).collect();
    // It grows by six wakes: far below the most that there may be.
    Trace::new(trace.setup().clone(), wakes).unwrap_or_else(|_| trace.clone())
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
