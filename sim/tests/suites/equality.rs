//! Compares the replica with the real program of its release, trace by trace: they must agree, and a replica with one
//! flipped rule must be detected.
//!
//! Needs an installed keepalived; without one, every test is ignored, with the reason. Further programs in other root
//! folders come from `TREEFALL_ROOTS`, a list separated by `:`, and from the cache of `treefall roots fetch`. The
//! long run is `treefall conform`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};
use treefall::generator::{Source, generate};
use treefall::model::event::{End, EntryKind, Event, Record, SubjectKind};
use treefall::model::observe::Options;
use treefall::model::release::{Behaviour, Defect, Release, Rules};
use treefall::model::time::Span;
use treefall::model::trace::{Config, Costs, Name, Script, Setup, Trace, Wake};
use treefall::oracle::{Agreement, Census, compare, compare_runs};
use treefall::roots::find_programs;
use treefall::scenario;
use treefall::subject::engine::Conditions;
use treefall::subject::replica::run_replica;
use treefall::subject::target::{Place, Target};
use treefall::subject::{Ran, build, build_under};

/// Traces of one comparison.
const TRACES: u64 = 600;
/// Traces that must suffice to detect a wrong replica.
const WRONG_TRACES: u64 = 200;
/// Seed of the campaign.
const SEED: u64 = 20_260_101;

pub(crate) fn trials() -> Vec<Trial> {
    let places = places();
    assert!(
        !places.is_empty() || std::env::var_os("TREEFALL_REQUIRE_REAL").is_none(),
        "TREEFALL_REQUIRE_REAL is set and no keepalived is installed"
    );
    if places.is_empty() { ignored() } else { places.iter().flat_map(of_program).collect() }
}

fn places() -> Vec<Place> {
    let roots = std::env::var_os("TREEFALL_ROOTS").unwrap_or_default();
    let roots: Vec<PathBuf> =
        std::env::split_paths(&roots).filter(|root| !root.as_os_str().is_empty()).collect();
    let inside = roots.into_iter().map(|root| Place::inside(root, "/usr/sbin/keepalived"));
    // Programs that report the same version are the same program: one is enough.
    let mut seen = Vec::new();
    let banner = |place: &Place| Some(place.open().ok()?.banner().to_owned());
    let all = find_programs().into_iter().chain(inside);
    all.filter(|place| {
        let banner = banner(place);
        let new = banner.is_none() || !seen.contains(&banner);
        seen.push(banner);
        new
    })
    .collect()
}

fn ignored() -> Vec<Trial> {
    let names = [
        "replica and program agree",
        "a wrong replica is caught",
        "a program agrees with itself",
        "an overloaded loop ends at the same record",
        "both end when virtual time is used up",
        "cancelled entries agree",
        "a node that is its own child agrees",
    ];
    let ignore = |name: &&str| {
        trial!(*name, || Ok(())).with_ignored_flag(true).with_kind("ignored: no keepalived is installed")
    };
    names.iter().map(ignore).collect()
}

fn of_program(place: &Place) -> Vec<Trial> {
    let program = place.open().expect("the real program opens");
    let release = program.release();
    let target = Target::Engine(place.clone());
    let [one, two, three, four, five, six] = std::array::from_fn(|_| target.clone());
    vec![
        trial!(format!("{release}: replica and program agree"), move || agree(&one, release)),
        trial!(format!("{release}: a wrong replica is caught"), move || wrong_is_detected(&two, release)),
        trial!(format!("{release}: a program agrees with itself"), move || with_itself(&three)),
        trial!(format!("{release}: an overloaded loop ends at the same record"), move || {
            overrun(&four, release)
        }),
        trial!(format!("{release}: both end when virtual time is used up"), move || {
            end_of_time(&five, release)
        }),
        trial!(format!("{release}: cancelled entries agree"), move || cancelled(&six, release)),
        trial!(format!("{release}: a node that is its own child agrees"), move || {
            own_child(&target, release)
        }),
    ]
}

/// Compares the first `traces` traces of the campaign; returns the census, and the first difference as text.
fn census(target: &Target, rules: Rules, traces: u64) -> Result<(Census, Option<String>), Failed> {
    census_of(Source::swarm(SEED), target, rules, traces, |_| {})
}

/// Compares any traces, and passes on the runs of the real program.
fn census_of(
    source: Source,
    target: &Target,
    rules: Rules,
    traces: u64,
    mut tell: impl FnMut(&Ran),
) -> Result<(Census, Option<String>), Failed> {
    let mut real = build(target)?;
    let traces: Vec<_> = (0..traces).map(|number| source.trace(number)).collect();
    let mut census = Census::default();
    let mut first = None;
    for (number, (trace, real)) in traces.iter().zip(real.run(&traces, Options::COMPARE)?).enumerate() {
        tell(&real);
        let agreement = compare(SubjectKind::Engine, &run_replica(trace, rules, Options::COMPARE), &real);
        census.add(trace, &agreement, &real);
        if let Agreement::Differs(difference) = agreement {
            first.get_or_insert_with(|| format!("trace {number} of seed {SEED}: {difference}"));
        }
    }
    Ok((census, first))
}

