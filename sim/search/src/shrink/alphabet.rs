//! The parts that traces are built from: setups, and the wakes that can come next.
//!
//! Invariant: an alphabet depends only on the trace that is to be reduced and on a few plain values, never on a
//! signature or a defect.

use treefall_model::id::{ConfigId, Run};
use treefall_model::signal::ExitStatus;
use treefall_model::time::Span;
use treefall_model::trace::{Advance, Config, Habit, Name, OnTerm, PidPolicy, Script, Setup, Trace, Wake};

/// Most scripts of a trace that is built from its own or plain parts.
pub(super) const SCRIPTS_MAX: usize = 4;
/// Most children for which all choices of exits are tried.
const LIVING_MAX: usize = 4;
/// The same if the number of wakes and events is small.
const FEW_LIVING_MAX: usize = 6;

/// A number of plain scripts, with a limit on wakes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Few {
    pub(super) wakes: usize,
    pub(super) scripts: usize,
    /// The scripts to choose from.
    pub(super) kinds: &'static [PlainScript],
    /// Whether each script is chosen freely; otherwise all but one are equal.
    pub(super) any: bool,
    pub(super) pids: &'static [PidPolicy],
}

/// A plain script: its habit, and its interval and timeout in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PlainScript(OnTerm, u64, u64);

const NOW: OnTerm = OnTerm::Dies(Span::ZERO);
const LATE: OnTerm = OnTerm::Dies(Span::from_secs(1));
const NEVER: OnTerm = OnTerm::Ignores;

/// All plain scripts, the most productive first.
pub(super) const KINDS: [PlainScript; 12] = [
    PlainScript(NOW, 1, 1),
    PlainScript(NOW, 1, 2),
    PlainScript(NEVER, 1, 1),
    PlainScript(NOW, 2, 1),
    PlainScript(NOW, 2, 2),
    PlainScript(NEVER, 2, 1),
    PlainScript(NEVER, 1, 2),
    PlainScript(NEVER, 2, 2),
    PlainScript(LATE, 1, 1),
    PlainScript(LATE, 2, 1),
    PlainScript(LATE, 1, 2),
    PlainScript(LATE, 2, 2),
];
/// Plain scripts for two: short and long timeouts of each habit.
pub(super) const BOTH: [PlainScript; 6] = [
    PlainScript(NOW, 1, 1),
    PlainScript(NOW, 1, 2),
    PlainScript(NEVER, 1, 1),
    PlainScript(LATE, 1, 1),
    PlainScript(NEVER, 1, 2),
    PlainScript(NOW, 2, 1),
];
/// Plain scripts for two, to be tried with each number of events.
pub(super) const OF_TWO: [PlainScript; 7] = [
    PlainScript(NOW, 1, 1),
    PlainScript(NEVER, 1, 1),
    PlainScript(LATE, 1, 1),
    PlainScript(LATE, 1, 2),
    PlainScript(NOW, 2, 2),
    PlainScript(NEVER, 2, 2),
    PlainScript(LATE, 2, 2),
];
/// Plain scripts for three: one that never times out, and one of each other habit.
pub(super) const OF_THREE: [PlainScript; 3] =
    [PlainScript(NOW, 1, 5), PlainScript(NEVER, 1, 1), PlainScript(LATE, 1, 1)];
/// Plain scripts for three in a longer trace.
pub(super) const OF_THREE_LONG: [PlainScript; 4] =
    [PlainScript(NOW, 1, 1), PlainScript(NOW, 1, 2), PlainScript(NEVER, 1, 1), PlainScript(LATE, 1, 1)];
/// Plain scripts for four, most of them alike.
pub(super) const OF_FOUR: [PlainScript; 3] =
    [PlainScript(NOW, 1, 1), PlainScript(NEVER, 1, 1), PlainScript(LATE, 1, 1)];
/// Plain scripts for five.
pub(super) const OF_FIVE: [PlainScript; 2] = [PlainScript(NOW, 1, 1), PlainScript(NOW, 1, 2)];

/// Number of kinds of which two scripts may be any combination.
const ANY_TWO: usize = 4;

