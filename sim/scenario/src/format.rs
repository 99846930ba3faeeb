//! Formats a scenario file canonically: fixed order of sections and keys, one notation for values, each comment with
//! what it describes.
//!
//! Explicit default values are kept. A comment on lines of its own belongs to what follows it, one at the end of a
//! line to the last thing that begins before it. No comment is lost.

use toml::de::{DeTable, DeValue};
use toml_parser::lexer::TokenKind;
use treefall_model::signal::Signal;

use super::about::{about_value, read_about};
use super::diagnostic::Problems;
use super::expect::{Failure, Whom, rank};
use super::page::{CommentLine, Entry, Note, Page, Section, Value, quoted};
use super::read::{parse, plain_lines, read};
use super::runs::{canonical, signal_name, signal_named};
use super::schema::Kind;
use super::write::{exit_text, number_value, signal_value};
use super::{duration, fields, outside};

/// Returns the canonical form of the scenario file with this `text`; `name` is the file's name in messages.
///
/// # Errors
/// All problems of the file: an invalid scenario has no canonical form.
pub fn format(name: &str, text: &str) -> Result<String, Problems> {
    let text = &*plain_lines(text);
    read(name, text)?;
    let document = parse(text).map_err(|notes| Problems::new(name, text, notes))?;
    let mut page = Page::default();
    let mut top = Section::new("");
    top.entries = entries(Kind::Top, &document, text);
    // A text and a table have the same notation.
    let about =
        read_about(&fields::Fields::new(Kind::Top, &document, 0..0, &mut Vec::new()), &mut Vec::new());
    let entry = top.entries.iter_mut().find(|entry| entry.key == "about");
    if let Some((entry, about)) = entry.zip(about) {
        entry.value = Value::One(about_value(about));
    }
    page.sections.push(top);
    for key in Kind::Top.keys() {
        sections(&mut page, Kind::Top, key, &document, text);
    }
    place_comments(&mut page, text);
    Ok(page.text())
}

/// Returns the keys of a table with simple values, in canonical order.
fn entries(kind: Kind, table: &DeTable<'_>, text: &str) -> Vec<Entry> {
    let rows = table.iter().filter(|(key, _)| kind.child(key.get_ref()).is_none());
    let mut entries: Vec<Entry> = rows
        .map(|(key, value)| {
            let name = canonical_key(kind, key.get_ref());
            Entry {
                value: entry_value(&name, kind, value, text),
                key: name,
                note: Note::at(key.span().start),
            }
        })
        .collect();
    match kind {
        Kind::Expect => entries.sort_by_key(|entry| rank(&entry.key)),
        _ => entries.sort_by_key(|entry| kind.keys().iter().position(|key| *key == entry.key)),
    }
    entries
}

fn canonical_key(kind: Kind, key: &str) -> String {
    match Whom::parse(key) {
        Ok(whom) if kind == Kind::Expect => whom.to_string(),
        _ => key.to_owned(),
    }
}

/// Appends the sections for the value of `key`.
fn sections(page: &mut Page, kind: Kind, key: &str, table: &DeTable<'_>, text: &str) {
    let Some((child, (key_place, value))) = kind.child(key).zip(table.get_key_value(key)) else { return };
    let header = match (kind, child) {
        (_, Kind::Setup) => "[setup]",
        (_, Kind::Costs) => "[costs]",
        (_, Kind::Config) => "[[config]]",
        (Kind::Config, Kind::Script) => "[[config.script]]",
        (_, Kind::Script) => "[[script]]",
        (_, Kind::Link) => "[[link]]",
        (_, Kind::Wake) => "[[wake]]",
        (_, Kind::Expect) => "[expect]",
        _ => "[provenance]",
    };
    match value.get_ref() {
        DeValue::Table(table) => {
            let at = key_place.span().start.min(value.span().start);
            section(page, header, child, table, at, text);
        }
        DeValue::Array(elements) => {
            for element in elements {
                if let DeValue::Table(table) = element.get_ref() {
                    section(page, header, child, table, element.span().start, text);
                }
            }
            if elements.is_empty() && (kind, child) == (Kind::Top, Kind::Script) {
                // `script = []`: only this form denotes one configuration without scripts.
                let mut section = Section::new("[[config]]");
                section.note = Note::at(key_place.span().start);
                page.sections.push(section);
            }
        }
        _ => {}
    }
}

fn section(page: &mut Page, header: &'static str, kind: Kind, table: &DeTable<'_>, at: usize, text: &str) {
    let mut section = Section::new(header);
    section.note = Note::at(at);
    section.entries = entries(kind, table, text);
    page.sections.push(section);
    for key in kind.keys() {
        sections(page, kind, key, table, text);
    }
}

