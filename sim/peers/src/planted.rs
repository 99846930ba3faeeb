//! One planted bug of three steps, found and shrunk by three tools.
//!
//! The bug: a script's run exits, a reload comes, a run of the same script exits, with anything in between. The steps
//! run on a counter, so that only search and shrinking are measured. Each tool receives the steps in its usual form,
//! and stops when it cannot reduce them further.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use proptest_state_machine::ReferenceStateMachine;
use quickcheck::{Arbitrary, Gen, QuickCheck};
use treefall::generator;
use treefall::model::event::Step;
use treefall::model::law::Law;
use treefall::model::trace::Trace;
use treefall::model::verdict::{Outcome, Signature, Verdict, Violation};
use treefall::shrink::{Limits, shrink};

/// Most steps of a tool's first case.
const STEPS_MAX: usize = 60;
/// Number of scripts.
const SCRIPTS: u8 = 6;

/// One step, in the form of the other tools.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// Time passes, in microseconds.
    Pass(u32),
    /// A run of this script exits with this code.
    Exit(u8, u8),
    /// SIGHUP, with this configuration.
    Reload(u8),
}

/// The progress of the bug.
#[derive(Clone, Default, Debug)]
struct Progress {
    exited: [bool; SCRIPTS as usize],
    reloaded: [bool; SCRIPTS as usize],
}

impl Progress {
    fn exits(&mut self, script: u16) -> bool {
        let script = usize::from(script) % self.exited.len();
        self.exited[script] = true;
        self.reloaded[script]
    }

    fn reloads(&mut self) {
        self.reloaded = self.exited;
    }

    fn act(&mut self, act: &Act) -> bool {
        match act {
            Act::Pass(_) => false,
            Act::Exit(script, _) => self.exits(u16::from(*script)),
            Act::Reload(_) => {
                self.reloads();
                false
            }
        }
    }
}

fn breaks(acts: &[Act]) -> bool {
    let mut progress = Progress::default();
    acts.iter().any(|act| progress.act(act))
}

/// The result of a tool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Detection {
    /// Steps (wakes) of the smallest case.
    pub steps: usize,
    /// Runs of finding and shrinking.
    pub runs: u64,
}

/// Finds and shrinks the bug by treefall: traces from its generator, with wakes as steps.
///
/// # Panics
/// When a thousand traces do not find it.
#[must_use]
pub fn treefall(seed: u64) -> Detection {
    let signature = Signature { law: Law::ExitNotLost, step: Step::Blocked, entry: None };
    let judge = |trace: &Trace| {
        let mut progress = Progress::default();
        let mut broken = false;
        for wake in trace.wakes() {
            for exit in &wake.exits {
                broken |= progress.exits(exit.run.of.script.0);
            }
            if wake.hup.is_some() {
                progress.reloads();
            }
        }
        let planted = Violation::bare(signature);
        Verdict { breaks: if broken { vec![planted] } else { Vec::new() }, outcome: Outcome::Survived }
    };
    for number in 0..1_000 {
        let trace = generator::generate(seed, number);
        let verdict = judge(&trace);
        if !verdict.is_clean() {
            let shrunk =
                shrink(trace, verdict, signature, Limits::default(), |trace| Ok::<_, ()>(judge(trace)));
            let shrunk = shrunk.expect("the judge has no errors");
            return Detection { steps: shrunk.trace.wakes().len(), runs: number + 1 + shrunk.runs };
        }
    }
    panic!("a thousand traces did not show the planted bug");
}

/// The planted bug as proptest-state-machine's reference.
struct Machine;

impl ReferenceStateMachine for Machine {
    type State = ();
    type Transition = Act;

    fn init_state() -> BoxedStrategy<()> {
        Just(()).boxed()
    }

    fn transitions((): &()) -> BoxedStrategy<Act> {
        let exit = (0..SCRIPTS, any::<u8>()).prop_map(|(script, code)| Act::Exit(script, code));
        prop_oneof![any::<u32>().prop_map(Act::Pass), exit, (0..4_u8).prop_map(Act::Reload)].boxed()
    }

    fn apply((): (), _: &Act) {}
}

/// Finds and shrinks the bug by proptest-state-machine.
///
/// # Panics
/// When it does not find it.
#[must_use]
pub fn proptest(seed: u64) -> Detection {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config =
        Config { failure_persistence: None, max_shrink_iters: u32::MAX, ..Config::with_cases(1_000) };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let runs = Cell::new(0);
    let outcome = runner.run(&Machine::sequential_strategy(1..=STEPS_MAX), |((), acts, seen)| {
        runs.set(runs.get() + 1);
        // The tool shrinks by the observed prefix: a run that ended early reports it.
        let mut progress = Progress::default();
        for act in &acts {
            if let Some(seen) = &seen {
                seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
            if progress.act(act) {
                return Err(TestCaseError::fail("planted"));
            }
        }
        Ok(())
    });
    let Err(TestError::Fail(_, ((), acts, _))) = outcome else { panic!("it did not show the planted bug") };
    Detection { steps: acts.len(), runs: runs.get() }
}

impl Arbitrary for Act {
    fn arbitrary(gen_: &mut Gen) -> Self {
        match u8::arbitrary(gen_) % 3 {
            0 => Self::Pass(u32::arbitrary(gen_)),
            1 => Self::Exit(u8::arbitrary(gen_) % SCRIPTS, u8::arbitrary(gen_)),
            _ => Self::Reload(u8::arbitrary(gen_) % 4),
        }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        match *self {
            Self::Pass(micros) => Box::new(micros.shrink().map(Self::Pass)),
            Self::Exit(script, code) => {
                Box::new((script, code).shrink().map(|(script, code)| Self::Exit(script, code)))
            }
            Self::Reload(config) => Box::new(config.shrink().map(Self::Reload)),
        }
    }
}

thread_local! {
    /// quickcheck takes plain functions, so that the result is stored here.
    static SEEN: Cell<Detection> = const { Cell::new(Detection { steps: 0, runs: 0 }) };
}

fn holds(acts: Vec<Act>) -> bool {
    let broken = breaks(&acts);
    let mut found = SEEN.get();
    found.runs += 1;
    if broken {
        // Shrinking continues from the last failure: the last one is the smallest.
        found.steps = acts.len();
    }
    SEEN.set(found);
    !broken
}

/// Finds and shrinks the bug by quickcheck.
///
/// # Panics
/// When it does not find it.
#[must_use]
pub fn quickcheck(seed: u64) -> Detection {
    SEEN.set(Detection { steps: 0, runs: 0 });
    let mut tool = QuickCheck::new().rng(Gen::from_size_and_seed(STEPS_MAX, seed)).tests(1_000);
    let outcome = tool.quicktest(holds as fn(Vec<Act>) -> bool);
    assert!(outcome.is_err(), "it did not show the planted bug");
    SEEN.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tool_finds_the_planted_bug_and_treefall_shrinks_it_to_the_fewest_wakes() {
        for seed in 0..20 {
            // Exits precede the reload of their wake, so that two wakes contain the three steps.
            assert_eq!(treefall(seed).steps, 2, "seed {seed}");
            assert!(proptest(seed).steps >= 3);
            assert!(quickcheck(seed).steps >= 3);
        }
    }
}
