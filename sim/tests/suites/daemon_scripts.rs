//! Tests the whole real daemon with scripts other than track scripts, and at its end: fifo scripts, a shutdown, and
//! both signals at once. Compares our script layer with it.
//!
//! Needs the same as the suite `daemon`; without it, every test is ignored, with the reason.

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use treefall::generator::generate;
use treefall::model::event::{Event, LogLine, Record, SubjectKind};
use treefall::model::id::{ConfigId, Run, ScriptId, StartNo};
use treefall::model::law::Law;
use treefall::model::observe::Options;
use treefall::model::release::{Defect, Release, Rules};
use treefall::model::signal::{ExitStatus, Signal};
use treefall::model::time::Span;
use treefall::model::trace::{
    Advance, Config, Habit, Name, OnTerm, Script, ScriptKind, Setup, Trace, Wake, run,
};
use treefall::oracle::{Agreement, compare};
use treefall::scenario;
use treefall::subject::replica::run_replica_as;
use treefall::subject::target::{Place, Target};
use treefall::subject::{Ran, build};

use crate::real::{self, Test};

const SEED: u64 = 20_261_125;
/// The parts of a daemon's run that can be compared with a replica.
const KEPT: Options = Options { keep: true, ..Options::DIGESTED };

pub(crate) fn trials() -> Vec<Trial> {
    real::trials(module_path!(), &TESTS, Target::Daemon)
}

const TESTS: [(&str, Test); 7] = [
    ("fifo scripts start while a configuration is put in force, before all others", fifos_start_first),
    ("only the next reload restarts a fifo script that ends", fifo_that_ends),
    ("replica and daemon agree on traces with fifo scripts", fifos_agree),
    ("too many starts end replica and daemon at the same record", too_many_starts),
    ("a shutdown ends with a stubborn child alive", shutdown_stops_before_ready),
    ("a SIGTERM read together with a SIGHUP is lost", reload_eats_termination),
    ("misc checks and a third fifo are refused by name", others_are_refused),
];

fn script(place: usize, kind: ScriptKind) -> Script {
    let (interval, timeout) = (Span::from_secs(9), Span::from_secs(8));
    Script { kind, interval, timeout, ..Script::new(Name::numbered(place)) }
}

/// Returns a track script, a fifo script that ignores SIGTERM, and one that does not.
fn three(change: impl FnOnce(&mut Setup)) -> Setup {
    let kinds = [ScriptKind::Track, ScriptKind::Fifo, ScriptKind::Fifo].into_iter().enumerate();
    let mut scripts: Vec<Script> = kinds.map(|(place, kind)| script(place, kind)).collect();
    scripts[1].habit = Habit { on_term: OnTerm::Ignores, ..Habit::default() };
    let mut setup = Setup { configs: vec![Config { scripts }], ..Setup::default() };
    change(&mut setup);
    setup
}

fn by(millis: u64) -> Wake {
    Wake::new(Advance::By(Span::from_millis(millis)))
}

/// Plays the trace on the daemon, and asserts that the replica agrees.
fn play(place: &Place, release: Release, trace: &Trace) -> Result<Ran, Failed> {
    let ran = build(&Target::Daemon(place.clone()))?.run_one(trace, KEPT)?;
    if let Agreement::Differs(difference) = against(trace, Rules::of(release), &ran) {
        return Err(format!("the replica differs: {difference}").into());
    }
    Ok(ran)
}

fn against(trace: &Trace, rules: Rules, ran: &Ran) -> Agreement {
    compare(SubjectKind::Daemon, &run_replica_as(SubjectKind::Daemon, trace, rules, KEPT), ran)
}

