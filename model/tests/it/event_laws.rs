//! The laws over events: for each a history that it accepts and one that it refuses, and its exemptions.

use crate::common::{RunReader, pid_of, setup};
use treefall_model::event::{Answer, End, EntryKind, Event, SubjectKind, Target};
use treefall_model::id::{Pid, Run};
use treefall_model::observe::{Observer, Options, Watch};
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::Span;
use treefall_model::trace::{OnTerm, ScriptKind, Setup, run};
use treefall_model::verdict::Outcome;

const FIRST: Run = run(0, 0, 1);
const TERMED: ExitStatus = ExitStatus::Signal(Signal::TERM);
const NONE: [&str; 0] = [];

fn stubborn() -> Setup {
    setup(2, OnTerm::Ignores)
}

/// A history of two stubborn scripts in which the first run of `s0` has started and the loop has blocked.
fn begun(setup: &Setup) -> RunReader<'_> {
    let mut teller = RunReader::new(setup);
    teller.starts(FIRST).blocks_until(2_000);
    teller
}

#[test]
fn a_child_is_forgotten_if_its_timeout_sends_no_signal() {
    let setup = stubborn();
    let mut told = begun(&setup);
    told.wakes(2_000, true).of_child(FIRST, EntryKind::ChildTimeout).signals(FIRST, Signal::TERM).blocks();
    assert_eq!(told.broken(), NONE);
    let mut passed_over = begun(&setup);
    passed_over.wakes(2_000, true).blocks();
    assert_eq!(passed_over.broken(), ["no-child-forgotten/blocked/child"]);
}

#[test]
fn a_late_wake_forgets_no_child_before_it_is_handled() {
    let setup = stubborn();
    let mut late = begun(&setup);
    late.wakes(9_000, true).of_child(FIRST, EntryKind::ChildTimeout);
    assert_eq!(late.broken(), NONE, "the timeout's handler still runs");
    late.signals(FIRST, Signal::TERM).blocks().wakes(30_000, false);
    assert_eq!(late.broken(), NONE, "what lies after the last turn is not judged");
}

#[test]
fn a_reload_tells_every_child_or_breaks_the_law() {
    let setup = stubborn();
    let mut told = begun(&setup);
    told.wakes(1_000, false).reload_begins(1).signals(FIRST, Signal::TERM).reload_ends(1).blocks_until(2_000);
    assert_eq!(told.broken(), NONE);
    let mut in_child = begun(&setup);
    in_child.wakes(1_000, false).reload_begins(1).reload_ends(1);
    assert_eq!(in_child.broken(), ["no-child-forgotten/reload/child"]);
    let mut queued = begun(&setup);
    queued.wakes(2_000, true).reload_begins(1).reload_ends(1);
    assert_eq!(queued.broken(), ["no-child-forgotten/reload/child-timeout"]);
    let mut dead = begun(&setup);
    dead.exits(FIRST, ExitStatus::SUCCESS).wakes(1_000, false).reload_begins(1).reload_ends(1).blocks();
    assert_eq!(dead.broken(), NONE, "a zombie is no living child");
}

#[test]
fn a_fifo_script_has_no_timeout_to_forget() {
    let mut setup = stubborn();
    setup.configs[0].scripts[0].kind = ScriptKind::Fifo;
    let mut teller = begun(&setup);
    teller.wakes(5_000, true).blocks().wakes(9_000, false).reload_begins(1).reload_ends(1).blocks();
    assert_eq!(teller.broken(), NONE);
}

#[test]
fn sigkill_follows_two_seconds_after_a_timeout_s_sigterm() {
    let setup = stubborn();
    let mut told = begun(&setup);
    told.wakes(2_000, true).of_child(FIRST, EntryKind::ChildTimeout).signals(FIRST, Signal::TERM);
    told.blocks_until(4_000).wakes(4_000, true);
    let mut killed = told;
    killed.of_child(FIRST, EntryKind::ChildTimeout).signals(FIRST, Signal::KILL).blocks_until(6_000);
    killed.wakes(6_000, true).blocks();
    assert_eq!(killed.broken(), NONE, "after SIGKILL nothing is owed");
    let mut spared = begun(&setup);
    spared.wakes(2_000, true).of_child(FIRST, EntryKind::ChildTimeout).signals(FIRST, Signal::TERM);
    spared.blocks_until(4_000).wakes(4_000, true).blocks();
    assert_eq!(spared.broken(), ["kill-follows-term/blocked/child"]);
}

