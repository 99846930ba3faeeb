//! The first difference between the run and the run that should have been: one trace, two runs, side by side.
//!
//! The expected run is that of a replica in which the cause is mended, or every known defect where the cause is not known.
//! Where the replica does not show the failure, the real program's run is compared with the replica's.

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::event::Record;
use treefall_model::index::Block;

use super::label::Labels;
use super::run_log::{RunLog, Stage};
use super::stage::step_words;
use crate::Names;
use crate::section::{Cell, Content, Mark, Section, Table, Tone};
use treefall_subject::Ran;

/// Steps shown before the first difference, and after it.
const AROUND: usize = 3;
/// Most entries of one step that are shown in detail.
const UNLIKE_MAX: usize = 4;

/// One step on both sides.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Pair {
    /// The step, from 1.
    pub step: usize,
    /// The expected side, one event or index a line.
    pub expected: Vec<String>,
    /// The actual side.
    pub actual: Vec<String>,
    /// They differ here.
    pub differs: bool,
}

/// The first difference.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Difference {
    /// Names the run of the expected side.
    pub expected: String,
    /// Names the run of the actual side.
    pub actual: String,
    /// The steps around it.
    pub pairs: Vec<Pair>,
    /// Number of later steps that differ.
    pub later: usize,
}

/// The section of a difference.
pub(crate) fn section(difference: &Difference) -> Section<'static> {
    let mut table = Table::new(["step", &difference.expected, &difference.actual]);
    for pair in &difference.pairs {
        let side = |lines: &[String]| {
            let lines = lines.iter().map(|line| line.trim_start().to_owned()).collect();
            Cell { tone: Tone::Plain, lines }
        };
        let row = table.row([format!("#{}", pair.step).into(), side(&pair.expected), side(&pair.actual)]);
        row.mark = if pair.differs { Mark::Differs } else { Mark::None };
    }
    let mut blocks = vec![Content::Table(table)];
    if difference.later > 0 {
        let later = format!("{} later steps differ too: they follow from this one.", difference.later);
        blocks.push(Content::Sentence(Tone::Quiet, later));
    }
    Section::new("difference", "first difference", "The first difference", blocks)
}

/// A run's stages as lines, comparable with another run's.
struct StageLines<'c> {
    run_log: &'c RunLog,
    labels: Labels<'c, 'c>,
    names: &'c Names<'c>,
}

impl StageLines<'_> {
    fn events(&self, place: usize) -> Vec<String> {
        let told = self.run_log.events(place).iter();
        told.filter_map(|record| line(record, self.names)).collect()
    }

    /// The lines of the trees and lists after a stage.
    fn indexes(&self, place: usize) -> Vec<String> {
        self.run_log.snapshot(place).map_or_else(Vec::new, |snapshot| self.labels.lines(snapshot))
    }

    fn same(&self, other: &Self, place: usize) -> bool {
        let (one, two) = (self.run_log.stages.get(place), other.run_log.stages.get(place));
        let alike = |one: &Stage, two: &Stage| {
            (one.step, one.at) == (two.step, two.at)
                && self.run_log.events(place) == other.run_log.events(place)
                && self.run_log.snapshot(place) == other.run_log.snapshot(place)
        };
        one.zip(two).is_some_and(|(one, two)| alike(one, two))
    }

    /// Returns a stage as lines: its events, and the trees and lists that changed or differ from `other`.
    fn lines(&self, other: &Self, place: usize) -> Vec<String> {
        let Some(stage) = self.run_log.stages.get(place) else {
            return vec!["(the run is over)".to_owned()];
        };
        let mut lines = self.events(place);
        if lines.is_empty() {
            lines.push(format!("{}  ({})", stage.at, step_words(stage.step)));
        }
        if stage.step.is_none() && !self.run_log.verdict.outcome.survived() {
            lines.push(format!("    the program {}", crate::ending(&self.run_log.verdict.outcome)));
            return lines;
        }
        let (now, theirs) = (self.indexes(place), other.indexes(place));
        let before = place.checked_sub(1).map_or_else(Vec::new, |before| self.indexes(before));
        for (nth, line) in now.iter().enumerate() {
            let differs = theirs.get(nth).is_some_and(|theirs| theirs != line);
            if differs || before.get(nth) != Some(line) && place > 0 {
                lines.push(format!("    {line}"));
            }
        }
        if self.events(place) == other.events(place) && now == theirs {
            lines.extend(self.unlike(other, place));
        }
        lines
    }
}

