//! The drawn timeline: a lane for the loop and one for each script, with runs as bars and events as marks.
//!
//! The axis is not to scale: an instant with many events is wide. Invariant: left means earlier.

use std::collections::BTreeMap;

use maud::{Markup, html};
use treefall_model::event::{EntryKind, Event, Handler, Record};
use treefall_model::id::{Run, ScriptId};
use treefall_model::trace::Trace;

use super::trees::{cut, fits};
use crate::Names;
use crate::explain::Role;
use crate::section::Timeline;
use crate::words::ending;

/// Most records that are drawn: those before and after the violation; without one, the first.
const RECORDS_MAX: usize = 260;
/// Records drawn after the violation, when not all can be.
const AFTER: usize = 60;

/// Height of a row of a lane: the bar, and its name below it.
const LANE: usize = 42;
const BAR: usize = 22;
const HEAD: usize = 118;
/// Top of the lanes, below times, words and the loop's lane.
const TOP: usize = 66;
/// Height of the row that names the steps of the chain.
const CHAIN: usize = 22;
/// Distance between events: the more, the wider the page, but readable.
const STEP: std::ops::RangeInclusive<usize> = 17..=110;
const PAGE: usize = 900;
/// Approximate width of a letter.
const LETTER: usize = 7;
/// Least distance between instants: the time is written there.
const NEW_INSTANT: usize = 64;

/// A record and its horizontal place.
struct Drawn {
    x: usize,
    record: Record,
}

/// The horizontal layout.
struct Layout {
    drawn: Vec<Drawn>,
    /// The place and the text of each instant.
    instants: Vec<(usize, String)>,
    break_x: Option<usize>,
    end: usize,
    step: usize,
    /// The place of each record, drawn or not.
    at: Vec<usize>,
}

/// The bar of a run.
struct Bar {
    run: Run,
    from: usize,
    to: usize,
    row: usize,
    ended: bool,
}

/// Draws a timeline: the loop and each script from left to right, the violation, the death, and the chain that led there.
pub(super) fn timeline(timeline: &Timeline<'_>, names: &Names<'_>) -> Markup {
    let Timeline { trace, history, broke_at, .. } = *timeline;
    let (from, to) = span(history.len(), broke_at);
    let dies = (!timeline.verdict.outcome.survived()).then(|| ending(&timeline.verdict.outcome));
    let layout = laid_out(history, from, to, broke_at);
    let Layout { drawn, instants, break_x, end, step, .. } = &layout;
    let chain = chain(timeline, &layout, from);
    let top = TOP + if chain.is_empty() { 0 } else { CHAIN };
    let bars = bars(drawn, *end, *step);
    let lanes = lanes(trace, &bars, top);
    let top_of = |script: ScriptId| lanes.get(&script).map_or(0, |(top, _)| *top);
    let height = top + 6 + lanes.values().map(|(_, rows)| rows * LANE + 8).sum::<usize>();
    let width = end + dies.as_ref().map_or(70, |dies| 24 + LETTER * dies.len());
    html! {
        @if from > 0 { p class="quiet" { (from) " earlier records are not drawn." } }
        div class="scroll" tabindex="0" role="region" aria-label="timeline" {
            svg class="wide" style=(fits(width)) viewBox=(format!("0 0 {width} {height}")) role="img"
                aria-label="what happened, from left to right" {
                (grid(instants, height))
                (reloads(drawn, *end, height, *step))
                text x="4" y="54" class="soft" { "loop" }
                @if !chain.is_empty() { (draw_chain(&chain)) }
                @for (script, (top, rows)) in &lanes {
                    rect class="lane" x=(HEAD) y=(top) width=(end - HEAD) height=(rows * LANE) rx="6" {}
                    text x="4" y=(top + 19) { (cut(&lane_name(trace, *script))) }
                }
                @for bar in &bars { (draw_bar(bar, top_of(bar.run.of.script), *step, dies.is_none(), names)) }
                @for it in drawn { (mark(it, &bars, &top_of, names)) }
                @if let Some(x) = break_x {
                    line class="badline" x1=(x) y1="16" x2=(x) y2=(height - 2) {}
                    text x=(x + 5) y="28" class="badtext" { "breaks" }
                }
                @if let Some(dies) = &dies {
                    line class="deathline" x1=(end) y1="16" x2=(end) y2=(height - 2) {}
                    text x=(end + 6) y="54" class="badtext" { "✖ " (dies) }
                }
            }
        }
        @if to < history.len() { p class="quiet" { (history.len() - to) " later records are not drawn." } }
        p class="legend" {
            span { "▼ the loop wakes" } span { "H T c read SIGHUP, SIGTERM, SIGCHLD" } span { "◆ timeout handled" }
            span { "t k sent SIGTERM, SIGKILL" } span { "✕ ends" } span { "○ reaped" }
            @if !chain.is_empty() { span { "→ the entry to blame: each step leads to the next" } }
            span { "shaded: a reload" } span { "not to scale" }
        }
    }
}

