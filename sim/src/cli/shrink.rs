//! `treefall shrink`: the smallest trace with the same signature.

use super::args::Shrink;
use super::findings::report_text;
use super::output::Output;
use super::{CliError, Status, crew, files};
use crate::finding::work_out;
use crate::hunt::Find;
use crate::scenario;
use crate::subject::{Options, build};

pub(super) fn run(args: &Shrink, output: &mut Output) -> Result<Status, CliError> {
    let scenario = files::load(&args.file)?;
    let targets = crew::targets(std::slice::from_ref(&args.target))?;
    let [target] = targets.as_slice() else {
        return Err(CliError::Usage("shrink takes one target; `replica:all` names several".to_owned()));
    };
    let mut subject = build(target)?;
    let verdict = subject.run_one(&scenario.trace, Options::VERDICT)?.verdict;
    // A memory break is the last there is, and what most people came for.
    let Some(broken) = verdict.breaks.last().cloned() else {
        output.error(&format!("{} breaks no law on {target}: there is nothing to shrink", args.file.display()));
        return Ok(Status::Failure);
    };
    let number = scenario.provenance.trace.unwrap_or(0);
    let find = Find { number, trace: scenario.trace.clone(), broken, verdict };
    let finding = work_out(subject.as_mut(), &mut || build(target), &find)?;
    let smaller = scenario::Scenario { trace: finding.trace.clone(), ..scenario };
    let text = scenario::write(&smaller);
    match &args.output {
        Some(path) => {
            std::fs::write(path, &text)
                .map_err(|error| CliError::Harness(format!("cannot write {}: {error}", path.display())))?;
            output.note(report_text(&finding, path)?);
        }
        None => {
            output.note(report_text(&finding, &args.file)?);
            output.line(text.trim_end());
        }
    }
    Ok(Status::Good)
}
