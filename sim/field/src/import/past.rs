//! Determines each script's result at the beginning of a window, as far as the log shows it.
//!
//! A trace begins with scripts without results, whereas a real reload carries results over. Until a script's first
//! result in the window, the replica may therefore log lines that the log lacks, and the other interleaving round.
//!
//! Invariant: a [`Past`] excuses a missing line only if the earlier result explains it, or the log leaves it open.

use treefall_model::event::{FailedBy, LogLine};
use treefall_model::signal::ExitStatus;
use treefall_model::trace::Script;

use super::item::{ItemKind, LogItem, script_of};

/// An earlier value, compared with the replica's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Earlier<T> {
    /// The same as the replica's.
    Same,
    /// This value, unknown to the replica.
    Was(T),
    /// The log does not say.
    Unknown,
}

impl<T: Copy> Earlier<T> {
    /// Returns whether the value may satisfy `such`.
    fn may(self, such: impl Fn(T) -> bool) -> bool {
        match self {
            Self::Same => false,
            Self::Was(it) => such(it),
            Self::Unknown => true,
        }
    }
}

/// A script's state before the replica had a result of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Past {
    /// Whether the script was up.
    up: Earlier<bool>,
    /// Its last exit code.
    code: Earlier<u8>,
    /// The exit status of the last run that ended by itself.
    end: Option<ExitStatus>,
    /// The last run in the log did not end by itself.
    pub(super) hung: bool,
}

impl Past {
    /// The state of a script whose process has just begun.
    pub(super) const NONE: Self = Self { up: Earlier::Same, code: Earlier::Same, end: None, hung: false };
    /// The state of a script of which the log says nothing.
    const UNKNOWN: Self = Self { up: Earlier::Unknown, code: Earlier::Unknown, ..Self::NONE };

    fn returned(&mut self, code: u8) {
        self.code = Earlier::Was(code);
        self.ended(ExitStatus::Code(code));
    }

    /// Records that a run ended by itself.
    pub(super) fn ended(&mut self, status: ExitStatus) {
        (self.end, self.hung) = (Some(status), false);
    }

    /// Applies a line from before the window.
    fn take(&mut self, line: &LogLine) {
        match *line {
            LogLine::NowReturning { code, .. } => self.returned(code),
            LogLine::Succeeded { .. } => {
                self.up = Earlier::Was(true);
                self.returned(0);
            }
            LogLine::Failed { by, .. } => {
                self.up = Earlier::Was(false);
                match by {
                    FailedBy::Code(code) => self.returned(code),
                    FailedBy::Signal(signal) => self.ended(ExitStatus::Signal(signal)),
                    FailedBy::TimedOut => self.hung = true,
                }
            }
            LogLine::Skipped { .. } => self.hung = true,
            LogLine::Carried { up, .. } => {
                self.up = Earlier::Was(up);
                // If lines contradict each other, the last one counts.
                if self.end.is_some_and(|end| up != (end == ExitStatus::Code(0))) {
                    (self.end, self.code) = (None, Earlier::Unknown);
                }
            }
            _ => {}
        }
    }

    /// Returns whether no run has ended by itself since the process began. The first that does is logged.
    pub(super) fn never_ended(&self) -> bool {
        self.up == Earlier::Same && self.end.is_none()
    }

    /// Returns the exit status of a run that the log does not mention: that of the last run, or of the carried
    /// result.
    pub(super) fn quiet_end(&self) -> ExitStatus {
        let down = self.up == Earlier::Was(false);
        self.end.unwrap_or(ExitStatus::Code(u8::from(down)))
    }

    /// Returns whether a log may lack this line, which the replica logs of the script.
    pub(super) fn may_lack(&self, line: &LogLine, of: &Script) -> bool {
        match *line {
            LogLine::NowReturning { code, .. } => self.code.may(|was| was == code),
            // No log shows how many results are missing until its state changes.
            LogLine::Succeeded { .. } => self.up.may(|up| up || of.rise > 1),
            LogLine::Failed { .. } => self.up.may(|up| !up || of.fall > 1),
            // A release that carries over unfinished results counts the script as down.
            LogLine::Carried { .. } => self.up != Earlier::Same,
            _ => false,
        }
    }

    /// Returns whether the log may report a first exit code of 0, which the replica assumes from the start.
    pub(super) fn may_return_to_0(&self) -> bool {
        self.code.may(|was| was != 0)
    }

    /// Returns whether the log may count the script as `up` at a reload; `None`: the replica logs it too.
    pub(super) fn carried(&mut self, up: bool) -> Option<bool> {
        let may = self.up.may(|was| was == up);
        let settled = self.up == Earlier::Same;
        if !settled {
            self.up = Earlier::Was(up);
        }
        (!settled).then_some(may)
    }

