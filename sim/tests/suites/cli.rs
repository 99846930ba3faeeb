//! Tests the command as a user or a script meets it: its output, its exit statuses, its files.
//!
//! Runs the `console` blocks of all documents and `cmd/*.trycmd` unchanged (`documents.rs` checks the other blocks).
//! A test that needs a real keepalived is ignored, with the reason, if none is installed.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value};
use treefall::model::release::Release;

mod output;
mod real;

use crate::good::GOOD;
use crate::walk;

const TREEFALL: &str = env!("CARGO_BIN_EXE_treefall");
/// Fields of every finding.
const FINDING_FIELDS: [&str; 17] = [
    "target",
    "release",
    "law",
    "outcome",
    "backtrace",
    "signature",
    "defect",
    "mended_by",
    "seed",
    "traces",
    "elapsed_ms",
    "wakes_found",
    "wakes_minimal",
    "confirmed",
    "digest",
    "scenario",
    "report",
];
/// Number of polls for an awaited event, 20 ms apart: a minute.
const LOOKS_MAX: u32 = 3_000;

type Outcome = Result<(), Failed>;

pub(crate) fn trials() -> Vec<Trial> {
    let test = |name: &str, body: fn() -> Outcome| trial!(name, body);
    let mut trials = vec![
        test("the documents and cmd/*.trycmd show the real output", documents),
        test("an invalid scenario file is refused with place and remedy", wrong_scenarios),
        test("a program other than keepalived is refused with the reason", wrong_programs),
        test("a refused command writes nothing", nothing_half_written),
        test("every command prints JSON objects and a summary last", json_of_every_command),
        test("findings do not depend on the number of jobs", jobs_make_no_difference),
        test("a soak does not depend on --jobs, and its findings replay", soak_is_deterministic_and_kept),
        test("a killed hunt keeps its failures, and they replay", killed_hunt_keeps_its_failures),
        test("Ctrl-C ends a hunt with its summary", interrupted_hunt_ends_cleanly),
        test("a closed pipe ends the command quietly, a full disk with an error", output::nothing_is_written),
        test("a baseline hides the violations that it shows too", baseline_hides),
        test("a failure replays as expected by itself", failures_replay),
        test("no colours reach a file", no_colours_in_a_file),
    ];
    trials.extend(real::trials());
    trials
}

fn treefall(arguments: &[&str]) -> io::Result<Output> {
    Command::new(TREEFALL).args(arguments).output()
}

fn status(output: &Output) -> Option<i32> {
    output.status.code()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(why().into()) }
}

/// Asserts that the command is refused with this status and an error that contains each of these texts.
fn refused(what: &str, arguments: &[&str], wanted: i32, says: &[&str]) -> Outcome {
    let output = treefall(arguments)?;
    let text = stderr(&output);
    let result = || format!("{what}: {:?}\n{}{text}", status(&output), stdout(&output));
    ensure(status(&output) == Some(wanted), result)?;
    ensure(text.starts_with("error: ") && !text.contains("panicked"), result)?;
    says.iter().try_for_each(|says| ensure(text.contains(says), || format!("no `{says}` in {}", result())))
}

fn documents() -> Outcome {
    let cases = trycmd::TestCases::new();
    cases.register_bin("treefall", Path::new(TREEFALL));
    // A placeholder for the newest release, so that a new release changes no checked text.
    cases.insert_var("[NEWEST]", Release::NEWEST.to_string()).map_err(|error| error.to_string())?;
    cases.register_bin("cargo", trycmd::schema::Bin::Ignore);
    for document in walk::files(Path::new("."), "md") {
        cases.case(document);
    }
    cases.case("sim/tests/cmd/*.trycmd").run();
    Ok(())
}

