//! The explanation of a find as plain text, section by section.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};

use crate::explain::{
    Asked, Because, Difference, Explanation, Minimality, Releases, Role, TieTable, Windows,
};

/// Columns of the widest line.
const WIDTH: u16 = 118;

/// What was computed around it: all sections, each with an empty line after it but the last.
pub(super) fn explained(text: &mut String, explanation: &Explanation) {
    if let Some(difference) = &explanation.difference {
        side_by_side(text, difference);
    }
    for table in &explanation.ties {
        ties(text, table);
    }
    minimality(text, &explanation.minimality);
    windows(text, &explanation.windows);
    releases(text, "which releases have it", &explanation.releases);
    text.push('\n');
    let whom = match explanation.asked {
        Asked::Itself => "",
        Asked::ItsReplica => ", of the replica of its release",
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "orders, parts and windows took {} runs{whom}", explanation.runs);
}

/// Why it broke.
pub(super) fn because(text: &mut String, chain: &[Because]) {
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

/// A table without lines, no wider than a page.
fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::DynamicFullWidth).set_width(WIDTH).force_no_tty();
    table
}

/// The table's lines, moved in by two.
fn put(text: &mut String, table: &Table) {
    for line in table.lines() {
        let _ = writeln!(text, " {}", line.trim_end());
    }
}

fn side_by_side(text: &mut String, difference: &Difference) {
    text.push_str("the first difference, with what is around it (steps that differ are marked):\n");
    let mut sheet = table();
    sheet.add_row(["", difference.expected.as_str(), difference.actual.as_str()]);
    for pair in &difference.pairs {
        let mark = if pair.differs { "!" } else { " " };
        let join = |lines: &[String]| lines.join("\n");
        sheet.add_row([format!("{mark} #{}", pair.step), join(&pair.expected), join(&pair.actual)]);
    }
    for line in sheet.lines() {
        let _ = writeln!(text, " {}", line.trim_end());
    }
    if difference.later > 0 {
        let _ = writeln!(text, "  .. and {} later steps that differ", difference.later);
    }
    text.push('\n');
}

fn ties(text: &mut String, tie: &TieTable) {
    let _ = writeln!(text, "every order of wake {}, at {} ({}):", tie.wake, tie.at, tie.ties);
    let mut sheet = table();
    sheet.set_content_arrangement(ContentArrangement::Dynamic);
    for row in &tie.rows {
        let mark = if row.as_it_is { ">" } else { " " };
        sheet.add_row([mark.to_owned(), row.order.clone(), shown(row.shown.as_ref())]);
    }
    put(text, &sheet);
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

fn minimality(text: &mut String, minimality: &Minimality) {
    let _ = writeln!(text, "what each part is there for ({} runs):", minimality.runs);
    let mut sheet = table();
    sheet.set_content_arrangement(ContentArrangement::Dynamic);
    let mut last = "";
    if let Some(needless) = minimality.needless() {
        let _ = writeln!(text, "  {needless}");
    }
    for trial in &minimality.trials {
        let part = if trial.part == last { "" } else { trial.part.as_str() };
        sheet.add_row([part.to_owned(), trial.change.clone(), shown(trial.shown.as_ref())]);
        last = &trial.part;
    }
    put(text, &sheet);
    if minimality.left_out > 0 {
        let _ = writeln!(text, "  .. and {} more that were not tried", minimality.left_out);
    }
    text.push('\n');
}

fn windows(text: &mut String, windows: &Windows) {
    if windows.windows.is_empty() {
        return;
    }
    let _ = writeln!(text, "how wide the window is, each time moved by itself ({} runs):", windows.runs);
    let mut sheet = table();
    sheet.set_content_arrangement(ContentArrangement::Dynamic);
    for window in &windows.windows {
        sheet.add_row([window.time.clone(), window.in_words()]);
    }
    put(text, &sheet);
    if !windows.note().is_empty() {
        let _ = writeln!(text, "  ({})", windows.note());
    }
    if windows.left_out > 0 {
        let _ = writeln!(text, "  .. and {} more times that were not moved", windows.left_out);
    }
    text.push('\n');
}

/// Which releases do what, under a heading.
pub(super) fn releases(text: &mut String, heading: &str, releases: &Releases) {
    let _ = writeln!(text, "{heading}, by their replicas:");
    let mut sheet = table();
    sheet.set_content_arrangement(ContentArrangement::Dynamic);
    for row in releases.rows() {
        sheet.add_row([row.name, row.words]);
    }
    put(text, &sheet);
}
