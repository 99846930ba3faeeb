//! Removes second copies of lines in another rendering, and expands lines that stand for several.
//!
//! Invariant: a line is removed only if the same message of the same second is kept.

use std::collections::BTreeMap;

use crate::import::line::{TextLine, Writer};

/// Longest time between two copies of a line, in microseconds.
const APART: i64 = 2_000_000;
/// Least number of such pairs that shows that a log has each line twice.
const DOUBLED_MIN: usize = 6;

/// Replaces lines that say that a line was repeated by copies of that line, at most `left` in all.
pub(super) fn expanded(lines: Vec<TextLine>, mut left: usize) -> Vec<TextLine> {
    let mut all: Vec<TextLine> = Vec::with_capacity(lines.len());
    let mut last: Option<usize> = None;
    for mut line in lines {
        let bracketed = repeated(&line.text, "message repeated ", " times: [");
        let earlier = repeated(&line.whole, "last message repeated ", " times");
        let of = match (bracketed, earlier, last) {
            (Some((times, text)), ..) => {
                Some((times, text.trim().trim_end_matches(']').trim_end().to_owned(), line.writer))
            }
            (None, Some((times, _)), Some(last)) => Some((times, all[last].text.clone(), all[last].writer)),
            _ => None,
        };
        let Some((times, text, writer)) = of.filter(|(times, ..)| *times <= left) else {
            if line.writer.is_keepalived() {
                last = Some(all.len());
            }
            all.push(line);
            continue;
        };
        left -= times;
        let before = last.and_then(|last| all[last].when.clone());
        if let (Some(when), Some(before)) = (&mut line.when, before) {
            when.start = when.start.min(before.start);
        }
        if let Some(last) = last {
            line.source.clone_from(&all[last].source);
        }
        (line.text, line.writer) = (text, writer);
        all.extend(std::iter::repeat_n(line, times));
    }
    all
}

/// Returns the number between two texts, and what follows them.
fn repeated<'l>(text: &'l str, before: &str, after: &str) -> Option<(usize, &'l str)> {
    let (number, rest) = text.split_once(before)?.1.split_once(after)?;
    Some((number.parse().ok()?, rest))
}

/// Removes copies. Returns the remaining lines and the number of copies.
pub(super) fn left_out(lines: Vec<TextLine>) -> (Vec<TextLine>, u64) {
    let copies = copies(&lines);
    let number = copies.iter().filter(|copy| copy.is_some()).count() as u64;
    let mut lines: Vec<Option<TextLine>> = lines.into_iter().map(Some).collect();
    for (place, of) in copies.iter().enumerate() {
        let Some(of) = of else { continue };
        let (Some(copy), Some(kept)) = (lines[place].take(), lines[*of].as_mut()) else { continue };
        if kept.writer == Writer::Unspecified && copy.writer != Writer::Unspecified {
            (kept.writer, kept.source) = (copy.writer, copy.source);
        }
        let width = |line: &TextLine| line.when.as_ref().map_or(i64::MAX, |when| when.end - when.start);
        if width(&TextLine { when: copy.when.clone(), ..kept.clone() }) < width(kept) {
            kept.when = copy.when;
        }
    }
    (lines.into_iter().flatten().collect(), number)
}

/// Returns for each line the place of the earlier line that it copies.
fn copies(lines: &[TextLine]) -> Vec<Option<usize>> {
    let mut copies = vec![None; lines.len()];
    let of_keepalived = || lines.iter().enumerate().filter(|(_, line)| line.writer.is_keepalived());
    let mut forms: BTreeMap<&(bool, String), usize> = BTreeMap::new();
    for (_, line) in of_keepalived() {
        *forms.entry(&line.form).or_default() += 1;
    }
    if forms.len() > 1 {
        let mut waiting: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut paired = 0;
        for (place, line) in of_keepalived() {
            let same = waiting.entry(line.text.trim()).or_default();
            match same
                .iter()
                .position(|other| lines[*other].form != line.form && are_close(&lines[*other], line))
            {
                Some(found) => {
                    copies[place] = Some(same.remove(found));
                    paired += 1;
                }
                None => same.push(place),
            }
        }
        let total: usize = forms.values().sum();
        let most = forms.values().max().copied().unwrap_or(0);
        // Two programs that happen to write the same are no copies.
        if paired * 2 < total - most {
            copies.fill(None);
        }
        return copies;
    }
    let mut same: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, line) in of_keepalived() {
        same.entry(line.whole.as_str()).or_default().push(place);
    }
    if same.len() >= DOUBLED_MIN && same.values().all(|places| places.len() % 2 == 0) {
        for pair in same.values().flat_map(|places| places.chunks(2)) {
            copies[pair[1]] = Some(pair[0]);
        }
    }
    copies
}

fn are_close(one: &TextLine, other: &TextLine) -> bool {
    match (&one.when, &other.when) {
        // Clocks of two zones differ by whole quarters of an hour.
        (Some(one), Some(other)) => {
            let apart = (one.start - other.start).rem_euclid(900_000_000);
            apart.min(900_000_000 - apart) <= APART && (one.start - other.start).abs() <= 86_400_000_000
        }
        (None, None) => one.number.abs_diff(other.number) <= 2,
        _ => one.number.abs_diff(other.number) <= 4,
    }
}
