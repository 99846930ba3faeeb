//! Tests the whole real daemon under a virtual clock: replica, engine and daemon of one release give the same
//! history.
//!
//! Needs a keepalived and a kernel that lets users create namespaces; without either, every test is ignored, with the
//! reason. Uses the programs of the suite `equality`. The long run is `treefall conform --target daemon:PATH --for
//! TIME`.

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use treefall::generator::generate;
use treefall::model::event::{End, Event, LogLine, Record, SubjectKind};
use treefall::model::id::{ConfigId, LinkId, StartNo};
use treefall::model::law::Law;
use treefall::model::observe::Options;
use treefall::model::release::{Behaviour, Defect, LinkDelays, Release, Rules};
use treefall::model::time::Span;
use treefall::model::trace::{Advance, Config, HeapPolicy, Link, Name, Script, Setup, Trace, Wake};
use treefall::oracle::{Agreement, Census, compare, compare_runs};
use treefall::scenario;
use treefall::subject::backtrace::{Frame, innermost};
use treefall::subject::engine::Conditions;
use treefall::subject::replica::run_replica_as;
use treefall::subject::target::{Place, Target};
use treefall::subject::{Subject, SubjectError, build, build_under};
use treefall::world::calls::Fate;

use crate::processes::{Process, listed, wait_until};
use crate::real::{self, Test};

const SEED: u64 = 20_260_201;
/// Traces of one comparison.
const TRACES: u64 = 120;
/// The parts of a daemon's run that can be compared with a replica.
const KEPT: Options = Options { keep: true, ..Options::DIGESTED };

pub(crate) fn trials() -> Vec<Trial> {
    real::trials(module_path!(), &TESTS, Target::Daemon)
}

const TESTS: [(&str, Test); 13] = [
    ("replica and daemon agree on random traces", agree),
    ("a wrong script layer is detected", wrong_is_detected),
    ("replica, engine and daemon agree on the crash of 2468", all_three_agree),
    ("a guarded heap shows the first use of the entry that 2468 frees", guarded_shows_first_use),
    ("a reload within an interface's delay shows the use of the freed timer", freed_delay_is_used),
    ("interfaces go down and up without delays and nothing breaks", interfaces_alone_are_harmless),
    ("a second start that fails leaves the first run running", failed_start_changes_nothing),
    ("a shutdown waits a second for the instance", shutdown_waits_for_the_instance),
    ("a daemon agrees with itself under other conditions", with_itself),
    ("a value that a daemon cannot have is refused by name", unfit_is_refused),
    ("nothing is left behind when treefall is gone", nothing_is_left),
    ("every call that the program imports is on a list", imports_are_known),
    ("the ledger has the calls of a run and their handling", ledger),
];

fn traces(subject: &dyn Subject, count: u64) -> Vec<Trace> {
    (0..count).map(|number| subject.fitted(generate(SEED, number))).collect()
}

/// Compares with a replica by `rules`; returns the census, and the first difference as text.
fn census(place: &Place, rules: Rules, count: u64) -> Result<(Census, Option<String>), Failed> {
    let mut daemon = build(&Target::Daemon(place.clone()))?;
    let traces = traces(daemon.as_ref(), count);
    let (mut census, mut first) = (Census::default(), None);
    for (number, (trace, mut ran)) in traces.iter().zip(daemon.run(&traces, KEPT)?).enumerate() {
        let copy = run_replica_as(SubjectKind::Daemon, trace, rules, KEPT);
        let agreement = compare(SubjectKind::Daemon, &copy, &ran);
        ran.counts.timeouts = copy.counts.timeouts;
        census.add(trace, &agreement, &ran);
        if let Agreement::Differs(difference) = agreement {
            first.get_or_insert_with(|| format!("trace {number} of seed {SEED}: {difference}"));
        }
    }
    Ok((census, first))
}

