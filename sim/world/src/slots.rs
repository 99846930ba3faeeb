//! Hash index of numbered slots, whose keys lie in the slots themselves.
//!
//! It uses open addressing with linear probing. At most half of the cells are in use and a removal closes its gap, so
//! searches stay short. Cells are never walked in order, so no history depends on it.

use alloc::vec;
use alloc::vec::Vec;

/// An empty cell.
const EMPTY: u32 = u32::MAX;

/// Finds slots by the hashes of their keys.
#[derive(Clone, Default)]
pub(crate) struct SlotIndex {
    cells: Vec<u32>,
    used: usize,
}

impl SlotIndex {
    fn home(&self, hash: u64) -> usize {
        // The upper half of the product is well mixed; there are never more cells than four times the slots.
        let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        usize::try_from(mixed).unwrap_or_default() & (self.cells.len() - 1)
    }

    fn after(&self, cell: usize) -> usize {
        (cell + 1) & (self.cells.len() - 1)
    }

    /// Finds the slot under `hash` for which `is` holds.
    pub(crate) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        if self.cells.is_empty() {
            return None;
        }
        let mut cell = self.home(hash);
        while self.cells[cell] != EMPTY {
            if is(self.cells[cell]) {
                return Some(self.cells[cell]);
            }
            cell = self.after(cell);
        }
        None
    }

    /// Inserts `slot` under `hash`; `hash_of` returns the hash of any slot in the index.
    pub(crate) fn insert(&mut self, hash: u64, slot: u32, hash_of: impl Fn(u32) -> u64) {
        if (self.used + 1) * 2 > self.cells.len() {
            let larger = vec![EMPTY; (self.cells.len() * 2).max(16)];
            let old = core::mem::replace(&mut self.cells, larger);
            for slot in old.into_iter().filter(|slot| *slot != EMPTY) {
                self.place(hash_of(slot), slot);
            }
        }
        self.place(hash, slot);
        self.used += 1;
    }

    fn place(&mut self, hash: u64, slot: u32) {
        let mut cell = self.home(hash);
        while self.cells[cell] != EMPTY {
            cell = self.after(cell);
        }
        self.cells[cell] = slot;
    }

    /// Removes `slot`, which was inserted under `hash`.
    pub(crate) fn remove(&mut self, hash: u64, slot: u32, hash_of: impl Fn(u32) -> u64) {
        let mut gap = self.home(hash);
        while self.cells[gap] != slot {
            assert!(self.cells[gap] != EMPTY, "slot {slot} is not in the index");
            gap = self.after(gap);
        }
        self.used -= 1;
        // A later cell moves into the gap, unless its home lies between the gap and it.
        let mask = self.cells.len() - 1;
        let mut cell = self.after(gap);
        while self.cells[cell] != EMPTY {
            let home = self.home(hash_of(self.cells[cell]));
            if cell.wrapping_sub(home) & mask >= cell.wrapping_sub(gap) & mask {
                self.cells[gap] = self.cells[cell];
                gap = cell;
            }
            cell = self.after(cell);
        }
        self.cells[gap] = EMPTY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn a_slot_is_found_until_it_is_removed() {
        // Hashes collide on purpose: eight slots share each.
        let hash_of = |slot: u32| u64::from(slot / 8);
        let mut index = SlotIndex::default();
        let mut model = BTreeSet::new();
        let mut state = 1_u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let slot = u32::try_from(state >> 40).expect("24 bits") % 300;
            if model.remove(&slot) {
                index.remove(hash_of(slot), slot, hash_of);
            } else {
                model.insert(slot);
                index.insert(hash_of(slot), slot, hash_of);
            }
            let probe = u32::try_from(state >> 33 & 0xff).expect("8 bits");
            assert_eq!(index.find(hash_of(probe), |s| s == probe), model.get(&probe).copied());
        }
        assert!(index.cells.len() <= 1_024, "it does not grow with what came and went");
    }
}
