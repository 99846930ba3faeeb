//! The virtual kernel by its calls.

use treefall_model::event::{Answer, End, EntryKind, Handler, Target};
use treefall_model::id::{ConfigId, LinkId, Pid, StartNo};
use treefall_model::release::Rules;
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::{Instant, Span};
use treefall_model::trace::{
    Advance, Config, Costs, Link, Name, OnTerm, PidPolicy, Rank, Script, Setup, Trace, Wake, run,
};
use treefall_world::{Descriptor, Dispatch, Outside, Woken, World};

use crate::tools::*;

const TIMER: Woken = Woken::Ready { first: Descriptor::Timer, second: None, third: None };
const SIGNALS: Woken = Woken::Ready { first: Descriptor::Signals, second: None, third: None };
const TIMER_FIRST: Woken =
    Woken::Ready { first: Descriptor::Timer, second: Some(Descriptor::Signals), third: None };
const SIGNALS_FIRST: Woken =
    Woken::Ready { first: Descriptor::Signals, second: Some(Descriptor::Timer), third: None };
const OVER: Woken = Woken::End(End::TraceExhausted);

fn after(span: Span) -> Wake {
    Wake::new(Advance::By(span))
}

fn at(span: Span) -> Instant {
    Instant::START + span
}

fn only(wakes: Vec<Wake>) -> Trace {
    trace(vec![], wakes)
}

/// Starts the first scripts, one run each.
fn start(world: &mut World<'_, Notes>, scripts: u16) -> Vec<Pid> {
    (0..scripts).map(|script| world.spawn(of(script, 0)).expect("it starts")).collect()
}

fn signals(world: &mut World<'_, Notes>) -> Vec<u8> {
    core::iter::from_fn(|| world.read_signal()).map(Signal::number).collect()
}

#[test]
fn an_expired_timer_stays_ready_until_it_is_read() {
    let trace = only(vec![Wake::next_timer(); 3]);
    let mut world = world(&trace);
    world.arm_timer(Some(s(3)));
    assert_eq!((world.block(), world.now()), (TIMER, at(s(3))));
    assert_eq!((world.block(), world.now()), (TIMER, at(s(3))), "not read: still ready");
    assert!(world.read_timer());
    assert!(!world.read_timer(), "reading disarms it");
    assert_eq!(world.block(), OVER, "nothing is armed, and no wake left");
}

