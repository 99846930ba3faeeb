//! What a person reads of a find: words for events, the report of a finding in its forms, and the finds on disk.
//!
//! Texts are made from values alone and hold no wall-clock time and no machine's path, so that the same find
//! gives the same text everywhere. A [`Report`] is what every form is made of: [`text`](finding), [`html`],
//! [`json`], [`issue`] and [`rust_test`].

pub mod html;
mod issue;
pub mod json;
mod kept;
mod recipe;
mod rust_test;
mod sections;
pub mod store;
mod text;
mod timeline;
mod words;

pub use issue::issue;
pub use kept::{Kept, take_over};
pub use recipe::{NoRecipe, recipe};
pub use rust_test::rust_test;
pub use store::Store;
pub(crate) use store::{slug, write_bytes, write_whole};
pub(crate) use text::ending;
pub use text::{cause_line, claim, finding, summary};
pub use timeline::{Length, timeline};
pub use words::Names;
pub(crate) use words::parse_run;

use crate::explain::Explanation;
use crate::finding::Finding;

/// All that a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Report<'f> {
    /// The find, worked out.
    pub finding: &'f Finding,
    /// What was computed around it.
    pub explanation: &'f Explanation,
    /// Where the find comes from, as `trace 3 of seed 1`.
    pub origin: &'f str,
    /// The command that replays it.
    pub replay: &'f str,
    /// Its smallest trace as a scenario file.
    pub scenario: &'f str,
    /// It was explained as it was found: nobody shrank it.
    pub as_it_is: bool,
}
