//! A new program beside its reference: what a change broke, and what it mended.
//!
//! The flow: a [`Lane`] plays each trace on both programs; [`judge`] says same, better or worse; a [`CheckSearch`] goes through
//! the known scenarios and random traces; [`triage`] makes a finding of what it saw; `words` tells it.

mod judge;
pub mod known;
mod lane;
mod search;
mod words;
mod work;

pub use judge::{Better, Judged, Key, judge};
pub use lane::{Lane, Played, Side, Sides, misbehaviour};
pub use search::{CheckSearch, Origin, Seen, Shared, Tally, Watcher};
pub use words::{headline, report};
pub use work::{Finding, triage};

/// What playing two programs side by side does not test, for a reader of its answer.
pub const NOT_TESTED: &str = "not tested: the parent, checker and bfd processes, VRRP and IPVS themselves (adverts, netlink, \
    descriptors other than the scheduler's own), and configuration beyond scripts";
