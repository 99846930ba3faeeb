//! Divides a story into the windows to search: each from a start, a reload or mid-life to the story's end.

use std::ops::Range;

use treefall_model::time::Span;
use treefall_model::trace::Script;

use super::item::{ItemKind, LogItem};
use super::past::{Past, pasts};
use super::story::Story;

/// Longest delay of any action of the machine, in microseconds.
pub(super) const LATE: i64 = 50_000;
/// Longest time from the line that reports the start of the process to the start of its scripts, in microseconds.
pub(super) const START_UP: i64 = 1_000_000;
/// Most windows of one log.
const WINDOWS_MAX: usize = 24;
/// Most items of a window.
const ITEMS_MAX: usize = 4_000;
/// Longest time after the start of the process until its parent logs it, in microseconds.
const TOLD_LATE: i64 = 200_000;
/// Longest time before the first line of a mid-life window at which its scripts start, in microseconds.
const LEAD_MAX: u64 = 120_000_000;
/// A second, in microseconds.
const SECOND: i64 = 1_000_000;

/// The part of a story that is replayed.
#[derive(Clone, Debug)]
pub(super) struct LogWindow<'s> {
    /// What happens after its beginning.
    pub(super) items: &'s [LogItem],
    /// The scripts, as the trace has them.
    pub(super) scripts: &'s [Script],
    /// Results of the scripts before the window.
    pub(super) pasts: Vec<Past>,
    /// The window begins at a reload or between two items, not at a start.
    pub(super) middle: bool,
    /// When its scripts start, in the log's time.
    pub(super) begins: Range<i64>,
    /// Most runs that may hang or end without a line of the log.
    pub(super) untold: u32,
    /// Most lines that the log may lack.
    pub(super) lacks: u32,
    /// Longest delay of any action of the machine, in microseconds.
    pub(super) late: i64,
}

impl LogWindow<'_> {
    /// Returns the item that reports the death of the process, if any.
    pub(super) fn death(&self) -> Option<&LogItem> {
        self.items.last().filter(|item| item.what.is_death())
    }
}

/// Returns the windows, each with the number of its first line, the shortest first.
pub(super) fn windows<'s>(
    story: &'s Story,
    scripts: &'s [Script],
    window: Span,
    untold: u32,
) -> Vec<(usize, LogWindow<'s>)> {
    let items = story.items.as_slice();
    // A process may be silent for long before its end, so its last line of a script or reload counts.
    let tells =
        |item: &&LogItem| matches!(item.what, ItemKind::Logs(_) | ItemKind::Reload | ItemKind::Begins);
    let last = items.iter().rfind(tells).or(items.last());
    let end = last.map_or(0, |item| item.when.end);
    let window = i64::try_from(window.as_micros()).unwrap_or(i64::MAX / 4);
    let earliest = if story.timeless { i64::MIN / 4 } else { end - window };
    // `from` is the place of its first item, and `line` the line at which it begins.
    let window = |line: usize, from: usize, middle: bool, begins: Range<i64>| {
        let (before, items) = items.split_at(from);
        let pasts = match middle {
            true => pasts(before, items, scripts.len()),
            false => vec![Past::NONE; scripts.len()],
        };
        (line, LogWindow { items, scripts, pasts, middle, begins, untold, lacks: 0, late: LATE })
    };
    let mut windows = Vec::new();
    // Time never goes back within a trace, so earlier lines belong to other windows.
    let behind_jump = story.set_back.map_or(0, |set_back| set_back.line);
    for (place, item) in items.iter().enumerate().rev() {
        if item.line < behind_jump {
            break;
        }
        if item.when.start < earliest || items.len() - place > ITEMS_MAX || windows.len() >= WINDOWS_MAX {
            break;
        }
        let (when, line) = (item.when.clone(), item.line);
        let behind = |middle, late| window(line, place + 1, middle, when.start..when.end - 1 + late);
        match item.what {
            // The parent may log the start of the process long after it began.
            ItemKind::Begins => {
                let begins = when.start - TOLD_LATE..when.end - 1 + START_UP;
                windows.push(window(line, place + 1, false, begins));
            }
            ItemKind::Reload => windows.push(behind(true, LATE)),
            _ => {}
        }
    }
    if windows.is_empty() {
        // Nothing starts near the end, so all scripts are assumed to start together where the window begins.
        let is_in = |item: &LogItem| item.when.start >= earliest && item.line >= behind_jump;
        let first = items.iter().position(is_in).unwrap_or(0);
        let first = first.max(items.len().saturating_sub(ITEMS_MAX));
        // The first line may concern a run that began an interval earlier, at any point of its script's interval.
        let longest =
            |of: fn(&Script) -> Span| scripts.iter().map(of).max().unwrap_or(Span::ZERO).as_micros();
        let lead = 2 * longest(|script| script.interval) + longest(|script| script.timeout);
        let lead = i64::try_from(lead.min(LEAD_MAX)).unwrap_or(SECOND).max(SECOND);
        let begins = items.get(first).map_or(0, |item| item.when.start);
        let line = items.get(first).map_or(0, |item| item.line);
        windows.push(window(line, first, true, begins - lead..begins));
    }
    windows
}
