//! Tests the engine with an installed keepalived, and its library in other programs.
//!
//! Without a keepalived, the trials that need one are ignored, with the reason. CI sets `TREEFALL_REQUIRE_REAL`,
//! which makes a missing program a failure.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use treefall::model::id::ConfigId;
use treefall::model::law::Law;
use treefall::model::release::Release;
use treefall::model::signal::{ExitStatus, Signal};
use treefall::model::time::Span;
use treefall::model::trace::{Advance, Config, Name, Script, Setup, Trace, Wake, run};
use treefall::model::verdict::Outcome;
use treefall::subject::backtrace::Home;
use treefall::subject::engine::{Conditions, Engine, LIBRARY};
use treefall::subject::program::{Program, find_installed};
use treefall::subject::{Options, Ran};
use treefall::world::wire::RulesAs;

type Checked = Result<(), Failed>;

pub(crate) fn trials() -> Vec<Trial> {
    let real = find_installed().into_iter().find_map(|path| Program::open(&path, None).ok());
    let real = real.filter(|program| program.engine_offsets().is_ok());
    let mut trials = vec![
        trial!("other_programs_do_as_they_do_without_the_library", other_programs),
        trial!("a_program_that_is_not_meant_is_left_alone", not_meant),
    ];
    let crashes = ("the_one_wake_timer_first_crashes_2_2_7", one_wake_crashes as fn(&Program) -> Checked);
    let always = [
        ("signals_first_is_survived", signals_first as fn(&Program) -> Checked),
        ("results_come_in_order_around_a_crash", around_a_crash),
        ("a_shutdown_leaves_nothing_for_the_next_trace", after_a_shutdown),
        ("a_late_wake_is_in_the_log", late_wake),
        ("other_conditions_give_the_same_digest", other_conditions),
        ("a_fresh_process_confirms", fresh_process),
        ("counts_are_the_same_without_watching", unwatched),
    ];
    let is_2_2_7 = |program: &Program| Release::new(2, 2, 7) == Some(program.release());
    let reason = "not the real 2.2.7";
    trials.push(trial(crashes.0, crashes.1, real.as_ref().filter(|program| is_2_2_7(program)), reason));
    for (name, check) in always {
        trials.push(trial(name, check, real.as_ref(), "no keepalived that can be driven is installed"));
    }
    trials
}

fn trial(name: &str, check: fn(&Program) -> Checked, real: Option<&Program>, reason: &str) -> Trial {
    match real.cloned() {
        Some(program) => trial!(name, move || check(&program)).with_kind("real"),
        None if std::env::var_os("TREEFALL_REQUIRE_REAL").is_some() => {
            let reason = reason.to_owned();
            trial!(name, move || Err(reason.into()))
        }
        None => trial!(name, || Ok(())).with_ignored_flag(true).with_kind(format!("ignored: {reason}")),
    }
}

/// Scripts that start each 3 s and time out after 2 s.
fn setup(scripts: usize) -> Setup {
    let scripts = (0..scripts).map(|place| Script {
        interval: Span::from_secs(3),
        timeout: Span::from_secs(2),
        ..Script::new(Name::numbered(place))
    });
    Setup { configs: vec![Config { scripts: scripts.collect() }], ..Setup::default() }
}

fn trace(scripts: usize, wakes: Vec<Wake>) -> Trace {
    Trace::new(setup(scripts), wakes).expect("a valid trace")
}

/// The timeout of the first run and a reload fall into one wake.
fn one_wake(timer_first: bool) -> Trace {
    let wake = Wake::next_timer().hup(ConfigId(0));
    trace(1, vec![if timer_first { wake } else { wake.signals_first() }])
}

/// An ordinary sequence: exits, a timeout, a reload, exits.
fn busy() -> Trace {
    let after = |millis| Wake::new(Advance::By(Span::from_millis(millis)));
    let wakes = vec![
        after(100).exit(run(0, 0, 1), ExitStatus::SUCCESS).exit(run(2, 0, 1), ExitStatus::Code(1)),
        Wake::next_timer(),
        Wake::next_timer().signals_first(),
        after(700).hup(ConfigId(0)),
        after(10).exit(run(1, 1, 1), ExitStatus::SUCCESS),
        Wake::next_timer(),
        Wake::next_timer(),
    ];
    trace(4, wakes)
}

fn ran(program: &Program, traces: &[Trace], options: Options) -> Result<Vec<Ran>, Failed> {
    let rules = RulesAs::of(program.release());
    Ok(Engine::start(program)?.run(traces, &rules, options)?)
}

fn ensure(holds: bool, what: impl std::fmt::Debug) -> Checked {
    if holds { Ok(()) } else { Err(format!("{what:?}").into()) }
}

