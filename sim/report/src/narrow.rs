//! Fits a report to a narrow terminal: long lines are wrapped below the beginning of their text.
//!
//! Invariant: a wrapped command can still be typed as it stands.

use treefall_base::wrap;

/// Least number of columns: a time, a step and a function need as much.
const NARROWEST: u16 = 40;
/// Fields that are commands.
const TYPED: [&str; 2] = ["replay ", "under gdb "];
/// The end of a wrapped line of a command.
const GOES_ON: &str = " \\";
/// Extra indentation of the rest of a line without a field.
const REST: usize = 4;
/// Indentation of a field's text: the rest of such a line gets no extra indentation.
const FIELD: usize = 11;

/// Fits the text to so many columns.
pub(super) fn fitted(text: &str, columns: u16) -> String {
    let columns = usize::from(columns.max(NARROWEST));
    let mut lines = Vec::new();
    for line in text.lines() {
        if wrap::length(line) <= columns {
            lines.push(line.to_owned());
            continue;
        }
        let begin = begin(line, columns);
        let (head, rest) = line.split_at(begin.unwrap_or(wrap::indentation(line).len()));
        let further = if begin.is_some() || head.len() >= FIELD { 0 } else { REST };
        let below = " ".repeat(wrap::length(head) + further);
        lines.extend(match TYPED.iter().any(|field| head.starts_with(field)) {
            true => {
                let room = columns.saturating_sub(below.len() + GOES_ON.len());
                wrap::lines(head, wrap::typed(rest, room), &below, GOES_ON, columns)
            }
            false => wrap::lines(head, rest.split(' '), &below, "", columns),
        });
    }
    lines.join("\n") + "\n"
}

/// Returns the beginning of a line's text: behind the last gap of its first half.
fn begin(line: &str, columns: usize) -> Option<usize> {
    let inner = wrap::indentation(line).len();
    let gaps = line[inner..].match_indices("  ").map(|(gap, _)| {
        let gap = inner + gap;
        gap + wrap::indentation(&line[gap..]).len()
    });
    gaps.take_while(|begin| wrap::length(&line[..*begin]) <= columns / 2).last()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_wide_goes_on_below_where_its_text_begins() {
        let text = "law        no-child-forgotten: a living child is tracked\n\
                    replay     treefall replay a/file.toml --target replica:2.3.2 --history\n\
                    \u{20}     2.000000  the loop wakes: the timer and the signals are ready\n\
                    \u{20}          a line of a field that goes on by itself\n\
                    a line that has no gap goes on a little further in\nshort\n";
        let told = "law        no-child-forgotten: a living\n           child is tracked\n\
                    replay     treefall replay a/file.toml \\\n           --target replica:2.3.2 \\\n           \
                    --history\n      2.000000  the loop wakes: the\n                timer and the signals\n                \
                    are ready\n           a line of a field that goes\n           on by itself\na line that has no gap goes on a little\n    further in\nshort\n";
        assert_eq!(fitted(text, 40), told);
        assert_eq!(fitted(text, 100), text);
        assert_eq!(fitted(text, 5), told, "there is a floor");
    }
}
