//! The misc check by hand-made dispatches.

use treefall_model::event::{EntryKind, Handler, Target};
use treefall_model::id::{Pid, StartNo};
use treefall_model::release::{Defect, LostMisc, Rules};
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::Span;
use treefall_model::trace::{Advance, Costs, Script, ScriptKind, Setup, Trace, Wake, run};
use treefall_world::{Dispatch, Op, World};

use crate::tools::*;

fn misc() -> Setup {
    setup(vec![Script { kind: ScriptKind::Misc, interval: s(5), timeout: s(4), ..stubborn(0) }])
}

fn tick() -> Dispatch {
    dispatch(Handler::MiscTick, EntryKind::Event, of(0, 0))
}

fn child(kind: EntryKind, pid: Pid) -> Dispatch {
    Dispatch { pid: Some(pid), ..dispatch(Handler::MiscChild, kind, of(0, 0)) }
}

fn armed(after: Span) -> Op {
    Op::AddTimer { handler: Handler::MiscTick, argument: Some(of(0, 0)), after }
}

fn watched_for(pid: Pid, after: Span) -> Op {
    Op::AddChild { handler: Handler::MiscChild, argument: Some(of(0, 0)), pid, after: Some(after) }
}

#[test]
fn the_next_start_is_armed_after_the_exit_from_the_last_start() {
    let wake = Wake::new(Advance::By(s(2))).exit(run(0, 0, 1), ExitStatus::SUCCESS);
    let trace = Trace::new(misc(), vec![wake]).expect("a valid trace");
    let mut world = world(&trace);
    assert_eq!(ops(&mut world, tick()), [watched_for(pid(1_001), s(4))], "no timer yet");
    world.block();
    assert_eq!(ops(&mut world, child(EntryKind::ChildTerminated, pid(1_001))), [armed(s(3))]);
}

#[test]
fn a_start_that_is_overdue_is_armed_a_microsecond_ahead() {
    let mut setup = misc();
    setup.costs = Costs { callback: s(1), ..Costs::default() };
    let wake = Wake::new(Advance::By(s(5))).exit(run(0, 0, 1), ExitStatus::SUCCESS);
    let trace = Trace::new(setup, vec![wake]).expect("a valid trace");
    let mut world = world(&trace);
    ops(&mut world, tick());
    world.block();
    let ops = ops(&mut world, child(EntryKind::ChildTerminated, pid(1_001)));
    assert_eq!(ops, [armed(Span::from_micros(1))]);
}

#[test]
fn a_start_that_fails_is_the_last() {
    let mut setup = misc();
    setup.fork_failures.insert(StartNo(0));
    let trace = Trace::new(setup, vec![]).expect("a valid trace");
    assert_eq!(ops(&mut world(&trace), tick()), []);
}

/// The operations of three timeouts in a row.
fn timeouts(rules: Rules, reaped: bool) -> Vec<Vec<Op>> {
    let mut setup = misc();
    if !reaped {
        setup.configs[0].scripts[0].habit.kill_linger = s(100_000);
    }
    let trace = Trace::new(setup, vec![]).expect("a valid trace");
    let mut world = World::new(&trace, rules, Notes::default());
    ops(&mut world, tick());
    if reaped {
        world.send(Target::Group(pid(1_001)), Signal::KILL);
        world.reap();
    }
    (0..3).map(|_| ops(&mut world, child(EntryKind::ChildTimeout, pid(1_001)))).collect()
}

#[test]
fn its_timeouts_escalate_like_a_track_scripts() {
    let expected = [2, 2, 10].map(|grace| vec![watched_for(pid(1_001), s(grace))]);
    assert_eq!(timeouts(Rules::mended(), false), expected);
}

#[test]
fn an_inverted_test_takes_a_delivered_signal_for_a_failure() {
    let rules = Rules::mended().with(Defect::MiscKillTestInverted);
    assert_eq!(timeouts(rules, false)[..2], [(); 2].map(|()| vec![watched_for(pid(1_001), s(1_000))]));
    assert_eq!(timeouts(rules, true)[0], [watched_for(pid(1_001), s(2))], "and a lost child for one told");
}

#[test]
fn a_lost_child_ends_the_check_or_has_it_armed_again() {
    let mut rules = Rules::mended();
    assert_eq!(timeouts(rules, true), [vec![armed(s(5))], vec![], vec![]]);
    rules.behaviour.lost_misc = LostMisc::NeverAgain;
    assert_eq!(timeouts(rules, true)[0], []);
}
