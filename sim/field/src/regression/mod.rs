//! Compares a new program with its reference: what a change broke, and what it fixed.
//!
//! The flow: a [`Lane`] plays each trace on both programs; [`judge`] says same, better or worse; a [`CheckSearch`]
//! plays the known scenarios and random traces; [`triage`] makes findings of the results; `words` describes them.

mod judge;
pub mod known;
mod lane;
mod search;
mod triage;
mod words;

pub use judge::{Better, Key, TraceVerdict, judge};
pub use lane::{Lane, PlayedPair, Side, Sides, misbehaviour};
pub use search::{CheckFailure, CheckObserver, CheckResults, CheckSearch, SharedViolation, TraceOrigin};
pub use triage::{CheckFinding, triage};
pub use words::{headline, report};

/// What playing two programs side by side does not test.
pub const NOT_TESTED: &str = "not tested: the parent, checker and bfd processes, VRRP and IPVS themselves (adverts, netlink, \
    descriptors other than the scheduler's own), and configuration beyond scripts";
