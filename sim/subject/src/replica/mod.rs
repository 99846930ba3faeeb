//! The replica: an in-process rendition of keepalived's scheduler, for every release.
//!
//! It runs a trace under the same world as the real program (`treefall_world`), asks the kernel the same
//! things in the same order, and keeps its trees and lists in a simulated memory, so that what breaks in the
//! program's memory breaks here in the same way and place, as a value ([`Fault`], [`Note`]), never as undefined
//! behaviour. Releases differ by their [`Rules`](treefall_model::release::Rules) alone.
//!
//! - `entry`: the layout of master, entries and memory; `heap`: the memory; `fault`: its faults; `changes`: what
//!   changed in it; `rbtree`: its trees; `queues`: the master's trees and lists;
//! - `scheduler`: the loop; `operations`: adding entries; `handlers`: the program's own handlers; `reload`: ending
//!   children and cleaning up; `rule`: the place where each defect and behaviour takes effect; `mutant`: faults for
//!   tests;
//! - `stepping`: running wake by wake; `canon`: the canonical form of a state;
//! - `view`: the indexes as an observer sees them; `beside`: comparison with a sorted list, for tests.

mod beside;
mod cancel;
mod canon;
mod changes;
mod entry;
mod fault;
mod handlers;
mod heap;
mod mutant;
mod operations;
mod queues;
mod rbtree;
mod reload;
mod rule;
mod scheduler;
mod stepping;
mod subject;
mod view;

#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tree_tests;

pub use beside::{TreeOp, TreeOps, play_tree_ops};
pub use fault::{Fault, Mark, Note};
pub use mutant::{AVAILABLE as MUTANTS_AVAILABLE, Mutant};
pub use scheduler::{Finished, Replica};
pub use stepping::Stands;
pub use subject::{
    CrashSite, ReplicaSubject, crash_site, probe_replica, probe_replica_as, run_mutant, run_replica,
    run_replica_as,
};
pub use view::View;
