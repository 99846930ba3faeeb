//! `treefall check`: compares a new program with its reference, for a branch, a build, a bisection or CI.

mod answer;
mod objects;

use std::path::{Path, PathBuf};
use std::time::Duration;

use treefall_base::control::Control;
use treefall_field::regression::{
    CheckFailure, CheckFinding, CheckObserver, CheckSearch, Key, Lane, NOT_TESTED, Sides, misbehaviour,
    report, triage,
};
use treefall_model::event::SubjectKind;
use treefall_model::trace::Trace;
use treefall_model::verdict::{Signature, Weight};
use treefall_report::store::{FOUND, MINIMAL, REPORT, keep};
use treefall_report::{PipelineError, Store, slug};
use treefall_scenario::{self as scenario, Provenance, Scenario};
use treefall_search::generator::{self, Source};
use treefall_search::shrink::Size;
use treefall_subject::SubjectError;
use treefall_subject::daemon::DaemonError;
use treefall_subject::target::{Place, ReplicaName, Target};

use super::args::Check;
use super::interrupt::Stopwatch;
use super::junit::Junit;
use super::lines::JsonLine;
use super::output::{Output, count};
use super::progress::{Progress, ProgressLine};
use super::{CliError, Status, Summary, files, workers};
use answer::Answer;
use objects::{CheckSummary, LaneObject, WorseObject};
use treefall_report::provenance::quoted;

/// Default time for playing traces.
const FOR_DEFAULT: Duration = Duration::from_secs(60);
/// Most findings with triage for each pair of programs, so that the answer fits a screen.
const WORKED_OUT_MAX: usize = 2;

/// Lines of `--json`.
pub(super) const LINES: [JsonLine; 3] = [
    JsonLine::of::<WorseObject>("a finding"),
    JsonLine::of::<LaneObject>("one way to drive both"),
    JsonLine::of::<Summary<CheckSummary>>("summary"),
];

pub(super) fn run(args: &Check, output: &mut Output) -> Result<Status, CliError> {
    let mut junit = Junit::new("treefall check");
    let checked = check(args, &mut junit, output);
    if let Err(error) = &checked {
        junit.failed(&error.plain());
    }
    if let Some(path) = &args.junit {
        // The error that ended the check matters more than an unwritable JUnit file.
        junit.write(path, output).or_else(|error| if checked.is_ok() { Err(error) } else { Ok(()) })?;
    }
    match checked {
        Err(error) if args.bisect => {
            error.print(output);
            output.note("no clear answer whether this commit is good or bad: exit 125");
            Ok(Status::CannotTell)
        }
        checked => checked,
    }
}

fn check(args: &Check, junit: &mut Junit, output: &mut Output) -> Result<Status, CliError> {
    let store = Store::new(&args.out);
    store.check().map_err(|error| CliError::Usage(error.to_string()))?;
    let given = files::load_all(&args.only)?;
    let given: Vec<(String, Trace)> =
        given.into_iter().map(|(path, scenario)| (path.display().to_string(), scenario.trace)).collect();
    let pairs = pairs(args, output)?;
    let _lock = workers::lock(&args.out, output)?;
    let watch = Stopwatch::start();
    let StartedPairs { searches, refused, strays } = start_pairs(&pairs, args, output)?;
    let mut finding_store = FindingStore { store: &store };
    let searches = play(searches, &given, args, &mut finding_store, output)?;
    let mut parts = Vec::new();
    for mut search in searches {
        let findings = triage_all(&mut search, args, output)?;
        parts.push(LaneResult {
            sides: search.lane().sides().clone(),
            tally: search.tally().clone(),
            findings,
        });
    }
    output.clear();
    let stopped = workers::interrupted();
    let mut answer = Answer::of(&parts, &strays, args.against.is_some(), refused.is_some());
    if stopped {
        answer.stop();
    }
    let texts = keep_all(&parts, args, &store)?;
    print(&parts, &texts, &answer, (&strays, refused.as_deref()), output);
    for (sides, why) in &strays {
        junit.judged(&sides.to_string(), "before any trace", Some(why));
    }
    for (part, texts) in parts.iter().zip(&texts) {
        let suite = part.sides.to_string();
        let findings = part.findings.iter().zip(texts);
        findings.for_each(|(finding, text)| {
            junit.judged(&suite, &finding.seen.key.to_string(), Some(&text.text));
        });
        if part.findings.is_empty() {
            junit.judged(&suite, "side by side", None);
        }
    }
    conclude(&parts, &answer, refused.is_some(), watch.elapsed(), output);
    if stopped {
        output.error("stopped before all traces were played");
    }
    Ok(match (answer.is_bad(), stopped) {
        (true, _) => Status::Failure,
        (false, true) if args.bisect => Status::CannotTell,
        (false, true) => Status::Failure,
        // Nothing was compared.
        (false, false) if parts.iter().all(|part| part.tally.traces + part.tally.scenarios == 0) => {
            return Err(CliError::Usage(
                "nothing was played: neither program can play these scenarios".to_owned(),
            ));
        }
        (false, false) => Status::Good,
    })
}

