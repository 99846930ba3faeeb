//! `treefall fmt`: scenario files in canonical form.

use std::io::Write as _;

use super::args::Fmt;
use super::files;
use super::output::Output;
use super::{CliError, Status};
use crate::scenario;

pub(super) fn run(args: &Fmt, output: &mut Output) -> Result<Status, CliError> {
    // All files are read before one is written: a file that is wrong leaves the others as they were.
    let mut changed = Vec::new();
    for path in files::expand(&args.files)? {
        files::load(&path)?;
        let text = scenario::load_text(&path).map_err(|error| CliError::Usage(error.to_string()))?;
        let formatted = scenario::format(&path.display().to_string(), &text)
            .map_err(|error| CliError::Usage(error.to_string()))?;
        if formatted != text {
            changed.push((path, formatted));
        }
    }
    for (path, formatted) in &changed {
        if args.check {
            output.line(format_args!("{} is not in canonical form; `treefall fmt` makes it so", path.display()));
            continue;
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| std::path::Path::new("."));
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(formatted.as_bytes())?;
            file.as_file().set_permissions(std::fs::metadata(path)?.permissions())?;
            file.persist(path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|error| CliError::Harness(format!("cannot write {}: {error}", path.display())))?;
        output.note(format_args!("{} formatted", path.display()));
    }
    Ok(if args.check && !changed.is_empty() { Status::Failure } else { Status::Good })
}