#[test]
fn calls_without_effect_are_told_from_others_and_repeated() {
    let trace = trace(vec![script(0)], vec![Wake::next_timer()]);
    let mut idle = world(&trace);
    idle.clock();
    let _ = (idle.limit(), idle.clock());
    assert_eq!(idle.steps_without_effect(), Some(3));
    let mut again = world(&trace);
    again.repeat(3);
    assert_eq!(again.counts(), idle.counts());

    type Call = fn(&mut World<'_, Notes>);
    let with_effect: [Call; 4] = [
        |world| world.arm_timer(Some(s(3))),
        |world| {
            world.spawn(of(0, 0));
        },
        |world| {
            world.block();
        },
        |world| world.finish(End::LoopReturned),
    ];
    for (number, call) in with_effect.iter().enumerate() {
        let mut world = world(&trace);
        call(&mut world);
        assert_eq!(world.steps_without_effect(), None, "call {number}");
    }
}

#[test]
fn a_timer_of_zero_is_overdue_and_rearming_clears_expiry() {
    let trace = only(vec![Wake::next_timer(), Wake::next_timer()]);
    let mut world = world(&trace);
    world.arm_timer(Some(Span::ZERO));
    assert_eq!((world.block(), world.now()), (TIMER, Instant::START));
    world.arm_timer(Some(s(1)));
    assert!(!world.read_timer());
    assert_eq!((world.block(), world.now()), (TIMER, at(s(1))));
}

#[test]
fn a_wake_past_the_deadline_is_late() {
    let trace = only(vec![after(s(5))]);
    let mut world = world(&trace);
    world.arm_timer(Some(s(1)));
    assert_eq!((world.block(), world.now()), (TIMER, at(s(5))));
}

#[test]
fn a_loop_with_nothing_ready_stays_blocked_as_time_passes() {
    let trace = only(vec![after(s(1)), Wake::next_timer(), after(ms(500)).hup(ConfigId(0))]);
    let mut world = world(&trace);
    assert_eq!((world.block(), world.now()), (SIGNALS, at(ms(1_500))));
    assert_eq!(heard(&mut world), ["blocked never", "woke 3 signals"]);
}

#[test]
fn the_trace_decides_which_descriptor_is_reported_first() {
    let due = |wake: Wake| {
        let trace = only(vec![wake.term()]);
        let mut world = world(&trace);
        world.arm_timer(Some(s(1)));
        world.block()
    };
    assert_eq!(due(Wake::next_timer()), TIMER_FIRST);
    assert_eq!(due(Wake::next_timer().signals_first()), SIGNALS_FIRST);
    assert_eq!(due(after(ms(999))), SIGNALS, "the timer is not due");
}

#[test]
fn signals_are_merged_and_read_lowest_first() {
    let (first, second) = (run(0, 0, 1), run(1, 0, 1));
    let wake = after(s(1)).term().hup(ConfigId(0));
    let wake = wake.exit(second, ExitStatus::SUCCESS).exit(first, ExitStatus::Code(2));
    let trace = trace(vec![script(0), script(1)], vec![wake]);
    let mut world = world(&trace);
    start(&mut world, 2);
    assert_eq!(world.block(), SIGNALS);
    heard(&mut world);
    assert_eq!(signals(&mut world), [1, 15, 17], "two exits raise one SIGCHLD");
    let expected = ["signal-handler", "read SIGHUP", "read SIGTERM", "read SIGCHLD"];
    assert_eq!(heard(&mut world), expected, "one handler a batch");
    assert_eq!(world.read_signal(), None);
    assert_eq!(heard(&mut world), ["signal-handler"], "the next batch");
}

#[test]
fn exits_are_reaped_in_fork_order() {
    let wakes = [2, 0, 1].map(|n| after(s(1)).exit(run(n, 0, 1), ExitStatus::SUCCESS));
    let trace = trace((0..3).map(script).collect(), wakes.to_vec());
    let mut world = world(&trace);
    start(&mut world, 3);
    assert_eq!(world.block(), SIGNALS);
    assert_eq!(signals(&mut world), [17]);
    assert_eq!(world.block(), SIGNALS);
    assert_eq!(signals(&mut world), [17]);
    assert_eq!(world.block(), SIGNALS);
    heard(&mut world);
    while world.reap().is_some() {}
    assert_eq!(heard(&mut world), ["reaped 0@0#1 exit 0", "reaped 1@0#1 exit 0", "reaped 2@0#1 exit 0"]);
    assert!(!world.has_children());
}

#[test]
fn an_exit_of_a_run_that_is_not_alive_is_moot() {
    let exit = |nth| after(s(1)).exit(run(0, 0, nth), ExitStatus::SUCCESS);
    let trace = trace(vec![script(0)], vec![exit(2), exit(1), exit(1).term()]);
    let mut world = world(&trace);
    start(&mut world, 1);
    assert_eq!((world.block(), world.now()), (SIGNALS, at(s(2))), "a moot exit wakes nobody");
    signals(&mut world);
    assert_eq!(world.block(), SIGNALS);
    let heard = heard(&mut world);
    assert_eq!(heard.iter().filter(|line| line.starts_with("moot")).count(), 2, "a zombie's too: {heard:?}");
}

#[test]
fn a_zombie_takes_signals_until_it_is_reaped() {
    let trace = trace(vec![script(0)], vec![after(s(1)).exit(run(0, 0, 1), ExitStatus::SUCCESS)]);
    let mut world = world(&trace);
    let child = start(&mut world, 1)[0];
    assert_eq!(world.group_of(child.get()), Some(child));
    world.block();
    assert_eq!(world.send(Target::Group(child), Signal::KILL), Answer::Delivered);
    assert_eq!(world.group_of(child.get()), Some(child));
    assert_eq!(world.reap(), Some((child, ExitStatus::SUCCESS)), "SIGKILL does nothing to a zombie");
    assert_eq!(world.send(Target::Group(child), Signal::KILL), Answer::NoSuchProcess);
    assert_eq!(world.send(Target::Process(child), Signal::KILL), Answer::NoSuchProcess);
    assert_eq!(world.group_of(child.get()), None);
    assert_eq!(world.group_of(-1), None);
}

#[test]
fn signals_to_others_are_answered_without_effect_and_recorded() {
    let trace = trace(vec![script(0)], vec![]);
    let mut world = world(&trace);
    start(&mut world, 1);
    heard(&mut world);
    let targets = [
        Target::OwnGroup,
        Target::Everyone,
        Target::Group(pid(1)),
        Target::Process(Pid::SELF),
        Target::Process(pid(1)),
    ];
    let answers = targets.map(|target| world.send(target, Signal::KILL));
    assert_eq!(answers[..4], [Answer::Delivered; 4]);
    assert_eq!(answers[4], Answer::NotPermitted);
    assert_eq!((heard(&mut world).len(), world.living()), (5, 1));
    assert_eq!(world.group_of(0), Some(Pid::SELF));
}

/// A child that was sent SIGTERM and dies of it after `span`, under these wakes; a timer armed for 1 s.
fn dying(span: Span, wakes: Vec<Wake>) -> Trace {
    let mut mortal = script(0);
    mortal.habit.on_term = OnTerm::Dies(span);
    trace(vec![mortal], wakes)
}

fn told_to_die(trace: &Trace) -> World<'_, Notes> {
    let mut world = world(trace);
    let child = start(&mut world, 1)[0];
    world.arm_timer(Some(s(1)));
    world.send(Target::Group(child), Signal::TERM);
    heard(&mut world);
    world
}