/// One script whose timeout falls into the wake of a reload, timer first, with a guarded heap.
fn guarded_crash() -> Trace {
    let script = Script {
        interval: Span::from_secs(3),
        timeout: Span::from_secs(2),
        ..Script::new(Name::numbered(0))
    };
    let configs = vec![Config { scripts: vec![script] }];
    let setup = Setup { configs, heap: HeapPolicy::Guarded, ..Setup::default() };
    Trace::new(setup, vec![Wake::next_timer().hup(ConfigId(0))]).expect("valid")
}

fn guarded_shows_first_use(place: &Place, release: Release) -> Result<(), Failed> {
    let mut daemon = build(&Target::Daemon(place.clone()))?;
    let trace = guarded_crash();
    let ran = daemon.run(&[trace.clone(), trace], Options::DIGESTED)?;
    if ran[0] != ran[1] || ran[0].life != ran[1].life {
        return Err("the second run differs".into());
    }
    let ran = &ran[0];
    if !release.defects().has(Defect::ReloadFreesQueuedTimeout) {
        let clean = ran.used_after_free.is_none() && ran.verdict.outcome.survived();
        return if clean { Ok(()) } else { Err(format!("{:?}", ran.verdict).into()) };
    }
    let named = |frames: &[Frame], name: &str| frames.iter().any(|it| it.function.as_deref() == Some(name));
    let shown = ran.used_after_free.is_some()
        && innermost(&ran.backtrace) == Some("thread_add_child")
        && named(&ran.life.handed_out, "thread_add_child")
        && named(&ran.life.freed, "thread_cleanup_master");
    if shown { Ok(()) } else { Err(format!("{ran:?}").into()) }
}

/// An interface that goes down, a reload within the delay, and the interface comes up: three events.
fn reload_within_delay(down_delay: Span) -> Trace {
    let link = Link { down_delay, ..Link::new(Name::new("lo").expect("a name")) };
    let configs = vec![Config::default()];
    let setup = Setup { configs, heap: HeapPolicy::Guarded, links: vec![link], ..Setup::default() };
    let second = || Wake::new(Advance::By(Span::from_secs(1)));
    let wakes = vec![
        second().link(LinkId(0), false),
        second().hup(ConfigId(0)).link(LinkId(0), true),
        second().link(LinkId(0), false).link(LinkId(0), true),
    ];
    Trace::new(setup, wakes).expect("valid")
}

fn freed_delay_is_used(place: &Place, release: Release) -> Result<(), Failed> {
    let mut daemon = build(&Target::Daemon(place.clone()))?;
    let trace = reload_within_delay(Span::from_secs(3));
    if Behaviour::of(release).link_delays == LinkDelays::Unknown {
        let refused = daemon.run_one(&trace, Options::VERDICT).is_err_and(|error| error.is_unfit());
        return if refused { Ok(()) } else { Err("delays that the release does not know are taken".into()) };
    }
    let ran = daemon.run(&[trace.clone(), trace], Options::DIGESTED)?;
    if ran[0] != ran[1] || ran[0].life != ran[1].life {
        return Err("the second run differs".into());
    }
    let ran = &ran[0];
    let named = |frames: &[Frame], name: &str| frames.iter().any(|it| it.function.as_deref() == Some(name));
    let shown = ran.used_after_free.is_some()
        && ran.verdict.breaks.iter().any(|it| it.signature.law == Law::NoUseAfterFree)
        && innermost(&ran.backtrace) == Some("thread_cancel")
        && !ran.life.handed_out.is_empty()
        && named(&ran.life.freed, "thread_cleanup_master");
    if shown { Ok(()) } else { Err(format!("{ran:?}").into()) }
}

fn interfaces_alone_are_harmless(place: &Place, _: Release) -> Result<(), Failed> {
    let mut daemon = build(&Target::Daemon(place.clone()))?;
    let ran = daemon.run_one(&reload_within_delay(Span::ZERO), KEPT)?;
    let read = |record: &Record| match record.event {
        Event::LinkRead { up, .. } => Some(up),
        _ => None,
    };
    let states: Vec<bool> = ran.records.iter().filter_map(read).collect();
    let clean = ran.verdict.breaks.is_empty() && ran.verdict.outcome.survived();
    let told = states == [false, true, false, true];
    if clean && told { Ok(()) } else { Err(format!("{states:?}, {:?}", ran.verdict).into()) }
}

