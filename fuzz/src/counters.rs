//! The counters by which libFuzzer is told of scheduler states: it takes a state that was never reached for progress,
//! as it does an edge of code. The one place of `unsafe` in this crate.

use std::sync::atomic::{AtomicU8, Ordering};

use treefall::fuzzing::STATES;

/// libFuzzer looks through this section after each run, and clears it before. In an environment without
/// `TREEFALL_FUZZ_STATES=0`, each state has a byte.
// SAFETY: the section is libFuzzer's: it reads and clears bytes there, which any bytes may be. Nothing else lies in it,
// and this side uses atomic operations alone.
#[used] // Nothing of ours reads it: without this the compiler leaves it out, and the fuzzer is told nothing.
#[unsafe(link_section = "__libfuzzer_extra_counters")]
static REACHED: [AtomicU8; STATES] = [const { AtomicU8::new(0) }; STATES];

/// Whether states are told: they are unless it is asked, for a comparison, what the fuzzer does without.
fn told() -> bool {
    static TOLD: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *TOLD.get_or_init(|| std::env::var_os("TREEFALL_FUZZ_STATES").is_none_or(|value| value != "0"))
}

/// A state was reached.
pub fn reach(state: usize) {
    if let Some(counter) = REACHED.get(state).filter(|_| told()) {
        // Once is as good as often.
        counter.store(1, Ordering::Relaxed);
    }
}
