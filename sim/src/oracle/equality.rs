//! The equality of a replica and the real program of its release, event for event and index for index.
//!
//! They must agree on every trace up to the first use of a freed entry: from there on the C heap decides what
//! is read, and the two need only both go on with a broken memory law behind them.

use std::fmt;

use treefall_model::event::{Record, SubjectKind};
use treefall_model::observe::Mark;
use treefall_model::trace::{ScriptKind, Trace};
use treefall_model::verdict::Verdict;

use treefall_subject::Ran;

/// What comparing one trace on two subjects gave.
#[derive(Clone, PartialEq, Debug)]
pub enum Agreement {
    /// Equal to the end: records, indexes after every step, verdict and outcome.
    Whole,
    /// Equal up to the first use of a freed entry, in the replica; both broke a memory law.
    UpToFirstUse,
    /// Not equal.
    Differs(Difference),
}

/// The first thing in which two subjects differ.
#[derive(Clone, PartialEq, Debug)]
pub enum Difference {
    /// A record.
    Record {
        /// Its place in the history.
        place: usize,
        /// As the first subject has it; `None`: its history has ended.
        first: Option<Record>,
        /// As the second has it.
        second: Option<Record>,
    },
    /// The indexes after a step.
    Index {
        /// The place of the step.
        place: usize,
        /// As the first subject has it; `None`: there is no such step.
        first: Option<Mark>,
        /// As the second has it.
        second: Option<Mark>,
    },
    /// Histories are equal, but not what became of the run.
    Outcome {
        /// On the first subject: laws broken and outcome.
        first: String,
        /// On the second.
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

/// Compares the run of a real program of this kind with the replica's of one trace. `replica` knows where a freed entry
/// was first used; both must have been run with their histories kept.
///
/// A daemon's heap hands out blocks for more than entries (2.2.7's scripts are as large as an entry), so that which
/// number a block has is its own affair: its breaks are told without it.
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

/// Whether two verdicts say the same.
fn alike(kind: SubjectKind, replica: &Verdict, real: &Verdict) -> bool {
    if kind != SubjectKind::Daemon {
        return replica == real;
    }
    let nameless = |verdict: &Verdict| {
        let mut verdict = verdict.clone();
        verdict.breaks.iter_mut().for_each(|broken| broken.detail = without_blocks(&broken.detail));
        verdict
    };
    nameless(replica) == nameless(real)
}

/// The words of a break, no block in them by its number.
fn without_blocks(detail: &str) -> String {
    let mut parts = detail.split("block ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "block " + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

fn told(ran: &Ran) -> String {
    let breaks: Vec<String> = ran.verdict.breaks.iter().map(|broken| broken.signature.to_string()).collect();
    format!("[{}] {}", breaks.join(", "), ran.verdict.outcome)
}

fn first_record(first: &[Record], second: &[Record], limit: usize) -> Option<Difference> {
    let end = first.len().max(second.len()).min(limit);
    (0..end).find_map(|place| {
        let (one, other) = (first.get(place).copied(), second.get(place).copied());
        (one != other).then_some(Difference::Record { place, first: one, second: other })
    })
}

/// Marks are comparable while the records before them are all within the limit.
fn first_mark(first: &[Mark], second: &[Mark], limit: usize) -> Option<Difference> {
    let within = |mark: Option<&Mark>| mark.filter(|mark| mark.records < limit as u64).copied();
    (0..first.len().max(second.len())).find_map(|place| {
        let (one, other) = (within(first.get(place)), within(second.get(place)));
        (one != other).then_some(Difference::Index { place, first: one, second: other })
    })
}

/// How many traces agreed, and what they held: a comparison that never reaches a reload proves nothing.
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
    /// Traces in which a reload, a timeout and an exit all happened.
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
    /// Counts what another counted.
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

    /// Counts one comparison, of this trace.
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
    use treefall_model::release::{Release, Rules};
    use treefall_subject::Options;
    use treefall_subject::replica::run_replica;

    /// A run that breaks memory, and the same with another number of the guilty block.
    fn renumbered() -> (Ran, Ran) {
        let rules = Rules::of(Release::parse("2.2.7").expect("a release"));
        let mut ran = (0..200)
            .map(|number| run_replica(&generator::generate(1, number), rules, Options::COMPARE))
            .find(|ran| ran.verdict.memory_break().is_some())
            .expect("one in two hundred");
        // As if it had ended before anything was used.
        ran.first_use = None;
        let mut other = ran.clone();
        let last = other.verdict.breaks.last_mut().expect("it breaks");
        assert!(last.detail.starts_with("block "), "{}", last.detail);
        last.detail = last.detail.replacen("block ", "block 9", 1);
        (ran, other)
    }

    #[test]
    fn the_number_of_a_block_is_a_daemons_own_affair_and_no_other_subjects() {
        let (replica, real) = renumbered();
        assert_eq!(compare(SubjectKind::Daemon, &replica, &real), Agreement::Whole);
        assert!(matches!(
            compare(SubjectKind::Engine, &replica, &real),
            Agreement::Differs(Difference::Outcome { .. })
        ));
    }

    #[test]
    fn what_else_a_break_says_counts_on_a_daemon_too() {
        let (replica, mut real) = renumbered();
        real.verdict.breaks.last_mut().expect("it breaks").detail.push('!');
        assert!(matches!(compare(SubjectKind::Daemon, &replica, &real), Agreement::Differs(_)));
    }
}