fn agree(place: &Place, release: Release) -> Result<(), Failed> {
    let (census, first) = census(place, Rules::of(release), TRACES)?;
    println!("{release}: {census:?}");
    if let Some(first) = first {
        return Err(format!("{} of {TRACES} traces differ; {first}", census.different).into());
    }
    // A comparison without the interesting events proves nothing.
    if census.with_all_three * 2 < TRACES {
        return Err(format!("only {} hold a reload, a timeout and an exit", census.with_all_three).into());
    }
    let breaks_memory = release.defects().has(Defect::ReloadFreesQueuedTimeout);
    if breaks_memory && census.with_memory_break * 10 < TRACES {
        return Err(format!("only {} traces break a memory law", census.with_memory_break).into());
    }
    Ok(())
}

/// Defects of the script layer, which only the daemon can prove, and one of the scheduler.
fn wrong_is_detected(place: &Place, release: Release) -> Result<(), Failed> {
    let right = Rules::of(release);
    let flip = |defect| if right.has(defect) { right.without(defect) } else { right.with(defect) };
    let mut caught = 0;
    for defect in [
        Defect::SkippedRunStillStarts,
        Defect::LostChildRetriedForEver,
        Defect::ReloadEatsTermination,
        Defect::ReloadSkipsQueuedTimeout,
    ] {
        let wrong = flip(defect);
        let number = (0..2_000).find(|number| shows(*number, right, wrong));
        let Some(number) = number else {
            // A rule without effect in a release cannot be detected.
            println!("{release}: {} makes no difference to 2,000 traces", defect.name());
            continue;
        };
        let mut daemon = build(&Target::Daemon(place.clone()))?;
        let trace = daemon.fitted(generate(SEED, number));
        let ran = daemon.run_one(&trace, KEPT)?;
        let agrees = |rules| {
            let copy = run_replica_as(SubjectKind::Daemon, &trace, rules, KEPT);
            !matches!(compare(SubjectKind::Daemon, &copy, &ran), Agreement::Differs(_))
        };
        if !agrees(right) || agrees(wrong) {
            return Err(
                format!("trace {number}: the daemon does not side with {} as it is", defect.name()).into()
            );
        }
        caught += 1;
    }
    if caught >= 2 {
        Ok(())
    } else {
        Err(format!("only {caught} wrong layers were there to be caught").into())
    }
}

/// Reports whether right and wrong rules give different results for a trace, before a freed entry is used.
fn shows(number: u64, right: Rules, wrong: Rules) -> bool {
    let trace = treefall::subject::daemon::config::nearest(generate(SEED, number), right);
    let of = |rules| run_replica_as(SubjectKind::Daemon, &trace, rules, KEPT);
    let (one, other) = (of(right), of(wrong));
    one.first_use.is_none() && other.first_use.is_none() && one.records != other.records
}

fn all_three_agree(place: &Place, release: Release) -> Result<(), Failed> {
    let file =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/queued-timeout-and-reload/timer-first.toml");
    let trace = scenario::load(Path::new(file)).map_err(|error| error.to_string())?.trace;
    let replica = run_replica_as(SubjectKind::Replica, &trace, Rules::of(release), KEPT);
    let engine = build(&Target::Engine(place.clone()))?.run_one(&trace, KEPT)?;
    let daemon = build(&Target::Daemon(place.clone()))?.run_one(&trace, KEPT)?;
    let shown = |records: &[Record]| -> Vec<Record> {
        let shown = records.iter().filter(|record| record.event.shown_by(SubjectKind::Daemon));
        shown.copied().collect()
    };
    if shown(&replica.records) != daemon.records || shown(&engine.records) != daemon.records {
        return Err(format!("the three differ: {:?}", daemon.records).into());
    }
    let broken = |ran: &treefall::subject::Ran| -> Vec<_> {
        ran.verdict.breaks.iter().map(|broken| (broken.signature.law, broken.at)).collect()
    };
    if broken(&replica) != broken(&daemon) || broken(&engine) != broken(&daemon) {
        return Err(format!("the three break different laws: {:?}", daemon.verdict).into());
    }
    let dies = release.defects().has(Defect::ReloadFreesQueuedTimeout);
    if dies == engine.verdict.outcome.survived() || dies == daemon.verdict.outcome.survived() {
        return Err(format!("engine {}, daemon {}", engine.verdict.outcome, daemon.verdict.outcome).into());
    }
    Ok(())
}