/// A pair of programs with its result.
pub(super) struct LaneResult {
    pub(super) sides: Sides,
    pub(super) tally: treefall_field::regression::CheckResults,
    pub(super) findings: Vec<CheckFinding>,
}

/// Returns the pairs to compare.
fn pairs(args: &Check, output: &mut Output) -> Result<Vec<Sides>, CliError> {
    let new = named(&args.new, args, output)?;
    let old = match &args.against {
        Some(text) => named(text, args, output)?,
        None => vec![reference(&new[0])?],
    };
    let pair = |new: &Target| {
        let of_kind = old.iter().find(|old| old.kind() == new.kind());
        Sides::of(new.clone(), of_kind.unwrap_or(&old[0]).clone())
    };
    let mut pairs: Vec<Sides> = new.iter().filter_map(pair).collect();
    // A replica stands beside a program that is driven in both ways.
    if let ([Target::Replica(_)], [_, _]) = (new.as_slice(), old.as_slice()) {
        pairs = old.iter().filter_map(|old| Sides::of(new[0].clone(), old.clone())).collect();
    }
    if pairs.is_empty() {
        return Err(CliError::Usage(format!(
            "{} and {} are driven in different ways; name both as engine, both as daemon, or only their paths",
            new[0], old[0]
        )));
    }
    Ok(pairs)
}

/// Parses a target. A path stands for engine and daemon.
fn named(text: &str, args: &Check, output: &mut Output) -> Result<Vec<Target>, CliError> {
    let kind = text.split(':').next().unwrap_or_default();
    let is_path =
        !["replica", "engine", "daemon"].contains(&kind) && (text.contains('/') || Path::new(text).is_file());
    let names = match is_path {
        true => vec![format!("engine:{text}"), format!("daemon:{text}")],
        false => vec![text.to_owned()],
    };
    let targets = workers::driven(&names, args.driven, output)?;
    if !is_path && targets.len() > 1 {
        return Err(CliError::Usage(format!("{text} names several targets; check compares one with one")));
    }
    // Both ways to drive a program give the same warnings, so one is enough.
    if let Some(place) = targets[0].place() {
        place.open().map_err(|error| CliError::Usage(error.to_string()))?;
    }
    Ok(targets)
}

/// Returns the default reference of a program: a replica.
fn reference(new: &Target) -> Result<Target, CliError> {
    Ok(Target::Replica(match (new, new.place()) {
        (_, Some(place)) => ReplicaName::of(opened(place)?.release()),
        (Target::Replica(name), _) => ReplicaName { with: Vec::new(), without: Vec::new(), ..name.clone() },
        _ => ReplicaName::mended(),
    }))
}

fn opened(place: &Place) -> Result<treefall_subject::program::Program, CliError> {
    place.open().map_err(|error| CliError::Usage(error.to_string()))
}

/// The started pairs.
struct StartedPairs {
    searches: Vec<CheckSearch>,
    /// Reason why only the engine can be played here.
    refused: Option<String>,
    /// Pairs whose new program misbehaves before any trace, with the reason.
    strays: Vec<(Sides, String)>,
}

/// Starts the pairs.
fn start_pairs(pairs: &[Sides], args: &Check, output: &mut Output) -> Result<StartedPairs, CliError> {
    let (mut searches, mut refused, mut strays) = (Vec::new(), None, Vec::new());
    for sides in pairs {
        output.progress(format_args!("starting {sides}"));
        match Lane::start(sides) {
            Ok(lane) => searches.push(CheckSearch::new(lane, args.strict, Source::swarm(args.seed))),
            Err(error @ SubjectError::Daemon(DaemonError::Namespaces { .. })) if pairs.len() > 1 => {
                refused = Some(error.to_string());
            }
            Err(error) => {
                let why = misbehaviour(&error).map(str::to_owned);
                let alone = Sides { new: sides.old.clone(), ..sides.clone() };
                match why {
                    // The reference behaves correctly, so the new program is at fault.
                    Some(why) if Lane::start(&alone).is_ok() => strays.push((sides.clone(), why)),
                    _ => return Err(error.into()),
                }
            }
        }
    }
    Ok(StartedPairs { searches, refused, strays })
}