fn wrong_scenarios() -> Outcome {
    let folder = tempfile::tempdir()?;
    let known = format!("{} to {}", Release::OLDEST, Release::NEWEST);
    let exit = "after = \"+1s\"\nexits = [{ run = \"chk#7\", status = 0 }]\nsignals";
    let crash = "exits = [{ run = \"chk#7\", status = 0 }]\nsignals";
    let table: [(&str, Vec<u8>, &[&str]); 13] = [
        (
            "unknown key",
            edited("timeout =", "timeuot ="),
            &["no key \"timeuot\"", ":7:1", "did you mean `timeout`?"],
        ),
        ("unquoted duration", edited("\"3s\"", "3s"), &[":6:12", "write \"3s\""]),
        ("a number for a duration", edited("\"3s\"", "3"), &[":6:12", "a duration in quotes"]),
        (
            "a run that never starts",
            edited("after = \"next-timer\"\nsignals", exit),
            &["run chk#7 never starts", ":11:"],
        ),
        (
            "a run that never starts, in the wake of the crash",
            edited("signals", crash),
            &["run chk#7 never starts", ":11:"],
        ),
        (
            "no such script",
            edited("after = \"next-timer\"\nsignals", &exit.replace("chk", "chkk")),
            &["did you mean `chk`?"],
        ),
        (
            "a newer format",
            edited("format = 1", "format = 99"),
            &["format 99 is newer than format 2", "use a newer treefall"],
        ),
        ("no format", edited("format = 1\n", ""), &["expected `format = 1` first"]),
        (
            "an unknown law",
            edited("no-dangling-node", "no-dangling-nod"),
            &["did you mean `no-dangling-node`?"],
        ),
        ("an unknown release", edited("2.3.1", "9.9"), &[known.as_str(), "expected a range"]),
        ("empty", Vec::new(), &["expected `format = 1` first"]),
        (
            "noise",
            (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect(),
            &["is not UTF-8"],
        ),
        ("100 MB", Vec::new(), &["larger than 16 MiB"]),
    ];
    for (what, bytes, says) in table {
        let path = folder.path().join("wrong.toml");
        fs::write(&path, bytes)?;
        if what == "100 MB" {
            fs::File::create(&path)?.set_len(100 << 20)?;
        }
        let path = path.to_str().ok_or("a path that is text")?;
        refused(what, &["replay", path], 2, says)?;
        // `fmt` does not run a scenario, so it cannot detect a run that never starts.
        if !what.contains("never") {
            refused(what, &["fmt", path], 2, says)?;
        }
        refused(what, &["shrink", path, "--target", "replica:2.3.1"], 2, says)?;
        refused(what, &["replay", path, "--bisect"], 125, says)?;
    }
    let empty = tempfile::tempdir()?;
    let path = empty.path().to_str().ok_or("a path that is text")?;
    refused("an empty folder", &["replay", path], 2, &["no scenario file"])?;
    refused("a device", &["replay", "/dev/zero"], 2, &["larger than 16 MiB"])
}

fn edited(from: &str, to: &str) -> Vec<u8> {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1).into_bytes()
}

fn wrong_programs() -> Outcome {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("script");
    fs::write(&script, "#!/bin/sh\nexec keepalived\n")?;
    let (script, folder) = (script.display().to_string(), folder.path().display().to_string());
    let missing = format!("{folder}/missing");
    let table: [(&str, &str); 8] = [
        ("/bin/true", "is no keepalived: the text `Keepalived v` with a version is nowhere in it; name"),
        ("", "no program is named after the colon"),
        (&script, "is a script; name the program that it starts"),
        (&missing, "check the path, or install one (`apt-get install keepalived`) or fetch"),
        (&folder, "is a folder; name the keepalived program in it"),
        ("/dev/zero", "is no x86-64 ELF program"),
        ("/dev/null", "is no x86-64 ELF program"),
        ("/usr/sbin/keepalived@/no/such/root", "cannot read /no/such/root/usr/sbin/keepalived"),
    ];
    for (path, says) in table {
        let target = format!("engine:{path}");
        refused(path, &["hunt", "--target", &target], 2, &[says])?;
        refused(path, &["hunt", "--target", &format!("daemon:{path}")], 2, &[says])?;
        refused(path, &["conform", "--target", &target], 2, &[says])?;
        let looked = treefall(&["targets", "--json", "--target", &target])?;
        if path.is_empty() {
            ensure(status(&looked) == Some(2), || stdout(&looked))?;
            continue;
        }
        ensure(status(&looked) == Some(0) && stdout(&looked).contains("\"allowed\":false"), || {
            stdout(&looked)
        })?;
    }
    Ok(())
}