#[test]
fn a_death_before_the_wake_is_a_wake_of_the_worlds_own() {
    let trace = dying(ms(300), vec![Wake::next_timer()]);
    let mut world = told_to_die(&trace);
    assert_eq!(world.block(), SIGNALS);
    let expected = ["0.000000 blocked 1.000000", "0.300000 exited 0@0#1 SIGTERM", "0.300000 woke 0 signals"];
    assert_eq!(heard_at(&mut world), expected);
    signals(&mut world);
    assert_eq!((world.block(), world.now()), (TIMER, at(s(1))), "the trace's wake is still there");
}

#[test]
fn a_span_counts_from_the_moment_the_loop_blocks_again() {
    let trace = dying(ms(300), vec![after(ms(500))]);
    let mut world = told_to_die(&trace);
    world.block();
    signals(&mut world);
    assert_eq!((world.block(), world.now()), (OVER, at(ms(800))));
}

#[test]
fn a_death_at_the_instant_of_the_wake_merges_into_it() {
    let trace = dying(s(1), vec![Wake::next_timer()]);
    let mut world = told_to_die(&trace);
    assert_eq!(world.block(), TIMER_FIRST, "in the order that the wake says");
    assert_eq!(world.counts().wakes, 1);
}

#[test]
fn a_death_overdue_when_the_loop_blocks_happens_at_once() {
    let mut trace = dying(ms(300), vec![Wake::next_timer()]).into_parts();
    trace.0.costs = Costs { log: ms(900), ..Costs::default() };
    let trace = Trace::new(trace.0, trace.1).expect("a valid trace");
    let mut world = told_to_die(&trace);
    world.logged(treefall_model::event::LogLine::Late { by: s(2) });
    assert_eq!((world.block(), world.now()), (SIGNALS, at(ms(900))));
    assert_eq!(world.counts().wakes, 0);
}

