//! `treefall schema`: prints the JSON Schema of the lines that `--json` prints.
//!
//! Invariant: a schema is derived from the type that is written, and [`Output::object`] takes no other type, so no
//! second list of fields can diverge from it.

use clap::Command;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::args;
use super::lines::JsonLine;
use super::named::named;
use super::output::Output;
use super::{
    CliError, ErrorObject, MULTI_TARGET, Status, Summary, about, bench, check, conform, corpus, doctor,
    explore, fmt, hunt, import, matrix, merge, record, replay, report, roots, shrink, soak, survey, targets,
};

/// Lines of each command. The last is the summary. Every command can also print the error's summary.
const COMMANDS: [(&str, &[JsonLine]); 22] = [
    ("survey", &survey::LINES),
    ("targets", &targets::LINES),
    ("hunt", &hunt::LINES),
    ("explore", &explore::LINES),
    ("check", &check::LINES),
    ("replay", &replay::LINES),
    ("matrix", &matrix::LINES),
    ("import", &import::LINES),
    ("merge", &merge::LINES),
    ("shrink", &shrink::LINES),
    ("report", &report::LINES),
    ("fmt", &fmt::LINES),
    ("conform", &conform::LINES),
    ("record", &record::LINES),
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
    command: String,
    /// A JSON Schema that each line of the command satisfies.
    schema: Map<String, Value>,
}

#[derive(Serialize, JsonSchema)]
struct SchemaSummary {
    commands: usize,
}

const LINES: [JsonLine; 2] =
    [JsonLine::of::<SchemaObject>("a command"), JsonLine::of::<Summary<SchemaSummary>>("summary")];

pub(super) fn run(args: &args::Schema, output: &mut Output) -> Result<Status, CliError> {
    let top = super::command();
    let mut objects = Vec::new();
    if let Some((first, below)) = args.command.split_first() {
        named(&top, &args.command)?;
        // What is below a command prints the lines that it prints.
        let lines = COMMANDS.iter().find(|(name, _)| name == first).map_or(&[][..], |(_, lines)| lines);
        let command = [std::slice::from_ref(first), below].concat().join(" ");
        let schema = schema(&command, lines);
        print(&schema, output);
        objects.push(SchemaObject { command, schema });
    } else {
        objects.extend(
            COMMANDS.iter().map(|(name, lines)| SchemaObject {
                command: (*name).to_owned(),
                schema: schema(name, lines),
            }),
        );
        if args.all {
            let by_command = objects.iter().map(|one| (one.command.clone(), one.schema.clone().into()));
            print(&by_command.collect(), output);
        } else {
            list(&top, output);
        }
    }
    objects.iter().for_each(|one| output.object(one));
    output.conclude(&SchemaSummary { commands: objects.len() });
    Ok(Status::Good)
}

/// Lists the commands, one a line.
fn list(top: &Command, output: &mut Output) {
    if output.is_json() {
        return;
    }
    for (name, _) in &COMMANDS {
        output.line(name);
        let below = top.find_subcommand(name).into_iter().flat_map(Command::get_subcommands);
        below.for_each(|below| output.line(format_args!("{name} {}", below.get_name())));
    }
    output
        .note("`treefall schema NAME` prints the schema of its lines, `treefall schema --all` those of all");
}

/// Prints the schema as text; with `--json` it is in the objects.
fn print(schema: &Map<String, Value>, output: &mut Output) {
    if !output.is_json() {
        output.line(format_args!("{:#}", Value::Object(schema.clone())));
    }
}

/// Builds the schema of the command's lines.
fn schema(command: &str, lines: &[JsonLine]) -> Map<String, Value> {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let error = "the last line of a command that ended without a result";
    let name = command.split(' ').next().unwrap_or_default();
    let error = match MULTI_TARGET.contains(&name) {
        true => JsonLine::of::<Summary<Vec<()>>>(error),
        false => JsonLine::of::<Summary<ErrorObject>>(error),
    };
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
        "description": "Standard output has one object a line; the last is the one with `summary`, `status` and `error`. \
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
    fn the_schemas_are_those_of_all_commands() {
        let command = crate::cli::command();
        let mut commands: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        let mut objects: Vec<&str> = COMMANDS.iter().map(|(command, _)| *command).collect();
        commands.sort_unstable();
        objects.sort_unstable();
        assert_eq!(commands, objects);
    }

    #[test]
    fn a_commands_summary_is_always_an_array_or_an_object() {
        for (command, lines) in &COMMANDS {
            let schema = Value::Object(schema(command, lines));
            let resolve = |value: &Value| match value["$ref"].as_str() {
                Some(place) => schema.pointer(place.trim_start_matches('#')).cloned().unwrap_or_default(),
                None => value.clone(),
            };
            let kinds = schema["anyOf"].as_array().into_iter().flatten().map(resolve);
            let summaries = kinds.filter(|kind| kind["properties"]["summary"] != Value::Null);
            let types: Vec<Value> =
                summaries.map(|kind| resolve(&kind["properties"]["summary"])["type"].clone()).collect();
            let wanted = if MULTI_TARGET.contains(command) { "array" } else { "object" };
            assert!(types.len() >= 2 && types.iter().all(|it| it == wanted), "{command}: {types:?}");
        }
    }

    #[test]
    fn every_line_type_lists_its_required_fields() {
        for (command, lines) in &COMMANDS {
            let schema = Value::Object(schema(command, lines));
            for (name, kind) in schema["$defs"].as_object().into_iter().flatten() {
                let has_fields = kind["properties"].as_object().is_some_and(|fields| !fields.is_empty());
                assert!(!has_fields || kind["required"].is_array(), "{command}: {name}: {kind:#}");
            }
        }
    }
}
