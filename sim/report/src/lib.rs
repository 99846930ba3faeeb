//! What a person reads of a failure: words for events, the report of a finding in its forms, and the failures on disk.
//!
//! Texts are made from values alone and hold no wall-clock time and no machine's path, so that the same failure
//! gives the same text everywhere. A [`Report`] is what every form is made of: [`text`](finding), [`html`],
//! [`json`], [`issue`] and [`rust_test`]; of a run that breaks no law, a [`CleanReport`].

#![forbid(unsafe_code)]

mod clean;
mod document;
pub mod explain;
pub mod html;
mod issue;
pub mod json;
mod kept;
mod lock;
mod narrow;
pub mod pipeline;
pub mod provenance;
mod recipe;
mod reproduction;
mod rust_test;
mod section;
pub mod store;
mod text;
mod timeline;
mod wording;
mod words;

pub use clean::{CleanReport, clean, clean_within};
pub use document::{Report, Story};
pub use issue::issue;
pub use kept::{Kept, take_over};
pub use lock::{Lock, LockError};
pub use pipeline::{Pipeline, PipelineError, Processed, StoredFinding};
pub use recipe::{NoRecipe, recipe};
pub use rust_test::rust_test;
pub use store::Store;
pub use store::{CAUSE_MARK, refuse_foreign_page, slug};
pub use text::{finding, finding_within, summary};
pub use timeline::{Length, timeline};
pub use wording::{also_required, cause_line, cause_name, claim, not_fixed, reported};
pub use words::Names;
pub(crate) use words::ending;
