//! Pids of children.
//!
//! Invariants: a pid that is handed out is not that of a living or unreaped child, not the program's own, and not 1.
//! The order depends only on the policy and on the starts and reapings so far.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;

use treefall_model::id::Pid;
use treefall_model::trace::PidPolicy;

/// First pid of the policies that count upwards.
const FIRST: i32 = Pid::SELF.get() + 1;

/// A prime. The scattered pids go from 2 to this number: powers of [`GENERATOR`] modulo it, plus one.
const PRIME: u64 = 4_194_301;

/// A primitive root of [`PRIME`], so that its powers take every value below it once.
const GENERATOR: u64 = 1_664_527;

/// Hands out pids.
#[derive(Clone)]
pub(crate) enum Pids {
    /// [`PidPolicy::Ascending`].
    Ascending {
        /// Next pid to hand out.
        next: i32,
    },
    /// [`PidPolicy::Scattered`].
    Scattered {
        /// The last power of the generator.
        power: u64,
    },
    /// [`PidPolicy::Reused`].
    Reused {
        /// Lowest pid that was never handed out.
        next: i32,
        /// Pids that were handed out and given back.
        free: BinaryHeap<Reverse<i32>>,
    },
}

impl Pids {
    /// Creates the pids of a policy.
    pub(crate) fn new(policy: PidPolicy) -> Self {
        match policy {
            PidPolicy::Ascending => Self::Ascending { next: FIRST },
            PidPolicy::Scattered => Self::Scattered { power: 1 },
            PidPolicy::Reused => Self::Reused { next: FIRST, free: BinaryHeap::new() },
        }
    }

    /// Returns the next pid that is not `taken`. One must be free: there are millions more pids than children.
    pub(crate) fn take(&mut self, taken: impl Fn(Pid) -> bool) -> Pid {
        loop {
            let pid = Pid::new(self.step()).unwrap_or(Pid::SELF);
            if pid != Pid::SELF && !taken(pid) {
                return pid;
            }
        }
    }

    fn step(&mut self) -> i32 {
        match self {
            Self::Ascending { next } => {
                let pid = *next;
                // After two thousand million starts pids start over, as the kernel's do.
                *next = pid.checked_add(1).unwrap_or(FIRST);
                pid
            }
            Self::Scattered { power } => {
                *power = *power * GENERATOR % PRIME;
                i32::try_from(*power).unwrap_or_default() + 1
            }
            Self::Reused { next, free } => match free.pop() {
                Some(Reverse(pid)) => pid,
                None => {
                    *next += 1;
                    *next - 1
                }
            },
        }
    }

    /// Notes that the child with `pid` was reaped.
    pub(crate) fn give_back(&mut self, pid: Pid) {
        if let Self::Reused { free, .. } = self {
            free.push(Reverse(pid.get()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn nobody(_: Pid) -> bool {
        false
    }

    #[test]
    fn ascending_pids_begin_above_the_program() {
        let mut pids = Pids::new(PidPolicy::Ascending);
        assert_eq!([(); 3].map(|()| pids.take(nobody).get()), [1_001, 1_002, 1_003]);
    }

    #[test]
    fn scattered_pids_use_every_pid_once_but_the_programs() {
        let mut pids = Pids::new(PidPolicy::Scattered);
        let mut seen = vec![false; 4_194_302];
        for _ in 0..PRIME - 2 {
            let pid = usize::try_from(pids.take(nobody).get()).expect("pids are positive");
            assert!(pid >= 2 && pid != 1_000 && !seen[pid], "{pid}");
            seen[pid] = true;
        }
        assert_eq!(pids.take(nobody), Pids::new(PidPolicy::Scattered).take(nobody), "then they begin anew");
    }

    #[test]
    fn a_taken_pid_is_passed_over() {
        let mut pids = Pids::new(PidPolicy::Scattered);
        let first = Pids::new(PidPolicy::Scattered).take(nobody);
        assert_ne!(pids.take(|pid| pid == first), first);
    }

    #[test]
    fn reused_pids_are_the_lowest_that_is_free() {
        let mut pids = Pids::new(PidPolicy::Reused);
        let taken = [(); 4].map(|()| pids.take(nobody));
        assert_eq!(taken.map(Pid::get), [1_001, 1_002, 1_003, 1_004]);
        pids.give_back(taken[2]);
        pids.give_back(taken[0]);
        assert_eq!([(); 3].map(|()| pids.take(nobody).get()), [1_001, 1_003, 1_005]);
    }
}
