//! Oracles besides the model: the equality of two subjects, and of a subject with itself.
//!
//! They compare histories, digests and marks, never a subject's internal state. That two runs can no longer be
//! compared is a value of its own, neither an error nor a difference.

mod determinism;
mod equality;
mod side_by_side;

pub use determinism::{Nondeterminism, compare_runs};
pub use equality::{Agreement, Census, Difference, compare};
pub use side_by_side::{Closeness, DifferenceKey, SideBySide, records_before, same_at_sight, spot_of};
