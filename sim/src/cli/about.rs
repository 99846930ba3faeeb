//! `treefall completions` and `treefall man`: print shell completions and manual pages.
//!
//! Invariant: the output depends only on the definition of the command line, so a package build can contain it.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::args::{Completions, Man};
use super::lines::JsonLine;
use super::manual::Page;
use super::named::named;
use super::output::{Output, count};
use super::{CliError, Status, Summary};
use treefall_base::files::write_bytes;

/// The completions of a shell. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct CompletionsObject {
    shell: String,
    /// Completion script for the shell.
    script: String,
}

#[derive(Serialize, JsonSchema)]
struct CompletionsSummary {
    shells: usize,
}

pub(super) const COMPLETIONS: [JsonLine; 2] =
    [JsonLine::of::<CompletionsObject>("a shell"), JsonLine::of::<Summary<CompletionsSummary>>("summary")];

/// A page of the manual. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct PageObject {
    /// Name of the page: `treefall-hunt`.
    page: String,
    /// File of the page; null: `text` has it.
    file: Option<String>,
    /// Text of the page; null: `file` has it.
    text: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct ManSummary {
    pages: usize,
}

pub(super) const MAN: [JsonLine; 2] =
    [JsonLine::of::<PageObject>("a page"), JsonLine::of::<Summary<ManSummary>>("summary")];

pub(super) fn completions(args: &Completions, output: &mut Output) -> Result<Status, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "treefall", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    if !output.is_json() {
        output.line(script.trim_end());
    }
    output.object(&CompletionsObject { shell: args.shell.to_string(), script });
    output.conclude(&CompletionsSummary { shells: 1 });
    Ok(Status::Good)
}

pub(super) fn man(args: &Man, output: &mut Output) -> Result<Status, CliError> {
    let mut top = super::command().disable_help_subcommand(true);
    top.build();
    let Some(folder) = &args.out else {
        let page = Page::of(named(&top, &args.command)?);
        let text = page.text()?;
        if !output.is_json() {
            output.line(text.trim_end());
        }
        output.object(&PageObject { page: page.name(), file: None, text: Some(text) });
        output.conclude(&ManSummary { pages: 1 });
        return Ok(Status::Good);
    };
    let pages = Page::all(&top);
    for page in &pages {
        let file = folder.join(page.file());
        write(&file, &page.text()?)?;
        output.object(&PageObject { page: page.name(), file: Some(file.display().to_string()), text: None });
    }
    output.note(format_args!("{} in {}", count(pages.len() as u64, "page"), folder.display()));
    output.conclude(&ManSummary { pages: pages.len() });
    Ok(Status::Good)
}

fn write(file: &Path, text: &str) -> Result<(), CliError> {
    write_bytes(file, text.as_bytes()).map_err(|error| {
        CliError::Usage(format!("cannot write {}: {error}; name another folder with `--out`", file.display()))
    })
}
