//! The track script: ticks, timeouts, exits, and how results are counted.
//!
//! Invariants: a result lies between 0 and rise + fall - 1, and the script is up from rise on. A handler acts on its
//! child before it logs.

use treefall_model::event::{Answer, EntryKind, FailedBy, Handler, LogLine};
use treefall_model::id::{Pid, ScriptRef};
use treefall_model::observe::Observer;
use treefall_model::release::Defect;
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::Span;
use treefall_model::trace::ScriptKind;

use crate::layer::{Action, Init, ScriptState, State};
use crate::ops::{Dispatch, Op};
use crate::world::World;

/// Time after SIGTERM, and after the first SIGKILL.
const GRACE: Span = Span::from_secs(2);
/// Time after each further SIGKILL.
const GRACE_AFTER_KILL: Span = Span::from_secs(10);
/// Time to the next attempt after a signal could not be sent.
pub(crate) const RETRY_AFTER_FAILURE: Span = Span::from_secs(1_000);
/// Time to the next look at a child that no longer exists, where that goes unnoticed.
const RETRY_LOST: Span = Span::from_secs(1);

/// Returns the next state after a timeout, its signal, and the time that the child then has.
pub(crate) fn escalate(state: State) -> Option<(State, Signal, Span)> {
    match state {
        State::Idle => None,
        State::Running => Some((State::Requesting, Signal::TERM, GRACE)),
        State::Requesting => Some((State::Forcing, Signal::KILL, GRACE)),
        State::Forcing => Some((State::Forcing, Signal::KILL, GRACE_AFTER_KILL)),
    }
}

/// Returns the highest result of a script.
pub(crate) fn best(rise: u8, fall: u8) -> u16 {
    u16::from(rise) + u16::from(fall) - 1
}

impl ScriptState<'_> {
    /// Counts a success. Returns whether the script came up, which is logged.
    fn succeed(&mut self) -> bool {
        let rise = u16::from(self.spec.rise);
        let best = best(self.spec.rise, self.spec.fall);
        let came_up = self.result == rise - 1;
        if self.result < rise - 1 {
            self.result += 1;
        } else {
            self.result = best;
        }
        came_up
    }

    /// Counts a failure. Returns whether the script went down, or had no result before, which is logged.
    fn fail(&mut self) -> bool {
        let rise = u16::from(self.spec.rise);
        if self.result > rise {
            self.result -= 1;
            return false;
        }
        let went_down = self.result == rise || self.init != Init::Done;
        self.result = 0;
        went_down
    }
}

impl<O: Observer> World<'_, O> {
    /// Handles a tick: arms the next, then starts a run, unless the last run is not done and is waited for.
    pub(crate) fn tick(&mut self, script: ScriptRef) {
        let skipped_run_starts = self.rules.has(Defect::SkippedRunStillStarts);
        let Some(state) = self.layer.script(script) else { return };
        let (after, at, cancels) =
            (state.spec.interval, state.state, state.spec.kind == ScriptKind::Cancelling);
        self.layer.then(Action::Op(Op::AddTimer { handler: Handler::Tick, argument: Some(script), after }));
        if at != State::Idle && cancels {
            self.layer.then(Action::Cancel(script));
        } else if at != State::Idle {
            let timing_out = at != State::Running;
            self.layer.then(Action::Log(LogLine::Skipped { script, timing_out }));
        }
        if at == State::Idle || cancels || skipped_run_starts {
            self.layer.then(Action::Start(script, Handler::TrackChild));
        }
    }

    /// Handles the timeout or end of a child.
    pub(crate) fn track_child(&mut self, script: ScriptRef, dispatch: Dispatch) {
        if dispatch.kind == EntryKind::ChildTimeout {
            self.child_timed_out(script, dispatch.pid, Handler::TrackChild);
        } else {
            self.track_ended(script, dispatch);
        }
    }

    /// Handles the timeout of a track script's or misc check's child: sends the next stronger signal.
    pub(crate) fn child_timed_out(&mut self, script: ScriptRef, pid: Option<Pid>, handler: Handler) {
        let (Some(pid), Some(state)) = (pid, self.layer.script(script)) else { return };
        // The script is idle because another run ended: the timeout is dropped.
        let Some((next, signal, grace)) = escalate(state.state) else { return };
        let already_forced = state.state == State::Forcing;
        state.state = next;
        if already_forced {
            self.layer.then(Action::Log(LogLine::FailedToTerminate { script, pid }));
        }
        self.layer.then(Action::TellToEnd { script, handler, pid, signal, grace });
    }

    /// Continues after the kernel's answer to a track script's signal.
    pub(crate) fn track_told(
        &mut self,
        script: ScriptRef,
        pid: Pid,
        signal: Signal,
        grace: Span,
        answer: Answer,
    ) -> Option<Op> {
        let after = match answer {
            Answer::Delivered => grace,
            Answer::NoSuchProcess if self.rules.has(Defect::LostChildRetriedForEver) => RETRY_LOST,
            Answer::NoSuchProcess => {
                self.lose(script, pid);
                return None;
            }
            Answer::NotPermitted => {
                self.logged(LogLine::KillFailed { script, pid, signal });
                RETRY_AFTER_FAILURE
            }
        };
        Some(Op::AddChild { handler: Handler::TrackChild, argument: Some(script), pid, after: Some(after) })
    }

    /// Handles a child whose exit never came: the script becomes idle, the run has no result.
    pub(crate) fn lose(&mut self, script: ScriptRef, pid: Pid) {
        self.logged(LogLine::Lost { script, pid });
        if let Some(state) = self.layer.script(script) {
            state.state = State::Idle;
        }
    }

    fn track_ended(&mut self, script: ScriptRef, dispatch: Dispatch) {
        let Some(state) = self.layer.script(script) else { return };
        let at = state.state;
        let status = ExitStatus::from_raw(dispatch.status);
        let mut new_code = None;
        // A status that is neither an exit nor a death gives no result.
        let line = match status {
            Some(ExitStatus::Code(code)) => {
                new_code = (code != state.last_code).then_some(code);
                state.last_code = code;
                if code == 0 {
                    state.succeed().then_some(LogLine::Succeeded { script })
                } else {
                    state.fail().then_some(LogLine::Failed { script, by: FailedBy::Code(code) })
                }
            }
            Some(ExitStatus::Signal(signal)) => {
                let by = if timed_out(at, signal) { FailedBy::TimedOut } else { FailedBy::Signal(signal) };
                state.fail().then_some(LogLine::Failed { script, by })
            }
            None => None,
        };
        state.state = State::Idle;
        state.init = Init::Done;
        // It died as asked; what may be left of its group dies with it.
        let asked = at == State::Requesting && status == Some(ExitStatus::Signal(Signal::TERM));
        if asked && let Some(pid) = dispatch.pid {
            self.layer.then(Action::KillGroup(pid));
        }
        if let Some(code) = new_code {
            self.layer.then(Action::Log(LogLine::NowReturning { script, code }));
        }
        if let Some(line) = line {
            self.layer.then(Action::Log(line));
        }
    }
}

