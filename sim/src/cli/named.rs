//! Commands by the words that name them.

use clap::Command;

use super::CliError;
use treefall_base::nearest::{nearest, offer};

/// The command below `top` that these words lead to.
///
/// # Errors
/// The first word that leads to none, with the nearest that does.
pub(super) fn named<'c>(top: &'c Command, words: &[String]) -> Result<&'c Command, CliError> {
    let (mut command, mut before) = (top, String::new());
    for word in words {
        let Some(next) = command.find_subcommand(word) else { return Err(unknown(command, &before, word)) };
        command = next;
        before = format!("{before}{word} ");
    }
    Ok(command)
}

/// There is nothing called `asked` below the command that the words before lead to.
fn unknown(above: &Command, before: &str, asked: &str) -> CliError {
    let names: Vec<&str> = above.get_subcommands().map(Command::get_name).collect();
    let there = match (before.is_empty(), names.is_empty()) {
        (true, _) => format!("there are {}", names.join(", ")),
        (false, true) => format!("`{}` has none below it", before.trim_end()),
        (false, false) => format!("`{}` has {}", before.trim_end(), names.join(", ")),
    };
    let meant = nearest(asked, names.iter().copied()).map(|name| format!("{before}{name}"));
    CliError::Usage(format!("there is no command `{before}{asked}`; {there}{}", offer(meant)))
}
