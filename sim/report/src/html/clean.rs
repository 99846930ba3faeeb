//! The page of a run that breaks no law: what happened, step by step, and which releases fare worse.

use maud::html;

use super::document::{document, with_code};
use super::lanes;
use super::parts::{Stepped, releases, steps, story};
use crate::clean::{CleanReport, names};
use crate::explain::Suspects;

/// The page.
#[must_use]
pub fn clean_page(report: &CleanReport<'_>) -> String {
    let (course, names) = (report.course, names(report));
    let (claim, nobody) = (report.claim(), Suspects::default());
    let run = course.chronicle.as_ref().map(|chronicle| Stepped {
        chronicle,
        guilt: &nobody,
        broke_in: None,
        borrowed: !course.own,
    });
    let body = html! {
        header {
            p class="quiet" { "treefall: a trace on " (report.target) }
            h1 { (with_code(&claim)) }
            nav aria-label="sections" { ul {
                li { a href="#timeline" { "what happened" } }
                @if run.is_some() { li { a href="#steps" { "step by step" } } }
                li { a href="#releases" { "releases" } }
                li { a href="#tried" { "replay" } }
            } }
        }
        main {
            section id="facts" {
                h2 { "What came of it" }
                dl class="facts" {
                    (story(report.story))
                    @for (name, value) in report.facts() { dt { (name) } dd { (value) } }
                }
            }
            section id="timeline" {
                h2 { "What happened" }
                (lanes::timeline(report.trace, &course.history, None, &names))
            }
            @if let Some(run) = run { (steps(run, &names)) }
            section id="releases" { h2 { "Which releases break a law in it" } (releases(&course.releases)) }
            section id="tried" {
                h2 { "How to replay it" }
                pre { (report.replay) }
                details { summary { "the scenario" } pre { (report.scenario) } }
            }
        }
    };
    document(&claim, &body, true)
}
