//! Whether a subject tells the same of a trace whatever surrounds it: each trace twice, the second time with
//! everything changed that can be.
//!
//! Two runs under the same conditions prove little, so the second is in another process with other conditions
//! ([`Condition`]). Where two runs differ, the trace is run again in fresh processes with one condition changed
//! at a time, so that it is told what the subject has seen that it must not see.
//!
//! Always: runs are compared by the digest of their history and of the indexes after each step; what is told of
//! a difference is its first field.

mod conditions;
mod load;

pub use conditions::{Changed, Condition, possible};

use treefall_model::trace::Trace;

use crate::generator::Source;
use crate::oracle::{Nondeterminism, compare_runs};
use crate::subject::target::Target;
use crate::subject::{Options, Ran, Subject, SubjectError, build_under};
use conditions::of_process;
use load::Load;

/// Traces that are run, and then run again, before they are compared.
const CHUNK: u64 = 250;
/// Sizes of the batches where those are changed, over and over.
const BATCHES: [usize; 5] = [1, 17, 3, 64, 40];
/// Differences whose cause is looked for: each takes a dozen processes.
const EXPLAINED_MAX: u64 = 2;

/// A trace that was not told the same twice.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its number in the campaign.
    pub number: u64,
    /// The first field that differs; `None`: it was not seen again when history and indexes were kept.
    pub difference: Option<Nondeterminism>,
    /// What brings it about.
    pub cause: Cause,
}

/// What brings a difference about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// Each of these, changed alone.
    Alone(Vec<Condition>),
    /// No change alone: several together, or chance.
    Together,
    /// Nothing needs to be changed: two processes that are started alike differ already.
    Nothing,
    /// It was not looked for.
    NotLookedFor,
}

/// A subject that is examined.
pub struct Doctor<'t> {
    target: &'t Target,
    seed: u64,
    changed: Changed,
    first: Box<dyn Subject>,
    second: Box<dyn Subject>,
    /// Traces that differed.
    different: u64,
}

impl<'t> Doctor<'t> {
    /// The first run with nothing changed, the second with `changed`, of what is [`possible`].
    ///
    /// # Errors
    /// When the subject cannot run.
    pub fn new(target: &'t Target, seed: u64, changed: Changed) -> Result<Self, SubjectError> {
        let first = build_under(target, &of_process(&Changed::new(), &changed))?;
        let second = build_under(target, &of_process(&changed, &changed))?;
        Ok(Self { target, seed, changed, first, second, different: 0 })
    }

    /// Examines the traces from `from` on, as many as are taken at a time and below `end`; what was found, in the
    /// order of their numbers.
    ///
    /// # Errors
    /// When the subject cannot run.
    pub fn examine(&mut self, from: u64, end: u64) -> Result<(u64, Vec<Found>), SubjectError> {
        let numbers: Vec<u64> = (from..end.min(from.saturating_add(CHUNK))).collect();
        let traces: Vec<Trace> =
            numbers.iter().map(|number| self.first.drawn(Source::swarm(self.seed), *number)).collect();
        let once = run_changed(self.first.as_mut(), &traces, &Changed::new(), Options::HASHED)?;
        let again = run_changed(self.second.as_mut(), &traces, &self.changed, Options::HASHED)?;
        let mut found = Vec::new();
        for (place, (one, other)) in once.iter().zip(&again).enumerate() {
            if compare_runs(one, other).is_ok() {
                continue;
            }
            self.different += 1;
            let (difference, cause) = if self.different <= EXPLAINED_MAX {
                self.explain(&traces, place)?
            } else {
                (compare_runs(one, other).err(), Cause::NotLookedFor)
            };
            found.push(Found { number: numbers[place], difference, cause });
        }
        Ok((numbers.len() as u64, found))
    }

    /// The trace at `place` in fresh processes: what differs, and what brings it about.
    fn explain(
        &self,
        traces: &[Trace],
        place: usize,
    ) -> Result<(Option<Nondeterminism>, Cause), SubjectError> {
        let plain = self.fresh(traces, place, &Changed::new())?;
        let all = self.fresh(traces, place, &self.changed)?;
        let difference = compare_runs(&plain, &all).err();
        if compare_runs(&plain, &self.fresh(traces, place, &Changed::new())?).is_err() {
            return Ok((difference, Cause::Nothing));
        }
        let mut alone = Vec::new();
        for condition in &self.changed {
            let ran = self.fresh(traces, place, &Changed::from([*condition]))?;
            if compare_runs(&plain, &ran).is_err() {
                alone.push(*condition);
            }
        }
        Ok((difference, if alone.is_empty() { Cause::Together } else { Cause::Alone(alone) }))
    }

    /// The trace at `place`, with all those around it, in a process of its own.
    fn fresh(&self, traces: &[Trace], place: usize, changed: &Changed) -> Result<Ran, SubjectError> {
        let mut subject = build_under(self.target, &of_process(changed, &self.changed))?;
        let mut ran = run_changed(subject.as_mut(), traces, changed, Options::COMPARE)?;
        Ok(ran.swap_remove(place))
    }
}

/// Runs the traces in the order, batches and company that `changed` asks for; results in the order of the traces.
fn run_changed(
    subject: &mut dyn Subject,
    traces: &[Trace],
    changed: &Changed,
    options: Options,
) -> Result<Vec<Ran>, SubjectError> {
    let _load = changed.contains(&Condition::Load).then(Load::begin);
    let backwards: Vec<Trace>;
    let is_backwards = changed.contains(&Condition::Order);
    let mut rest = if is_backwards {
        backwards = traces.iter().rev().cloned().collect();
        backwards.as_slice()
    } else {
        traces
    };
    let mut sizes = BATCHES.iter().cycle();
    let mut ran = Vec::with_capacity(traces.len());
    while !rest.is_empty() {
        let size = if changed.contains(&Condition::Batches) {
            sizes.next().copied().unwrap_or(1).min(rest.len())
        } else {
            rest.len()
        };
        let (batch, later) = rest.split_at(size);
        let results = subject.run(batch, options)?;
        if results.len() != batch.len() {
            return Err(SubjectError::NoAnswer);
        }
        ran.extend(results);
        rest = later;
    }
    if is_backwards {
        ran.reverse();
    }
    Ok(ran)
}
