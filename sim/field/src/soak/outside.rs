//! The world outside a keepalived in the field: wakes on the fly, as the workload has them.
//!
//! # What wakes the loop
//! A loop that finds something ready when it blocks (it came while handlers ran) goes on at once. Else it sleeps until
//! the first of: the timer, an exit, a SIGHUP; and goes on after the machine's latency. What came until then is in the
//! same wake. Where children are reaped in it, the signal handler reads on while it takes its time: a SIGHUP or
//! an exit that comes until it is done is read in the same wake too.
//!
//! # Which descriptor is first
//! That which became ready first, of a loop that slept; in the same microsecond, either. A loop that did not sleep finds
//! them in the order in which the call before reported them, those that it did not report behind; after a reload,
//! which adds both anew before the timer is armed, the signals first. So does the kernel's list of ready descriptors
//! (keepalived.md, section 3).
//!
//! What always holds: each draw comes from the stream of the life's number, in an order that the run alone decides;
//! memory is bounded by the children there are and by the [`Tail`]'s room.

use treefall_base::control::Control;
use treefall_model::id::Run;
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::{Instant, Span};
use treefall_model::trace::{Advance, EXITS_MAX, Exit, Order, Wake};
use treefall_world::Outside;

use super::tail::Tail;
use super::workload::{CONFIG, Workload};
use treefall_search::generator::draw::Draw;

/// The version of what a seed means here. It changes whenever a seed would give another life.
pub(super) const VERSION: u32 = 1;

/// A life is asked whether it is to go on every so many wakes: some milliseconds of a person's time.
const ASKED_EVERY: u64 = 1_024;

/// A child that is alive.
struct Living {
    run: Run,
    /// When and how it ends; `None`: it hangs.
    end: Option<(Instant, ExitStatus)>,
}

/// What the last blocking call reported, first to last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reported {
    Timer,
    Signals,
    TimerAndSignals,
    SignalsAndTimer,
    /// A reload was among it: both descriptors were added anew.
    Reload,
}

/// The outside of one life.
pub(super) struct Field<'w> {
    workload: &'w Workload,
    draw: Draw,
    living: Vec<Living>,
    next_hup: Option<Instant>,
    reported: Reported,
    /// No wake comes later.
    until: Instant,
    /// When the last wake came.
    pub(super) at: Instant,
    /// The last wakes.
    pub(super) tail: Tail,
    /// Checked every [`ASKED_EVERY`] wakes with how long the life was followed.
    control: Control<'w, Span>,
    wakes: u64,
    /// It was interrupted.
    pub(super) stopped: bool,
}

impl<'w> Field<'w> {
    /// The world of the life of this seed and number, for an end: the instant, and where `control` interrupts it.
    pub(super) fn new(
        workload: &'w Workload,
        (seed, life): (u64, u64),
        until: Instant,
        room: usize,
        control: Control<'w, Span>,
    ) -> Self {
        let mut field = Self {
            workload,
            draw: Draw::of_soak(seed, life, VERSION),
            living: Vec::new(),
            next_hup: None,
            reported: Reported::Timer,
            until,
            at: Instant::START,
            tail: Tail::new(room),
            control,
            wakes: 0,
            stopped: false,
        };
        field.next_hup = field.hup_after(Instant::START);
        field
    }

    /// When the sender sends again that sent at `last`.
    fn hup_after(&mut self, last: Instant) -> Option<Instant> {
        let reload = self.workload.reload.as_ref()?;
        Some(last + reload.period + reload.jitter.draw(&mut self.draw).unwrap_or_default())
    }

    /// When the next signal comes: an exit's, or a SIGHUP.
    fn next_signal(&self) -> Option<Instant> {
        let exits = self.living.iter().filter_map(|living| living.end.map(|(at, _)| at));
        exits.chain(self.next_hup).min()
    }

