//! Reads the fields of one table. Problems are collected, and reading continues.

use std::fmt::Display;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use treefall_model::Span;
use treefall_model::trace::Name;

use super::diagnostic::Problem;
use super::duration;
use super::schema::Kind;

/// So many problems are enough: a long list of wakes is read no further.
pub(super) const NOTES_MAX: usize = 100;

/// The problems found so far.
pub(super) type Notes = Vec<Problem>;

/// A value and its place.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// One table.
#[derive(Clone, Copy)]
pub(super) struct Fields<'t> {
    pub(super) kind: Kind,
    table: &'t DeTable<'t>,
    /// The span of its header, or of the table itself if it is inline.
    pub(super) span: (usize, usize),
}

impl<'t> Fields<'t> {
    /// Returns the fields of a table of this kind; reports unknown keys.
    pub(super) fn new(kind: Kind, table: &'t DeTable<'t>, span: Range<usize>, notes: &mut Notes) -> Self {
        for (key, _) in table.iter().filter(|(key, _)| !kind.keys().contains(&key.get_ref().as_ref())) {
            if kind == Kind::Expect {
                break;
            }
            let title = format!("{} has no key {:?}", kind.name(), key.get_ref());
            let label = format!("expected one of {}", kind.keys().join(", "));
            let problem = Problem::new(key.span(), title, label);
            let problem = problem.nearest(key.get_ref(), kind.keys().iter().copied());
            notes.push(match Kind::with_key(key.get_ref()) {
                Some(other) if problem.help.is_none() => {
                    problem.help(format!("`{}` is a key of {}", key.get_ref(), other.name()))
                }
                _ => problem,
            });
        }
        Self { kind, table, span: (span.start, span.end) }
    }

    /// Returns the span of the table's header, at which a missing key is reported.
    pub(super) fn header(&self) -> Range<usize> {
        self.span.0..self.span.1
    }

    /// Returns the value of `key`.
    pub(super) fn get(&self, key: &str) -> Option<&'t Value<'t>> {
        self.table.get(key)
    }

    /// The keys and values, in the order of the file.
    pub(super) fn rows(&self) -> Vec<(&'t str, Range<usize>, &'t Value<'t>)> {
        let rows = self.table.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value));
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by_key(|(_, span, _)| span.start);
        rows
    }

    /// Reports that `key` is missing.
    pub(super) fn missing(&self, key: &str, example: &str, notes: &mut Notes) {
        let title = format!("{} needs the key `{key}`", self.kind.name());
        notes.push(
            Problem::new(self.header(), title, "missing here")
                .help(format!("for example: {key} = {example}")),
        );
    }

    /// Returns the text of `key`, if it is present and a text.
    pub(super) fn text(&self, key: &str, notes: &mut Notes) -> Option<(&'t str, Range<usize>)> {
        let value = self.get(key)?;
        text(value, key, "text in quotes", notes)
    }

    /// Returns the span of `key`, if it is present and a duration.
    pub(super) fn duration(&self, key: &str, notes: &mut Notes) -> Option<Span> {
        let value = self.get(key)?;
        let (text, span) = text(value, key, &format!("a duration in quotes: {}", duration::EXAMPLES), notes)?;
        match duration::parse(text) {
            Ok(duration) => Some(duration),
            Err(no) => {
                let title = format!("this duration {}", no.why);
                let problem = Problem::new(span, title, format!("expected {}", duration::EXAMPLES));
                notes.push(problem.meant(no.meant));
                None
            }
        }
    }

    /// Returns the number of `key`, if it is present and in range.
    pub(super) fn number(&self, key: &str, least: u64, most: u64, notes: &mut Notes) -> Option<u64> {
        number(self.get(key)?, key, least, most, notes)
    }

    /// Returns the meaning of the word of `key`, if it is present and one of `choice`.
    pub(super) fn word<T: Copy>(&self, key: &str, choice: &[(&str, T)], notes: &mut Notes) -> Option<T> {
        let (word, span) = self.text(key, notes)?;
        let known = choice.iter().find(|(known, _)| *known == word);
        if known.is_none() {
            notes.push(unknown_word(word, span, key, choice.iter().map(|(known, _)| *known)));
        }
        known.map(|(_, value)| *value)
    }

    /// Returns the elements of the list `key`; empty if it is missing.
    pub(super) fn list(&self, key: &str, notes: &mut Notes) -> &'t [Value<'t>] {
        let Some(value) = self.get(key) else { return &[] };
        match value.get_ref() {
            DeValue::Array(elements) => elements,
            other => {
                let what = match self.kind.child(key) {
                    Some(_) => format!("a list of tables, each under a header `[[{key}]]`"),
                    None => "a list in square brackets".to_owned(),
                };
                notes.push(wrong_type(value.span(), key, &what, other));
                &[]
            }
        }
    }

    /// Returns the tables of the list `key`.
    pub(super) fn tables(&self, key: &str, kind: Kind, notes: &mut Notes) -> Vec<Fields<'t>> {
        let elements = self.list(key, notes);
        elements.iter().filter_map(|element| table(element, key, kind, notes)).collect()
    }

    /// Returns the table `key`, if it is present.
    pub(super) fn table(&self, key: &str, kind: Kind, notes: &mut Notes) -> Option<Fields<'t>> {
        table(self.get(key)?, key, kind, notes)
    }
}

