//! Runs gdb on a program's trace: the process that runs it stops until gdb has attached.
//!
//! Invariant: the process continues after gdb, so that a run under gdb reaches its verdict like any other.

use std::process::Command;

use rustix::event::{Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

use super::EngineError;
use super::process::{child_of, stands};

/// Number of checks whether the process has stopped itself, with a moment between two checks.
const LOOKS: u32 = 2_000;
const MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// Lets gdb attach to the process that the program forks for its trace, and waits for gdb's end. gdb uses this
/// process's terminal.
pub(super) fn attach(program: u32) -> Result<(), EngineError> {
    let pid = standing(program).ok_or_else(|| EngineError::Debugger {
        why: format!("no process of {program} stood still within ten seconds"),
    })?;
    let mut gdb = Command::new("gdb");
    let quiet = ["set pagination off", "set confirm off", "set print symbol-loading off"];
    gdb.arg("-q").args(quiet.iter().flat_map(|command| ["-iex", command]));
    gdb.args(["-p", &pid.to_string()]);
    // gdb reports the signal that stopped the process once more.
    gdb.args(
        ["handle SIGSTOP nostop noprint nopass", "continue", "backtrace"].iter().flat_map(|it| ["-ex", it]),
    );
    let told = gdb.status();
    // Continues the process if gdb ended early or was missing.
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // A process that has ended needs no signal.
        let _ = kill_process(pid, Signal::CONT);
    }
    match told {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(EngineError::Debugger { why: format!("gdb ended with {status}") }),
        Err(error) => Err(EngineError::Debugger {
            why: format!("gdb cannot be started: {error} (`apt-get install gdb`)"),
        }),
    }
}

fn standing(program: u32) -> Option<u32> {
    (0..LOOKS).find_map(|_| {
        let child = child_of(program).filter(|child| stands(*child));
        if child.is_none() {
            // An interruption only shortens the wait.
            let _ = poll(&mut [], Some(&MOMENT));
        }
        child
    })
}