fn nothing_half_written() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("file");
    fs::write(&file, GOOD)?;
    let file = file.to_str().ok_or("a path that is text")?;
    refused("a file for --out", &["hunt", "--target", "replica:2.3.1", "--out", file], 2, &["--out DIR"])?;
    let gone = format!("{file}/../gone/x.toml");
    refused(
        "no folder for -o",
        &["shrink", file, "--target", "replica:2.3.1", "-o", &gone, "-q"],
        2,
        &["cannot write"],
    )?;
    let out = folder.path().join("out").display().to_string();
    refused(
        "no keepalived",
        &["hunt", "--target", "engine:/bin/true", "--out", &out],
        2,
        &["is no keepalived"],
    )?;
    // A second file that is invalid leaves the first unchanged.
    let (untidy, wrong) = (folder.path().join("a.toml"), folder.path().join("b.toml"));
    fs::write(&untidy, GOOD.replace(" = ", "="))?;
    fs::write(&wrong, "format = 99\n")?;
    let before = fs::read(&untidy)?;
    let (first, second) = (untidy.display().to_string(), wrong.display().to_string());
    refused("a wrong file among right ones", &["fmt", &first, &second], 2, &["format 99"])?;
    ensure(fs::read(&untidy)? == before, || "the first file was changed".to_owned())?;
    let mut left: Vec<_> =
        fs::read_dir(folder.path())?.map(|it| it.map(|it| it.file_name())).collect::<Result<_, _>>()?;
    left.sort();
    ensure(left == ["a.toml", "b.toml", "file"], || format!("{left:?}"))
}

/// Returns the printed objects and the summary.
fn objects(output: &Output) -> Result<(Vec<Map<String, Value>>, Value), Failed> {
    let text = stdout(output);
    let mut objects = text.lines().map(serde_json::from_str).collect::<Result<Vec<Map<_, _>>, _>>()?;
    let mut last = objects.pop().ok_or("no object")?;
    let summary = last.remove("summary").ok_or_else(|| format!("the last object is no summary: {text}"))?;
    ensure(objects.iter().all(|it| !it.contains_key("summary")), || "a summary before the end".to_owned())?;
    Ok((objects, summary))
}

fn json_of_every_command() -> Outcome {
    let folder = tempfile::tempdir()?;
    let out = folder.path().display().to_string();
    let file = "scenarios/queued-timeout-and-reload/timer-first.toml";
    let table: [(&[&str], i32); 13] = [
        (&["targets"], 0),
        (&["hunt", "--target", "replica:2.3.1", "--out", &out], 1),
        (&["hunt", "--target", "replica:mended", "--traces", "50", "--out", &out], 0),
        (&["explore", "--target", "replica:mended", "--wakes", "2", "--out", &out], 0),
        (&["replay", file], 0),
        (&["matrix", file], 0),
        (&["roots", "fetch", "NOSUCH"], 2),
        (&["shrink", file, "--target", "replica:2.3.1"], 0),
        (&["report", file, "--target", "replica:2.3.1"], 0),
        (&["fmt", "--check", file], 0),
        (&["doctor", "--target", "replica:2.2.7", "--traces", "20"], 0),
        (&["bench", "--target", "replica:mended", "--scripts", "4", "--wakes", "1000"], 0),
        (&["replay", "no-such-file.toml"], 2),
    ];
    for (arguments, wanted) in table {
        let output = treefall(&[arguments, &["--json"]].concat())?;
        ensure(status(&output) == Some(wanted), || format!("{arguments:?}: {output:?}"))?;
        let (objects, summary) = objects(&output)?;
        let clean = arguments.contains(&"replica:mended") && arguments[0] == "hunt";
        ensure(clean == objects.is_empty() || wanted == 2, || format!("{arguments:?}: {objects:?}"))?;
        if wanted == 2 {
            ensure(summary["status"] == 2 && summary["error"].is_string(), || summary.to_string())?;
        }
        if wanted == 1 {
            for finding in &objects {
                let missing = FINDING_FIELDS.iter().find(|field| !finding.contains_key(**field));
                ensure(missing.is_none(), || format!("no {missing:?} in {finding:?}"))?;
                ensure(Path::new(finding["scenario"].as_str().unwrap_or("")).is_file(), || {
                    format!("{finding:?}")
                })?;
                ensure(Path::new(finding["report"].as_str().unwrap_or("")).is_file(), || {
                    format!("{finding:?}")
                })?;
            }
            ensure(summary[0]["findings"] == objects.len(), || summary.to_string())?;
        }
    }
    Ok(())
}

