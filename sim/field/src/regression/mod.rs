//! A new program beside its reference: what a change broke, and what it mended.
//!
//! The flow: a [`Lane`] plays each trace on both programs; [`judge`] says same, better or worse; a [`Search`] goes through
//! the known scenarios and random traces; [`work_out`] makes a finding of what it saw; `words` tells it.

mod judge;
pub mod known;
mod lane;
mod search;
mod words;
mod work;

pub use judge::{Better, Judged, Key, judge};
pub use lane::{Lane, Played, Side, Sides, misbehaviour};
pub use search::{Origin, Search, Seen, Shared, Tally, Watcher};
pub use words::{headline, report};
pub use work::{Finding, work_out};

/// What playing two programs side by side does not test, for a reader of its answer.
pub const NOT_TESTED: &str = "not tested: the parent, checker and bfd processes, VRRP and IPVS themselves (adverts, netlink, \
    descriptors other than the scheduler's own), and configuration beyond scripts";
