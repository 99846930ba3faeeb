//! Tests the command on the installed keepalived, and on damaged copies of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;
use treefall::subject::program::find_installed;

use super::{Outcome, ensure, objects, refused, status, stderr, treefall};

/// A test that needs the path of the real program.
type RealTest = fn(&Path) -> Outcome;

/// Returns the tests; ignored, with the reason, if no keepalived is installed.
pub(super) fn trials() -> Vec<Trial> {
    let real = find_installed().into_iter().next();
    let tests: [(&str, RealTest); 3] = [
        ("a hunt finds only known defects", hunt),
        ("a truncated, nameless or symbol-less copy is refused", mutilated),
        ("a copy without debug symbols is driven", stripped),
    ];
    let mut gdb = real.clone().map_or_else(
        || ignored(GDB, "no keepalived is installed"),
        |path| Trial::test(GDB, move || under_gdb(&path)),
    );
    if Command::new("gdb").arg("--version").output().is_err() {
        gdb = ignored(GDB, "no gdb is installed");
    }
    let trials = tests.into_iter().map(|(name, body)| {
        let name = format!("real program: {name}");
        match &real {
            Some(path) => {
                let path = path.clone();
                Trial::test(name, move || body(&path))
            }
            None => Trial::test(name, || Ok(()))
                .with_ignored_flag(true)
                .with_kind("ignored: no keepalived is installed"),
        }
    });
    trials.chain([gdb]).collect()
}

const GDB: &str = "real program: gdb opens where it crashes";

fn ignored(name: &str, why: &str) -> Trial {
    Trial::test(name, || Ok(())).with_ignored_flag(true).with_kind(format!("ignored: {why}"))
}

/// Runs the trace of 2468 under gdb without a terminal: gdb prints its backtrace and ends, and the run gets its
/// verdict.
fn under_gdb(path: &Path) -> Outcome {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/queued-timeout-and-reload/timer-first.toml");
    let (file, target) = (file.display().to_string(), format!("engine:{}", path.display()));
    let replay = ["replay", &file, "--target", &target];
    let (alone, under) = (treefall(&replay)?, treefall(&[&replay[..], &["--gdb"]].concat())?);
    let said = String::from_utf8_lossy(&under.stdout).into_owned();
    ensure(status(&under) == status(&alone), || format!("{said}{}", stderr(&under)))?;
    let crashes = String::from_utf8_lossy(&alone.stdout).contains("SIGSEGV in rb_insert_color");
    let seen = ["Program received signal SIGSEGV", "rb_insert_color", "thread_add_child", "process_threads"];
    ensure(!crashes || seen.iter().all(|it| said.contains(it)), || said.clone())?;
    // gdb attaches to one process, and a replica has none.
    let of_a_replica = ["replay", &file, "--target", "replica:2.3.1", "--gdb"];
    refused("gdb on a replica", &of_a_replica, 2, &["engine:PATH"])
}

fn hunt(path: &Path) -> Outcome {
    let folder = tempfile::tempdir()?;
    let (target, out) = (format!("engine:{}", path.display()), folder.path().display().to_string());
    let output = treefall(&["hunt", "--target", &target, "--json", "--out", &out])?;
    ensure(matches!(status(&output), Some(0 | 1)), || stderr(&output))?;
    let (findings, _) = objects(&output)?;
    findings.iter().try_for_each(|finding| {
        let good = finding["defect"].is_string() && finding["confirmed"] == true;
        ensure(good, || format!("{finding:?}"))
    })
}

fn mutilated(path: &Path) -> Outcome {
    let bytes = fs::read(path)?;
    let folder = tempfile::tempdir()?;
    let table: [(&str, Vec<u8>, &str); 4] = [
        ("cut-off", bytes[..bytes.len() / 2].to_vec(), "is no x86-64 ELF program"),
        ("nameless", replaced(&bytes, b"Keepalived v", b"Keepaliced v"), "is no keepalived"),
        (
            "older-than-all",
            replaced(&bytes, b"Keepalived v2.", b"Keepalived v1."),
            "older than 2.0.8, the oldest release",
        ),
        (
            "without-symbols",
            replaced(&bytes, b"\0script_killall\0", b"\0script_killers\0"),
            "does not show its scheduler",
        ),
    ];
    for (name, bytes, says) in table {
        let copy = folder.path().join(name);
        fs::write(&copy, bytes)?;
        refused(name, &["hunt", "--target", &format!("engine:{}", copy.display())], 2, &[says])?;
    }
    let plain = folder.path().join("not-executable");
    fs::write(&plain, &bytes)?;
    refused(
        "not executable",
        &["hunt", "--target", &format!("engine:{}", plain.display())],
        2,
        &["may be executed"],
    )
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "nothing else may move");
    let mut copy = bytes.to_vec();
    let places: Vec<usize> =
        (0..=copy.len() - from.len()).filter(|at| copy[*at..].starts_with(from)).collect();
    places.into_iter().for_each(|at| copy[at..at + to.len()].copy_from_slice(to));
    copy
}

fn stripped(path: &Path) -> Outcome {
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("keepalived");
    fs::copy(path, &copy)?;
    let done = Command::new("strip").arg(&copy).status();
    // Without binutils, the unchanged copy is used: a distribution's program is already stripped.
    drop(done);
    let target = format!("engine:{}", copy.display());
    let output = treefall(&["targets", "--json", "--target", &target])?;
    let (objects, _) = objects(&output)?;
    let looked = objects.iter().find(|it| it["target"] == target.as_str());
    ensure(looked.is_some_and(|it| it["allowed"] == true), || format!("{looked:?}"))
}
