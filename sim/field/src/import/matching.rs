//! Compares lines of a log with lines of a replica.

use treefall_model::event::{FailedBy, LogLine};
use treefall_model::signal::ExitStatus;

use super::item::script_of;

/// Returns the exit status of the run that a line reports, if it ended by itself.
pub(super) fn end_status(line: &LogLine) -> Option<ExitStatus> {
    match *line {
        LogLine::Succeeded { .. } => Some(ExitStatus::Code(0)),
        LogLine::NowReturning { code, .. } | LogLine::Failed { by: FailedBy::Code(code), .. } => {
            Some(ExitStatus::Code(code))
        }
        LogLine::Failed { by: FailedBy::Signal(signal), .. } => Some(ExitStatus::Signal(signal)),
        _ => None,
    }
}

/// Returns whether a line reports something that no trace of this search produces; such lines are ignored.
pub(super) fn is_ignored(line: &LogLine) -> bool {
    matches!(
        line,
        LogLine::Late { .. }
            | LogLine::Backstop { .. }
            | LogLine::ForkFailed { .. }
            | LogLine::KillFailed { .. }
    )
}

/// Returns whether two lines say the same, apart from pid and generation.
pub(super) fn same(told: &LogLine, line: &LogLine) -> bool {
    let script = |line| script_of(line).map(|script| script.script);
    // Before 2.0.19 the log does not name the script whose child survived its SIGKILL.
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
