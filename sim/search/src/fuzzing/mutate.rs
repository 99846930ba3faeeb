//! Mutates the fuzzer's bytes on the level of wakes.
//!
//! Changing a byte blindly shifts everything after it. These mutations change an interleaving: they add, remove or
//! move a wake, move an exit across a boundary, or put a signal at the instant of a timer. Invariant: the result
//! depends only on bytes and seed, and decodes to the changed trace.

use treefall_model::codec;
use treefall_model::id::{ConfigId, Generation, Run, ScriptId, ScriptRef};
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::Span;
use treefall_model::trace::{Advance, Exit, Order, Trace, Wake};

/// Small random numbers from a seed, for choices only.
struct SeededChoices(u64);

impl SeededChoices {
    /// Returns a number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % bound.max(1) as u64).unwrap_or(0)
    }
}

/// A change of a list of wakes, possibly without effect.
type Change = fn(&mut Vec<Wake>, &Trace, &mut SeededChoices);

const CHANGES: [Change; 9] = [
    |wakes, trace, choices| {
        let at = choices.below(wakes.len() + 1);
        let wake = some_wake(trace, choices);
        wakes.insert(at, wake);
    },
    |wakes, _, choices| {
        if !wakes.is_empty() {
            wakes.remove(choices.below(wakes.len()));
        }
    },
    |wakes, _, choices| {
        if !wakes.is_empty() {
            let at = choices.below(wakes.len());
            wakes.insert(at, wakes[at].clone());
        }
    },
    |wakes, _, choices| {
        if wakes.len() > 1 {
            let at = choices.below(wakes.len() - 1);
            wakes.swap(at, at + 1);
        }
    },
    // Moves an exit across the boundary to the wake before or after.
    |wakes, _, choices| {
        let with: Vec<usize> = (0..wakes.len()).filter(|at| !wakes[*at].exits.is_empty()).collect();
        if with.is_empty() {
            return;
        }
        let at = with[choices.below(with.len())];
        let nth = choices.below(wakes[at].exits.len());
        let exit = wakes[at].exits.remove(nth);
        let back = at > 0 && choices.below(2) == 0;
        if !back && at + 1 == wakes.len() {
            wakes.push(Wake::next_timer());
        }
        add(&mut wakes[if back { at - 1 } else { at + 1 }], exit);
    },
    // Puts a signal at the instant of a timer.
    |wakes, trace, choices| {
        if let Some(wake) = one_of(wakes, choices) {
            wake.advance = Advance::NextTimer;
            wake.hup = Some(some_config(trace, choices));
        }
    },
    |wakes, trace, choices| {
        let config = some_config(trace, choices);
        if let Some(wake) = one_of(wakes, choices) {
            wake.hup = if wake.hup.is_some() { None } else { Some(config) };
        }
    },
    |wakes, _, choices| {
        if let Some(wake) = one_of(wakes, choices) {
            wake.order = match wake.order {
                Order::TimerFirst => Order::SignalsFirst,
                Order::SignalsFirst => Order::TimerFirst,
            };
        }
    },
    |wakes, trace, choices| {
        let exit = some_exit(trace, wakes, choices);
        if let Some(wake) = one_of(wakes, choices) {
            add(wake, exit);
        }
    },
];

fn one_of<'w>(wakes: &'w mut [Wake], choices: &mut SeededChoices) -> Option<&'w mut Wake> {
    let at = choices.below(wakes.len());
    wakes.get_mut(at)
}

fn some_config(trace: &Trace, choices: &mut SeededChoices) -> ConfigId {
    ConfigId(u8::try_from(choices.below(trace.setup().configs.len())).unwrap_or(0))
}

/// Returns a run that probably exists in a trace with these wakes.
fn some_exit(trace: &Trace, wakes: &[Wake], choices: &mut SeededChoices) -> Exit {
    let widest = trace.setup().configs.iter().map(|config| config.scripts.len()).max().unwrap_or(0);
    let reloads = wakes.iter().filter(|wake| wake.hup.is_some()).count();
    let generation = Generation(u32::try_from(choices.below(reloads + 1)).unwrap_or(0));
    let script = ScriptId(u16::try_from(choices.below(widest)).unwrap_or(0));
    let nth = u32::try_from(1 + choices.below(3)).unwrap_or(1);
    let status = [ExitStatus::SUCCESS, ExitStatus::Code(1), ExitStatus::Signal(Signal::TERM)];
    Exit { run: Run { of: ScriptRef { generation, script }, nth }, status: status[choices.below(3)] }
}

fn some_wake(trace: &Trace, choices: &mut SeededChoices) -> Wake {
    let advances = [
        Advance::NextTimer,
        Advance::NextTimer,
        Advance::By(Span::ZERO),
        Advance::By(Span::from_millis(500)),
        Advance::By(Span::from_secs(1)),
    ];
    let mut wake = Wake::new(advances[choices.below(advances.len())]);
    if choices.below(3) == 0 {
        wake.hup = Some(some_config(trace, choices));
    }
    wake
}

/// Adds an exit, unless the run already exits in that wake.
fn add(wake: &mut Wake, exit: Exit) {
    if let Err(at) = wake.exits.binary_search_by_key(&exit.run, |exit| exit.run) {
        wake.exits.insert(at, exit);
    }
}

/// Mutates the trace in `bytes` in one to four places, by `seed`. `None`: no mutation gives a valid trace of at most
/// `size_max` bytes.
#[must_use]
pub fn mutate(bytes: &[u8], seed: u32, size_max: usize) -> Option<Vec<u8>> {
    let mut choices = SeededChoices(u64::from(seed));
    let trace = codec::decode(bytes);
    let mut wakes = trace.wakes().to_vec();
    for _ in 0..=choices.below(4) {
        CHANGES[choices.below(CHANGES.len())](&mut wakes, &trace, &mut choices);
    }
    let changed = codec::encode(&Trace::new(trace.setup().clone(), wakes).ok()?);
    (changed.len() <= size_max).then_some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator;

    #[test]
    fn a_mutation_is_the_same_each_time_valid_and_mostly_a_change() {
        let bytes = codec::encode(&generator::generate(1, 4));
        let mutated: Vec<_> = (0..200).map(|seed| mutate(&bytes, seed, 4_096)).collect();
        assert_eq!(mutated, (0..200).map(|seed| mutate(&bytes, seed, 4_096)).collect::<Vec<_>>());
        let changed = mutated.iter().flatten().filter(|changed| **changed != bytes).count();
        assert!(changed > 100, "{changed} of 200 changed anything");
        for changed in mutated.iter().flatten() {
            assert_eq!(codec::encode(&codec::decode(changed)), *changed);
        }
    }

    #[test]
    fn every_kind_of_change_changes_some_trace() {
        let trace = generator::generate(1, 4);
        for (nth, change) in CHANGES.iter().enumerate() {
            let differs = (0..50).any(|seed| {
                let mut wakes = trace.wakes().to_vec();
                change(&mut wakes, &trace, &mut SeededChoices(seed));
                wakes != trace.wakes()
            });
            assert!(differs, "change {nth}");
        }
    }

    #[test]
    fn what_would_be_too_long_is_refused() {
        let bytes = codec::encode(&generator::generate(1, 4));
        assert!((0..100).all(|seed| mutate(&bytes, seed, 3).is_none()));
        assert!((0..100).any(|seed| mutate(&[], seed, 64).is_some()));
    }
}