/// Fields of every soak.
const SOAK_FIELDS: [&str; 19] = [
    "target",
    "release",
    "until",
    "workload",
    "lives",
    "failures",
    "followed_ms",
    "reloads",
    "mean_ms",
    "median_ms",
    "hazard_per_reload",
    "mean_by_hazard_ms",
    "median_by_hazard_ms",
    "agree",
    "within_day",
    "within_week",
    "within_year",
    "kinds",
    "ages_ms",
];

fn soak_is_deterministic_and_kept() -> Outcome {
    let result = |jobs: &str| -> Result<(tempfile::TempDir, Vec<Map<String, Value>>), Failed> {
        let folder = tempfile::tempdir()?;
        let script = "count=4 runs=5%:never,5ms..900ms on-term=20%:never,1ms..3ms";
        let soak =
            ["soak", "--machine", "loaded", "--reload", "1s", "--script", script, "--json", "--jobs", jobs];
        let output = Command::new(TREEFALL).args(soak).current_dir(folder.path()).output()?;
        ensure(status(&output) == Some(1), || format!("{output:?}"))?;
        let (result, summary) = objects(&output)?;
        ensure(summary[0]["failures"] == 30, || summary.to_string())?;
        Ok((folder, result))
    };
    let (folder, alone) = result("1")?;
    ensure(alone == result("2")?.1, || format!("{alone:?}"))?;
    let missing = SOAK_FIELDS.iter().find(|field| !alone[0].contains_key(**field));
    ensure(missing.is_none(), || format!("no {missing:?} in {alone:?}"))?;
    let kinds = alone[0]["kinds"].as_array().ok_or("no kinds")?;
    let shares: f64 = kinds.iter().filter_map(|kind| kind["share"].as_f64()).sum();
    ensure((shares - 1.0).abs() < 1e-9, || format!("{kinds:?}"))?;
    let scenario = kinds[0]["scenario"].as_str().ok_or("nothing was kept")?;
    let replay = ["replay", scenario, "--target", "replica:2.3.1"];
    let output = Command::new(TREEFALL).args(replay).current_dir(folder.path()).output()?;
    ensure(status(&output) == Some(0), || format!("{output:?}"))
}

fn jobs_make_no_difference() -> Outcome {
    let findings = |jobs: &str| -> Result<(Vec<Map<String, Value>>, Value), Failed> {
        let folder = tempfile::tempdir()?;
        // Both use the same arguments, because the folder is part of a finding.
        let hunt = [
            "hunt",
            "--target",
            "replica:2.3.1",
            "--seed",
            "1",
            "--traces",
            "2000",
            "--json",
            "--jobs",
            jobs,
        ];
        let output = Command::new(TREEFALL).args(hunt).current_dir(folder.path()).output()?;
        let (mut findings, mut summary) = objects(&output)?;
        findings.iter_mut().for_each(|finding| drop(finding.insert("elapsed_ms".to_owned(), 0.into())));
        summary[0]["elapsed_ms"] = 0.into();
        Ok((findings, summary))
    };
    let (one, two) = (findings("1")?, findings("2")?);
    ensure(!one.0.is_empty() && one == two, || format!("{one:?}\n{two:?}"))
}

