//! Compiles our own programs for tests: `scheduler.c`, correct or with one fault.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use treefall::subject::program::Program;

/// The program exports its scheduler as Debian's keepalived does.
pub(crate) const EXPORTED: &str = "-Wl,-E";

/// A program that was compiled for one test.
pub(crate) struct Built {
    /// Folder of the program, and of all files that a test puts beside it.
    pub(crate) folder: TempDir,
    /// The program.
    pub(crate) path: PathBuf,
}

/// Compiles the scheduler with these options; `None`: this compiler does not support them.
pub(crate) fn try_build(options: &[&str]) -> Option<Built> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keepalived");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/subject/scheduler.c");
    let mut command = Command::new("cc");
    command.args(["-O1", "-w"]).args(options).arg("-o").arg(&path).arg(source);
    let output = command.output().expect("the C compiler that Rust links with can be run");
    if !output.status.success() {
        eprintln!("not built with {options:?}: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    Some(Built { folder, path })
}

/// Compiles with options that every compiler supports.
pub(crate) fn build(options: &[&str]) -> Built {
    try_build(options).unwrap_or_else(|| panic!("{options:?} are options that every compiler has"))
}

/// Compiles with one fault.
pub(crate) fn faulty(fault: &str) -> Built {
    build(&[EXPORTED, &format!("-DFAULT={fault}")])
}

/// Opens it as treefall does.
pub(crate) fn program(built: &Built) -> Program {
    Program::open(&built.path, None).unwrap()
}
