//! `treefall report`: explains a failure in every format, and writes the index page of a folder of findings.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::args::Report;
use super::lines::JsonLine;
use super::output::{Output, count};
use super::progress::ProgressLine;
use super::replay::refuse_never_started;
use super::{CliError, Status, Summary, files, workers};
use treefall_base::control::Control;
use treefall_model::law::Law;
use treefall_model::verdict::{Verdict, Violation};
use treefall_report::explain::{StandIn, clean_run, explain};
use treefall_report::json::{CleanObject, ReportObject};
use treefall_report::provenance::replay_command;
use treefall_report::{self as report, Story, html, refuse_foreign_page, store};
use treefall_scenario::Scenario;
use treefall_search::error::SearchError;
use treefall_search::hunt::Failure;
use treefall_search::triage::{Finding, triage_as_found};
use treefall_subject::target::Target;
use treefall_subject::{Options, Subject, build};

#[derive(Serialize, JsonSchema)]
struct ReportSummary {
    found: bool,
    /// Path of the written page, if any.
    html: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct IndexSummary {
    reports: usize,
    html: String,
}

/// Lines of `--json`.
pub(super) const LINES: [JsonLine; 4] = [
    JsonLine::of::<ReportObject<'static>>("the failure"),
    JsonLine::of::<CleanObject<'static>>("a run that breaks no law"),
    JsonLine::of::<Summary<ReportSummary>>("summary"),
    JsonLine::of::<Summary<IndexSummary>>("summary, of a folder"),
];

pub(super) fn run(args: &Report, output: &mut Output) -> Result<Status, CliError> {
    if args.file.is_dir() {
        return index(args, output);
    }
    let scenario = files::load(&args.file)?;
    refuse_never_started(&args.file, &scenario)?;
    let target = target(args, &scenario, output)?;
    let mut subject = build(&target)?;
    let Some(finding) = finding(args, &scenario, &target, subject.as_mut())? else {
        return nothing_broken(args, &scenario, &target, subject.as_mut(), output);
    };
    let line = ProgressLine::new(output);
    let keep_going = |runs| line.keep_going(|| format!("{target}: explaining {}", finding.signature()), runs);
    let explanation =
        match explain(&finding, subject.as_mut(), StandIn::ForDaemons, Control::new(&keep_going)) {
            Err(SearchError::Interrupted(_)) => {
                output.error("stopped before the explanation was complete");
                output.conclude(&ReportSummary { found: true, html: None });
                return Ok(Status::Failure);
            }
            Err(SearchError::Subject(error)) => return Err(error.into()),
            Ok(explained) => explained,
        };
    let origin = origin(args, &scenario);
    let replay = replay_command(&finding.target, &args.file);
    let text = treefall_scenario::write(&scenario);
    let report = report::Report {
        finding: &finding,
        explanation: &explanation,
        origin: &origin,
        replay: &replay,
        scenario: &text,
        as_it_is: true,
        story: Story::of(&scenario),
    };
    let forms = [
        (args.issue, report::issue as fn(&report::Report<'_>) -> String),
        (args.rust_test, report::rust_test),
        (prints_text(args), in_text),
    ];
    if !output.is_json() {
        for (_, form) in forms.iter().filter(|(asked, _)| *asked) {
            output.line(form(&report).trim_end());
        }
    }
    let html = page(args, output, || html::page(&report))?;
    output.object(&ReportObject::of(&report));
    output.conclude(&ReportSummary { found: true, html });
    Ok(Status::Good)
}

/// Returns the width of the terminal that shows the report; `None`: no terminal does.
fn terminal() -> Option<u16> {
    comfy_table::Table::new().width()
}

/// Formats the report as text, for the terminal or for a file.
fn in_text(report: &report::Report<'_>) -> String {
    terminal().map_or_else(|| report::finding(report), |columns| report::finding_within(report, columns))
}

/// Reports whether to print text: if requested, or if no other format is.
fn prints_text(args: &Report) -> bool {
    args.text || !(args.issue || args.rust_test || args.html.is_some())
}

/// Writes the page if requested; returns its path.
fn page(args: &Report, output: &mut Output, made: impl Fn() -> String) -> Result<Option<String>, CliError> {
    let Some(path) = &args.html else { return Ok(None) };
    write_page(path, &made(), output)?;
    output.note(format_args!("the page is in {}", path.display()));
    Ok(Some(path.display().to_string()))
}

/// Reports a run that violates no law. An issue or a test needs a violation, and so does a requested law.
fn nothing_broken(
    args: &Report,
    scenario: &Scenario,
    target: &Target,
    subject: &mut dyn Subject,
    output: &mut Output,
) -> Result<Status, CliError> {
    let clean = clean_run(&scenario.trace, subject)?;
    if args.issue || args.rust_test || !clean.verdict.is_clean() {
        output.error(&format!(
            "{} violates no {} on {target}: there is nothing to report",
            args.file.display(),
            wanted(args)
        ));
        output.conclude(&ReportSummary { found: false, html: None });
        return Ok(Status::Failure);
    }
    let (name, text) = (target.to_string(), treefall_scenario::write(scenario));
    let report = report::CleanReport {
        target: &name,
        trace: &scenario.trace,
        run: &clean,
        story: Story::of(scenario),
        origin: &origin(args, scenario),
        replay: &replay_command(&name, &args.file),
        scenario: &text,
    };
    if prints_text(args) && !output.is_json() {
        let text = terminal().map_or_else(|| report::clean(&report), |it| report::clean_within(&report, it));
        output.line(text.trim_end());
    }
    let html = page(args, output, || html::clean_page(&report))?;
    output.object(&CleanObject::of(&report));
    output.conclude(&ReportSummary { found: false, html });
    Ok(Status::Good)
}

/// Writes a page, but never over a file that treefall did not write; `-` is standard output.
fn write_page(path: &Path, text: &str, output: &mut Output) -> Result<(), CliError> {
    refuse_foreign_page(path).map_err(|error| {
        CliError::Usage(format!("cannot write {}: {error}; name another file with `--html`", path.display()))
    })?;
    files::write(path, text, "--html", output)
}

fn wanted(args: &Report) -> String {
    args.law.map_or_else(|| "law".to_owned(), |law| format!("`{}`", law.name()))
}

/// Returns the target to explain the failure on; the help of `--target` lists the order of preference.
fn target(args: &Report, scenario: &Scenario, output: &mut Output) -> Result<Target, CliError> {
    let about = || scenario.about.map(|about| format!("replica:{}", about.release));
    let named = args.target.clone().or_else(|| scenario.provenance.found_on.clone()).or_else(about);
    let name = named.or_else(|| {
        let releases = treefall_model::release::Release::ALL.iter().rev();
        let bad = releases.filter(|release| {
            scenario.expect.of(**release).is_some_and(|expected| !expected.failures().is_empty())
        });
        // Memory violations come first, because they are what the file describes.
        let memory = |release: &&&treefall_model::release::Release| {
            let weighs = |failure: &treefall_scenario::Failure| failure.law().weight();
            let expected = scenario.expect.of(***release);
            expected.is_some_and(|it| {
                it.failures().iter().any(|it| weighs(it) == treefall_model::verdict::Weight::Memory)
            })
        };
        let bad: Vec<_> = bad.collect();
        let newest = bad.iter().find(memory).or(bad.first());
        newest.map(|release| format!("replica:{release}"))
    });
    // A scenario that fails nowhere is explained on the newest release.
    let name = name.unwrap_or_else(|| format!("replica:{}", treefall_model::release::Release::NEWEST));
    match workers::driven(std::slice::from_ref(&name), args.driven, output)?.as_slice() {
        [target] => Ok(target.clone()),
        _ => Err(CliError::Usage("report takes one target; `replica:all` names several".to_owned())),
    }
}

/// Returns the failure of the scenario on the target, unshrunk; `None`: no such law is violated.
fn finding(
    args: &Report,
    scenario: &Scenario,
    target: &Target,
    subject: &mut dyn Subject,
) -> Result<Option<Finding>, CliError> {
    let verdict = subject.run_one(&scenario.trace, Options::VERDICT)?.verdict;
    let Some(broken) = chosen(&verdict, args.law, scenario).cloned() else { return Ok(None) };
    let number = scenario.provenance.trace.unwrap_or(0);
    let failure = Failure::new(number, scenario.trace.clone(), broken, verdict);
    Ok(Some(triage_as_found(subject, &|| build(target), &failure)?))
}

/// Returns the violation to explain: of the requested law, else of the law the file is about, else the last one. A
/// memory violation is always the last, and most readers look for it.
pub(super) fn chosen<'v>(
    verdict: &'v Verdict,
    asked: Option<Law>,
    scenario: &Scenario,
) -> Option<&'v Violation> {
    let of = |law: Law| verdict.breaks.iter().rfind(|broken| broken.signature.law == law);
    match asked {
        Some(law) => of(law),
        None => scenario.about.and_then(|about| about.law).and_then(of).or(verdict.breaks.last()),
    }
}

fn origin(args: &Report, scenario: &Scenario) -> String {
    match (scenario.provenance.trace, scenario.provenance.seed) {
        (Some(trace), Some(seed)) => format!("trace {trace} of seed {seed}"),
        _ => args.file.display().to_string(),
    }
}

fn index(args: &Report, output: &mut Output) -> Result<Status, CliError> {
    if args.issue || args.rust_test || args.text {
        return Err(CliError::Usage(format!(
            "{}: a folder of findings has only an index page; name a scenario file",
            args.file.display()
        )));
    }
    let cards = store::cards(&args.file).map_err(|error| CliError::Usage(error.to_string()))?;
    if cards.is_empty() {
        return Err(CliError::Usage(format!(
            "{}: no report (`report.json`) in this folder; name a folder that a hunt wrote to: `treefall hunt --out DIR`",
            args.file.display()
        )));
    }
    let path: PathBuf = args.html.clone().unwrap_or_else(|| args.file.join(store::INDEX));
    write_page(&path, &html::index(&cards), output)?;
    output.note(format_args!("{}; the page is in {}", count(cards.len() as u64, "report"), path.display()));
    output.conclude(&IndexSummary { reports: cards.len(), html: path.display().to_string() });
    Ok(Status::Good)
}
