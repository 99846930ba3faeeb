//! The search of one pair of programs: the known scenarios, then random traces, judged in their order.
//!
//! Invariant: what is found depends on the traces alone, in their order, never on the time that they took. Chunks are
//! played together; a trace that is the same at first sight is not looked at again.

use std::collections::{BTreeMap, BTreeSet};

use treefall_model::trace::Trace;
use treefall_model::verdict::{Signature, Weight};
use treefall_report::PipelineError;
use treefall_search::cause::{Ablation, Cause};
use treefall_search::generator::Source;
use treefall_search::oracle::{Closeness, same_at_sight};
use treefall_search::shrink::Size;
use treefall_subject::Ran;

use super::judge::{Better, Judged, Key, judge};
use super::known;
use super::lane::{Lane, Played, Side};

/// So many kinds of findings are enough: the program is another one.
const KEYS_MAX: usize = 8;
/// So many worse traces are enough to have small ones among them.
const WORSE_MAX: u64 = 60;

/// Where a trace comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A known scenario, by its path below `scenarios/`, or a file, by its name.
    Scenario(String),
    /// The trace of this number of a source.
    Drawn(Source, u64),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Scenario(name) => f.write_str(name),
            Self::Drawn(source, number) => write!(f, "trace {number} of {source}"),
        }
    }
}

/// Something that makes the new program worse, as far as the search saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What shows it.
    pub key: Key,
    /// In how many traces.
    pub times: u64,
    /// The smallest of them.
    pub trace: Trace,
    /// Where that one comes from.
    pub origin: Origin,
}

/// A law that both break.
#[derive(Clone, Debug)]
pub struct Shared {
    /// In how many traces.
    pub times: u64,
    /// What mends it, asked for in the first trace.
    pub cause: Cause,
}

/// What the search of one pair came to.
#[derive(Clone, Default, Debug)]
pub struct Tally {
    /// Known scenarios, or files, played.
    pub scenarios: u64,
    /// Random traces drawn.
    pub drawn: u64,
    /// Of them, those that both programs can be given.
    pub traces: u64,
    /// Traces that were not the same.
    pub unlike: u64,
    /// Traces in which the new program is worse.
    pub worse_traces: u64,
    /// What makes it worse.
    pub worse: BTreeMap<Key, Seen>,
    /// What makes it better, with the number of traces.
    pub better: BTreeMap<Better, u64>,
    /// Laws that both break.
    pub shared: BTreeMap<Signature, Shared>,
    /// Scenarios that the programs cannot be given.
    pub not_given: u64,
    /// Traces through which the reference cannot be driven; the first says why.
    pub no_reference: Option<(u64, String)>,
}

impl Tally {
    /// Whether a law that both break is of weight memory.
    #[must_use]
    pub fn shares_memory(&self) -> bool {
        self.shared.keys().any(|signature| signature.law.weight() == Weight::Memory)
    }

    /// Whether more traces would tell nothing new.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.worse.len() >= KEYS_MAX || self.worse_traces >= WORSE_MAX
    }
}

/// Called with what is found, before the search goes on.
pub trait Watcher {
    /// A kind of finding was seen for the first time, or in a smaller trace.
    ///
    /// # Errors
    /// When it cannot be kept; this ends the search.
    fn seen(&mut self, lane: &Lane, seen: &Seen) -> Result<(), PipelineError>;
}

/// A search that is carried on chunk by chunk.
pub struct CheckSearch {
    lane: Lane,
    closeness: Closeness,
    source: Source,
    /// The next trace to be drawn.
    next: u64,
    tally: Tally,
}

impl CheckSearch {
    /// Begins on this lane, with traces from this source.
    #[must_use]
    pub fn new(lane: Lane, strict: bool, source: Source) -> Self {
        let closeness = lane.sides().closeness(strict);
        Self { lane, closeness, source, next: 0, tally: Tally::default() }
    }

    /// What was found so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The two programs.
    #[must_use]
    pub const fn lane(&mut self) -> &mut Lane {
        &mut self.lane
    }

    /// How closely they are compared.
    #[must_use]
    pub const fn closeness(&self) -> Closeness {
        self.closeness
    }

    /// Plays the known scenarios.
    ///
    /// # Errors
    /// When a program cannot be started anew, the harness fails, or a finding cannot be kept.
    pub fn play_known(&mut self, watcher: &mut dyn Watcher) -> Result<(), PipelineError> {
        let scenarios = known::scenarios().into_iter();
        let named = scenarios.map(|(name, scenario)| (name.to_owned(), scenario.trace));
        self.play_given(named.collect(), watcher)
    }

