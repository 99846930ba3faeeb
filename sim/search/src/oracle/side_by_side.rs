//! Compares two programs on one trace: the first record or index that differs, and the laws that only one of them
//! breaks.
//!
//! The comparison ends when the judging of either ended, or when a replica first used a freed entry: from there on
//! the heap decides what is read. By default indexes are compared by their contents
//! ([`contents`](treefall_model::contents)): the order inside UNUSE and the order of destruction do not count.

use std::fmt;

use treefall_model::event::{EntryKind, Event, Record};
use treefall_model::observe::Mark;
use treefall_model::place::{Place, Sight};

use super::equality::{Difference, ended_alike, first_mark, first_record};
use treefall_subject::baseline::{Compared, compare};
use treefall_subject::{Options, Ran, Spot};

/// How closely two programs are compared.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Closeness {
    /// Whether the order inside UNUSE, and of destruction, counts.
    pub strict: bool,
    /// Whether indexes are ignored: one side is a replica of a daemon, which has further entries.
    pub no_indexes: bool,
}

impl Closeness {
    /// Returns the options for a first comparison, by digests.
    #[must_use]
    pub const fn at_sight(self) -> Options {
        Options { hash_indexes: !self.no_indexes, contents: !self.strict, ..Options::DIGESTED }
    }

    /// Returns the options for finding the first difference.
    #[must_use]
    pub const fn in_detail(self) -> Options {
        Options { keep: true, ..self.at_sight() }
    }
}

/// Returns whether two runs have equal digests and verdicts.
#[must_use]
pub fn same_at_sight(new: &Ran, old: &Ran) -> bool {
    let broke = new.digest_at_break.is_some() && new.digest_at_break == old.digest_at_break;
    (new.digest == old.digest || broke) && same_verdict(new, old)
}

fn same_verdict(new: &Ran, old: &Ran) -> bool {
    let facts = |ran: &Ran| -> Vec<_> {
        ran.verdict.breaks.iter().map(|it| (it.signature, it.at, it.records, it.run)).collect()
    };
    facts(new) == facts(old) && ended_alike(&new.verdict.outcome, &old.verdict.outcome)
}

/// The comparison of one trace on two programs. The runs must have the options of
/// [`in_detail`](Closeness::in_detail).
#[derive(Clone, Debug)]
pub struct SideBySide {
    /// Laws that the new program breaks and the old one does not.
    pub breaks: Compared,
    /// Laws that the old program breaks and the new one does not.
    pub mends: Compared,
    /// The first difference; its first side is the new program.
    pub difference: Option<Difference>,
}

impl SideBySide {
    /// Compares two runs of one trace.
    #[must_use]
    pub fn of(new: &Ran, old: &Ran) -> Self {
        Self::with_marks((new, &new.marks), (old, &old.marks))
    }

    /// Compares two runs without their indexes.
    #[must_use]
    pub fn by_records(new: &Ran, old: &Ran) -> Self {
        Self::with_marks((new, &[]), (old, &[]))
    }

    fn with_marks((new, new_marks): (&Ran, &[Mark]), (old, old_marks): (&Ran, &[Mark])) -> Self {
        let mut breaks = compare(&new.verdict, &old.verdict);
        let mut mends = compare(&old.verdict, &new.verdict);
        let ends = [new, old].map(|ran| ran.verdict.cut_at().map(|cut| cut.records));
        let uses = [new.first_use, old.first_use];
        let both_broken = [new, old].iter().all(|ran| ran.verdict.is_cut_short());
        if let Some(used) = uses.into_iter().flatten().min().filter(|_| both_broken) {
            // The heap decides what is read of a freed entry, and how that ends.
            breaks.new.retain(|(_, moment)| moment.records <= used);
            mends.new.retain(|(_, moment)| moment.records <= used);
        }
        let limit = ends.into_iter().chain(uses).flatten().min();
        let limit = limit.map_or(usize::MAX, |records| usize::try_from(records).unwrap_or(usize::MAX));
        let record = first_record(&new.records, &old.records, limit);
        let mut difference = first(record, new_marks, old_marks, limit);
        let laws = !breaks.new.is_empty() || !mends.new.is_empty();
        let is_whole = limit == usize::MAX;
        if difference.is_none()
            && !laws
            && is_whole
            && !ended_alike(&new.verdict.outcome, &old.verdict.outcome)
        {
            let [first, second] = [new, old].map(|ran| ran.verdict.outcome.to_string());
            difference = Some(Difference::Outcome { first, second });
        }
        Self { breaks, mends, difference }
    }

    /// Returns whether neither laws nor histories differ.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.breaks.new.is_empty() && self.mends.new.is_empty() && self.difference.is_none()
    }
}

/// Returns the earlier of the first differing record and the first differing index.
fn first(record: Option<Difference>, new: &[Mark], old: &[Mark], limit: usize) -> Option<Difference> {
    let within = match &record {
        // An index counts only if it differs before the record does.
        Some(Difference::Record { place, .. }) => limit.min(place + 1),
        _ => limit,
    };
    match first_mark(new, old, within) {
        Some(mark @ Difference::Index { first: Some(_), second: Some(_), .. }) => Some(mark),
        // A step that only one side has follows from the record.
        other => record.or(other),
    }
}