#[test]
fn a_death_while_handlers_run_wakes_the_loop_at_once() {
    let trace = dying(Span::ZERO, vec![Wake::next_timer()]);
    let mut world = told_to_die(&trace);
    world.arm_timer(Some(Span::ZERO));
    assert_eq!((world.block(), world.now()), (SIGNALS_FIRST, Instant::START));
    assert_eq!(world.counts().wakes, 0);
    signals(&mut world);
    assert_eq!(world.block(), TIMER);
}

#[test]
fn a_killed_child_lingers_and_the_earliest_death_wins() {
    let mut slow = script(0);
    slow.habit.on_term = OnTerm::Dies(ms(400));
    slow.habit.kill_linger = ms(100);
    let other = Script { name: Name::numbered(1), ..slow.clone() };
    let trace = trace(vec![slow, other], vec![after(s(1))]);
    let mut world = world(&trace);
    let children = start(&mut world, 2);
    for child in &children {
        world.send(Target::Group(*child), Signal::TERM);
    }
    world.send(Target::Group(children[1]), Signal::KILL);
    heard(&mut world);
    world.block();
    signals(&mut world);
    world.block();
    let exits: Vec<_> = heard_at(&mut world).into_iter().filter(|line| line.contains("exited")).collect();
    assert_eq!(exits, ["0.100000 exited 1@0#1 SIGKILL", "0.400000 exited 0@0#1 SIGTERM"]);
}

#[test]
fn a_child_survives_other_signals_and_an_ignored_sigterm() {
    let trace = trace(vec![stubborn(0)], vec![after(s(100))]);
    let mut world = world(&trace);
    let child = start(&mut world, 1)[0];
    world.send(Target::Group(child), Signal::TERM);
    world.send(Target::Group(child), Signal::HUP);
    assert_eq!((world.block(), world.living()), (OVER, 1));
}

#[test]
fn time_passes_after_the_record_of_what_costs() {
    let mut setup = setup(vec![script(0), script(1)]);
    setup.costs = Costs { callback: ms(1), start: ms(20), log: ms(300), ..Costs::default() };
    setup.fork_failures.insert(StartNo(1));
    let trace = Trace::new(setup, vec![]).expect("a valid trace");
    let mut world = world(&trace);
    ops(&mut world, tick(of(0, 0)));
    ops(&mut world, tick(of(1, 0)));
    assert_eq!(
        heard_at(&mut world),
        [
            "0.000000 tick 0@0",
            "0.001000 started 0@0#1 1001",
            "0.021000 tick 1@0",
            "0.022000 start 1 failed 1@0",
            "0.042000 log 1@0 fork failed",
        ]
    );
    assert_eq!(world.now(), at(ms(342)));
}

#[test]
fn reaping_and_reading_a_configuration_cost_time() {
    let exits = after(s(1)).exit(run(0, 0, 1), ExitStatus::SUCCESS).exit(run(1, 0, 1), ExitStatus::SUCCESS);
    let mut parts = trace(vec![script(0), script(1)], vec![exits.hup(ConfigId(0))]).into_parts();
    parts.0.costs = Costs { reap: ms(4), reload: ms(20), ..Costs::default() };
    let trace = Trace::new(parts.0, parts.1).expect("a valid trace");
    let mut world = world(&trace);
    start(&mut world, 2);
    world.block();
    while world.reap().is_some() {}
    assert_eq!(world.now(), at(ms(1_008)));
    let reload = Dispatch { argument: None, ..dispatch(Handler::Reload, EntryKind::Event, of(0, 0)) };
    ops(&mut world, reload);
    let heard = heard_at(&mut world);
    let begun = heard.iter().position(|line| line.contains("reload")).expect("a reload begins");
    assert!(heard[begun].starts_with("1.008000"), "{heard:?}");
    assert!(heard.last().is_some_and(|line| line.starts_with("1.028000")), "{heard:?}");
}

