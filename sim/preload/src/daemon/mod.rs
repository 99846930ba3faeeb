//! The whole daemon under the world's kernel: its own `main`, configuration, reload and log, watched from the
//! calls that it makes.
//!
//! The daemon's first process is real up to its first fork; there it waits for traces ([`serve`]) and never goes
//! on. Each trace is played in a process forked from it, which the daemon takes for its vrrp process: in it
//! clock, timerfd, signalfd, epoll, children and signals are the world's, what the scripts are to do is the
//! trace's, and the script layer is the daemon's own. A SIGHUP or SIGTERM of the trace goes to that process;
//! the first one takes no part.

pub mod files;
pub mod observe;
pub mod start;

pub use files::root;
pub use observe::{block, keeps_copy, line, read_signal, read_timer, reads_clock, registers, signals};
pub use start::{admits_exec, leave, name_start, start_child};
pub use treefall_world::words::late;
