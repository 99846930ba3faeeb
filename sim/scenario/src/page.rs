//! The layout of a scenario file: sections, keys, values as text, and the comments between.
//!
//! [`Page::text`] is the only layout, for files that a program writes and for formatted ones, so that neither changes
//! the other's output.

use std::fmt::Write as _;

/// Longest line of a list on one line.
const LINE_MAX: usize = 110;

/// A complete file.
#[derive(Default)]
pub(super) struct Page {
    pub(super) sections: Vec<Section>,
    /// Comments at the end of the file.
    pub(super) foot: Vec<CommentLine>,
}

/// A header and its entries.
pub(super) struct Section {
    /// The header, with brackets; empty at the top of the file.
    pub(super) header: &'static str,
    pub(super) note: Note,
    pub(super) entries: Vec<Entry>,
}

impl Section {
    /// Returns a section without comments.
    pub(super) fn new(header: &'static str) -> Self {
        Self { header, note: Note::default(), entries: Vec::new() }
    }

    /// Adds an entry.
    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        self.entries.push(Entry { key: key.to_owned(), value, note: Note::default() });
        self
    }

    /// Adds an entry if `present`.
    pub(super) fn with_if(self, present: bool, key: &str, value: Value) -> Self {
        if present { self.with(key, value) } else { self }
    }
}

/// A key and its value.
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Value,
    pub(super) note: Note,
}

/// A value, as TOML.
pub(super) enum Value {
    One(String),
    Many {
        elements: Vec<(String, Note)>,
        /// The comments before and beside the closing bracket.
        end: Note,
    },
}

impl Value {
    /// Returns a text in quotes.
    pub(super) fn text(text: &str) -> Self {
        Self::One(quoted(text))
    }

    /// Returns a list without comments.
    pub(super) fn list(elements: impl IntoIterator<Item = String>) -> Self {
        let elements = elements.into_iter().map(|element| (element, Note::default())).collect();
        Self::Many { elements, end: Note::default() }
    }
}

/// The comments of one element, and its place in the file.
#[derive(Default)]
pub(super) struct Note {
    pub(super) at: usize,
    /// Comments on the lines above it.
    pub(super) above: Vec<CommentLine>,
    /// The comment at the end of its line, with the `#`.
    pub(super) beside: Option<String>,
}

impl Note {
    /// Returns the notes of an element at this place of the file.
    pub(super) fn at(at: usize) -> Self {
        Self { at, ..Self::default() }
    }

    fn is_empty(&self) -> bool {
        self.above.is_empty() && self.beside.is_none()
    }
}

/// A line of a comment.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum CommentLine {
    Blank,
    /// A comment, with the `#`.
    Comment(String),
}

impl Page {
    /// Returns the notes of all elements, in the order of their places.
    pub(super) fn notes(&mut self) -> Vec<&mut Note> {
        let mut notes = Vec::new();
        for section in &mut self.sections {
            if !section.header.is_empty() {
                notes.push(&mut section.note);
            }
            for entry in &mut section.entries {
                notes.push(&mut entry.note);
                if let Value::Many { elements, end } = &mut entry.value {
                    notes.extend(elements.iter_mut().map(|(_, note)| note));
                    notes.push(end);
                }
            }
        }
        notes.sort_by_key(|note| note.at);
        notes
    }

    /// Returns the text of the file.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for section in &self.sections {
            if !text.is_empty() {
                text.push('\n');
            }
            if !section.header.is_empty() {
                lines(&mut text, "", &section.note.above);
                text.push_str(section.header);
                end_line(&mut text, &section.note);
            }
            for entry in &section.entries {
                entry.print(&mut text);
            }
        }
        if !self.foot.is_empty() {
            text.push('\n');
            lines(&mut text, "", &self.foot);
        }
        text
    }
}

