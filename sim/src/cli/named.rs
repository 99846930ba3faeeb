//! Finds commands by their names.

use clap::Command;

use super::CliError;
use treefall_base::nearest::{nearest, offer};

/// Returns the subcommand of `top` that these words name.
///
/// # Errors
/// An unknown word is an error, with the nearest known one.
pub(super) fn named<'c>(top: &'c Command, words: &[String]) -> Result<&'c Command, CliError> {
    let (mut command, mut before) = (top, String::new());
    for word in words {
        let Some(next) = command.find_subcommand(word) else { return Err(unknown(command, &before, word)) };
        command = next;
        before = format!("{before}{word} ");
    }
    Ok(command)
}

/// Returns the error that `asked` is no subcommand of `above`.
fn unknown(above: &Command, before: &str, asked: &str) -> CliError {
    let names: Vec<&str> = above.get_subcommands().map(Command::get_name).collect();
    let there = match (before.is_empty(), names.is_empty()) {
        (true, _) => format!("there are {}", names.join(", ")),
        (false, true) => format!("`{}` has no subcommands", before.trim_end()),
        (false, false) => format!("`{}` has {}", before.trim_end(), names.join(", ")),
    };
    let meant = nearest(asked, names.iter().copied()).map(|name| format!("{before}{name}"));
    CliError::Usage(format!("there is no command `{before}{asked}`; {there}{}", offer(meant)))
}
