//! Messages of the kernel about network interfaces, as a netlink socket queues them.
//!
//! Invariants: messages are read in the order of their events, each once; a program that does not listen is not woken by
//! them, and they wait until it does. The kernel's own buffer is far larger than what one trace can leave unread, so none
//! is lost.

use alloc::collections::VecDeque;

use treefall_model::id::LinkId;
use treefall_model::trace::LINKS_MAX;

/// The netlink socket of a program.
#[derive(Clone, Default)]
pub(crate) struct Netlink {
    /// Whether the program waits for messages.
    listens: bool,
    /// Messages not read yet: the interface, and whether it is up.
    waiting: VecDeque<(LinkId, bool)>,
    /// Interfaces that went down since the start, and did not come up; interface `n` is bit `n`.
    down: u8,
}

const _: () = assert!(LINKS_MAX <= u8::BITS as usize);

impl Netlink {
    pub(super) fn is_ready(&self) -> bool {
        self.listens && !self.waiting.is_empty()
    }

    /// Queues a message.
    pub(super) fn tell(&mut self, link: LinkId, up: bool) {
        let bit = 1 << link.0;
        self.down = if up { self.down & !bit } else { self.down | bit };
        self.waiting.push_back((link, up));
    }

    /// The program waits for messages, or no longer does.
    pub(crate) fn listen(&mut self, listens: bool) {
        self.listens = listens;
    }

    /// Whether an interface is up, by what happened so far.
    pub(crate) fn is_up(&self, link: LinkId) -> bool {
        self.down & 1 << link.0 == 0
    }

    /// Returns the next message without reading it.
    pub(crate) fn next(&self) -> Option<(LinkId, bool)> {
        self.waiting.front().copied()
    }

    /// Reads the next message.
    pub(crate) fn read(&mut self) -> Option<(LinkId, bool)> {
        self.waiting.pop_front()
    }
}
