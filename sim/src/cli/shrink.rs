//! `treefall shrink`: the smallest trace with the same signature.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::args::Shrink;
use super::interrupt::Stopwatch;
use super::lines::JsonLine;
use super::output::{Output, count};
use super::progress::ProgressLine;
use super::replay::refuse_never_started;
use super::report::chosen;
use super::{CliError, Status, Summary, files, workers};
use treefall_base::control::Control;
use treefall_base::input::is_standard;
use treefall_model::release::{Release, Rules};
use treefall_model::trace::Trace;
use treefall_model::verdict::Verdict;
use treefall_report::explain::{StandIn, explain};
use treefall_report::provenance::{about, quoted, replay_command, whom};
use treefall_report::{self as report, Report, Story};
use treefall_scenario::{self as scenario, Expectation, Expectations, Scenario, Whom};
use treefall_search::hunt::Failure;
use treefall_search::triage::{BUILD_UP_MAX, Finding, Triaged, triage, triage_partly};
use treefall_subject::replica::run_replica;
use treefall_subject::target::Target;
use treefall_subject::{Options, build};

/// What was shrunk, for machines. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct ShrinkObject {
    target: String,
    file: String,
    signature: String,
    wakes_found: usize,
    wakes_minimal: usize,
    minimal: bool,
    confirmed: bool,
    runs: u64,
    elapsed_ms: u64,
    /// Where it was written, if anywhere.
    scenario: Option<String>,
    /// The smaller scenario itself.
    text: String,
}

#[derive(Serialize, JsonSchema)]
struct ShrinkSummary {
    shrunk: bool,
}

/// What is printed with `--json`.
pub(super) const LINES: [JsonLine; 2] =
    [JsonLine::of::<ShrinkObject>("what was shrunk"), JsonLine::of::<Summary<ShrinkSummary>>("summary")];

