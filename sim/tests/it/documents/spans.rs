//! Commands and options in the text of a document, where a word in capitals stands for a value.

use super::typed::{Repository, Tally};

/// What stands for a value, and a value that it may have.
const STANDS_FOR: [(&str, &str); 11] = [
    ("DEFECT", "ExitErasesTwice"),
    ("DIR", "folder"),
    ("FILE", "file.toml"),
    ("FOLDER", "folder"),
    ("I", "1"),
    ("N", "2"),
    ("PATH", "/usr/sbin/keepalived"),
    ("ROOT", "/srv/root"),
    ("SPAN", "1ms"),
    ("T", "replica:mended"),
    ("TIME", "10m"),
];
/// Options that are cargo's, or those of a program that a document tells of.
const OF_OTHERS: [&str; 2] = ["--no-trace-compares", "--release"];

/// Whether the span is a command or an option, which is then one that can be typed.
///
/// # Errors
/// Why it cannot be.
pub(crate) fn check(repository: &Repository, span: &str) -> Result<bool, String> {
    let text = with_values(span);
    let words: Vec<&str> = text.split_whitespace().collect();
    let subcommand = |name: &&str| repository.command.find_subcommand(name).is_some();
    match words.as_slice() {
        ["treefall", below @ ..]
            if below.iter().all(|word| !word.starts_with('-') && !word.contains(['.', '/'])) =>
        {
            let mut command = &repository.command;
            for word in below {
                // What is no command is its argument.
                let Some(next) = command.find_subcommand(word) else {
                    return match command.get_positionals().next() {
                        Some(_) => typed(repository, &text),
                        None => Err(format!("there is no command `{word}`")),
                    };
                };
                command = next;
            }
            Ok(true)
        }
        ["treefall" | "cargo", ..] => typed(repository, &text),
        [script, ..] if script.ends_with(".sh") && script.contains('/') => typed(repository, &text),
        [name, option, ..] if subcommand(name) && option.starts_with("--") => {
            let command = repository.command.find_subcommand(name).into_iter();
            options(command, &words)
        }
        [option, ..] if option.starts_with("--") && option.len() > 2 => {
            let above = std::iter::once(&repository.command);
            options(above.clone().chain(above.flat_map(|it| below(it))), &words)
        }
        _ => Ok(false),
    }
}

fn typed(repository: &Repository, text: &str) -> Result<bool, String> {
    repository.check_line(text, &mut Tally::default()).map(|()| true)
}

/// All commands below one.
fn below(command: &clap::Command) -> Vec<&clap::Command> {
    command.get_subcommands().flat_map(|it| std::iter::once(it).chain(below(it))).collect()
}

/// Each option among the words is one of the commands'.
fn options<'c>(
    commands: impl Iterator<Item = &'c clap::Command> + Clone,
    words: &[&str],
) -> Result<bool, String> {
    for option in words.iter().filter(|word| word.starts_with("--")) {
        let long = option.trim_start_matches('-').split('=').next();
        let mut arguments = commands.clone().flat_map(clap::Command::get_arguments);
        if !arguments.any(|argument| argument.get_long() == long) && !OF_OTHERS.contains(option) {
            return Err(format!("there is no option {option}"));
        }
    }
    Ok(true)
}

/// With what may be left out, and with values for what stands for them.
fn with_values(span: &str) -> String {
    let span: String = span.chars().filter(|it| !matches!(it, '[' | ']')).collect();
    let mut text = String::new();
    for part in span.split_inclusive(|it: char| !it.is_ascii_alphanumeric()) {
        let word = part.trim_end_matches(|it: char| !it.is_ascii_alphanumeric());
        let value = STANDS_FOR.iter().find(|(name, _)| *name == word).map_or(word, |(_, value)| value);
        text.push_str(value);
        text.push_str(&part[word.len()..]);
    }
    text
}
