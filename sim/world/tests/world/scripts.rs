//! The track script by hand-made dispatches.

use treefall_model::event::{EntryKind, Handler};
use treefall_model::id::{Pid, StartNo};
use treefall_model::release::{Defect, Rules};
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::Span;
use treefall_model::trace::{Advance, ScriptKind, Trace, Wake, run};
use treefall_world::{Dispatch, Op, World};

use crate::tools::*;

fn add_child(argument: treefall_model::id::ScriptRef, pid: Pid, after: Span) -> Op {
    Op::AddChild { handler: Handler::TrackChild, argument: Some(argument), pid, after: Some(after) }
}

fn with(defect: Defect, trace: &Trace) -> World<'_, Notes> {
    World::new(trace, Rules::mended().with(defect), Notes::default())
}

#[test]
fn the_process_starts_with_its_base_entries_and_the_dispatcher() {
    let trace = trace(vec![script(0)], vec![]);
    let mut world = world(&trace);
    world.start();
    let dispatcher = Op::AddEvent { handler: Handler::Dispatcher, argument: None, value: 0 };
    assert_eq!(rest(&mut world, 0), [Op::AddBase, dispatcher]);
    assert!(heard(&mut world).is_empty());
}

#[test]
fn fifo_scripts_start_first_the_dispatcher_starts_the_rest() {
    let kinds = [ScriptKind::Track, ScriptKind::Fifo, ScriptKind::Misc, ScriptKind::Track];
    let scripts = kinds.into_iter().enumerate();
    let scripts = scripts.map(|(n, kind)| treefall_model::trace::Script { kind, ..script(n) }).collect();
    let trace = trace(scripts, vec![]);
    let mut world = world(&trace);
    let dispatcher = Dispatch {
        handler: Handler::Dispatcher,
        kind: EntryKind::Event,
        argument: None,
        pid: None,
        status: 0,
    };
    // A track script's first tick is an event with its interval as the value.
    let interval = script(0).interval.as_micros() as i32;
    let event = |handler, argument| {
        let value = if handler == Handler::Tick { interval } else { 0 };
        Op::AddEvent { handler, argument, value }
    };
    let fifo =
        Op::AddChild { handler: Handler::FifoChild, argument: Some(of(1, 0)), pid: pid(1_001), after: None };
    world.start();
    assert_eq!(rest(&mut world, 0), [Op::AddBase, fifo, event(Handler::Dispatcher, None)]);
    assert_eq!(heard(&mut world), ["started 1@0#1 1001"]);
    let ticks = [(Handler::Tick, 0), (Handler::MiscTick, 2), (Handler::Tick, 3)];
    assert_eq!(ops(&mut world, dispatcher), ticks.map(|(handler, n)| event(handler, Some(of(n, 0)))));
    assert_eq!(heard(&mut world), ["dispatcher"]);
    let exit = Dispatch {
        handler: Handler::FifoChild,
        kind: EntryKind::ChildTerminated,
        argument: Some(of(1, 0)),
        pid: Some(pid(1_001)),
        status: 0,
    };
    assert_eq!(ops(&mut world, exit), [], "a fifo script's exit is not missed");
    assert_eq!(heard(&mut world), ["fifo-child 1@0 1@0#1"]);
}

#[test]
fn a_tick_arms_the_next_and_starts_a_run() {
    let mut slow = script(0);
    (slow.interval, slow.timeout) = (s(3), s(2));
    let trace = trace(vec![slow], vec![]);
    let mut world = world(&trace);
    let next = Op::AddTimer { handler: Handler::Tick, argument: Some(of(0, 0)), after: s(3) };
    assert_eq!(ops(&mut world, tick(of(0, 0))), [next, add_child(of(0, 0), pid(1_001), s(2))]);
}

#[test]
fn a_tick_that_finds_a_run_skips_its_own() {
    let trace = trace(vec![stubborn(0)], vec![]);
    let mut world = world(&trace);
    let child = watched(&ops(&mut world, tick(of(0, 0))));
    assert_eq!(ops(&mut world, tick(of(0, 0))).len(), 1, "the next tick alone");
    ops(&mut world, timeout(of(0, 0), child));
    heard(&mut world);
    assert_eq!(ops(&mut world, tick(of(0, 0))).len(), 1);
    assert_eq!(heard(&mut world), ["tick 0@0", "log 0@0 being timed out"]);
}

