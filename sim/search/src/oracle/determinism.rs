//! Compares two runs of one trace on one subject, which must have the same history.

use std::fmt;

use treefall_model::event::Record;

use treefall_subject::Ran;

/// Two runs of one trace that differ: the first field that differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nondeterminism {
    /// The field.
    pub field: &'static str,
    /// In the first run.
    pub first: String,
    /// In the second run.
    pub second: String,
}

impl fmt::Display for Nondeterminism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} differs: first {}, second {}", self.field, self.first, self.second)
    }
}

/// Compares two runs of one trace.
///
/// # Errors
/// The first field that differs.
pub fn compare_runs(first: &Ran, second: &Ran) -> Result<(), Nondeterminism> {
    let differs = |field, first: String, second: String| Err(Nondeterminism { field, first, second });
    for place in 0..first.records.len().max(second.records.len()) {
        match (first.records.get(place), second.records.get(place)) {
            (Some(one), Some(other)) if one == other => {}
            (Some(one), Some(other)) if one.event == other.event => {
                let told = |at| format!("record {place}, {:?}, at {at}", one.event);
                return differs("the time of a record", told(one.at), told(other.at));
            }
            (one, other) => {
                let told = |record: Option<&Record>| match record {
                    Some(record) => format!("record {place}: {:?} at {}", record.event, record.at),
                    None => format!("no record {place}"),
                };
                return differs("the event of a record", told(one), told(other));
            }
        }
    }
    for (place, (one, other)) in first.marks.iter().zip(&second.marks).enumerate() {
        if one != other {
            return differs(
                "the indexes",
                format!("step {place}: {one:?}"),
                format!("step {place}: {other:?}"),
            );
        }
    }
    if first.verdict != second.verdict {
        return differs("verdict", format!("{:?}", first.verdict), format!("{:?}", second.verdict));
    }
    if first.counts != second.counts {
        return differs("counts", format!("{:?}", first.counts), format!("{:?}", second.counts));
    }
    if first.digest != second.digest {
        return differs("digest", format!("{:032x}", first.digest), format!("{:032x}", second.digest));
    }
    Ok(())
}
