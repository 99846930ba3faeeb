//! A history as text: a line for each event, with violations at their places.
//!
//! A short timeline keeps its beginning, its end and the surroundings of each violation, and says how much it leaves out.

use std::fmt::Write as _;

use treefall_model::event::{Event, Record};
use treefall_model::trace::Trace;
use treefall_model::verdict::Verdict;

use super::words::Names;
use super::words::ending;

/// A timeline that is not longer is short already.
const SHORT_LINES_MAX: usize = 48;
/// Lines kept at the beginning of a shortened timeline.
const HEAD_LINES: usize = 12;
/// Lines kept at its end.
const TAIL_LINES: usize = 3;
/// Lines kept before a break, and after it.
const AROUND_LINES: (usize, usize) = (8, 3);

/// The part of a history that is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Length {
    /// What leads to each break.
    Short,
    /// Everything that says something to a person.
    Whole,
}

struct Line {
    text: String,
    breaks: bool,
}

/// The history of `trace` as a timeline, with the laws where they broke.
#[must_use]
pub fn timeline(trace: &Trace, history: &[Record], verdict: &Verdict, length: Length) -> String {
    format!("what happened, in seconds from the start:\n{}", events(trace, history, verdict, length))
}

/// The same without a heading.
pub(crate) fn events(trace: &Trace, history: &[Record], verdict: &Verdict, length: Length) -> String {
    let lines = lines(trace, history, verdict);
    let mut text = String::new();
    let keep = match length {
        Length::Short if lines.len() > SHORT_LINES_MAX => kept(&lines),
        _ => vec![true; lines.len()],
    };
    let mut left = 0;
    // Writing to a String cannot fail.
    for (line, keep) in lines.iter().zip(keep) {
        if !keep {
            left += 1;
            continue;
        }
        if left > 0 {
            let _ = writeln!(text, "  {:>12}  .. {left} lines left out", "");
            left = 0;
        }
        let _ = writeln!(text, "{}", line.text);
    }
    if !verdict.outcome.survived() {
        let _ = writeln!(text, "x {:>12}  the program {}", "", ending(&verdict.outcome));
    }
    text
}

fn lines(trace: &Trace, history: &[Record], verdict: &Verdict) -> Vec<Line> {
    let names = Names::new(trace);
    let mut lines = Vec::new();
    for (place, record) in history.iter().enumerate() {
        if let Some(words) = names.tell(&record.event) {
            let mark = if matches!(record.event, Event::Woke { .. }) { '>' } else { ' ' };
            lines
                .push(Line { text: format!("{mark} {:>12}  {words}", record.at.to_string()), breaks: false });
        }
        for broken in verdict.breaks.iter().filter(|broken| broken.records == place as u64 + 1) {
            let law = broken.signature.law.name();
            lines.push(Line { text: format!("! {:>12}  ^ {law} breaks here", ""), breaks: true });
        }
    }
    lines
}

/// Which lines a shortened timeline keeps.
fn kept(lines: &[Line]) -> Vec<bool> {
    let (before, after) = AROUND_LINES;
    let near = |place: usize| {
        let from = place.saturating_sub(after);
        lines.iter().take(place + before + 1).skip(from).any(|line| line.breaks)
    };
    let ends = |place: usize| place < HEAD_LINES || place + TAIL_LINES >= lines.len();
    (0..lines.len()).map(|place| ends(place) || near(place)).collect()
}