pub(super) fn run(args: &Shrink, output: &mut Output) -> Result<Status, CliError> {
    let scenario = files::load(&args.file)?;
    let targets = workers::driven(std::slice::from_ref(&args.target), args.driven, output)?;
    let [target] = targets.as_slice() else {
        return Err(CliError::Usage("shrink takes one target; `replica:all` names several".to_owned()));
    };
    refuse_never_started(&args.file, &scenario)?;
    let mut subject = build(target)?;
    let verdict = subject.run_one(&scenario.trace, Options::VERDICT)?.verdict;
    let Some(broken) = chosen(&verdict, args.law, &scenario).cloned() else {
        let law = args.law.map_or_else(|| "law".to_owned(), |law| format!("`{}`", law.name()));
        output.error(&format!(
            "{} breaks no {law} on {target}: there is nothing to shrink",
            args.file.display()
        ));
        output.conclude(&ShrinkSummary { shrunk: false });
        return Ok(Status::Failure);
    };
    let watch = Stopwatch::start();
    let number = scenario.provenance.trace.unwrap_or(0);
    let failure = Failure::new(number, scenario.trace.clone(), broken, verdict);
    let (fresh, line) = (|| build(target), ProgressLine::new(output));
    let keep_going = |runs| line.keep_going(|| format!("{target}: shrinking {}", failure.signature()), runs);
    let worked = triage(subject.as_mut(), &fresh, &failure, BUILD_UP_MAX, Control::new(&keep_going))?;
    let (finding, stopped) = match worked {
        Triaged::Finished(finding) => (*finding, false),
        Triaged::Interrupted(stopped) => (triage_partly(subject.as_mut(), &fresh, &failure, stopped)?, true),
    };
    let smaller = smaller(args, scenario, target, &finding);
    let text = scenario::write(&smaller);
    let replay = match args.output.as_deref().filter(|path| !is_standard(path)) {
        Some(path) => replay_command(&finding.target, path),
        None if smaller.trace == failure.trace => replay_command(&finding.target, &args.file),
        // It is in no file yet.
        None => {
            let shrunk = Path::new("shrunk.toml");
            let words = [&args.file.display().to_string(), &finding.target].map(|word| quoted(word));
            let replay = replay_command(&finding.target, shrunk);
            format!("treefall shrink {} --target {} -o {}; {replay}", words[0], words[1], shrunk.display())
        }
    };
    if let Some(path) = args.output.as_deref().filter(|path| !is_standard(path)) {
        files::write(path, &text, "-o", output)?;
    }
    let file = args.file.display().to_string();
    let mut status = Status::Good;
    let report = if stopped {
        format!(
            "{} in {} runs, and NOT proved minimal: shrink what is left to have it smaller",
            count(finding.trace.wakes().len() as u64, "wake"),
            finding.runs
        )
    } else {
        match explain(&finding, subject.as_mut(), StandIn::ForRealPrograms, Control::none()) {
            Ok(explanation) => report::finding(&Report {
                finding: &finding,
                explanation: &explanation,
                origin: &file,
                replay: &replay,
                scenario: &text,
                as_it_is: false,
                story: Story::of(&smaller),
            }),
            // It is shrunk all the same.
            Err(error) => {
                output.error(&format!("it was shrunk and cannot be explained: {error}"));
                status = Status::Harness;
                count(finding.trace.wakes().len() as u64, "wake")
            }
        }
    };
    output.note(report);
    if args.output.as_deref().is_none_or(is_standard) && !output.is_json() {
        output.line(text.trim_end());
    }
    output.object(&ShrinkObject {
        target: target.to_string(),
        file,
        signature: finding.signature().to_string(),
        wakes_found: failure.trace.wakes().len(),
        wakes_minimal: finding.trace.wakes().len(),
        minimal: finding.minimal,
        confirmed: finding.confirmed,
        runs: finding.runs,
        elapsed_ms: u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX),
        scenario: args.output.as_ref().map(|path| path.display().to_string()),
        text,
    });
    output.conclude(&ShrinkSummary { shrunk: !stopped });
    if stopped {
        output.error("stopped before it was shrunk; this is as far as it came");
        return Ok(Status::Failure);
    }
    Ok(status)
}

/// The scenario with its smaller trace. A story tells of the larger one, and so do expectations: what no longer fits is
/// left out, and where it was shrunk from is said.
fn smaller(args: &Shrink, scenario: Scenario, target: &Target, finding: &Finding) -> Scenario {
    if finding.trace == scenario.trace {
        return scenario;
    }
    let from = format!("shrunk from {}", args.file.display());
    let source = if scenario.source.is_empty() { from } else { format!("{}; {from}", scenario.source) };
    let named = whom(target);
    let holds = |(whom, expected): &&(Whom, Expectation)| {
        let keeps = |rules| expected.compare(&probe(&finding.trace, rules)).is_as_expected();
        let releases = Release::ALL.iter().filter(|release| whom.includes(**release));
        let mended = *whom != Whom::Mended || keeps(Rules::mended());
        mended && releases.map(|release| Rules::of(*release)).all(keeps)
    };
    let mut rows: Vec<_> = scenario.expect.rows().iter().filter(holds).cloned().collect();
    // What it was shrunk on is told in any case.
    let new = named.filter(|named| !rows.iter().any(|(whom, _)| whom.overlaps(*named)));
    rows.extend(new.map(|named| (named, Expectation::exactly(&finding.verdict))));
    Scenario {
        title: scenario.title,
        source,
        about: about(target, finding.signature(), &finding.verdict),
        story: String::new(),
        trace: finding.trace.clone(),
        // Rows of one file contradict each other as little as before, and the new one none.
        expect: Expectations::new(rows).unwrap_or_default(),
        provenance: scenario.provenance,
    }
}

fn probe(trace: &Trace, rules: Rules) -> Verdict {
    run_replica(trace, rules, Options::VERDICT).verdict
}