#[test]
fn starts_count_attempts_and_runs_count_successes() {
    let mut setup = setup(vec![script(0)]);
    setup.fork_failures.extend([StartNo(0), StartNo(2)]);
    let trace = Trace::new(setup, vec![]).expect("a valid trace");
    let mut world = world(&trace);
    let started = [(); 4].map(|()| world.spawn(of(0, 0)).is_some());
    assert_eq!(started, [false, true, false, true]);
    assert_eq!(heard(&mut world)[3], "started 0@0#2 1002");
}

#[test]
fn a_pid_is_used_again_only_when_its_child_was_reaped() {
    let exit = after(s(1)).exit(run(0, 0, 1), ExitStatus::SUCCESS);
    let mut parts = trace(vec![script(0), script(1)], vec![exit]).into_parts();
    parts.0.pids = PidPolicy::Reused;
    let trace = Trace::new(parts.0, parts.1).expect("a valid trace");
    let mut world = world(&trace);
    start(&mut world, 1);
    world.block();
    assert_eq!(world.spawn(of(1, 0)), Some(pid(1_002)), "a zombie holds its pid");
    world.reap();
    assert_eq!(world.spawn(of(1, 0)), Some(pid(1_001)));
}

#[test]
fn each_policy_keeps_thousands_of_children_apart() {
    for policy in [PidPolicy::Ascending, PidPolicy::Scattered, PidPolicy::Reused] {
        let exits = |from: u32| {
            let exits = (0..1_000).filter(|n| n % 3 == 0).map(|n| run(0, 0, from + n));
            exits.fold(after(s(1)), |wake, run| wake.exit(run, ExitStatus::SUCCESS))
        };
        let mut parts = trace(vec![script(0)], (0..20).map(|n| exits(n * 1_000 + 1)).collect()).into_parts();
        parts.0.pids = policy;
        let trace = Trace::new(parts.0, parts.1).expect("a valid trace");
        let mut world = world(&trace);
        let mut alive = std::collections::BTreeSet::new();
        for _ in 0..20 {
            for _ in 0..1_000 {
                assert!(alive.insert(world.spawn(of(0, 0)).expect("it starts")), "{policy:?}");
            }
            world.block();
            signals(&mut world);
            while let Some((pid, _)) = world.reap() {
                assert!(alive.remove(&pid));
            }
        }
        assert_eq!((alive.len(), world.living()), (20 * 666, 20 * 666));
        assert_eq!(world.counts().exits, 20 * 334);
    }
}

#[test]
fn only_a_loop_that_never_blocks_reaches_its_limit() {
    let trace = trace(vec![script(0)], vec![after(s(1)).term(); 3]);
    let mut world = world(&trace);
    for _ in 0..3 {
        for _ in 0..4_000 {
            world.clock();
        }
        assert_eq!(world.limit(), None);
        world.block();
        signals(&mut world);
    }
    while world.limit().is_none() {
        world.clock();
    }
    assert_eq!(world.block(), OVER);
}

#[test]
fn a_loop_that_never_reads_its_signals_reaches_its_limit_too() {
    let trace = only(vec![after(s(1)).term(), after(s(1))]);
    let mut world = world(&trace);
    while world.limit().is_none() {
        assert_eq!(world.block(), SIGNALS);
    }
    assert_eq!(world.now(), at(s(1)), "the wakes of the trace wait");
}

/// Each child allows the loop more steps: without a bound of their own their number would grow by the power of the
/// wakes, and a trace of ninety take for ever.
#[test]
fn endless_starts_reach_the_limit_though_the_loop_blocks() {
    let trace = trace(vec![script(0)], vec![after(s(1)); 2]);
    let mut world = world(&trace);
    for _ in 0..2 {
        let before = world.living();
        while world.living() < before + 32 {
            world.spawn(of(0, 0)).expect("it starts");
        }
        assert_eq!(world.limit(), None);
        world.arm_timer(Some(Span::ZERO));
        assert_eq!(world.block(), TIMER);
    }
    for _ in 0..33 {
        world.spawn(of(0, 0)).expect("it starts");
    }
    assert_eq!(world.limit(), Some(End::NoProgress));
}