/// A step of the chain that leads to the violation, where it is drawn.
struct Step {
    x: usize,
    word: &'static str,
    text: String,
}

/// The steps of the chain that name a fate of the entry; empty: the run that they belong to is another than the one drawn.
fn chain(timeline: &Timeline<'_>, layout: &Layout, from: usize) -> Vec<Step> {
    let Some(run_log) = timeline.run_log else { return Vec::new() };
    let mut steps: Vec<Step> = Vec::new();
    for step in timeline.because {
        let word = step.role.word();
        // Violation and death are drawn as lines.
        if matches!(step.role, Role::Happened | Role::LeftOut | Role::Broke | Role::Ended) {
            continue;
        }
        let stage = step.step.checked_sub(1).and_then(|stage| run_log.stages.get(stage));
        let Some(stage) = stage.filter(|stage| stage.to > from) else { continue };
        let first = (stage.from..stage.to)
            .find(|place| run_log.records.get(*place).is_some_and(|record| record.at.to_string() == step.at));
        let place = first.unwrap_or(stage.from).saturating_sub(from);
        let x = layout.at.get(place).copied().unwrap_or(layout.end);
        let x = steps.last().map_or(x, |last| x.max(last.x + LETTER * (last.word.len() + 3)));
        steps.push(Step { x, word, text: step.text.clone() });
    }
    if steps.len() < 2 { Vec::new() } else { steps }
}

fn draw_chain(steps: &[Step]) -> Markup {
    let y = TOP + 12;
    html! {
        text x="4" y=(y) class="soft" { "entry" }
        @for pair in steps.windows(2) {
            @let (start, tip) = (pair[0].x + LETTER * pair[0].word.len() + 2, pair[1].x.saturating_sub(3));
            @if tip > start {
                path class="leads" d=(format!("M{start} {} H{tip} m-5 -4 l5 4 l-5 4", y - 4)) {}
            }
        }
        @for step in steps { text class="badtext" x=(step.x) y=(y) { (step.word) title { (step.text) } } }
    }
}

fn span(length: usize, broke_at: Option<usize>) -> (usize, usize) {
    if length <= RECORDS_MAX {
        return (0, length);
    }
    let to = broke_at.map_or(RECORDS_MAX, |broke_at| length.min(broke_at.saturating_add(AFTER)));
    (to.saturating_sub(RECORDS_MAX), to)
}

fn laid_out(history: &[Record], from: usize, to: usize, broke_at: Option<usize>) -> Layout {
    let told = &history[from..to];
    let slots = told.iter().filter(|record| is_drawn(&record.event)).count()
        + told.chunk_by(|a, b| a.at == b.at).count()
        + usize::from(broke_at.is_some());
    let step = (PAGE / slots).clamp(*STEP.start(), *STEP.end());
    let (mut x, mut last) = (HEAD + 8, None);
    let (mut drawn, mut instants, mut break_x, mut at) = (Vec::new(), Vec::new(), None, Vec::new());
    for (place, record) in told.iter().enumerate() {
        if last != Some(record.at) {
            if let Some((before, _)) = instants.last() {
                x = (x + step).max(before + NEW_INSTANT);
            }
            instants.push((x, record.at.to_string()));
            last = Some(record.at);
        }
        at.push(x);
        if is_drawn(&record.event) {
            drawn.push(Drawn { x, record: *record });
            x += step;
        }
        if Some(from + place + 1) == broke_at {
            break_x = Some(x);
            x += step;
        }
    }
    Layout { drawn, instants, break_x, end: x + step, step, at }
}

fn is_drawn(event: &Event) -> bool {
    match event {
        Event::Woke { .. }
        | Event::Exited { .. }
        | Event::SignalRead { .. }
        | Event::Started { .. }
        | Event::StartFailed { .. }
        | Event::Signalled { run: Some(_), .. }
        | Event::Reaped { .. }
        | Event::ReloadBegun { .. }
        | Event::ReloadDone { .. }
        | Event::Cancelled { .. }
        | Event::LinkRead { .. }
        | Event::TerminationBegun => true,
        Event::Dispatched { handler, .. } => {
            matches!(handler, Handler::TrackChild | Handler::MiscChild | Handler::FifoChild)
        }
        _ => false,
    }
}

fn bars(drawn: &[Drawn], end: usize, step: usize) -> Vec<Bar> {
    let mut bars: Vec<Bar> = Vec::new();
    for it in drawn {
        match it.record.event {
            Event::Started { run, .. } => {
                let taken = |row: usize| {
                    let same = |bar: &&Bar| bar.run.of.script == run.of.script && bar.row == row;
                    bars.iter().filter(same).any(|bar| bar.to > it.x)
                };
                let row = (0..).find(|row| !taken(*row)).unwrap_or(0);
                bars.push(Bar { run, from: it.x, to: end, row, ended: false });
            }
            Event::Exited { run, .. } => {
                if let Some(bar) = bars.iter_mut().rfind(|bar| bar.run == run) {
                    (bar.to, bar.ended) = (it.x + step, true);
                }
            }
            // The row is free after the reaping only: marks of two runs must not overlap.
            Event::Reaped { run, .. } => {
                if let Some(bar) = bars.iter_mut().rfind(|bar| bar.run == run) {
                    bar.to = it.x + step;
                }
            }
            _ => {}
        }
    }
    bars
}

