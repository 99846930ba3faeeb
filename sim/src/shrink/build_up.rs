//! Small traces built up wake by wake, for where no edit of a trace leads further down: the way from what a hunt
//! finds to the smallest trace can lead over a hill, as when four wakes of one script do what one wake of three
//! scripts does.
//!
//! What always holds: the alphabet comes from the trace that is to be made smaller and from a few plain values,
//! never from a signature or a defect. Traces with fewer wakes and scripts are tried first. Of two traces with one
//! history only the smaller is gone on from, and of one at whose end nothing can come any more none is. The number
//! of runs is bounded.

use std::collections::BTreeMap;

use treefall_model::id::{ConfigId, Run};
use treefall_model::signal::ExitStatus;
use treefall_model::time::Span;
use treefall_model::trace::{Advance, Config, Habit, Name, OnTerm, PidPolicy, Script, Setup, Trace, Wake};
use treefall_model::verdict::{Signature, Verdict};

use super::{Size, has};

/// What a run showed, for who goes on from its end.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The verdict.
    pub verdict: Verdict,
    /// What makes two histories the same.
    pub digest: u128,
    /// The children alive at its end.
    pub living: Vec<Run>,
    /// From its end to the next timer, if one is armed.
    pub gap: Option<Span>,
}

/// What building up came to.
#[derive(Clone, Debug)]
pub struct Built {
    /// A smaller trace with the signature, if one was met.
    pub trace: Option<Trace>,
    /// Runs that it took.
    pub runs: u64,
}

/// Most scripts of a trace that is built up.
const SCRIPTS_MAX: usize = 4;
/// Most wakes.
const WAKES_MAX: usize = 6;
/// Most children of whose exits all choices are tried.
const LIVING_MAX: usize = 4;

/// Runs for each wake and script that a trace has more than one wake of one script: what is far from small is worth
/// more of them.
const RUNS_EACH: u64 = 1_500;

/// One way to build up.
#[derive(Clone, Copy)]
struct Pass {
    /// What traces are made of.
    of: Of,
    /// Most exits and signals of a trace.
    events_max: usize,
    /// How many runs it may take.
    share: Share,
}

/// What traces are made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The parts of the trace that is to be made smaller.
    Itself,
    /// Plain parts.
    Plain,
    /// So many plain scripts, and no more than so many wakes.
    Few { scripts: usize, wakes: usize },
}

#[derive(Clone, Copy)]
enum Share {
    /// It may go on until so much of a hundred of what the trace is worth is spent.
    Percent(u64),
    /// So many of its own.
    Runs(u64),
}

/// The ways, in their order. The last two go to the bottom by themselves, for the few traces of several wakes and
/// scripts from which no other way leads: the runs of what lies between would be spent first.
const PASSES: [Pass; 6] = [
    Pass { of: Of::Itself, events_max: FEW, share: Share::Percent(25) },
    Pass { of: Of::Plain, events_max: FEW, share: Share::Percent(65) },
    Pass { of: Of::Itself, events_max: usize::MAX, share: Share::Percent(100) },
    Pass { of: Of::Plain, events_max: usize::MAX, share: Share::Percent(150) },
    Pass { of: Of::Few { scripts: 1, wakes: 3 }, events_max: FAR_EVENTS, share: Share::Runs(FAR_RUNS) },
    Pass { of: Of::Few { scripts: 2, wakes: 2 }, events_max: FEW, share: Share::Runs(FAR_RUNS) },
];

/// Few events: exits and signals.
const FEW: usize = 2;
/// Wakes and scripts of a trace for which one more pass is worth its runs.
const LARGE: usize = 6;
/// What the last passes try.
const FAR_EVENTS: usize = 3;
const FAR_RUNS: u64 = 20_000;

