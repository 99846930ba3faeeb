//! What each part of a trace is for: the result without it, with it delayed, or merged with its neighbour.

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::time::{Instant, Span};
use treefall_model::trace::{Advance, Order, Rank, Trace};

use super::probe::{Fate, Probe, Shown};
use super::wakes::{self, Met};
use crate::Names;
use crate::section::{Content, Section, Table, Tone};
use treefall_search::error::SearchError;
use treefall_search::shrink::Edit;

/// Most trials.
pub const TRIALS_MAX: usize = 160;

/// One change of one part.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Trial {
    /// The part: `wake 1 ..`, `SIGHUP of wake 1`.
    pub part: String,
    /// The change.
    pub change: String,
    /// The part that the change removes; `None`: it alters a part.
    #[serde(skip)]
    pub removes: Option<Part>,
    /// The result; `None`: the subject cannot play such a trace, or the runs are used up.
    pub shown: Option<Shown>,
}

/// A part of a trace that a trial removes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// A wake, by its place, with all that it brings.
    Wake(usize),
    /// One thing that this wake brings.
    Brought(usize),
    /// A script, a configuration, an interface or its delay.
    Setup,
}

/// A trial for every part of the trace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Minimality {
    /// In the order of the trace: wakes with what they bring, then scripts.
    pub trials: Vec<Trial>,
    /// Runs that this took.
    pub runs: u64,
    /// Number of trials beyond [`TRIALS_MAX`].
    pub left_out: usize,
}

/// The section of these trials.
pub(crate) fn section(minimality: &Minimality) -> Section<'static> {
    let needless =
        minimality.needless().map(|needless| Content::Sentence(Tone::Warning, format!("{needless}.")));
    let mut table = Table::new(["part", "change", "result"]);
    for trial in &minimality.trials {
        let result = Shown::cell(trial.shown.as_ref());
        table.row([trial.part.as_str().into(), trial.change.as_str().into(), result]);
    }
    let runs = tried(minimality.runs, minimality.left_out, "parts were not tried");
    let blocks = needless.into_iter().chain([Content::Table(table), runs]);
    Section::new("parts", "parts", "What each part of the trace is for", blocks.collect())
}

/// `12 runs; 3 more parts were not tried.`
pub(super) fn tried(runs: u64, left_out: usize, what: &str) -> Content<'static> {
    let more = if left_out > 0 { format!("; {left_out} more {what}") } else { String::new() };
    Content::Sentence(Tone::Quiet, format!("{runs} runs{more}."))
}

/// Most needless parts that are named.
const NEEDLESS_MAX: usize = 5;

impl Minimality {
    /// Says which parts are not needed, in one sentence; `None`: all are.
    #[must_use]
    pub fn needless(&self) -> Option<String> {
        let fails = |trial: &&Trial| trial.shown.as_ref().is_some_and(|shown| shown.fate == Fate::Same);
        let mut gone = Vec::new();
        let mut parts: Vec<String> = Vec::new();
        for trial in self.trials.iter().filter(fails) {
            match trial.removes {
                Some(Part::Wake(place)) => {
                    gone.push(place);
                    parts.push(wakes::name(place));
                }
                // It goes with its wake.
                Some(Part::Brought(place)) if gone.contains(&place) => {}
                Some(_) => parts.push(trial.part.clone()),
                None => {}
            }
        }
        let more = parts.len().saturating_sub(NEEDLESS_MAX);
        let mut named: Vec<String> = parts.iter().take(NEEDLESS_MAX).cloned().collect();
        if more > 0 {
            named.push(format!("{more} more"));
        }
        let each = if parts.len() > 1 { " each" } else { "" };
        (!parts.is_empty()).then(|| format!("not minimal: {} can{each} be left out", wakes::and(&named)))
    }
}

const REMOVED: &str = "removed";

/// Where else messages about interfaces can be reported.
const RANKS: [(Rank, &str); 3] = [
    (Rank::First, "interfaces first instead"),
    (Rank::Between, "interfaces between instead"),
    (Rank::Last, "interfaces last instead"),
];

/// Tries each part of `trace`.
pub(super) fn minimality(
    asker: &mut Probe<'_>,
    trace: &Trace,
    (met, times): (&[Option<Met>], &[Option<Instant>]),
    names: &Names<'_>,
) -> Result<Minimality, SearchError> {
    let before = asker.runs;
    let mut changes = Vec::new();
    for place in 0..trace.wakes().len() {
        let part = |met: Option<&Met>| {
            let at = times.get(place).copied().flatten();
            wakes::in_words(place, &trace.wakes()[place], met, at, names)
        };
        let met = met.get(place).copied().flatten();
        of_wake(trace, place, met, (&part(met.as_ref()), names), &mut changes);
    }
    of_scripts(trace, &mut changes);
    let left_out = changes.len().saturating_sub(TRIALS_MAX);
    let mut trials = Vec::new();
    for (part, change, removes, changed) in changes.into_iter().take(TRIALS_MAX) {
        let shown = match &changed {
            Some(changed) => asker.ask(changed)?,
            None => None,
        };
        // A change that changes nothing is no trial.
        if changed.is_some() {
            trials.push(Trial { part, change, removes, shown });
        }
    }
    Ok(Minimality { trials, runs: asker.runs - before, left_out })
}