#[test]
fn sigkill_follows_one_second_after_a_reload_s_sigterm() {
    let setup = stubborn();
    let told = |until| {
        let mut told = begun(&setup);
        told.wakes(1_000, false)
            .reload_begins(1)
            .signals(FIRST, Signal::TERM)
            .reload_ends(1)
            .blocks_until(until);
        told
    };
    let mut killed = told(2_000);
    killed.wakes(2_000, true).signals(FIRST, Signal::KILL).blocks();
    assert_eq!(killed.broken(), NONE);
    let mut dies = told(2_000);
    dies.exits(FIRST, TERMED)
        .wakes(1_500, false)
        .reaps(FIRST, TERMED)
        .blocks_until(4_000)
        .wakes(4_000, true)
        .blocks();
    assert_eq!(dies.broken(), NONE, "it did not outlive its SIGTERM");
    let mut forgotten = told(4_000);
    forgotten.wakes(4_000, true).blocks();
    assert_eq!(forgotten.broken(), ["kill-follows-term/blocked/child"]);
}

#[test]
fn close_reloads_must_not_delay_sigkill() {
    let setup = stubborn();
    let again = |second_grace: u64| {
        let mut teller = begun(&setup);
        teller
            .wakes(1_000, false)
            .reload_begins(1)
            .signals(FIRST, Signal::TERM)
            .reload_ends(1)
            .blocks_until(2_000);
        teller.wakes(1_500, false).reload_begins(2).signals(FIRST, Signal::TERM).reload_ends(2);
        teller.blocks_until(second_grace);
        teller
    };
    let mut kept = again(2_000);
    kept.wakes(2_000, true).signals(FIRST, Signal::KILL).blocks();
    assert_eq!(kept.broken(), NONE);
    // The grace is over in the turn of a third reload, which runs before the timer is handled.
    let mut waits = again(2_000);
    waits
        .wakes(2_000, false)
        .reload_begins(3)
        .signals(FIRST, Signal::TERM)
        .reload_ends(3)
        .blocks_until(2_000);
    waits.wakes(2_000, true).signals(FIRST, Signal::KILL).blocks();
    assert_eq!(waits.broken(), NONE, "it may wait for the next turn, which is due at once");
    let mut restarted = again(2_500);
    restarted
        .wakes(2_000, false)
        .reload_begins(3)
        .signals(FIRST, Signal::TERM)
        .reload_ends(3)
        .blocks_until(3_000);
    assert_eq!(restarted.broken(), ["kill-follows-term/blocked/child"]);
}

#[test]
fn a_reload_that_drops_a_timeout_breaks_kill_follows_term() {
    let setup = stubborn();
    let mut teller = begun(&setup);
    teller
        .wakes(1_000, false)
        .reload_begins(1)
        .signals(FIRST, Signal::TERM)
        .reload_ends(1)
        .blocks_until(2_000);
    teller.wakes(2_000, true).reload_begins(2).reload_ends(2).blocks_until(4_000);
    assert_eq!(teller.broken(), ["kill-follows-term/blocked/child-timeout"]);
}

#[test]
fn a_child_that_a_timeout_told_has_the_longer_of_both_graces() {
    let setup = stubborn();
    let mut teller = begun(&setup);
    teller.wakes(2_000, true).of_child(FIRST, EntryKind::ChildTimeout).signals(FIRST, Signal::TERM);
    teller
        .blocks_until(4_000)
        .wakes(3_500, false)
        .reload_begins(1)
        .signals(FIRST, Signal::TERM)
        .reload_ends(1);
    teller.blocks_until(4_500).wakes(4_500, true).signals(FIRST, Signal::KILL).blocks();
    assert_eq!(teller.broken(), NONE);
}

#[test]
fn an_exit_is_handled_unless_a_reload_or_the_end_intervenes() {
    let setup = stubborn();
    let reaped = || {
        let mut teller = begun(&setup);
        teller.exits(FIRST, ExitStatus::SUCCESS).wakes(1_000, false).reaps(FIRST, ExitStatus::SUCCESS);
        teller
    };
    let mut handled = reaped();
    handled.of_child(FIRST, EntryKind::ChildTerminated).blocks();
    assert_eq!(handled.broken(), NONE);
    let mut reloaded = reaped();
    reloaded.reload_begins(1).reload_ends(1).blocks();
    assert_eq!(reloaded.broken(), NONE);
    let mut ending = reaped();
    ending.terminates(true).tell(Event::Ended(End::LoopReturned));
    assert_eq!(ending.broken(), NONE);
    let mut lost = reaped();
    lost.blocks();
    assert_eq!(lost.broken(), ["exit-not-lost/blocked/child-terminated"]);
}

