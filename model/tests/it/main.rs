//! Tests of the model: its laws on accepted and refused histories and indexes, and the digest.

mod common;
#[expect(dead_code, reason = "subjects are compared on the rest: the suites of `sim` include this file")]
mod hand;

mod digests;
mod event_laws;
mod histories;
mod index_laws;
