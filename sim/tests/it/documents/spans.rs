//! Checks commands and options in the text of a document, where a word in capitals stands for a value.

use super::typed::{Repository, Tally};

/// Placeholders, each with a possible value.
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
/// Options of cargo, or of other programs that a document mentions.
const OF_OTHERS: [&str; 2] = ["--no-trace-compares", "--release"];

/// Reports whether the span is a command or an option. If so, it must be valid.
///
/// # Errors
/// Why it is not valid.
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
                // A word that is no subcommand is an argument.
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

/// Returns all subcommands of a command.
fn below(command: &clap::Command) -> Vec<&clap::Command> {
    command.get_subcommands().flat_map(|it| std::iter::once(it).chain(below(it))).collect()
}

/// Checks that each option among the words belongs to one of the commands.
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

/// Removes the brackets of optional parts, and replaces placeholders by values.
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