/// According to keepalived.md, a failed start leaves the script idle; if runs overlap, the daemon behaves
/// differently.
fn failed_start_changes_nothing(place: &Place, release: Release) -> Result<(), Failed> {
    let script = Script { timeout: Span::from_secs(9), ..Script::new(Name::numbered(0)) };
    let setup = Setup {
        configs: vec![Config { scripts: vec![script] }],
        fork_failures: [StartNo(1)].into(),
        ..Setup::default()
    };
    let trace = Trace::new(setup, vec![Wake::next_timer(); 3])?;
    let ran = build(&Target::Daemon(place.clone()))?.run_one(&trace, KEPT)?;
    let skips =
        ran.records.iter().filter(|record| matches!(record.event, Event::Logged(LogLine::Skipped { .. })));
    let skips: Vec<_> = skips.map(|record| record.at.as_micros()).collect();
    let failed = ran.counts.failed_starts > 0;
    if skips != [1_000_000, 2_000_000, 3_000_000]
        || failed != release.defects().has(Defect::SkippedRunStillStarts)
    {
        return Err(format!("skipped at {skips:?}, failed {failed}: {:?}", ran.records).into());
    }
    Ok(())
}

fn shutdown_waits_for_the_instance(place: &Place, _: Release) -> Result<(), Failed> {
    let setup = Setup { configs: vec![Config::default()], ..Setup::default() };
    let wakes =
        vec![Wake::new(Advance::By(Span::from_secs(5))).term(), Wake::next_timer(), Wake::next_timer()];
    let trace = Trace::new(setup, wakes)?;
    let ran = build(&Target::Daemon(place.clone()))?.run_one(&trace, KEPT)?;
    let ended = ran.records.last().map(|record| (record.at.as_micros(), record.event));
    if ended == Some((6_000_000, Event::Ended(End::LoopReturned))) {
        return Ok(());
    }
    Err(format!("it ended with {ended:?}").into())
}

fn with_itself(place: &Place, _: Release) -> Result<(), Failed> {
    let target = Target::Daemon(place.clone());
    let other = Conditions {
        environment: vec![
            ("TZ".into(), "Pacific/Chatham".into()),
            ("FILLER".into(), "x".repeat(3_000).into()),
        ],
        fixed_addresses: true,
        ..Conditions::default()
    };
    let (mut one, mut two) = (build(&target)?, build_under(&target, &other)?);
    let traces = traces(one.as_ref(), 40);
    let backwards: Vec<Trace> = traces.iter().rev().cloned().collect();
    let (first, second) = (one.run(&traces, Options::HASHED)?, two.run(&backwards, Options::HASHED)?);
    for (number, (one, two)) in first.iter().zip(second.iter().rev()).enumerate() {
        compare_runs(one, two).map_err(|difference| format!("trace {number}: {difference}"))?;
    }
    Ok(())
}

