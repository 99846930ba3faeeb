//! The workload of the field report (keepalived.md, section 1), and its assumptions.
//!
//! The report states: releases 2.2.8 and 2.3.1, one SIGHUP a second, one to two days to the crash; minutes with an
//! additional log line where children are reaped. It states neither the scripts nor the machine. The following was
//! assumed before any life of this workload was run, and is not fitted to its result:
//!
//! - one script, interval and timeout 2 s, whose runs hang and survive a SIGTERM. With a reload each second no run
//!   reaches its own timeout. The only child deadline that can meet a SIGHUP is the grace of 1 s that the reload's
//!   killer grants, and only a child that survives its SIGTERM by a second reaches it;
//! - the sender is a shell's loop, `while kill -HUP $PID; do sleep 1; done`, which itself takes 1 to 2 ms;
//! - the machine is [`Machine::quiet`];
//! - an additional log line takes as long as other log lines of the machine.
//!
//! The grace begins with the reload, some 0.1 ms after the SIGHUP, and ends a second later; the next SIGHUP comes
//! another 1 to 2 ms later. On a quiet machine the killer's timeout is therefore handled before the SIGHUP arrives.
//! Only a loop that wakes a millisecond late has both in one wake, timer first. How often a quiet machine does so
//! *is* the result; [`variations`] shows how it depends on this and on every other assumption.
//!
//! # Results
//! The quiet machine lives for about a day on average, as in the report, because of the assumed rate of late wakes.
//!
//! A log line reduces this to minutes or less if its total cost for all children that one reload leaves to be killed
//! equals the sender's own time, 1 to 2 ms. The reason: a reload before the end of the last grace leaves two
//! generations of children, whose grace begins anew. The line then delays the next reload by its cost for each of
//! them, so that its grace ends just where another SIGHUP comes. Twice the cost of the line is then the sender's time
//! for two rounds: between 2 and 4 ms, and rarely near these limits. A line of 1.3 to 1.8 ms for one stuck script
//! gives half a minute to minutes (1.6 ms: 35 s). A line of at most 1 ms or at least 2 ms gives the same as no line:
//! most of a day or more. Only the product of scripts and cost matters: the assumed line of 50 us gives minutes with
//! 26 to 37 stuck scripts, a line of 200 us with eight. The report states neither number; its second figure implies
//! that the product was in this range.
//!
//! None of this is fitted: the range is the sender's. The real 2.2.7 behaves the same in real time, with a measured
//! sender (1.6 to 1.9 ms on average here) and a line made to take a part of that: `examples/real_log_line.sh`. There
//! the killing itself takes some time, so that half of the sender's time is enough. In nine runs on a quiet machine,
//! of 90 to 110 reloads each, none of 8 daemons died without a line, 15 of 22 with a line of half to 1.25 times the
//! sender's time, after 4 to 88 reloads, and 1 of 7 with at least twice that time.
//!
//! What affects the first figure (`treefall soak --sensitivity`): how often the loop wakes a millisecond late (ten
//! times as often: a tenth of the time), and how many runs survive a SIGTERM (one in ten: ten times as long; none: no
//! failure in weeks). Half or twice any cost, latency or sender's time, and eight times the scripts, change it by no
//! more than chance. On the loaded machine it is seconds.

use treefall_model::time::Span;
use treefall_model::trace::{Costs, Name};

use super::spread::{WHOLE, scaled};
use super::{Machine, Reload, Spread, Worker, Workload};

/// Returns the report's workload on a quiet machine.
#[must_use]
pub fn report() -> Workload {
    let seconds = Span::from_secs;
    let stuck = Worker {
        on_term: Spread::never(),
        ..Worker::new(Name::numbered(0), seconds(2), seconds(2), Spread::never())
    };
    Workload {
        workers: vec![stuck],
        reload: Some(Reload { period: seconds(1), jitter: sender() }),
        machine: Machine::quiet(),
    }
}

/// Returns the own time of a shell loop that sends a signal and sleeps.
#[must_use]
pub fn sender() -> Spread {
    Spread::between(Span::from_millis(1), Span::from_millis(2))
}

