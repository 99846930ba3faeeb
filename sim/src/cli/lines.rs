//! The lines of `--json` that every command prints, and what a schema is derived from.

use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;

/// A kind of line.
pub(super) struct JsonLine {
    /// What it tells, in a word or two.
    pub(super) what: &'static str,
    pub(super) schema: fn(&mut SchemaGenerator) -> schemars::Schema,
}

impl JsonLine {
    /// The lines that are written from a `T`.
    pub(super) const fn of<T: JsonSchema>(what: &'static str) -> Self {
        Self { what, schema: |generator| generator.subschema_for::<T>() }
    }
}

/// The last object of every command. The fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct Summary<T> {
    /// Of a command that works on several targets always an array, with an element for each target that was finished; of
    /// another always an object.
    pub(super) summary: T,
    /// The exit status.
    pub(super) status: u8,
    /// What was told as an error; null: nothing was.
    pub(super) error: Option<String>,
}

/// The summary of a command that ended without a result and does not work on several targets.
#[derive(Serialize, JsonSchema)]
pub(super) struct ErrorObject {
    pub(super) error: String,
    pub(super) status: u8,
}
