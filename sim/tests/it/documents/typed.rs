//! Checks that a command of a document is valid, without running it: treefall's by its own parser, cargo's by the
//! manifests, scripts by their files.
//!
//! Invariant: an unknown command is an error, so nothing is skipped silently.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use treefall::subject::target;

use super::packages::{Packages, Then};
use super::shell::{self, Typed};
use crate::walk::files;

/// Programs of others, and why a document has them.
const LET_THROUGH: [(&str, &str); 3] = [
    ("jq", "reads the JSON lines"),
    ("journalctl", "prints a keepalived's log"),
    ("keepalived", "is what is tested"),
];
/// Variables that our tools read, each with the tool.
const VARIABLES_OF_TOOLS: [(&str, &str); 1] = [("INSTA_UPDATE", "insta")];
/// Arguments, by their ids, that name output files.
const WRITTEN: [&str; 5] = ["out", "output", "into", "html", "junit"];
/// Arguments, by their ids, that name targets.
const TARGETS: [&str; 4] = ["target", "targets", "baseline", "replica"];
/// Folders of the repository whose files must exist if a document names them.
const FOLDERS: [&str; 6] = ["fuzz/", "model/", "reports/", "scenarios/", "sim/", ".ci/"];
/// Files in these folders that other commands create.
const MADE: [(&str, &str); 2] =
    [("fuzz/corpus", "`treefall corpus import` and the fuzzer"), ("fuzz/artifacts", "the fuzzer")];

/// Number of checked commands.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Tally {
    pub(crate) treefall: usize,
    pub(crate) cargo: usize,
    pub(crate) scripts: usize,
    pub(crate) let_through: usize,
}

/// The names that documents may use.
pub(crate) struct Repository {
    pub(crate) top: PathBuf,
    pub(crate) command: clap::Command,
    packages: Packages,
    /// Variables that programs and scripts read.
    variables: BTreeSet<String>,
}

impl Repository {
    pub(crate) fn read(top: &Path) -> Self {
        let command = treefall::cli::command();
        let sources = ["rs", "sh"].iter().flat_map(|kind| files(top, kind));
        let texts = sources.filter_map(|file| fs::read_to_string(top.join(file)).ok());
        let variables = texts.flat_map(|text| variables(&text)).collect();
        Self { top: top.to_path_buf(), command, packages: Packages::read(top), variables }
    }

    /// Checks all commands of a line.
    ///
    /// # Errors
    /// Invalid and unknown commands.
    pub(crate) fn check_line(&self, line: &str, tally: &mut Tally) -> Result<(), String> {
        for typed in shell::commands(line)? {
            self.check(&typed, tally)?;
        }
        Ok(())
    }

    fn check(&self, typed: &Typed, tally: &mut Tally) -> Result<(), String> {
        for variable in &typed.variables {
            let name = variable.split('=').next().unwrap_or_default();
            let of_tools = VARIABLES_OF_TOOLS.iter().any(|(variable, _)| *variable == name);
            if !of_tools && !self.variables.contains(name) {
                return Err(format!("nothing reads the variable {name}"));
            }
        }
        typed.reads.as_deref().map_or(Ok(()), |file| self.is_there(file))?;
        self.check_words(&typed.words, tally)
    }

    fn check_words(&self, words: &[String], tally: &mut Tally) -> Result<(), String> {
        let (program, arguments) = words.split_first().ok_or("there is no command")?;
        match program.as_str() {
            "treefall" => {
                tally.treefall += 1;
                self.treefall(words)
            }
            "cargo" => {
                tally.cargo += 1;
                match self.packages.check(&self.top, arguments)? {
                    Then::Nothing => Ok(()),
                    Then::Treefall(arguments) => {
                        self.treefall(&[&["treefall".to_owned()], &*arguments].concat())
                    }
                    Then::Example(name, arguments) => self.example(&name, &arguments),
                }
            }
            "git" => match arguments {
                [bisect, run, behind @ ..] if bisect == "bisect" && run == "run" => {
                    self.check_words(behind, tally)
                }
                _ => Err(format!("`{}` is not known here", words.join(" "))),
            },
            script if script.contains('/') => {
                tally.scripts += 1;
                self.script(script)
            }
            other if LET_THROUGH.iter().any(|(name, _)| *name == other) => {
                tally.let_through += 1;
                Ok(())
            }
            other => Err(format!("the program `{other}` is not known here")),
        }
    }

    fn treefall(&self, words: &[String]) -> Result<(), String> {
        match self.command.clone().try_get_matches_from(words) {
            Ok(matches) => self.arguments(&matches),
            // Help and version.
            Err(error) if !error.use_stderr() => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Checks what the parser does not check: targets, names of commands, files.
    fn arguments(&self, matches: &ArgMatches) -> Result<(), String> {
        let installed = [PathBuf::from("/usr/sbin/keepalived")];
        for id in matches.ids().map(clap::Id::as_str).filter(|id| !WRITTEN.contains(id)) {
            for value in matches.get_raw(id).into_iter().flatten().filter_map(|value| value.to_str()) {
                if TARGETS.contains(&id) {
                    target::parse(value, &installed).map_err(|error| error.to_string())?;
                }
                self.is_there(value)?;
            }
        }
        match matches.subcommand() {
            Some(("schema" | "man", about)) => self.named(about),
            Some((_, below)) => self.arguments(below),
            None => Ok(()),
        }
    }

    /// Finds the command that `schema` or `man` describes.
    fn named(&self, about: &ArgMatches) -> Result<(), String> {
        let mut command = &self.command;
        for word in about.get_raw("command").into_iter().flatten() {
            let below = command.find_subcommand(word);
            command = below.ok_or_else(|| format!("there is no command {}", word.display()))?;
        }
        Ok(())
    }

    /// Checks that a file of the repository exists. Other files are not checked.
    fn is_there(&self, file: &str) -> Result<(), String> {
        let ours = FOLDERS.iter().any(|folder| file.starts_with(folder));
        let made = MADE.iter().any(|(folder, _)| file.starts_with(folder));
        match ours && !made && !self.top.join(file).exists() {
            true => Err(format!("there is no {file} in the repository")),
            false => Ok(()),
        }
    }

    fn script(&self, file: &str) -> Result<(), String> {
        let about = fs::metadata(self.top.join(file)).map_err(|error| format!("{file}: {error}"))?;
        let runs = about.is_file() && about.permissions().mode() & 0o111 == 0o111;
        runs.then_some(()).ok_or_else(|| format!("{file} is nothing that can be run"))
    }

    /// Checks that an example's options occur in its source.
    fn example(&self, name: &str, arguments: &[String]) -> Result<(), String> {
        let file = format!("sim/examples/{name}.rs");
        let source = fs::read_to_string(self.top.join(&file)).map_err(|error| format!("{file}: {error}"))?;
        let mut flags = arguments.iter().filter(|argument| argument.starts_with("--"));
        let unknown = flags.find(|flag| !source.contains(&format!("\"{flag}\"")));
        unknown.map_or(Ok(()), |flag| Err(format!("{file} has no {flag}")))
    }
}

/// Returns our variables that a source mentions.
fn variables(text: &str) -> Vec<String> {
    let parts = text.match_indices("TREEFALL_").map(|(place, _)| &text[place..]);
    let name =
        |part: &str| part.split(|it: char| !it.is_ascii_uppercase() && it != '_').next().map(str::to_owned);
    parts.filter_map(name).collect()
}