/// Whether a death by `signal` in this state is the timeout's doing.
fn timed_out(state: State, signal: Signal) -> bool {
    match state {
        State::Requesting => signal == Signal::TERM,
        State::Forcing => signal == Signal::KILL || signal == Signal::TERM,
        State::Idle | State::Running => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use treefall_model::trace::{Name, Script};

    fn script(rise: u8, fall: u8) -> Script {
        Script { rise, fall, ..Script::new(Name::numbered(0)) }
    }

    /// Plays `runs` (`+` success, `-` failure). Returns what is logged (`^` up, `v` down, `.` nothing) and the results.
    fn play(rise: u8, fall: u8, runs: &str) -> (alloc::string::String, alloc::vec::Vec<u16>) {
        let spec = script(rise, fall);
        let mut state = ScriptState::new(&spec, Init::Start);
        let mut results = alloc::vec::Vec::new();
        let logged = runs
            .chars()
            .map(|run| {
                let mark = match run {
                    '+' => state.succeed().then_some('^'),
                    _ => state.fail().then_some('v'),
                };
                state.init = Init::Done;
                results.push(state.result);
                mark.unwrap_or('.')
            })
            .collect();
        (logged, results)
    }

    #[test]
    fn with_rise_and_fall_1_each_change_is_logged() {
        assert_eq!(play(1, 1, "++--+-"), ("^.v.^v".into(), [1, 1, 0, 0, 1, 0].into()));
        assert_eq!(play(1, 1, "-+"), ("v^".into(), [0, 1].into()), "a first failure is news");
    }

    #[test]
    fn a_script_comes_up_after_rise_successes_or_the_very_first() {
        assert_eq!(play(3, 2, "+"), ("^".into(), [4].into()));
        assert_eq!(play(3, 2, "-++-+++"), ("v.....^".into(), [0, 1, 2, 0, 1, 2, 4].into()));
    }

    #[test]
    fn a_script_goes_down_after_fall_failures_in_a_row() {
        assert_eq!(play(1, 3, "+--+---"), ("^.....v".into(), [3, 2, 1, 3, 2, 1, 0].into()));
    }

    #[test]
    fn rise_and_fall_of_255_do_not_overflow() {
        let (logged, results) = play(255, 255, "+--");
        assert_eq!((logged.as_str(), results), ("^..", [509, 508, 507].into()));
    }

    #[test]
    fn a_death_is_a_timeout_only_by_the_signal_that_was_sent() {
        let other = Signal::SEGV;
        let table = [
            (State::Running, [false, false, false]),
            (State::Requesting, [true, false, false]),
            (State::Forcing, [true, true, false]),
            (State::Idle, [false, false, false]),
        ];
        for (state, expected) in table {
            assert_eq!([Signal::TERM, Signal::KILL, other].map(|signal| timed_out(state, signal)), expected);
        }
    }
}
