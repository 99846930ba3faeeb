//! `treefall replay`: runs scenario files on subjects and compares the results with their expectations.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::verdict::{Outcome, Weight};
use treefall_world::calls::Fate;

use super::args::{Driven, Replay};
use super::github::{self, Annotation};
use super::junit::Junit;
use super::lines::JsonLine;
use super::output::{Output, count};
use super::progress::Progress;
use super::{CliError, Status, Summary, all, files, workers};
use treefall_field::check::{Checked, check, never_started, replicas_of};
use treefall_report::{self as report, Length, Names};
use treefall_scenario::{self as scenario, Failure, Scenario};
use treefall_subject::engine::Conditions;
use treefall_subject::target::{Place, Target};
use treefall_subject::{Call, Options, Subject, SubjectError, backtrace, build, build_under, program};

/// A run. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct RunObject {
    scenario: String,
    target: String,
    as_expected: bool,
    expected: Option<String>,
    broken: Vec<String>,
    outcome: String,
    backtrace: Vec<String>,
    /// Allocation and free of the entry that was used after its free; only for such a failure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    handed_out: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    freed: Vec<String>,
    digest: String,
    /// Only with `--ledger`.
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger: Option<Vec<CallObject>>,
}

/// Calls of one name.
#[derive(Serialize, JsonSchema)]
struct CallObject {
    call: &'static str,
    /// `virtual`, `let through` or `forbidden`.
    fate: &'static str,
    times: u32,
}

#[derive(Default, Serialize, JsonSchema)]
struct ReplaySummary {
    scenarios: usize,
    runs: usize,
    as_expected: usize,
    /// Runs without an expectation.
    nothing_expected: usize,
    cannot_be_played: usize,
    /// Runs that show the failure that their file describes.
    showing: usize,
}

/// Lines of `--json`.
pub(super) const LINES: [JsonLine; 2] =
    [JsonLine::of::<RunObject>("a run"), JsonLine::of::<Summary<ReplaySummary>>("summary")];

impl ReplaySummary {
    fn add(&mut self, scenario: &Scenario, checked: &Checked) {
        self.runs += 1;
        self.as_expected += usize::from(checked.is_good());
        self.nothing_expected += usize::from(checked.expected.is_none());
        self.showing += usize::from(shows(scenario, checked));
    }
}

pub(super) fn run(args: &Replay, output: &mut Output) -> Result<Status, CliError> {
    match replay(args, output) {
        Err(error) if args.bisect => {
            error.print(output);
            output.note("no clear answer whether this commit is good or bad: exit 125");
            Ok(Status::CannotTell)
        }
        done => done,
    }
}

fn replay(args: &Replay, output: &mut Output) -> Result<Status, CliError> {
    let mut junit = Junit::new("treefall replay");
    let played = play_all(args, &mut junit, output);
    match &played {
        Err(error) => junit.failed(&error.plain()),
        Ok(_) if workers::interrupted() => junit.failed("stopped before all scenarios were run"),
        Ok(_) => {}
    }
    if let Some(path) = &args.junit {
        // The error that ended the replay matters more than an unwritable JUnit file.
        junit.write(path, output).or_else(|error| if played.is_ok() { Err(error) } else { Ok(()) })?;
    }
    let summary = played?;
    output.note(summary_text(&summary));
    let by_default = args.targets.is_empty() && args.config.is_none() && !args.bisect;
    if by_default && program::find_installed().is_empty() {
        workers::none_installed("only the replicas were run", output);
    }
    let showing = summary.showing > 0;
    if workers::interrupted() {
        output.error("stopped before all scenarios were run");
        output.conclude(&summary);
        // Scenarios that were not run may be bad.
        return Ok(if args.bisect && !showing { Status::CannotTell } else { Status::Failure });
    }
    let good = if args.bisect {
        !showing
    } else {
        // A scenario that no target could play is not good.
        summary.runs > 0 && summary.runs == summary.as_expected
    };
    output.conclude(&summary);
    Ok(if good { Status::Good } else { Status::Failure })
}

