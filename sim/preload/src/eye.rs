//! Who watches a driven trace: the model's watch, or nobody but a list of records.
//!
//! Always: what the eye sees is what a replica's would see, so that digests can be compared.

use alloc::vec::Vec;

use treefall_model::event::{Record, Step};
use treefall_model::index::IndexView;
use treefall_model::observe::Observer;
use treefall_model::time::Instant;
use treefall_world::wire::{Options, Seen};

/// Who watches.
pub struct Eye {
    /// All records, when they are wanted.
    records: Option<Vec<Record>>,
    looks: bool,
}

impl Eye {
    /// As the request asks.
    pub fn new(options: &Options) -> Self {
        Self { records: options.records.then(Vec::new), looks: options.judged }
    }

    /// Whether it looks at the indexes.
    #[inline]
    pub fn looks(&self) -> bool {
        self.looks
    }

    /// What it saw.
    pub fn into_seen(self) -> Seen {
        Seen { records: self.records.unwrap_or_default(), ..Seen::default() }
    }
}

impl Observer for Eye {
    #[inline]
    fn record(&mut self, record: &Record) {
        if let Some(records) = &mut self.records {
            records.push(*record);
        }
    }

    #[inline]
    fn step<V: IndexView>(&mut self, _: Step, _: Instant, _: &V) {}
}
