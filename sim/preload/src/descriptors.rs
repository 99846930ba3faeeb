//! The virtual descriptors, and what the program registered with its epoll.
//!
//! Invariant: a virtual descriptor is a number that no real descriptor has.

use treefall_world::Descriptor;

use crate::single::Single;

/// The timerfd.
pub const TIMER_FD: i32 = 1_000_001;
/// The signalfd.
pub const SIGNAL_FD: i32 = 1_000_002;
/// The epoll descriptor.
pub const EPOLL_FD: i32 = 1_000_003;

/// The data that the program registered for each descriptor, to be given back as it is.
#[derive(Clone, Copy)]
struct Registered {
    timer: Option<u64>,
    signals: Option<u64>,
    /// The netlink socket that the program waits for, with its data.
    netlink: Option<(i32, u64)>,
}

const NONE: Registered = Registered { timer: None, signals: None, netlink: None };

static REGISTERED: Single<Registered> = Single::new(NONE);

/// Forgets all registrations: a trace begins.
pub fn reset() {
    REGISTERED.set(NONE);
}

/// Whether the descriptor is virtual.
pub fn is_virtual(fd: i32) -> bool {
    (TIMER_FD..=EPOLL_FD).contains(&fd)
}

/// Registers a descriptor with its data, or (`None`) takes it out. A descriptor that is not virtual is ignored.
pub fn register(fd: i32, data: Option<u64>) {
    let mut registered = REGISTERED.get();
    match fd {
        TIMER_FD => registered.timer = data,
        SIGNAL_FD => registered.signals = data,
        _ => {}
    }
    REGISTERED.set(registered);
}

/// Returns the data that the program registered for the descriptor.
pub fn data_of(descriptor: Descriptor) -> Option<u64> {
    match descriptor {
        Descriptor::Timer => REGISTERED.get().timer,
        Descriptor::Signals => REGISTERED.get().signals,
        Descriptor::Netlink => REGISTERED.get().netlink.map(|(_, data)| data),
    }
}

/// Registers a netlink socket with its data, or (`None`) takes it out.
pub fn register_netlink(fd: i32, data: Option<u64>) {
    let netlink = data.map(|data| (fd, data));
    REGISTERED.set(Registered { netlink, ..REGISTERED.get() });
}

/// Returns the netlink socket that the program waits for.
pub fn netlink() -> Option<i32> {
    REGISTERED.get().netlink.map(|(fd, _)| fd)
}
