//! Who is there: every child from its start until it is reaped, found by its run in constant time.
//!
//! Children lie in slots that are used again; a table of open addressing finds a slot by its run, and each
//! script of the generation in force has a chain of its own children, the latest first. In a steady state
//! nothing here allocates.

use alloc::vec::Vec;

use crate::canon::Canon;
use crate::id::{ConfigId, Generation, Pid, Run, ScriptId};
use crate::time::{Instant, Span};
use crate::trace::ScriptKind;

/// A stretch of time in which the program read its clock for something, moved by a span. The judge knows
/// when a handler began and ended, not when within it the clock was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Window {
    /// Not before.
    pub(super) from: Instant,
    /// Not after.
    pub(super) to: Instant,
}

impl Window {
    /// At no time.
    pub(super) const NEVER: Self = Self { from: Instant::MAX, to: Instant::MAX };

    /// From when to when.
    pub(super) fn canon(self, canon: &mut Canon) {
        let never = self == Self::NEVER;
        canon.flag(never);
        if !never {
            canon.at(self.from);
            canon.at(self.to);
        }
    }

    /// The window of a handler that began at `began` and is not done, moved by `span`.
    pub(super) fn open(began: Instant, span: Span) -> Self {
        Self { from: began + span, to: Instant::MAX }
    }
}

/// A child that was started and not reaped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Child {
    pub(super) run: Run,
    pub(super) pid: Pid,
    /// The configuration that it was started from.
    pub(super) config: ConfigId,
    pub(super) kind: ScriptKind,
    /// Dies of a SIGTERM, sooner or later.
    pub(super) obeys: bool,
    /// Ended, and a zombie.
    pub(super) exited: bool,
    /// When it was first sent SIGTERM.
    pub(super) told: Option<Instant>,
    /// How often it was sent SIGKILL.
    pub(super) kills: u32,
    /// Told by a reload: its grace is one second from the first that did, and the program's own killer has it.
    pub(super) graced: bool,
    /// Its killer's grace is not over before this.
    pub(super) grace_from: Instant,
    /// When its entry fires next, by its own generation's handler.
    pub(super) due: Window,
    /// The latest instant at which the next signal may be sent, if one is owed.
    pub(super) owed: Option<Instant>,
    /// Tells the debt in force from those before it.
    pub(super) ticket: u64,
    /// A law about it was broken: it is judged no more.
    pub(super) written_off: bool,
    /// Its entry was cancelled: its exit is not missed, and once it is killed the next run may start.
    pub(super) cancelled: bool,
    older: u32,
}

impl Child {
    pub(super) fn new(run: Run, pid: Pid, config: ConfigId, kind: ScriptKind, obeys: bool) -> Self {
        Self {
            run,
            pid,
            config,
            kind,
            obeys,
            exited: false,
            told: None,
            kills: 0,
            graced: false,
            grace_from: Instant::START,
            due: Window::NEVER,
            owed: None,
            ticket: 0,
            written_off: false,
            cancelled: false,
            older: NONE,
        }
    }

    /// Alive, and judged.
    pub(super) const fn counts(&self) -> bool {
        !self.exited && !self.written_off
    }

    /// Ended; or given up by the program, and sure to end.
    pub(super) const fn is_over(&self) -> bool {
        self.exited || self.cancelled && self.kills > 0
    }

    /// Sent a signal of any kind.
    pub(super) const fn was_signalled(&self) -> bool {
        self.told.is_some() || self.kills > 0
    }
}

/// No slot.
const NONE: u32 = u32::MAX;
/// Slots of the smallest table.
const TABLE_MIN: usize = 16;

/// All children that were started and not reaped.
#[derive(Clone, Debug)]
pub(super) struct Roster {
    slots: Vec<Child>,
    free: Vec<u32>,
    /// Slots by the hash of their run; a power of two, at most half full.
    table: Vec<u32>,
    /// The generation in force, and the latest child of each of its scripts.
    generation: Generation,
    latest: Vec<u32>,
}

