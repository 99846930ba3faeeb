//! Interfaces, their events, and the order of descriptors in a file: read, written, and in canonical notation.

use toml::de::DeValue;
use treefall_model::id::LinkId;
use treefall_model::trace::{EVENTS_MAX, External, LINKS_MAX, Link, Rank, Wake};
use treefall_model::trace::{LINK_DELAY_MAX, LINK_NAME_MAX};

use super::FORMAT;
use super::diagnostic::Problem;
use super::fields::{Fields, NOTES_MAX, Notes, Value as Field, read_name, table, text, unknown_word};
use super::page::{Section, Value, quoted};
use super::schema::{Kind, words};

/// Reads the interfaces of a file.
pub(super) fn read_links(top: &Fields<'_>, notes: &mut Notes) -> Vec<Link> {
    let tables = top.tables("link", Kind::Link, notes);
    let format = top.number("format", 1, FORMAT, &mut Notes::new());
    if let (Some(1), Some(first)) = (format, tables.first()) {
        let problem =
            Problem::new(first.header(), "an interface cannot be said in format 1", "expected none");
        notes.push(problem.help("write `format = 2` at the top"));
    }
    if tables.len() > LINKS_MAX {
        let title = format!("there are {} interfaces", tables.len());
        notes.push(Problem::new(top.header(), title, format!("expected {LINKS_MAX} at most")));
        return Vec::new();
    }
    let mut links: Vec<Link> = Vec::new();
    for fields in tables {
        let Some(name) = read_name(&fields, notes) else { continue };
        let place = fields.get("name").map_or(fields.header(), toml::Spanned::span);
        if name.as_str().len() > LINK_NAME_MAX {
            let title = format!("{name} is too long for the name of an interface");
            let label = format!("expected {LINK_NAME_MAX} characters at most");
            notes.push(Problem::new(place.clone(), title, label));
        }
        if links.iter().any(|link| link.name == name) {
            let title = format!("two interfaces are called {name}");
            notes.push(Problem::new(place, title, "expected another name"));
        }
        let mut delay = |key| {
            let delay = fields.duration(key, notes).unwrap_or_default();
            if let Some(value) = fields.get(key).filter(|_| delay > LINK_DELAY_MAX) {
                let label = format!("expected at most {LINK_DELAY_MAX}");
                notes.push(Problem::new(value.span(), "this delay is too long", label));
            }
            delay
        };
        let (down_delay, up_delay) = (delay("down-delay"), delay("up-delay"));
        links.push(Link { name, down_delay, up_delay });
    }
    links
}

/// Reads the events of a wake.
pub(super) fn read_events(fields: &Fields<'_>, links: &[Link], wake: &mut Wake, notes: &mut Notes) {
    let elements = fields.list("events", notes);
    if elements.len() > EVENTS_MAX
        && let Some(value) = fields.get("events")
    {
        let title = format!("there are {} events in one wake", elements.len());
        notes.push(Problem::new(value.span(), title, format!("expected {EVENTS_MAX} at most")));
        return;
    }
    for element in elements {
        if notes.len() >= NOTES_MAX {
            return;
        }
        wake.events.extend(read_event(element, links, notes));
    }
}

fn read_event(element: &Field<'_>, links: &[Link], notes: &mut Notes) -> Option<External> {
    let fields = table(element, "events", Kind::Event, notes)?;
    for (key, example) in [("link", "\"lo\""), ("is", "\"down\"")] {
        if fields.get(key).is_none() {
            fields.missing(key, example, notes);
        }
    }
    let up = fields.word("is", words::STATES, notes);
    let (name, span) = fields.text("link", notes)?;
    let Some(place) = links.iter().position(|link| link.name.as_str() == name) else {
        let known: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
        let title = format!("there is no interface `{name}`");
        let problem = Problem::new(span, title, "expected an interface of this file").nearest(name, known);
        notes.push(problem.or_help("name it first: [[link]] with name = .., above the first [[wake]]"));
        return None;
    };
    Some(External::Link { link: LinkId(u8::try_from(place).ok()?), up: up? })
}

/// Reads the order in which descriptors are reported: a word, or a list of all of them.
pub(super) fn read_order(fields: &Fields<'_>, links: &[Link], wake: &mut Wake, notes: &mut Notes) {
    let Some(value) = fields.get("order") else { return };
    let DeValue::Array(elements) = value.get_ref() else {
        wake.order = fields.word("order", words::ORDERS, notes).unwrap_or_default();
        return;
    };
    let names = words::LISTS[0].0;
    let mut list = Vec::new();
    for element in elements {
        let Some((word, span)) = text(element, "order", "a descriptor's name in quotes", notes) else {
            return;
        };
        if !names.contains(&word) {
            notes.push(unknown_word(word, span, "order", names));
            return;
        }
        list.push(word);
    }
    let Some((_, (order, rank))) = words::LISTS.iter().find(|(known, _)| known[..] == list[..]) else {
        let label = "expected each of \"timer\", \"signals\" and \"netlink\" once";
        notes.push(Problem::new(value.span(), "this is no order of all descriptors", label));
        return;
    };
    if links.is_empty() {
        let title = "there is no interface that `netlink` could tell of";
        let problem = Problem::new(value.span(), title, "expected \"timer-first\" or \"signals-first\"");
        notes
            .push(problem.help("an interface is named by [[link]] with name = .., above the first [[wake]]"));
        return;
    }
    (wake.order, wake.rank) = (*order, *rank);
}

/// Returns the word that says the same as a list of descriptors.
pub(super) fn order_word(key: &str, elements: &[Field<'_>]) -> Option<&'static str> {
    let list: Vec<&str> = elements.iter().filter_map(|element| element.get_ref().as_str()).collect();
    let known = words::LISTS.iter().find(|(known, _)| key == "order" && known[..] == list[..]);
    let (_, (order, _)) = known.filter(|(_, (_, rank))| *rank == Rank::Last)?;
    Some(words::word(words::ORDERS, order))
}

/// Returns the order of a wake: a word where that says it, else a list.
pub(super) fn order_value(wake: &Wake) -> Value {
    let list = words::LISTS.iter().find(|(_, known)| *known == (wake.order, wake.rank));
    match list.filter(|_| wake.rank != Rank::Last) {
        Some((names, _)) => Value::list(names.iter().map(|name| quoted(name))),
        None => Value::text(words::word(words::ORDERS, &wake.order)),
    }
}

/// Returns the section of an interface.
pub(super) fn link_section(link: &Link) -> Section {
    Section::new("[[link]]")
        .with("name", Value::text(link.name.as_str()))
        .with_if(!link.down_delay.is_zero(), "down-delay", Value::text(&link.down_delay.to_string()))
        .with_if(!link.up_delay.is_zero(), "up-delay", Value::text(&link.up_delay.to_string()))
}

/// Adds the events of a wake to its section.
pub(super) fn with_events(section: Section, wake: &Wake, links: &[Link]) -> Section {
    let event = |event: &External| {
        let External::Link { link, up } = event;
        let name = links.get(usize::from(link.0)).map_or("", |link| link.name.as_str());
        event_text(&quoted(name), &quoted(words::word(words::STATES, up)))
    };
    section.with_if(!wake.events.is_empty(), "events", Value::list(wake.events.iter().map(event)))
}

/// Returns an element of `events`, its values as TOML.
pub(super) fn event_text(link: &str, is: &str) -> String {
    format!("{{ link = {link}, is = {is} }}")
}
