//! The repository's files of one kind, found by walking it: no list of them is kept by hand.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold nothing of the repository's own.
const LEFT_OUT: [&str; 2] = ["target", ".git"];

/// All files below `top` with this extension, as paths from there, in order.
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