/// Returns how many traces to play together: fewer if they are slow, for timely checks of the limits.
const fn chunk(kind: SubjectKind) -> u64 {
    if matches!(kind, SubjectKind::Daemon) { 16 } else { 128 }
}

/// Plays the given or the known scenarios, then random traces, always on the pair that used less time.
fn play(
    searches: Vec<CheckSearch>,
    given: &[(String, Trace)],
    args: &Check,
    finding_store: &mut FindingStore<'_>,
    output: &mut Output,
) -> Result<Vec<CheckSearch>, CliError> {
    let limit = args.traces.is_none().then(|| args.duration.unwrap_or(FOR_DEFAULT));
    let (progress, watch) = (Progress::begin(limit), Stopwatch::start());
    let mut running: Vec<(CheckSearch, Duration)> =
        searches.into_iter().map(|search| (search, Duration::ZERO)).collect();
    for (search, took) in &mut running {
        let before = watch.elapsed();
        match given.is_empty() {
            true => search.play_known(finding_store)?,
            false => search.play_given(given.to_vec(), finding_store)?,
        }
        *took = watch.elapsed().saturating_sub(before);
    }
    while given.is_empty() && !workers::interrupted() && limit.is_none_or(|limit| watch.elapsed() < limit) {
        let traces: u64 = running.iter().map(|(search, _)| search.tally().traces).sum();
        let found: usize = running.iter().map(|(search, _)| search.tally().worse.len()).sum();
        let text = progress.done(traces, args.traces.map(|all| all * running.len() as u64), "trace");
        output.progress(format_args!("{}: {text}; {}", args.new, count(found as u64, "finding")));
        if args.bisect && found > 0 {
            break;
        }
        let left = |search: &CheckSearch| args.traces.map_or(u64::MAX, |all| all - search.tally().drawn);
        let open = running.iter_mut().filter(|(search, _)| !search.tally().is_enough() && left(search) > 0);
        let Some((search, took)) = open.min_by_key(|(_, took)| *took) else { break };
        let before = watch.elapsed();
        let many = chunk(search.lane().sides().kind).min(left(search));
        search.play_drawn(many, finding_store)?;
        *took += watch.elapsed().saturating_sub(before);
    }
    Ok(running.into_iter().map(|(search, _)| search).collect())
}

/// Ranks a finding; the lowest get triage first.
fn order(seen: &CheckFailure) -> (u8, Size) {
    let memory = |signature: Signature| signature.law.weight() == Weight::Memory;
    let rank = match seen.key {
        Key::Breaks(signature) if memory(signature) => 0,
        Key::Breaks(_) => 1,
        Key::NotDriven => 2,
        Key::Differs(_) => 3,
    };
    (rank, Size::of(&seen.trace))
}

fn triage_all(
    search: &mut CheckSearch,
    args: &Check,
    output: &mut Output,
) -> Result<Vec<CheckFinding>, CliError> {
    let mut seen: Vec<CheckFailure> = search.tally().worse.values().cloned().collect();
    seen.sort_by_key(order);
    seen.truncate(if args.bisect { 1 } else { WORKED_OUT_MAX });
    let closeness = search.closeness();
    let line = ProgressLine::new(output);
    let mut findings = Vec::new();
    for one in &seen {
        let what = || format!("{}: shrinking {}", args.new, one.key);
        let keep_going = |runs| line.keep_going(what, runs);
        findings.push(triage(search.lane(), closeness, one, Control::new(&keep_going))?);
    }
    Ok(findings)
}

/// Stores each finding before it is shrunk.
struct FindingStore<'s> {
    store: &'s Store,
}

/// Returns the folder of a finding.
fn folder(store: &Store, sides: &Sides, key: Key) -> PathBuf {
    store.target_folder(&sides.new.to_string()).join(slug(&key.to_string()))
}

impl CheckObserver for FindingStore<'_> {
    fn seen(&mut self, lane: &Lane, seen: &CheckFailure) -> Result<(), PipelineError> {
        let sides = lane.sides();
        let title = format!("{} on {}, as found", seen.key, sides.new);
        let path = folder(self.store, sides, seen.key).join(FOUND);
        keep(&path, &scenario_of(&title, sides, seen, &seen.trace))?;
        Ok(())
    }
}

