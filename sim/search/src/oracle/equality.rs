//! Compares a replica with the real program of its release, record by record and index by index.
//!
//! They must agree on every trace up to the first use of a freed entry. From there on the C heap decides what is
//! read, and both only need to survive or die with a broken memory law.

use std::fmt;

use treefall_model::event::{Record, SubjectKind};
use treefall_model::observe::Mark;
use treefall_model::trace::{ScriptKind, Trace};
use treefall_model::verdict::{Outcome, Verdict, Violation};

use treefall_subject::Ran;

/// The result of comparing one trace on two subjects.
#[derive(Clone, PartialEq, Debug)]
pub enum Agreement {
    /// Equal to the end: records, indexes after every step, verdict and outcome.
    Whole,
    /// Equal up to the replica's first use of a freed entry; both broke a memory law.
    UpToFirstUse,
    /// Not equal.
    Differs(Difference),
}

/// The first difference of two subjects.
#[derive(Clone, PartialEq, Debug)]
pub enum Difference {
    /// A record.
    Record {
        /// Its place in the history.
        place: usize,
        /// The first subject's record; `None`: its history has ended.
        first: Option<Record>,
        /// The second subject's record.
        second: Option<Record>,
    },
    /// The indexes after a step.
    Index {
        /// The place of the step.
        place: usize,
        /// The first subject's indexes; `None`: there is no such step.
        first: Option<Mark>,
        /// The second subject's indexes.
        second: Option<Mark>,
    },
    /// The histories are equal, but laws broken or outcomes differ.
    Outcome {
        /// Laws broken and outcome on the first subject.
        first: String,
        /// The same on the second.
        second: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record { place, first, second } => {
                write!(f, "record {place}: first {}, second {}", show(first.as_ref()), show(second.as_ref()))
            }
            Self::Index { place, first, second } => {
                let show = |mark: &Option<Mark>| match mark {
                    Some(mark) => format!(
                        "{} after {} records, index {:016x}",
                        mark.step.name(),
                        mark.records,
                        mark.index_hash
                    ),
                    None => "no such step".to_owned(),
                };
                write!(f, "step {place}: first {}, second {}", show(first), show(second))
            }
            Self::Outcome { first, second } => write!(f, "in the end: first {first}, second {second}"),
        }
    }
}

fn show(record: Option<&Record>) -> String {
    record.map_or_else(|| "nothing more".to_owned(), |record| format!("{} {:?}", record.at, record.event))
}

/// Compares the run of a real program of this kind with the replica's run of the same trace. `replica` records where
/// a freed entry was first used; both runs must have kept their histories.
///
/// Only values that both subjects know are compared. The function in which a program died is compared if both name
/// it, because a build without symbols names none. A daemon's heap hands out blocks for more than entries (2.2.7's
/// scripts are as large as an entry), so that block numbers are not compared there.
#[must_use]
pub fn compare(kind: SubjectKind, replica: &Ran, real: &Ran) -> Agreement {
    let limit =
        replica.first_use.map_or(usize::MAX, |records| usize::try_from(records).unwrap_or(usize::MAX));
    if let Some(difference) = first_record(&replica.records, &real.records, limit) {
        return Agreement::Differs(difference);
    }
    if let Some(difference) = first_mark(&replica.marks, &real.marks, limit) {
        return Agreement::Differs(difference);
    }
    let same = alike(kind, &replica.verdict, &real.verdict) && replica.digest == real.digest;
    if same {
        return Agreement::Whole;
    }
    let both_broken = replica.verdict.memory_break().is_some() && real.verdict.memory_break().is_some();
    if replica.first_use.is_some() && both_broken {
        return Agreement::UpToFirstUse;
    }
    Agreement::Differs(Difference::Outcome { first: told(replica), second: told(real) })
}

