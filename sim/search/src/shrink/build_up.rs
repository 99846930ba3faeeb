//! Builds up small traces wake by wake, for failures that no edit reduces further. Between a hunt's trace and the
//! smallest one there may be larger ones, as when four wakes of one script do what one wake of three scripts does.
//!
//! Invariant: the alphabet depends only on the trace that is to be reduced and on a few plain values, never on a
//! signature or a defect. Traces with fewer wakes and scripts are tried first. Parts two traces with the same history
//! only the smaller one is extended, and a trace that nothing can follow is not extended. The number of runs is
//! bounded.

use std::collections::BTreeMap;

use treefall_model::id::Run;
use treefall_model::time::Span;
use treefall_model::trace::{Costs, HeapPolicy, PidPolicy, ScriptKind, Setup, Trace, Wake};
use treefall_model::verdict::{Signature, Verdict};

use super::Size;
use super::alphabet::{
    Alphabet, BOTH, Extensible, Few, KINDS, OF_FIVE, OF_FOUR, OF_THREE, OF_THREE_LONG, OF_TWO, SCRIPTS_MAX,
};

/// The end of a run, from which its trace can be extended.
#[derive(Clone, Debug)]
pub struct EndState {
    /// The verdict.
    pub verdict: Verdict,
    /// The digest that identifies the history.
    pub digest: u128,
    /// The children alive at its end.
    pub living: Vec<Run>,
    /// Time from its end to the next timer, if one is armed.
    pub gap: Option<Span>,
}

/// The result of building up.
#[derive(Clone, Debug)]
pub struct Built {
    /// A smaller trace with the signature, if one was found.
    pub trace: Option<Trace>,
    /// Runs used.
    pub runs: u64,
}

/// Most wakes of a trace that is built up.
const WAKES_MAX: usize = 6;

/// Runs for each wake and script beyond one wake of one script: a large trace deserves more of them.
const RUNS_EACH: u64 = 1_500;

/// One pass of building up.
#[derive(Clone, Copy)]
struct Pass {
    /// The parts to build from.
    of: Parts,
    /// Most exits and signals of a trace.
    events_max: usize,
    /// Its share of the runs.
    share: Share,
}

/// The parts that traces are built from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parts {
    /// The parts of the trace that is to be reduced.
    Itself,
    /// Plain parts.
    Plain,
    /// A few plain scripts, in few wakes.
    Few(Few),
    /// The same with exactly the pass's number of events; fewer were tried before.
    Exactly(Few),
}

#[derive(Clone, Copy)]
enum Share {
    /// It may run until this percentage of the trace's runs is used.
    Percent(u64),
    /// A number of its own.
    Runs(u64),
}

/// Few events: exits and signals.
const FEW: usize = 2;
/// From this number of wakes and scripts on, one more pass is worth its runs.
const LARGE: usize = 6;
/// Above this number of wakes, or of scripts in several wakes, the far passes are worth their runs.
const FAR: usize = 2;

/// The first passes, in order.
const PASSES: [Pass; 4] = [
    Pass { of: Parts::Itself, events_max: FEW, share: Share::Percent(25) },
    Pass { of: Parts::Plain, events_max: FEW, share: Share::Percent(65) },
    Pass { of: Parts::Itself, events_max: usize::MAX, share: Share::Percent(100) },
    Pass { of: Parts::Plain, events_max: usize::MAX, share: Share::Percent(150) },
];

const ASCENDING: &[PidPolicy] = &[PidPolicy::Ascending];
const REUSED: &[PidPolicy] = &[PidPolicy::Ascending, PidPolicy::Reused];
const SCATTERED: &[PidPolicy] = &[PidPolicy::Ascending, PidPolicy::Scattered];