/// The identity of a difference: equal keys are one finding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DifferenceKey {
    /// Whether an index differs instead of a record.
    pub index: bool,
    /// The place of the new program; `None`: its history has ended.
    pub new: Option<Place>,
    /// The place of the old program.
    pub old: Option<Place>,
}

impl DifferenceKey {
    /// Returns the key of a difference.
    #[must_use]
    pub fn of(difference: &Difference) -> Self {
        let place = |step, entry| Place { sight: Sight::Differs, step, entry, run: None };
        let of_record = |record: &Record| place(record.event.step(), entry_of(&record.event));
        match difference {
            Difference::Record { first, second, .. } => {
                let [new, old] = [first, second].map(|side| side.as_ref().map(of_record));
                Self { index: false, new, old }
            }
            Difference::Index { first, second, .. } => {
                let [new, old] = [first, second].map(|side| side.map(|mark| place(mark.step, None)));
                Self { index: true, new, old }
            }
            Difference::Outcome { .. } => Self { index: false, new: None, old: None },
        }
    }
}

fn entry_of(event: &Event) -> Option<EntryKind> {
    match event {
        Event::Dispatched { entry, .. } | Event::Cancelled { entry, .. } => Some(*entry),
        _ => None,
    }
}

/// Formats it short enough for a folder's name: `differs-at-started-not-blocked`, `index-differs-after-cleanup`.
impl fmt::Display for DifferenceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |place: Option<Place>| place.map_or("end", |place| place.step.name());
        match (self.index, self.new, self.old) {
            (true, new, _) => write!(f, "index-differs-after-{}", word(new)),
            (false, None, None) => f.write_str("ends-differently"),
            (false, new, old) if word(new) == word(old) => write!(f, "differs-at-{}", word(new)),
            (false, new, old) => write!(f, "differs-at-{}-not-{}", word(new), word(old)),
        }
    }
}

/// Returns the moment at which a run can stop to show the difference; `None` if it has none.
#[must_use]
pub fn spot_of(difference: &Difference) -> Option<Spot> {
    match difference {
        Difference::Record { place, .. } => Some(Spot::Record(*place as u64)),
        Difference::Index { place, .. } => Some(Spot::Step(*place as u64)),
        Difference::Outcome { .. } => None,
    }
}

/// Returns how many records both histories have in common before a difference.
#[must_use]
pub fn records_before(difference: &Difference) -> u64 {
    match difference {
        Difference::Record { place, .. } => *place as u64,
        Difference::Index { first, second, .. } => {
            first.as_ref().or(second.as_ref()).map_or(0, |mark| mark.records)
        }
        Difference::Outcome { .. } => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator;
    use treefall_model::release::{Defect, Release, Rules};
    use treefall_subject::replica::run_replica;

    const CLOSENESS: Closeness = Closeness { strict: false, no_indexes: false };

    fn newest() -> Rules {
        Rules::of(Release::NEWEST)
    }

    #[test]
    fn a_program_and_itself_never_differ() {
        for number in 0..200 {
            let trace = generator::generate(1, number);
            let ran = || run_replica(&trace, newest(), CLOSENESS.in_detail());
            assert!(same_at_sight(&ran(), &ran()));
            assert!(SideBySide::of(&ran(), &ran()).is_same());
        }
    }

    /// Of each defect that makes a difference, the first sight and the look in detail say the same.
    #[test]
    fn what_differs_at_sight_differs_in_detail() {
        for defect in [Defect::SkippedRunStillStarts, Defect::ExitErasesTwice, Defect::ReloadForgetsChildren]
        {
            let mut differing = 0;
            for number in 0..100 {
                let trace = generator::generate(1, number);
                let run = |rules| run_replica(&trace, rules, CLOSENESS.in_detail());
                let (new, old) = (run(newest().with(defect)), run(newest()));
                let compared = SideBySide::of(&new, &old);
                assert_eq!(same_at_sight(&new, &old), compared.is_same(), "{defect} in trace {number}");
                differing += u32::from(!compared.is_same());
            }
            assert!(differing > 5, "{defect}: {differing}");
        }
    }

    #[test]
    fn the_memory_of_an_old_program_that_is_broken_is_no_difference_but_a_mend() {
        let broken = Rules::of(Release::parse("2.3.1").expect("a release"));
        let mended = broken.without(Defect::ReloadFreesQueuedTimeout);
        let mut mends = 0;
        for number in 0..100 {
            let trace = generator::generate(1, number);
            let run = |rules| run_replica(&trace, rules, CLOSENESS.in_detail());
            let (new, old) = (run(mended), run(broken));
            let compared = SideBySide::of(&new, &old);
            let cut = old.verdict.memory_break().is_some() && new.verdict.memory_break().is_none();
            if cut {
                assert!(!compared.mends.new.is_empty(), "trace {number}");
                mends += 1;
            }
        }
        assert!(mends > 5, "{mends}");
    }
}
