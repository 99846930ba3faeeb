//! Simulates the world outside a keepalived in the field, and produces its wakes.
//!
//! # What wakes the loop
//! A loop that finds something ready when it blocks (it came while handlers ran) continues at once. Otherwise it
//! sleeps until the first of timer, exit or SIGHUP, and continues after the machine's latency. Everything that came
//! until then is in the same wake. If the wake reaps children, the signal handler keeps reading for as long as that
//! takes, so that a SIGHUP or exit that comes meanwhile is in the same wake too.
//!
//! # Which descriptor is first
//! For a loop that slept: the one that became ready first; in the same microsecond, either. A loop that did not sleep
//! finds them in the order of the previous call, and those that were not reported then after them. After a reload,
//! which adds both anew before the timer is armed, the signals come first. The kernel's list of ready descriptors
//! behaves in this way (keepalived.md, section 3).
//!
//! Invariant: each draw comes from the stream of the life's number, in an order that the run alone determines. Memory
//! is bounded by the number of children and the size of [`RecentWakes`].

use treefall_base::control::Control;
use treefall_model::id::Run;
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::{Instant, Span};
use treefall_model::trace::{Advance, EXITS_MAX, Exit, Order, Wake};
use treefall_world::Outside;

use super::recent_wakes::RecentWakes;
use super::workload::{CONFIG, Workload};
use treefall_search::generator::draw::Draw;

/// Version of the meaning of a seed here. It changes whenever a seed would give another life.
pub(super) const VERSION: u32 = 1;

/// Number of wakes between two calls of the control: some milliseconds.
const CONTROL_EVERY: u64 = 1_024;

/// A child that is alive.
struct LiveChild {
    run: Run,
    /// When and how it ends; `None`: it hangs.
    end: Option<(Instant, ExitStatus)>,
}

/// What the last blocking call reported, in order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reported {
    Timer,
    Signals,
    TimerAndSignals,
    SignalsAndTimer,
    /// It included a reload, which added both descriptors anew.
    Reload,
}

/// The outside world of one life.
pub(super) struct Field<'w> {
    workload: &'w Workload,
    draw: Draw,
    living: Vec<LiveChild>,
    next_hup: Option<Instant>,
    reported: Reported,
    /// The end of the life: no wake comes later.
    until: Instant,
    /// When the last wake came.
    pub(super) at: Instant,
    /// The last wakes.
    pub(super) tail: RecentWakes,
    /// Called every [`CONTROL_EVERY`] wakes with the length of the life.
    control: Control<'w, Span>,
    wakes: u64,
    /// The life was interrupted.
    pub(super) stopped: bool,
}

impl<'w> Field<'w> {
    /// Returns the outside world of the life with this seed and number, until `until`.
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
            tail: RecentWakes::new(room),
            control,
            wakes: 0,
            stopped: false,
        };
        field.next_hup = field.hup_after(Instant::START);
        field
    }

    /// Returns when the sender signals next, after a signal at `last`.
    fn hup_after(&mut self, last: Instant) -> Option<Instant> {
        let reload = self.workload.reload.as_ref()?;
        Some(last + reload.period + reload.jitter.draw(&mut self.draw).unwrap_or_default())
    }

    /// Returns when the next exit or SIGHUP comes.
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
                        // The kernel reports the end as well; the child is gone already then.
                        self.living.swap_remove(place);
                    }
                    _ => place += 1,
                }
            }
            if wake.exits.len() == before {
                break;
            }
            // At most a second for each child: the limit of the costs.
            until = at + Span::from_micros(reap * wake.exits.len() as u64);
        }
        while let Some(hup) = self.next_hup.filter(|hup| *hup <= until) {
            wake.hup = Some(CONFIG);
            self.next_hup = self.hup_after(hup);
        }
        wake.exits.sort_unstable();
    }

    /// Returns which of two ready descriptors is reported first.
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
        self.living.push(LiveChild { run, end });
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
            // A killed child: the kernel reports it in a wake of its own before the next wake is requested.
            self.reported = Reported::Signals;
        }
    }

    fn wake(&mut self, now: Instant, timer: Option<Instant>, wake: &mut Wake) -> bool {
        self.wakes += 1;
        if self.wakes.is_multiple_of(CONTROL_EVERY)
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