impl Entry {
    fn print(&self, text: &mut String) {
        lines(text, "", &self.note.above);
        let _ = write!(text, "{} = ", key(&self.key));
        match &self.value {
            Value::One(value) => {
                text.push_str(value);
                end_line(text, &self.note);
            }
            Value::Many { elements, end } => self.print_list(text, elements, end),
        }
    }

    fn print_list(&self, text: &mut String, elements: &[(String, Note)], end: &Note) {
        let commented = elements.iter().any(|(_, note)| !note.is_empty());
        let length: usize = elements.iter().map(|(element, _)| element.chars().count() + 2).sum();
        let fits = self.key.len() + length + 3 <= LINE_MAX;
        if fits && !commented && end.above.is_empty() && self.note.beside.is_none() {
            let elements: Vec<&str> = elements.iter().map(|(element, _)| element.as_str()).collect();
            let _ = write!(text, "[{}]", elements.join(", "));
        } else {
            text.push('[');
            end_line(text, &self.note);
            for (element, note) in elements {
                lines(text, "    ", &note.above);
                let _ = write!(text, "    {element},");
                end_line(text, note);
            }
            lines(text, "    ", &end.above);
            text.push(']');
        }
        end_line(text, end);
    }
}

fn lines(text: &mut String, indent: &str, lines: &[CommentLine]) {
    for line in lines {
        if let CommentLine::Comment(comment) = line {
            text.push_str(indent);
            text.push_str(comment);
        }
        text.push('\n');
    }
}

fn end_line(text: &mut String, note: &Note) {
    if let Some(comment) = &note.beside {
        text.push_str("  ");
        text.push_str(comment);
    }
    text.push('\n');
}

fn key(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_');
    if bare { key.to_owned() } else { quoted_line(key) }
}

/// Quotes `text` as a TOML string, over several lines if it has several.
pub(super) fn quoted(text: &str) -> String {
    if text.contains('\n') { quoted_lines(text) } else { quoted_line(text) }
}

fn quoted_line(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\t' => quoted.push_str("\\t"),
            '\n' => quoted.push_str("\\n"),
            other => escaped(&mut quoted, other),
        }
    }
    quoted.push('"');
    quoted
}

fn quoted_lines(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 8);
    quoted.push_str("\"\"\"\n");
    let mut quotes = 0;
    for (place, c) in text.char_indices() {
        quotes = if c == '"' { quotes + 1 } else { 0 };
        let last = place + 1 == text.len();
        match c {
            // Three in a row, or one at the end, would end the text.
            '"' if quotes == 3 || last => {
                quoted.push_str("\\\"");
                quotes = 0;
            }
            '"' | '\n' | '\t' => quoted.push(c),
            other => escaped(&mut quoted, other),
        }
    }
    quoted.push_str("\"\"\"");
    quoted
}

fn escaped(quoted: &mut String, c: char) {
    match c {
        '\\' => quoted.push_str("\\\\"),
        '\r' => quoted.push_str("\\r"),
        control if control.is_control() => {
            let _ = write!(quoted, "\\u{:04X}", u32::from(control));
        }
        other => quoted.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_read_back_from_its_quotes(text in "[a\"\\\\\n\t\r #'\u{0}-\u{1f}\u{7f}\u{85}é]{0,24}") {
            let file = format!("x = {}\n", quoted(&text));
            let table: toml::Table = file.parse().expect("TOML");
            prop_assert_eq!(table["x"].as_str(), Some(text.as_str()));
        }
    }

    #[test]
    fn a_list_too_long_for_a_line_takes_one_line_an_element() {
        let long = "\"x\"".repeat(20);
        let section = Section::new("").with("short", Value::list(["1".into(), "2".into()]));
        let section = section.with("long", Value::list([long.clone(), long.clone()]));
        let page = Page { sections: vec![section], foot: Vec::new() };
        assert_eq!(page.text(), format!("short = [1, 2]\nlong = [\n    {long},\n    {long},\n]\n"));
    }
}
