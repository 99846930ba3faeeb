//! The reload, by hand-made dispatches and under the small scheduler.

use treefall_model::event::{EntryKind, Handler};
use treefall_model::id::ConfigId;
use treefall_model::release::{FirstResult, NeverFinished, Rules};
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::Span;
use treefall_model::trace::{Advance, Config, OnTerm, Script, Setup, Trace, Wake, run};
use treefall_world::{Dispatch, Ending, Op, World};

use crate::fake::Fake;
use crate::tools::*;

const RELOAD: Dispatch =
    Dispatch { handler: Handler::Reload, kind: EntryKind::Event, argument: None, pid: None, status: 0 };

/// Reloads configuration `config`, as its SIGHUP says.
fn reload(world: &mut World<'_, Notes>) -> Vec<Op> {
    world.block();
    while let Some(signal) = world.read_signal() {
        world.begin_signal(signal);
        rest(world, 0);
    }
    heard(world);
    ops(world, RELOAD)
}

fn hup(config: u8) -> Wake {
    Wake::new(Advance::By(s(1))).hup(ConfigId(config))
}

fn two(first: Vec<Script>, second: Vec<Script>, wakes: Vec<Wake>) -> Trace {
    let configs = vec![Config { scripts: first }, Config { scripts: second }];
    Trace::new(Setup { configs, ..Setup::default() }, wakes).expect("a valid trace")
}

/// Lets a script run once.
fn run_once(world: &mut World<'_, Notes>, script: treefall_model::id::ScriptRef, status: ExitStatus) {
    let child = watched(&ops(world, tick(script)));
    ops(world, exit(script, child, status));
}

#[test]
fn sighup_queues_the_reload_of_the_configuration_it_names() {
    let trace = two(vec![script(0)], vec![script(1)], vec![hup(1), hup(0)]);
    let mut world = world(&trace);
    world.begin_signal(Signal::HUP);
    assert_eq!(rest(&mut world, 0), [Op::AddEvent { handler: Handler::Reload, argument: None, value: 0 }]);
    reload(&mut world);
    assert_eq!(heard(&mut world)[1], "reload begun 1 1");
    assert_eq!(world.file(), ConfigId(1));
    reload(&mut world);
    assert_eq!(heard(&mut world)[1], "reload begun 0 2");
}

#[test]
fn a_reload_goes_in_this_order() {
    let trace = trace(vec![script(0)], vec![hup(0)]);
    let mut world = world(&trace);
    run_once(&mut world, of(0, 0), ExitStatus::SUCCESS);
    let expected = [
        Op::TerminateChildren { signal: Signal::TERM, ending: Ending::Reload },
        Op::Cleanup { keep_children: true },
        Op::AddBase,
        Op::ReadClock,
        Op::AddEvent { handler: Handler::Dispatcher, argument: None, value: 0 },
    ];
    assert_eq!(reload(&mut world), expected);
    let expected = ["reload", "reload begun 0 1", "log 0@1 carried true", "reload done 1"];
    assert_eq!(heard(&mut world), expected);
    assert_eq!((world.generation().0, world.counts().reloads), (1, 1));
}

#[test]
fn a_reload_carries_results_by_name_but_no_run_state() {
    let named = |name: &str| Script::new(treefall_model::trace::Name::new(name).expect("a name"));
    let (a, b, c) = (named("a"), named("b"), named("c"));
    let trace = two(vec![a.clone(), b.clone()], vec![c, b, a], vec![hup(1)]);
    let mut world = world(&trace);
    run_once(&mut world, of(0, 0), ExitStatus::Code(4));
    run_once(&mut world, of(1, 0), ExitStatus::SUCCESS);
    ops(&mut world, tick(of(0, 0)));
    reload(&mut world);
    assert_eq!(heard(&mut world)[2..4], ["log 2@1 carried false", "log 1@1 carried true"]);
    assert_eq!(ops(&mut world, tick(of(2, 1))).len(), 2, "it is idle and starts");
    let started = heard(&mut world);
    assert_eq!(started[1], "started 2@1#1 1004", "runs count from 1 in each generation");
    ops(&mut world, exit(of(2, 1), pid(1_004), ExitStatus::Code(4)));
    assert_eq!(heard(&mut world), ["track-child 2@1 2@1#1"], "code and result were carried: no news");
}

