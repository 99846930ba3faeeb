//! The replica: an in-process rendition of keepalived's scheduler, for every release.
//!
//! It runs a trace under the same world as the real program (`treefall_world`), asks the kernel the same
//! things in the same order, and keeps its trees and lists in a simulated memory, so that what breaks in the
//! program's memory breaks here in the same way and place, as a value ([`Fault`], [`Note`]), never as undefined
//! behaviour. Releases differ by their [`Rules`](treefall_model::release::Rules) alone.
//!
//! - `entry`: how master and entries are laid out; `heap`: the memory; `changes`: what of it
//!   changed; `rbtree`: trees in it; `queues`: the master's trees and lists;
//! - `scheduler`: the loop and its operations; `handlers`: the program's own handlers; `reload`: telling children
//!   to end, and cleaning up; `rule`: where each defect and behaviour is asked for; `mutant`: faults for tests;
//! - `stepping`: wake by wake; `canon`: a state by what decides its future;
//! - `view`: what an observer sees of the indexes; `beside`: the trees beside a sorted list, for tests.

mod beside;
mod cancel;
mod canon;
mod changes;
mod entry;
mod handlers;
mod heap;
mod mutant;
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
pub use heap::{Fault, Mark, Note};
pub use mutant::{AVAILABLE as MUTANTS_AVAILABLE, Mutant};
pub use scheduler::{Finished, Replica};
pub use stepping::Stands;
pub use subject::{
    CrashSite, ReplicaSubject, crash_site, probe_replica, probe_replica_as, run_mutant, run_replica,
    run_replica_as,
};
pub use view::View;
