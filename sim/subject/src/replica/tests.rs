//! What the replica does on traces whose course is known from the real programs.

use treefall_model::event::{Event, Record, Target};
use treefall_model::id::ConfigId;
use treefall_model::release::{Defect, Release, Rules};
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::Span;
use treefall_model::trace::{Advance, Config, Habit, Name, OnTerm, Script, Setup, Trace, Wake, run};
use treefall_model::verdict::Outcome;

use super::{Fault, Finished, Replica};

/// Keeps the history.
#[derive(Default)]
struct Keeper(Vec<Record>);

impl treefall_model::observe::Observer for Keeper {
    fn record(&mut self, record: &Record) {
        self.0.push(*record);
    }

    fn step<V: treefall_model::index::IndexView>(
        &mut self,
        _: treefall_model::event::Step,
        _: treefall_model::time::Instant,
        _: &V,
    ) {
    }
}

fn of(release: &str) -> Rules {
    Rules::of(Release::parse(release).expect("a release of the table"))
}

/// So many scripts, each every 3 s with a timeout of 2 s, whose children do so on SIGTERM.
fn setup(scripts: usize, on_term: OnTerm) -> Setup {
    let script = |place| Script {
        interval: Span::from_secs(3),
        timeout: Span::from_secs(2),
        habit: Habit { on_term, kill_linger: Span::ZERO },
        ..Script::new(Name::numbered(place))
    };
    Setup { configs: vec![Config { scripts: (0..scripts).map(script).collect() }], ..Setup::default() }
}

fn play(setup: Setup, wakes: Vec<Wake>, rules: Rules) -> Finished<Keeper> {
    let trace = Trace::new(setup, wakes).expect("a valid trace");
    Replica::new(&trace, rules, Keeper::default()).run()
}

/// The signals sent, as `signal>pid`, with the second in which they were.
fn sent(finished: &Finished<Keeper>) -> Vec<String> {
    let told = |record: &Record| match record.event {
        Event::Signalled { target: Target::Group(pid), signal, .. } => {
            Some(format!("{} {signal}>{pid}", record.at))
        }
        Event::Signalled { target, signal, .. } => Some(format!("{} {signal}>{target:?}", record.at)),
        _ => None,
    };
    finished.observer.0.iter().filter_map(told).collect()
}

fn reaped(finished: &Finished<Keeper>) -> usize {
    finished.observer.0.iter().filter(|record| matches!(record.event, Event::Reaped { .. })).count()
}

fn hup() -> Wake {
    Wake::next_timer().hup(ConfigId(0))
}

/// Ignores SIGTERM.
const STUBBORN: OnTerm = OnTerm::Ignores;
/// Dies of it at once.
const MEEK: OnTerm = OnTerm::Dies(Span::ZERO);

#[test]
fn the_wake_of_2468_kills_2_2_5_to_2_3_1_in_the_restart_of_its_script() {
    for release in ["2.2.5", "2.2.7", "2.2.8", "2.3.1"] {
        let finished = play(setup(1, MEEK), vec![hup()], of(release));
        let fault = Fault::Segv { address: 8, function: "rb_insert_color" };
        assert_eq!(finished.fault, Some(fault), "{release}");
        let crashed = Outcome::Crashed { signal: Signal::SEGV, function: Some("rb_insert_color".into()) };
        assert_eq!(finished.outcome, crashed);
        assert_eq!(finished.notes.len(), 1);
        let note = finished.notes[0];
        let told = (note.linked_at.function, note.freed_at.function, note.used_at.function);
        assert_eq!(told, ("thread_add_child", "thread_cleanup_master", "thread_add_child"));
        assert!(finished.first_use.is_some());
    }
}

#[test]
fn the_wake_of_2468_with_signals_first_is_sound_everywhere_and_with_timer_first_elsewhere() {
    for release in Release::ALL {
        let rules = Rules::of(*release);
        let mut wakes = vec![hup().signals_first()];
        wakes.extend([const { Wake::next_timer() }; 4]);
        let finished = play(setup(1, MEEK), wakes, rules);
        assert_eq!(
            (finished.fault, &finished.notes[..]),
            (None, &[][..]),
            "{release}: no freed entry is used"
        );
        let dies = rules.has(Defect::ReloadFreesQueuedTimeout);
        let finished = play(setup(1, MEEK), vec![hup(), Wake::next_timer()], rules);
        assert_eq!(finished.fault.is_some(), dies, "{release}");
    }
}