#[test]
fn with_the_defect_a_skipped_run_starts_all_the_same() {
    let trace = trace(vec![stubborn(0)], vec![]);
    let mut world = with(Defect::SkippedRunStillStarts, &trace);
    let first = watched(&ops(&mut world, tick(of(0, 0))));
    let second = watched(&ops(&mut world, tick(of(0, 0))));
    heard(&mut world);
    ops(&mut world, exit(of(0, 0), first, ExitStatus::SUCCESS));
    assert_eq!(ops(&mut world, timeout(of(0, 0), second)), [], "its timeout meets an idle script: dropped");
    let expected = ["track-child 0@0 0@0#1", "log 0@0 succeeded", "track-child 0@0 0@0#2"];
    assert_eq!(heard(&mut world), expected);
    assert_eq!(world.living(), 2, "nobody told it to end");
}

#[test]
fn overlapping_runs_keep_their_names_after_reaping() {
    let wake = Wake::new(Advance::By(s(1)));
    let wake = wake.exit(run(0, 0, 1), ExitStatus::SUCCESS).exit(run(0, 0, 2), ExitStatus::SUCCESS);
    let trace = trace(vec![script(0)], vec![wake]);
    let mut world = with(Defect::SkippedRunStillStarts, &trace);
    let children = [(); 2].map(|()| watched(&ops(&mut world, tick(of(0, 0)))));
    world.block();
    while world.reap().is_some() {}
    heard(&mut world);
    for child in children {
        ops(&mut world, exit(of(0, 0), child, ExitStatus::SUCCESS));
    }
    let expected = ["track-child 0@0 0@0#1", "log 0@0 succeeded", "track-child 0@0 0@0#2"];
    assert_eq!(heard(&mut world), expected);
}

#[test]
fn a_failed_start_leaves_the_script_idle_and_a_tick_armed() {
    let mut setup = setup(vec![script(0)]);
    setup.fork_failures.insert(StartNo(0));
    let trace = Trace::new(setup, vec![]).expect("a valid trace");
    let mut world = world(&trace);
    assert_eq!(ops(&mut world, tick(of(0, 0))).len(), 1);
    assert_eq!(heard(&mut world), ["tick 0@0", "start 0 failed 0@0", "log 0@0 fork failed"]);
    assert_eq!(ops(&mut world, tick(of(0, 0))).len(), 2, "idle: it starts now");
}

/// As the whole real 2.2.7 has it; the description that the world was written from says that it becomes idle.
#[test]
fn a_second_start_that_fails_leaves_the_first_run_running() {
    let mut setup = setup(vec![script(0)]);
    setup.fork_failures.insert(StartNo(1));
    let trace = Trace::new(setup, vec![]).expect("a valid trace");
    let mut world = with(Defect::SkippedRunStillStarts, &trace);
    assert_eq!(ops(&mut world, tick(of(0, 0))).len(), 2);
    assert_eq!(ops(&mut world, tick(of(0, 0))).len(), 1, "it fails");
    heard(&mut world);
    ops(&mut world, tick(of(0, 0)));
    assert_eq!(heard(&mut world)[1], "log 0@0 already running", "the first run is not forgotten");
}

#[test]
fn each_timeout_of_a_stubborn_child_is_answered_more_strongly() {
    let mut immortal = stubborn(0);
    immortal.habit.kill_linger = s(1_000);
    let trace = trace(vec![immortal], vec![]);
    let mut world = world(&trace);
    let child = watched(&ops(&mut world, tick(of(0, 0))));
    heard(&mut world);
    let graces = [2, 2, 10, 10];
    let asked = graces.map(|_| ops(&mut world, timeout(of(0, 0), child)));
    assert_eq!(asked.map(|ops| ops[0]), graces.map(|grace| add_child(of(0, 0), child, s(grace))));
    let dispatched = "track-child 0@0 0@0#1";
    let kill = "SIGKILL to group 1001 0@0#1 Delivered";
    let log = "log 1001 failed to terminate";
    let term = "SIGTERM to group 1001 0@0#1 Delivered";
    let expected =
        [dispatched, term, dispatched, kill, dispatched, log, kill, dispatched, log, kill].map(String::from);
    assert_eq!(heard(&mut world), expected);
}

/// A child that was reaped without its handler hearing of it, timing out.
fn lost(world: &mut World<'_, Notes>) -> Vec<Op> {
    let child = watched(&ops(world, tick(of(0, 0))));
    world.send(treefall_model::event::Target::Group(child), Signal::KILL);
    world.reap();
    heard(world);
    ops(world, timeout(of(0, 0), child))
}

#[test]
fn a_lost_child_leaves_the_script_idle() {
    let trace = trace(vec![script(0)], vec![]);
    let mut world = world(&trace);
    assert_eq!(lost(&mut world), []);
    let expected = ["track-child 0@0 0@0#1", "SIGTERM to group 1001 - NoSuchProcess", "log 1001 lost"];
    assert_eq!(heard(&mut world), expected);
    assert_eq!(ops(&mut world, tick(of(0, 0))).len(), 2, "idle: it starts again");
}