#[test]
fn a_script_that_never_finished_stays_initial_or_is_carried() {
    let trace = trace(vec![script(0)], vec![hup(0)]);
    let mut rules = Rules::mended();
    let mut world = World::new(&trace, rules, Notes::default());
    reload(&mut world);
    assert_eq!(heard(&mut world), ["reload", "reload begun 0 1", "reload done 1"]);
    run_once(&mut world, of(0, 1), ExitStatus::Signal(Signal::SEGV));
    assert!(heard(&mut world).contains(&"log 0@1 failed SIGSEGV".to_string()), "a first failure is news");

    rules.behaviour.never_finished = NeverFinished::Carried;
    rules.behaviour.first_result = FirstResult::Init;
    let mut world = World::new(&trace, rules, Notes::default());
    reload(&mut world);
    assert_eq!(heard(&mut world)[2], "log 0@1 carried false");
    run_once(&mut world, of(0, 1), ExitStatus::Signal(Signal::SEGV));
    assert!(!heard(&mut world).iter().any(|line| line.contains("failed")), "carried as down: no news");
}

#[test]
fn only_the_scripts_freed_last_are_still_known() {
    let trace = trace(vec![script(0)], vec![hup(0), hup(0)]);
    let mut world = world(&trace);
    reload(&mut world);
    heard(&mut world);
    assert_eq!(ops(&mut world, tick(of(0, 0))).len(), 2, "a freed script that nothing overwrote");
    reload(&mut world);
    heard(&mut world);
    assert_eq!(ops(&mut world, tick(of(0, 0))), []);
    assert_eq!(heard(&mut world), ["tick 0@0"]);
}

#[test]
fn a_reload_to_fewer_scripts_drops_the_rest() {
    let trace = two(vec![script(0), script(1)], vec![], vec![hup(1), hup(0)]);
    let mut world = world(&trace);
    run_once(&mut world, of(1, 0), ExitStatus::SUCCESS);
    reload(&mut world);
    let dispatcher = Dispatch { handler: Handler::Dispatcher, ..RELOAD };
    assert_eq!(ops(&mut world, dispatcher), []);
    reload(&mut world);
    assert_eq!(heard(&mut world), ["reload", "reload begun 0 2", "reload done 2"], "nothing to carry");
    assert_eq!(ops(&mut world, dispatcher).len(), 2);
}

#[test]
fn a_stubborn_child_is_killed_a_second_after_the_reload() {
    let mut patient = stubborn(0);
    (patient.interval, patient.timeout) = (s(60), s(60));
    let trace = trace(vec![patient], vec![hup(0), Wake::next_timer()]);
    let heard = Fake::play(&trace);
    let from = heard.iter().position(|line| line.contains("read SIGHUP")).expect("it is read");
    let tail: Vec<_> = heard[from + 1..].iter().map(String::as_str).collect();
    assert_eq!(
        tail,
        [
            "1.000000 reload",
            "1.000000 reload begun 0 1",
            "1.000000 SIGTERM to group 1001 0@0#1 Delivered",
            "1.000000 reload done 1",
            "1.000000 dispatcher",
            "1.000000 tick 0@1",
            "1.000000 started 0@1#1 1002",
            "1.000000 blocked 2.000000",
            "2.000000 woke 2 timer",
            "2.000000 timer-handler",
            "2.000000 SIGKILL to group 1001 0@0#1 Delivered",
            "2.000000 exited 0@0#1 SIGKILL",
            "2.000000 blocked 61.000000",
            "2.000000 woke 2 signals",
            "2.000000 signal-handler",
            "2.000000 read SIGCHLD",
            "2.000000 reaped 0@0#1 SIGKILL",
            "2.000000 blocked 61.000000",
            "2.000000 ended TraceExhausted",
        ]
    );
}

/// A history but for the blocking and waking, and without who told of a death when.
fn inner(trace: &Trace) -> Vec<String> {
    let outer = ["blocked", "woke", "exited"];
    Fake::play(trace).into_iter().filter(|line| !outer.iter().any(|word| line.contains(word))).collect()
}

#[test]
fn a_signal_during_handlers_equals_the_next_wake_at_once() {
    // The child of script 0 times out together with that of script 1, whose handler still waits on READY when
    // the first is sent SIGTERM. It dies of it there and then, or, ignoring it, by the trace right after.
    let scripts = |on_term| {
        let mut scripts = vec![script(0), stubborn(1)];
        scripts[0].habit.on_term = on_term;
        for script in &mut scripts {
            (script.interval, script.timeout) = (s(5), s(2));
        }
        scripts
    };
    let died = Wake::new(Advance::By(Span::ZERO)).exit(run(0, 0, 1), ExitStatus::Signal(Signal::TERM));
    let amid = trace(scripts(OnTerm::Dies(Span::ZERO)), vec![Wake::next_timer(), Wake::next_timer()]);
    let after = trace(scripts(OnTerm::Ignores), vec![Wake::next_timer(), died, Wake::next_timer()]);
    assert_eq!(inner(&amid), inner(&after));
    assert!(inner(&amid).iter().any(|line| line.contains("0@0 failed timed out")));
}
