//! The daemon's netlink socket about network interfaces: the world's messages in place of the kernel's.
//!
//! When the daemon starts it asks the kernel of its namespace for all interfaces. Of the answer, the message about each
//! interface of the trace is kept, and the state in it replaced by the trace's. Each event of the trace is told by that
//! message with another state, as the kernel tells of a change.
//!
//! Invariants: nothing changes in the namespace. In a trace without interfaces every call goes to the real socket; in
//! one with interfaces no real message reaches the socket that the daemon waits for.

use alloc::vec::Vec;

use treefall_model::id::LinkId;
use treefall_model::trace::Link;

use super::observe;
use crate::fatal::fatal;
use crate::libc::fail;
use crate::single::{Mode, Single, mode};
use crate::{descriptors, drive, sys};
use treefall_model::trace::LINKS_MAX;

const EAGAIN: i32 = 11;
const AF_NETLINK: u16 = 16;
/// Socket options: the family, and the protocol.
const DOMAIN: usize = 39;
const PROTOCOL: usize = 38;
const ROUTE: i32 = 0;

/// A message that tells the state of an interface.
const NEW_LINK: u16 = 16;
/// Bytes of a message before its attributes: its header, and the interface's.
const HEADER: usize = 16;
const ATTRIBUTES: usize = 32;
/// Places in a message.
const KIND: usize = 4;
const MESSAGE_FLAGS: usize = 6;
const SEQUENCE_AND_SENDER: usize = 8;
const LINK_FLAGS: usize = 24;
const LINK_CHANGE: usize = 28;
const IFNAME: u16 = 3;
/// Flags of an interface that is up: up, running, and its lower layer up.
const UP: u32 = 1 | 1 << 6 | 1 << 16;

const PEEK: i32 = 2;
const TRUNCATED: i32 = 0x20;
/// The group of messages about interfaces.
const LINK_GROUP: u32 = 1;

/// `struct msghdr`.
#[repr(C)]
pub struct MessageHeader {
    name: *mut u8,
    name_length: u32,
    parts: *mut Part,
    part_count: usize,
    control: *mut u8,
    control_length: usize,
    flags: i32,
}

/// `struct iovec`.
#[repr(C)]
struct Part {
    start: *mut u8,
    length: usize,
}

/// The kernel's message about each interface of the trace.
static KEPT: Single<[Option<&'static [u8]>; LINKS_MAX]> = Single::new([None; LINKS_MAX]);

/// Forgets all messages: a trace begins.
pub fn reset() {
    KEPT.set([None; LINKS_MAX]);
}

/// Returns the interfaces of the trace that the daemon plays.
fn links() -> &'static [Link] {
    match mode() {
        Mode::Daemon => drive::with(|session| &session.world.trace().setup().links),
        _ => &[],
    }
}

/// Whether a descriptor is a netlink socket about interfaces.
fn is_route_socket(fd: i32) -> bool {
    sys::socket_option(fd, DOMAIN) == Some(i32::from(AF_NETLINK))
        && sys::socket_option(fd, PROTOCOL) == Some(ROUTE)
}

/// Notes that the daemon registers a descriptor with epoll, or (`None`) removes it.
pub fn registers(fd: i32, data: Option<u64>) {
    let is_it = match data {
        Some(_) => !links().is_empty() && !descriptors::is_virtual(fd) && is_route_socket(fd),
        None => descriptors::netlink() == Some(fd),
    };
    if is_it {
        descriptors::register_netlink(fd, data);
        drive::with(|session| session.world.listen(data.is_some()));
    }
}

/// Answers `recvmsg` of the socket that the daemon waits for; `None`: the call goes to the real socket.
///
/// # Safety
/// `header` must be valid for `recvmsg`.
pub unsafe fn answer(fd: i32, header: *mut MessageHeader, flags: i32) -> Option<isize> {
    if mode() != Mode::Daemon || descriptors::netlink() != Some(fd) {
        return None;
    }
    observe::reads_messages();
    let message = match flags & PEEK {
        0 => drive::with(|session| session.world.read_message()),
        _ => drive::with(|session| session.world.peek_message()),
    };
    let Some((link, up)) = message else { return Some(fail(EAGAIN) as isize) };
    let message = message_of(link, up);
    // SAFETY: as required above.
    let written = unsafe { write(header, &message) };
    Some(if flags & TRUNCATED == 0 { written } else { message.len() } as isize)
}

