//! Writes the interleavings that a search found as scenarios.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use treefall_model::event::SubjectKind;
use treefall_model::release::Defect;
use treefall_model::trace::{Trace, Wake};
use treefall_model::verdict::{Outcome, Signature, Verdict, Weight};
use treefall_scenario::{Provenance, Scenario};
use treefall_search::cause::{Cause, cause};
use treefall_subject::Options;
use treefall_subject::replica::run_replica;
use treefall_subject::target::ReplicaName;

use super::item::LogItem;
use super::log_replay::micros;
use super::search::{Interleaving, Searched};
use super::story::Story;
use super::windows::LATE;

/// Most wakes to append after a memory violation until the process dies of it.
const FURTHER_MAX: usize = 12;
/// A second, in microseconds.
const SECOND: i64 = 1_000_000;

/// A signature that the log can produce.
#[derive(Clone, Debug)]
pub struct Reproduction {
    /// The signature, as a replay of the scenario shows it.
    pub signature: Signature,
    /// Its cause, found by ablation.
    pub cause: Cause,
    /// How the replica ends afterwards.
    pub outcome: Outcome,
    /// The smallest interleaving that produces it.
    pub interleaving: Interleaving,
    /// The same as a scenario without expectations.
    pub scenario: Scenario,
}

impl Reproduction {
    /// Returns whether it breaks the program's memory, and so can have killed it.
    #[must_use]
    pub fn breaks_memory(&self) -> bool {
        self.signature.law.weight() == Weight::Memory
    }
}

/// Formats a range of a log's lines.
#[must_use]
pub fn line_range(first: usize, last: usize) -> String {
    if first == last { format!("line {first}") } else { format!("lines {first} to {last}") }
}

/// Writes interleavings as scenarios.
pub(super) struct ScenarioWriter<'s> {
    pub(super) name: &'s str,
    pub(super) story: &'s Story,
    pub(super) replica: &'s ReplicaName,
}

impl ScenarioWriter<'_> {
    /// Returns what was found, and the causes of violations that no scenario shows.
    pub(super) fn found(&self, searched: &Searched) -> (Vec<Reproduction>, BTreeSet<Defect>) {
        let rules = self.replica.rules();
        let mut found: BTreeMap<Signature, Reproduction> = BTreeMap::new();
        let mut unshown = BTreeSet::new();
        for (met, interleaving) in &searched.best {
            let (interleaving, verdict) = self.to_its_end(interleaving, *met);
            // The search observes what a whole daemon shows. A replica, which replays the scenario, shows more of the
            // same; a report names the last violation of a law.
            let Some(broken) = verdict.breaks.iter().rfind(|broken| broken.signature.law == met.law) else {
                let cause = cause(SubjectKind::Daemon, &interleaving.trace, *met, rules);
                unshown.extend(cause.defects().iter().copied());
                continue;
            };
            let signature = broken.signature;
            if found.get(&signature).is_some_and(|other| other.interleaving.size() <= interleaving.size()) {
                continue;
            }
            let title = format!("{}, in the story of {}", signature.law.name(), self.name);
            let one = Reproduction {
                signature,
                cause: cause(SubjectKind::Replica, &interleaving.trace, signature, rules),
                outcome: verdict.outcome,
                scenario: self.scenario(title, &interleaving),
                interleaving,
            };
            found.insert(signature, one);
        }
        let mut found: Vec<Reproduction> = found.into_values().collect();
        found.sort_by_key(|found| {
            (
                !found.breaks_memory(),
                found.interleaving.untold,
                found.interleaving.trace.wakes().len(),
                found.signature,
            )
        });
        (found, unshown)
    }

    /// Extends the interleaving until the process dies of the violation, if the log reports its death. Returns it
    /// with its verdict.
    fn to_its_end(&self, interleaving: &Interleaving, signature: Signature) -> (Interleaving, Verdict) {
        let verdict = |trace: &Trace| run_replica(trace, self.replica.rules(), Options::VERDICT).verdict;
        let memory = signature.law.weight() == Weight::Memory;
        let first = verdict(&interleaving.trace);
        if !memory || !first.outcome.survived() || self.story.death().is_none() {
            return (interleaving.clone(), first);
        }
        let (setup, mut wakes) = interleaving.trace.clone().into_parts();
        for _ in 0..FURTHER_MAX {
            wakes.push(Wake::next_timer());
            let Ok(trace) = Trace::new(setup.clone(), wakes.clone()) else { break };
            let verdict = verdict(&trace);
            if !verdict.outcome.survived() {
                return (Interleaving { trace, ..interleaving.clone() }, verdict);
            }
        }
        (interleaving.clone(), first)
    }

    pub(super) fn scenario(&self, title: String, interleaving: &Interleaving) -> Scenario {
        let mut scenario = Scenario::new(&title, interleaving.trace.clone());
        let lines = interleaving.placed.first().zip(interleaving.placed.last());
        scenario.source = lines.map_or_else(
            || format!("{}, of its end", self.name),
            |(first, last)| format!("{}, {}", self.name, line_range(first.line, last.line)),
        );
        scenario.story = self.story(interleaving);
        scenario.provenance = Provenance {
            found_by: Some("treefall import".to_owned()),
            found_on: Some(self.replica.to_string()),
            ..Provenance::default()
        };
        scenario
    }

    /// Lists each line of the log with the interval in which the trace can have it.
    fn story(&self, interleaving: &Interleaving) -> String {
        let mut text = String::from(
            "The log lines that the trace reproduces, each with its time in the trace and the interval of possible times, in seconds:\n",
        );
        for placed in &interleaving.placed {
            let item = self.story.items.iter().find(|item| item.line == placed.line);
            let Some(LogItem { when, text: said, .. }) = item else { continue };
            let from = (when.start - interleaving.began.1 - LATE).max(0);
            let to = (when.end - 1 - interleaving.began.0).max(micros(placed.at));
            let seconds = |micros: i64| format!("{}.{:06}", micros / SECOND, micros % SECOND);
            let _ = writeln!(
                text,
                "  wake {}, {} ({} to {}), line {}: {said}",
                placed.wake,
                placed.at,
                seconds(from),
                seconds(to),
                placed.line,
            );
        }
        match interleaving.untold {
            0 => text.push_str("Nothing is assumed beyond the log.\n"),
            some => {
                let _ = writeln!(
                    text,
                    "{some} of its runs hang or end as assumed here; the log does not mention them."
                );
            }
        }
        text
    }
}