/// Returns whether two verdicts agree.
fn alike(kind: SubjectKind, replica: &Verdict, real: &Verdict) -> bool {
    let blocks = kind != SubjectKind::Daemon;
    let same = |(one, other): (&Violation, &Violation)| {
        let comparable = |broken: &Violation| broken.detail.clone().comparable(blocks);
        (one.signature, one.at, one.records) == (other.signature, other.at, other.records)
            && comparable(one) == comparable(other)
    };
    ended_alike(&replica.outcome, &real.outcome)
        && replica.breaks.len() == real.breaks.len()
        && replica.breaks.iter().zip(&real.breaks).all(same)
}

/// Returns whether two runs ended in the same way, as far as both subjects know it.
pub(super) fn ended_alike(one: &Outcome, other: &Outcome) -> bool {
    let (first, second) = (one.function().map(seen_as), other.function().map(seen_as));
    let both_named = first.is_some() && second.is_some();
    one.without_function() == other.without_function() && (!both_named || first == second)
}

/// Returns the function in whose place another may appear: a compiler may inline it into its only caller.
fn seen_as(function: &str) -> &str {
    match function {
        "thread_fetch_next_queue" => "process_threads",
        _ => function,
    }
}

fn told(ran: &Ran) -> String {
    let breaks: Vec<String> = ran.verdict.signatures().map(|signature| signature.to_string()).collect();
    format!("[{}] {}", breaks.join(", "), ran.verdict.outcome)
}

pub(super) fn first_record(first: &[Record], second: &[Record], limit: usize) -> Option<Difference> {
    let end = first.len().max(second.len()).min(limit);
    (0..end).find_map(|place| {
        let (one, other) = (first.get(place).copied(), second.get(place).copied());
        (one != other).then_some(Difference::Record { place, first: one, second: other })
    })
}

/// Compares marks while all records before them are within the limit.
pub(super) fn first_mark(first: &[Mark], second: &[Mark], limit: usize) -> Option<Difference> {
    let within = |mark: Option<&Mark>| mark.filter(|mark| mark.records < limit as u64).copied();
    (0..first.len().max(second.len())).find_map(|place| {
        let (one, other) = (within(first.get(place)), within(second.get(place)));
        (one != other).then_some(Difference::Index { place, first: one, second: other })
    })
}

/// Counts how many traces agreed, and what they contained: a comparison without reloads proves little.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Census {
    /// Traces compared.
    pub traces: u64,
    /// Equal to the end.
    pub whole: u64,
    /// Equal up to the first use of a freed entry.
    pub up_to_first_use: u64,
    /// Not equal.
    pub different: u64,
    /// Traces whose setup has a fifo script.
    pub with_fifo: u64,
    /// Traces with a reload, a timeout and an exit.
    pub with_all_three: u64,
    /// Traces in which an entry was cancelled.
    pub with_cancel: u64,
    /// Traces that broke a memory law.
    pub with_memory_break: u64,
    /// Traces that the real program did not survive.
    pub ended_badly: u64,
    /// Records compared.
    pub records: u64,
}

impl Census {
    /// Adds the counts of another census.
    pub fn merge(&mut self, other: &Self) {
        let Self { traces, whole, up_to_first_use, different, .. } = *other;
        self.traces += traces;
        self.whole += whole;
        self.up_to_first_use += up_to_first_use;
        self.different += different;
        self.with_fifo += other.with_fifo;
        self.with_all_three += other.with_all_three;
        self.with_cancel += other.with_cancel;
        self.with_memory_break += other.with_memory_break;
        self.ended_badly += other.ended_badly;
        self.records += other.records;
    }

