//! Interfaces of a setup and external events of a wake: what format 2 alone can say.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::bytes::{Reader, Writer, flag, name_of, small};
use crate::id::LinkId;
use crate::time::Span;
use crate::trace::{EVENTS_MAX, External, LINK_DELAY_MAX, LINK_NAME_MAX, LINKS_MAX, Link, Name, Rank, Wake};

const DOWN_DELAY: u8 = 1;
const UP_DELAY: u8 = 1 << 1;

/// Writes the interfaces, if there are any.
pub(super) fn write_links(out: &mut Writer, links: &[Link]) {
    if links.is_empty() {
        return;
    }
    out.byte(small(links.len()));
    for link in links {
        let name = link.name.as_str().as_bytes();
        let delays = [(link.down_delay, DOWN_DELAY), (link.up_delay, UP_DELAY)];
        let flags = delays.iter().fold(0, |flags, (delay, bit)| flags | flag(!delay.is_zero(), *bit));
        out.byte(flags | small(name.len()) << 4);
        out.bytes(name);
        delays.into_iter().filter(|(delay, _)| !delay.is_zero()).for_each(|(delay, _)| out.span(delay));
    }
}

/// Reads at least one interface.
pub(super) fn read_links(input: &mut Reader<'_>) -> Vec<Link> {
    let count = 1 + usize::from(input.byte().saturating_sub(1)) % LINKS_MAX;
    let mut names = BTreeSet::new();
    let mut links = Vec::new();
    for place in 0..count {
        let flags = input.byte();
        let length = usize::from(flags >> 4).min(LINK_NAME_MAX);
        let mut name = name_of(input, length, place);
        let mut next = place;
        while !names.insert(name.clone()) {
            next += LINKS_MAX;
            name = Name::numbered(next);
        }
        let mut delay = |bit| if flags & bit == 0 { Span::ZERO } else { input.span().min(LINK_DELAY_MAX) };
        let (down_delay, up_delay) = (delay(DOWN_DELAY), delay(UP_DELAY));
        links.push(Link { name, down_delay, up_delay });
    }
    links
}

const EVENTS: u8 = 1 << 2;
const RANK: u8 = 1 << 3;
const UP: u8 = 1;

/// Whether something has to be written behind the wake.
pub(super) fn has_any(wake: &Wake) -> bool {
    !wake.events.is_empty() || wake.rank != Rank::Last
}

/// Writes the events and their rank.
pub(super) fn write_events(out: &mut Writer, wake: &Wake) {
    out.byte(flag(!wake.events.is_empty(), EVENTS) | flag(wake.rank != Rank::Last, RANK));
    if !wake.events.is_empty() {
        out.varint(wake.events.len() as u64);
        for External::Link { link, up } in &wake.events {
            out.byte(flag(*up, UP) | link.0 << 4);
        }
    }
    match wake.rank {
        Rank::Last => {}
        Rank::First => out.byte(0),
        Rank::Between => out.byte(1),
    }
}

/// Reads what is behind a wake of a trace with this many interfaces.
pub(super) fn read_events(input: &mut Reader<'_>, links: usize, wake: &mut Wake) {
    let what = input.byte();
    if what & EVENTS != 0 {
        for _ in 0..input.count(EVENTS_MAX) {
            let event = input.byte();
            let link = LinkId(small(usize::from(event >> 4) % links));
            wake.events.push(External::Link { link, up: event & UP != 0 });
        }
    }
    if what & RANK != 0 {
        wake.rank = if input.byte() & 1 == 0 { Rank::First } else { Rank::Between };
    }
}
