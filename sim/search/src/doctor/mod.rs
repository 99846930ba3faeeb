//! Checks that the result of a trace depends on nothing else: runs each trace twice, the second time with all
//! conditions changed.
//!
//! Two runs under the same conditions prove little, so the second one is in another process with other conditions
//! ([`Condition`]). If two runs differ, the trace runs again in fresh processes with one condition changed at a time,
//! which shows what the subject depends on.
//!
//! Invariant: runs are compared by the digests of their histories and of the indexes after each step; a difference is
//! reported by its first field.

mod conditions;
mod load;

pub use conditions::{Changed, Condition, possible};

use treefall_model::event::SubjectKind;
use treefall_model::trace::Trace;

use crate::error::SearchError;
use crate::generator::Source;
use crate::oracle::{Nondeterminism, compare_runs};
use conditions::of_process;
use load::Load;
use treefall_base::control::{Control, Interrupted};
use treefall_subject::target::Target;
use treefall_subject::{Options, Ran, Subject, SubjectError, build_under};

/// Traces that run twice before they are compared.
const CHUNK: u64 = 250;
/// The same for a daemon, which takes a hundred times as long for each.
const CHUNK_OF_DAEMON: u64 = 40;
/// Most traces of one batch of a daemon, which cannot be interrupted within a batch.
const BATCH_OF_DAEMON: usize = 8;
/// Sizes of the batches when these are changed, repeated.
const BATCHES: [usize; 5] = [1, 17, 3, 64, 40];
/// Most differences whose cause is determined: each takes a dozen processes.
const EXPLAINED_MAX: u64 = 2;

/// A trace whose two runs differ.
#[derive(Clone, Debug)]
pub struct NotRepeatable {
    /// Its number in the campaign.
    pub number: u64,
    /// The first field that differs; `None`: the difference did not recur when history and indexes were kept.
    pub difference: Option<Nondeterminism>,
    /// The cause of the difference.
    pub cause: DifferenceCause,
}

/// The cause of a difference between two runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DifferenceCause {
    /// Each of these conditions, changed alone.
    Alone(Vec<Condition>),
    /// Several conditions together, or chance: no condition alone.
    Together,
    /// No condition: two processes that start alike already differ.
    Nothing,
    /// It was not determined.
    NotLookedFor,
}

/// The examination of a subject.
pub struct Doctor<'t> {
    target: &'t Target,
    seed: u64,
    changed: Changed,
    first: Box<dyn Subject>,
    second: Box<dyn Subject>,
    /// Number of traces that differed.
    different: u64,
}

impl<'t> Doctor<'t> {
    /// Compares runs with nothing changed and with `changed`, which must be [`possible`].
    ///
    /// # Errors
    /// When the subject cannot run.
    pub fn new(target: &'t Target, seed: u64, changed: Changed) -> Result<Self, SubjectError> {
        let first = build_under(target, &of_process(&Changed::new(), &changed))?;
        let second = build_under(target, &of_process(&changed, &changed))?;
        Ok(Self { target, seed, changed, first, second, different: 0 })
    }

    /// Examines the next traces from `from` on, below `end`. Returns their number, and the differences in order of
    /// trace numbers.
    ///
    /// Checks `control` before each batch. After an interruption the result covers the traces that ran twice.
    ///
    /// # Errors
    /// When the subject cannot run.
    pub fn examine(
        &mut self,
        from: u64,
        end: u64,
        control: Control<'_, ()>,
    ) -> Result<(u64, Vec<NotRepeatable>), SubjectError> {
        let chunk = if self.target.kind() == SubjectKind::Daemon { CHUNK_OF_DAEMON } else { CHUNK };
        let numbers: Vec<u64> = (from..end.min(from.saturating_add(chunk))).collect();
        let traces: Vec<Trace> = numbers
            .iter()
            .map(|number| Source::swarm(self.seed).trace_for(self.first.as_ref(), *number))
            .collect();
        let once = run_changed(self.first.as_mut(), &traces, &Changed::new(), Options::HASHED, control)?;
        let again = run_changed(self.second.as_mut(), &traces, &self.changed, Options::HASHED, control)?;
        let (mut examined, mut found) = (0, Vec::new());
        for (place, both) in once.into_iter().zip(again).enumerate() {
            let (Some(one), Some(other)) = both else { continue };
            examined += 1;
            let Err(differs) = compare_runs(&one, &other) else { continue };
            self.different += 1;
            let explained = match self.different {
                ..=EXPLAINED_MAX => self.explain(&traces, place, control),
                _ => Err(Interrupted.into()),
            };
            let (difference, cause) = match explained {
                Err(SearchError::Interrupted(_)) => (Some(differs), DifferenceCause::NotLookedFor),
                Err(SearchError::Subject(error)) => return Err(error),
                Ok(explained) => explained,
            };
            found.push(NotRepeatable { number: numbers[place], difference, cause });
        }
        Ok((examined, found))
    }

