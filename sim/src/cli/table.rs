//! A table for people: in columns if the terminal is wide enough, else one field below the other.
//!
//! Invariant: no word that fits a line is split.

use std::fmt;

use comfy_table::{self as comfy, ColumnConstraint, ContentArrangement, Width, presets};

use treefall_base::wrap;

/// Indentation of a field's further lines.
const CONTINUATION_INDENT: &str = "    ";

/// Rows with one cell for each column. A cell may have several lines.
pub(super) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// Width of the terminal; `None`: no terminal, and the table may be as wide as it needs.
    width: Option<u16>,
}

impl Table {
    /// Creates an empty table with these columns, for the current terminal.
    pub(super) fn new(columns: impl IntoIterator<Item = &'static str>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new(), width: comfy::Table::new().width() }
    }

    /// Adds a row.
    pub(super) fn add_row(&mut self, cells: impl IntoIterator<Item = impl ToString>) {
        self.rows.push(cells.into_iter().map(|cell| cell.to_string()).collect());
    }

    /// Returns the number of rows.
    pub(super) fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// Returns the least width of each column: its longest word and the space around it.
    fn least(&self) -> Vec<usize> {
        let column = |(place, name): (usize, &&str)| {
            let cells = self.rows.iter().filter_map(|row| row.get(place).map(String::as_str));
            wrap::column(cells.chain([*name]))
        };
        self.columns.iter().enumerate().map(column).collect()
    }

    fn table(&self, least: &[usize]) -> comfy::Table {
        let mut table = comfy::Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        if let Some(width) = self.width {
            table.set_width(width);
        }
        table.set_header(&self.columns);
        for (column, least) in table.column_iter_mut().zip(least) {
            let least = Width::Fixed(u16::try_from(*least).unwrap_or(u16::MAX));
            column.set_constraint(ColumnConstraint::LowerBoundary(least));
        }
        table.add_rows(&self.rows);
        table
    }

    /// Writes each row as a list. An empty cell repeats the row above it, or is left out.
    fn lists(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, row) in self.rows.iter().enumerate() {
            let new = row.first().is_some_and(|cell| !cell.is_empty());
            if number > 0 && new {
                writeln!(f)?;
            }
            for (place, (column, cell)) in self.columns.iter().zip(row).enumerate() {
                let head = if place == 0 { "" } else { "  " };
                let name = if column.is_empty() { String::new() } else { format!("{column}: ") };
                match cell.lines().collect::<Vec<_>>().as_slice() {
                    [] => {}
                    [line] => self.wrapped(f, head, &format!("{name}{line}"))?,
                    lines => {
                        writeln!(f, "{head}{}", name.trim_end())?;
                        lines.iter().try_for_each(|line| self.wrapped(f, &format!("{head}  "), line))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes a line after `head`, wrapped to the terminal.
    fn wrapped(&self, f: &mut fmt::Formatter<'_>, head: &str, text: &str) -> fmt::Result {
        let columns = self.width.map_or(usize::MAX, usize::from);
        let lines = wrap::lines(head, text.split(' '), &format!("{head}{CONTINUATION_INDENT}"), "", columns);
        lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = self.least();
        // One more separator stands between two columns.
        let whole = least.iter().sum::<usize>() + least.len().saturating_sub(1);
        match self.width {
            Some(columns) if whole > usize::from(columns) => self.lists(f),
            _ => self.table(&least).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_terminal_gets_lists_without_losing_text() {
        let mut table = Table::new(["release", "known defects", "", "checked"]);
        table.add_row(["2.2.5 to 2.3.1", "SkippedRunStillStarts\nReloadFreesQueuedTimeout", "bad", "2.2.7"]);
        table.add_row(["", "ExitErasesTwice", "", "never"]);
        table.add_row(["2.3.2", "none", "good", "never"]);
        table.width = Some(40);
        let text = table.to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        let expected = "release: 2.2.5 to 2.3.1\n  known defects:\n    SkippedRunStillStarts\n    \
                    ReloadFreesQueuedTimeout\n  bad\n  checked: 2.2.7\n  known defects: ExitErasesTwice\n  \
                    checked: never\n\nrelease: 2.3.2\n  known defects: none\n  good\n  checked: never\n";
        assert_eq!(text, expected);
        table.width = Some(60);
        assert!(table.to_string().contains("ReloadFreesQueuedTimeout"));
    }

    #[test]
    fn no_word_is_split_and_no_line_too_long_at_any_width() {
        let mut table =
            Table::new(["release", "defect", "breaks", "mended by", "smallest", "replica checked on"]);
        let breaks = "no-child-forgotten\nsignals-only-its-children";
        let behind = "hidden behind ReloadFreesQueuedTimeout and SkippedRunStillStarts";
        table.add_row([
            "2.2.5 to 2.3.1",
            "ReloadSkipsQueuedTimeout",
            breaks,
            "7e04261d",
            "1 wake",
            "2.2.7, 2.3.0",
        ]);
        table.add_row(["", "ReloadFreesQueuedTimeout", "", "", behind, ""]);
        table.add_row(["2.2.7 (real)\nKeepalived v2.2.7 (01/16,2022)", "none", "", "", "", "is real"]);
        let words: Vec<String> =
            table.rows.iter().flatten().flat_map(|cell| cell.split_whitespace()).map(str::to_owned).collect();
        let mut forms = std::collections::BTreeSet::new();
        for width in 40..=160 {
            table.width = Some(width);
            let text = table.to_string();
            assert!(text.lines().all(|line| wrap::length(line) <= usize::from(width)), "{width}:\n{text}");
            for word in &words {
                assert!(text.contains(word), "{width}: {word}\n{text}");
            }
            forms.insert(text.contains("release: "));
        }
        assert_eq!(forms.len(), 2, "narrow ones are lists, wide ones tables");
    }
}