/// Reads the value as a table.
pub(super) fn table<'t>(
    value: &'t Value<'t>,
    key: &str,
    kind: Kind,
    notes: &mut Notes,
) -> Option<Fields<'t>> {
    match value.get_ref() {
        DeValue::Table(table) => Some(Fields::new(kind, table, value.span(), notes)),
        other => {
            notes.push(wrong_type(value.span(), key, "a table", other));
            None
        }
    }
}

/// Reads the value as text.
pub(super) fn text<'t>(
    value: &'t Value<'t>,
    key: &str,
    what: &str,
    notes: &mut Notes,
) -> Option<(&'t str, Range<usize>)> {
    match value.get_ref() {
        DeValue::String(text) => Some((text, value.span())),
        other => {
            notes.push(wrong_type(value.span(), key, what, other));
            None
        }
    }
}

/// Reads the value as a number between `least` and `most`.
pub(super) fn number(value: &Value<'_>, key: &str, least: u64, most: u64, notes: &mut Notes) -> Option<u64> {
    let DeValue::Integer(integer) = value.get_ref() else {
        notes.push(wrong_type(value.span(), key, "a whole number", value.get_ref()));
        return None;
    };
    let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
    let number = number.filter(|number| (least..=most).contains(number));
    if number.is_none() {
        let title = format!("`{key}` is out of range");
        notes.push(Problem::new(value.span(), title, format!("expected {least} to {most}")));
    }
    number
}

/// Reports a word that `key` does not accept.
pub(super) fn unknown_word<'k>(
    word: &str,
    span: Range<usize>,
    key: impl Display,
    known: impl IntoIterator<Item = &'k str>,
) -> Problem {
    let known: Vec<&str> = known.into_iter().collect();
    let quoted: Vec<String> = known.iter().map(|word| format!("\"{word}\"")).collect();
    let title = format!("`{key}` cannot be {word:?}");
    Problem::new(span, title, format!("expected {}", quoted.join(" or "))).nearest(word, known)
}

fn wrong_type(span: Range<usize>, key: &str, what: &str, found: &DeValue<'_>) -> Problem {
    let article = if matches!(found, DeValue::Integer(_) | DeValue::Array(_)) { "an" } else { "a" };
    let title = format!("`{key}` cannot be {article} {}", found.type_str());
    Problem::new(span, title, format!("expected {what}"))
}

/// The name in `name`.
pub(super) fn read_name(fields: &Fields<'_>, notes: &mut Notes) -> Option<Name> {
    if fields.get("name").is_none() {
        fields.missing("name", "\"chk_haproxy\"", notes);
    }
    let (text, span) = fields.text("name", notes)?;
    let name = Name::new(text);
    name.map_err(|error| notes.push(Problem::new(span, error.to_string(), "expected a name"))).ok()
}
