//! The shutdown, by hand-made dispatches and under the small scheduler.

use treefall_model::event::{EntryKind, Handler};
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::trace::{Advance, Wake, run};
use treefall_world::{Dispatch, Ending, Op};

use crate::fake::Fake;
use crate::tools::*;

fn begin(handler: Handler) -> Dispatch {
    Dispatch { handler, kind: EntryKind::Event, argument: None, pid: None, status: 0 }
}

#[test]
fn sigterm_queues_the_beginning_of_the_shutdown() {
    let trace = trace(vec![], vec![]);
    let mut world = world(&trace);
    world.begin_signal(Signal::TERM);
    assert_eq!(rest(&mut world, 0), [Op::AddTerminateStart { handler: Handler::TerminateStart }]);
    world.begin_signal(Signal::CHLD);
    assert_eq!(rest(&mut world, 0), []);
}

#[test]
fn without_children_the_loop_returns() {
    let trace = trace(vec![], vec![]);
    let mut world = world(&trace);
    assert_eq!(ops_with(&mut world, begin(Handler::TerminateStart), 0), [Op::CountChildren, Op::Terminate]);
    assert_eq!(heard(&mut world), ["terminate-start", "termination begun"]);
}

#[test]
fn a_shutdown_with_children_arms_the_backstop() {
    let trace = trace(vec![], vec![]);
    let mut world = world(&trace);
    let term = Op::TerminateChildren { signal: Signal::TERM, ending: Ending::Shutdown };
    let backstop = Op::AddShutdownTimer { handler: Handler::Backstop, after: s(1) };
    let asked = ops_with(&mut world, begin(Handler::TerminateStart), 3);
    assert_eq!(asked, [Op::CountChildren, term, backstop]);
    heard(&mut world);
    let kill = Op::TerminateChildren { signal: Signal::KILL, ending: Ending::Shutdown };
    let asked = ops_with(&mut world, begin(Handler::Backstop), 2);
    assert_eq!(asked, [kill, Op::CountChildren, Op::Terminate]);
    assert_eq!(heard(&mut world), ["backstop", "log backstop 2"]);
}

#[test]
fn instances_get_a_second_and_children_then_a_tenth_more() {
    let trace = trace(vec![], vec![]);
    let timer = Op::AddShutdownTimer { handler: Handler::ShutdownTimer, after: s(1) };
    let begin_with = |children| {
        let mut world = world(&trace).with_instance();
        let asked = ops_with(&mut world, begin(Handler::TerminateStart), children);
        (world, asked)
    };
    let (mut world, asked) = begin_with(0);
    assert_eq!(asked, [Op::CountChildren, timer, Op::ShutdownTimerRuns(true)]);
    let over = ops_with(&mut world, begin(Handler::ShutdownTimer), 0);
    assert_eq!(over, [Op::ShutdownTimerRuns(false), Op::CountChildren, Op::Terminate]);
    let (mut world, asked) = begin_with(2);
    let term = Op::TerminateChildren { signal: Signal::TERM, ending: Ending::Shutdown };
    assert_eq!(asked, [Op::CountChildren, term, timer, Op::ShutdownTimerRuns(true)]);
    let backstop = Op::AddShutdownTimer { handler: Handler::Backstop, after: ms(100) };
    let over = ops_with(&mut world, begin(Handler::ShutdownTimer), 1);
    assert_eq!(over, [Op::ShutdownTimerRuns(false), Op::CountChildren, backstop]);
}

#[test]
fn a_stubborn_child_is_killed_at_the_end_of_its_grace() {
    let mut patient = stubborn(0);
    (patient.interval, patient.timeout) = (s(60), s(60));
    let wakes = vec![Wake::new(Advance::By(s(1))).term(), Wake::next_timer(), Wake::next_timer()];
    let trace = trace(vec![patient], wakes);
    let heard = Fake::play(&trace);
    let from = heard.iter().position(|line| line.contains("termination begun")).expect("it begins");
    let tail: Vec<_> = heard[from + 1..].iter().map(String::as_str).collect();
    assert_eq!(
        tail,
        [
            "1.000000 SIGTERM to group 1001 0@0#1 Delivered",
            "1.000000 blocked 2.000000",
            "2.000000 woke 2 timer",
            "2.000000 timer-handler",
            "2.000000 backstop",
            "2.000000 log backstop 0",
            "2.000000 SIGKILL to group 1001 0@0#1 Delivered",
            "2.000000 exited 0@0#1 SIGKILL",
            "2.000000 ended LoopReturned",
        ]
    );
}

#[test]
fn a_shutdown_ends_with_the_last_exit() {
    let mut patient = stubborn(0);
    (patient.interval, patient.timeout) = (s(60), s(60));
    let exit = Wake::new(Advance::By(ms(500))).exit(run(0, 0, 1), ExitStatus::SUCCESS);
    let trace = trace(vec![patient], vec![Wake::new(Advance::By(s(1))).term(), exit]);
    let heard = Fake::play(&trace);
    assert_eq!(heard.last().map(String::as_str), Some("1.500000 ended LoopReturned"));
}