/// The parts that traces are built from.
pub(super) struct Alphabet {
    /// The scripts, the plainest first.
    scripts: Vec<Script>,
    /// Setups without scripts: policies, costs and failing starts.
    policies: Vec<Setup>,
    /// Advances of the clock other than to the next timer.
    spans: Vec<Span>,
    exits: bool,
    hups: bool,
    terms: bool,
    /// Not taken from a trace.
    plain: bool,
    few: Option<Few>,
}

impl Alphabet {
    /// Returns the parts of `trace` and the plainest script.
    pub(super) fn of(trace: &Trace) -> Self {
        let (setup, wakes) = (trace.setup(), trace.wakes());
        let mut scripts = vec![Script::new(Name::numbered(0))];
        for script in setup.configs.iter().flat_map(|config| &config.scripts) {
            let script = Script { name: Name::numbered(0), ..script.clone() };
            if !scripts.contains(&script) {
                scripts.push(script);
            }
        }
        Self {
            scripts,
            policies: policies(setup),
            spans: spans(wakes),
            exits: wakes.iter().any(|wake| !wake.exits.is_empty()),
            hups: wakes.iter().any(|wake| wake.hup.is_some()),
            terms: wakes.iter().any(|wake| wake.term),
            plain: false,
            few: None,
        }
    }

    /// Returns plain scripts and policies, and every kind of event except the end of the process.
    pub(super) fn plain(trace: &Trace) -> Self {
        Self {
            scripts: KINDS.into_iter().map(PlainScript::script).collect(),
            policies: vec![Setup::default(), Setup { pids: PidPolicy::Scattered, ..Setup::default() }],
            spans: spans(&[]),
            exits: true,
            hups: true,
            terms: trace.wakes().iter().any(|wake| wake.term),
            plain: true,
            few: None,
        }
    }

    /// Returns the same for few scripts and wakes.
    pub(super) fn few(few: Few, trace: &Trace) -> Self {
        let policies = few.pids.iter().map(|pids| Setup { pids: *pids, ..Setup::default() });
        Self {
            scripts: few.kinds.iter().copied().map(PlainScript::script).collect(),
            policies: policies.collect(),
            few: Some(few),
            ..Self::plain(trace)
        }
    }

    /// Returns the setups with so many scripts.
    pub(super) fn setups(&self, scripts: usize) -> Vec<Setup> {
        let script = |(place, kind): (usize, &usize)| Script {
            name: Name::numbered(place),
            ..self.scripts[*kind].clone()
        };
        let mut setups = Vec::new();
        for kinds in self.choices(scripts) {
            let config = Config { scripts: kinds.iter().enumerate().map(script).collect() };
            let shapes = self.policies.iter().filter(|policies| scripts > 2 || !self.only_shapes(policies));
            setups.extend(shapes.map(|policies| Setup { configs: vec![config.clone()], ..policies.clone() }));
        }
        setups
    }

    /// Returns the combinations of kinds for so many scripts. Two are any of a few kinds; more are all equal, or all
    /// but one are the plainest.
    fn choices(&self, scripts: usize) -> Vec<Vec<usize>> {
        /// Number of kinds to choose from.
        const CHOICE: [usize; SCRIPTS_MAX] = [usize::MAX, 8, 4, 3];
        let choice = if self.few.is_some() { usize::MAX } else { CHOICE[scripts - 1] };
        let kinds = self.scripts.len().min(choice);
        if self.few.is_some_and(|few| few.any) {
            let digit = |number: usize, place: usize| number / kinds.pow(place as u32) % kinds;
            let all = 0..kinds.pow(scripts as u32);
            return all.map(|number| (0..scripts).map(|place| digit(number, place)).collect()).collect();
        }
        let mut chosen: Vec<Vec<usize>> = (0..kinds).map(|kind| vec![kind; scripts]).collect();
        for (place, kind) in (0..scripts).flat_map(|place| (1..kinds).map(move |kind| (place, kind))) {
            let mut one_odd = vec![0; scripts];
            one_odd[place] = kind;
            chosen.push(one_odd);
        }
        if scripts == 2 {
            let any = || 1..kinds.min(ANY_TWO);
            chosen.extend(any().flat_map(|a| any().map(move |b| vec![a, b])).filter(|two| two[0] != two[1]));
        }
        chosen
    }