    /// Discards the earlier value once the replica has logged this line itself.
    pub(super) fn settle(&mut self, line: &LogLine) {
        match line {
            LogLine::NowReturning { .. } => self.code = Earlier::Same,
            LogLine::Succeeded { .. } => (self.up, self.code) = (Earlier::Same, Earlier::Same),
            LogLine::Failed { .. } => self.up = Earlier::Same,
            _ => {}
        }
    }
}

/// Determines each script's state at the beginning of a window, from the items `before` it and its own `items`.
pub(super) fn pasts(before: &[LogItem], items: &[LogItem], scripts: usize) -> Vec<Past> {
    let whole = before.first().is_some_and(|item| item.what == ItemKind::Begins);
    let mut pasts = vec![if whole { Past::NONE } else { Past::UNKNOWN }; scripts];
    let line = |item: &LogItem| match item.what {
        ItemKind::Logs(line) => Some(line),
        _ => None,
    };
    let told = before.iter().filter_map(line);
    // The carried results at the window's first reload describe what was before.
    let carried = items.iter().map_while(line).filter(|line| matches!(line, LogLine::Carried { .. }));
    for line in told.chain(carried) {
        let script = script_of(&line).map(|script| usize::from(script.script.0));
        if let Some(past) = script.and_then(|script| pasts.get_mut(script)) {
            past.take(&line);
        }
    }
    for (script, past) in (0..).zip(&mut pasts).filter(|(_, past)| past.up == Earlier::Unknown) {
        // A success that is logged as a change followed a failure.
        let mut of_script = items.iter().filter(|item| item.script() == Some(script));
        let first = of_script.find_map(|item| match item.what {
            ItemKind::Logs(LogLine::NowReturning { code, .. }) => Some(code == 0),
            ItemKind::Logs(LogLine::Succeeded { .. }) => Some(true),
            ItemKind::Logs(LogLine::Failed { .. } | LogLine::Carried { .. }) => Some(false),
            _ => None,
        });
        if first == Some(true) && past.end.is_none_or(|end| end == ExitStatus::Code(0)) {
            past.end = Some(ExitStatus::Code(1));
        }
    }
    pasts
}

#[cfg(test)]
mod tests {
    use treefall_model::trace::Name;

    use super::super::story::tell;
    use super::*;

    /// The past of script `a` at the last reload of such a log: whether a success, failure or code 1 may be missing,
    /// and its quiet end.
    fn may_lack(begins: bool, lines: &[&str]) -> ([bool; 3], ExitStatus) {
        let start = ["Starting VRRP child process, pid=5", "VRRP_Script(b) succeeded"];
        let all = start[usize::from(!begins)..].iter().chain(lines).chain(&["Reloading"]);
        let text: String = all.map(|line| format!("Wed Nov 25 10:00:00 2026: {line}\n")).collect();
        let story = tell(&text).unwrap();
        let place = story.names.iter().position(|name| name == "a").unwrap_or(1);
        let past = pasts(&story.items, &[], 2)[place];
        let script = treefall_model::id::ScriptRef {
            generation: treefall_model::id::Generation(0),
            script: treefall_model::id::ScriptId(1),
        };
        let lines = [
            LogLine::Succeeded { script },
            LogLine::Failed { script, by: FailedBy::Code(1) },
            LogLine::NowReturning { script, code: 1 },
        ];
        let spec = Script::new(Name::numbered(0));
        (lines.map(|line| past.may_lack(&line, &spec)), past.quiet_end())
    }

    #[test]
    fn a_log_lacks_what_says_again_what_the_result_was_and_nothing_else() {
        let code = ExitStatus::Code;
        let up = "VRRP_Script(a) succeeded";
        let down = ["Script `a` now returning 1", "VRRP_Script(a) failed (exited with status 1)"];
        assert_eq!(may_lack(true, &[]), ([false, false, false], code(0)), "it never had a result");
        assert_eq!(may_lack(true, &[up]), ([true, false, false], code(0)));
        assert_eq!(may_lack(true, &[up, down[0], down[1]]), ([false, true, true], code(1)));
        assert_eq!(may_lack(true, &["VRRP_Script(a) timed_out"]), ([false, true, false], code(1)));
        assert_eq!(may_lack(false, &[]), ([true, true, true], code(0)), "the log does not say");
        let carried = "VRRP_Script(a) considered unsuccessful on reload";
        assert_eq!(may_lack(false, &[carried]), ([false, true, true], code(1)));
    }
}
