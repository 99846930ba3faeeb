//! Tests output that nobody reads: a full disk, a closed pipe.

use std::fs;
use std::io;
use std::process::{Command, Stdio};

use super::{Outcome, TREEFALL, ensure, status, stderr};

pub(super) fn nothing_is_written() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file =
        fs::canonicalize("scenarios/queued-timeout-and-reload/timer-first.toml")?.display().to_string();
    let log = fs::canonicalize("sim/tests/logs/crash-2.2.7.log")?.display().to_string();
    let replica = ["--target", "replica:2.3.1"];
    let commands: [(&[&str], &[&str]); 16] = [
        (&["--help"], &[]),
        (&["--version"], &[]),
        (&["man", "hunt"], &[]),
        (&["schema"], &[]),
        (&["completions", "bash"], &[]),
        (&["targets"], &[]),
        (&["hunt", "--traces", "50"], &replica),
        (&["doctor", "--traces", "50"], &replica),
        (&["explore", "--wakes", "2"], &replica),
        (&["soak", "--failures", "1"], &replica),
        (&["replay", &file], &replica),
        (&["shrink", &file], &replica),
        (&["report", &file], &replica),
        (&["matrix", &file], &[]),
        (&["import", &log, "--tries", "100"], &[]),
        (&["merge", "reports", "--out", "merged"], &[]),
    ];
    for (words, target) in commands {
        let run = |stdout: Stdio, stderr: Stdio| {
            let mut command = Command::new(TREEFALL);
            command.args(words).args(target).current_dir(folder.path());
            command.stdout(stdout).stderr(stderr).output()
        };
        let full = || fs::OpenOptions::new().write(true).open("/dev/full").map(Stdio::from);
        let output = run(full()?, Stdio::piped())?;
        let says = stderr(&output).contains("cannot write to standard output");
        ensure(status(&output) == Some(3) && says, || format!("{words:?} to a full disk: {output:?}"))?;
        let output = run(full()?, full()?)?;
        ensure(status(&output) == Some(3), || format!("{words:?} to a full disk: {output:?}"))?;
        let closed = || {
            let (reader, writer) = io::pipe()?;
            drop(reader);
            Ok::<_, io::Error>(Stdio::from(writer))
        };
        let output = run(closed()?, Stdio::piped())?;
        let quiet = !stderr(&output).contains("error") && !stderr(&output).contains("panicked");
        ensure(status(&output) == Some(141) && quiet, || format!("{words:?} to a closed pipe: {output:?}"))?;
        let output = run(closed()?, closed()?)?;
        ensure(status(&output) == Some(141), || format!("{words:?} to closed pipes: {output:?}"))?;
        // If only standard error is lost, nothing else changes.
        let output = run(Stdio::piped(), closed()?)?;
        ensure(matches!(status(&output), Some(0 | 1)), || format!("{words:?}: {output:?}"))?;
    }
    Ok(())
}
