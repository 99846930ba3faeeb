//! A report as one HTML page that needs nothing else: no network, no second file.
//!
//! Invariants: text from a trace or a program is escaped by the library that writes the page; the same report gives the
//! same page; its size is bounded ([`STEPS_MAX`], [`ENTRIES_MAX`], [`HISTORY_MAX`]). Without
//! its script a page shows the step at which the law broke, and everything else but the other steps.

mod document;
mod index;
mod lanes;
mod stepper;
mod trees;

use maud::{Markup, html};

use crate::clean::CleanReport;
pub use crate::document::HISTORY_MAX;
use crate::document::{Document, Report};
use crate::explain::Role;
use crate::explain::cause_step::CauseStep;
use crate::section::{Cell, Content, Fact, FactForm, Table};
pub(crate) use document::MADE_BY;
pub use document::document;
use document::with_code;
pub use index::index;
pub use stepper::{ENTRIES_MAX, STEPS_MAX};

/// Returns the page of a finding.
#[must_use]
pub fn page(report: &Report<'_>) -> String {
    render(&report.page())
}

/// Returns the page of a run that breaks no law.
#[must_use]
pub fn clean_page(report: &CleanReport<'_>) -> String {
    render(&report.document())
}

fn render(report: &Document<'_>) -> String {
    let sections = &report.sections;
    let is_stepper = |block: &Content<'_>| matches!(block, Content::Stepper(_));
    let stepped = sections.iter().any(|section| section.blocks.iter().any(is_stepper));
    let body = html! {
        header {
            p class="quiet" { "treefall: " (report.about) }
            h1 { (with_code(&report.claim)) }
            @if !report.answer.is_empty() { p { (with_code(&report.answer)) } }
            nav aria-label="sections" { ul {
                @for section in sections.iter().filter(|section| !section.nav.is_empty()) {
                    li { a href=(format!("#{}", section.id)) { (section.nav) } }
                }
            } }
        }
        main {
            @for section in sections {
                section id=(section.id) {
                    h2 { (section.title) }
                    @for block in &section.blocks { (render_block(block, report, stepped)) }
                }
            }
        }
    };
    document(&report.title, &body, true)
}

fn render_block(block: &Content<'_>, report: &Document<'_>, stepped: bool) -> Markup {
    match block {
        Content::Facts(facts) => html! { dl class="facts" { @for fact in facts { (render_fact(fact)) } } },
        Content::Heading(heading) => html! { h3 { (heading) } },
        Content::Sentence(tone, sentence) => html! { p class=(tone.class()) { (sentence) } },
        Content::Chain(chain) => render_chain(chain, stepped),
        Content::Table(table) => render_table(table),
        Content::Timeline(timeline) => lanes::timeline(timeline, &report.names),
        Content::Stepper(stepper) => stepper::steps(*stepper, &report.names),
        Content::Folded(summary, table) => html! {
            details { summary { (summary) } div class="scroll" { (render_table(table)) } }
        },
        Content::File(name, text) => html! { details { summary { (name) } pre { (text) } } },
    }
}

fn render_fact(fact: &Fact) -> Markup {
    html! {
        dt { (fact.name) }
        @match fact.form {
            FactForm::Lines => dd {
                @for (place, line) in fact.lines.iter().enumerate() { @if place > 0 { br; } (with_code(line)) }
            },
            FactForm::Story => dd class="story" { @for paragraph in paragraphs(&fact.lines) { p { (paragraph) } } },
            FactForm::Command => dd { pre { (fact.lines.join("\n")) } },
            FactForm::Frames => dd { @for frame in &fact.lines { div { code { (frame) } } } },
        }
    }
}

/// Joins the lines of a paragraph; the title, a source and lines that are moved in stand alone.
fn paragraphs(lines: &[String]) -> Vec<String> {
    let mut paragraphs: Vec<String> = Vec::new();
    let mut open = false;
    for (place, line) in lines.iter().enumerate() {
        let alone =
            place == 0 || (place == 1 && line.starts_with('(')) || line.starts_with([' ', '\t', '-', '*']);
        match paragraphs.last_mut().filter(|_| open && !alone && !line.trim().is_empty()) {
            Some(last) => *last = format!("{last} {}", line.trim()),
            None => paragraphs.push(line.trim().to_owned()),
        }
        open = !alone && !line.trim().is_empty();
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

fn render_chain(chain: &[CauseStep], stepped: bool) -> Markup {
    html! {
        ol class="chain" {
            @for link in chain {
                li class=(link.role.word()) {
                    span class="when" {
                        (link.at)
                        @if !link.at.is_empty() { " s " }
                        @if link.role != Role::LeftOut {
                            @if stepped { button data-goto=(link.step) { "step " (link.step) } } @else { "step " (link.step) }
                        }
                    }
                    span {
                        @if !link.role.word().is_empty() { span class="role" { (link.role.word()) } }
                        @if let Some(function) = &link.function { code { (function) } ": " }
                        (link.text)
                    }
                }
            }
        }
    }
}

fn render_table(table: &Table) -> Markup {
    html! {
        table class="stack" {
            thead { tr { @for name in &table.head { th { (name) } } } }
            tbody {
                @for row in &table.rows {
                    tr class=(row.mark.class()) {
                        @for (place, cell) in row.cells.iter().enumerate() {
                            @let label = table.head.get(place).filter(|_| place > 0);
                            td data-label=[label] { (render_cell(cell)) }
                        }
                    }
                }
            }
        }
    }
}

fn render_cell(cell: &Cell) -> Markup {
    html! {
        @match cell.lines.as_slice() {
            [line] => span class=(cell.tone.class()) { (line) },
            lines => ul { @for line in lines { li { (line) } } },
        }
    }
}
