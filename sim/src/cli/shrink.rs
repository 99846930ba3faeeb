//! `treefall shrink`: finds the smallest trace with the same signature.

use std::path::Path;
use std::time::Duration;

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

/// A shrunk scenario. The fields are stable.
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
    /// File of the smaller scenario, if any.
    scenario: Option<String>,
    /// The smaller scenario.
    text: String,
}

impl ShrinkObject {
    fn new(
        args: &Shrink,
        file: String,
        failure: &Failure,
        finding: &Finding,
        elapsed: Duration,
        text: String,
    ) -> Self {
        Self {
            target: finding.target.clone(),
            file,
            signature: finding.signature().to_string(),
            wakes_found: failure.trace.wakes().len(),
            wakes_minimal: finding.trace.wakes().len(),
            minimal: finding.minimal,
            confirmed: finding.confirmed,
            runs: finding.runs,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            scenario: args.output.as_ref().map(|path| path.display().to_string()),
            text,
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct ShrinkSummary {
    shrunk: bool,
}

/// Lines of `--json`.
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
            "{} violates no {law} on {target}: there is nothing to shrink",
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
    let replay = replay_text(args, smaller.trace == failure.trace, &finding.target);
    if let Some(path) = args.output.as_deref().filter(|path| !is_standard(path)) {
        files::write(path, &text, "-o", output)?;
    }
    let file = args.file.display().to_string();
    let mut status = Status::Good;
    let report = if stopped {
        format!(
            "{} in {} runs, NOT proved minimal: shrink the result again for a smaller one",
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
            // A failed explanation does not invalidate the smaller scenario.
            Err(error) => {
                output.error(&format!("the scenario was shrunk but cannot be explained: {error}"));
                status = Status::Harness;
                count(finding.trace.wakes().len() as u64, "wake")
            }
        }
    };
    output.note(report);
    if args.output.as_deref().is_none_or(is_standard) && !output.is_json() {
        output.line(text.trim_end());
    }
    output.object(&ShrinkObject::new(args, file, &failure, &finding, watch.elapsed(), text));
    output.conclude(&ShrinkSummary { shrunk: !stopped });
    if stopped {
        output.error("stopped before shrinking was complete; this is the smallest scenario so far");
        return Ok(Status::Failure);
    }
    Ok(status)
}

/// Returns the command that replays the result; if it is in no file yet, the command that writes it comes first.
fn replay_text(args: &Shrink, unchanged: bool, target: &str) -> String {
    match args.output.as_deref().filter(|path| !is_standard(path)) {
        Some(path) => replay_command(target, path),
        None if unchanged => replay_command(target, &args.file),
        // The smaller scenario is in no file yet.
        None => {
            let shrunk = Path::new("shrunk.toml");
            let words =
                [args.file.display().to_string(), target.to_owned()].map(|word| quoted(&word).to_string());
            let replay = replay_command(target, shrunk);
            format!("treefall shrink {} --target {} -o {}; {replay}", words[0], words[1], shrunk.display())
        }
    }
}

/// Returns the scenario with its smaller trace and its origin. The story and expectations of the larger trace are
/// dropped if they no longer hold.
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
    // The result on the shrunk target is always recorded.
    let new = named.filter(|named| !rows.iter().any(|(whom, _)| whom.overlaps(*named)));
    rows.extend(new.map(|named| (named, Expectation::exactly(&finding.verdict))));
    Scenario {
        title: scenario.title,
        source,
        about: about(target, finding.signature(), &finding.verdict),
        story: String::new(),
        trace: finding.trace.clone(),
        // The rows contradict each other as little as before, and the new one overlaps none.
        expect: Expectations::new(rows).unwrap_or_default(),
        provenance: scenario.provenance,
    }
}

fn probe(trace: &Trace, rules: Rules) -> Verdict {
    run_replica(trace, rules, Options::VERDICT).verdict
}