/// Returns starts and related events, with their milliseconds since the start of the trace.
fn starts(records: &[Record]) -> Vec<String> {
    let words = |event: Event| match event {
        Event::Started { run, .. } => Some(format!("{} of {} starts", run.of.script.0, run.of.generation.0)),
        Event::StartFailed { script, .. } => {
            Some(format!("{} of {} fails", script.script.0, script.generation.0))
        }
        Event::Logged(LogLine::ForkFailed { script }) => Some(format!("{} could not fork", script.script.0)),
        Event::ReloadBegun { .. } => Some("reload".to_owned()),
        Event::ReloadDone { .. } => Some("reloaded".to_owned()),
        _ => None,
    };
    let starts = |record: &Record| {
        words(record.event).map(|words| format!("{} {words}", record.at.as_micros() / 1_000))
    };
    records.iter().filter_map(starts).collect()
}

/// Each start takes a millisecond, so instants show the order too. One start fails while the process starts, one in
/// the reload.
fn fifos_start_first(place: &Place, release: Release) -> Result<(), Failed> {
    let setup = three(|setup| {
        setup.costs.start = Span::from_millis(1);
        setup.fork_failures = [StartNo(0), StartNo(4)].into();
    });
    let trace = Trace::new(setup, vec![by(1_000).hup(ConfigId(0)), by(10)])?;
    let starts = starts(&play(place, release, &trace)?.records);
    let expected = [
        "0 1 of 0 fails",
        "1 1 could not fork",
        "1 2 of 0 starts",
        "2 0 of 0 starts",
        "1003 reload",
        "1003 1 of 1 starts",
        "1004 2 of 1 fails",
        "1005 2 could not fork",
        "1005 reloaded",
        "1005 0 of 1 starts",
    ];
    if starts == expected { Ok(()) } else { Err(format!("{starts:#?}").into()) }
}

/// Its end starts nothing. The reload sends SIGTERM to the other one, as to any child in CHILD.
fn fifo_that_ends(place: &Place, release: Release) -> Result<(), Failed> {
    let ends = by(500).exit(run(2, 0, 1), ExitStatus::Code(3));
    let trace = Trace::new(three(|_| {}), vec![ends, by(500), by(500).hup(ConfigId(0)), by(10)])?;
    let ran = play(place, release, &trace)?;
    let starts = starts(&ran.records);
    let expected = [
        "0 1 of 0 starts",
        "0 2 of 0 starts",
        "0 0 of 0 starts",
        "1500 reload",
        "1500 1 of 1 starts",
        "1500 2 of 1 starts",
        "1500 reloaded",
        "1500 0 of 1 starts",
    ];
    let reaped =
        |record: &Record| matches!(record.event, Event::Reaped { run: ended, .. } if ended == run(2, 0, 1));
    let signalled = |place: u16| {
        let is = |of: Run| of.of.script == ScriptId(place) && of.of.generation.0 == 0;
        ran.records.iter().any(|it| matches!(it.event, Event::Signalled { run: Some(of), .. } if is(of)))
    };
    if starts != expected || !ran.records.iter().any(reaped) || !signalled(1) || signalled(2) {
        return Err(format!("{starts:#?}; {:?}", ran.records).into());
    }
    Ok(())
}

/// Replaces the fifo scripts by scripts that the dispatcher starts and that never run again, as a wrong world would
/// start fifo scripts.
fn from_the_dispatcher(trace: &Trace) -> Result<Trace, Failed> {
    let (mut setup, wakes) = trace.clone().into_parts();
    let scripts = setup.configs.iter_mut().flat_map(|config| &mut config.scripts);
    for script in scripts.filter(|script| script.kind == ScriptKind::Fifo) {
        let never = Span::from_secs(1_000_000);
        (script.kind, script.interval, script.timeout) = (ScriptKind::Track, never, never);
    }
    Ok(Trace::new(setup, wakes)?)
}