    /// Takes the exits that come by `at` and are read at once, and the SIGHUP among them.
    fn take_signals(&mut self, at: Instant, wake: &mut Wake) {
        let reap = self.workload.machine.costs.reap.as_micros();
        let mut until = at;
        loop {
            let before = wake.exits.len();
            let mut place = 0;
            while let Some(living) = self.living.get(place) {
                match living.end {
                    Some((end, status)) if end <= until && wake.exits.len() < EXITS_MAX => {
                        wake.exits.push(Exit { run: living.run, status });
                        // The kernel says that it ended, too: then it is gone already.
                        self.living.swap_remove(place);
                    }
                    _ => place += 1,
                }
            }
            if wake.exits.len() == before {
                break;
            }
            // No longer than a second a child: the costs' own bound.
            until = at + Span::from_micros(reap * wake.exits.len() as u64);
        }
        while let Some(hup) = self.next_hup.filter(|hup| *hup <= until) {
            wake.hup = Some(CONFIG);
            self.next_hup = self.hup_after(hup);
        }
        wake.exits.sort_unstable();
    }

    /// Which of two ready descriptors is reported first.
    fn order(&mut self, slept: bool, timer: Instant, signal: Instant) -> Order {
        if !slept {
            return match self.reported {
                Reported::Timer | Reported::TimerAndSignals => Order::TimerFirst,
                Reported::Signals | Reported::SignalsAndTimer | Reported::Reload => Order::SignalsFirst,
            };
        }
        match timer.cmp(&signal) {
            std::cmp::Ordering::Less => Order::TimerFirst,
            std::cmp::Ordering::Greater => Order::SignalsFirst,
            std::cmp::Ordering::Equal if self.draw.below(2) == 0 => Order::TimerFirst,
            std::cmp::Ordering::Equal => Order::SignalsFirst,
        }
    }
}

impl Outside for Field<'_> {
    fn started(&mut self, run: Run, at: Instant) {
        let worker = &self.workload.workers[usize::from(run.of.script.0)];
        let end = worker.runs.draw(&mut self.draw).map(|span| (at + span, ExitStatus::SUCCESS));
        self.living.push(Living { run, end });
    }

    fn signalled(&mut self, run: Run, signal: Signal, at: Instant) {
        if signal != Signal::TERM {
            return;
        }
        let worker = &self.workload.workers[usize::from(run.of.script.0)];
        let Some(after) = worker.on_term.draw(&mut self.draw) else { return };
        let death = at + after;
        if let Some(living) = self.living.iter_mut().find(|living| living.run == run)
            && living.end.is_none_or(|(end, _)| death < end)
        {
            living.end = Some((death, ExitStatus::Signal(Signal::TERM)));
        }
    }

    fn ended(&mut self, run: Run) {
        if let Some(place) = self.living.iter().position(|living| living.run == run) {
            self.living.swap_remove(place);
            // It was killed: the kernel reports that by a wake of its own, before it asks for another.
            self.reported = Reported::Signals;
        }
    }

    fn wake(&mut self, now: Instant, timer: Option<Instant>, wake: &mut Wake) -> bool {
        self.wakes += 1;
        if self.wakes.is_multiple_of(ASKED_EVERY)
            && self.control.check(self.at.saturating_since(Instant::START)).is_err()
        {
            self.stopped = true;
            return false;
        }
        let signal = self.next_signal();
        let Some(first) = signal.into_iter().chain(timer).min() else { return false };
        let slept = first > now;
        let latency = if slept { self.workload.machine.latency.draw(&mut self.draw) } else { None };
        let at = first.max(now) + latency.unwrap_or_default();
        if at > self.until {
            return false;
        }
        self.take_signals(at, wake);
        let by_timer = timer.filter(|due| *due <= at);
        let by_signal = signal.filter(|_| !wake.exits.is_empty() || wake.hup.is_some());
        self.reported = match (by_timer, by_signal) {
            (Some(timer), Some(signal)) => {
                wake.order = self.order(slept, timer, signal);
                match wake.order {
                    Order::TimerFirst => Reported::TimerAndSignals,
                    Order::SignalsFirst => Reported::SignalsAndTimer,
                }
            }
            (None, Some(_)) => Reported::Signals,
            (_, None) => Reported::Timer,
        };
        if wake.hup.is_some() {
            self.reported = Reported::Reload;
        }
        wake.advance = Advance::By(at.saturating_since(now));
        self.at = at;
        self.tail.push(now, at, wake);
        true
    }
}
