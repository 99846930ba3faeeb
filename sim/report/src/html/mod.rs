//! A report as one HTML page that needs nothing else: no network, no second file.
//!
//! Always: text from a trace or a program is escaped by the library that writes the page; the same failure gives the same
//! page; its size is bounded ([`STEPS_MAX`], [`ENTRIES_MAX`], [`HISTORY_MAX`]). Without its script a page shows the step at which the
//! law broke, and everything else but the other steps.

mod clean;
mod document;
mod index;
mod lanes;
mod parts;
mod trees;

use maud::{Markup, html};
use treefall_model::event::{Record, SubjectKind};
use treefall_subject::backtrace::titled;

use super::text::{also_required, cause_line, claim, confirmed, found, headline, releases_line, under_gdb};
use crate::document::Report;
use crate::explain::{CauseStep, Difference, Explanation, Minimality, Role, Shown, TieTable, Windows};
use crate::words::Names;
pub use clean::clean_page;
pub(crate) use document::MADE_BY;
pub use document::document;
use document::with_code;
pub use index::index;
pub use parts::{ENTRIES_MAX, STEPS_MAX};
use parts::{Stepped, fate, lines, releases, steps, story};

/// Most lines of the histories side by side.
pub const HISTORY_MAX: usize = 400;

/// The page of a failure.
#[must_use]
pub fn page(report: &Report<'_>) -> String {
    let (finding, explanation) = (report.finding, report.explanation);
    let names = report.names();
    let run = Stepped::of(explanation);
    let title = format!("{} on {}", finding.signature(), finding.target);
    let claim = claim(finding, &names);
    let broke_at = usize::try_from(finding.broken().records).ok();
    let body = html! {
        header {
            p class="quiet" { "treefall: a failure on " (finding.target) }
            h1 { (with_code(&claim)) }
            nav aria-label="sections" { ul {
                @for (id, name) in sections(explanation) { li { a href=(format!("#{id}")) { (name) } } }
            } }
        }
        main {
            section id="facts" { h2 { "What broke" } (facts(report, &names)) }
            @if !explanation.because.is_empty() { section id="why" { h2 { "Because" } (because(&explanation.because, run.is_some())) } }
            section id="timeline" {
                h2 { "What happened" }
                (lanes::timeline(&finding.trace, &explanation.history, broke_at, &names))
            }
            @if let Some(run) = run { (steps(run, &names)) }
            @if let Some(difference) = &explanation.difference { (side_by_side(difference)) }
            @if !explanation.ties.is_empty() {
                section id="orders" { h2 { "Every order of the same instant" } @for tie in &explanation.ties { (ties(tie)) } }
            }
            section id="parts" { h2 { "What each part is there for" } (minimality(&explanation.minimality)) }
            section id="window" { h2 { "How wide the window is" } (windows(&explanation.windows)) }
            section id="releases" { h2 { "Which releases have it" } (releases(&explanation.releases)) }
            (histories(report, &names))
            section id="tried" { h2 { "What was tried, and how to replay it" } (tried(report)) }
        }
    };
    document(&title, &body, true)
}

fn sections(explanation: &Explanation) -> Vec<(&'static str, &'static str)> {
    let all = [
        ("why", "because", !explanation.because.is_empty()),
        ("timeline", "what happened", true),
        ("steps", "step by step", explanation.chronicle.is_some()),
        ("difference", "first difference", explanation.difference.is_some()),
        ("orders", "orders", !explanation.ties.is_empty()),
        ("parts", "parts", true),
        ("window", "window", true),
        ("releases", "releases", true),
        ("histories", "histories", true),
        ("tried", "replay", true),
    ];
    all.into_iter().filter(|(.., there)| *there).map(|(id, name, _)| (id, name)).collect()
}

fn facts(report: &Report<'_>, names: &Names<'_>) -> Markup {
    let finding = report.finding;
    let law = finding.signature().law;
    html! {
        dl class="facts" {
            (story(report.story))
            dt { "law" } dd { code { (law.name()) } ": " (law.sentence()) }
            dt { "seen" } dd { "at " (finding.broken().at) " s: " (names.plain(&finding.broken().detail)) }
            dt { "cause" } dd {
                (cause_line(&finding.cause))
                @if let Some(headline) = headline(&finding.cause) { br; (headline) }
                @for other in also_required(&finding.cause) { br; (other) }
            }
            dt { "outcome" } dd { (finding.verdict.outcome) }
            dt { "releases" } dd { (releases_line(report.explanation)) }
            dt { "signature" } dd { code { (finding.signature()) } }
            @if finding.verdict.breaks.len() > 1 {
                dt { "also breaks" } dd {
                    @for broken in finding.verdict.breaks.iter().filter(|it| it.signature != finding.signature()) {
                        div { code { (broken.signature) } " at " (broken.at) " s: " (names.plain(&broken.detail)) }
                    }
                }
            }
        }
    }
}