/// The far passes: scripts, numbers of events, and the most runs for each number. They reach the smallest traces
/// directly, for the few traces that no other pass reduces; the levels in between would use up the runs first.
const FAR_PASSES: [(Few, std::ops::RangeInclusive<usize>, u64); 6] = [
    (Few { wakes: 1, scripts: 5, kinds: &OF_FIVE, any: true, pids: SCATTERED }, 1..=2, 10_000),
    (Few { wakes: 2, scripts: 2, kinds: &OF_TWO, any: true, pids: REUSED }, 0..=2, 60_000),
    (Few { wakes: 2, scripts: 3, kinds: &OF_THREE, any: true, pids: REUSED }, 0..=2, 60_000),
    (Few { wakes: 2, scripts: 4, kinds: &OF_FOUR, any: false, pids: SCATTERED }, 0..=3, 60_000),
    (Few { wakes: 3, scripts: 2, kinds: &OF_TWO, any: true, pids: REUSED }, 0..=1, 60_000),
    (Few { wakes: 3, scripts: 3, kinds: &OF_THREE_LONG, any: true, pids: REUSED }, 0..=1, 60_000),
];

/// One script in three wakes.
const ONE: Pass = Pass {
    of: Parts::Few(Few { wakes: 3, scripts: 1, kinds: &KINDS, any: true, pids: ASCENDING }),
    events_max: 3,
    share: Share::Runs(20_000),
};

/// Two scripts in two wakes; edits reach other times from there.
const TWO: Pass = Pass {
    of: Parts::Few(Few { wakes: 2, scripts: 2, kinds: &BOTH, any: true, pids: ASCENDING }),
    events_max: FEW,
    share: Share::Runs(20_000),
};

/// Returns the passes that may find something smaller than `than`, in order.
fn passes(than: &Trace) -> Vec<Pass> {
    let size = Size::of(than);
    let mut passes: Vec<Pass> = PASSES.into_iter().filter(|pass| pass.is_for(size)).collect();
    let (long, wide) = (size.wakes > FAR, size.wakes > 1 && size.scripts > FAR);
    if long && size.scripts > 1 {
        passes.extend([ONE, TWO]);
    }
    for (few, events, runs) in FAR_PASSES {
        let smaller = (few.wakes, few.scripts) < (size.wakes, size.scripts);
        // A trace with fewer than four scripts is assumed to need fewer in several wakes.
        if smaller
            && (long || wide || few.wakes == 1)
            && (few.scripts < 4 || few.wakes == 1 || few.scripts <= size.scripts)
        {
            let pass =
                |events| Pass { of: Parts::Exactly(few), events_max: events, share: Share::Runs(runs) };
            passes.extend(events.map(pass));
        }
    }
    // Equally small, but with plain policies.
    if size.wakes == 1 && has_odd_policies(than.setup()) {
        let any = size.scripts <= 2;
        let kinds: &[_] = if any { &KINDS } else { &KINDS[..4] };
        let few = Few { wakes: size.wakes, scripts: size.scripts, kinds, any, pids: ASCENDING };
        let of = Parts::Exactly(few);
        passes.push(Pass { of, events_max: size.exits + size.signals, share: Share::Runs(10_000) });
    }
    passes
}

/// Returns whether a setup has policies that plain scripts do not have.
fn has_odd_policies(setup: &Setup) -> bool {
    let odd = |kind: ScriptKind| kind != ScriptKind::default();
    setup.pids != PidPolicy::default()
        || setup.heap != HeapPolicy::default()
        || setup.costs != Costs::default()
        || !setup.fork_failures.is_empty()
        || setup.configs.iter().flat_map(|config| &config.scripts).any(|script| odd(script.kind))
}

impl Pass {
    /// Returns whether it may reduce a trace of this size.
    fn is_for(self, size: Size) -> bool {
        // One wake with more events is smaller only if it has fewer scripts; and small traces have been searched well
        // enough.
        let small = size.wakes == 1 && size.exits + size.signals <= FEW;
        match self.share {
            Share::Percent(101..) if size.wakes + size.scripts < LARGE => false,
            _ => self.events_max == FEW || !small,
        }
    }

