//! gdb at a program's trace: the process that is to run it stands still until gdb has taken hold of it.
//!
//! Always: what gdb leaves behind goes on, so that a run under gdb comes to its verdict as any other.

use std::process::Command;

use rustix::event::{Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

use super::EngineError;
use super::process::{child_of, stands};

/// A process that is to stop itself does so at once: it is looked for so often, a moment between two looks.
const LOOKS: u32 = 2_000;
const MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// Lets gdb take hold of the process that the program's forks for its trace, and waits for gdb's end. gdb speaks on
/// this process's own terminal.
pub(super) fn attach(program: u32) -> Result<(), EngineError> {
    let pid = standing(program).ok_or_else(|| EngineError::Debugger {
        why: format!("no process of {program} stood still within ten seconds"),
    })?;
    let mut gdb = Command::new("gdb");
    let quiet = ["set pagination off", "set confirm off", "set print symbol-loading off"];
    gdb.arg("-q").args(quiet.iter().flat_map(|command| ["-iex", command]));
    gdb.args(["-p", &pid.to_string()]);
    // The signal by which it stood still is told once more.
    gdb.args(
        ["handle SIGSTOP nostop noprint nopass", "continue", "backtrace"].iter().flat_map(|it| ["-ex", it]),
    );
    let told = gdb.status();
    // If gdb was left before it let the process go on, or was not there at all.
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // One that has ended needs none.
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
            // Interrupted, it looks again a little sooner.
            let _ = poll(&mut [], Some(&MOMENT));
        }
        child
    })
}
