//! A report as plain text.

use std::fmt::Write as _;

use comfy_table::{self as comfy, ColumnConstraint, ContentArrangement, Width, presets};

use crate::document::{Document, Report};
use crate::explain::Role;
use crate::explain::cause_step::CauseStep;
use crate::narrow;
use crate::section::{Content, Fact, FactForm, Section, Table};
use crate::timeline::{Length, events};
use treefall_base::wrap;

/// Columns of a page: no table is wider.
pub(crate) const WIDTH: u16 = 119;
/// Columns that a table of several lines a cell needs; else each row stands in a block of its own.
const SIDES_MIN: u16 = 90;

/// Returns the whole report.
#[must_use]
pub fn finding(report: &Report<'_>) -> String {
    render(&report.text(), WIDTH, Length::Short)
}

/// Returns the whole report for a terminal of so many columns.
#[must_use]
pub fn finding_within(report: &Report<'_>, columns: u16) -> String {
    narrow::fitted(&render(&report.text(), columns, Length::Short), columns)
}

/// Returns the beginning of the report: what broke, why, and what happened.
#[must_use]
pub fn summary(report: &Report<'_>) -> String {
    render(&report.summary(), WIDTH, Length::Short)
}

/// Renders a document; `length` is that of its timeline.
pub(crate) fn render(document: &Document<'_>, columns: u16, length: Length) -> String {
    let mut text = format!("{}\n\n", document.claim);
    let mut after_facts = false;
    for section in &document.sections {
        let mut shown = section.blocks.iter().filter(|block| !block.is_for_pages()).peekable();
        if shown.peek().is_none() {
            continue;
        }
        let facts = shown.all(|block| matches!(block, Content::Facts(_)));
        if after_facts && !facts {
            text.push('\n');
        }
        after_facts = facts;
        put_section(&mut text, section, columns, length, facts);
    }
    if text.ends_with("\n\n") {
        text.pop();
    }
    text
}

fn put_section(text: &mut String, section: &Section<'_>, columns: u16, length: Length, facts: bool) {
    if !facts {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}:", section.title);
    }
    for block in &section.blocks {
        put(text, block, columns, length);
    }
    if !facts {
        text.push('\n');
    }
}

fn put(text: &mut String, block: &Content<'_>, columns: u16, length: Length) {
    match block {
        Content::Facts(facts) => facts.iter().for_each(|fact| put_fact(text, fact)),
        Content::Heading(heading) => {
            let _ = writeln!(text, "  {heading}");
        }
        Content::Sentence(_, sentence) => {
            let _ = writeln!(text, "  {sentence}");
        }
        Content::Chain(chain) => chain.iter().for_each(|step| put_step(text, step)),
        Content::Table(table) => put_table(text, table, columns),
        Content::Timeline(it) => text.push_str(&events(it.trace, it.history, it.verdict, length)),
        Content::Stepper(_) | Content::Folded(..) | Content::File(..) => {}
    }
}

fn put_fact(text: &mut String, fact: &Fact) {
    for (place, line) in fact.lines.iter().enumerate() {
        let name = if place == 0 { fact.name } else { "" };
        let line = if fact.form == FactForm::Lines { line.replace('`', "") } else { line.clone() };
        let _ = writeln!(text, "{}", format!("{name:<11}{line}").trim_end());
    }
}

fn put_step(text: &mut String, step: &CauseStep) {
    let function = step.function.as_ref().map_or_else(String::new, |function| format!("{function}: "));
    let number = if step.role == Role::LeftOut { String::new() } else { format!("#{}", step.step) };
    let line = format!("  {:>12} {number:>5} {:<7}{function}{}", step.at, step.role.word(), step.text);
    let _ = writeln!(text, "{}", line.trim_end());
}

/// Writes a table in columns, or each row as a block where the columns do not fit.
fn put_table(text: &mut String, table: &Table, columns: u16) {
    let several = table.rows.iter().any(|row| row.cells.iter().any(|cell| cell.lines.len() > 1));
    let rows = rows(table);
    let least = |place: usize| wrap::column(rows.iter().filter_map(|row| row.get(place).map(String::as_str)));
    // The whole is moved in by one.
    let width = columns.min(WIDTH) - 1;
    let fits = (0..=table.head.len()).map(least).sum::<usize>() < usize::from(width);
    if !fits || (several && columns < SIDES_MIN) {
        return put_blocks(text, table);
    }
    let mut sheet = comfy::Table::new();
    let arrangement = match several {
        true => ContentArrangement::DynamicFullWidth,
        false => ContentArrangement::Dynamic,
    };
    sheet.load_style(presets::NOTHING);
    sheet.set_content_arrangement(arrangement).set_width(width).force_no_tty();
    sheet.add_rows(&rows);
    // On a page there is space enough for each word.
    for (place, column) in sheet.column_iter_mut().enumerate().filter(|_| columns < WIDTH) {
        let least = u16::try_from(least(place)).unwrap_or(u16::MAX);
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
    }
    for line in sheet.lines() {
        let _ = writeln!(text, " {}", line.trim_end());
    }
}

/// The head and the rows as texts, each after its sign. A first cell that repeats the one above it is left empty.
fn rows(table: &Table) -> Vec<Vec<String>> {
    let signed = |sign: char, cells: Vec<String>| [vec![sign.to_string()], cells].concat();
    let mut rows = vec![signed(' ', table.head.clone())];
    let mut last = String::new();
    for row in &table.rows {
        let mut cells: Vec<String> = row.cells.iter().map(|cell| cell.lines.join("\n")).collect();
        if let Some(first) = cells.first_mut() {
            if *first == last { first.clear() } else { last.clone_from(first) }
        }
        rows.push(signed(row.mark.sign(), cells));
    }
    rows
}

fn put_blocks(text: &mut String, table: &Table) {
    for row in &table.rows {
        let (Some(head), Some((first, rest))) = (table.head.first(), row.cells.split_first()) else {
            continue;
        };
        let _ = writeln!(text, "{} {head}: {}", row.mark.sign(), first.lines.join(" "));
        for (name, cell) in table.head.iter().skip(1).zip(rest) {
            match cell.lines.as_slice() {
                [] => {}
                [line] => {
                    let _ = writeln!(text, "    {name}: {line}");
                }
                lines => {
                    let _ = writeln!(text, "    {name}:");
                    for line in lines {
                        let _ = writeln!(text, "      {line}");
                    }
                }
            }
        }
    }
}