fn fifos_agree(place: &Place, release: Release) -> Result<(), Failed> {
    /// Traces of one comparison.
    const TRACES: usize = 40;
    let mut daemon = build(&Target::Daemon(place.clone()))?;
    let traces: Vec<Trace> = (0..2_000)
        .map(|number| daemon.fitted(generate(SEED, number)))
        .filter(|trace| trace.setup().has_kind(ScriptKind::Fifo))
        .take(TRACES)
        .collect();
    let ran = daemon.run(&traces, KEPT)?;
    let (mut caught, mut starts) = (0, 0);
    for (trace, ran) in traces.iter().zip(&ran) {
        if let Agreement::Differs(difference) = against(trace, Rules::of(release), ran) {
            return Err(format!("{difference}; {trace:?}").into());
        }
        starts += ran.counts.starts;
        let wrong = against(&from_the_dispatcher(trace)?, Rules::of(release), ran);
        caught += usize::from(matches!(wrong, Agreement::Differs(_)));
    }
    println!("{release}: {} traces, {starts} starts; the wrong world is caught in {caught}", ran.len());
    // One configuration of several may have the fifo script, and never be used.
    if ran.len() == TRACES && 2 * caught >= TRACES {
        Ok(())
    } else {
        Err(format!("caught in {caught}").into())
    }
}

/// On 2.1.5, a child's timeout follows the start that is too many, and the daemon still shows its signal.
fn too_many_starts(place: &Place, release: Release) -> Result<(), Failed> {
    let trace = build(&Target::Daemon(place.clone()))?.fitted(generate(5, 687));
    play(place, release, &trace).map(drop)
}

/// Asserts that the scenario violates `termination-honoured` on the daemon, as the rules of its release predict and
/// rules without the defect do not.
fn proves(place: &Place, release: Release, file: &str, defect: Defect) -> Result<Ran, Failed> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/shutdown").join(file);
    let trace = scenario::load(&file).map_err(|error| error.to_string())?.trace;
    let ran = play(place, release, &trace)?;
    let broken = ran.verdict.breaks_law(Law::TerminationHonoured);
    let rules = Rules::of(release);
    if !broken || !matches!(against(&trace, rules.without(defect), &ran), Agreement::Differs(_)) {
        return Err(format!("{} does not show: {:?}", defect.name(), ran.verdict).into());
    }
    Ok(ran)
}

fn shutdown_stops_before_ready(place: &Place, release: Release) -> Result<(), Failed> {
    let ran = proves(place, release, "stubborn-child.toml", Defect::ShutdownStopsBeforeReady)?;
    let signal = |record: &Record| match record.event {
        Event::Signalled { signal, run: Some(_), .. } => Some(signal),
        _ => None,
    };
    let signals: Vec<Signal> = ran.records.iter().filter_map(signal).collect();
    if signals == [Signal::TERM] { Ok(()) } else { Err(format!("{signals:?}; {:?}", ran.records).into()) }
}

fn reload_eats_termination(place: &Place, release: Release) -> Result<(), Failed> {
    let ran = proves(place, release, "hup-and-term-in-one-read.toml", Defect::ReloadEatsTermination)?;
    let begun = ran.records.iter().any(|record| record.event == Event::TerminationBegun);
    if begun || ran.counts.reloads != 1 || ran.counts.terms != 1 {
        return Err(format!("{:?}", ran.records).into());
    }
    Ok(())
}

fn others_are_refused(place: &Place, _: Release) -> Result<(), Failed> {
    let mut daemon = build(&Target::Daemon(place.clone()))?;
    let refused = [
        (vec![ScriptKind::Misc], "script s0 is a misc check, which keepalived's checker process runs"),
        (vec![ScriptKind::Cancelling], "script s0 cancels the entry of its last run"),
        (vec![ScriptKind::Fifo; 3], "script s2 is the third of its configuration that is a notify fifo's"),
    ];
    for (kinds, why) in refused {
        let scripts = kinds.into_iter().enumerate().map(|(place, kind)| script(place, kind)).collect();
        let setup = Setup { configs: vec![Config { scripts }], ..Setup::default() };
        let said = match daemon.run_one(&Trace::new(setup, Vec::new())?, KEPT) {
            Ok(_) => "it was played".to_owned(),
            Err(error) => error.to_string(),
        };
        if !said.contains(why) {
            return Err(said.into());
        }
    }
    Ok(())
}
