//! All traces over a small alphabet, level by level: where no edit of a trace leads to a smaller one, trying all
//! small traces does.
//!
//! The alphabet. Scripts: 1 to 4, each with an interval and a timeout of 1 or 2 s, that dies of a SIGTERM at once,
//! after a second, or never; from three scripts on all are alike, and pids ascend or are scattered. Wakes: to the
//! next timer, at once, or after half a second; with a SIGHUP or without; any first starts end with success (of
//! one script the second start and the first one after a reload too); both orders. Levels: see [`LEVELS`].

use treefall_model::id::{ConfigId, Run};
use treefall_model::signal::ExitStatus;
use treefall_model::time::Span;
use treefall_model::trace::{
    Advance, Config, Habit, Name, OnTerm, Order, PidPolicy, Script, Setup, Trace, Wake, run,
};

/// How many wakes and scripts the traces of a level have, and what they may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Level {
    /// Wakes.
    pub wakes: usize,
    /// Scripts.
    pub scripts: usize,
    /// Whether runs end.
    exits: bool,
    /// Whether the scripts have habits and times of their own.
    unlike: bool,
}

const fn level(wakes: usize, scripts: usize, exits: bool, unlike: bool) -> Level {
    Level { wakes, scripts, exits, unlike }
}

/// The levels, in the order of size.
pub const LEVELS: [Level; 7] = [
    level(1, 1, true, false),
    level(1, 2, true, true),
    level(1, 3, true, false),
    level(1, 4, true, false),
    level(2, 1, true, false),
    level(2, 2, true, false),
    level(3, 1, false, false),
];

/// Kinds of script: four pairs of times, three habits.
const KINDS: usize = 12;

impl Level {
    /// Tells `visit` each trace of the level, always in the same order.
    pub fn each(self, visit: &mut dyn FnMut(&Trace)) {
        for setup in self.setups() {
            self.go_on(&setup, &mut Vec::new(), visit);
        }
    }

    fn setups(self) -> Vec<Setup> {
        let kinds: Vec<Vec<usize>> = match self.scripts {
            2 => (0..KINDS * KINDS).map(|n| vec![n / KINDS, n % KINDS]).collect(),
            scripts => (0..KINDS).map(|kind| vec![kind; scripts]).collect(),
        };
        // Of two scripts in more than one wake only those of one habit are tried.
        let wanted =
            |kinds: &&Vec<usize>| self.unlike || kinds.windows(2).all(|pair| pair[0] / 4 == pair[1] / 4);
        let policies: &[PidPolicy] = if self.scripts > 2 {
            &[PidPolicy::Ascending, PidPolicy::Scattered]
        } else {
            &[PidPolicy::Ascending]
        };
        let setup = |kinds: &Vec<usize>, pids| Setup {
            configs: vec![Config {
                scripts: kinds.iter().enumerate().map(|(at, kind)| script(at, *kind)).collect(),
            }],
            pids,
            ..Setup::default()
        };
        let wanted = kinds.iter().filter(wanted);
        wanted.flat_map(|kinds| policies.iter().map(move |pids| setup(kinds, *pids))).collect()
    }

    fn go_on(self, setup: &Setup, before: &mut Vec<Wake>, visit: &mut dyn FnMut(&Trace)) {
        if before.len() == self.wakes {
            if let Ok(trace) = Trace::new(setup.clone(), before.clone()) {
                visit(&trace);
            }
            return;
        }
        let reloaded = before.iter().any(|wake| wake.hup.is_some());
        for wake in self.wakes_at(before.len(), reloaded) {
            before.push(wake);
            self.go_on(setup, before, visit);
            before.pop();
        }
    }

    fn wakes_at(self, place: usize, reloaded: bool) -> Vec<Wake> {
        let mut runs: Vec<Run> = (0..self.scripts).map(|script| run(script as u16, 0, 1)).collect();
        if place > 0 && self.scripts == 1 {
            runs.push(run(0, 0, 2));
            runs.extend(reloaded.then(|| run(0, 1, 1)));
        }
        let subsets = if self.exits { 1_u32 << runs.len() } else { 1 };
        let mut wakes = Vec::new();
        for advance in [Advance::NextTimer, Advance::By(Span::ZERO), Advance::By(Span::from_millis(500))] {
            for (ended, hup) in (0..subsets).flat_map(|ended| [(ended, false), (ended, true)]) {
                let ending = runs.iter().enumerate().filter(|(bit, _)| ended >> bit & 1 == 1);
                let wake =
                    ending.fold(Wake::new(advance), |wake, (_, run)| wake.exit(*run, ExitStatus::SUCCESS));
                let wake = if hup { wake.hup(ConfigId(0)) } else { wake };
                // Before the first timer nothing is due: order means nothing, and a wake by nothing is none.
                let (brings, timer) = (ended != 0 || hup, place > 0 || advance == Advance::NextTimer);
                if brings && timer {
                    wakes.push(Wake { order: Order::SignalsFirst, ..wake.clone() });
                }
                if brings || timer {
                    wakes.push(wake);
                }
            }
        }
        wakes
    }
}

fn script(place: usize, kind: usize) -> Script {
    let (times, habit) = (kind % 4, kind / 4);
    let second = Span::from_secs(1);
    let seconds = [second, Span::from_secs(2)];
    Script {
        interval: seconds[times % 2],
        timeout: seconds[times / 2],
        habit: Habit {
            on_term: [OnTerm::Dies(Span::ZERO), OnTerm::Ignores, OnTerm::Dies(second)][habit],
            ..Habit::default()
        },
        ..Script::new(Name::numbered(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_levels_grow_and_each_has_traces_of_its_size() {
        assert!(LEVELS.is_sorted_by_key(|level| (level.wakes, level.scripts)));
        for level in &LEVELS[..5] {
            let mut count = 0;
            level.each(&mut |trace| {
                count += 1;
                assert_eq!(
                    (trace.wakes().len(), trace.setup().configs[0].scripts.len()),
                    (level.wakes, level.scripts)
                );
            });
            assert!(count > 50, "{level:?} has {count}");
        }
    }
}
