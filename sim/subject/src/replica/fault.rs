//! The ways in which the simulated program fails, and the notes about accesses through dangling links.

use treefall_model::event::End;
use treefall_model::index::Block;
use treefall_model::time::Instant;

use super::entry::Addr;

/// Why an access failed or a loop does not end. The caller adds the program's function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Trap(pub(super) Addr);

/// The block to be freed is not allocated, so that the allocator ends the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NoBlock;

impl Trap {
    /// A loop that does not end. No access can trap at this address.
    pub(super) const ENDLESS: Self = Self(u64::MAX);

    /// Returns the fault in `function`.
    #[cold]
    pub(super) fn inside(self, function: &'static str) -> Fault {
        if self == Self::ENDLESS {
            Fault::Endless { function }
        } else {
            Fault::Segv { address: self.0, function }
        }
    }
}

/// How the simulated program failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It accessed an unmapped address, and dies of SIGSEGV.
    Segv {
        /// The address; below 4096 it comes from a null pointer.
        address: u64,
        /// The program's function that accessed it.
        function: &'static str,
    },
    /// It freed a block that is not allocated; the allocator ends it by SIGABRT.
    Aborted {
        /// The program's function that freed it.
        function: &'static str,
    },
    /// It calls the kernel more often than the world allows: the world ends the run.
    Over {
        /// How the run ends.
        end: End,
    },
    /// It follows a cycle of links.
    Endless {
        /// The program's function that follows it.
        function: &'static str,
    },
}

/// The moment and the program's function of an operation on a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// The moment.
    pub at: Instant,
    /// The program's function.
    pub function: &'static str,
    /// The number of earlier observations, which identifies the step of the run.
    pub looks: u64,
}

impl Mark {
    pub(super) const START: Self = Self { at: Instant::START, function: "thread_make_master", looks: 0 };
}

/// A block that was accessed through a dangling link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Note {
    /// The block.
    pub block: Block,
    /// When the link was made.
    pub linked_at: Mark,
    /// When the block was freed.
    pub freed_at: Mark,
    /// When the link was followed.
    pub used_at: Mark,
}