#[test]
fn endless_starts_that_take_time_make_the_loop_late_not_stuck() {
    let mut parts = trace(vec![script(0)], vec![after(s(1))]).into_parts();
    parts.0.costs.start = Span::from_micros(1);
    let trace = Trace::new(parts.0, parts.1).expect("a valid trace");
    let mut world = world(&trace);
    while world.limit().is_none() {
        world.spawn(of(0, 0)).expect("it starts");
    }
    assert_eq!((world.limit(), world.living()), (Some(End::Overrun), 33));
}

#[test]
fn the_end_is_recorded_once() {
    let trace = only(vec![]);
    let mut world = world(&trace);
    assert_eq!(world.block(), OVER);
    world.finish(End::TraceExhausted);
    world.finish(End::LoopReturned);
    assert_eq!(heard(&mut world), ["blocked never", "ended TraceExhausted"]);
    assert_eq!(world.counts().records, 2);
}

/// An outside that ends each run a second after its start, and writes down what it hears.
#[derive(Default)]
struct Told {
    heard: Vec<String>,
    living: Vec<treefall_model::id::Run>,
    given: Vec<Wake>,
}

impl Outside for Told {
    fn started(&mut self, run: treefall_model::id::Run, _: Instant) {
        self.heard.push(format!("started {run}"));
        self.living.push(run);
    }
    fn signalled(&mut self, run: treefall_model::id::Run, signal: Signal, _: Instant) {
        self.heard.push(format!("{signal} to {run}"));
    }
    fn ended(&mut self, run: treefall_model::id::Run) {
        self.heard.push(format!("ended {run}"));
    }
    fn wake(&mut self, _: Instant, _: Option<Instant>, wake: &mut Wake) -> bool {
        assert!(wake.exits.is_empty() && wake.hup.is_none(), "it is to be written on an empty page");
        let Some(run) = self.living.pop() else { return false };
        *wake = after(s(1)).exit(run, ExitStatus::SUCCESS);
        self.given.push(wake.clone());
        true
    }
}

#[test]
fn an_outside_continues_where_the_trace_ends() {
    let trace = trace(vec![stubborn(0), stubborn(1)], vec![after(ms(5)).hup(ConfigId(0))]);
    let mut outside = Told::default();
    let blocks = |world: &mut World<'_, Notes>| {
        let children = start(world, 2);
        assert_eq!(world.block(), SIGNALS);
        while world.read_signal().is_some() {}
        world.send(Target::Group(children[0]), Signal::TERM);
        for _ in 0..2 {
            assert_eq!(world.block(), SIGNALS);
            while world.read_signal().is_some() {}
            world.reap();
        }
        assert_eq!(world.block(), OVER);
        heard_at(world)
    };
    let told = blocks(&mut World::new(&trace, Rules::mended(), Notes::default()).with_outside(&mut outside));
    assert_eq!(
        outside.heard,
        ["started 0@0#1", "started 1@0#1", "SIGTERM to 0@0#1", "ended 1@0#1", "ended 0@0#1"]
    );
    // What it gave, behind the trace, replays the run.
    let (setup, mut wakes) = trace.into_parts();
    wakes.extend(outside.given);
    let replayed = Trace::new(setup, wakes).expect("a valid trace");
    assert_eq!(told, blocks(&mut world(&replayed)));
}

