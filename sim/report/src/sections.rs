//! The explanation of a failure as plain text, section by section.

use std::fmt::Write as _;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

use crate::explain::{
    Asked, CauseStep, Difference, Explanation, Minimality, Pair, Releases, Role, TieTable, Windows,
};
use treefall_base::wrap;

/// Columns of a page: no table is wider.
pub(super) const WIDTH: u16 = 119;
/// Columns that two runs side by side need; else the one stands below the other.
const SIDES_MIN: u16 = 90;

/// What was computed around it: all sections, each with an empty line after it but the last.
pub(super) fn explained(text: &mut String, explanation: &Explanation, columns: u16) {
    if let Some(difference) = &explanation.difference {
        text.push_str("the first difference, with what is around it (steps that differ are marked):\n");
        match columns >= SIDES_MIN {
            true => side_by_side(text, difference, columns),
            false => one_below_the_other(text, difference),
        }
        if difference.later > 0 {
            let _ = writeln!(text, "  .. and {} later steps that differ", difference.later);
        }
        text.push('\n');
    }
    for table in &explanation.ties {
        ties(text, table, columns);
    }
    minimality(text, &explanation.minimality, columns);
    windows(text, &explanation.windows, columns);
    releases(text, "which releases have it", &explanation.releases, columns);
    text.push('\n');
    let whom = match explanation.asked {
        Asked::Itself => "",
        Asked::ItsReplica => ", of the replica of its release",
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "orders, parts and windows took {} runs{whom}", explanation.runs);
}

/// Why it broke.
pub(super) fn because(text: &mut String, chain: &[CauseStep]) {
    if chain.is_empty() {
        return;
    }
    text.push_str("because (seconds, step):\n");
    for link in chain {
        let function = link.function.as_ref().map_or_else(String::new, |function| format!("{function}: "));
        let (at, step, word) = (&link.at, link.step, link.role.word());
        let step = if link.role == Role::LeftOut { String::new() } else { format!("#{step}") };
        let line = format!("  {at:>12} {step:>5} {word:<7}{function}{}", link.text);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
}

/// A table without lines, no wider than a page when it is moved in by one.
fn table(columns: u16) -> Table {
    let mut table = Table::new();
    // It is moved in by one.
    let width = columns.min(WIDTH) - 1;
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::DynamicFullWidth).set_width(width).force_no_tty();
    table
}

/// The table's lines, moved in by one.
fn put(text: &mut String, table: &Table) {
    for line in table.lines() {
        let _ = writeln!(text, " {}", line.trim_end());
    }
}

/// Rows as a table; where a word would be broken, what else is in a row below its first cell.
fn rows(text: &mut String, rows: &[Vec<String>], columns: u16) {
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let least = |place: usize| wrap::column(rows.iter().filter_map(|row| row.get(place).map(String::as_str)));
    // The whole is moved in by one.
    if (0..width).map(least).sum::<usize>() < usize::from(columns.min(WIDTH)) {
        let mut sheet = table(columns);
        sheet.set_content_arrangement(ContentArrangement::Dynamic).add_rows(rows);
        // On a page there is space enough for each word.
        for (place, column) in sheet.column_iter_mut().enumerate().filter(|_| columns < WIDTH) {
            let least = u16::try_from(least(place)).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
        }
        return put(text, &sheet);
    }
    for row in rows {
        let Some((first, rest)) = row.split_first() else { continue };
        if !first.trim().is_empty() {
            let _ = writeln!(text, "  {first}");
        }
        let _ = writeln!(text, "    {}", rest.join(": "));
    }
}

fn side_by_side(text: &mut String, difference: &Difference, columns: u16) {
    let mut sheet = table(columns);
    sheet.add_row(["", difference.expected.as_str(), difference.actual.as_str()]);
    for pair in &difference.pairs {
        let join = |lines: &[String]| lines.join("\n");
        sheet.add_row([step(pair), join(&pair.expected), join(&pair.actual)]);
    }
    put(text, &sheet);
}

fn one_below_the_other(text: &mut String, difference: &Difference) {
    for pair in &difference.pairs {
        let _ = writeln!(text, "  {}", step(pair));
        let both = [(&difference.expected, &pair.expected), (&difference.actual, &pair.actual)];
        for (whose, lines) in both {
            let _ = writeln!(text, "    {whose}:");
            for line in lines {
                let _ = writeln!(text, "      {line}");
            }
        }
    }
}

fn step(pair: &Pair) -> String {
    let mark = if pair.differs { "!" } else { " " };
    format!("{mark} #{}", pair.step)
}

fn ties(text: &mut String, tie: &TieTable, columns: u16) {
    let _ = writeln!(text, "every order of wake {}, at {} ({}):", tie.wake, tie.at, tie.ties);
    let told = tie.rows.iter().map(|row| {
        let mark = if row.as_it_is { ">" } else { " " };
        vec![mark.to_owned(), row.order.clone(), shown(row.shown.as_ref())]
    });
    rows(text, &told.collect::<Vec<_>>(), columns);
    if tie.left_out > 0 {
        let _ = writeln!(text, "  .. and {} more orders that were not tried", tie.left_out);
    }
    if !tie.whole {
        text.push_str("  too much at once for every order: only how it is reported was tried\n");
    }
    text.push('\n');
}

fn shown(shown: Option<&crate::explain::Shown>) -> String {
    shown.map_or_else(|| "not asked: it cannot be given this".to_owned(), ToString::to_string)
}

fn minimality(text: &mut String, minimality: &Minimality, columns: u16) {
    let _ = writeln!(text, "what each part is there for ({} runs):", minimality.runs);
    let (mut told, mut last) = (Vec::new(), "");
    if let Some(needless) = minimality.needless() {
        let _ = writeln!(text, "  {needless}");
    }
    for trial in &minimality.trials {
        let part = if trial.part == last { "" } else { trial.part.as_str() };
        told.push(vec![part.to_owned(), trial.change.clone(), shown(trial.shown.as_ref())]);
        last = &trial.part;
    }
    rows(text, &told, columns);
    if minimality.left_out > 0 {
        let _ = writeln!(text, "  .. and {} more that were not tried", minimality.left_out);
    }
    text.push('\n');
}

fn windows(text: &mut String, windows: &Windows, columns: u16) {
    if windows.windows.is_empty() {
        return;
    }
    let _ = writeln!(text, "how wide the window is, each time moved by itself ({} runs):", windows.runs);
    let told = windows.windows.iter().map(|window| vec![window.time.clone(), window.in_words()]);
    rows(text, &told.collect::<Vec<_>>(), columns);
    if !windows.note().is_empty() {
        let _ = writeln!(text, "  ({})", windows.note());
    }
    if windows.left_out > 0 {
        let _ = writeln!(text, "  .. and {} more times that were not moved", windows.left_out);
    }
    text.push('\n');
}

/// Which releases do what, under a heading.
pub(super) fn releases(text: &mut String, heading: &str, releases: &Releases, columns: u16) {
    let _ = writeln!(text, "{heading}, by their replicas:");
    let told = releases.rows().into_iter().map(|row| vec![row.name, row.words]);
    rows(text, &told.collect::<Vec<_>>(), columns);
}
