//! Events of the outside world that reach the program through a descriptor of their own: network interfaces.
//!
//! A trace names each interface once, in [`Setup::links`](crate::trace::Setup::links), with the delays that the
//! configuration has for it. Every interface is up when the program starts. An event says which interface changes, and
//! to which state; a change to the state that it has is told all the same, as the kernel may.

use alloc::collections::BTreeSet;

use crate::id::LinkId;
use crate::time::Span;
use crate::valid::{LINK_DELAY_MAX, LINK_NAME_MAX, Name, TraceError};

/// Most interfaces of one trace.
pub const LINKS_MAX: usize = 8;
/// Most events in one wake.
pub const EVENTS_MAX: usize = 64;

/// A network interface, with the delays of `interface_up_down_delays`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Link {
    /// The name, unique in its trace, at most [`LINK_NAME_MAX`] bytes.
    pub name: Name,
    /// Time until a change to down counts; zero: at once.
    pub down_delay: Span,
    /// Time until a change to up counts; zero: at once.
    pub up_delay: Span,
}

impl Link {
    /// An interface without delays.
    #[must_use]
    pub const fn new(name: Name) -> Self {
        Self { name, down_delay: Span::ZERO, up_delay: Span::ZERO }
    }

    /// Whether the configuration has a line for it.
    #[must_use]
    pub const fn is_delayed(&self) -> bool {
        !self.down_delay.is_zero() || !self.up_delay.is_zero()
    }
}

/// An event of the outside world, in the order in which a wake has several.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum External {
    /// The kernel tells the state of an interface.
    Link {
        /// The interface.
        link: LinkId,
        /// Whether it is up, rather than down.
        up: bool,
    },
}

impl External {
    /// Returns the interface that it is about.
    #[must_use]
    pub const fn link(self) -> LinkId {
        match self {
            Self::Link { link, .. } => link,
        }
    }
}

/// Where the blocking call reports the descriptor of external events, beside timerfd and signalfd.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rank {
    /// After both.
    #[default]
    Last,
    /// Before both.
    First,
    /// Between them.
    Between,
}

/// Checks the interfaces of a setup.
pub(crate) fn check_links(links: &[Link]) -> Result<(), TraceError> {
    if links.len() > LINKS_MAX {
        return Err(TraceError::TooMany { what: "interfaces", limit: LINKS_MAX });
    }
    let mut names = BTreeSet::new();
    for link in links {
        if link.name.as_str().len() > LINK_NAME_MAX {
            return Err(TraceError::LinkNameTooLong(link.name.clone()));
        }
        if link.down_delay > LINK_DELAY_MAX || link.up_delay > LINK_DELAY_MAX {
            return Err(TraceError::LinkDelayTooLong(link.name.clone()));
        }
        if !names.insert(&link.name) {
            return Err(TraceError::LinkTwice(link.name.clone()));
        }
    }
    Ok(())
}

/// Checks the external events of a wake.
pub(crate) fn check_events(links: &[Link], events: &[External], wake: usize) -> Result<(), TraceError> {
    if events.len() > EVENTS_MAX {
        return Err(TraceError::TooMany { what: "external events in one wake", limit: EVENTS_MAX });
    }
    match events.iter().find(|event| usize::from(event.link().0) >= links.len()) {
        Some(event) => Err(TraceError::NoSuchLink { wake, link: event.link() }),
        None => Ok(()),
    }
}
