//! What a log reports: items, each a line with its meaning and its time.

use std::collections::BTreeMap;
use std::ops::Range;

use treefall_model::event::LogLine;
use treefall_model::id::{Generation, ScriptId, ScriptRef};
use treefall_model::signal::Signal;

/// The script of a line that does not name its script.
pub(super) const NAMELESS: ScriptId = ScriptId(u16::MAX);

/// Something that the log reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogItem {
    /// Number of its line, from 1.
    pub line: usize,
    /// When it happened, in microseconds since an epoch of the log's own; the end is excluded.
    pub when: Range<i64>,
    /// What happened.
    pub what: ItemKind,
    /// The line's message, cut where it is long.
    pub text: String,
}

/// What a log item reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ItemKind {
    /// The vrrp process begins.
    Begins,
    /// The process reloads.
    Reload,
    /// The process receives the request to end.
    Stops,
    /// The process has ended.
    Stopped,
    /// The process logs a line. Scripts are numbered by their place in `Story::names`, in generation 0.
    Logs(LogLine),
    /// The process died of a signal; `None`: of an unknown one.
    Dies(Option<Signal>),
    /// The process received the request to end, and the log never reports its end.
    Hung,
}

impl ItemKind {
    /// Returns whether the process is over, for whatever reason.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Stopped) || self.is_death()
    }

    /// Returns whether the process ended in another interleaving than an orderly exit.
    #[must_use]
    pub const fn is_death(self) -> bool {
        matches!(self, Self::Dies(_) | Self::Hung)
    }
}

impl LogItem {
    /// Returns the script that the item mentions.
    #[must_use]
    pub fn script(&self) -> Option<u16> {
        let ItemKind::Logs(line) = self.what else { return None };
        script_of(&line).map(|script| script.script.0)
    }
}

/// Returns the script that a line names.
pub(super) fn script_of(line: &LogLine) -> Option<ScriptRef> {
    let script = match *line {
        LogLine::Skipped { script, .. }
        | LogLine::NowReturning { script, .. }
        | LogLine::Succeeded { script }
        | LogLine::Failed { script, .. }
        | LogLine::Carried { script, .. }
        | LogLine::FailedToTerminate { script, .. }
        | LogLine::Lost { script, .. }
        | LogLine::KillFailed { script, .. } => Some(script),
        // These lines name no script.
        LogLine::ForkFailed { .. } | LogLine::Late { .. } | LogLine::Backstop { .. } => None,
    };
    script.filter(|script| script.script != NAMELESS)
}

/// Returns the same line for another script.
fn with_script(line: LogLine, script: ScriptRef) -> LogLine {
    match line {
        LogLine::Skipped { timing_out, .. } => LogLine::Skipped { script, timing_out },
        LogLine::NowReturning { code, .. } => LogLine::NowReturning { script, code },
        LogLine::Succeeded { .. } => LogLine::Succeeded { script },
        LogLine::Failed { by, .. } => LogLine::Failed { script, by },
        LogLine::Carried { up, .. } => LogLine::Carried { script, up },
        LogLine::FailedToTerminate { pid, .. } => LogLine::FailedToTerminate { script, pid },
        LogLine::Lost { pid, .. } => LogLine::Lost { script, pid },
        LogLine::KillFailed { pid, signal, .. } => LogLine::KillFailed { script, pid, signal },
        LogLine::ForkFailed { .. } => LogLine::ForkFailed { script },
        LogLine::Late { .. } | LogLine::Backstop { .. } => line,
    }
}

/// Renumbers the items' scripts by `order`.
pub(super) fn renumbered(items: Vec<LogItem>, order: &BTreeMap<u16, u16>) -> Vec<LogItem> {
    let one = |mut item: LogItem| {
        if let (ItemKind::Logs(line), Some(script)) = (item.what, item.script()) {
            let script = ScriptId(*order.get(&script)?);
            item.what = ItemKind::Logs(with_script(line, ScriptRef { generation: Generation(0), script }));
        }
        Some(item)
    };
    items.into_iter().filter_map(one).collect()
}
