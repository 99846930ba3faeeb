//! The functions that the program calls for its entries: one for each of the script layer's handlers.
//!
//! Always: which handler an entry has is told by the function that it calls and by nothing else.

use treefall_model::event::Handler;

use crate::drive;
use crate::program::EntryHandler;

macro_rules! handlers {
    ($($name:ident = $handler:ident),* $(,)?) => {
        $( extern "C" fn $name(entry: usize) -> i32 {
            drive::dispatched(Handler::$handler, entry);
            0
        } )*

        /// The script layer's handlers, each with its function.
        static KNOWN: [(Handler, EntryHandler); 9] = [$( (Handler::$handler, $name) ),*];
    };
}

handlers! {
    dispatcher = Dispatcher,
    tick = Tick,
    track_child = TrackChild,
    misc_tick = MiscTick,
    misc_child = MiscChild,
    fifo_child = FifoChild,
    reload = Reload,
    terminate_start = TerminateStart,
    backstop = Backstop,
}

/// The function of a handler. Only the script layer's can be asked for: the others are the program's own.
#[inline]
pub fn function(handler: Handler) -> Option<EntryHandler> {
    KNOWN.iter().find(|(known, _)| *known == handler).map(|(_, function)| *function)
}

/// The handler of a function.
#[inline]
pub fn known(address: usize) -> Option<Handler> {
    KNOWN.iter().find(|(_, function)| *function as *const () as usize == address).map(|(handler, _)| *handler)
}