impl Pass {
    /// Whether it can lead anywhere from a trace of this size.
    fn is_for(self, size: Size) -> bool {
        // One wake with more events than it has is not smaller but for its scripts; and what is small has been
        // tried well enough.
        let small = size.wakes == 1 && size.exits + size.signals <= FEW;
        match (self.of, self.share) {
            (Of::Few { .. }, _) => size.wakes > 2 && size.scripts > 1,
            (_, Share::Percent(101..)) if size.wakes + size.scripts < LARGE => false,
            _ => self.events_max == FEW || !small,
        }
    }

    fn alphabet(self, than: &Trace) -> Alphabet {
        match self.of {
            Of::Itself => Alphabet::of(than),
            Of::Plain => Alphabet::plain(than),
            Of::Few { scripts, .. } => Alphabet::few(than, scripts),
        }
    }

    /// When to end, `runs` having been done, if the trace is worth so many.
    fn end(self, runs: u64, worth: u64) -> u64 {
        match self.share {
            Share::Percent(percent) => worth * percent / 100,
            Share::Runs(own) => runs + own,
        }
    }
}

/// The smallest trace with `signature` that is smaller than `than` and met in `runs_max` runs or as many as
/// `than` is worth: first over what `than` itself is made of, then over plain scripts and all kinds of event; with
/// few events in a trace, then with any number; last, where it is still large, over few plain scripts at length.
///
/// # Errors
/// The first error of `run`.
pub fn build_up<E>(
    than: &Trace,
    signature: Signature,
    runs_max: u64,
    mut run: impl FnMut(&Trace) -> Result<Seen, E>,
) -> Result<Built, E> {
    let size = Size::of(than);
    let worth = RUNS_EACH * (size.wakes + size.scripts).saturating_sub(1) as u64;
    let mut runs = 0;
    for pass in PASSES.into_iter().filter(|pass| pass.is_for(size)) {
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

/// Of how many kinds two scripts are any two.
const ANY_TWO: usize = 4;

/// What traces are built of.
struct Alphabet {
    /// The scripts, the plainest first.
    scripts: Vec<Script>,
    /// Setups without scripts: policies, costs and failing starts.
    policies: Vec<Setup>,
    /// How far the clock moves besides to the next timer.
    spans: Vec<Span>,
    exits: bool,
    hups: bool,
    terms: bool,
    /// Not of a trace's own.
    plain: bool,
    /// Of how many kinds two scripts are any two.
    any_two: usize,
}

impl Alphabet {
    /// What `trace` is made of, and the plainest script.
    fn of(trace: &Trace) -> Self {
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
            any_two: ANY_TWO,
        }
    }

    /// Plain scripts and policies, and every kind of event that is not the end of the process.
    fn plain(trace: &Trace) -> Self {
        Self::plain_from(&[(0, 0, 0), (0, 0, 1), (1, 0, 0), (0, 1, 0)], trace)
    }

    /// The same for setups with so many scripts alone; two are any of the first.
    fn few(trace: &Trace, scripts: usize) -> Self {
        let kinds = [(0, 0, 0), (0, 0, 1), (1, 0, 0), (2, 0, 0), (1, 0, 1), (0, 1, 0)];
        let mut few = Self::plain_from(&kinds, trace);
        if scripts > 1 {
            few.scripts.truncate(kinds.len());
            few.any_two = kinds.len();
        }
        few
    }

    /// As [`plain`](Self::plain); of the scripts these come first, by habit, interval and timeout.
    fn plain_from(first: &[(usize, usize, usize)], trace: &Trace) -> Self {
        let seconds = [1, 2].map(Span::from_secs);
        let habits = [OnTerm::Dies(Span::ZERO), OnTerm::Ignores, OnTerm::Dies(seconds[0])];
        let mut scripts = Vec::new();
        let rest = (0..12).map(|n| (n / 4, n % 2, n / 2 % 2));
        for (on_term, interval, timeout) in first.iter().copied().chain(rest) {
            let script = Script {
                interval: seconds[interval],
                timeout: seconds[timeout],
                habit: Habit { on_term: habits[on_term], ..Habit::default() },
                ..Script::new(Name::numbered(0))
            };
            if !scripts.contains(&script) {
                scripts.push(script);
            }
        }
        Self {
            scripts,
            policies: vec![Setup::default(), Setup { pids: PidPolicy::Scattered, ..Setup::default() }],
            spans: spans(&[]),
            exits: true,
            hups: true,
            terms: trace.wakes().iter().any(|wake| wake.term),
            plain: true,
            any_two: ANY_TWO,
        }
    }

    /// Setups with so many scripts. Two are any of a few; of more all are alike, or all but one are the plainest.
    fn setups(&self, scripts: usize) -> Vec<Setup> {
        /// How many kinds there are to choose from.
        const CHOICE: [usize; SCRIPTS_MAX] = [usize::MAX, 8, 4, 3];
        let kinds = self.scripts.len().min(CHOICE[scripts - 1]);
        let mut chosen: Vec<Vec<usize>> = (0..kinds).map(|kind| vec![kind; scripts]).collect();
        for (place, kind) in (0..scripts).flat_map(|place| (1..kinds).map(move |kind| (place, kind))) {
            let mut one_odd = vec![0; scripts];
            one_odd[place] = kind;
            chosen.push(one_odd);
        }
        if scripts == 2 {
            let any = || 1..kinds.min(self.any_two);
            chosen.extend(any().flat_map(|a| any().map(move |b| vec![a, b])).filter(|two| two[0] != two[1]));
        }
        let script = |(place, kind): (usize, &usize)| Script {
            name: Name::numbered(place),
            ..self.scripts[*kind].clone()
        };
        let mut setups = Vec::new();
        for kinds in chosen {
            let config = Config { scripts: kinds.iter().enumerate().map(script).collect() };
            let shapes = self.policies.iter().filter(|policies| scripts > 2 || !self.only_shapes(policies));
            setups.extend(shapes.map(|policies| Setup { configs: vec![config.clone()], ..policies.clone() }));
        }
        setups
    }

    /// Whether these policies are tried for the shapes of the pid tree alone, which two nodes have one of.
    fn only_shapes(&self, policies: &Setup) -> bool {
        self.plain && policies.pids != PidPolicy::default()
    }

    /// The wakes that can come at the end of `node`.
    fn wakes(&self, node: &Node) -> Vec<Wake> {
        let mut wakes = Vec::new();
        let living = &node.living[..node.living.len().min(LIVING_MAX)];
        let subsets = if self.exits { 1_u32 << living.len() } else { 1 };
        for (advance, due) in self.advances(node) {
            for ended in 0..subsets {
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
                    // An order is one of two things, and a wake by nothing is none.
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

    /// How far the clock can move, and whether something is due then.
    fn advances(&self, node: &Node) -> Vec<(Advance, bool)> {
        // At once after the start is as good as the first timer with the signals first.
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

/// No policies, and those of the trace.
fn policies(setup: &Setup) -> Vec<Setup> {
    let own = Setup { configs: Vec::new(), ..setup.clone() };
    let mut policies = vec![Setup::default()];
    if own != policies[0] {
        policies.push(own);
    }
    policies
}

/// Two seconds, so that a plain timer is due twice, and the spans of the trace.
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

/// A trace that was run, and what can come at its end.
struct Node {
    wakes: Vec<Wake>,
    living: Vec<Run>,
    /// From its end to the next timer.
    gap: Option<Span>,
}

/// All traces of one setup that were gone on from.
struct Tree {
    setup: Setup,
    ends: Vec<Node>,
}

/// All trees with so many scripts.
struct Group {
    scripts: usize,
    depth: usize,
    trees: Vec<Tree>,
}

/// Wakes and scripts of all levels, in the order in which they are tried: those with fewer traces first, by a rough
/// count. What is built of a trace's own parts has no more scripts than it, as long as there is any such; of plain
/// parts one script comes before several where there is but one, and where any number of events makes several dear.
fn levels(pass: Pass, than: Size) -> Vec<(usize, usize)> {
    if let Of::Few { scripts, wakes } = pass.of {
        return (1..=wakes).map(|wakes| (wakes, scripts)).collect();
    }
    let all = (1..=WAKES_MAX).flat_map(|wakes| (1..=SCRIPTS_MAX).map(move |scripts| (wakes, scripts)));
    let mut levels: Vec<_> = all.filter(|level| *level <= (than.wakes, than.scripts)).collect();
    levels.sort_by_key(|(wakes, scripts)| {
        let later = match pass.of {
            Of::Itself => *scripts > than.scripts,
            _ if pass.events_max > FEW => *scripts > 1,
            _ => than.scripts == 1 && (*scripts > 1 || *wakes > 2),
        };
        (later, wakes * (scripts + 1), *wakes)
    });
    levels
}

struct Build<'r, E> {
    alphabet: Alphabet,
    /// Of the trace that is to be made smaller.
    size: Size,
    signature: Signature,
    pass: Pass,
    runs: u64,
    runs_max: u64,
    /// As many runs as there may have been at the end of this level.
    level_max: u64,
    best: Option<(Size, Trace)>,
    run: &'r mut dyn FnMut(&Trace) -> Result<Seen, E>,
}

impl<E> Build<'_, E> {
    /// Level by level, a level being all traces of so many wakes and scripts; ends with the first that has what
    /// is looked for. No level takes more than half of what runs are left, so that each has its turn.
    fn levels(&mut self) -> Result<(), E> {
        let mut groups: Vec<Group> = Vec::new();
        for (wakes, scripts) in levels(self.pass, self.size) {
            self.level_max = match self.pass.of {
                Of::Few { .. } => self.runs_max,
                _ => self.runs.midpoint(self.runs_max),
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

    fn group(&mut self, scripts: usize) -> Result<Group, E> {
        let mut trees = Vec::new();
        for setup in self.alphabet.setups(scripts) {
            let root = self.look(&setup, Vec::new())?.map(|(_, node)| node);
            trees.push(Tree { setup, ends: root.into_iter().collect() });
        }
        Ok(Group { scripts, depth: 0, trees })
    }

    /// One wake more for all traces of the group.
    fn level(&mut self, group: &mut Group) -> Result<(), E> {
        group.depth += 1;
        // At the size of what is to be made smaller no more exits and signals help; of one wake, which edits make
        // as plain as it gets, only fewer.
        let last = (group.depth, group.scripts) == (self.size.wakes, self.size.scripts);
        let beyond = (self.size.exits, self.size.signals + usize::from(self.size.wakes > 1));
        for tree in &mut group.trees {
            let mut known: BTreeMap<u128, Node> = BTreeMap::new();
            for end in std::mem::take(&mut tree.ends) {
                for wake in self.alphabet.wakes(&end) {
                    let mut wakes = end.wakes.clone();
                    wakes.push(wake);
                    let (exits, signals) = events(&wakes);
                    if exits + signals > self.pass.events_max || (last && (exits, signals) >= beyond) {
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

    /// Runs a trace. Its end, if it is to be gone on from.
    fn look(&mut self, setup: &Setup, wakes: Vec<Wake>) -> Result<Option<(u128, Node)>, E> {
        let Ok(trace) = Trace::new(setup.clone(), wakes) else { return Ok(None) };
        if self.runs >= self.level_max {
            return Ok(None);
        }
        self.runs += 1;
        let seen = (self.run)(&trace)?;
        if has(&seen.verdict, self.signature) {
            let size = Size::of(&trace);
            if size < self.best.as_ref().map_or(self.size, |(size, _)| *size) {
                self.best = Some((size, trace));
            }
            return Ok(None);
        }
        if seen.verdict.memory_break().is_some() || !seen.verdict.outcome.survived() {
            return Ok(None);
        }
        let Seen { digest, living, gap, .. } = seen;
        Ok(Some((digest, Node { wakes: trace.into_parts().1, living, gap })))
    }
}

fn events(wakes: &[Wake]) -> (usize, usize) {
    let signals = |wake: &Wake| usize::from(wake.hup.is_some()) + usize::from(wake.term);
    (wakes.iter().map(|wake| wake.exits.len()).sum(), wakes.iter().map(signals).sum())
}
