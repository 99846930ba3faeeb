//! Reads and writes the files that the command line names.

use std::path::{Path, PathBuf};

use super::output::Output;
use super::{CliError, all, interrupt};
use treefall_base::files::write_whole;
use treefall_base::input::is_standard;
use treefall_scenario::{self as scenario, LoadError, Problems, Scenario};

/// Most files in all folders together.
const FILES_MAX: usize = 100_000;
/// Deepest nesting of folders.
const DEPTH_MAX: usize = 32;

/// Returns the files that these paths name. A folder stands for its `.toml` files, at any depth, in order of name.
pub(super) fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let below = |path: &PathBuf| {
        if !path.is_dir() {
            return Ok(vec![path.clone()]);
        }
        let mut files = Vec::new();
        collect(path, 0, &mut files)?;
        match files.is_empty() {
            true => Err(CliError::Usage(format!(
                "{}: no scenario file (`*.toml`) in this folder",
                path.display()
            ))),
            false => Ok(files),
        }
    };
    all(paths.iter().map(below)).map(|files| files.concat())
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let unreadable = |error| CliError::Usage(format!("{}: {error}", folder.display()));
    if depth > DEPTH_MAX || files.len() > FILES_MAX {
        return Err(CliError::Usage(format!("{}: nested too deeply, or too many files", folder.display())));
    }
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut entries: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(unreadable)?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            collect(&entry, depth + 1, files)?;
        } else if entry.extension().is_some_and(|extension| extension == "toml") {
            files.push(entry);
        }
    }
    Ok(())
}

/// Reads the scenarios of these paths. The error lists the problems of all files.
pub(super) fn load_all(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Scenario)>, CliError> {
    all(expand(paths)?.into_iter().map(|path| load(&path).map(|scenario| (path, scenario))))
}

/// Writes the file that the flag `option` names, atomically; `-` is standard output.
pub(super) fn write(path: &Path, text: &str, option: &str, output: &mut Output) -> Result<(), CliError> {
    if is_standard(path) {
        output.line(text.trim_end());
        return Ok(());
    }
    write_whole(path, text).map_err(|error| {
        CliError::Usage(format!(
            "cannot write {}: {error}; name another file with `{option}`",
            path.display()
        ))
    })
}

/// Reads one scenario file.
pub(super) fn load(path: &Path) -> Result<Scenario, CliError> {
    interrupt::while_reading(path, || scenario::load(path)).map_err(|error| match error {
        LoadError::Invalid(problems) => invalid(&problems),
        LoadError::Unreadable { path, error } => CliError::Usage(format!(
            "cannot read {}: {error}; name a scenario file, or a folder of them",
            path.display()
        )),
        error => CliError::Usage(error.to_string()),
    })
}

/// Returns the error of a file that is not a valid scenario.
pub(super) fn invalid(problems: &Problems) -> CliError {
    // The printer removes colours where they cannot be shown.
    CliError::Invalid(problems.render(true))
}
