//! What a command's help ends with, fitted to a terminal: its examples, and the list of statuses.
//!
//! Always: an example that takes several lines can still be typed as it stands, for each line but its last ends with a
//! backslash; and no word is broken.

use clap::Command;

use treefall_base::wrap;

/// How wide help is at most, and where nothing says how wide the terminal is.
pub(super) const WIDEST: u16 = 100;
/// What help is not fitted below: words alone are as long.
const NARROWEST: u16 = 30;
/// How much further in the rest of an example stands.
const REST: &str = "    ";
/// What stands at the end of a line that goes on.
const GOES_ON: &str = " \\";

/// The command and all below it, with their ends fitted to so many columns.
pub(in crate::cli) fn fitted(command: Command, columns: u16) -> Command {
    let end = command.get_after_help().map(|end| fitted_end(&end.to_string(), columns));
    let command = match end {
        Some(end) => command.after_help(end),
        None => command,
    };
    command.mut_subcommands(|below| fitted(below, columns))
}

/// How wide help is shown: as clap finds it, the terminal's width or what the environment says.
pub(in crate::cli) fn columns() -> u16 {
    let terminal = comfy_table::Table::new().width();
    let told = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal.or_else(told).map_or(WIDEST, |columns| columns.min(WIDEST))
}

/// The end of a command's help, fitted to so many columns.
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

/// A command that is typed; what is said of it stands above it.
fn example(line: &str, columns: usize, fitted: &mut Vec<String>) {
    let head = wrap::indentation(line);
    let (command, said) = match line.split_once(" # ") {
        Some((command, said)) => (command.trim_end(), Some(said)),
        None => (line, None),
    };
    fitted.extend(said.map(|said| format!("{head}# {said}")));
    let below = format!("{head}{REST}");
    let room = columns.saturating_sub(below.len() + GOES_ON.len());
    fitted.extend(wrap::lines(head, wrap::typed(command, room), &below, GOES_ON, columns));
}

/// A row of a table of two columns: the rest stands below its second.
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

    const END: &str = "A sentence that clap itself wraps, however long it is told to be.\n\nExamples:\n  \
        treefall                                            # the survey\n  \
        treefall soak --script 'count=8 runs=0.1%:never' --reload 60s --until memory\n\n\
        Exit status:\n  125  with `replay --bisect`: it cannot be told";

    #[test]
    fn in_a_narrow_terminal_examples_go_on_behind_a_backslash_and_rows_below_their_text() {
        let told = "A sentence that clap itself wraps, however long it is told to be.\n\nExamples:\n  \
            # the survey\n  treefall\n  treefall soak \\\n      --script 'count=8 runs=0.1%:never' \\\n      \
            --reload 60s --until memory\n\nExit status:\n  125  with `replay --bisect`: it cannot\n       be told";
        assert_eq!(fitted_end(END, 42), told);
        assert_eq!(fitted_end(END, 100), END);
    }

    #[test]
    fn at_every_width_an_example_is_what_it_was_and_no_line_is_too_long() {
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
