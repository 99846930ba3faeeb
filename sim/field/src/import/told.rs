//! What a line of a log says, beside one that a replica logs.

use treefall_model::event::{FailedBy, LogLine};
use treefall_model::signal::ExitStatus;

use super::story::script_of;

/// How a run of which this is told has ended by itself, if it has.
pub(super) fn end_told(line: &LogLine) -> Option<ExitStatus> {
    match *line {
        LogLine::Succeeded { .. } => Some(ExitStatus::Code(0)),
        LogLine::NowReturning { code, .. } | LogLine::Failed { by: FailedBy::Code(code), .. } => {
            Some(ExitStatus::Code(code))
        }
        LogLine::Failed { by: FailedBy::Signal(signal), .. } => Some(ExitStatus::Signal(signal)),
        _ => None,
    }
}

/// Whether a line tells of what no trace of this search brings about, and is not waited for.
pub(super) fn is_beside(line: &LogLine) -> bool {
    matches!(
        line,
        LogLine::Late { .. }
            | LogLine::Backstop { .. }
            | LogLine::ForkFailed { .. }
            | LogLine::KillFailed { .. }
    )
}

/// Whether two lines say the same, whatever the pid and the generation.
pub(super) fn same(told: &LogLine, line: &LogLine) -> bool {
    let script = |line| script_of(line).map(|script| script.script);
    // Before 2.0.19 the log does not say whose child outlived its SIGKILL.
    let nameless = matches!(told, LogLine::FailedToTerminate { .. }) && script(told).is_none();
    if script(told) != script(line) && !nameless {
        return false;
    }
    match (told, line) {
        (LogLine::Skipped { timing_out: a, .. }, LogLine::Skipped { timing_out: b, .. }) => a == b,
        (LogLine::NowReturning { code: a, .. }, LogLine::NowReturning { code: b, .. }) => a == b,
        (LogLine::Failed { by: a, .. }, LogLine::Failed { by: b, .. }) => a == b,
        (LogLine::Carried { up: a, .. }, LogLine::Carried { up: b, .. }) => a == b,
        _ => std::mem::discriminant(told) == std::mem::discriminant(line),
    }
}