/// Converts a trace to a scenario without expectations: `treefall check --only` compares it with the reference.
fn scenario_of(title: &str, sides: &Sides, seen: &CheckFailure, trace: &Trace) -> String {
    let mut one = Scenario::new(title, trace.clone());
    let drawn = match seen.origin {
        treefall_field::regression::TraceOrigin::Drawn(source, number) => Some((source.seed, number)),
        treefall_field::regression::TraceOrigin::Scenario(_) => None,
    };
    one.provenance = Provenance {
        seed: drawn.map(|(seed, _)| seed),
        trace: drawn.map(|(_, number)| number),
        generator: drawn.map(|_| u64::from(generator::VERSION)),
        found_by: Some("treefall check".to_owned()),
        found_on: Some(sides.new.to_string()),
    };
    scenario::write(&one)
}

/// Text of a finding, its folder, and the command that replays it.
pub(super) struct FindingText {
    pub(super) text: String,
    pub(super) replay: String,
    pub(super) folder: PathBuf,
}

/// Writes the smallest traces and the reports.
fn keep_all(parts: &[LaneResult], args: &Check, store: &Store) -> Result<Vec<Vec<FindingText>>, CliError> {
    let strict = if args.strict { " --strict" } else { "" };
    let one = |part: &LaneResult, finding: &CheckFinding| {
        let folder = folder(store, &part.sides, finding.seen.key);
        let path = folder.join(MINIMAL);
        let [new, old, file] =
            [part.sides.new.to_string(), part.sides.old.to_string(), path.display().to_string()]
                .map(|word| quoted(&word).to_string());
        let replay = format!("treefall check {new} --against {old} --only {file}{strict}");
        let text = format!("{}  again: {replay}\n", report(finding));
        let title = format!("{} on {}", finding.seen.key, part.sides.new);
        keep(&path, &scenario_of(&title, &part.sides, &finding.seen, &finding.trace))?;
        keep(&folder.join(REPORT), &text)?;
        Ok(FindingText { text, replay, folder })
    };
    parts.iter().map(|part| part.findings.iter().map(|finding| one(part, finding)).collect()).collect()
}

/// Prints the answer, then the results behind it.
fn print(
    parts: &[LaneResult],
    texts: &[Vec<FindingText>],
    answer: &Answer,
    (strays, refused): (&[(Sides, String)], Option<&str>),
    output: &mut Output,
) {
    output.heading(&answer.text);
    for (sides, why) in strays {
        output.line(format_args!("worse ({}): before any trace is played: {why}", sides.word()));
    }
    for (part, texts) in parts.iter().zip(texts) {
        for (finding, text) in part.findings.iter().zip(texts) {
            output.object(&WorseObject::new(finding, &text.folder, &text.replay));
            output.line(format_args!("worse ({}): {}", part.sides.word(), text.text.trim_end()));
        }
        let worked = |key: &Key| part.findings.iter().any(|finding| finding.seen.key == *key);
        let others: Vec<String> = part
            .tally
            .worse
            .iter()
            .filter(|(key, _)| !worked(key))
            .map(|(key, seen)| format!("{key} in {}", count(seen.times, "trace")))
            .collect();
        if !others.is_empty() {
            output.line(format_args!("also worse ({}): {}", part.sides.word(), others.join("; ")));
        }
        answer::print_rest(part, output);
        output.object(&LaneObject::new(
            part.sides.word(),
            part.sides.new.to_string(),
            part.sides.old.to_string(),
            &part.tally,
        ));
    }
    if let Some(why) = refused {
        output.line(format_args!("engine only: {why}"));
    }
    output.line(NOT_TESTED);
}

fn conclude(
    parts: &[LaneResult],
    answer: &Answer,
    engine_only: bool,
    elapsed: Duration,
    output: &mut Output,
) {
    output.conclude(&CheckSummary {
        answer: answer.word,
        text: answer.text.clone(),
        engine_only,
        worse: parts.iter().map(|part| part.tally.worse.len()).sum(),
        affected_by: answer.issues.clone(),
        scenarios: parts.iter().map(|part| part.tally.scenarios).sum(),
        traces: parts.iter().map(|part| part.tally.traces).sum(),
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        not_tested: NOT_TESTED,
    });
}