/// Starts a hunt of hours in `folder`, and waits for its first failure.
#[expect(
    clippy::disallowed_methods,
    reason = "another process is waited for; nothing recorded depends on it"
)]
fn long_hunt(folder: &Path) -> io::Result<Child> {
    let hunt =
        ["hunt", "--target", "replica:2.3.4", "--all", "--traces", "1000000000", "--json", "--jobs", "1"];
    let mut hunt = Command::new(TREEFALL)
        .args(hunt)
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    for _ in 0..LOOKS_MAX {
        if !found_files(folder)?.is_empty() {
            return Ok(hunt);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    hunt.kill()?;
    Err(io::Error::other("nothing was found in a minute"))
}

fn found_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            match path.file_name().and_then(|name| name.to_str()) {
                Some("found.toml") => found.push(path),
                _ if path.is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
    Ok(found)
}

fn killed_hunt_keeps_its_failures() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut hunt = long_hunt(folder.path())?;
    // A process cannot react to SIGKILL.
    hunt.kill()?;
    ensure(hunt.wait()?.code().is_none(), || "it ended before it was killed".to_owned())?;
    let found = found_files(folder.path())?;
    for file in found {
        let replayed = treefall(&["replay", &file.display().to_string(), "--target", "replica:2.3.4"])?;
        ensure(status(&replayed) == Some(0), || format!("{}{}", stdout(&replayed), stderr(&replayed)))?;
    }
    Ok(())
}

fn interrupted_hunt_ends_cleanly() -> Outcome {
    let folder = tempfile::tempdir()?;
    let hunt = long_hunt(folder.path())?;
    kill_process(Pid::from_child(&hunt), Signal::INT)?;
    let output = hunt.wait_with_output()?;
    ensure(status(&output) == Some(1), || format!("{:?}", output.status))?;
    let (findings, summary) = objects(&output)?;
    // The interrupt came during the search: nothing is triaged, and all failures are kept.
    let kept = found_files(folder.path())?.len();
    let named = findings.iter().all(|failure| failure["kept_as_found"].is_string()) && findings.len() == kept;
    let result = named && summary[0]["findings"] == 0 && summary[0]["kept_as_found"] == kept;
    ensure(result && kept > 0, || format!("{kept} kept: {summary}"))
}

fn baseline_hides() -> Outcome {
    let folder = tempfile::tempdir()?;
    let out = folder.path().display().to_string();
    let hunt = [
        "hunt",
        "--target",
        "replica:2.3.1",
        "--baseline",
        "replica:2.3.1",
        "--traces",
        "200",
        "--out",
        &out,
    ];
    let output = treefall(&hunt)?;
    ensure(status(&output) == Some(0), || stdout(&output))?;
    ensure(stdout(&output).contains("200 traces"), || {
        format!("the baseline's break ended it: {}", stdout(&output))
    })
}

fn failures_replay() -> Outcome {
    let folder = tempfile::tempdir()?;
    let out = folder.path().display().to_string();
    let found = treefall(&["hunt", "--target", "replica:2.3.1", "--out", &out])?;
    ensure(status(&found) == Some(1), || stderr(&found))?;
    let replayed = treefall(&["replay", &out])?;
    ensure(status(&replayed) == Some(0), || format!("{}{}", stdout(&replayed), stderr(&replayed)))
}

fn no_colours_in_a_file() -> Outcome {
    let wrong = tempfile::Builder::new().suffix(".toml").tempfile()?;
    wrong.as_file().write_all(b"format = 99\n")?;
    let output = treefall(&["replay", &wrong.path().display().to_string()])?;
    let targets = treefall(&["targets"])?;
    ensure(!stderr(&output).contains('\u{1b}') && !stdout(&targets).contains('\u{1b}'), || stderr(&output))
}
