//! The windows of a story that are searched: each from a start or reload, or from mid-life, to the story's end.

use std::ops::Range;

use treefall_model::time::Span;
use treefall_model::trace::Script;

use super::past::{Past, pasts};
use super::story::{Item, Story, What};
use super::walk::{Course, LATE, START_UP};

/// Most windows of one log.
const WINDOWS_MAX: usize = 24;
/// Most things that happen in a window.
const ITEMS_MAX: usize = 4_000;
/// How long after the process began its parent may write that it started it, in microseconds.
const TOLD_LATE: i64 = 200_000;
/// Longest time before the first line of a window in mid-life at which its scripts start, in microseconds.
const LEAD_MAX: u64 = 120_000_000;
/// A second, in microseconds.
const SECOND: i64 = 1_000_000;

/// The windows, each with the line that it begins at, the shortest first.
pub(super) fn courses<'s>(
    story: &'s Story,
    scripts: &'s [Script],
    window: Span,
    untold: u32,
) -> Vec<(usize, Course<'s>)> {
    let items = story.items.as_slice();
    // A process may have been silent for long: its last lines of scripts and reloads count.
    let tells = |item: &&Item| matches!(item.what, What::Logs(_) | What::Reload | What::Begins);
    let last = items.iter().rfind(tells).or(items.last());
    let end = last.map_or(0, |item| item.when.end);
    let window = i64::try_from(window.as_micros()).unwrap_or(i64::MAX / 4);
    let earliest = if story.timeless { i64::MIN / 4 } else { end - window };
    // `from` is the first thing in it, and `line` where it begins.
    let course = |line: usize, from: usize, middle: bool, begins: Range<i64>| {
        let (before, items) = items.split_at(from);
        let pasts = match middle {
            true => pasts(before, items, scripts.len()),
            false => vec![Past::NONE; scripts.len()],
        };
        (line, Course { items, scripts, pasts, middle, begins, untold, lacks: 0, late: LATE })
    };
    let mut courses = Vec::new();
    // No trace's time goes back: what is before is of another window.
    let behind_jump = story.set_back.map_or(0, |set_back| set_back.line);
    for (place, item) in items.iter().enumerate().rev() {
        if item.line < behind_jump {
            break;
        }
        if item.when.start < earliest || items.len() - place > ITEMS_MAX || courses.len() >= WINDOWS_MAX {
            break;
        }
        let (when, line) = (item.when.clone(), item.line);
        let behind = |middle, late| course(line, place + 1, middle, when.start..when.end - 1 + late);
        match item.what {
            // The parent may write that it started the process when the process has long begun.
            What::Begins => {
                let begins = when.start - TOLD_LATE..when.end - 1 + START_UP;
                courses.push(course(line, place + 1, false, begins));
            }
            What::Reload => courses.push(behind(true, LATE)),
            _ => {}
        }
    }
    if courses.is_empty() {
        // Nothing starts near the end: the scripts are taken to start together where the window begins.
        let is_in = |item: &Item| item.when.start >= earliest && item.line >= behind_jump;
        let first = items.iter().position(is_in).unwrap_or(0);
        let first = first.max(items.len().saturating_sub(ITEMS_MAX));
        // The first line may tell of a run that began an interval before, at whatever time of its script's interval.
        let longest =
            |of: fn(&Script) -> Span| scripts.iter().map(of).max().unwrap_or(Span::ZERO).as_micros();
        let lead = 2 * longest(|script| script.interval) + longest(|script| script.timeout);
        let lead = i64::try_from(lead.min(LEAD_MAX)).unwrap_or(SECOND).max(SECOND);
        let begins = items.get(first).map_or(0, |item| item.when.start);
        let line = items.get(first).map_or(0, |item| item.line);
        courses.push(course(line, first, true, begins - lead..begins));
    }
    courses
}
