//! What a person reads of a find: words for events, the report of a finding, and the finds on disk.
//!
//! Texts are made from values alone and hold no wall-clock time and no machine's path, so that the same find
//! gives the same text everywhere.

mod kept;
mod store;
mod text;
mod timeline;
mod words;

pub use kept::{Kept, take_over};
pub use store::Store;
pub(crate) use store::{slug, write_bytes, write_whole};
pub use text::{cause_line, claim, finding};
pub use timeline::{Length, timeline};
pub use words::Names;