#[test]
fn a_child_whose_timeout_is_queued_at_a_reload_is_signalled_by_nobody_but_when_that_is_mended() {
    let wakes = || vec![hup(), Wake::new(Advance::By(Span::from_millis(1))), Wake::next_timer()];
    for release in ["2.1.5", "2.3.3", &Release::NEWEST.to_string()] {
        let finished = play(setup(1, STUBBORN), wakes(), of(release));
        assert_eq!(sent(&finished), ["4.000000 SIGTERM>1002"], "{release}");
    }
    let finished = play(setup(1, STUBBORN), wakes(), Rules::mended());
    assert_eq!(finished.fault, None);
    assert_eq!(sent(&finished)[0], "2.000000 SIGTERM>1001");
}

#[test]
fn a_child_that_ignores_a_reload_is_killed_a_second_later_from_2_2_5_and_never_before() {
    let reload = Wake::new(Advance::By(Span::from_secs(1))).hup(ConfigId(0));
    let wakes = || vec![reload.clone(), Wake::next_timer()];
    let finished = play(setup(1, STUBBORN), wakes(), of("2.2.5"));
    assert_eq!(sent(&finished), ["1.000000 SIGTERM>1001", "2.000000 SIGKILL>1001"]);
    let finished = play(setup(1, STUBBORN), wakes(), of("2.2.4"));
    assert_eq!(sent(&finished)[..1], ["1.000000 SIGTERM>1001"]);
    assert!(!sent(&finished).iter().any(|line| line.contains("SIGKILL>1001")));
}

#[test]
fn reloads_half_a_second_apart_put_off_the_kill_for_ever_but_when_that_is_mended() {
    let reload = Wake::new(Advance::By(Span::from_millis(500))).hup(ConfigId(0));
    let wakes = || vec![reload.clone(); 10];
    let killed =
        |rules| sent(&play(setup(1, STUBBORN), wakes(), rules)).iter().any(|line| line.contains("SIGKILL"));
    assert!(!killed(of("2.3.4")));
    assert!(killed(Rules::mended()));
}

#[test]
fn the_exit_of_a_queued_timeout_breaks_2_3_2_with_five_scripts_and_no_reload() {
    // The timeouts of all five are queued first, then their children's exits come in one read.
    let mut wake = Wake::next_timer();
    for script in 0..5 {
        wake = wake.exit(run(script, 0, 1), ExitStatus::SUCCESS);
    }
    let wakes = || vec![wake.clone(), Wake::next_timer(), Wake::next_timer()];
    for release in Release::ALL {
        let rules = Rules::of(*release);
        let finished = play(setup(5, STUBBORN), wakes(), rules);
        assert_eq!(finished.fault.is_some(), rules.has(Defect::ExitErasesTwice), "{release}");
        if finished.fault.is_none() {
            assert_eq!(reaped(&finished), 5, "{release}");
        }
    }
}

#[test]
fn a_reload_destroys_the_termination_behind_it_but_when_that_is_mended() {
    let both = Wake::new(Advance::By(Span::from_millis(500))).hup(ConfigId(0)).term();
    let begun = |rules| {
        let finished =
            play(setup(1, MEEK), vec![both.clone(), Wake::next_timer(), Wake::next_timer()], rules);
        let begun = finished.observer.0.iter().any(|record| record.event == Event::TerminationBegun);
        (begun, finished.observer.0.last().map(|record| record.event))
    };
    let (was_begun, _) = begun(of("2.3.4"));
    assert!(!was_begun);
    let (was_begun, last) = begun(Rules::mended());
    assert!(was_begun);
    assert_eq!(last, Some(Event::Ended(treefall_model::event::End::LoopReturned)));
}

#[test]
fn a_shutdown_leaves_the_second_of_two_stubborn_children_alive_but_when_that_is_mended() {
    let term = Wake::new(Advance::By(Span::from_millis(500))).term();
    let wakes = || vec![term.clone(), Wake::next_timer(), Wake::next_timer()];
    let kills = |rules| {
        let all = sent(&play(setup(2, STUBBORN), wakes(), rules));
        all.into_iter().filter(|line| line.contains("SIGKILL")).collect::<Vec<_>>()
    };
    assert!(kills(of("2.3.4")).len() < 2);
    assert_eq!(kills(Rules::mended()).len(), 2);
}

#[test]
fn a_timed_out_child_s_entry_that_stays_linked_in_the_pid_tree_is_the_end_of_2_0_8_to_2_0_10() {
    for release in Release::ALL {
        let rules = Rules::of(*release);
        let finished = play(setup(2, STUBBORN), vec![Wake::next_timer(); 12], rules);
        assert_eq!(finished.fault.is_some(), rules.has(Defect::TimeoutLeavesPidEntry), "{release}");
    }
}
