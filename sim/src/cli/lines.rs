//! Describes the lines of `--json` that every command prints, for their schema.

use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;

/// A type of line.
pub(super) struct JsonLine {
    /// Short name of its content.
    pub(super) what: &'static str,
    pub(super) schema: fn(&mut SchemaGenerator) -> schemars::Schema,
}

impl JsonLine {
    /// Describes the lines that are written from a `T`.
    pub(super) const fn of<T: JsonSchema>(what: &'static str) -> Self {
        Self { what, schema: |generator| generator.subschema_for::<T>() }
    }
}

/// Last object of every command. The fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct Summary<T> {
    /// A command with several targets always has an array here, with one element for each finished target; other
    /// commands always have an object.
    pub(super) summary: T,
    /// Exit status.
    pub(super) status: u8,
    /// Printed errors; null: none.
    pub(super) error: Option<String>,
}

/// Summary of a command that ended without a result. Not used by commands with several targets.
#[derive(Serialize, JsonSchema)]
pub(super) struct ErrorObject {
    pub(super) error: String,
    pub(super) status: u8,
}
