//! The slots of scheduler entries: from a number to an address and back, and whether each is live.
//!
//! Invariants: a slot has one number for its whole life. A slot that may not be read, because it was freed and is guarded,
//! is never read: its copy is.

use treefall_model::index::Block;

/// Distance between entries in bytes.
pub const STRIDE: usize = 128;
const _: () = assert!(STRIDE.is_power_of_two());
/// Distance between entries of a guarded heap.
pub(crate) const PAGE: usize = 4_096;
/// [`STRIDE`] as a power of two.
pub(crate) const PLAIN: u32 = STRIDE.trailing_zeros();
/// [`PAGE`] as a power of two.
pub(crate) const GUARDED: u32 = PAGE.trailing_zeros();

/// The entries' blocks at one moment.
#[derive(Clone, Copy)]
pub struct Blocks {
    /// Address of the first slot.
    pub(crate) slots: usize,
    /// Address of the first slot's byte of life.
    pub(crate) live: usize,
    /// How many slots were made.
    pub(crate) made: usize,
    /// Distance between slots: [`PLAIN`] or [`GUARDED`].
    pub(crate) shift: u32,
    /// Address of the copy of the first slot, if they are guarded.
    pub(crate) copies: usize,
}

impl Blocks {
    /// Returns how many blocks were made.
    #[inline]
    pub fn made(&self) -> u32 {
        self.made as u32
    }

    /// Returns the address of a block's first byte; of a freed one that is guarded, of its copy.
    #[inline]
    pub fn address(&self, block: Block) -> usize {
        if self.shift == GUARDED && !self.is_live(block) {
            return self.copies + block.0 as usize * STRIDE;
        }
        self.slots + ((block.0 as usize) << self.shift)
    }

    /// Returns the block that has `address` at exactly `offset`.
    #[inline]
    pub fn block_at(&self, address: usize, offset: usize) -> Option<Block> {
        let from_start = address.wrapping_sub(self.slots).wrapping_sub(offset);
        // What is no multiple of the stride becomes larger than any slot number.
        let number = from_start.rotate_right(self.shift);
        (number < self.made).then_some(Block(number as u32))
    }

    /// As [`block_at`](Self::block_at), for live blocks.
    #[inline(always)]
    pub fn live_at(&self, address: usize, offset: usize) -> Option<Block> {
        let block = self.block_at(address, offset)?;
        // SAFETY: one byte for each slot made.
        (unsafe { *((self.live + block.0 as usize) as *const u8) } != 0).then_some(block)
    }

    /// Whether the block is live.
    #[inline]
    pub fn is_live(&self, block: Block) -> bool {
        if block.0 as usize >= self.made {
            return false;
        }
        // SAFETY: one byte for each slot made.
        unsafe { *((self.live + block.0 as usize) as *const u8) != 0 }
    }
}