    fn alphabet(self, than: &Trace) -> Alphabet {
        match self.of {
            Parts::Itself => Alphabet::of(than),
            Parts::Plain => Alphabet::plain(than),
            Parts::Few(few) | Parts::Exactly(few) => Alphabet::few(few, than),
        }
    }

    fn few(self) -> Option<Few> {
        match self.of {
            Parts::Itself | Parts::Plain => None,
            Parts::Few(few) | Parts::Exactly(few) => Some(few),
        }
    }

    /// Returns whether a trace of so many wakes has too few events.
    fn misses(self, wakes: usize, events: usize) -> bool {
        matches!(self.of, Parts::Exactly(few) if few.wakes == wakes && events < self.events_max)
    }

    /// Returns the number of runs at which to end, after `runs`, for a trace worth `worth` runs.
    fn end(self, runs: u64, worth: u64) -> u64 {
        match self.share {
            Share::Percent(percent) => worth * percent / 100,
            Share::Runs(own) => runs + own,
        }
    }
}

/// Returns the smallest trace with `signature` that is smaller than `than` and found within `runs_max` runs, or
/// within the runs that `than` is worth.
///
/// The passes try, in this order: the parts of `than`; plain scripts and all kinds of event; few events, then any
/// number; finally, if the trace is still large, a few plain scripts at length, or for a single wake with odd
/// policies, plain ones of the same size.
///
/// # Errors
/// The first error of `run`.
pub fn build_up<E>(
    than: &Trace,
    signature: Signature,
    runs_max: u64,
    mut run: impl FnMut(&Trace) -> Result<EndState, E>,
) -> Result<Built, E> {
    let size = Size::of(than);
    let worth = RUNS_EACH * (size.wakes + size.scripts).saturating_sub(1) as u64;
    let mut runs = 0;
    for pass in passes(than) {
        let (best, run, alphabet) = (None, &mut run, pass.alphabet(than));
        let runs_max = runs_max.min(pass.end(runs, worth));
        let mut build = Build { alphabet, size, signature, pass, runs, runs_max, level_max: runs, best, run };
        build.levels()?;
        runs = build.runs;
        if let Some((_, trace)) = build.best {
            return Ok(Built { trace: Some(trace), runs });
        }
    }
    Ok(Built { trace: None, runs })
}

/// The extended traces of one setup.
struct Extensions {
    setup: Setup,
    ends: Vec<Extensible>,
}

/// All trees with so many scripts.
struct ScriptGroup {
    scripts: usize,
    depth: usize,
    trees: Vec<Extensions>,
}

/// Returns the levels (wakes, scripts) in the order in which they are tried: fewest traces first, by a rough count.
/// Traces built from a trace's own parts have no more scripts than that trace, while there are any. With plain parts
/// and one wake, or with many events, one script comes before several.
fn levels(pass: Pass, than: Size) -> Vec<(usize, usize)> {
    if let Some(few) = pass.few() {
        return (1..=few.wakes).map(|wakes| (wakes, few.scripts)).collect();
    }
    let all = (1..=WAKES_MAX).flat_map(|wakes| (1..=SCRIPTS_MAX).map(move |scripts| (wakes, scripts)));
    let mut levels: Vec<_> = all.filter(|level| *level <= (than.wakes, than.scripts)).collect();
    levels.sort_by_key(|(wakes, scripts)| {
        let later = match pass.of {
            Parts::Itself => *scripts > than.scripts,
            _ if pass.events_max > FEW => *scripts > 1,
            _ => than.scripts == 1 && (*scripts > 1 || *wakes > 2),
        };
        (later, wakes * (scripts + 1), *wakes)
    });
    levels
}

struct Build<'r, E> {
    alphabet: Alphabet,
    /// Size of the trace that is to be reduced.
    size: Size,
    signature: Signature,
    pass: Pass,
    runs: u64,
    runs_max: u64,
    /// Number of runs allowed at the end of this level.
    level_max: u64,
    best: Option<(Size, Trace)>,
    run: &'r mut dyn FnMut(&Trace) -> Result<EndState, E>,
}

