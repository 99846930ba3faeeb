//! Tests soaks: the properties of all lives, and the two figures of the field report.

use treefall::base::control::Control;
use treefall::model::event::SubjectKind;
use treefall::model::release::{Release, Rules};
use treefall::model::time::Span;
use treefall::model::trace::Name;
use treefall::soak::numbers::{Figures, figures};
use treefall::soak::{
    Life, Machine, Plan, Reload, Spread, Until, Watch, Worker, Workload, field, live, soak,
};
use treefall::subject::Options;
use treefall::subject::replica::{run_replica, run_replica_as};

const DAY: Span = Span::from_secs(86_400);

fn of(release: &str) -> Rules {
    Rules::of(Release::parse(release).expect("a release of the table"))
}

fn spread(text: &str) -> Spread {
    text.parse().expect("a spread")
}

/// Eight scripts, of which a run hangs now and then, and a reload each second, on a loaded machine.
fn busy() -> Workload {
    let runs = spread("2%:never,5ms..1500ms");
    let worker = |place| Worker {
        on_term: spread("10%:never,1ms..1200ms"),
        ..Worker::new(Name::numbered(place), Span::from_secs(1), Span::from_secs(1), runs.clone())
    };
    Workload {
        workers: (0..8).map(worker).collect(),
        reload: Some(Reload { period: Span::from_secs(1), jitter: field::sender() }),
        machine: Machine::loaded(),
    }
}

fn without_reloads(mut workload: Workload) -> Workload {
    workload.reload = None;
    workload
}

fn plan(until: Until, failures: usize, life: Span) -> Plan {
    Plan { seed: 1, watch: Watch { until, span: life }, failures, most: Span::from_secs(40 * 86_400) }
}

fn lives(workload: &Workload, rules: Rules, plan: Plan, jobs: usize) -> Vec<Life> {
    soak(workload, rules, plan, jobs, &mut |_| true, Control::none())
        .expect("a workload that traces can have")
}

/// Runs lives until this many fail, none longer than ten days.
fn figures_of(workload: &Workload, release: &str, failures: usize) -> Figures {
    let life = Span::from_secs(10 * 86_400);
    figures(&lives(workload, of(release), plan(Until::Crash, failures, life), 2), life)
}

#[test]
fn an_interrupted_soak_keeps_its_whole_chunks() {
    let hour = Span::from_secs(3_600);
    // Twelve lives: a chunk of eight, and one of four.
    let plan = Plan { most: Span::from_secs(12 * 3_600), ..plan(Until::Crash, 20, hour) };
    let whole = lives(&busy(), of("2.3.4"), plan, 2);
    let until = |number_max: u64| {
        let within = move |(number, _)| number < number_max;
        soak(&busy(), of("2.3.4"), plan, 2, &mut |_| true, Control::new(&within)).expect("a workload")
    };
    let ages = |lives: &[Life]| lives.iter().map(|life| life.lasted).collect::<Vec<_>>();
    assert_eq!(ages(&whole), [hour; 12]);
    // Interrupted in the second chunk.
    assert_eq!(ages(&until(8)), [hour; 8]);
    // Interrupted in the first chunk: each life counts for its length until then.
    let cut = until(0);
    assert_eq!(cut.len(), 8);
    assert!(cut.iter().all(|life| life.lasted < hour && life.lasted > Span::ZERO && life.failure.is_none()));
    let figures = figures(&cut, DAY);
    assert!(figures.followed > 0.0 && figures.within.iter().all(|within| within.seen.is_none()));
}

#[test]
fn lives_do_not_depend_on_the_number_of_jobs() {
    let result = |jobs| {
        let lives = lives(&busy(), of("2.3.1"), plan(Until::Crash, 20, DAY), jobs);
        lives.into_iter().map(|it| (it.lasted, it.reloads, it.events, it.failure)).collect::<Vec<_>>()
    };
    let alone = result(1);
    assert_eq!(alone.len(), 20);
    assert!(alone == result(3));
    assert!(alone.iter().any(|life| life.0 != alone[0].0), "each life has draws of its own");
}

