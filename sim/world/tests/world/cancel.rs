//! A script that does not wait for its last run.

use treefall_model::event::{EntryKind, Handler};
use treefall_model::id::{Pid, ScriptRef};
use treefall_model::signal::ExitStatus;
use treefall_model::time::Span;
use treefall_model::trace::{Script, ScriptKind, Trace, Wake, run};
use treefall_world::{Handle, Op, World};

use crate::fake::Fake;
use crate::tools::{Notes, heard, ops, pid, rest, s, script, stubborn, tick, timeout, trace, world};

const SCRIPT: ScriptRef = run(0, 0, 1).of;

fn add_child(argument: ScriptRef, pid: Pid, after: Span) -> Op {
    Op::AddChild { handler: Handler::TrackChild, argument: Some(argument), pid, after: Some(after) }
}

fn impatient() -> Trace {
    let slow = Script { kind: ScriptKind::Cancelling, interval: s(3), timeout: s(2), ..stubborn(0) };
    trace(vec![slow], vec![])
}

/// Its first run is there, watched by entry 7.
fn started(trace: &Trace) -> World<'_, Notes> {
    let mut world = world(trace);
    assert_eq!(ops(&mut world, tick(SCRIPT))[1], add_child(SCRIPT, pid(1_001), s(2)));
    world.watched_by(Some(SCRIPT), Handle(7));
    heard(&mut world);
    world
}

/// The next tick, the cancelled entry being of this kind: what is heard of it.
fn cancelled_as(world: &mut World<'_, Notes>, handle: u64, kind: EntryKind) -> Vec<String> {
    world.begin(tick(SCRIPT));
    assert!(matches!(world.next_op(), Some(Op::AddTimer { .. })));
    assert_eq!(world.next_op(), Some(Op::Cancel { entry: Handle(handle) }));
    world.cancelled(kind);
    let after = rest(world, 0);
    assert_eq!(after.len(), 1, "{after:?}");
    heard(world)
}

#[test]
fn a_tick_cancels_and_kills_a_run_and_starts_the_next() {
    let trace = impatient();
    let mut world = started(&trace);
    let heard = cancelled_as(&mut world, 7, EntryKind::Child);
    let told = ["tick 0@0", "cancelled 0@0#1 child", "SIGKILL to group 1001 0@0#1 Delivered"];
    assert_eq!(heard, [&told[..], &["exited 0@0#1 SIGKILL", "started 0@0#2 1002"]].concat());
}

#[test]
fn the_last_entry_of_a_run_is_the_one_cancelled() {
    let trace = impatient();
    let mut world = started(&trace);
    assert_eq!(ops(&mut world, timeout(SCRIPT, pid(1_001))), [add_child(SCRIPT, pid(1_001), s(2))]);
    world.watched_by(Some(SCRIPT), Handle(8));
    heard(&mut world);
    let heard = cancelled_as(&mut world, 8, EntryKind::ChildTimeout);
    assert_eq!(heard[1], "cancelled 0@0#1 child-timeout");
}

#[test]
fn a_reaped_child_gets_no_signal() {
    let trace = impatient();
    let mut world = started(&trace);
    let heard = cancelled_as(&mut world, 7, EntryKind::ChildTerminated);
    assert_eq!(heard, ["tick 0@0", "cancelled 0@0#1 child-terminated", "started 0@0#2 1002"]);
}

#[test]
fn a_script_whose_next_run_cannot_start_is_idle() {
    let (mut setup, wakes) = impatient().into_parts();
    setup.fork_failures.insert(treefall_model::id::StartNo(1));
    let trace = Trace::new(setup, wakes).expect("a valid trace");
    let mut world = started(&trace);
    world.begin(tick(SCRIPT));
    while let Some(op) = world.next_op() {
        if matches!(op, Op::Cancel { .. }) {
            world.cancelled(EntryKind::Child);
        }
    }
    heard(&mut world);
    let next = ops(&mut world, tick(SCRIPT));
    assert!(matches!(next[..], [Op::AddTimer { .. }, Op::AddChild { .. }]), "{next:?}");
}

#[test]
fn a_correct_scheduler_gives_each_tick_its_own_run() {
    let ticking = Script { kind: ScriptKind::Cancelling, ..script(0) };
    let wakes = vec![
        Wake::next_timer(),
        Wake::next_timer().exit(run(0, 0, 2), ExitStatus::SUCCESS).signals_first(),
        Wake::next_timer(),
    ];
    let trace = trace(vec![ticking], wakes);
    let told = Fake::play(&trace);
    let of_runs: Vec<&str> = told
        .iter()
        .filter_map(|line| line.split_once(' ').map(|(_, event)| event))
        .filter(|event| ["started", "cancelled", "reaped"].iter().any(|word| event.starts_with(word)))
        .collect();
    assert_eq!(
        of_runs,
        [
            "started 0@0#1 1001",
            "cancelled 0@0#1 child-timeout",
            "started 0@0#2 1002",
            "reaped 0@0#1 SIGKILL",
            "reaped 0@0#2 exit 0",
            "started 0@0#3 1003",
            "cancelled 0@0#3 child-timeout",
            "started 0@0#4 1004",
            "reaped 0@0#3 SIGKILL",
        ]
    );
}
