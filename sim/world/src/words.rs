//! Meaning of a daemon's log lines, for observing a daemon and for reading a log.
//!
//! Invariants: a line that means nothing to the model is [`Said::Other`]. A script's name never makes one line look
//! like another, because names hold no blanks.

use treefall_model::event::{FailedBy, LogLine};
use treefall_model::id::{Pid, ScriptRef};
use treefall_model::signal::Signal;
use treefall_model::time::Span;

/// Meaning of a line.
#[derive(Clone, Copy, Debug)]
pub enum Said<'l> {
    /// A reload begins.
    Reloading,
    /// The dispatcher of a configuration begins; making the configuration is done.
    Started,
    /// A line that the model knows.
    Line(Line<'l>),
    /// Any other line.
    Other,
}

/// A log line with its script by name.
#[derive(Clone, Copy, Debug)]
pub struct Line<'l> {
    /// The script's name; `None` when the line has none.
    pub script: Option<&'l str>,
    /// The kind of line.
    pub kind: Kind,
}

/// Kind of a [`LogLine`], under the same name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "`LogLine` says what each is")]
pub enum Kind {
    Skipped { timing_out: bool },
    NowReturning { code: u8 },
    Succeeded,
    Failed { by: FailedBy },
    Carried { up: bool },
    FailedToTerminate { pid: Pid },
    Lost { pid: Pid },
    KillFailed { pid: Pid, signal: Signal },
    ForkFailed,
    Late { by: Span },
    Backstop { children: u32 },
}

impl Kind {
    /// Returns the line, of this script.
    #[must_use]
    pub fn of(self, script: ScriptRef) -> LogLine {
        match self {
            Self::Skipped { timing_out } => LogLine::Skipped { script, timing_out },
            Self::NowReturning { code } => LogLine::NowReturning { script, code },
            Self::Succeeded => LogLine::Succeeded { script },
            Self::Failed { by } => LogLine::Failed { script, by },
            Self::Carried { up } => LogLine::Carried { script, up },
            Self::FailedToTerminate { pid } => LogLine::FailedToTerminate { script, pid },
            Self::Lost { pid } => LogLine::Lost { script, pid },
            Self::KillFailed { pid, signal } => LogLine::KillFailed { script, pid, signal },
            Self::ForkFailed => LogLine::ForkFailed { script },
            Self::Late { by } => LogLine::Late { by },
            Self::Backstop { children } => LogLine::Backstop { children },
        }
    }
}

/// Reads a line, without the prefix that a log adds.
#[must_use]
pub fn read(line: &str) -> Said<'_> {
    if line == "Reloading" {
        return Said::Reloading;
    }
    if line.starts_with("VRRP sockpool") {
        return Said::Started;
    }
    let known = of_track(line)
        .or_else(|| of_result(line))
        .or_else(|| of_child(line))
        .or_else(|| of_kill(line))
        .or_else(|| of_none(line));
    known.map_or(Said::Other, Said::Line)
}

fn between<'l>(text: &'l str, before: &str, after: &str) -> Option<(&'l str, &'l str)> {
    text.strip_prefix(before)?.split_once(after)
}

fn of_track(line: &str) -> Option<Line<'_>> {
    if let Some((script, rest)) = between(line, "Track script ", " is ") {
        let timing_out = match rest.strip_suffix(", expect idle - skipping run")? {
            "already running" => false,
            "being timed out" => true,
            _ => return None,
        };
        return Some(Line { script: Some(script), kind: Kind::Skipped { timing_out } });
    }
    let (script, code) = between(line, "Script `", "` now returning ")?;
    Some(Line { script: Some(script), kind: Kind::NowReturning { code: code.parse().ok()? } })
}

fn of_result(line: &str) -> Option<Line<'_>> {
    let (script, rest) = between(line, "VRRP_Script(", ") ")?;
    let kind = match rest {
        "succeeded" => Kind::Succeeded,
        "timed_out" => Kind::Failed { by: FailedBy::TimedOut },
        "considered successful on reload" => Kind::Carried { up: true },
        "considered unsuccessful on reload" => Kind::Carried { up: false },
        _ => {
            let why = rest.strip_prefix("failed (")?.strip_suffix(')')?;
            if let Some(code) = why.strip_prefix("exited with status ") {
                Kind::Failed { by: FailedBy::Code(code.parse().ok()?) }
            } else {
                let signal = why.strip_prefix("due to signal ")?;
                Kind::Failed { by: FailedBy::Signal(Signal::new(signal.parse().ok()?)?) }
            }
        }
    };
    Some(Line { script: Some(script), kind })
}