/// Builds the message that tells the state of an interface.
fn message_of(link: LinkId, up: bool) -> Vec<u8> {
    let place = usize::from(link.0);
    let Some(kept) = KEPT.get().get(place).copied().flatten() else {
        let name = links().get(place).map_or("?", |link| link.name.as_str());
        fatal(format_args!("the daemon heard of no interface {name} when it asked for all of them"))
    };
    let mut message = kept.to_vec();
    message[MESSAGE_FLAGS..SEQUENCE_AND_SENDER].fill(0);
    message[SEQUENCE_AND_SENDER..HEADER].fill(0);
    set_state(&mut message, up);
    message[LINK_CHANGE..ATTRIBUTES].copy_from_slice(&UP.to_ne_bytes());
    message
}

/// Sets the state of the interface in a message.
fn set_state(message: &mut [u8], up: bool) {
    let flags = number(message, LINK_FLAGS);
    let flags = if up { flags | UP } else { flags & !UP };
    message[LINK_FLAGS..LINK_CHANGE].copy_from_slice(&flags.to_ne_bytes());
}

/// Writes a message and its sender, the kernel. Returns how many bytes of the message fit.
///
/// # Safety
/// `header` must be valid for `recvmsg`.
unsafe fn write(header: *mut MessageHeader, message: &[u8]) -> usize {
    let mut sender = [0_u8; 12];
    sender[..2].copy_from_slice(&AF_NETLINK.to_ne_bytes());
    sender[8..].copy_from_slice(&LINK_GROUP.to_ne_bytes());
    // SAFETY: as required above: parts and name are the caller's own, of the lengths that it says.
    unsafe {
        let header = &mut *header;
        let mut rest = message;
        for place in 0..header.part_count {
            let Part { start, length } = *header.parts.add(place);
            let (here, later) = rest.split_at(length.min(rest.len()));
            core::ptr::copy_nonoverlapping(here.as_ptr(), start, here.len());
            rest = later;
        }
        if !header.name.is_null() {
            let length = sender.len().min(header.name_length as usize);
            core::ptr::copy_nonoverlapping(sender.as_ptr(), header.name, length);
            header.name_length = sender.len() as u32;
        }
        header.control_length = 0;
        header.flags = if rest.is_empty() { 0 } else { TRUNCATED };
        message.len() - rest.len()
    }
}

/// Looks at what the real kernel answered: keeps the messages about interfaces of the trace, and sets their state there
/// to that of the trace.
///
/// # Safety
/// `header` must be what `recvmsg` just filled in with `length` bytes.
pub unsafe fn received(fd: i32, header: *mut MessageHeader, flags: i32, length: isize) {
    let (links, length) = (links(), usize::try_from(length).unwrap_or(0));
    if links.is_empty() || flags & PEEK != 0 || length == 0 || !is_route_socket(fd) {
        return;
    }
    // SAFETY: as required above; the first part holds all that fits there.
    let mut rest = unsafe {
        let header = &*header;
        if header.part_count == 0 {
            return;
        }
        let Part { start, length: room } = *header.parts;
        core::slice::from_raw_parts_mut(start, length.min(room))
    };
    while rest.len() >= HEADER {
        let padded = (number(rest, 0) as usize).next_multiple_of(4).max(HEADER);
        let (message, later) = rest.split_at_mut(padded.min(rest.len()));
        rest = later;
        if short(message, KIND) != NEW_LINK || message.len() < ATTRIBUTES {
            continue;
        }
        let Some(place) = links.iter().position(|link| names(message, link.name.as_str())) else { continue };
        let mut kept = KEPT.get();
        kept[place] = Some(message.to_vec().leak());
        KEPT.set(kept);
        let link = LinkId(place as u8);
        set_state(message, drive::with(|session| session.world.link_is_up(link)));
    }
}

/// Whether a message is about the interface of this name.
fn names(message: &[u8], name: &str) -> bool {
    let mut rest = &message[ATTRIBUTES..];
    while rest.len() >= 4 {
        let length = usize::from(short(rest, 0)).clamp(4, rest.len());
        let value = rest[4..length].strip_suffix(&[0]).unwrap_or(&rest[4..length]);
        if short(rest, 2) == IFNAME {
            return value == name.as_bytes();
        }
        rest = &rest[length.next_multiple_of(4).min(rest.len())..];
    }
    false
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn short(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}