impl<E> Build<'_, E> {
    /// Searches level by level (all traces of so many wakes and scripts), and ends with the first level that has a
    /// result. No level takes more than half of the remaining runs.
    fn levels(&mut self) -> Result<(), E> {
        let mut groups: Vec<ScriptGroup> = Vec::new();
        for (wakes, scripts) in levels(self.pass, self.size) {
            self.level_max = match self.pass.few() {
                Some(_) => self.runs_max,
                None => self.runs.midpoint(self.runs_max),
            };
            if wakes == 1 {
                groups.push(self.group(scripts)?);
            }
            let group = groups.iter_mut().find(|group| group.scripts == scripts && group.depth + 1 == wakes);
            if let Some(group) = group {
                self.level(group)?;
            }
            if self.best.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn group(&mut self, scripts: usize) -> Result<ScriptGroup, E> {
        let mut trees = Vec::new();
        for setup in self.alphabet.setups(scripts) {
            let root = self.look(&setup, Vec::new())?.map(|(_, node)| node);
            trees.push(Extensions { setup, ends: root.into_iter().collect() });
        }
        Ok(ScriptGroup { scripts, depth: 0, trees })
    }

    /// Extends all traces of the group by one wake.
    fn level(&mut self, group: &mut ScriptGroup) -> Result<(), E> {
        group.depth += 1;
        // At the size of the trace that is to be reduced, more exits and signals do not help. For a single wake,
        // which edits already simplify, only fewer do, unless plainer ones of the same size are searched for.
        let last = (group.depth, group.scripts) == (self.size.wakes, self.size.scripts);
        let as_many = self.size.wakes > 1 || matches!(self.pass.of, Parts::Exactly(_));
        let beyond = (self.size.exits, self.size.signals + usize::from(as_many));
        for tree in &mut group.trees {
            let mut known: BTreeMap<u128, Extensible> = BTreeMap::new();
            for end in std::mem::take(&mut tree.ends) {
                let (exits, signals) = events(&end.wakes);
                let left = self.pass.events_max - exits - signals;
                for wake in self.alphabet.wakes(&end, left) {
                    let mut wakes = end.wakes.clone();
                    wakes.push(wake);
                    let (exits, signals) = events(&wakes);
                    let too_many = exits + signals > self.pass.events_max;
                    let missed = self.pass.misses(group.depth, exits + signals);
                    if too_many || missed || (last && (exits, signals) >= beyond) {
                        continue;
                    }
                    if let Some((digest, node)) = self.look(&tree.setup, wakes)? {
                        let other = known.get(&digest);
                        if other.is_none_or(|other| events(&node.wakes) < events(&other.wakes)) {
                            known.insert(digest, node);
                        }
                    }
                }
            }
            tree.ends.extend(known.into_values());
        }
        Ok(())
    }

    /// Runs a trace. Returns its end if it can be extended.
    fn look(&mut self, setup: &Setup, wakes: Vec<Wake>) -> Result<Option<(u128, Extensible)>, E> {
        let Ok(trace) = Trace::new(setup.clone(), wakes) else { return Ok(None) };
        if self.runs >= self.level_max {
            return Ok(None);
        }
        self.runs += 1;
        let seen = (self.run)(&trace)?;
        if seen.verdict.shows(self.signature) {
            let size = Size::of(&trace);
            if size < self.best.as_ref().map_or(self.size, |(size, _)| *size) {
                self.best = Some((size, trace));
            }
            return Ok(None);
        }
        if seen.verdict.memory_break().is_some() || !seen.verdict.outcome.survived() {
            return Ok(None);
        }
        let EndState { digest, living, gap, .. } = seen;
        Ok(Some((digest, Extensible { wakes: trace.into_parts().1, living, gap })))
    }
}

fn events(wakes: &[Wake]) -> (usize, usize) {
    let signals = |wake: &Wake| usize::from(wake.hup.is_some()) + usize::from(wake.term);
    (wakes.iter().map(|wake| wake.exits.len()).sum(), wakes.iter().map(signals).sum())
}