    /// Runs the trace at `place` in fresh processes. Returns what differs, and why.
    fn explain(
        &self,
        traces: &[Trace],
        place: usize,
        control: Control<'_, ()>,
    ) -> Result<(Option<Nondeterminism>, DifferenceCause), SearchError> {
        let fresh = |changed: &Changed| self.fresh(traces, place, changed, control);
        let plain = fresh(&Changed::new())?;
        let all = fresh(&self.changed)?;
        let difference = compare_runs(&plain, &all).err();
        if compare_runs(&plain, &fresh(&Changed::new())?).is_err() {
            return Ok((difference, DifferenceCause::Nothing));
        }
        let mut alone = Vec::new();
        for condition in &self.changed {
            let ran = fresh(&Changed::from([*condition]))?;
            if compare_runs(&plain, &ran).is_err() {
                alone.push(*condition);
            }
        }
        Ok((
            difference,
            if alone.is_empty() { DifferenceCause::Together } else { DifferenceCause::Alone(alone) },
        ))
    }

    /// Runs the trace at `place` and all those around it in a process of its own.
    fn fresh(
        &self,
        traces: &[Trace],
        place: usize,
        changed: &Changed,
        control: Control<'_, ()>,
    ) -> Result<Ran, SearchError> {
        let mut subject = build_under(self.target, &of_process(changed, &self.changed))?;
        let mut ran = run_changed(subject.as_mut(), traces, changed, Options::COMPARE, control)?;
        ran.swap_remove(place).ok_or_else(|| Interrupted.into())
    }
}

/// Runs the traces in the order and batches that `changed` asks for, until `control` interrupts. Returns results in
/// the order of the traces, `None` for those that did not run.
fn run_changed(
    subject: &mut dyn Subject,
    traces: &[Trace],
    changed: &Changed,
    options: Options,
    control: Control<'_, ()>,
) -> Result<Vec<Option<Ran>>, SubjectError> {
    let _load = changed.contains(&Condition::Load).then(Load::begin);
    let backwards: Vec<Trace>;
    let is_backwards = changed.contains(&Condition::Order);
    let mut rest = if is_backwards {
        backwards = traces.iter().rev().cloned().collect();
        backwards.as_slice()
    } else {
        traces
    };
    let size_max = if subject.kind() == SubjectKind::Daemon { BATCH_OF_DAEMON } else { usize::MAX };
    let mut sizes = BATCHES.iter().cycle();
    let mut ran = Vec::with_capacity(traces.len());
    while !rest.is_empty() && control.check(()).is_ok() {
        let size = if changed.contains(&Condition::Batches) {
            sizes.next().copied().unwrap_or(1)
        } else {
            rest.len()
        };
        let (batch, later) = rest.split_at(size.min(size_max).min(rest.len()));
        let results = subject.run(batch, options)?;
        if results.len() != batch.len() {
            return Err(SubjectError::NoAnswer);
        }
        ran.extend(results.into_iter().map(Some));
        rest = later;
    }
    ran.resize(traces.len(), None);
    if is_backwards {
        ran.reverse();
    }
    Ok(ran)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use treefall_model::release::{Release, Rules};

    use treefall_subject::replica::run_replica;

    /// A replica that poses as another kind, and records the sizes of its batches.
    struct Counting {
        kind: SubjectKind,
        sizes: Vec<usize>,
    }

    impl Subject for Counting {
        fn kind(&self) -> SubjectKind {
            self.kind
        }

        fn name(&self) -> String {
            "counting".to_owned()
        }

        fn rules(&self) -> Rules {
            Rules::of(Release::NEWEST)
        }

        fn run(&mut self, traces: &[Trace], options: Options) -> Result<Vec<Ran>, SubjectError> {
            self.sizes.push(traces.len());
            Ok(traces.iter().map(|trace| run_replica(trace, self.rules(), options)).collect())
        }
    }

    /// The sizes of the batches, and which of 40 traces ran, if an interruption follows after so many batches.
    fn stopped_after(batches: usize, kind: SubjectKind, changed: &[Condition]) -> (Vec<usize>, Vec<bool>) {
        let traces: Vec<Trace> = (0..40).map(|number| Source::swarm(1).trace(number)).collect();
        let mut subject = Counting { kind, sizes: Vec::new() };
        let done = AtomicUsize::new(0);
        let keep_going = |()| done.fetch_add(1, Ordering::Relaxed) < batches;
        let changed = changed.iter().copied().collect();
        let ran = run_changed(&mut subject, &traces, &changed, Options::VERDICT, Control::new(&keep_going));
        let ran = ran.expect("it runs");
        (subject.sizes, ran.iter().map(Option::is_some).collect())
    }

    #[test]
    fn a_daemon_is_given_few_traces_at_a_time_and_so_ends_soon_after_the_word_to_stop() {
        let (sizes, ran) = stopped_after(usize::MAX, SubjectKind::Daemon, &[]);
        assert_eq!((sizes, ran), (vec![8; 5], vec![true; 40]));
        let (sizes, ran) = stopped_after(2, SubjectKind::Daemon, &[]);
        assert_eq!((sizes, ran), (vec![8; 2], [vec![true; 16], vec![false; 24]].concat()));
        assert_eq!(stopped_after(usize::MAX, SubjectKind::Engine, &[]).0, [40]);
    }

    #[test]
    fn of_traces_run_backwards_the_last_were_run_when_the_word_to_stop_comes() {
        let changed = [Condition::Order, Condition::Batches];
        let (sizes, ran) = stopped_after(2, SubjectKind::Engine, &changed);
        assert_eq!((sizes, ran), (vec![1, 17], [vec![false; 22], vec![true; 18]].concat()));
    }
}