fn because(chain: &[CauseStep], stepped: bool) -> Markup {
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

fn side_by_side(difference: &Difference) -> Markup {
    html! {
        section id="difference" {
            h2 { "The first difference" }
            table class="stack" {
                thead { tr { th { "step" } th { (difference.expected) } th { (difference.actual) } } }
                tbody {
                    @for pair in &difference.pairs {
                        tr class=(if pair.differs { "differs" } else { "" }) {
                            td data-label="step" { (pair.step) }
                            td data-label=(difference.expected) { (lines(&pair.expected)) }
                            td data-label=(difference.actual) { (lines(&pair.actual)) }
                        }
                    }
                }
            }
            @if difference.later > 0 { p class="quiet" { (difference.later) " later steps differ too: they follow from this one." } }
        }
    }
}

fn shown(shown: Option<&Shown>) -> Markup {
    html! {
        span class=(fate(shown)) {
            @match shown { Some(shown) => (shown), None => "not asked: it cannot be given this" }
        }
    }
}

fn ties(tie: &TieTable) -> Markup {
    html! {
        h3 { "wake " (tie.wake) ", at " (tie.at) " s: " (tie.ties) }
        table class="stack" {
            thead { tr { th { "order" } th { "what comes of it" } } }
            tbody {
                @for row in &tie.rows {
                    tr class=(if row.as_it_is { "as-it-is" } else { "" }) {
                        td { (row.order) @if row.as_it_is { " (this failure)" } }
                        td { (shown(row.shown.as_ref())) }
                    }
                }
            }
        }
        @if tie.left_out > 0 { p class="quiet" { (tie.left_out) " more orders were not tried." } }
        @if !tie.whole { p class="quiet" { "Too much at once for every order: only how it is reported was tried." } }
    }
}

fn minimality(minimality: &Minimality) -> Markup {
    html! {
        @if let Some(needless) = minimality.needless() { p class="warn" { (needless) "." } }
        table class="stack" {
            thead { tr { th { "part" } th { "when it is" } th { "what comes of it" } } }
            tbody {
                @for trial in &minimality.trials {
                    tr { td { (trial.part) } td { (trial.change) } td { (shown(trial.shown.as_ref())) } }
                }
            }
        }
        p class="quiet" {
            (minimality.runs) " runs."
            @if minimality.left_out > 0 { " " (minimality.left_out) " more were not tried." }
        }
    }
}

fn windows(windows: &Windows) -> Markup {
    html! {
        p { "Each time, moved by itself: the widest interval in which it still fails." }
        table class="stack" {
            thead { tr { th { "time" } th { "in the trace" } th { "fails" } } }
            tbody {
                @for window in &windows.windows {
                    tr { td { (window.time) } td data-label="in the trace" { (window.value) " s" } td { (window.in_words()) } }
                }
            }
        }
        @if !windows.note().is_empty() { p class="quiet" { (windows.note()) "." } }
        p class="quiet" {
            (windows.runs) " runs."
            @if windows.left_out > 0 { " " (windows.left_out) " more times were not moved." }
        }
    }
}

/// Each side's history, told line by line: what should have been, what the target did, and what its replica did where
/// that is another.
fn histories(report: &Report<'_>, names: &Names<'_>) -> Markup {
    let explanation = report.explanation;
    let told = |history: &[Record]| -> Vec<String> {
        let line = |record: &Record| names.tell(&record.event).map(|words| format!("{}  {words}", record.at));
        history.iter().filter_map(line).collect()
    };
    let mut sides: Vec<(String, Vec<String>)> = Vec::new();
    if let Some((name, mended)) = &explanation.mended {
        sides.push((format!("model: {name}"), told(&mended.records)));
    }
    if let Some(chronicle) = &explanation.chronicle
        && report.finding.kind != SubjectKind::Replica
    {
        sides.push(("replica of its release".to_owned(), told(&chronicle.records)));
    }
    sides.push((report.finding.target.clone(), told(&explanation.history)));
    let length = sides.iter().map(|(_, lines)| lines.len()).max().unwrap_or(0);
    let differs = |place: usize| sides.windows(2).any(|pair| pair[0].1.get(place) != pair[1].1.get(place));
    html! {
        section id="histories" {
            h2 { "Histories side by side" }
            p { "The model judges and predicts nothing; beside it stands what its laws allow, told by a replica with the cause mended." }
            @for broken in &report.finding.verdict.breaks {
                p class="bad" { "The model, at " (broken.at) " s: " code { (broken.signature.law.name()) } ": " (names.plain(&broken.detail)) }
            }
            details {
                summary { (length.min(HISTORY_MAX)) " lines" @if length > HISTORY_MAX { " of " (length) } }
                div class="scroll" { table {
                    thead { tr { @for (name, _) in &sides { th { (name) } } } }
                    tbody {
                        @for place in 0..length.min(HISTORY_MAX) {
                            tr class=(if differs(place) { "differs" } else { "" }) {
                                @for (_, lines) in &sides { td { (lines.get(place).map_or("", String::as_str)) } }
                            }
                        }
                    }
                } }
            }
        }
    }
}

fn tried(report: &Report<'_>) -> Markup {
    let finding = report.finding;
    html! {
        dl class="facts" {
            dt { "found" } dd { (found(report)) }
            dt { "confirmed" } dd { (confirmed(finding)) }
            dt { "this report" } dd { (report.explanation.runs) " runs for orders, parts and windows" }
            @for (title, frames) in titled(&finding.backtrace, &finding.life) {
                dt { (title) } dd { @for frame in frames { div { code { (frame) } } } }
            }
            dt { "replay" } dd { pre { (report.replay) } }
            @if let Some(gdb) = under_gdb(finding, report.replay) { dt { "under gdb" } dd { pre { (gdb) } } }
        }
        @if !report.scenario.is_empty() {
            details { summary { "the scenario" } pre { (report.scenario) } }
        }
    }
}
