//! `treefall fmt`: rewrites scenario files in canonical form.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::args::Fmt;
use super::files;
use super::lines::JsonLine;
use super::output::Output;
use super::{CliError, Status, Summary, all};
use treefall_base::files::write_whole;
use treefall_base::input::is_standard;
use treefall_scenario as scenario;

/// A file. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct FmtObject {
    file: String,
    canonical: bool,
    written: bool,
}

#[derive(Serialize, JsonSchema)]
struct FmtSummary {
    files: usize,
    not_canonical: usize,
    written: usize,
}

/// Lines of `--json`.
pub(super) const LINES: [JsonLine; 2] =
    [JsonLine::of::<FmtObject>("a file"), JsonLine::of::<Summary<FmtSummary>>("summary")];

pub(super) fn run(args: &Fmt, output: &mut Output) -> Result<Status, CliError> {
    // All files are read before one is written, so an invalid file leaves the others unchanged.
    let files = all(files::expand(&args.files)?.into_iter().map(formatted))?;
    let mut summary = FmtSummary { files: files.len(), not_canonical: 0, written: 0 };
    for (path, changed) in &files {
        let write = changed.as_ref().filter(|_| !args.check);
        if is_standard(path) && !args.check {
            // Standard input goes to standard output, even if nothing changes.
            let text = scenario::load_text(path).map_err(|error| CliError::Usage(error.to_string()))?;
            let text = changed.as_ref().unwrap_or(&text);
            if !output.is_json() {
                output.line(text.trim_end());
            }
        } else if let Some(formatted) = write {
            write_whole(path, formatted)
                .map_err(|error| CliError::Usage(format!("cannot write {}: {error}", path.display())))?;
            output.note(format_args!("{} formatted", path.display()));
        } else if changed.is_some() {
            output.line(format_args!(
                "{} is not in canonical form; `treefall fmt` rewrites it",
                path.display()
            ));
        }
        summary.not_canonical += usize::from(changed.is_some());
        summary.written += usize::from(write.is_some());
        let (canonical, written) = (changed.is_none(), write.is_some());
        output.object(&FmtObject { file: path.display().to_string(), canonical, written });
    }
    let good = summary.not_canonical == summary.written;
    output.conclude(&summary);
    Ok(if good { Status::Good } else { Status::Failure })
}

/// Reads a file; the text is its canonical form if it is not in it yet.
fn formatted(path: PathBuf) -> Result<(PathBuf, Option<String>), CliError> {
    files::load(&path)?;
    let text = scenario::load_text(&path).map_err(|error| CliError::Usage(error.to_string()))?;
    let formatted = scenario::format(&path.display().to_string(), &text);
    let formatted = formatted.map_err(|problems| files::invalid(&problems))?;
    Ok((path, (formatted != text).then_some(formatted)))
}
