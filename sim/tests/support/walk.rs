//! Finds the repository's files of one kind by walking it, so no list must be maintained.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders without files of the repository.
const LEFT_OUT: [&str; 2] = ["target", ".git"];

/// Returns all files below `top` with this extension, relative to it, in order.
pub(crate) fn files(top: &Path, extension: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![top.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder that can be read") {
            let entry = entry.expect("an entry");
            let (path, kind) = (entry.path(), entry.file_type().expect("a kind of file"));
            if kind.is_dir() && !LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|it| it == extension) {
                found.push(path.strip_prefix(top).expect("it is below the top").to_path_buf());
            }
        }
    }
    found.sort();
    found
}
