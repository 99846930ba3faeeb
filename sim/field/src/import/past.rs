//! What a script's result was where a window begins, as far as the log tells.
//!
//! A trace begins with scripts that never had a result, and a real reload carries results over: until a script's first
//! result in the window, the replica may log what a real one has no reason to, and the other way round.
//!
//! Always: what a [`Past`] lets be missing from a log is what the result of before explains, or what the log leaves open.

use treefall_model::event::{FailedBy, LogLine};
use treefall_model::signal::ExitStatus;
use treefall_model::trace::Script;

use super::story::{Item, What, script_of};

/// Something of before the window, beside what the replica has of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Earlier<T> {
    /// The same.
    Same,
    /// This, of which the replica knows nothing.
    Was(T),
    /// The log does not say.
    Unknown,
}

impl<T: Copy> Earlier<T> {
    /// Whether it may have been such.
    fn may(self, such: impl Fn(T) -> bool) -> bool {
        match self {
            Self::Same => false,
            Self::Was(it) => such(it),
            Self::Unknown => true,
        }
    }
}

/// What a script was before the replica had a result of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Past {
    /// Whether it was up.
    up: Earlier<bool>,
    /// What it last returned.
    code: Earlier<u8>,
    /// How its last run ended that did so by itself.
    end: Option<ExitStatus>,
    /// The last run of which the log tells did not.
    pub(super) hung: bool,
}

impl Past {
    /// There was none: the process just began.
    pub(super) const NONE: Self = Self { up: Earlier::Same, code: Earlier::Same, end: None, hung: false };
    /// The log does not say.
    const UNKNOWN: Self = Self { up: Earlier::Unknown, code: Earlier::Unknown, ..Self::NONE };

    fn returned(&mut self, code: u8) {
        self.code = Earlier::Was(code);
        self.ended(ExitStatus::Code(code));
    }

    /// A run has ended by itself.
    pub(super) fn ended(&mut self, status: ExitStatus) {
        (self.end, self.hung) = (Some(status), false);
    }

    /// Takes in what the log tells before the window.
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
                // Where lines contradict each other, the last counts.
                if self.end.is_some_and(|end| up != (end == ExitStatus::Code(0))) {
                    (self.end, self.code) = (None, Earlier::Unknown);
                }
            }
            _ => {}
        }
    }

    /// Whether no run has ended by itself since the process began: else the first that did would be told.
    pub(super) fn never_ended(&self) -> bool {
        self.up == Earlier::Same && self.end.is_none()
    }

    /// How a run ends of which the log tells nothing: as the last one did, or as what was carried over says.
    pub(super) fn quiet_end(&self) -> ExitStatus {
        let down = self.up == Earlier::Was(false);
        self.end.unwrap_or(ExitStatus::Code(u8::from(down)))
    }

    /// Whether a log need not have this line, which the replica logs of the script.
    pub(super) fn may_lack(&self, line: &LogLine, of: &Script) -> bool {
        match *line {
            LogLine::NowReturning { code, .. } => self.code.may(|was| was == code),
            // How far it is from its turning point no log tells.
            LogLine::Succeeded { .. } => self.up.may(|up| up || of.rise > 1),
            LogLine::Failed { .. } => self.up.may(|up| !up || of.fall > 1),
            // A release that carries over what never finished has it down.
            LogLine::Carried { .. } => self.up != Earlier::Same,
            _ => false,
        }
    }

    /// Whether the log may tell of a first 0, which the replica has from the start.
    pub(super) fn may_return_to_0(&self) -> bool {
        self.code.may(|was| was != 0)
    }

    /// Whether the log may say at a reload that the script counts as `up`; `None`: the replica says it too.
    pub(super) fn carried(&mut self, up: bool) -> Option<bool> {
        let may = self.up.may(|was| was == up);
        let settled = self.up == Earlier::Same;
        if !settled {
            self.up = Earlier::Was(up);
        }
        (!settled).then_some(may)
    }

    /// From this line of its own on, the replica knows as much.
    pub(super) fn settle(&mut self, line: &LogLine) {
        match line {
            LogLine::NowReturning { .. } => self.code = Earlier::Same,
            LogLine::Succeeded { .. } => (self.up, self.code) = (Earlier::Same, Earlier::Same),
            LogLine::Failed { .. } => self.up = Earlier::Same,
            _ => {}
        }
    }
}

/// What each of so many scripts was, between what is `before` a window and the `items` of it.
pub(super) fn pasts(before: &[Item], items: &[Item], scripts: usize) -> Vec<Past> {
    let whole = before.first().is_some_and(|item| item.what == What::Begins);
    let mut pasts = vec![if whole { Past::NONE } else { Past::UNKNOWN }; scripts];
    let line = |item: &Item| match item.what {
        What::Logs(line) => Some(line),
        _ => None,
    };
    let told = before.iter().filter_map(line);
    // The words of the reload that the window begins at are of what was before.
    let carried = items.iter().map_while(line).filter(|line| matches!(line, LogLine::Carried { .. }));
    for line in told.chain(carried) {
        let script = script_of(&line).map(|script| usize::from(script.script.0));
        if let Some(past) = script.and_then(|script| pasts.get_mut(script)) {
            past.take(&line);
        }
    }
    for (script, past) in (0..).zip(&mut pasts).filter(|(_, past)| past.up == Earlier::Unknown) {
        // A success that is news was none before.
        let mut of_script = items.iter().filter(|item| item.script() == Some(script));
        let first = of_script.find_map(|item| match item.what {
            What::Logs(LogLine::NowReturning { code, .. }) => Some(code == 0),
            What::Logs(LogLine::Succeeded { .. }) => Some(true),
            What::Logs(LogLine::Failed { .. } | LogLine::Carried { .. }) => Some(false),
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

    /// What the script `a` was at the reload of a log with these lines, beside one that succeeds, fails or returns 1.
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
