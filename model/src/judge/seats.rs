//! Where entries stand in lists, followed from look to look by what changed.
//!
//! Entries leave at the head and join at the tail; what stands between is known, each with its neighbours. Any
//! other change is a doubt (`None`), which a walk of the whole list decides. After a look without a doubt each
//! list's entries are live, their links lead both ways, and its ends are right.

use alloc::vec::Vec;

use crate::index::{Block, IndexView, List, NOWHERE};

/// In no list.
const NO_LIST: u8 = u8::MAX;

/// Where an entry stands.
#[derive(Clone, Copy, Debug)]
struct Seat {
    before: u32,
    after: u32,
    list: u8,
}

impl Seat {
    const NONE: Self = Self { before: NOWHERE, after: NOWHERE, list: NO_LIST };
}

/// The seats of all blocks.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    seats: Vec<Seat>,
    /// First and last of each list.
    ends: [(u32, u32); List::ALL.len()],
    joining: Vec<u32>,
}

impl Seats {
    pub(super) const fn new() -> Self {
        Self { seats: Vec::new(), ends: [(NOWHERE, NOWHERE); List::ALL.len()], joining: Vec::new() }
    }

    /// There are so many blocks.
    #[inline]
    pub(super) fn make_room(&mut self, blocks: usize) {
        if self.seats.len() < blocks {
            self.seats.resize(blocks.next_power_of_two(), Seat::NONE);
        }
    }

    /// All lists are empty, as far as is known.
    pub(super) fn clear(&mut self) {
        self.seats.fill(Seat::NONE);
        self.ends = [(NOWHERE, NOWHERE); List::ALL.len()];
    }

    /// Whether `block` stands in this list.
    #[inline]
    pub(super) fn is_in(&self, block: u32, list: List) -> bool {
        self.seats.get(block as usize).is_some_and(|seat| seat.list == list as u8)
    }

    /// Those before a list's first entry have left it; each is told.
    #[inline]
    pub(super) fn leave<V: IndexView>(
        &mut self,
        view: &V,
        list: List,
        mut tell: impl FnMut(u32),
    ) -> Option<()> {
        let first = view.first(list).number();
        let (mut known, last) = self.ends[list as usize];
        if known == first {
            return Some(());
        }
        while known != first && known != NOWHERE {
            let seat = self.seats.get_mut(known as usize)?;
            tell(known);
            known = seat.after;
            *seat = Seat::NONE;
        }
        self.ends[list as usize] = (known, if known == NOWHERE { NOWHERE } else { last });
        if known != NOWHERE {
            self.seats.get_mut(known as usize)?.before = NOWHERE;
        }
        Some(())
    }

    /// Those behind a list's last known entry have joined it; each is told.
    #[inline]
    pub(super) fn join<V: IndexView>(
        &mut self,
        view: &V,
        list: List,
        mut tell: impl FnMut(u32),
    ) -> Option<()> {
        let (mut first, mut last) = self.ends[list as usize];
        let mut block = view.last(list).number();
        self.joining.clear();
        while block != NOWHERE {
            let seat = self.seats.get(block as usize)?;
            if seat.list == list as u8 {
                break;
            }
            let elsewhere = seat.list != NO_LIST;
            let endless = self.joining.len() == self.seats.len();
            if elsewhere || endless || block >= view.blocks() || !view.is_live(Block(block)) {
                return None;
            }
            self.joining.push(block);
            block = view.previous(list, Block(block)).number();
        }
        if block != last {
            return None;
        }
        while let Some(block) = self.joining.pop() {
            if last == NOWHERE {
                first = block;
            } else {
                self.seats.get_mut(last as usize)?.after = block;
                if view.next(list, Block(last)).number() != block {
                    return None;
                }
            }
            *self.seats.get_mut(block as usize)? = Seat { before: last, after: NOWHERE, list: list as u8 };
            tell(block);
            last = block;
        }
        self.ends[list as usize] = (first, last);
        let ends = last == NOWHERE || view.next(list, Block(last)).number() == NOWHERE;
        (ends && view.first(list).number() == first).then_some(())
    }

    /// An entry that changed and stands in a list is live and between its neighbours.
    #[inline]
    pub(super) fn stay<V: IndexView>(&self, view: &V, block: Block) -> Option<()> {
        let seat = self.seats.get(block.0 as usize)?;
        let Some(list) = List::ALL.get(usize::from(seat.list)) else { return Some(()) };
        let stays = view.is_live(block) && view.neighbours(*list, block) == (seat.before, seat.after);
        stays.then_some(())
    }
}