/// Reads a line on a child. Up to 2.0.18 it names no script, and misc checks log the same text.
fn of_child(line: &str) -> Option<Line<'_>> {
    let (script, rest) = match between(line, "Script ", " child (PID ") {
        Some((script, rest)) => (Some(script), rest),
        None => (None, line.strip_prefix("Child (PID ")?),
    };
    let (pid, rest) = rest.split_once(") ")?;
    let pid = Pid::new(pid.parse().ok()?)?;
    let kind = match rest {
        "failed to terminate after kill" => Kind::FailedToTerminate { pid },
        "lost" => Kind::Lost { pid },
        _ => return None,
    };
    Some(Line { script, kind })
}

/// Reads `kill -S of process CMD(p) with new state N failed with errno E`; the command ends in the script's name.
fn of_kill(line: &str) -> Option<Line<'_>> {
    let (signal, rest) = between(line, "kill -", " of process ")?;
    let (process, _) = rest.split_once(" with new state ")?;
    let (command, pid) = process.strip_suffix(')')?.rsplit_once('(')?;
    let script = command.trim_end_matches('\'').rsplit(' ').next()?;
    let kind =
        Kind::KillFailed { pid: Pid::new(pid.parse().ok()?)?, signal: Signal::new(signal.parse().ok()?)? };
    Some(Line { script: Some(script), kind })
}

fn of_none(line: &str) -> Option<Line<'_>> {
    let kind = if line.starts_with("Failed fork process") {
        Kind::ForkFailed
    } else if let Some((_, rest)) = line.split_once("A thread timer expired ") {
        let (seconds, rest) = rest.split_once('.')?;
        let (micros, rest) = rest.split_once(' ')?;
        if !rest.starts_with("seconds ago") || micros.len() != 6 {
            return None;
        }
        let (seconds, micros): (u64, u64) = (seconds.parse().ok()?, micros.parse().ok()?);
        Kind::Late { by: Span::from_micros(seconds.checked_mul(1_000_000)?.checked_add(micros)?) }
    } else {
        let (_, children) = line.strip_prefix("Backstop thread invoked: ")?.split_once("child count ")?;
        Kind::Backstop { children: children.parse().ok()? }
    };
    Some(Line { script: None, kind })
}

/// Returns by how much the loop was late, if the line says so.
#[must_use]
pub fn late(line: &str) -> Option<Span> {
    match of_none(line)?.kind {
        Kind::Late { by } => Some(by),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> Option<LogLine> {
        match read(line) {
            Said::Line(line) => Some(line.kind.of(ScriptRef::default())),
            _ => None,
        }
    }

    #[test]
    fn a_late_wake_is_read_from_the_log() {
        let line = "(Line 5) A thread timer expired 2.000300 seconds ago";
        assert_eq!(late(line), Some(Span::from_micros(2_000_300)));
        assert_eq!(late("A thread timer expired yesterday"), None);
        assert_eq!(late(""), None);
    }

    #[test]
    fn lines_of_a_script_are_read_with_its_name() {
        let script = ScriptRef::default();
        let pid = Pid::new(77).unwrap();
        let table = [
            (
                "Track script a is being timed out, expect idle - skipping run",
                LogLine::Skipped { script, timing_out: true },
            ),
            ("Script `a` now returning 3", LogLine::NowReturning { script, code: 3 }),
            ("VRRP_Script(a) succeeded", LogLine::Succeeded { script }),
            ("VRRP_Script(a) timed_out", LogLine::Failed { script, by: FailedBy::TimedOut }),
            (
                "VRRP_Script(a) failed (exited with status 9)",
                LogLine::Failed { script, by: FailedBy::Code(9) },
            ),
            (
                "VRRP_Script(a) failed (due to signal 9)",
                LogLine::Failed { script, by: FailedBy::Signal(Signal::KILL) },
            ),
            ("VRRP_Script(a) considered unsuccessful on reload", LogLine::Carried { script, up: false }),
            (
                "Script a child (PID 77) failed to terminate after kill",
                LogLine::FailedToTerminate { script, pid },
            ),
            ("Child (PID 77) failed to terminate after kill", LogLine::FailedToTerminate { script, pid }),
            ("Script a child (PID 77) lost", LogLine::Lost { script, pid }),
            (
                "kill -15 of process /usr/bin/true a(77) with new state 2 failed with errno 1",
                LogLine::KillFailed { script, pid, signal: Signal::TERM },
            ),
            ("Failed fork process", LogLine::ForkFailed { script }),
            (
                "Backstop thread invoked: shutdown timer not running, child count 2",
                LogLine::Backstop { children: 2 },
            ),
        ];
        for (line, expected) in table {
            assert_eq!(said(line), Some(expected), "{line}");
        }
        assert_eq!(said("(VI) entering FAULT state"), None);
    }
}