#[test]
fn where_a_deadline_might_be_cut_the_trace_ends() {
    let wakes = Instant::MAX.as_micros() / Span::MAX.as_micros();
    let trace = trace(vec![script(0)], vec![Wake::next_timer(); usize::try_from(wakes).expect("some")]);
    let mut world = world(&trace);
    let mut woken = 0;
    loop {
        world.arm_timer(Some(Span::MAX));
        match world.block() {
            TIMER => woken += 1,
            end => break assert_eq!(end, Woken::End(End::EndOfTime)),
        }
        // What is added now is due a whole span later.
        assert_eq!((world.now() + Span::MAX).saturating_since(world.now()), Span::MAX);
    }
    assert_eq!(woken, wakes - 2);
}

/// A trace with one interface.
fn with_link(wakes: Vec<Wake>) -> Trace {
    let links = vec![Link::new(Name::new("lo").expect("a name"))];
    let setup = Setup { configs: vec![Config::default()], links, ..Setup::default() };
    Trace::new(setup, wakes).expect("valid")
}

const LINK: LinkId = LinkId(0);

#[test]
fn messages_about_interfaces_are_read_in_order_each_once() {
    let trace = with_link(vec![Wake::next_timer().link(LINK, false).link(LINK, true)]);
    let mut world = world(&trace);
    world.listen(true);
    assert!(world.link_is_up(LINK), "up at the start");
    assert_eq!(world.block(), Woken::Ready { first: Descriptor::Netlink, second: None, third: None });
    assert_eq!(world.peek_message(), Some((LINK, false)));
    assert_eq!(world.read_message(), Some((LINK, false)));
    assert_eq!(world.read_message(), Some((LINK, true)));
    assert_eq!(world.read_message(), None);
    assert!(world.link_is_up(LINK));
    assert_eq!(heard(&mut world), ["blocked never", "woke 1 nothing", "link 0 down", "link 0 up"]);
    assert_eq!(world.block(), OVER);
}

#[test]
fn a_message_that_was_not_read_wakes_the_loop_again_at_once() {
    let trace = with_link(vec![after(s(1)).link(LINK, false), after(s(5))]);
    let mut world = world(&trace);
    world.listen(true);
    let netlink = Woken::Ready { first: Descriptor::Netlink, second: None, third: None };
    assert_eq!((world.block(), world.now()), (netlink, at(s(1))));
    assert_eq!((world.block(), world.now()), (netlink, at(s(1))), "not read: still ready");
    assert_eq!(world.read_message(), Some((LINK, false)));
    assert_eq!((world.block(), world.now()), (OVER, at(s(6))));
}

#[test]
fn who_does_not_listen_is_not_woken_and_the_message_waits() {
    let trace = with_link(vec![after(s(1)).link(LINK, false), after(s(1)).hup(ConfigId(0))]);
    let mut world = world(&trace);
    assert_eq!((world.block(), world.now()), (SIGNALS, at(s(2))));
    world.listen(true);
    assert_eq!(signals(&mut world), [1]);
    assert!(matches!(world.block(), Woken::Ready { first: Descriptor::Netlink, .. }));
}

#[test]
fn the_rank_decides_where_the_netlink_socket_is_reported() {
    use Descriptor::{Netlink, Signals, Timer};
    for (rank, first_signals, expected) in [
        (Rank::Last, false, [Timer, Signals, Netlink]),
        (Rank::First, false, [Netlink, Timer, Signals]),
        (Rank::Between, false, [Timer, Netlink, Signals]),
        (Rank::Last, true, [Signals, Timer, Netlink]),
        (Rank::First, true, [Netlink, Signals, Timer]),
        (Rank::Between, true, [Signals, Netlink, Timer]),
    ] {
        let wake = Wake::next_timer().hup(ConfigId(0)).link(LINK, false).ranked(rank);
        let trace = with_link(vec![if first_signals { wake.signals_first() } else { wake }]);
        let mut world = world(&trace);
        world.listen(true);
        world.arm_timer(Some(s(1)));
        let [first, second, third] = expected;
        assert_eq!(world.block(), Woken::Ready { first, second: Some(second), third: Some(third) });
    }
}
