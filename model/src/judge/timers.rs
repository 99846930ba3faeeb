//! The law `timers-in-order`: nothing fires early, and what one timer handling finds due fires in the order of
//! its deadlines, TIMER before CHILD.
//!
//! When a timer was armed is known up to the handler that armed it: a [`Window`] from the handler's beginning
//! to its end. Something is early when it fires before its window begins; two are out of order when the later
//! fired one's window ends before the other's begins. So ties, and the time that handlers take, are allowed.
//!
//! Exempt: what comes off EVENT (a first start is due at once); children that a reload gave to its killer keep
//! their old order (their killer is not shown, and not judged for order).

use alloc::vec::Vec;

use super::follow::Loop;
use super::ledger::Ledger;
use super::roster::{Child, Window};
use crate::canon::Canon;
use crate::event::{EntryKind, Step};
use crate::id::{Run, ScriptRef};
use crate::law::Law;
use crate::time::{Instant, Span};
use crate::violation::Detail;

/// A script's interval.
#[derive(Clone, Copy, Debug)]
struct Tick {
    /// When it is due next, if it is armed.
    due: Option<Window>,
    /// When it would be due after the run that started last.
    after_start: Window,
}

const UNARMED: Tick = Tick { due: None, after_start: Window::NEVER };

/// What fired last of a tree in this timer handling: the latest beginning of a window, and whose.
#[derive(Clone, Copy, Debug)]
struct Last<T> {
    from: Instant,
    who: T,
}

/// What of a script's interval the running handler armed.
#[derive(Clone, Copy, Debug)]
enum Armed {
    /// The next tick, an interval after the handler.
    Next(Span),
    /// The start of a run, after whose end the next tick is armed.
    Start(Span),
    /// The next start of a misc check, now that its run is over.
    AfterRun,
}

/// The intervals in force, and what fired in this turn.
#[derive(Clone, Debug)]
pub(super) struct Timers {
    ticks: Vec<Tick>,
    armed: Option<(usize, Armed)>,
    last_tick: Option<Last<ScriptRef>>,
    last_child: Option<Last<Run>>,
}

impl Timers {
    pub(super) fn new(scripts: usize) -> Self {
        Self { ticks: alloc::vec![UNARMED; scripts], armed: None, last_tick: None, last_child: None }
    }

    /// What is armed. What fired in the turn that is over is of no more account.
    pub(super) fn canon(&self, canon: &mut Canon) {
        canon.flag(self.armed.is_some());
        for place in 0..canon.scripts().len() {
            let Some(tick) = self.ticks.get(usize::from(canon.scripts()[place])) else { continue };
            canon.flag(tick.due.is_some());
            tick.due.unwrap_or(Window::NEVER).canon(canon);
            tick.after_start.canon(canon);
        }
    }

    /// Another generation, of so many scripts, is in force; nothing of it is armed.
    pub(super) fn turn_to(&mut self, scripts: usize) {
        self.ticks.clear();
        self.ticks.resize(scripts, UNARMED);
        self.armed = None;
    }

    /// A new turn of the loop: nothing has fired.
    pub(super) fn wakes(&mut self) {
        self.last_tick = None;
        self.last_child = None;
    }

    /// The running handler is done: what it armed was armed by now.
    pub(super) fn handler_ends(&mut self, at: Instant) {
        let Some((place, armed)) = self.armed.take() else { return };
        let Some(tick) = self.ticks.get_mut(place) else { return };
        match (armed, &mut tick.due) {
            (Armed::Next(interval), Some(due)) => due.to = at + interval,
            (Armed::Start(interval), _) => tick.after_start.to = at + interval,
            // At least a microsecond ahead, however late it is.
            (Armed::AfterRun, Some(due)) => due.to = tick.after_start.to.max(at + Span::from_micros(1)),
            (_, None) => {}
        }
    }

    /// The interval of a track script or misc check is over, or its first start is due.
    pub(super) fn ticked(
        &mut self,
        turn: &Loop<'_>,
        ledger: &mut Ledger,
        of: ScriptRef,
        misc: bool,
        entry: EntryKind,
    ) {
        let Some(script) = turn.script(of) else { return };
        let place = usize::from(of.script.0);
        let due = self.ticks.get_mut(place).and_then(|tick| tick.due.take());
        if let Some(due) = due.filter(|_| entry != EntryKind::Event) {
            self.fired(turn, ledger, of, due);
        }
        let Some(tick) = self.ticks.get_mut(place) else { return };
        let window = Window::open(ledger.at, script.interval);
        if misc {
            tick.after_start = window;
            self.armed = Some((place, Armed::Start(script.interval)));
        } else {
            tick.due = Some(window);
            self.armed = Some((place, Armed::Next(script.interval)));
        }
    }

    fn fired(&mut self, turn: &Loop<'_>, ledger: &mut Ledger, of: ScriptRef, due: Window) {
        let at = ledger.at;
        let script = || turn.named(of);
        let mut broken = |detail: &dyn Fn() -> Detail| {
            ledger.broken(Law::TimersInOrder, Step::Dispatched, Some(EntryKind::Timer), None, detail);
        };
        if at < due.from {
            broken(&|| Detail::IntervalEarly { script: script(), at, due: due.from });
        }
        if let Some(last) = self.last_child {
            broken(&|| Detail::IntervalAfterTimeout { script: script(), timed_out: last.who });
        }
        if let Some(last) = self.last_tick.filter(|last| due.to < last.from) {
            broken(&|| Detail::IntervalsOutOfOrder {
                script: script(),
                due: due.to,
                earlier: turn.named(last.who),
                earlier_due: last.from,
            });
        }
        if self.last_tick.is_none_or(|last| last.from < due.from) {
            self.last_tick = Some(Last { from: due.from, who: of });
        }
    }

    /// A misc check's run is over: its next start is armed.
    pub(super) fn misc_is_over(&mut self, turn: &Loop<'_>, at: Instant, of: ScriptRef) {
        if turn.script(of).is_none() {
            return;
        }
        let place = usize::from(of.script.0);
        let Some(tick) = self.ticks.get_mut(place) else { return };
        let from = if tick.after_start == Window::NEVER { at } else { tick.after_start.from.max(at) };
        tick.due = Some(Window { from, to: Instant::MAX });
        self.armed = Some((place, Armed::AfterRun));
    }

    /// A child's timeout fired.
    pub(super) fn timed_out(&mut self, turn: &Loop<'_>, ledger: &mut Ledger, child: &Child) {
        let (run, due, at) = (child.run, child.due, ledger.at);
        if due == Window::NEVER || run.of.generation != turn.generation || turn.ending {
            return;
        }
        let mut broken = |detail: &dyn Fn() -> Detail| {
            ledger.broken(
                Law::TimersInOrder,
                Step::Dispatched,
                Some(EntryKind::ChildTimeout),
                Some(run),
                detail,
            );
        };
        if at < due.from {
            broken(&|| {
                let name = turn.named(run.of).name;
                Detail::TimeoutEarly { run, name, at, due: due.from }
            });
        }
        if let Some(last) = self.last_child.filter(|last| due.to < last.from) {
            broken(&|| Detail::TimeoutsOutOfOrder {
                run,
                due: due.to,
                earlier: last.who,
                earlier_due: last.from,
            });
        }
        if self.last_child.is_none_or(|last| last.from < due.from) {
            self.last_child = Some(Last { from: due.from, who: run });
        }
    }
}