    /// Counts the comparison of one trace.
    pub fn add(&mut self, trace: &Trace, agreement: &Agreement, real: &Ran) {
        self.traces += 1;
        match agreement {
            Agreement::Whole => self.whole += 1,
            Agreement::UpToFirstUse => self.up_to_first_use += 1,
            Agreement::Differs(_) => self.different += 1,
        }
        self.with_fifo += u64::from(trace.setup().has_kind(ScriptKind::Fifo));
        let counts = real.counts;
        self.with_all_three += u64::from(counts.reloads > 0 && counts.timeouts > 0 && counts.exits > 0);
        self.with_cancel += u64::from(counts.cancels > 0);
        self.with_memory_break += u64::from(real.verdict.memory_break().is_some());
        self.ended_badly += u64::from(!real.verdict.outcome.survived());
        self.records += counts.records;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator;
    use treefall_model::event::{EntryKind, Step};
    use treefall_model::index::List;
    use treefall_model::law::Law;
    use treefall_model::release::{Release, Rules};
    use treefall_model::signal::Signal;
    use treefall_model::verdict::Signature;
    use treefall_model::violation::{Detail, Index};
    use treefall_subject::Options;
    use treefall_subject::replica::run_replica;

    /// A run that breaks memory, and the same run with another block number.
    fn renumbered() -> (Ran, Ran) {
        let rules = Rules::of(Release::parse("2.2.7").expect("a release"));
        let mut ran = (0..200)
            .map(|number| run_replica(&generator::generate(1, number), rules, Options::COMPARE))
            .find(|ran| ran.verdict.memory_break().is_some())
            .expect("one in two hundred");
        // As if it had ended before the first use.
        ran.first_use = None;
        let mut other = ran.clone();
        let last = other.verdict.breaks.last_mut().expect("it breaks");
        let Detail::Flawed { entry: Some(entry), .. } = &mut last.detail else {
            panic!("{:?}", last.detail);
        };
        entry.block.0 += 1;
        (ran, other)
    }

    #[test]
    fn block_numbers_are_not_compared_on_a_daemon() {
        let (replica, real) = renumbered();
        assert_eq!(compare(SubjectKind::Daemon, &replica, &real), Agreement::Whole);
        assert!(matches!(
            compare(SubjectKind::Engine, &replica, &real),
            Agreement::Differs(Difference::Outcome { .. })
        ));
    }

    #[test]
    fn every_other_fact_of_a_violation_is_compared_on_a_daemon_too() {
        let (replica, real) = renumbered();
        let changed = |change: &dyn Fn(&mut Detail)| {
            let mut real = real.clone();
            change(&mut real.verdict.breaks.last_mut().expect("it breaks").detail);
            compare(SubjectKind::Daemon, &replica, &real)
        };
        let kind = changed(&|detail| {
            let Detail::Flawed { entry: Some(entry), .. } = detail else { panic!("{detail:?}") };
            entry.kind = EntryKind::Other;
        });
        let index = changed(&|detail| {
            let Detail::Flawed { index, .. } = detail else { panic!("{detail:?}") };
            *index = Index::List(List::Event);
        });
        for agreement in [kind, index] {
            assert!(matches!(agreement, Agreement::Differs(Difference::Outcome { .. })), "{agreement:?}");
        }
    }

    /// A run that crashed in a function of this name, if its program has symbols.
    fn crashed(function: Option<&str>) -> Ran {
        let (mut ran, _) = renumbered();
        let function = function.map(str::to_owned);
        let outcome = Outcome::Crashed { signal: Signal::SEGV, function };
        let signature = Signature { law: Law::TreeShape, step: Step::Ended, entry: None };
        let detail = Detail::Died { outcome: outcome.clone() };
        ran.verdict = Verdict { breaks: vec![Violation { detail, ..Violation::bare(signature) }], outcome };
        ran
    }

    #[test]
    fn a_function_that_only_one_side_can_name_is_no_difference() {
        let replica = crashed(Some("rb_erase"));
        for kind in [SubjectKind::Engine, SubjectKind::Daemon] {
            assert_eq!(compare(kind, &replica, &crashed(None)), Agreement::Whole);
            let other = compare(kind, &replica, &crashed(Some("rb_insert_color")));
            assert!(matches!(other, Agreement::Differs(Difference::Outcome { .. })), "{other:?}");
        }
    }

    #[test]
    fn another_signal_is_a_difference_also_where_no_function_is_named() {
        let replica = crashed(Some("rb_erase"));
        let mut real = crashed(None);
        real.verdict.outcome = Outcome::Crashed { signal: Signal::new(6).expect("a signal"), function: None };
        let agreement = compare(SubjectKind::Engine, &replica, &real);
        assert!(matches!(agreement, Agreement::Differs(Difference::Outcome { .. })), "{agreement:?}");
    }
}
