//! Arguments of the commands that describe treefall to shells, readers and programs.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall schema                                                  # the names\n  \
    treefall schema replay > replay.schema.json\n  \
    treefall schema corpus import\n  \
    treefall schema --all > treefall.schemas.json")]
pub(in crate::cli) struct Schema {
    /// The command whose JSON lines to describe, with its subcommand: `corpus import` [default: list the names].
    #[arg(value_name = "COMMAND")]
    pub(in crate::cli) command: Vec<String>,
    /// Print the schemas of all commands in one object, by name.
    #[arg(long, conflicts_with = "command")]
    pub(in crate::cli) all: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall completions bash > ~/.local/share/bash-completion/completions/treefall\n  \
    treefall completions zsh > ~/.zfunc/_treefall\n  \
    treefall completions fish > ~/.config/fish/completions/treefall.fish")]
pub(in crate::cli) struct Completions {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub(in crate::cli) shell: Shell,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall man | man -l -\n  \
    treefall man hunt | man -l -\n  \
    treefall man --out ~/.local/share/man/man1")]
pub(in crate::cli) struct Man {
    /// The command whose page to print, with its subcommand: `corpus import` [default: treefall itself].
    #[arg(value_name = "COMMAND")]
    pub(in crate::cli) command: Vec<String>,
    /// Write the pages of all commands to this folder.
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub(in crate::cli) out: Option<PathBuf>,
}