fn one_wake_crashes(program: &Program) -> Checked {
    let results = ran(program, &[one_wake(true)], Options::VERDICT)?;
    let verdict = &results[0].verdict;
    let expected = Outcome::Crashed { signal: Signal::SEGV, function: Some("rb_insert_color".to_owned()) };
    ensure(verdict.outcome == expected, &verdict.outcome)?;
    let names: Vec<_> = results[0].backtrace.iter().map(|it| it.function.as_deref().unwrap_or("?")).collect();
    // Our handler, which replaces the program's, lies between.
    let homes: Vec<_> = results[0].backtrace.iter().map(|it| it.home == Home::Program).collect();
    ensure(
        names[..2] == ["rb_insert_color", "thread_add_child"] && homes[..3] == [true, true, false],
        &names,
    )?;
    ensure(names.last() == Some(&"process_threads"), &names)?;
    let broken = verdict.memory_break().map(|broken| broken.signature.law);
    ensure(broken == Some(Law::NoDanglingNode), &verdict.breaks)
}

fn signals_first(program: &Program) -> Checked {
    let results = ran(program, &[one_wake(false)], Options::VERDICT)?;
    let verdict = &results[0].verdict;
    ensure(verdict.outcome.survived() && verdict.memory_break().is_none(), verdict)
}

fn around_a_crash(program: &Program) -> Checked {
    let traces = [busy(), one_wake(true), busy(), one_wake(true), one_wake(false), busy()];
    let together = ran(program, &traces, Options::HASHED)?;
    let alone = traces.iter().map(|trace| ran(program, std::slice::from_ref(trace), Options::HASHED));
    let alone: Vec<_> = alone.collect::<Result<Vec<_>, _>>()?.concat();
    ensure(together == alone, "a trace in a batch differs from the trace alone")
}

fn after_a_shutdown(program: &Program) -> Checked {
    let ends = trace(2, vec![Wake::new(Advance::By(Span::from_millis(500))).term(), Wake::next_timer()]);
    let results = ran(program, &[busy(), ends, busy()], Options::HASHED)?;
    ensure(results[0] == results[2], "the trace after the shutdown differs")
}

fn late_wake(program: &Program) -> Checked {
    use treefall::model::event::{Event, LogLine};
    let late = trace(1, vec![Wake::new(Advance::By(Span::from_millis(3_500)))]);
    let results = ran(program, &[late], Options::COMPARE)?;
    let by = Event::Logged(LogLine::Late { by: Span::from_millis(1_500) });
    let records = &results[0].records;
    ensure(records.iter().any(|record| record.event == by), records)
}

fn other_conditions(program: &Program) -> Checked {
    let environment = (0..50).map(|n| (OsString::from(format!("FILLER{n}")), OsString::from("x".repeat(n))));
    let other = Conditions { environment: environment.collect(), ..Conditions::default() };
    let rules = RulesAs::of(program.release());
    let here = ran(program, &[busy()], Options::HASHED)?;
    let there = Engine::start_under(program, &other)?.run(&[busy()], &rules, Options::HASHED)?;
    ensure(here == there, "the environment shows in the history")
}

fn fresh_process(program: &Program) -> Checked {
    let first = ran(program, &[busy(), one_wake(true)], Options::HASHED)?;
    let confirmed = ran(program, &[one_wake(true)], Options::HASHED)?;
    ensure(first[1] == confirmed[0], "a fresh process does otherwise")
}

fn unwatched(program: &Program) -> Checked {
    let watched = ran(program, &[busy()], Options::COMPARE)?;
    let unwatched = ran(program, &[busy()], Options::DIGEST)?;
    ensure(watched[0].counts == unwatched[0].counts, "watching changes the run")
}

/// Writes the embedded library to a file that exists as long as the result.
fn library() -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(LIBRARY)?;
    Ok(file)
}

fn other_programs() -> Checked {
    let script = "echo begun; (exit 3); echo $?; (sleep 0.01 & wait); test -r /etc/passwd && echo read; \
                  kill -0 $$ && echo alive; env | grep -c TREEFALL";
    let library = library()?;
    let says = |preload: bool| {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        if preload {
            command.env("LD_PRELOAD", library.path());
        }
        command.output()
    };
    let (with, without) = (says(true)?, says(false)?);
    ensure(with == without && with.stdout.starts_with(b"begun\n3\n"), &with)
}

fn not_meant() -> Checked {
    let library = library()?;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "echo $TREEFALL_ENGINE $LD_PRELOAD"]);
    command.env("TREEFALL_ENGINE", "0:1000:0:2000:3000").env("LD_PRELOAD", library.path());
    let output = command.output()?;
    let expected = format!("0:1000:0:2000:3000 {}\n", library.path().display());
    ensure(output.stdout == expected.as_bytes(), &output)
}
