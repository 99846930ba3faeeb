//! Reports: descriptions of events, the report of a finding in all its forms, and the findings on disk.
//!
//! Texts are made from values alone, without wall-clock times or paths of the machine, so that the same finding gives the
//! same text everywhere. A [`Report`] becomes a list of sections, which [`text`](finding), [`html`] and [`issue`] render;
//! [`json`] and [`rust_test`] are forms of their own. A run that breaks no law has a [`CleanReport`].

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