#[test]
fn a_lost_child_is_retried_for_ever_with_the_defect() {
    let trace = trace(vec![script(0)], vec![]);
    let mut world = with(Defect::LostChildRetriedForEver, &trace);
    let again = [add_child(of(0, 0), pid(1_001), s(1))];
    assert_eq!(lost(&mut world), again);
    for _ in 0..3 {
        heard(&mut world);
        assert_eq!(ops(&mut world, timeout(of(0, 0), pid(1_001))), again);
    }
    let log = "log 1001 failed to terminate";
    assert_eq!(heard(&mut world)[1..], [log, "SIGKILL to group 1001 - NoSuchProcess"]);
    assert_eq!(ops(&mut world, tick(of(0, 0))).len(), 1, "the script never runs again");
    assert_eq!(heard(&mut world)[1], "log 0@0 being timed out");
}

/// What is heard of an exit with `status` after so many timeouts.
fn ended(timeouts: usize, status: ExitStatus) -> Vec<String> {
    let mut immortal = stubborn(0);
    immortal.habit.kill_linger = s(1_000);
    let trace = trace(vec![immortal], vec![]);
    let mut world = world(&trace);
    let child = watched(&ops(&mut world, tick(of(0, 0))));
    for _ in 0..timeouts {
        ops(&mut world, timeout(of(0, 0), child));
    }
    heard(&mut world);
    ops(&mut world, exit(of(0, 0), child, status));
    heard(&mut world).split_off(1)
}

#[test]
fn an_exit_by_code_counts_whatever_signal_was_sent() {
    for timeouts in 0..3 {
        assert_eq!(ended(timeouts, ExitStatus::SUCCESS), ["log 0@0 succeeded"]);
        let failed = ["log 0@0 now returning 7", "log 0@0 failed status 7"];
        assert_eq!(ended(timeouts, ExitStatus::Code(7)), failed);
    }
}

#[test]
fn an_exit_by_signal_is_a_timeout_only_if_it_was_asked_for() {
    let term = ExitStatus::Signal(Signal::TERM);
    let kill = ExitStatus::Signal(Signal::KILL);
    assert_eq!(ended(0, term), ["log 0@0 failed SIGTERM"]);
    assert_eq!(
        ended(1, term),
        ["SIGKILL to group 1001 0@0#1 Delivered", "log 0@0 failed timed out"],
        "and what is left of its group is killed, before the log"
    );
    assert_eq!(ended(1, kill), ["log 0@0 failed SIGKILL"]);
    assert_eq!(ended(2, kill), ["log 0@0 failed timed out"]);
    assert_eq!(ended(2, term), ["log 0@0 failed timed out"]);
    assert_eq!(ended(2, ExitStatus::Signal(Signal::SEGV)), ["log 0@0 failed SIGSEGV"]);
}

#[test]
fn a_code_is_logged_when_it_changes_and_deaths_do_not_touch_it() {
    let trace = trace(vec![script(0)], vec![]);
    let mut world = world(&trace);
    let statuses = [
        ExitStatus::Code(2),
        ExitStatus::Code(2),
        ExitStatus::Signal(Signal::SEGV),
        ExitStatus::Code(2),
        ExitStatus::SUCCESS,
    ];
    for status in statuses {
        let child = watched(&ops(&mut world, tick(of(0, 0))));
        ops(&mut world, exit(of(0, 0), child, status));
    }
    let heard = heard(&mut world);
    let logs: Vec<_> = heard.iter().filter(|line| line.starts_with("log")).collect();
    let expected = ["now returning 2", "failed status 2", "now returning 0", "succeeded"];
    assert_eq!(logs, expected.map(|line| format!("log 0@0 {line}")).iter().collect::<Vec<_>>());
}

#[test]
fn dispatches_that_mean_nothing_do_nothing() {
    let trace = trace(vec![script(0)], vec![]);
    let mut world = world(&trace);
    let stale = of(0, 40);
    let nobody = of(9, 0);
    for argument in [stale, nobody] {
        assert_eq!(ops(&mut world, tick(argument)), []);
        assert_eq!(ops(&mut world, timeout(argument, pid(77))), []);
        assert_eq!(ops(&mut world, exit(argument, pid(77), ExitStatus::SUCCESS)), []);
    }
    let bare = Dispatch {
        handler: Handler::TrackChild,
        kind: EntryKind::Unused,
        argument: None,
        pid: None,
        status: -1,
    };
    assert_eq!(ops(&mut world, bare), []);
    assert_eq!(ops(&mut world, Dispatch { argument: Some(of(0, 0)), ..bare }), []);
    assert_eq!(ops(&mut world, timeout(of(0, 0), pid(77))), [], "the script is idle");
}