/// Returns the top of each script's lane, and its number of rows.
fn lanes(trace: &Trace, bars: &[Bar], mut top: usize) -> BTreeMap<ScriptId, (usize, usize)> {
    let configs = trace.setup().configs.iter();
    let widest = configs.map(|config| config.scripts.len()).max().unwrap_or(0);
    let mut lanes = BTreeMap::new();
    for script in (0..widest).filter_map(|place| u16::try_from(place).ok()).map(ScriptId) {
        let own = bars.iter().filter(|bar| bar.run.of.script == script);
        let rows = own.map(|bar| bar.row + 1).max().unwrap_or(1);
        lanes.insert(script, (top, rows));
        top += rows * LANE + 8;
    }
    lanes
}

fn lane_name(trace: &Trace, script: ScriptId) -> String {
    let place = usize::from(script.0);
    let mut configs = trace.setup().configs.iter();
    configs.find_map(|config| config.scripts.get(place)).map_or_else(String::new, |it| it.name.to_string())
}

fn grid(instants: &[(usize, String)], height: usize) -> Markup {
    html! {
        @for (x, at) in instants {
            line class="grid" x1=(x) y1="15" x2=(x) y2=(height) {}
            text x=(x) y="11" class="soft" { (at.trim_end_matches('0').trim_end_matches('.')) " s" }
        }
    }
}

fn reloads(drawn: &[Drawn], end: usize, height: usize, step: usize) -> Markup {
    let mut spans = Vec::new();
    for it in drawn {
        match it.record.event {
            Event::ReloadBegun { .. } => spans.push((it.x, end)),
            Event::ReloadDone { .. } => {
                if let Some(last) = spans.last_mut() {
                    last.1 = it.x + step;
                }
            }
            _ => {}
        }
    }
    html! {
        @for (from, to) in spans {
            rect class="reload" x=(from) y="32" width=(to.saturating_sub(from)) height=(height - 34) rx="4" {
                title { "a reload" }
            }
            text x=(from + 4) y="46" class="soft" { "reload" }
        }
    }
}

fn draw_bar(bar: &Bar, top: usize, step: usize, lives_on: bool, names: &Names<'_>) -> Markup {
    let y = top + bar.row * LANE + 4;
    let width = bar.to.saturating_sub(bar.from).max(step);
    let name = names.run(bar.run);
    html! {
        rect class="run" x=(bar.from) y=(y) width=(width) height=(BAR) rx="5" {
            title { (name) @if !bar.ended { ", not ended" } }
        }
        @if !bar.ended && lives_on { text x=(bar.from + width + 2) y=(y + 15) class="soft" { "→" } }
        @if width > LETTER * cut(&name).chars().count() { text x=(bar.from + 1) y=(y + BAR + 12) class="soft" { (cut(&name)) } }
    }
}

/// What a record is drawn as.
fn mark(it: &Drawn, bars: &[Bar], top: &dyn Fn(ScriptId) -> usize, names: &Names<'_>) -> Markup {
    let of_run = |run: Run| {
        let row = bars.iter().rfind(|bar| bar.run == run).map_or(0, |bar| bar.row);
        top(run.of.script) + row * LANE + 19
    };
    let (y, sign, title) = match it.record.event {
        Event::Woke { .. } => (58, "▼", "the loop wakes".to_owned()),
        Event::SignalRead { signal } => {
            let sign = match signal.number() {
                1 => "H",
                15 => "T",
                _ => "c",
            };
            (58, sign, format!("reads {signal}"))
        }
        Event::LinkRead { up, .. } => {
            (58, if up { "u" } else { "d" }, names.tell(&it.record.event).unwrap_or_default())
        }
        Event::TerminationBegun => (46, "shutdown", "the shutdown begins".to_owned()),
        Event::Dispatched { run: Some(run), entry: EntryKind::ChildTimeout, .. } => {
            (of_run(run), "◆", "its timeout is handled".to_owned())
        }
        Event::Signalled { run: Some(run), signal, .. } => {
            let sign = if signal == treefall_model::signal::Signal::KILL { "k" } else { "t" };
            (of_run(run), sign, format!("{signal} is sent to it"))
        }
        Event::Exited { run, status } => (of_run(run), "✕", format!("it ends ({status})")),
        Event::Cancelled { run, .. } => (of_run(run), "/", "its entry is cancelled".to_owned()),
        Event::Reaped { run, .. } => (of_run(run), "○", "it is reaped".to_owned()),
        Event::StartFailed { script, .. } => (top(script.script) + 19, "!", "fork fails".to_owned()),
        _ => return html! {},
    };
    html! { text class="mark" x=(it.x) y=(y) { (sign) title { (it.record.at) ": " (title) } } }
}