fn play_all(args: &Replay, junit: &mut Junit, output: &mut Output) -> Result<ReplaySummary, CliError> {
    let scenarios = load_all(args, output)?;
    let names = match (&args.config, args.targets.is_empty()) {
        (Some(_), true) => vec![workers::CONFIGURED.to_owned()],
        _ => args.targets.clone(),
    };
    let asked =
        workers::configured(workers::driven(&names, args.driven, output)?, args.config.as_deref(), output)?;
    if args.gdb {
        if scenarios.len() != 1 || !matches!(asked.as_slice(), [Target::Engine(_)]) {
            return Err(CliError::Usage(
                "`--gdb` takes one file and one `--target engine:PATH`: gdb attaches to one process"
                    .to_owned(),
            ));
        }
        if std::io::stdin().is_terminal() {
            workers::leave_ctrl_c();
        }
    }
    let mut real = Reals { ledger: args.ledger, gdb: args.gdb, ..Reals::default() };
    let mut summary = ReplaySummary::default();
    let progress = Progress::begin(None);
    for (place, (path, scenario)) in scenarios.iter().enumerate() {
        output.part(format_args!("scenario {}", progress.part(place + 1, scenarios.len(), path.display())));
        let targets =
            if asked.is_empty() { default_targets(scenario, args.driven, output) } else { asked.clone() };
        if targets.is_empty() && !scenario.trace.setup().links.is_empty() {
            let why = "it has network interfaces, and no keepalived that it speaks of is installed; `--target daemon:PATH` names one";
            output.line(format_args!("none {}: {why}", path.display()));
            junit.not_played(path, "daemon", why);
            summary.cannot_be_played += 1;
            summary.scenarios = place + 1;
            continue;
        }
        if targets.is_empty() {
            return Err(CliError::Usage(format!(
                "{} has no expectation for any release; name a target: `--target replica:2.3.1`",
                path.display()
            )));
        }
        for target in &targets {
            if workers::interrupted() {
                return Ok(summary);
            }
            summary.scenarios = place + 1;
            output.progress(format_args!("on {target}"));
            let checked = match real.check(scenario, target, want(args)) {
                // A bisection is told that it cannot be told.
                Err(error) if error.is_unfit() && !args.bisect => {
                    output.line(format_args!("none {} on {target}: {error}", path.display()));
                    junit.not_played(path, &target.to_string(), &error.to_string());
                    summary.cannot_be_played += 1;
                    continue;
                }
                checked => checked?,
            };
            summary.add(scenario, &checked);
            let text = show(path, scenario, &checked, args, output);
            junit.ran(path, &checked, &text);
            if args.github && !checked.is_good() {
                let title = format!("not as expected on {target}");
                let line = github::line_of(path, target);
                output.line(Annotation { file: path, line, title: &title, message: &text });
            }
        }
    }
    output.part("");
    Ok(summary)
}

/// Reads every file before one runs, so an error in the last one shows at once.
fn load_all(args: &Replay, output: &mut Output) -> Result<Vec<(PathBuf, Scenario)>, CliError> {
    if args.github {
        files::expand(&args.files)?.iter().for_each(|path| github::print_problems(path, output));
    }
    let scenarios = files::load_all(&args.files)?;
    all(scenarios.iter().map(|(path, scenario)| refuse_never_started(path, scenario)))?;
    Ok(scenarios)
}

fn summary_text(summary: &ReplaySummary) -> String {
    let expected = match summary.nothing_expected {
        0 => String::new(),
        some => format!(" ({some} without an expectation: clean counts as good)"),
    };
    let unfit = match summary.cannot_be_played {
        0 => String::new(),
        some => format!("; {} could not be played", count(some as u64, "trace")),
    };
    format!(
        "{}, {}, {} as expected{expected}{unfit}",
        count(summary.scenarios as u64, "scenario"),
        count(summary.runs as u64, "run"),
        summary.as_expected,
    )
}

