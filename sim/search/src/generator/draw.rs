//! Random integers, mapped from the bits of ChaCha8 by our own code.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// The denominator of chances.
pub const CERTAIN: u32 = 1_000;

/// The random numbers of one trace, or of one life of a soak.
pub struct Draw(ChaCha8Rng);

impl Draw {
    /// Returns the stream of trace `number` in the campaign of `seed`. The key is seed and version, little-endian.
    pub(super) fn new(seed: u64, number: u64, version: u32) -> Self {
        Self::of(seed, number, version, b"treefall campain")
    }

    /// Returns the same for a campaign of plain traces.
    pub(super) fn of_plain(seed: u64, number: u64, version: u32) -> Self {
        Self::of(seed, number, version, b"treefall plainly")
    }

    /// Returns the same for a campaign that draws by priorities.
    pub(super) fn of_pct(seed: u64, number: u64, version: u32) -> Self {
        Self::of(seed, number, version, b"treefall ordered")
    }

    /// Returns the stream that decides which scripts of a trace cancel.
    pub(super) fn of_cancelling(seed: u64, number: u64, version: u32) -> Self {
        Self::of(seed, number, version, b"treefall cancels")
    }

    /// The stream of what happens to network interfaces in a trace.
    pub(super) fn of_outside(seed: u64, number: u64, version: u32) -> Self {
        Self::of(seed, number, version, b"treefall outside")
    }

    /// The stream of that number in the soak of `seed`, of a soak's version.
    pub fn of_soak(seed: u64, number: u64, version: u32) -> Self {
        Self::of(seed, number, version, b"treefall soaking")
    }

    fn of(seed: u64, number: u64, version: u32, purpose: &[u8; 16]) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..12].copy_from_slice(&version.to_le_bytes());
        key[16..].copy_from_slice(purpose);
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(number);
        Self(rng)
    }

    /// Draws a number below `bound`, which must not be zero: the high word of a product, one draw, no rejection.
    pub fn below(&mut self, bound: u64) -> u64 {
        debug_assert!(bound > 0, "nothing is below zero");
        let product = u128::from(self.0.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// Draws an index of a slice of `length` elements; 0 if it is empty.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length.max(1) as u64)).unwrap_or(0)
    }

    /// Draws one of `choices`.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    /// Draws `true` with probability `parts` / [`CERTAIN`]. Always uses one draw, so that a weight of zero moves no
    /// other draw.
    pub fn chance(&mut self, parts: u32) -> bool {
        self.below(u64::from(CERTAIN)) < u64::from(parts)
    }

    /// Draws an index with these weights.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let total: u32 = weights.iter().sum();
        let mut left = self.below(u64::from(total.max(1)));
        for (place, weight) in weights.iter().enumerate() {
            match left.checked_sub(u64::from(*weight)) {
                Some(rest) => left = rest,
                None => return place,
            }
        }
        0
    }
}
