//! The steps of a run: a slider, what happens at each step, and the trees and lists before and after it.

use maud::{Markup, html};

use super::trees;
use crate::explain::{Labels, RunLog, stage_title};
use crate::section::Stepper;
use crate::words::{Names, ending};

/// Draws the steps of a run, each with the trees and lists before and after it.
pub(super) fn steps(run: Stepper<'_>, names: &Names<'_>) -> Markup {
    let Stepper { run_log, suspects, broke_in, borrowed } = run;
    let opens_at = broke_in.unwrap_or(0);
    let labels = Labels::new(names, &run_log.records);
    let kept = kept(run_log, opens_at);
    let shot = |stage: usize| run_log.stages[stage].snapshot;
    let before = |stage: usize| stage.checked_sub(1).map(shot);
    let first = before(kept.start).unwrap_or_else(|| shot(kept.start));
    let last = kept.end.checked_sub(1).map_or(first, shot);
    let opens = opens_at.saturating_sub(kept.start);
    let draw = |shot: usize| trees::snapshot(&run_log.snapshots[shot], suspects, &labels);
    let words = |stage: usize| run_log.events(stage).iter().filter_map(|record| names.tell(&record.event));
    let total = run_log.stages.len() + run_log.left_out;
    html! {
        div {
            @if kept.len() < total {
                p class="quiet" { "Of " (total) " steps the page holds " (kept.start + 1) " to " (kept.end) "." }
            }
            div class="stepper" {
                button data-move="first" aria-label="first step" { "«" }
                button data-move="back" aria-label="one step back" { "‹" }
                input id="step" type="range" min="0" max=(kept.len().saturating_sub(1)) value=(opens)
                    data-opens=(opens) data-total=(total) aria-label="step";
                button data-move="on" aria-label="one step on" { "›" }
                button data-move="last" aria-label="last step" { "»" }
                output id="where" for="step" { "step " (opens_at + 1) " of " (total) }
                @if broke_in.is_some() { button data-move="breaks" { "where it breaks" } }
            }
            p class="quiet" {
                kbd { "←" } " " kbd { "→" } " step, " kbd { "Home" } " " kbd { "End" } " first and last"
                @if broke_in.is_some() { ", " kbd { "b" } " where it breaks" }
            }
            ol class="steps" {
                @for stage in kept.clone() {
                    li class=(li_class(stage, opens_at, broke_in)) data-step=(stage + 1)
                        data-before=(before(stage).map_or_else(String::new, |shot| shot.to_string())) data-after=(shot(stage)) {
                        b { (run_log.stages[stage].at) " s: " (stage_title(run_log, stage, names)) }
                        @let words: Vec<String> = words(stage).collect();
                        @if words.len() > 1 { ul { @for line in words { li { (line) } } } }
                        @if Some(stage) == broke_in { p class="bad" { "The law breaks here." } }
                        @if run_log.stages[stage].step.is_none() && !run_log.verdict.outcome.survived() {
                            p class="bad" { "The program " (ending(&run_log.verdict.outcome)) "." }
                        }
                    }
                }
            }
            div class="panes" {
                div class="pane" { h3 { "before" } div id="before" {
                    @if let Some(shot) = before(opens_at) { (draw(shot)) }
                } }
                div class="pane" { h3 { "after" } div id="after" {
                    @if opens_at < run_log.stages.len() { (draw(shot(opens_at))) }
                } }
            }
            (trees::legend())
            @for shot in first..=last { template class="shot" data-shot=(shot) { (draw(shot)) } }
            @if borrowed {
                p class="quiet" { "The trees are those of the replica of its release, which agree with the program's own up to the first use of a freed entry." }
            }
        }
    }
}

fn li_class(stage: usize, opens_at: usize, broke_in: Option<usize>) -> &'static str {
    match (stage == opens_at, Some(stage) == broke_in) {
        (true, true) => "now breaks",
        (true, false) => "now",
        (false, _) => "",
    }
}

/// Most steps of a run on a page: those before the violation, and a quarter as many after it.
pub const STEPS_MAX: usize = 160;

/// Most entries in all snapshots of a page.
pub const ENTRIES_MAX: usize = 3_000;

/// Steps after the violation that are kept when not all can be.
const STEPS_AFTER: usize = 40;

/// Returns the steps of a page: around the violation, within both bounds.
fn kept(run_log: &RunLog, broke_in: usize) -> std::ops::Range<usize> {
    let length = run_log.stages.len();
    let size = |stage: usize| run_log.snapshot(stage).map_or(0, |snapshot| snapshot.seats().count());
    let (mut start, mut end, mut entries) = (broke_in.min(length), broke_in.min(length), 0);
    let after = if length <= STEPS_MAX { length } else { STEPS_AFTER };
    while end < length && end - start < after && (end == start || entries + size(end) <= ENTRIES_MAX / 4) {
        entries += size(end);
        end += 1;
    }
    while start > 0 && end - start < STEPS_MAX && entries + size(start - 1) <= ENTRIES_MAX {
        start -= 1;
        entries += size(start);
    }
    start..end
}
