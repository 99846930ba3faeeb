//! The `treefall` command.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(treefall::cli::run() as u8)
}
