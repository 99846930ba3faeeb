//! Where broken laws are written down: each signature once, with the children that it concerns, and nothing after a
//! memory break.

use alloc::vec::Vec;

use crate::event::{EntryKind, Step};
use crate::id::Run;
use crate::law::Law;
use crate::time::Instant;
use crate::verdict::{AGAIN_MAX, Again, Signature, Violation, Weight};
use crate::violation::Detail;

/// Kinds of entry, and none.
const ENTRIES: usize = EntryKind::ALL.len() + 1;
/// More steps than there are.
const STEPS: usize = 32;
/// Bits in a word.
const WORD: usize = u64::BITS as usize;
/// Words that hold a bit for every signature.
const WORDS: usize = (Law::ALL.len() * STEPS * ENTRIES).div_ceil(WORD);

/// The breaks so far, and how far the history is.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    breaks: Vec<Violation>,
    seen: [u64; WORDS],
    /// Records of the history so far, the one under judgement included.
    pub(super) records: u64,
    /// The instant of the last of them.
    pub(super) at: Instant,
    over: bool,
}

impl Ledger {
    pub(super) const fn new() -> Self {
        Self { breaks: Vec::new(), seen: [0; WORDS], records: 0, at: Instant::START, over: false }
    }

    /// Whether a memory break has ended the judging.
    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn breaks(&self) -> &[Violation] {
        &self.breaks
    }

    /// Gives out what was written down, and forgets it. A memory break still ends the judging.
    pub(super) fn take_breaks(&mut self) -> Vec<Violation> {
        if !self.breaks.is_empty() {
            self.seen = [0; WORDS];
        }
        core::mem::take(&mut self.breaks)
    }

    pub(super) fn into_breaks(self) -> Vec<Violation> {
        self.breaks
    }

    /// Writes a break down; of a signature that stands there already only the child, if that is another one. Nothing
    /// once judging is over. The detail is made only when it is kept: no allocation for what is known.
    pub(super) fn broken(
        &mut self,
        law: Law,
        step: Step,
        entry: Option<EntryKind>,
        run: Option<Run>,
        detail: impl FnOnce() -> Detail,
    ) {
        if self.over {
            return;
        }
        let place =
            (law as usize * STEPS + step as usize) * ENTRIES + entry.map_or(0, |kind| kind as usize + 1);
        let bit = 1 << (place % WORD);
        let signature = Signature { law, step, entry };
        if self.seen[place / WORD] & bit != 0 {
            return self.again(signature, run);
        }
        self.seen[place / WORD] |= bit;
        self.over = law.weight() == Weight::Memory;
        self.breaks.push(Violation { run, ..Violation::new(signature, self.at, self.records, detail()) });
    }

    #[cold]
    fn again(&mut self, signature: Signature, run: Option<Run>) {
        let (at, records) = (self.at, self.records);
        let Some(broken) = self.breaks.iter_mut().find(|broken| broken.signature == signature) else {
            return;
        };
        let known = broken.run == run || broken.again.iter().any(|it| it.run == run);
        if !known && broken.again.len() < AGAIN_MAX {
            broken.again.push(Again { run, at, records });
        }
    }
}