#[test]
fn reading_sigchld_reaps_every_child_that_had_exited() {
    let setup = stubborn();
    let second = run(1, 0, 1);
    let read = || {
        let mut teller = begun(&setup);
        teller.forks(second).exits(FIRST, ExitStatus::SUCCESS).exits(second, ExitStatus::SUCCESS);
        teller.wakes(1_000, false).tell(Event::SignalRead { signal: Signal::CHLD });
        teller.reaps(FIRST, ExitStatus::SUCCESS).of_child(FIRST, EntryKind::ChildTerminated);
        teller
    };
    let mut all = read();
    all.reaps(second, ExitStatus::SUCCESS).of_child(second, EntryKind::ChildTerminated).blocks();
    assert_eq!(all.broken(), NONE);
    let mut one = read();
    one.blocks();
    assert_eq!(one.broken(), ["exit-not-lost/blocked/child"]);
    // Who exits after that is told by a further signal.
    let mut later = begun(&setup);
    later.forks(second).exits(FIRST, ExitStatus::SUCCESS).wakes(1_000, false);
    later.tell(Event::SignalRead { signal: Signal::CHLD });
    later.reaps(FIRST, ExitStatus::SUCCESS).of_child(FIRST, EntryKind::ChildTerminated);
    later.exits(second, ExitStatus::SUCCESS).blocks();
    assert_eq!(later.broken(), NONE);
}

#[test]
fn a_daemon_that_shows_no_dispatch_misses_no_exit() {
    let setup = stubborn();
    let mut teller = RunReader::of(&setup, SubjectKind::Daemon);
    teller.forks(FIRST).blocks_until(2_000).exits(FIRST, ExitStatus::SUCCESS);
    teller.wakes(1_000, false).reaps(FIRST, ExitStatus::SUCCESS).blocks();
    assert_eq!(teller.broken(), NONE);
}

#[test]
fn a_run_with_cancelled_entry_ends_when_killed() {
    let setup = stubborn();
    let killed_by = ExitStatus::Signal(Signal::KILL);
    let cancelled = |entry| {
        let mut teller = begun(&setup);
        teller.wakes(1_000, false).tell(Event::Cancelled { run: FIRST, entry });
        teller
    };
    let mut killed = cancelled(EntryKind::Child);
    killed.signals(FIRST, Signal::KILL).forks(run(0, 0, 2)).blocks_until(2_000);
    killed.exits(FIRST, killed_by).wakes(1_001, false).reaps(FIRST, killed_by).blocks_until(2_000);
    assert_eq!(killed.broken(), NONE);
    let mut spared = cancelled(EntryKind::Child);
    spared.blocks_until(2_000).wakes(2_000, true).blocks();
    assert_eq!(spared.broken(), ["no-child-forgotten/blocked/child"]);
    let mut beside = cancelled(EntryKind::Child);
    beside.forks(run(0, 0, 2));
    assert_eq!(beside.broken(), ["one-run-at-a-time/started/child"]);
}

#[test]
fn an_exit_whose_entry_is_cancelled_on_ready_is_not_missed() {
    let setup = stubborn();
    let reaped = || {
        let mut teller = begun(&setup);
        teller.exits(FIRST, ExitStatus::SUCCESS).wakes(1_000, false).reaps(FIRST, ExitStatus::SUCCESS);
        teller
    };
    let mut cancelled = reaped();
    cancelled.tell(Event::Cancelled { run: FIRST, entry: EntryKind::ChildTerminated }).blocks();
    assert_eq!(cancelled.broken(), NONE);
    assert_eq!(reaped().blocks().broken(), ["exit-not-lost/blocked/child-terminated"]);
}

#[test]
fn a_script_runs_once_at_a_time_in_a_configuration() {
    let setup = stubborn();
    let mut overlap = begun(&setup);
    overlap.wakes(1_000, false).forks(run(1, 0, 1)).forks(run(0, 0, 2));
    assert_eq!(overlap.broken(), ["one-run-at-a-time/started/child"]);
    let mut in_turn = begun(&setup);
    in_turn.exits(FIRST, ExitStatus::SUCCESS).wakes(1_000, false).forks(run(0, 0, 2));
    assert_eq!(in_turn.broken(), NONE);
    let mut reloaded = begun(&setup);
    reloaded
        .wakes(1_000, false)
        .reload_begins(1)
        .signals(FIRST, Signal::TERM)
        .reload_ends(1)
        .starts(run(0, 1, 1));
    assert_eq!(reloaded.broken(), NONE, "beside the dying run of the configuration before");
}

