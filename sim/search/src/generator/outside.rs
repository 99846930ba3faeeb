//! Network interfaces of a trace, and what happens to them: drawn from a random stream of their own, so that no other
//! draw of the trace moves.
//!
//! Nothing here knows a bug: an interface has delays or none, and goes down and up at random wakes.

use treefall_model::id::LinkId;
use treefall_model::time::Span;
use treefall_model::trace::{Link, Name, Rank, Setup, Wake};

use super::draw::{CERTAIN, Draw};

/// The interface that every network namespace has.
const INTERFACE: &str = "lo";
/// Chance of an event to tell the state that the interface has already.
const REPEATS: u32 = 150;

/// Whether the trace of this number has interfaces: every second one, so that the others stay as they were.
pub(super) const fn has_interfaces(number: u64) -> bool {
    number % 2 == 1
}

/// Adds an interface, most often with delays.
pub(super) fn add_links(draw: &mut Draw, setup: &mut Setup) {
    let Ok(name) = Name::new(INTERFACE) else { return };
    let mut delay = || match draw.weighted(&[2, 4, 2, 1]) {
        0 => Span::ZERO,
        1 => Span::from_secs(1 + draw.below(5)),
        2 => Span::from_millis(100 * (1 + draw.below(20))),
        _ => Span::from_secs(10 + draw.below(50)),
    };
    let (down_delay, up_delay) = (delay(), delay());
    setup.links = vec![Link { name, down_delay, up_delay }];
}

/// Adds what happens to the interfaces.
pub(super) fn add_events(draw: &mut Draw, setup: &Setup, wakes: &mut [Wake]) {
    let often = draw.pick(&[60, 150, 300, 500]);
    let first = draw.pick(&[0, 300, CERTAIN]);
    let mut up = vec![true; setup.links.len()];
    for wake in wakes {
        for (place, up) in up.iter_mut().enumerate() {
            while draw.chance(often) && wake.events.len() < EVENTS_EACH {
                *up = if draw.chance(REPEATS) { *up } else { !*up };
                let link = LinkId(u8::try_from(place).unwrap_or(u8::MAX));
                *wake = core::mem::replace(wake, Wake::next_timer()).link(link, *up);
            }
        }
        let (early, between) = (draw.chance(first), draw.chance(CERTAIN / 3));
        wake.rank = match (early, between) {
            (_, true) => Rank::Between,
            (true, false) => Rank::First,
            (false, false) => Rank::Last,
        };
    }
}

/// Most events of one wake.
const EVENTS_EACH: usize = 3;
