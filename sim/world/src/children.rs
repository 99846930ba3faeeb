//! The program's children: alive, then zombie, then reaped and forgotten.
//!
//! Invariants: each pid and each run names at most one child that is not reaped. Zombies are reaped in the order of
//! forks, whatever the order of their deaths. A child that was told to die dies at the earliest instant that its
//! signals set, of that signal. Records of reaped children are dropped, so memory is bounded by the most children at
//! one time.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use treefall_model::id::{Pid, Run};
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::Instant;
use treefall_model::trace::Habit;

use crate::slots::SlotIndex;

/// Cancelled deaths that the heap may hold, besides one for each living child, before it is cleaned.
const SLACK: usize = 64;

/// A child that is not reaped.
#[derive(Clone, Copy)]
pub(crate) struct Child {
    /// The run in the trace.
    pub(crate) run: Run,
    /// The pid; the child leads its own group.
    pub(crate) pid: Pid,
    /// Reaction to being told to die.
    pub(crate) habit: Habit,
    /// The exit status; `None` while it is alive.
    pub(crate) ended: Option<ExitStatus>,
    /// Place in the order of forks; unique in the whole run.
    born: u64,
    /// Instant and signal of the coming death.
    pub(crate) death: Option<(Instant, Signal)>,
}

/// All children that are not reaped.
#[derive(Clone, Default)]
pub(crate) struct Children {
    slots: Vec<Child>,
    free: Vec<u32>,
    by_pid: SlotIndex,
    by_run: SlotIndex,
    zombies: BinaryHeap<Reverse<(u64, u32)>>,
    deaths: BinaryHeap<Reverse<(Instant, u64, u32)>>,
    born: u64,
    living: usize,
}

fn pid_hash(pid: Pid) -> u64 {
    u64::from(pid.get().unsigned_abs())
}

fn run_hash(run: Run) -> u64 {
    let of = u64::from(run.of.generation.0) << 16 | u64::from(run.of.script.0);
    of.wrapping_mul(0xff51_afd7_ed55_8ccd) ^ u64::from(run.nth)
}

impl Children {
    fn at(&self, slot: u32) -> &Child {
        &self.slots[slot as usize]
    }

    /// Returns how many are alive.
    pub(crate) fn living(&self) -> usize {
        self.living
    }

    /// Returns how many are alive or zombies.
    pub(crate) fn unreaped(&self) -> usize {
        self.living + self.zombies.len()
    }

    /// Finds the child with this pid.
    pub(crate) fn with_pid(&self, pid: Pid) -> Option<(u32, Child)> {
        let slot = self.by_pid.find(pid_hash(pid), |slot| self.at(slot).pid == pid)?;
        Some((slot, *self.at(slot)))
    }

    /// Finds the child of this run.
    pub(crate) fn with_run(&self, run: Run) -> Option<(u32, Child)> {
        let slot = self.by_run.find(run_hash(run), |slot| self.at(slot).run == run)?;
        Some((slot, *self.at(slot)))
    }

    /// Calls `tell` with each child that is not reaped, in the order of births.
    pub(crate) fn each_unreaped(&self, mut tell: impl FnMut(&Child)) {
        let mut before = None;
        loop {
            // There are few children: searching for the next each time is cheaper than sorting.
            let there = |slot: &u32| !self.free.contains(slot);
            let slots =
                (0..self.slots.len()).map(|slot| u32::try_from(slot).unwrap_or(u32::MAX)).filter(there);
            let later =
                slots.map(|slot| self.at(slot)).filter(|child| before.is_none_or(|last| child.born > last));
            let Some(next) = later.min_by_key(|child| child.born) else { return };
            tell(next);
            before = Some(next.born);
        }
    }