fn agree(target: &Target, release: Release) -> Result<(), Failed> {
    let (census, first) = census(target, Rules::of(release), TRACES)?;
    println!("{release}: {census:?}");
    if let Some(first) = first {
        return Err(format!("{} of {TRACES} traces differ; {first}", census.different).into());
    }
    // A comparison without the interesting events proves nothing.
    if census.with_all_three * 2 < TRACES {
        return Err(
            format!("only {} traces hold a reload, a timeout and an exit", census.with_all_three).into()
        );
    }
    let breaks_memory = release.defects().has(Defect::ReloadFreesQueuedTimeout);
    if breaks_memory && census.with_memory_break * 10 < TRACES {
        return Err(format!("only {} traces break a memory law", census.with_memory_break).into());
    }
    Ok(())
}

/// Returns the rules with one of them flipped, each with its name.
fn wrong_rules(release: Release) -> Vec<(&'static str, Rules)> {
    let right = Rules::of(release);
    let other = |release: Release| Behaviour::of(release);
    let (oldest, newest) = (other(Release::OLDEST), other(Release::NEWEST));
    let mut wrong = Vec::new();
    let mut flip = |what, behaviour: Behaviour| {
        if behaviour != right.behaviour {
            wrong.push((what, Rules { behaviour, ..right }));
        }
    };
    let flipped = |from: &Behaviour| {
        if right.behaviour.equal_keys == from.equal_keys { None } else { Some(from.equal_keys) }
    };
    if let Some(equal_keys) = flipped(&oldest).or(flipped(&newest)) {
        flip("the tie order", Behaviour { equal_keys, ..right.behaviour });
    }
    for defect in
        [Defect::ReloadSkipsQueuedTimeout, Defect::ReloadForgetsChildren, Defect::ReloadRestartsGrace]
    {
        let rules = if right.has(defect) { right.without(defect) } else { right.with(defect) };
        wrong.push((defect.name(), rules));
    }
    wrong
}

fn wrong_is_detected(target: &Target, release: Release) -> Result<(), Failed> {
    let mut caught = 0;
    for (what, rules) in wrong_rules(release) {
        // A rule may depend on another: without rescheduling at a reload, no grace period restarts there.
        if (0..WRONG_TRACES).all(|number| same_replica(number, Rules::of(release), rules)) {
            continue;
        }
        let (census, _) = census(target, rules, WRONG_TRACES)?;
        if census.different == 0 {
            return Err(
                format!("a replica with {what} flipped agrees on all of {} traces", census.traces).into()
            );
        }
        caught += 1;
    }
    if caught >= 3 {
        Ok(())
    } else {
        Err(format!("only {caught} wrong replicas were there to be caught").into())
    }
}

/// Callbacks of six scripts take longer than their interval: if each tick starts a run, the loop never rests again.
/// That is no hang, and both report it at the same record. A release that skips a run while the last one is alive
/// reaches the end of the trace.
fn overrun(target: &Target, release: Release) -> Result<(), Failed> {
    let script = |place| Script {
        interval: Span::from_millis(100),
        timeout: Span::from_secs(1),
        ..Script::new(Name::numbered(place))
    };
    let costs = Costs { callback: Span::from_millis(20), ..Costs::default() };
    let configs = vec![Config { scripts: (0..6).map(script).collect() }];
    let trace = Trace::new(Setup { configs, costs, ..Setup::default() }, vec![Wake::next_timer(); 100])?;
    let real = build(target)?.run_one(&trace, Options::COMPARE)?;
    let replica = run_replica(&trace, Rules::of(release), Options::COMPARE);
    if let Agreement::Differs(difference) = compare(SubjectKind::Engine, &replica, &real) {
        return Err(difference.to_string().into());
    }
    let starts = release.defects().has(Defect::SkippedRunStillStarts);
    let end = Event::Ended(if starts { End::Overrun } else { End::TraceExhausted });
    let last = real.records.last().map(|record| record.event);
    let as_it_should = last == Some(end) && real.verdict.outcome.survived();
    if as_it_should { Ok(()) } else { Err(format!("it ends by {last:?}, {}", real.verdict.outcome).into()) }
}