    /// Returns whether these policies only affect the shape of the pid tree, of which two nodes have one.
    fn only_shapes(&self, policies: &Setup) -> bool {
        self.plain && self.few.is_none() && policies.pids != PidPolicy::default()
    }

    /// Returns the wakes that can follow `node`, with at most `exits_max` exits.
    pub(super) fn wakes(&self, node: &Extensible, exits_max: usize) -> Vec<Wake> {
        let mut wakes = Vec::new();
        let most = if self.few.is_some() { FEW_LIVING_MAX } else { LIVING_MAX };
        let living = &node.living[..node.living.len().min(most)];
        let subsets = if self.exits { 1_u32 << living.len() } else { 1 };
        for (advance, due) in self.advances(node) {
            for ended in (0..subsets).filter(|ended| ended.count_ones() as usize <= exits_max) {
                let ending = living.iter().enumerate().filter(|(bit, _)| ended >> bit & 1 == 1);
                let quiet =
                    ending.fold(Wake::new(advance), |wake, (_, run)| wake.exit(*run, ExitStatus::SUCCESS));
                for (hup, term) in [(false, false), (true, false), (false, true), (true, true)] {
                    if (hup && !self.hups) || (term && !self.terms) {
                        continue;
                    }
                    let mut wake = quiet.clone();
                    wake.hup = hup.then_some(ConfigId(0));
                    wake.term = term;
                    let brings = wake.external_events() > 0;
                    // The order has two values, and a wake needs an event.
                    if brings && due {
                        wakes.push(wake.clone().signals_first());
                    }
                    if brings || due {
                        wakes.push(wake);
                    }
                }
            }
        }
        wakes
    }

    /// Returns the possible advances of the clock, and whether a timer is due then.
    fn advances(&self, node: &Extensible) -> Vec<(Advance, bool)> {
        // A wake immediately after the start is equivalent to the first timer with the signals first. For several
        // wakes this does not hold exactly, but it found nothing more and takes a third more runs.
        let mut advances = Vec::new();
        if !node.wakes.is_empty() {
            advances.push((Advance::By(Span::ZERO), false));
        }
        match node.gap {
            Some(gap) => {
                advances.push((Advance::NextTimer, true));
                let other = self.spans.iter().filter(|span| **span != gap);
                advances.extend(other.map(|span| (Advance::By(*span), *span > gap)));
            }
            None => advances.extend(self.spans.iter().map(|span| (Advance::By(*span), false))),
        }
        advances
    }
}

impl PlainScript {
    fn script(self) -> Script {
        let Self(on_term, interval, timeout) = self;
        Script {
            interval: Span::from_secs(interval),
            timeout: Span::from_secs(timeout),
            habit: Habit { on_term, ..Habit::default() },
            ..Script::new(Name::numbered(0))
        }
    }
}

/// Returns the default policies and those of the trace.
fn policies(setup: &Setup) -> Vec<Setup> {
    let own = Setup { configs: Vec::new(), ..setup.clone() };
    let mut policies = vec![Setup::default()];
    if own != policies[0] {
        policies.push(own);
    }
    policies
}

/// Returns two seconds, so that a plain timer is due twice, and the spans of the trace.
fn spans(wakes: &[Wake]) -> Vec<Span> {
    let mut spans = vec![Span::from_secs(2)];
    for wake in wakes {
        if let Advance::By(span) = wake.advance
            && !span.is_zero()
            && !spans.contains(&span)
        {
            spans.push(span);
        }
    }
    spans
}

/// A trace that was run, and its possible continuations.
pub(super) struct Extensible {
    pub(super) wakes: Vec<Wake>,
    pub(super) living: Vec<Run>,
    /// Time from its end to the next timer.
    pub(super) gap: Option<Span>,
}