/// Part, change, removed part, changed trace.
type Change = (String, String, Option<Part>, Option<Trace>);

fn of_wake(
    trace: &Trace,
    place: usize,
    met: Option<Met>,
    (part, names): (&str, &Names<'_>),
    changes: &mut Vec<Change>,
) {
    let wake = &trace.wakes()[place];
    let whole = Edit::DropWakes { start: place, end: place + 1 };
    changes.push((part.to_owned(), REMOVED.to_owned(), Some(Part::Wake(place)), whole.apply(trace)));
    let mut add = |part: &str, change: &str, edit: Edit| {
        changes.push((part.to_owned(), change.to_owned(), None, edit.apply(trace)));
    };
    if let Some(span) = met.and_then(|met| wakes::since(met.woke_at, met.blocked_at)) {
        let later = |by: Span| Edit::AdvanceOf { wake: place, advance: Advance::By(span + by) };
        add(part, "delayed by 1 us", later(Span::from_micros(1)));
        add(part, "delayed by 1 s", later(Span::from_secs(1)));
    }
    add(part, "merged with the next wake", Edit::MergeWakes { wake: place });
    if met.is_some_and(|met| met.timer) && wake.external_events() > wake.events.len() {
        let (order, change) = match wake.order {
            Order::TimerFirst => (Order::SignalsFirst, "signals first instead"),
            Order::SignalsFirst => (Order::TimerFirst, "timer first instead"),
        };
        add(part, change, Edit::OrderOf { wake: place, order });
    }
    if !wake.events.is_empty() && !wakes::reported(wake, met.is_some_and(|met| met.timer)).is_empty() {
        for (rank, change) in RANKS.into_iter().filter(|(rank, _)| *rank != wake.rank) {
            add(part, change, Edit::RankOf { wake: place, rank });
        }
    }
    // Where it brings one thing only, without that it is nothing but time.
    let mut add = |part: String, edit: Edit| {
        changes.push((part, REMOVED.to_owned(), Some(Part::Brought(place)), edit.apply(trace)));
    };
    let of = |what: &str| format!("{what} of {}", wakes::name(place));
    if wake.hup.is_some() {
        add(of("SIGHUP"), Edit::DropHup { wake: place });
    }
    if wake.term {
        add(of("SIGTERM"), Edit::DropTerm { wake: place });
    }
    for (exit, ended) in wake.exits.iter().enumerate() {
        let part = format!("the exit of {} in {}", names.run(ended.run), wakes::name(place));
        add(part, Edit::DropExit { wake: place, exit });
    }
    for (event, happens) in wake.events.iter().enumerate() {
        let part = format!("{} in {}", names.external(*happens), wakes::name(place));
        add(part, Edit::DropEvent { wake: place, event });
    }
}

fn of_scripts(trace: &Trace, changes: &mut Vec<Change>) {
    let configs = &trace.setup().configs;
    let widest = configs.iter().map(|config| config.scripts.len()).max().unwrap_or(0);
    for script in 0..widest {
        let name = configs.iter().find_map(|config| config.scripts.get(script)).map(|it| it.name.as_str());
        let part = format!("script {}", name.unwrap_or("?"));
        changes.push((part, REMOVED.to_owned(), Some(Part::Setup), Edit::DropScript { script }.apply(trace)));
    }
    for (place, link) in trace.setup().links.iter().enumerate() {
        let part = format!("interface {}", link.name);
        let edit = Edit::DropLink { link: place };
        changes.push((part, REMOVED.to_owned(), Some(Part::Setup), edit.apply(trace)));
        for (up, delay) in
            [(false, link.down_delay), (true, link.up_delay)].into_iter().filter(|(_, it)| !it.is_zero())
        {
            let part = format!(
                "the delay of {delay} before {} counts as {}",
                link.name,
                if up { "up" } else { "down" }
            );
            let edit = Edit::DelayOf { link: place, up, delay: Span::ZERO };
            changes.push((part, REMOVED.to_owned(), Some(Part::Setup), edit.apply(trace)));
        }
    }
    if configs.len() > 1 {
        for config in 0..configs.len() {
            let part = format!("configuration {config}");
            changes.push((
                part,
                REMOVED.to_owned(),
                Some(Part::Setup),
                Edit::DropConfig { config }.apply(trace),
            ));
        }
    }
}