#[test]
fn an_interval_does_not_fire_before_its_time() {
    let setup = stubborn();
    let fires_at = |millis| {
        let mut teller = begun(&setup);
        teller.exits(FIRST, ExitStatus::SUCCESS).wakes(1_000, false).reaps(FIRST, ExitStatus::SUCCESS);
        teller.of_child(FIRST, EntryKind::ChildTerminated).blocks_until(3_000);
        teller.wakes(millis, true).ticks(FIRST.of, false);
        teller.broken()
    };
    assert_eq!(fires_at(3_000), NONE);
    assert_eq!(fires_at(9_000), NONE, "late is not early");
    assert_eq!(fires_at(2_999), ["timers-in-order/dispatched/timer"]);
}

#[test]
fn a_timeout_does_not_fire_before_its_time_nor_a_killer() {
    let setup = stubborn();
    let mut early = begun(&setup);
    early.wakes(1_999, true).of_child(FIRST, EntryKind::ChildTimeout);
    assert_eq!(early.broken(), ["timers-in-order/dispatched/child-timeout"]);
    let mut killer = begun(&setup);
    killer
        .wakes(1_000, false)
        .reload_begins(1)
        .signals(FIRST, Signal::TERM)
        .reload_ends(1)
        .blocks_until(1_500);
    killer.wakes(1_500, true).signals(FIRST, Signal::KILL);
    assert_eq!(killer.broken(), ["timers-in-order/signalled/child"]);
}

#[test]
fn due_entries_fire_by_deadline_intervals_before_timeouts() {
    let setup = stubborn();
    let (first, second) = (FIRST, run(1, 0, 1));
    // The second started half a second after the first; a late wake finds everything due.
    let due = || {
        let mut teller = begun(&setup);
        teller.wakes(500, false).starts(second).blocks_until(2_000).wakes(8_000, true);
        teller
    };
    let mut ordered = due();
    ordered.ticks(first.of, false).ticks(second.of, false);
    ordered.of_child(first, EntryKind::ChildTimeout).signals(first, Signal::TERM);
    ordered.of_child(second, EntryKind::ChildTimeout).signals(second, Signal::TERM).blocks();
    assert_eq!(ordered.broken(), NONE);
    let mut intervals = due();
    intervals.ticks(second.of, false).ticks(first.of, false);
    assert_eq!(intervals.broken(), ["timers-in-order/dispatched/timer"]);
    let mut timeouts = due();
    timeouts.of_child(second, EntryKind::ChildTimeout).of_child(first, EntryKind::ChildTimeout);
    assert_eq!(timeouts.broken(), ["timers-in-order/dispatched/child-timeout"]);
    let mut child_first = due();
    child_first.of_child(first, EntryKind::ChildTimeout).ticks(first.of, false);
    assert_eq!(child_first.broken(), ["timers-in-order/dispatched/timer"]);
}

#[test]
fn ties_may_fire_in_any_order() {
    let setup = stubborn();
    let second = run(1, 0, 1);
    let mut teller = RunReader::new(&setup);
    teller.starts(FIRST).starts(second).blocks_until(2_000).wakes(4_000, true);
    teller.ticks(second.of, false).ticks(FIRST.of, false);
    teller.of_child(second, EntryKind::ChildTimeout).of_child(FIRST, EntryKind::ChildTimeout);
    assert_eq!(teller.broken(), NONE);
}

#[test]
fn signals_go_to_its_own_children_only() {
    let setup = stubborn();
    let sends = |target, run| {
        let mut teller = begun(&setup);
        let (signal, answer) = (Signal::TERM, Answer::Delivered);
        teller.wakes(500, false).tell(Event::Signalled { target, run, signal, answer });
        teller.broken()
    };
    let child = Target::Group(pid_of(FIRST));
    assert_eq!(sends(child, Some(FIRST)), NONE);
    let init = Pid::new(1).expect("a pid");
    assert_eq!(sends(child, None), ["signals-only-its-children/signalled/child"], "it is no child any more");
    let strangers = [Target::Process(init), Target::Group(Pid::SELF), Target::OwnGroup, Target::Everyone];
    for target in strangers {
        assert_eq!(sends(target, None), ["signals-only-its-children/signalled/none"], "{target:?}");
    }
}