fn unfit_is_refused(place: &Place, _: Release) -> Result<(), Failed> {
    let mut daemon = build(&Target::Daemon(place.clone()))?;
    let mut unfit = 0;
    for number in 0..200 {
        let trace = generate(SEED, number);
        let fits = daemon.fitted(trace.clone()) == trace;
        match daemon.run_one(&trace, Options::EVENTS) {
            Ok(_) if fits => {}
            Err(SubjectError::Daemon(error)) if !fits => {
                unfit += 1;
                if !error.to_string().contains("the daemon cannot play this trace") {
                    return Err(error.to_string().into());
                }
            }
            other => return Err(format!("trace {number}, fits {fits}: {other:?}").into()),
        }
        if unfit == 5 {
            return Ok(());
        }
    }
    Err(format!("only {unfit} traces were none for a daemon").into())
}

fn imports_are_known(place: &Place, _: Release) -> Result<(), Failed> {
    let program = place.open()?;
    for kind in [SubjectKind::Engine, SubjectKind::Daemon] {
        let imports = program.imports(kind);
        if !imports.unknown.is_empty() || imports.virtuals.len() < 20 || imports.forbidden.len() < 5 {
            return Err(format!("{kind:?}: {imports:?}").into());
        }
    }
    Ok(())
}

/// A reload with a running script, valid on any release.
fn ledger(place: &Place, _: Release) -> Result<(), Failed> {
    let script = Script { timeout: Span::from_secs(9), ..Script::new(Name::numbered(0)) };
    let setup = Setup { configs: vec![Config { scripts: vec![script] }], ..Setup::default() };
    let trace = Trace::new(setup, vec![Wake::next_timer(), Wake::next_timer().hup(ConfigId(0))])?;
    let mut daemon = build(&Target::Daemon(place.clone()))?;
    if !daemon.run_one(&trace, KEPT)?.ledger.is_empty() {
        return Err("calls are reported that nobody asked for".into());
    }
    daemon.keep_ledger(true);
    let (one, two) = (daemon.run_one(&trace, KEPT)?.ledger, daemon.run_one(&trace, KEPT)?.ledger);
    let times = |name: &str, fate: Fate| {
        one.iter().find(|call| call.name == name && call.fate == fate).map_or(0, |call| call.times)
    };
    let virtuals = ["fork", "epoll_wait", "clock_gettime", "kill", "__vsyslog_chk"];
    let through = ["socket", "sendto", "close (real)"];
    let all = virtuals.iter().all(|name| times(name, Fate::Virtual) > 0)
        && through.iter().all(|name| times(name, Fate::LetThrough) > 0);
    let forbidden = one.iter().any(|call| call.fate == Fate::Forbidden);
    // It blocks after the start, after each wake, and after the reload once more for the queued work.
    if one != two || !all || forbidden || times("epoll_wait", Fate::Virtual) < 3 {
        return Err(format!("{one:?}; again: {two:?}").into());
    }
    Ok(())
}

/// A treefall that is killed while a daemon works leaves no process.
fn nothing_is_left(place: &Place, _: Release) -> Result<(), Failed> {
    let mut treefall = std::process::Command::new(env!("CARGO_BIN_EXE_treefall"))
        .args([
            "conform",
            "--for",
            "1h",
            "--jobs",
            "1",
            "--seed",
            "9",
            "--target",
            &format!("daemon:{place}"),
        ])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()?;
    let family = || {
        let all = family_of(treefall.id());
        all.into_iter().filter_map(Process::of).collect::<Vec<_>>()
    };
    // setpriv or unshare, and the first process in the namespaces.
    let started = wait_until(|| family().len() >= 2);
    let family = family();
    treefall.kill()?;
    treefall.wait()?;
    if !started {
        return Err("no daemon was started".into());
    }
    let left = || family.iter().filter(|process| process.is_there()).cloned().collect::<Vec<_>>();
    let gone = wait_until(|| left().is_empty());
    if gone { Ok(()) } else { Err(format!("left:{}", listed(&left())).into()) }
}

fn children_of(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// Returns the descendants.
fn family_of(pid: u32) -> Vec<u32> {
    let mut family = Vec::new();
    let mut waiting = children_of(pid);
    while let Some(next) = waiting.pop() {
        waiting.extend(children_of(next));
        family.push(next);
    }
    family
}