/// Adds a log line of this cost to each reaped child.
#[must_use]
pub fn with_log_line(mut workload: Workload, cost: Span) -> Workload {
    workload.machine.costs.reap = workload.machine.costs.reap + cost;
    workload
}

/// Returns the cost of a log line which, for one child of each script, equals the sender's mean time.
#[must_use]
pub fn resonant_line(workload: &Workload) -> Option<Span> {
    let sender = workload.reload.as_ref()?.jitter.mean()?;
    let scripts = u64::try_from(workload.workers.len()).ok()?;
    Some(scaled(sender, 1, scripts)).filter(|line| !line.is_zero())
}

/// A workload that differs from another in one assumption.
#[derive(Clone, Debug)]
pub struct Variation {
    /// The assumption that differs.
    pub what: String,
    /// The whole workload.
    pub workload: Workload,
}

/// Costs of a log line where children are reaped, in microseconds.
const LOG_LINES: [u64; 6] = [50, 200, 500, 1_000, 2_000, 5_000];

/// Returns the workload with each of its assumptions changed, one at a time.
#[must_use]
pub fn variations(workload: &Workload) -> Vec<Variation> {
    let mut all = Vec::new();
    let mut add = |what: String, change: &dyn Fn(&mut Workload) -> Option<()>| {
        let mut changed = workload.clone();
        if change(&mut changed).is_some() && changed != *workload {
            all.push(Variation { what, workload: changed });
        }
    };
    for (word, times, over) in [("half", 1, 2), ("twice", 2, 1)] {
        add(format!("latency of the loop, {word}"), &|it| {
            it.machine.latency = it.machine.latency.scaled(times, over);
            Some(())
        });
    }
    for (word, times, over) in [("a tenth as often", 1, 10), ("ten times as often", 10, 1)] {
        add(format!("the loop wakes late {word}"), &|it| {
            it.machine.latency = it.machine.latency.first_share_scaled(times, over)?;
            Some(())
        });
    }
    for (word, times, over) in [("half", 1, 2), ("twice", 2, 1)] {
        add(format!("what the sender takes, {word}"), &|it| {
            let reload = it.reload.as_mut()?;
            reload.jitter = reload.jitter.scaled(times, over);
            Some(())
        });
    }
    for (place, name) in Costs::NAMES.into_iter().enumerate() {
        for (word, times, over) in [("half", 1, 2), ("twice", 2, 1)] {
            add(format!("cost `{name}`, {word}"), &|it| {
                let mut costs = it.machine.costs.each();
                costs[place] = scaled(costs[place], times, over);
                it.machine.costs = Costs::of(costs);
                Some(())
            });
        }
    }
    for micros in LOG_LINES.map(Span::from_micros) {
        add(format!("a log line of {micros} for each child reaped"), &|it| {
            it.machine.costs.reap = micros;
            Some(())
        });
    }
    add("a log line for each child reaped, of all stuck scripts what the sender takes".to_owned(), &|it| {
        it.machine.costs.reap = resonant_line(it)?;
        Some(())
    });
    add("one run in ten outlives a SIGTERM, the others die in 1 to 3 ms".to_owned(), &|it| {
        it.workers.iter_mut().for_each(|worker| worker.on_term = Spread::dies_but_for(WHOLE / 10));
        Some(())
    });
    add("no run outlives a SIGTERM".to_owned(), &|it| {
        it.workers.iter_mut().for_each(|worker| worker.on_term = Spread::dies_but_for(0));
        Some(())
    });
    add("eight times the scripts".to_owned(), &|it| {
        let workers: Vec<Worker> = it.workers.iter().cycle().take(8 * it.workers.len()).cloned().collect();
        it.workers = workers;
        for (place, worker) in it.workers.iter_mut().enumerate() {
            worker.script.name = Name::numbered(place);
        }
        Some(())
    });
    add("timeout as the reload period".to_owned(), &|it| {
        let period = it.reload.as_ref()?.period;
        it.workers.iter_mut().for_each(|worker| worker.script.timeout = period);
        Some(())
    });
    add("a loaded machine".to_owned(), &|it| {
        it.machine = Machine::loaded();
        Some(())
    });
    all
}