#[test]
fn one_sigkill_may_go_to_the_group_of_a_child_just_reaped() {
    let setup = setup(1, OnTerm::Dies(Span::ZERO));
    let reaped = |status| {
        let mut teller = begun(&setup);
        teller.wakes(2_000, true).of_child(FIRST, EntryKind::ChildTimeout).signals(FIRST, Signal::TERM);
        teller.exits(FIRST, status).blocks_until(3_000).wakes(2_000, false).reaps(FIRST, status);
        teller.of_child(FIRST, EntryKind::ChildTerminated);
        teller
    };
    let target = Target::Group(pid_of(FIRST));
    let sweep = Event::Signalled { target, run: None, signal: Signal::KILL, answer: Answer::NoSuchProcess };
    assert_eq!(reaped(TERMED).tell(sweep).broken(), NONE);
    let refused = ["signals-only-its-children/signalled/child"];
    assert_eq!(reaped(TERMED).tell(sweep).tell(sweep).broken(), refused, "one");
    assert_eq!(reaped(ExitStatus::SUCCESS).tell(sweep).broken(), refused, "it did not die of it");
}

#[test]
fn a_sigterm_that_was_read_begins_a_shutdown_before_blocking() {
    let setup = stubborn();
    let mut honoured = begun(&setup);
    honoured.wakes(500, false).terminates(true).signals(FIRST, Signal::TERM).blocks_until(1_500);
    assert_eq!(honoured.broken(), NONE);
    let mut eaten = begun(&setup);
    eaten.wakes(500, false).terminates(false).reload_begins(1).signals(FIRST, Signal::TERM).reload_ends(1);
    eaten.blocks_until(1_500);
    assert_eq!(eaten.broken(), ["termination-honoured/blocked/event"]);
}

#[test]
fn a_shutdown_ends_within_its_bounds() {
    let setup = stubborn();
    let mut endless = begun(&setup);
    endless.wakes(500, false).terminates(true).signals(FIRST, Signal::TERM).blocks_until(1_500);
    endless.wakes(1_500, true).signals(FIRST, Signal::KILL).blocks_until(1_600);
    assert_eq!(endless.broken(), NONE, "the backstop is to come");
    endless.wakes(1_600, true).blocks();
    assert_eq!(endless.broken(), ["termination-honoured/blocked/timer"]);
}

#[test]
fn a_shutdown_kills_children_that_ignore_sigterm() {
    let leaves = |setup: &Setup, signals: &[Signal]| {
        let mut teller = begun(setup);
        teller.wakes(500, false).terminates(true);
        for signal in signals {
            teller.signals(FIRST, *signal);
        }
        teller.tell(Event::Ended(End::LoopReturned));
        teller.broken()
    };
    let refused = ["termination-honoured/ended/child"];
    assert_eq!(leaves(&stubborn(), &[Signal::TERM, Signal::KILL]), NONE);
    assert_eq!(leaves(&stubborn(), &[Signal::TERM]), refused);
    let obedient = setup(1, OnTerm::Dies(Span::from_secs(1)));
    assert_eq!(leaves(&obedient, &[Signal::TERM]), NONE, "it dies of it by and by");
    assert_eq!(leaves(&obedient, &[]), refused);
}

#[test]
fn a_loop_that_does_not_come_back_makes_no_progress() {
    let setup = stubborn();
    let ends = |end, outcome| {
        let mut watch = Watch::new(&setup, SubjectKind::Replica, Options::VERDICT);
        let at = treefall_model::Instant::START;
        watch.record(&treefall_model::event::Record { at, event: Event::Ended(end) });
        crate::common::signatures_of(watch, outcome)
    };
    assert_eq!(ends(End::TraceExhausted, Outcome::Survived), NONE);
    assert!(ends(End::Overrun, Outcome::Survived).is_empty(), "a loop that is late is not stuck");
    assert_eq!(ends(End::NoProgress, Outcome::Hung { function: None }), ["progress/ended/none"]);
    let crashed = Outcome::Crashed { signal: Signal::SEGV, function: None };
    assert_eq!(ends(End::TraceExhausted, crashed), ["tree-shape/ended/none"], "no look could see why");
}

#[test]
fn a_loop_returns_only_after_a_shutdown_was_asked_for() {
    let setup = setup(1, OnTerm::Dies(Span::from_secs(1)));
    let returned = |asked: bool| {
        let mut teller = begun(&setup);
        if asked {
            teller.wakes(500, false).terminates(true).signals(FIRST, Signal::TERM);
        }
        teller.tell(Event::Ended(End::LoopReturned));
        teller.broken()
    };
    assert_eq!(returned(true), NONE);
    assert!(returned(false).contains(&"expected-actions/ended/none".to_owned()), "{:?}", returned(false));
}