fn entry_value(key: &str, kind: Kind, value: &fields::Value<'_>, text: &str) -> Value {
    let DeValue::Array(elements) = value.get_ref() else { return Value::One(scalar(key, kind, value, text)) };
    if let Some(word) = outside::order_word(key, elements) {
        return Value::text(word);
    }
    let noted = |element: &fields::Value<'_>| {
        let element_text = match element.get_ref() {
            DeValue::Table(event) if key == "events" => event_value(event, text),
            DeValue::Table(exit) => exit_value(exit, text),
            _ => scalar(key, kind, element, text),
        };
        (element_text, Note::at(element.span().start))
    };
    let elements: Vec<_> = elements.iter().map(noted).collect();
    // The place of the closing bracket. `[[wake.exits]]` has none, and ends where its last table does.
    let span = value.span();
    let closed = text[span.clone()].ends_with(']') && !text[span.clone()].starts_with("[[");
    let end = if closed { span.end - 1 } else { elements.last().map_or(span.start, |(_, note)| note.at) };
    Value::Many { elements, end: Note::at(end) }
}

fn exit_value(exit: &DeTable<'_>, text: &str) -> String {
    let told = |key: &str| exit.get(key).map(|value| scalar(key, Kind::Exit, value, text));
    let run = told("run").unwrap_or_default();
    match (told("status"), told("signal")) {
        (Some(status), _) => exit_text(&run, "status", &status),
        (None, signal) => exit_text(&run, "signal", &signal.unwrap_or_default()),
    }
}

fn event_value(event: &DeTable<'_>, text: &str) -> String {
    let told =
        |key: &str| event.get(key).map(|value| scalar(key, Kind::Event, value, text)).unwrap_or_default();
    outside::event_text(&told("link"), &told("is"))
}

/// The value in canonical notation.
fn scalar(key: &str, kind: Kind, value: &fields::Value<'_>, text: &str) -> String {
    let as_written = || text[value.span()].to_owned();
    match value.get_ref() {
        DeValue::Integer(integer) => {
            let Ok(number) = u64::from_str_radix(integer.as_str(), integer.radix()) else {
                return as_written();
            };
            let signal = u8::try_from(number).ok().and_then(Signal::new).filter(|_| key == "signal");
            signal.map_or_else(|| number_value(number), signal_value)
        }
        DeValue::String(text) => word(key, kind, text),
        _ => as_written(),
    }
}

fn word(key: &str, kind: Kind, text: &str) -> String {
    let duration =
        |text: &str| duration::parse(text).map_or_else(|_| text.to_owned(), |span| span.to_string());
    match (kind, key) {
        (Kind::Script, "interval" | "timeout" | "dies-after" | "kill-linger")
        | (Kind::Link, "down-delay" | "up-delay")
        | (Kind::Costs, _) => quoted(&duration(text)),
        (Kind::Wake, "after") => match text.strip_prefix('+') {
            Some(span) => quoted(&format!("+{}", duration(span))),
            None => quoted(text),
        },
        (Kind::Wake, "signals") | (Kind::Exit, "signal") => {
            quoted(signal_named(text).and_then(signal_name).unwrap_or(text))
        }
        (Kind::Exit, "run") => quoted(&canonical(text)),
        (Kind::Expect, _) => match Failure::parse(text) {
            Ok(failure) => quoted(&failure.to_string()),
            Err(_) => quoted(text),
        },
        (Kind::Provenance, "seed" | "trace" | "generator") => {
            text.parse().map_or_else(|_| quoted(text), number_value)
        }
        _ => quoted(text),
    }
}

/// A comment of a file.
struct Comment<'t> {
    at: usize,
    text: &'t str,
    /// It is alone on its line.
    own_line: bool,
    /// A blank line follows.
    then_blank: bool,
}

fn comments(text: &str) -> Vec<Comment<'_>> {
    let tokens = toml_parser::Source::new(text).lex();
    let comments = tokens.filter(|token| token.kind() == TokenKind::Comment);
    let span = |token: toml_parser::lexer::Token| token.span().start()..token.span().end();
    comments
        .map(span)
        .map(|span| {
            let line_start = text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
            let before = text[line_start..span.start].trim_start_matches('\u{feff}');
            let mut below = text[span.end..].split('\n').skip(1);
            Comment {
                at: span.start,
                text: text[span].trim_end(),
                own_line: before.trim().is_empty(),
                then_blank: below.next().is_some_and(|line| line.trim().is_empty()),
            }
        })
        .collect()
}

/// Assigns each comment of the file to what it describes.
fn place_comments(page: &mut Page, text: &str) {
    let mut foot = Vec::new();
    let mut notes = page.notes();
    for comment in comments(text) {
        let line = CommentLine::Comment(comment.text.to_owned());
        let next = notes.partition_point(|note| note.at < comment.at);
        if !comment.own_line
            && let Some(note) = next.checked_sub(1).map(|place| &mut notes[place])
        {
            match note.beside {
                None => note.beside = Some(comment.text.to_owned()),
                Some(_) => note.above.push(line),
            }
            continue;
        }
        let above = notes.get_mut(next).map_or(&mut foot, |note| &mut note.above);
        above.push(line);
        if comment.then_blank {
            above.push(CommentLine::Blank);
        }
    }
    drop(notes);
    while foot.last() == Some(&CommentLine::Blank) {
        foot.pop();
    }
    page.foot = foot;
}