impl Roster {
    pub(super) fn new(scripts: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            table: alloc::vec![NONE; TABLE_MIN],
            generation: Generation::default(),
            latest: alloc::vec![NONE; scripts],
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn child(&self, slot: u32) -> &Child {
        &self.slots[slot as usize]
    }

    pub(super) fn child_mut(&mut self, slot: u32) -> &mut Child {
        &mut self.slots[slot as usize]
    }

    /// The slot of a run.
    pub(super) fn find(&self, run: Run) -> Option<u32> {
        let slot = self.table[self.place(run)];
        (slot != NONE).then_some(slot)
    }

    /// Takes a child in. A run that is there already is replaced.
    pub(super) fn insert(&mut self, mut child: Child) -> u32 {
        self.remove(child.run);
        let latest = self.chain(child.run);
        child.older = latest.map_or(NONE, |place| self.latest[place]);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = child;
                slot
            }
            None => {
                self.slots.push(child);
                u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
            }
        };
        if let Some(place) = latest {
            self.latest[place] = slot;
        }
        if self.len() * 2 > self.table.len() {
            self.widen();
        }
        let place = self.place(child.run);
        self.table[place] = slot;
        slot
    }

    /// Lets a child go.
    pub(super) fn remove(&mut self, run: Run) -> Option<Child> {
        let hole = self.place(run);
        let slot = self.table[hole];
        if slot == NONE {
            return None;
        }
        self.unlink(run, slot);
        self.close(hole);
        self.free.push(slot);
        let child = self.slots[slot as usize];
        // No debt of this child may reach the next in its slot.
        self.slots[slot as usize].ticket = 0;
        Some(child)
    }

    /// The children of a script of the generation in force, the latest first.
    pub(super) fn of_script(&self, script: ScriptId) -> impl Iterator<Item = u32> {
        let mut slot = self.latest.get(usize::from(script.0)).copied().unwrap_or(NONE);
        core::iter::from_fn(move || {
            let this = slot;
            (this != NONE).then(|| {
                slot = self.slots[this as usize].older;
                this
            })
        })
    }

    /// The child of the same script that was started before this one.
    pub(super) fn older(&self, slot: u32) -> Option<u32> {
        let older = self.slots[slot as usize].older;
        (older != NONE).then_some(older)
    }

    /// Every child, in no order that means anything. Free slots are passed over.
    pub(super) fn all(&self) -> impl Iterator<Item = &Child> {
        self.table.iter().filter(|slot| **slot != NONE).map(|slot| self.child(*slot))
    }

    /// The run that bears this pid, if one does that was not reaped.
    #[cold]
    pub(super) fn run_of(&self, pid: Option<Pid>) -> Option<Run> {
        let pid = pid?;
        self.all().filter(|child| child.pid == pid).map(|child| child.run).min()
    }

    /// Another generation, of so many scripts, is in force.
    pub(super) fn turn_to(&mut self, generation: Generation, scripts: usize) {
        self.generation = generation;
        self.latest.clear();
        self.latest.resize(scripts, NONE);
    }

    fn chain(&self, run: Run) -> Option<usize> {
        let place = usize::from(run.of.script.0);
        (run.of.generation == self.generation && place < self.latest.len()).then_some(place)
    }

    fn unlink(&mut self, run: Run, slot: u32) {
        let Some(place) = self.chain(run) else { return };
        let older = self.slots[slot as usize].older;
        let mut at = self.latest[place];
        if at == slot {
            self.latest[place] = older;
            return;
        }
        while at != NONE {
            let next = self.slots[at as usize].older;
            if next == slot {
                self.slots[at as usize].older = older;
                return;
            }
            at = next;
        }
    }

    /// Where the table has this run, or the empty place where it would have it.
    fn place(&self, run: Run) -> usize {
        let mask = self.table.len() - 1;
        let mut place = hash(run) & mask;
        loop {
            let slot = self.table[place];
            if slot == NONE || self.slots[slot as usize].run == run {
                return place;
            }
            place = (place + 1) & mask;
        }
    }

    /// Empties a place of the table and moves up what was pushed past it.
    fn close(&mut self, mut hole: usize) {
        let mask = self.table.len() - 1;
        let mut place = hole;
        loop {
            place = (place + 1) & mask;
            let slot = self.table[place];
            if slot == NONE {
                break;
            }
            let home = hash(self.slots[slot as usize].run) & mask;
            // It may move to the hole if its home is not between the hole and itself.
            if (place.wrapping_sub(home) & mask) >= (place.wrapping_sub(hole) & mask) {
                self.table[hole] = slot;
                hole = place;
            }
        }
        self.table[hole] = NONE;
    }

    fn widen(&mut self) {
        let wider = alloc::vec![NONE; self.table.len() * 2];
        let old = core::mem::replace(&mut self.table, wider);
        for slot in old.into_iter().filter(|slot| *slot != NONE) {
            let place = self.place(self.slots[slot as usize].run);
            self.table[place] = slot;
        }
    }
}

fn hash(run: Run) -> usize {
    let of = (u64::from(run.of.generation.0) << 16) ^ u64::from(run.of.script.0);
    let mixed = (of ^ (u64::from(run.nth) << 40)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::run;
    use alloc::collections::BTreeSet;

    #[test]
    fn a_child_is_found_by_its_run_after_others_came_and_went() {
        let mut roster = Roster::new(8);
        let mut there = BTreeSet::new();
        let mut dice = 1_u64;
        for turn in 0..20_000_u32 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(turn.into());
            let who = run(((dice >> 33) % 12) as u16, ((dice >> 40) % 3) as u32, ((dice >> 50) % 9) as u32);
            if dice >> 63 == 0 {
                let pid = Pid::new(2_000).expect("a pid");
                roster.insert(Child::new(who, pid, ConfigId::default(), ScriptKind::Track, true));
                there.insert(who);
            } else {
                assert_eq!(roster.remove(who).is_some(), there.remove(&who));
            }
            assert_eq!(roster.len(), there.len());
        }
        let all: BTreeSet<_> = roster.all().map(|child| child.run).collect();
        assert_eq!(all, there);
        for script in 0..8 {
            let mut chain: Vec<_> =
                roster.of_script(ScriptId(script)).map(|slot| roster.child(slot).run).collect();
            chain.sort_unstable();
            let in_force = |who: &&Run| who.of.script.0 == script && who.of.generation.0 == 0;
            assert!(chain.iter().eq(there.iter().filter(in_force)));
        }
        assert!(there.iter().all(|who| roster.find(*who).is_some_and(|slot| roster.child(slot).run == *who)));
    }
}