    /// Plays these traces, each with its name.
    ///
    /// # Errors
    /// As [`play_known`](Self::play_known).
    pub fn play_given(
        &mut self,
        named: Vec<(String, Trace)>,
        watcher: &mut dyn Watcher,
    ) -> Result<(), PipelineError> {
        let (given, not): (Vec<_>, Vec<_>) = named.into_iter().partition(|(_, trace)| self.lane.takes(trace));
        self.tally.not_given += not.len() as u64;
        self.tally.scenarios += given.len() as u64;
        let (names, traces): (Vec<_>, Vec<_>) = given.into_iter().unzip();
        self.play(traces, names.into_iter().map(Origin::Scenario).collect(), watcher)
    }

    /// Draws and plays this many traces more.
    ///
    /// # Errors
    /// As [`play_known`](Self::play_known).
    pub fn play_drawn(&mut self, count: u64, watcher: &mut dyn Watcher) -> Result<(), PipelineError> {
        let numbers = self.next..self.next.saturating_add(count);
        self.tally.drawn += numbers.end - numbers.start;
        self.next = numbers.end;
        let drawn = numbers.map(|number| (self.lane.draw(self.source, number), number));
        let (traces, numbers): (Vec<_>, Vec<_>) = drawn.filter(|(trace, _)| self.lane.takes(trace)).unzip();
        self.tally.traces += traces.len() as u64;
        let origins = numbers.into_iter().map(|number| Origin::Drawn(self.source, number)).collect();
        self.play(traces, origins, watcher)
    }

    fn play(
        &mut self,
        traces: Vec<Trace>,
        origins: Vec<Origin>,
        watcher: &mut dyn Watcher,
    ) -> Result<(), PipelineError> {
        let played = self.lane.play(traces, self.closeness.at_sight())?;
        for (played, origin) in played.into_iter().zip(origins) {
            if let (Side::Ran(new), Side::Ran(old)) = (&played.new, &played.old) {
                self.share(&played.trace, new, old);
                if same_at_sight(new, old) {
                    continue;
                }
            }
            if self.tally.is_enough() {
                return Ok(());
            }
            self.look_closer(played, origin, watcher)?;
        }
        Ok(())
    }

    /// Judges a trace that is not the same at first sight.
    fn look_closer(
        &mut self,
        played: Played,
        origin: Origin,
        watcher: &mut dyn Watcher,
    ) -> Result<(), PipelineError> {
        let driven = [&played.new, &played.old].iter().all(|side| matches!(side, Side::Ran(_)));
        let played =
            if driven { self.lane.play_one(played.trace, self.closeness.in_detail())? } else { played };
        let judged = judge(&mut self.lane, self.closeness, &played)?;
        self.tally.unlike += u64::from(!matches!(judged, Judged::Same));
        match judged {
            Judged::Same => Ok(()),
            Judged::NoReference(why) => {
                self.tally.no_reference.get_or_insert((0, why)).0 += 1;
                Ok(())
            }
            Judged::Better(better) => {
                better.into_iter().for_each(|it| *self.tally.better.entry(it).or_default() += 1);
                Ok(())
            }
            Judged::Worse { keys, trace } => self.add_worse(keys, &trace, &origin, watcher),
        }
    }

    fn add_worse(
        &mut self,
        keys: BTreeSet<Key>,
        trace: &Trace,
        origin: &Origin,
        watcher: &mut dyn Watcher,
    ) -> Result<(), PipelineError> {
        self.tally.worse_traces += 1;
        for key in keys {
            let new = || Seen { key, times: 0, trace: trace.clone(), origin: origin.clone() };
            let known = self.tally.worse.contains_key(&key);
            let seen = self.tally.worse.entry(key).or_insert_with(new);
            seen.times += 1;
            let smaller = Size::of(trace) < Size::of(&seen.trace);
            if smaller {
                (seen.trace, seen.origin) = (trace.clone(), origin.clone());
            }
            if smaller || !known {
                watcher.seen(&self.lane, seen)?;
            }
        }
        Ok(())
    }

    /// Takes in the laws that both break.
    fn share(&mut self, trace: &Trace, new: &Ran, old: &Ran) {
        let (rules, kind) = (self.lane.rules().0, self.lane.sides().kind);
        for signature in new.verdict.signatures().filter(|it| old.verdict.shows(*it)) {
            let cause = || Ablation::new(kind, rules).cause_of(trace, signature, &new.verdict);
            let shared = self.tally.shared.entry(signature);
            shared.or_insert_with(|| Shared { times: 0, cause: cause() }).times += 1;
        }
    }
}
