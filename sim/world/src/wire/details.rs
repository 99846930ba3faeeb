//! How the details of violations go over the wire.

use alloc::vec::Vec;

use treefall_model::index::{Block, List, Tree};
use treefall_model::trace::Name;
use treefall_model::violation::{Child, Detail, EntryFacts, Flaw, Index, Misplacement, Script};

use super::{Wire, get_bytes, put_bytes};

wire_newtype! { Block }
wire_by_place! { Tree List Flaw Misplacement }
wire_struct!(Child { run, pid, name });
wire_struct!(Script { of, name });
wire_struct!(EntryFacts { block, kind, pid });
wire_enum!(Index { 0 = Tree(tree), 1 = List(list) });
wire_enum!(Detail {
    0 = Unknown,
    1 = Flawed { index, flaw, entry },
    2 = Misplaced { entry, place },
    3 = StaleArgument { entry, argument, in_force },
    4 = PassedOver { child, queued },
    5 = NeverSignalled { child, by, at },
    6 = NeverKilled { child, term_sent, by, at },
    7 = ExitUnhandled { child },
    8 = ExitsUnreaped { left },
    9 = SecondRun { script, nth, other },
    10 = KilledEarly { run, at, grace, until },
    11 = IntervalEarly { script, at, due },
    12 = IntervalAfterTimeout { script, timed_out },
    13 = IntervalsOutOfOrder { script, due, earlier, earlier_due },
    14 = TimeoutEarly { run, name, at, due },
    15 = TimeoutsOutOfOrder { run, due, earlier, earlier_due },
    16 = WrongTarget { signal, target, answer },
    17 = TerminationIgnored { at },
    18 = TerminationOverdue { by, at },
    19 = LeftAlive { child, term_sent },
    20 = NoProgress,
    21 = Died { outcome },
    22 = UsedAfterFree { entry },
    23 = Strayed { what },
    24 = LoopLeft,
});

impl Wire for Name {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(self.as_str().as_bytes(), out);
    }
    fn get(input: &mut &[u8]) -> Option<Self> {
        Self::new(core::str::from_utf8(get_bytes(input)?).ok()?).ok()
    }
}
