//! The world as a subject meets it: the kernel by its calls, the script layer by hand-made dispatches and
//! under a small scheduler that does everything right.

mod cancel;
mod fake;
mod kernel;
mod misc;
mod noise;
mod reload;
mod scripts;
mod shutdown;
mod tools;
