//! Wraps the end of a command's help to the terminal's width: its examples and the exit statuses.
//!
//! Invariants: a wrapped example can be typed as it stands, because every line but the last ends with a backslash; no
//! word is split.

use clap::Command;

use treefall_base::wrap;

/// Widest help, in columns; also the default if the terminal's width is unknown.
pub(super) const WIDEST: u16 = 100;
/// Narrowest wrapping, in columns: single words are as long.
const NARROWEST: u16 = 30;
/// Indentation of an example's continuation lines.
const CONTINUATION_INDENT: &str = "    ";
/// End of a line that continues on the next.
const CONTINUATION: &str = " \\";

/// Wraps the help of `command` and of all its subcommands to `columns`.
pub(in crate::cli) fn fitted(command: Command, columns: u16) -> Command {
    let end = command.get_after_help().map(|end| fitted_end(&end.to_string(), columns));
    let command = match end {
        Some(end) => command.after_help(end),
        None => command,
    };
    command.mut_subcommands(|below| fitted(below, columns))
}

/// Returns the width of the help as clap chooses it: from the terminal, else from `COLUMNS`.
pub(in crate::cli) fn columns() -> u16 {
    let terminal = comfy_table::Table::new().width();
    let from_environment = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal.or_else(from_environment).map_or(WIDEST, |columns| columns.min(WIDEST))
}

/// Wraps the end of a command's help to `columns`.
pub(in crate::cli) fn fitted_end(text: &str, columns: u16) -> String {
    let columns = usize::from(columns.max(NARROWEST));
    let (mut fitted, mut examples) = (Vec::new(), false);
    for line in text.lines() {
        if !line.starts_with("  ") {
            examples = line.starts_with("Example");
            fitted.push(line.to_owned());
        } else if wrap::length(line) <= columns {
            fitted.push(line.to_owned());
        } else if examples {
            example(line, columns, &mut fitted);
        } else {
            row(line, columns, &mut fitted);
        }
    }
    fitted.join("\n")
}

/// Wraps an example. Its comment moves to the line above it.
fn example(line: &str, columns: usize, fitted: &mut Vec<String>) {
    let head = wrap::indentation(line);
    let (command, comment) = match line.split_once(" # ") {
        Some((command, comment)) => (command.trim_end(), Some(comment)),
        None => (line, None),
    };
    fitted.extend(comment.map(|comment| format!("{head}# {comment}")));
    let below = format!("{head}{CONTINUATION_INDENT}");
    let room = columns.saturating_sub(below.len() + CONTINUATION.len());
    fitted.extend(wrap::lines(head, wrap::typed(command, room), &below, CONTINUATION, columns));
}

/// Wraps a row of a two-column table. Further lines start below the second column.
fn row(line: &str, columns: usize, fitted: &mut Vec<String>) {
    let head = wrap::indentation(line);
    let rest = line.trim_start();
    let second = rest.find("  ").map_or(0, |gap| gap + wrap::indentation(&rest[gap..]).len());
    let below = " ".repeat(head.len() + second);
    let words = rest[second..].split_whitespace();
    fitted.extend(wrap::lines(&format!("{head}{}", &rest[..second]), words, &below, "", columns));
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: &str = "A sentence that clap itself wraps, however long it is.\n\nExamples:\n  \
        treefall                                            # the survey\n  \
        treefall soak --script 'count=8 runs=0.1%:never' --reload 60s --until memory\n\n\
        Exit status:\n  125  with `replay --bisect`: it cannot be from_environment";

    #[test]
    fn narrow_terminals_wrap_examples_with_backslashes() {
        let from_environment = "A sentence that clap itself wraps, however long it is.\n\nExamples:\n  \
            # the survey\n  treefall\n  treefall soak \\\n      --script 'count=8 runs=0.1%:never' \\\n      \
            --reload 60s --until memory\n\nExit status:\n  125  with `replay --bisect`: it cannot\n       be from_environment";
        assert_eq!(fitted_end(END, 42), from_environment);
        assert_eq!(fitted_end(END, 100), END);
    }

    #[test]
    fn wrapped_examples_keep_their_words_at_every_width() {
        let typed = |text: &str| {
            let text = text.replace(" \\\n", " ");
            let lines = text.lines().skip_while(|line| *line != "Examples:").skip(1);
            let lines = lines.take_while(|line| !line.is_empty()).filter_map(shlex::split);
            lines.filter(|words| !words.is_empty()).collect::<Vec<_>>()
        };
        assert_eq!(typed(END).len(), 2);
        for columns in 35..=100 {
            let fitted = fitted_end(END, columns);
            assert_eq!(typed(&fitted), typed(END), "{fitted}");
            let mut lines = fitted.lines().filter(|line| line.starts_with("  "));
            assert!(lines.all(|line| line.chars().count() <= usize::from(columns)), "{columns}:\n{fitted}");
        }
    }
}
