//! `treefall completions` and `treefall man`: treefall told to shells and to readers, from its own command line.
//!
//! Always: what is printed depends on the command line's definition alone, so that a package can be built with it.

use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_mangen::roff::{Roff, roman};
use schemars::JsonSchema;
use serde::Serialize;

use super::args::{Cli, Completions, Man};
use super::output::{Output, count};
use super::schema::{Line, unknown_command};
use super::{CliError, Status, Summary};
use crate::report::write_bytes;

/// What treefall is called.
const NAME: &str = "treefall";

/// What the environment says to treefall.
const ENVIRONMENT: [(&str, &str); 4] = [
    (
        "TREEFALL_CACHE",
        "Where `treefall roots` keeps roots; else $XDG_CACHE_HOME/treefall, else ~/.cache/treefall.",
    ),
    (
        "NO_COLOR",
        "If it is set to anything, nothing is coloured. Without a terminal nothing is coloured either.",
    ),
    ("COLUMNS", "How wide the help is, where there is no terminal."),
    ("TMPDIR", "Where what lasts for one command is put."),
];

/// What a page says of its statuses besides the list.
const OTHER_STATUSES: &str = "A command that is stopped twice by Ctrl-C ends with 130, and one whose reader has gone \
                              with 141.";

/// The completions of a shell. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct CompletionsObject {
    shell: String,
    /// What the shell reads.
    script: String,
}

#[derive(Serialize, JsonSchema)]
struct CompletionsSummary {
    shells: usize,
}

pub(super) const COMPLETIONS: [Line; 2] =
    [Line::of::<CompletionsObject>("a shell"), Line::of::<Summary<CompletionsSummary>>("summary")];

/// A page of the manual. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct PageObject {
    /// What it is called: `treefall-hunt`.
    page: String,
    /// Where it was written, if anywhere.
    file: Option<String>,
    /// The page itself, where it was not written.
    text: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct ManSummary {
    pages: usize,
}

pub(super) const MAN: [Line; 2] =
    [Line::of::<PageObject>("a page"), Line::of::<Summary<ManSummary>>("summary")];

pub(super) fn completions(args: &Completions, output: &mut Output) -> Result<Status, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), NAME, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    if !output.is_json() {
        output.line(script.trim_end());
    }
    output.object(&CompletionsObject { shell: args.shell.to_string(), script });
    output.object(&Summary { summary: CompletionsSummary { shells: 1 } });
    Ok(Status::Good)
}

pub(super) fn man(args: &Man, output: &mut Output) -> Result<Status, CliError> {
    let mut top = Cli::command().disable_help_subcommand(true);
    top.build();
    let Some(folder) = &args.out else {
        let mut command = &top;
        for (place, word) in args.command.iter().enumerate() {
            let below = command.find_subcommand(word);
            command = below.ok_or_else(|| unknown_command(command, &args.command[..=place]))?;
        }
        let text = page(command)?;
        if !output.is_json() {
            output.line(text.trim_end());
        }
        output.object(&PageObject { page: name(command), file: None, text: Some(text) });
        output.object(&Summary { summary: ManSummary { pages: 1 } });
        return Ok(Status::Good);
    };
    let commands = all(&top);
    for command in &commands {
        let file = folder.join(format!("{}.1", name(command)));
        write(&file, &page(command)?)?;
        output.object(&PageObject {
            page: name(command),
            file: Some(file.display().to_string()),
            text: None,
        });
    }
    output.note(format_args!("{} in {}", count(commands.len() as u64, "page"), folder.display()));
    output.object(&Summary { summary: ManSummary { pages: commands.len() } });
    Ok(Status::Good)
}

fn write(file: &Path, text: &str) -> Result<(), CliError> {
    write_bytes(file, text.as_bytes()).map_err(|error| {
        CliError::Usage(format!("cannot write {}: {error}; name another folder with `--out`", file.display()))
    })
}

/// `treefall-corpus-import`.
fn name(command: &Command) -> String {
    command.get_display_name().unwrap_or(NAME).to_owned()
}

/// A command and all below it.
fn all(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().flat_map(all);
    std::iter::once(command).chain(below).collect()
}

/// The page of a command.
fn page(command: &Command) -> Result<String, CliError> {
    let failed = |error| CliError::Harness(format!("the page of {} cannot be made: {error}", name(command)));
    // The examples that a command's help ends with are a section of their own.
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let man = clap_mangen::Man::new(command.clone()).manual("treefall".to_owned());
    let mut bytes = Vec::new();
    man.render_title(&mut bytes).map_err(failed)?;
    man.render_name_section(&mut bytes).map_err(failed)?;
    man.render_synopsis_section(&mut bytes).map_err(failed)?;
    man.render_description_section(&mut bytes).map_err(failed)?;
    man.render_options_section(&mut bytes).map_err(failed)?;
    if command.has_subcommands() {
        let mut roff = Roff::new();
        roff.control("SH", ["COMMANDS"]);
        for below in command.get_subcommands() {
            let about = below.get_about().map(ToString::to_string).unwrap_or_default();
            roff.control("TP", []).text([roman(format!("{}(1)", name(below)))]).text([roman(about)]);
        }
        roff.to_writer(&mut bytes).map_err(failed)?;
    }
    closing(&examples).to_writer(&mut bytes).map_err(failed)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What every page ends with.
fn closing(examples: &str) -> Roff {
    let mut roff = Roff::new();
    let examples = examples.split("\n\nExit status").next().unwrap_or_default();
    if let Some((before, lines)) =
        examples.split_once("Examples:\n").or_else(|| examples.split_once("Example:\n"))
    {
        if !before.is_empty() {
            roff.control("SH", ["NOTES"]).text([roman(before.trim_end())]);
        }
        roff.control("SH", ["EXAMPLES"]).control("nf", []);
        for line in lines.lines() {
            roff.text([roman(line.trim_start())]);
        }
        roff.control("fi", []);
    }
    roff.control("SH", ["EXIT STATUS"]);
    for (status, says) in Status::ALL {
        roff.control("TP", []).text([roman((status as u8).to_string())]).text([roman(format!("{says}."))]);
    }
    roff.control("PP", []).text([roman(OTHER_STATUSES)]);
    roff.control("SH", ["ENVIRONMENT"]);
    for (variable, says) in ENVIRONMENT {
        roff.control("TP", []).text([roman(variable)]).text([roman(says)]);
    }
    roff.control("SH", ["SEE ALSO"]).text([roman("treefall(1), keepalived(8), keepalived.conf(5)")]);
    roff
}