/// Reports whether the run shows the failure that the file describes: a violation that it expects of some release; if
/// these include memory violations, one of them. A file without expectations describes any violation.
///
/// A bisection needs this rather than the expectation of the release: between two releases, some commits report the
/// older version but already contain the fix.
pub(super) fn shows(scenario: &Scenario, checked: &Checked) -> bool {
    let failures = || scenario.expect.rows().iter().flat_map(|(_, expected)| expected.failures());
    let verdict = &checked.ran.verdict;
    if failures().next().is_none() {
        return !verdict.is_clean();
    }
    let grave = |failure: &&Failure| failure.law().weight() == Weight::Memory;
    let memory = failures().any(|failure| grave(&failure));
    let mut text = failures().filter(|failure| !memory || grave(failure));
    text.any(|failure| verdict.signatures().any(|signature| failure.is(signature)))
}

/// Rejects a file in which a run exits that no release of the file can have started.
pub(super) fn refuse_never_started(path: &Path, scenario: &Scenario) -> Result<(), CliError> {
    let runs = never_started(scenario)?;
    if runs.is_empty() {
        return Ok(());
    }
    let text = scenario::load_text(path).map_err(|error| CliError::Usage(error.to_string()))?;
    match scenario::never_started(&path.display().to_string(), &text, &runs) {
        Some(problems) => Err(files::invalid(&problems)),
        None => Ok(()),
    }
}

fn want(args: &Replay) -> Options {
    if args.history { Options::COMPARE } else { Options::DIGESTED }
}

/// Returns every replica that the scenario mentions, and every keepalived found here of such a release.
fn default_targets(scenario: &Scenario, driven: Driven, output: &mut Output) -> Vec<Target> {
    let mut targets = replicas_of(scenario);
    for path in program::find_installed() {
        let place = Place { as_release: driven.as_release, ..Place::of(path) };
        let release = place.open().ok().map(|program| program.release());
        if release.is_some_and(|release| scenario.expect.of(release).is_some()) {
            let has_interfaces = !scenario.trace.setup().links.is_empty();
            let target = if has_interfaces { Target::Daemon(place) } else { Target::Engine(place) };
            workers::warn_of(&target, output);
            targets.push(target);
        }
    }
    targets
}

/// Real programs that are already running: each is started once.
#[derive(Default)]
pub(super) struct Reals {
    running: Vec<(Target, Box<dyn Subject>, treefall_model::release::Release)>,
    /// Records their system calls.
    ledger: bool,
    /// Runs them under gdb.
    gdb: bool,
}

impl Reals {
    pub(super) fn check(
        &mut self,
        scenario: &Scenario,
        target: &Target,
        want: Options,
    ) -> Result<Checked, SubjectError> {
        let Some(place) = target.place() else {
            return check(scenario, target, None, build(target)?.as_mut(), want);
        };
        if !self.running.iter().any(|(known, ..)| known == target) {
            let release = place.open()?.release();
            let conditions = Conditions { debugger: self.gdb, ..Conditions::default() };
            let mut subject = build_under(target, &conditions)?;
            subject.keep_ledger(self.ledger);
            self.running.push((target.clone(), subject, release));
        }
        let known = self.running.iter_mut().find(|(known, ..)| known == target);
        let (_, subject, release) = known.ok_or(SubjectError::NoAnswer)?;
        check(scenario, target, Some(*release), subject.as_mut(), want)
    }
}