impl StageLines<'_> {
    /// Returns the entries whose fields differ between the sides, where everything else agrees.
    fn unlike(&self, other: &Self, place: usize) -> Vec<String> {
        let (Some(now), Some(theirs)) = (self.run_log.snapshot(place), other.run_log.snapshot(place)) else {
            return Vec::new();
        };
        let mut told: Vec<(Block, String)> = Vec::new();
        for seat in now.seats().filter(|seat| theirs.seat(seat.block) != Some(*seat)) {
            if told.iter().all(|(block, _)| *block != seat.block) {
                told.push((seat.block, format!("    block {}: {}", seat.block.0, self.labels.whole(&seat))));
            }
        }
        if told.is_empty() && now != theirs {
            return vec!["    links or colours of the trees differ".to_owned()];
        }
        told.into_iter().take(UNLIKE_MAX).map(|(_, line)| line).collect()
    }
}

fn line(record: &Record, names: &Names<'_>) -> Option<String> {
    names.tell(&record.event).map(|words| format!("{}  {words}", record.at))
}

/// Compares two runs; `None`: they agree to the end.
pub(super) fn between(
    (expected_name, expected): (String, &RunLog),
    (actual_name, actual): (String, &RunLog),
    names: &Names<'_>,
) -> Option<Difference> {
    let told = |run_log| StageLines { run_log, labels: Labels::new(names, &run_log.records), names };
    let (one, two) = (told(expected), told(actual));
    let length = expected.stages.len().max(actual.stages.len());
    let first = (0..length).find(|place| !one.same(&two, *place))?;
    let pair = |place: usize| Pair {
        step: place + 1,
        expected: one.lines(&two, place),
        actual: two.lines(&one, place),
        differs: !one.same(&two, place),
    };
    let end = length.min(first + AROUND + 1);
    Some(Difference {
        expected: expected_name,
        actual: actual_name,
        pairs: (first.saturating_sub(AROUND)..end).map(pair).collect(),
        later: (end..length).filter(|place| !one.same(&two, *place)).count(),
    })
}

/// Compares two histories record by record. A real program's trees are not known here, only whether they agree.
pub(super) fn of_runs(
    (expected_name, expected): (String, &Ran),
    (actual_name, actual): (String, &Ran),
    names: &Names<'_>,
) -> Option<Difference> {
    let by_records = of_histories(&expected.records, &actual.records, names);
    let (pairs, later) = by_records.or_else(|| of_marks(expected, actual, names))?;
    Some(Difference { expected: expected_name, actual: actual_name, pairs, later })
}

/// Returns the first step after which trees and lists differ.
fn of_marks(expected: &Ran, actual: &Ran, names: &Names<'_>) -> Option<(Vec<Pair>, usize)> {
    let (one, two) = (&expected.marks, &actual.marks);
    let length = one.len().max(two.len());
    let first = (0..length).find(|place| one.get(*place) != two.get(*place))?;
    let lines = |ran: &Ran| match ran.marks.get(first) {
        None => vec!["(no such step)".to_owned()],
        Some(mark) => {
            let last = usize::try_from(mark.records).ok().and_then(|records| records.checked_sub(1));
            let event = last.and_then(|last| ran.records.get(last)).and_then(|record| line(record, names));
            let trees = format!("after {}: trees and lists {:016x}", mark.step.name(), mark.index_hash);
            event.into_iter().chain([trees]).collect()
        }
    };
    let pair = Pair { step: first + 1, expected: lines(expected), actual: lines(actual), differs: true };
    let later = (first + 1..length).filter(|place| one.get(*place) != two.get(*place)).count();
    Some((vec![pair], later))
}

fn of_histories(expected: &[Record], actual: &[Record], names: &Names<'_>) -> Option<(Vec<Pair>, usize)> {
    let length = expected.len().max(actual.len());
    let same = |place: usize| expected.get(place) == actual.get(place);
    let first = (0..length).find(|place| !same(*place))?;
    let lines = |history: &[Record], place: usize| match history.get(place) {
        Some(record) => vec![line(record, names).unwrap_or_else(|| format!("{}  ..", record.at))],
        None => vec!["(the history is over)".to_owned()],
    };
    let pair = |place: usize| Pair {
        step: place + 1,
        expected: lines(expected, place),
        actual: lines(actual, place),
        differs: !same(place),
    };
    let end = length.min(first + AROUND + 1);
    let later = (end..length).filter(|place| !same(*place)).count();
    Some(((first.saturating_sub(AROUND)..end).map(pair).collect(), later))
}