    /// Adds a child. No unreaped child may have its pid or its run.
    pub(crate) fn add(&mut self, run: Run, pid: Pid, habit: Habit) {
        let child = Child { run, pid, habit, ended: None, born: self.born, death: None };
        self.born += 1;
        self.living += 1;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = child;
                slot
            }
            None => {
                self.slots.push(child);
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX - 1)
            }
        };
        let slots = &self.slots;
        self.by_pid.insert(pid_hash(pid), slot, |slot| pid_hash(slots[slot as usize].pid));
        self.by_run.insert(run_hash(run), slot, |slot| run_hash(slots[slot as usize].run));
    }

    /// Makes the living child in `slot` a zombie.
    pub(crate) fn end(&mut self, slot: u32, status: ExitStatus) {
        let child = &mut self.slots[slot as usize];
        debug_assert!(child.ended.is_none(), "{} ends twice", child.run);
        child.ended = Some(status);
        child.death = None;
        self.zombies.push(Reverse((child.born, slot)));
        self.living -= 1;
    }

    /// Schedules the death of the living child in `slot`, unless it dies earlier.
    pub(crate) fn will_die(&mut self, slot: u32, due: Instant, signal: Signal) {
        let child = &mut self.slots[slot as usize];
        if child.death.is_none_or(|(earlier, _)| due < earlier) {
            child.death = Some((due, signal));
            self.deaths.push(Reverse((due, child.born, slot)));
        }
        if self.deaths.len() > 2 * self.living + SLACK {
            let slots = &self.slots;
            self.deaths.retain(|Reverse((due, born, slot))| stands(&slots[*slot as usize], *due, *born));
        }
    }

    /// Returns the instant of the next death by a signal.
    pub(crate) fn next_death(&mut self) -> Option<Instant> {
        while let Some(Reverse((due, born, slot))) = self.deaths.peek() {
            if stands(&self.slots[*slot as usize], *due, *born) {
                return Some(*due);
            }
            self.deaths.pop();
        }
        None
    }

    /// Ends the next child whose death is due by `now`: the earliest death first, then the child forked first.
    pub(crate) fn die(&mut self, now: Instant) -> Option<(Run, ExitStatus)> {
        if self.next_death()? > now {
            return None;
        }
        let Reverse((_, _, slot)) = self.deaths.pop()?;
        let child = *self.at(slot);
        let (_, signal) = child.death?;
        self.end(slot, ExitStatus::Signal(signal));
        Some((child.run, ExitStatus::Signal(signal)))
    }

    /// Reaps the zombie that was forked first, and forgets it.
    pub(crate) fn reap(&mut self) -> Option<(Run, Pid, ExitStatus)> {
        let Reverse((_, slot)) = self.zombies.pop()?;
        let Child { run, pid, ended, .. } = *self.at(slot);
        let slots = &self.slots;
        self.by_pid.remove(pid_hash(pid), slot, |slot| pid_hash(slots[slot as usize].pid));
        self.by_run.remove(run_hash(run), slot, |slot| run_hash(slots[slot as usize].run));
        self.free.push(slot);
        ended.map(|status| (run, pid, status))
    }
}

/// Whether a death in the heap is still its child's.
fn stands(child: &Child, due: Instant, born: u64) -> bool {
    child.born == born && child.death.is_some_and(|(instant, _)| instant == due)
}

#[cfg(test)]
mod tests {
    use super::*;
    use treefall_model::trace::run;

    fn pid(raw: i32) -> Pid {
        Pid::new(raw).expect("a pid")
    }

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    fn three() -> Children {
        let mut children = Children::default();
        for n in 0..3 {
            children.add(run(n, 0, 1), pid(2_000 - i32::from(n)), Habit::default());
        }
        children
    }

    fn slot(children: &Children, script: u16) -> u32 {
        children.with_run(run(script, 0, 1)).expect("not reaped").0
    }

    #[test]
    fn zombies_are_reaped_in_the_order_of_their_forks() {
        let mut children = three();
        for script in [2, 0, 1] {
            children.end(slot(&children, script), ExitStatus::Code(0));
        }
        let reaped = [(); 4].map(|()| children.reap().map(|(run, ..)| run.of.script.0));
        assert_eq!(reaped, [Some(0), Some(1), Some(2), None]);
        assert!(children.with_pid(pid(2_000)).is_none());
        assert_eq!(children.unreaped(), 0);
    }

    #[test]
    fn the_earliest_death_wins_and_gives_the_status() {
        let mut children = three();
        let first = slot(&children, 0);
        children.will_die(first, at(50), Signal::TERM);
        children.will_die(first, at(20), Signal::KILL);
        children.will_die(first, at(30), Signal::TERM);
        assert_eq!(children.die(at(19)), None);
        assert_eq!(children.die(at(60)), Some((run(0, 0, 1), ExitStatus::Signal(Signal::KILL))));
        assert_eq!((children.die(at(60)), children.next_death()), (None, None), "it dies once");
    }

    #[test]
    fn a_cancelled_death_spares_the_next_child_in_the_slot() {
        let mut children = three();
        children.will_die(slot(&children, 1), at(10), Signal::TERM);
        children.end(slot(&children, 1), ExitStatus::Code(3));
        children.reap();
        children.add(run(1, 0, 2), pid(3_000), Habit::default());
        assert_eq!(children.next_death(), None);
        assert_eq!(children.living(), 3);
    }

    #[test]
    fn cancelled_deaths_do_not_accumulate() {
        let mut children = Children::default();
        for nth in 1..10_000 {
            children.add(run(0, 0, nth), pid(2_000), Habit::default());
            let (slot, _) = children.with_pid(pid(2_000)).expect("just forked");
            children.will_die(slot, at(1 << 40), Signal::TERM);
            children.end(slot, ExitStatus::SUCCESS);
            children.reap();
        }
        assert!(children.deaths.len() <= 2 * SLACK && children.slots.len() == 1);
    }
}
