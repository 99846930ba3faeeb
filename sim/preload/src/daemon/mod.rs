//! The whole daemon in the world's kernel: its own `main`, configuration, reload and log, observed by the calls that it
//! makes.
//!
//! The daemon's first process is real up to its first fork, where it waits for traces
//! ([`serve::daemon`](crate::serve::daemon)) and never continues. Each trace is played in a process forked from it,
//! which the daemon takes for its vrrp process. In that process the world provides clock, timerfd, signalfd, epoll,
//! children and signals, the trace says what the scripts do, and the script layer is the daemon's own. Signals of the
//! trace go to that process only; the first one, the parent, is not played.

pub mod files;
pub mod identity;
pub mod names;
pub mod netlink;
pub mod observe;
pub mod start;

pub use files::{is_config, root};
pub use identity::{parent, pid};
pub use observe::{block, keeps_copy, line, read_signal, read_timer, reads_clock, registers, signals};
pub use start::{admits_exec, leave, name_start, start_child};
pub use treefall_world::words::late;