/// Prints one run; returns its text for other formats.
fn show(path: &Path, scenario: &Scenario, checked: &Checked, args: &Replay, output: &mut Output) -> String {
    let verdict = &checked.ran.verdict;
    let broken: Vec<String> = verdict.signatures().map(|signature| signature.to_string()).collect();
    let what = describe(&broken, &verdict.outcome);
    output.object(&RunObject {
        scenario: path.display().to_string(),
        target: checked.target.clone(),
        as_expected: checked.is_good(),
        expected: checked.expected.as_ref().map(ToString::to_string),
        broken,
        outcome: verdict.outcome.to_string(),
        backtrace: backtrace::texts(&checked.ran.backtrace),
        handed_out: backtrace::texts(&checked.ran.life.handed_out),
        freed: backtrace::texts(&checked.ran.life.freed),
        digest: format!("{:032x}", checked.ran.digest),
        ledger: args.ledger.then(|| {
            let calls = checked.ran.ledger.iter();
            calls
                .map(|call| CallObject { call: call.name, fate: call.fate.name(), times: call.times })
                .collect()
        }),
    });
    let details = details(scenario, checked, args);
    let beside = match (&checked.expected, checked.is_good()) {
        _ if args.bisect => "",
        (Some(_), true) => "as expected: ",
        (Some(_), false) => "NOT as expected: ",
        // A run without an expectation.
        (None, _) => "",
    };
    let text = format!("{beside}{what}{details}");
    if output.is_json() {
        return text;
    }
    let mark = match (args.bisect, checked.is_good()) {
        (true, _) if shows(scenario, checked) => "bad ",
        (true, _) => "good",
        (false, true) => "ok  ",
        (false, false) => "FAIL",
    };
    output.line(format_args!("{mark} {} on {}: {text}", path.display(), checked.target));
    if args.ledger {
        show_ledger(&checked.ran.ledger, output);
    }
    if args.history {
        output.line(report::timeline(&scenario.trace, &checked.ran.records, verdict, Length::Whole));
    }
    text
}

/// Describes a run: `crashes by SIGSEGV in rb_erase, breaks tree-shape/add-child/child`, `clean`.
fn describe(broken: &[String], outcome: &Outcome) -> String {
    let place = |function: &Option<String>| {
        function.as_ref().map_or_else(String::new, |function| format!(" in {function}"))
    };
    let ends = match outcome {
        Outcome::Survived => None,
        Outcome::Crashed { signal, function } => Some(format!("crashes by {signal}{}", place(function))),
        Outcome::Hung { function } => Some(format!("hangs{}", place(function))),
    };
    let breaks = (!broken.is_empty()).then(|| format!("breaks {}", broken.join(", ")));
    let words: Vec<String> = ends.into_iter().chain(breaks).collect();
    if words.is_empty() { "clean".to_owned() } else { words.join(", ") }
}

/// Formats the expectation, the place of each violation, and the backtrace, one a line.
fn details(scenario: &Scenario, checked: &Checked, args: &Replay) -> String {
    let mut text = String::new();
    if let (false, Some(expected)) = (checked.is_good(), &checked.expected) {
        text.push_str(&format!("\n     expected: {expected}"));
    }
    if !checked.is_good() || args.history {
        let names = Names::new(&scenario.trace).with_pids(&checked.ran.records);
        for broken in &checked.ran.verdict.breaks {
            let (law, at) = (broken.signature.law.name(), broken.at);
            text.push_str(&format!("\n     {law} at {at}: {}", names.plain(&broken.detail)));
        }
    }
    for (title, frames) in backtrace::titled(&checked.ran.backtrace, &checked.ran.life) {
        for (place, frame) in frames.iter().enumerate() {
            let (shown, width) =
                (if place == 0 { format!("{title}:") } else { String::new() }, title.len() + 1);
            text.push_str(&format!("\n     {shown:<width$} {frame}"));
        }
    }
    text
}

/// Prints the calls, by how they were handled, then in the order of the list.
fn show_ledger(ledger: &[Call], output: &mut Output) {
    if ledger.is_empty() {
        output.line("     a replica makes no calls");
        return;
    }
    for (place, fate) in [Fate::Virtual, Fate::LetThrough, Fate::Forbidden].into_iter().enumerate() {
        let calls = ledger.iter().filter(|call| call.fate == fate);
        for (number, call) in calls.enumerate() {
            let head = if (place, number) == (0, 0) { "calls:" } else { "" };
            output.line(format_args!("     {head:<6} {:>9} {:<18} {}", call.times, call.name, fate.name()));
        }
    }
}
