//! Everything around a scheduler: the virtual kernel, and the layer of track scripts and reloads.
//!
//! The same world surrounds the replica, the real program's scheduler (`engine`) and, with its kernel alone, the whole
//! daemon. It is a state machine without input or output:
//!
//! - [`World`] owns the virtual kernel (clock, timerfd, signalfd, children). The scheduler calls it as the program
//!   calls the real one: [`World::clock`], [`World::arm_timer`], [`World::block`], [`World::read_signal`],
//!   [`World::reap`], [`World::send`], [`World::group_of`].
//! - The script layer takes the begin of a handler ([`World::begin`]) and returns operations one at a time
//!   ([`World::next_op`]), which the subject's driver executes with [`carry_out`]. No call from program to world to
//!   program holds a borrow of the world.
//!
//! The world alone sends events to its [`Observer`](treefall_model::observe::Observer), in the order in which they
//! happen.
//!
//! Beside the world: [`calls`] (the fate of each call of a real program), [`wire`] (messages to the library inside a
//! real program), [`words`] (the meaning of a daemon's log lines).
//!
//! Inside: `ops` and `scheduler` (what world and scheduler exchange); [`kernel`] (what wakes the loop, and when),
//! `children`, `pids`, `slots` (processes); `layer` and `handlers` (scripts, and how handlers run), `track`, `cancel`,
//! `misc`, `reload`, `shutdown` (what each handler does); [`whole`](World::reload_begins) (a daemon with its own script
//! layer). Rules, not releases, decide what differs: each defect and behaviour is consulted at one place.
//!
//! # Examples
//!
//! The kernel alone, as a program sees it: a timer of two seconds, and a SIGHUP that arrives in the same wake. The
//! trace has the signals reported first; only the trace lets time pass.
//!
//! ```
//! use treefall_model::id::ConfigId;
//! use treefall_model::observe::Blind;
//! use treefall_model::release::Rules;
//! use treefall_model::signal::Signal;
//! use treefall_model::time::{Instant, Span};
//! use treefall_model::trace::{Config, Setup, Trace, Wake};
//! use treefall_world::{Descriptor, Woken, World};
//!
//! let setup = Setup { configs: vec![Config::default()], ..Setup::default() };
//! let trace = Trace::new(setup, vec![Wake::next_timer().hup(ConfigId(0)).signals_first()])?;
//! let mut world = World::new(&trace, Rules::mended(), Blind);
//! world.arm_timer(Some(Span::from_secs(2)));
//!
//! let woken = world.block();
//! assert_eq!(woken, Woken::Ready { first: Descriptor::Signals, second: Some(Descriptor::Timer), third: None });
//! assert_eq!(world.now(), Instant::START + Span::from_secs(2));
//! assert_eq!(world.read_signal(), Some(Signal::HUP));
//! assert!(world.read_timer());
//! # Ok::<(), treefall_model::trace::TraceError>(())
//! ```
//!
//! Each call of a real program has a fate; a call that is on no list ends a run with its name.
//!
//! ```
//! use treefall_world::calls::{Fate, find};
//!
//! assert_eq!(find("timerfd_settime").map(|row| row.daemon), Some(Fate::Virtual));
//! assert!(find("io_uring_setup").is_none());
//! ```

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod calls;
mod cancel;
mod canon;
mod children;
mod counts;
mod handlers;
pub mod kernel;
mod layer;
mod misc;
mod ops;
mod pids;
mod reload;
mod scheduler;
mod shutdown;
mod slots;
mod track;
mod whole;
pub mod wire;
pub mod words;
mod world;

pub use canon::OWN_WAKES_ENOUGH;
pub use counts::Counts;
pub use kernel::{Outside, Unnamed, Woken};
pub use ops::{Descriptor, Dispatch, Ending, Handle, Op};
pub use scheduler::{Scheduler, carry_out};
pub use whole::FIFOS;
pub use world::World;