/// Wakes of a script with the longest interval: both end before a deadline would overflow.
fn end_of_time(target: &Target, release: Release) -> Result<(), Failed> {
    let script = Script { interval: Span::MAX, timeout: Span::MAX, ..Script::new(Name::numbered(0)) };
    let setup = Setup { configs: vec![Config { scripts: vec![script] }], ..Setup::default() };
    let trace = Trace::new(setup, vec![Wake::next_timer(); 120])?;
    let real = build(target)?.run_one(&trace, Options::COMPARE)?;
    let replica = run_replica(&trace, Rules::of(release), Options::COMPARE);
    if let Agreement::Differs(difference) = compare(SubjectKind::Engine, &replica, &real) {
        return Err(difference.to_string().into());
    }
    let mended = run_replica(&trace, Rules::mended(), Options::COMPARE);
    for (whose, ran) in [("program", &real), ("mended replica", &mended)] {
        let last = ran.records.last().map(|record| record.event);
        if last != Some(Event::Ended(End::EndOfTime)) {
            return Err(format!("the {whose} ends by {last:?}").into());
        }
    }
    if mended.verdict.is_clean() { Ok(()) } else { Err(format!("{:?}", mended.verdict).into()) }
}

/// Cancels entries wherever a run's entry can be; both must agree on the results, and a replica that removes the
/// entry from the pid tree differently must be detected.
fn cancelled(target: &Target, release: Release) -> Result<(), Failed> {
    let source = Source::swarm(SEED).cancelling();
    let mut by_kind: BTreeMap<EntryKind, u64> = BTreeMap::new();
    let rules = Rules::of(release);
    let (census, first) = census_of(source, target, rules, TRACES, |ran| {
        let kind = |record: &Record| match record.event {
            Event::Cancelled { entry, .. } => Some(entry),
            _ => None,
        };
        ran.records.iter().filter_map(kind).for_each(|kind| *by_kind.entry(kind).or_default() += 1);
    })?;
    println!("{release}: {census:?}; cancelled {by_kind:?}");
    if let Some(first) = first {
        return Err(format!("{} of {TRACES} traces differ; {first}", census.different).into());
    }
    for kind in [EntryKind::Child, EntryKind::ChildTimeout, EntryKind::ChildTerminated] {
        let times = by_kind.get(&kind).copied().unwrap_or(0);
        if times < 20 {
            return Err(format!("an entry of kind {} was cancelled {times} times", kind.name()).into());
        }
    }
    let defect = Defect::CancelLeavesPidEntry;
    let wrong = if rules.has(defect) { rules.without(defect) } else { rules.with(defect) };
    let (census, _) = census_of(source, target, wrong, WRONG_TRACES, |_| {})?;
    if census.different == 0 {
        return Err(
            format!("a replica with {defect} flipped agrees on all of {} traces", census.traces).into()
        );
    }
    Ok(())
}

/// A tree in which the successor of an erased node is its own child: long after the violation, the program still does
/// what the replica does, up to the crash or hang.
fn own_child(target: &Target, release: Release) -> Result<(), Failed> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/cancelled-entry/node-its-own-child.toml");
    let trace = scenario::load(&path)?.trace;
    let real = build(target)?.run_one(&trace, Options::COMPARE)?;
    let replica = run_replica(&trace, Rules::of(release), Options::COMPARE);
    match compare(SubjectKind::Engine, &replica, &real) {
        Agreement::Whole => Ok(()),
        Agreement::UpToFirstUse => Err("no freed entry is used in it".into()),
        Agreement::Differs(difference) => Err(difference.to_string().into()),
    }
}

fn same_replica(number: u64, one: Rules, other: Rules) -> bool {
    let trace = generate(SEED, number);
    run_replica(&trace, one, Options::COMPARE).records == run_replica(&trace, other, Options::COMPARE).records
}

fn with_itself(target: &Target) -> Result<(), Failed> {
    let traces: Vec<_> = (0..TRACES).map(|number| generate(SEED, number)).collect();
    let filler = (0..40).map(|n| (format!("FILLER_{n}").into(), "x".repeat(n * 13).into()));
    let changed =
        Conditions { environment: filler.collect(), fixed_addresses: true, ..Conditions::default() };
    let once = build(target)?.run(&traces, Options::HASHED)?;
    let backwards: Vec<_> = traces.iter().rev().cloned().collect();
    let again = build_under(target, &changed)?.run(&backwards, Options::HASHED)?;
    for (number, (one, other)) in once.iter().zip(again.iter().rev()).enumerate() {
        let same: Result<(), _> = compare_runs(one, other);
        if let Err(difference) = same {
            return Err(format!("trace {number} of seed {SEED}: {difference}").into());
        }
        // Not part of the comparison, but of the reports, which must not change between two runs.
        if one.backtrace != other.backtrace || one.verdict != other.verdict {
            let (one, other) = ((&one.backtrace, &one.verdict), (&other.backtrace, &other.verdict));
            return Err(format!("trace {number} of seed {SEED}: {one:?} is not {other:?}").into());
        }
    }
    let compared: u64 = once.iter().map(|ran: &Ran| ran.counts.records).sum();
    println!("{compared} records, twice");
    Ok(())
}