#[test]
fn every_failure_has_a_trace_with_the_same_failure() {
    let mut seen = 0;
    for release in ["2.0.10", "2.2.4", "2.3.1", "2.3.2", "2.3.4"] {
        for until in [Until::Crash, Until::Memory, Until::Law] {
            for workload in [busy(), without_reloads(busy())] {
                let quarter = Span::from_secs(900);
                for number in 0..4 {
                    let life = live(
                        &workload,
                        of(release),
                        (3, number),
                        Watch { until, span: quarter },
                        Control::none(),
                    );
                    let Some(failure) = life.expect("a workload").failure else { continue };
                    let what = format!("life {number} of {release} until {until:?}: {failure:?}");
                    let trace = failure.trace.unwrap_or_else(|| panic!("{what} has no trace"));
                    let verdict = run_replica(&trace, of(release), Options::VERDICT).verdict;
                    match until {
                        Until::Crash => assert_eq!(verdict.outcome, failure.outcome, "{what}"),
                        _ => assert!(
                            verdict.breaks.iter().any(|broken| Some(broken.signature) == failure.signature),
                            "{what}"
                        ),
                    }
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 40, "{seen} failures were looked at");
}

#[test]
fn checks_do_not_change_a_life() {
    for number in 0..4 {
        let until = |until| {
            let life = live(
                &busy(),
                of("2.3.4"),
                (5, number),
                Watch { until, span: Span::from_secs(1_000) },
                Control::none(),
            );
            let life = life.expect("a workload");
            (life.lasted, life.reloads, life.events, life.failure)
        };
        let (lasted, reloads, events, failure) = until(Until::Crash);
        assert!(failure.is_none() && lasted == Span::from_secs(1_000) && events > 8_000);
        assert_eq!(until(Until::Memory), (lasted, reloads, events, None));
    }
}

#[test]
fn the_mended_replica_survives_hours_on_a_busy_machine() {
    let hours = plan(Until::Law, 1, Span::from_secs(3 * 3_600));
    let hours = Plan { most: Span::from_secs(3 * 3_600), ..hours };
    for workload in [busy(), without_reloads(busy()), field::report()] {
        let lives = lives(&workload, Rules::mended(), hours, 1);
        assert!(lives[0].failure.is_none(), "{:?}", lives[0].failure);
        // The same search finds the defects of another release.
        let canary = self::lives(&workload, of("2.3.1"), hours, 1);
        let quiet = workload == field::report();
        assert!(quiet || canary[0].failure.is_some());
    }
}

#[test]
fn a_quiet_machine_fails_in_a_day_or_two_as_reported() {
    let figures = figures_of(&field::report(), "2.3.1", 12);
    let hours = figures.mean_by_hazard.value / 3_600.0;
    // The report's one to two days, from half to twice as long.
    assert!((12.0..=96.0).contains(&hours), "{hours:.1} h in the mean");
    for sound in ["2.2.4", "2.3.4"] {
        let day = plan(Until::Crash, 1, DAY);
        let survives = lives(&field::report(), of(sound), Plan { most: DAY, ..day }, 1);
        assert!(survives[0].failure.is_none(), "{sound} does not have the defect");
    }
}

/// The report's workload with this many stuck scripts, and a log line at each reaped child that takes this many
/// microseconds.
fn with_line(scripts: usize, micros: u64) -> Workload {
    let workload = Workload { workers: stuck(scripts), ..field::report() };
    field::with_log_line(workload, Span::from_micros(micros))
}

/// The sender's own time, 1 to 2 ms, was assumed before any life was run.
#[test]
fn a_log_line_as_slow_as_the_sender_fails_in_minutes() {
    let resonant = field::resonant_line(&field::report()).expect("there is a sender");
    assert_eq!(resonant, Span::from_micros(1_500));
    // The report does not state its number of scripts: tries one, eight, and as many as the line of 50 us needs.
    for (scripts, micros) in [(1, 1_300), (1, 1_500), (1, 1_800), (8, 200), (30, 50)] {
        let mean = figures_of(&with_line(scripts, micros), "2.3.1", 12).mean_by_hazard.value;
        assert!((5.0..=1_800.0).contains(&mean), "{scripts} scripts, {micros} us: {mean:.0} s in the mean");
    }
}

#[test]
fn a_log_line_of_another_duration_changes_nothing() {
    let hours = Span::from_secs(2 * 3_600);
    for (scripts, micros) in [(1, 50), (1, 1_000), (1, 2_100), (1, 5_000), (8, 50), (8, 400), (30, 10)] {
        let mut workload = with_line(scripts, micros);
        // Without the occasional late wakes of a quiet machine, nothing else can cause a failure.
        workload.machine.latency = spread("30us..120us");
        let plan = Plan { most: hours, ..plan(Until::Crash, 1, hours) };
        let lives = lives(&workload, of("2.3.1"), plan, 1);
        assert!(lives[0].failure.is_none(), "{scripts} scripts, {micros} us: after {:?}", lives[0].lasted);
    }
}

/// Plays `examples/real_reloads.sh`: on the real daemon, 2.2.7 died after 2 reloads and survived all 50.
#[test]
fn a_timeout_as_long_as_the_reload_period_fails_at_once() {
    let first = |timeout| {
        let mut workload = field::report();
        workload.workers = stuck(8);
        for worker in &mut workload.workers {
            (worker.script.interval, worker.script.timeout) = (Span::from_secs(1), Span::from_secs(timeout));
        }
        let plan = Plan { most: Span::from_secs(600), ..plan(Until::Crash, 1, Span::from_secs(600)) };
        let lives = lives(&workload, of("2.2.7"), plan, 1);
        lives[0].failure.is_some().then_some(lives[0].lasted)
    };
    assert!(first(1).is_some_and(|lasted| lasted < Span::from_secs(10)), "{:?}", first(1));
    assert_eq!(first(2), None);
}

/// Returns this many of the report's scripts.
fn stuck(scripts: usize) -> Vec<Worker> {
    let one = field::report().workers[0].clone();
    let numbered = |place| {
        let mut worker = one.clone();
        worker.script.name = Name::numbered(place);
        worker
    };
    (0..scripts).map(numbered).collect()
}

#[test]
fn the_mean_of_some_lives_and_the_hazard_of_others_agree() {
    // The report's workload with ten times as many late wakes: lives take hours.
    let mut workload = field::report();
    let often = workload.machine.latency.first_share_scaled(10, 1);
    workload.machine.latency = often.expect("a share that can grow");
    let of_seed = |seed| {
        let plan = Plan { seed, ..plan(Until::Crash, 60, Span::from_secs(10 * 86_400)) };
        figures(&lives(&workload, of("2.3.1"), plan, 2), plan.watch.span)
    };
    let (some, others) = (of_seed(1), of_seed(2));
    assert_eq!((some.agree, others.agree), (Some(true), Some(true)), "{some:?}\n{others:?}");
    let (mean, hazard) = (some.mean.expect("60 failed"), others.hazard.expect("there were reloads"));
    // Reloads until a failure: by the mean time, and by the hazard.
    let period = some.followed / some.reloads as f64;
    let (low, high) = (period / hazard.high, period / hazard.low);
    assert!(mean.low < high && low < mean.high, "{mean:?}, and by the hazard {low} to {high}");
}

#[test]
fn a_daemon_can_show_the_failures_of_a_soak() {
    let workload = field::report();
    let life =
        live(&workload, of("2.3.1"), (1, 0), Watch { until: Until::Crash, span: Span::MAX }, Control::none());
    let failure = life.expect("a workload").failure.expect("it fails in the end");
    let trace = failure.trace.expect("it was cut");
    assert!(trace.wakes().len() < 20, "{} wakes", trace.wakes().len());
    let shown = run_replica_as(SubjectKind::Daemon, &trace, of("2.3.1"), Options::VERDICT).verdict;
    assert_eq!(shown.outcome, failure.outcome);
}
