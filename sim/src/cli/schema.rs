//! `treefall schema`: what the lines look like that `--json` prints.
//!
//! Always: a schema is derived from the very type that is written, and [`Output::object`] takes no other; so there is
//! no second list of fields to be kept in step.

use clap::CommandFactory as _;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::args::{self, Cli};
use super::output::Output;
use super::{
    CliError, ErrorObject, Status, Summary, about, bench, conform, corpus, doctor, explore, fmt, hunt,
    import, matrix, merge, replay, report, roots, shrink, soak, survey, targets,
};
use crate::nearest::{nearest, offer};

/// A kind of line.
pub(super) struct Line {
    /// What it tells, in a word or two.
    what: &'static str,
    schema: fn(&mut SchemaGenerator) -> schemars::Schema,
}

impl Line {
    /// The lines that are written from a `T`.
    pub(super) const fn of<T: JsonSchema>(what: &'static str) -> Self {
        Self { what, schema: |generator| generator.subschema_for::<T>() }
    }
}

/// What each command prints; its last line is the summary. An error's summary comes from every command.
const COMMANDS: [(&str, &[Line]); 20] = [
    ("survey", &survey::LINES),
    ("targets", &targets::LINES),
    ("hunt", &hunt::LINES),
    ("explore", &explore::LINES),
    ("replay", &replay::LINES),
    ("matrix", &matrix::LINES),
    ("import", &import::LINES),
    ("merge", &merge::LINES),
    ("shrink", &shrink::LINES),
    ("report", &report::LINES),
    ("fmt", &fmt::LINES),
    ("conform", &conform::LINES),
    ("doctor", &doctor::LINES),
    ("corpus", &corpus::LINES),
    ("soak", &soak::LINES),
    ("roots", &roots::LINES),
    ("bench", &bench::LINES),
    ("schema", &LINES),
    ("completions", &about::COMPLETIONS),
    ("man", &about::MAN),
];

/// The schema of one command's lines. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct SchemaObject {
    command: &'static str,
    /// A JSON Schema that each line of the command satisfies.
    schema: Map<String, Value>,
}

#[derive(Serialize, JsonSchema)]
struct SchemaSummary {
    commands: usize,
}

const LINES: [Line; 2] =
    [Line::of::<SchemaObject>("a command"), Line::of::<Summary<SchemaSummary>>("summary")];

pub(super) fn run(args: &args::Schema, output: &mut Output) -> Result<Status, CliError> {
    let mut told = Vec::new();
    for (command, lines) in &COMMANDS {
        if args.command.as_deref().is_none_or(|asked| asked == *command) {
            told.push(SchemaObject { command, schema: schema(command, lines) });
        }
    }
    match (told.as_slice(), &args.command) {
        ([], asked) => return Err(unknown_command(&Cli::command(), asked.as_slice())),
        ([one], Some(_)) => print(&one.schema, output),
        (all, _) => {
            let by_command = all.iter().map(|one| (one.command.to_owned(), one.schema.clone().into()));
            print(&by_command.collect(), output);
        }
    }
    told.iter().for_each(|one| output.object(one));
    output.object(&Summary { summary: SchemaSummary { commands: told.len() } });
    Ok(Status::Good)
}

/// For a person, or a file: with `--json` it is in the objects.
fn print(schema: &Map<String, Value>, output: &mut Output) {
    if !output.is_json() {
        output.line(format_args!("{:#}", Value::Object(schema.clone())));
    }
}

/// The error of a command that there is none of: all words but the last lead to `above`, and nothing below it is called
/// as the last.
pub(super) fn unknown_command(above: &clap::Command, words: &[String]) -> CliError {
    let names: Vec<&str> = above.get_subcommands().map(clap::Command::get_name).collect();
    let Some((asked, before)) = words.split_last() else {
        return CliError::Usage(format!("no command is named; there are {}", names.join(", ")));
    };
    let whole = |last: &str| before.iter().map(String::as_str).chain([last]).collect::<Vec<_>>().join(" ");
    let there = match (before.is_empty(), names.is_empty()) {
        (true, _) => format!("there are {}", names.join(", ")),
        (false, true) => format!("`{}` has none below it", before.join(" ")),
        (false, false) => format!("`{}` has {}", before.join(" "), names.join(", ")),
    };
    let meant = nearest(asked, names.iter().copied()).map(whole);
    CliError::Usage(format!("there is no command `{}`; {there}{}", whole(asked), offer(meant)))
}

/// What a line of this command satisfies.
fn schema(command: &str, lines: &[Line]) -> Map<String, Value> {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let error = Line::of::<Summary<ErrorObject<'static>>>("summary of a command that ended without a result");
    let kinds: Vec<Value> = lines
        .iter()
        .chain([&error])
        .map(|line| {
            let mut kind = (line.schema)(&mut generator).to_value();
            if let Some(kind) = kind.as_object_mut() {
                kind.insert("title".to_owned(), line.what.into());
            }
            kind
        })
        .collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("A line of `treefall {command} --json`"),
        "description": "Standard output has one object a line; the last is the one with `summary`. \
                        Times end in `_ms`, or are texts in seconds.",
        "anyOf": kinds,
        "$defs": generator.take_definitions(true),
    });
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_lines_and_no_other_has() {
        let command = Cli::command();
        let mut commands: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        let mut told: Vec<&str> = COMMANDS.iter().map(|(command, _)| *command).collect();
        commands.sort_unstable();
        told.sort_unstable();
        assert_eq!(commands, told);
    }

    #[test]
    fn every_line_says_which_of_its_fields_are_always_there() {
        for (command, lines) in &COMMANDS {
            let schema = Value::Object(schema(command, lines));
            for (name, kind) in schema["$defs"].as_object().into_iter().flatten() {
                let has_fields = kind["properties"].as_object().is_some_and(|fields| !fields.is_empty());
                assert!(!has_fields || kind["required"].is_array(), "{command}: {name}: {kind:#}");
            }
        }
    }
}
