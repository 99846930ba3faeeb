//! A table for people: columns where the terminal is wide enough for them, else one field under the other.

use std::fmt;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

/// The longest name of a defect or a law, with the space around it.
const NAME_WIDTH: u16 = 27;
/// A terminal with so many columns holds the names of defects and of laws uncut.
const WIDE_COLUMNS: u16 = 96;
/// A terminal with fewer columns holds no table: even the names of defects would be cut.
const NARROW_COLUMNS: u16 = 60;

/// Rows of as many cells as there are columns. A cell may have several lines.
pub(super) struct Sheet {
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// How wide the terminal is; `None`: there is none, and the table is as wide as it will be.
    width: Option<u16>,
}

impl Sheet {
    /// An empty sheet with these columns, for the terminal that there is.
    pub(super) fn new(columns: impl IntoIterator<Item = &'static str>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new(), width: Table::new().width() }
    }

    /// Adds a row.
    pub(super) fn add_row(&mut self, cells: impl IntoIterator<Item = impl ToString>) {
        self.rows.push(cells.into_iter().map(|cell| cell.to_string()).collect());
    }

    /// How many rows there are.
    pub(super) fn row_count(&self) -> usize {
        self.rows.len()
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(&self.columns);
        // In a narrow terminal the names of defects are the last thing to be cut, then those of laws.
        let wide = self.width.is_none_or(|columns| columns >= WIDE_COLUMNS);
        for (column, header) in table.column_iter_mut().zip(&self.columns) {
            if matches!(*header, "defect" | "known defects") || (wide && *header == "breaks") {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(NAME_WIDTH)));
            }
        }
        table.add_rows(&self.rows);
        table
    }

    /// Each row as a list; what is empty is as in the row above it, or nothing.
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
                    [line] => writeln!(f, "{head}{name}{line}")?,
                    lines => {
                        writeln!(f, "{head}{}", name.trim_end())?;
                        lines.iter().try_for_each(|line| writeln!(f, "{head}  {line}"))?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.width {
            Some(columns) if columns < NARROW_COLUMNS => self.lists(f),
            _ => self.table().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_narrow_terminal_no_line_is_longer_than_it_and_nothing_is_cut() {
        let mut sheet = Sheet::new(["release", "known defects", "", "checked"]);
        sheet.add_row(["2.2.5 to 2.3.1", "SkippedRunStillStarts\nReloadFreesQueuedTimeout", "bad", "2.2.7"]);
        sheet.add_row(["", "ExitErasesTwice", "", "never"]);
        sheet.add_row(["2.3.2", "none", "good", "never"]);
        sheet.width = Some(40);
        let text = sheet.to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        let told = "release: 2.2.5 to 2.3.1\n  known defects:\n    SkippedRunStillStarts\n    \
                    ReloadFreesQueuedTimeout\n  bad\n  checked: 2.2.7\n  known defects: ExitErasesTwice\n  \
                    checked: never\n\nrelease: 2.3.2\n  known defects: none\n  good\n  checked: never\n";
        assert_eq!(text, told);
        sheet.width = Some(60);
        assert!(sheet.to_string().contains("ReloadFreesQueuedTimeout"));
    }
}
