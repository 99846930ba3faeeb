//! Tests the rules of `sim/guide/command-line.md` as a user or a script meets them.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use treefall_model::release::Release;

use crate::good::GOOD;

fn command(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_treefall"));
    command.args(arguments).current_dir(folder);
    command
}

fn treefall(arguments: &[&str], folder: &Path) -> Output {
    command(arguments, folder).output().expect("treefall runs")
}

/// Runs the command with `text` on its standard input.
fn fed(arguments: &[&str], text: &str, folder: &Path) -> Output {
    let mut command = command(arguments, folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("treefall starts");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn last(output: &Output) -> Value {
    let text = out(output);
    let line = text.lines().last().unwrap_or_else(|| panic!("no line: {output:?}"));
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn an_input_file_may_be_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let from_file = |arguments: &[&str]| {
        fs::write(folder.path().join("x.toml"), GOOD).unwrap();
        treefall(arguments, folder.path())
    };
    for arguments in [
        &["replay", "FILE"][..],
        &["matrix", "FILE", "--target", "engine:/no/such"],
        &["shrink", "FILE", "--target", "replica:2.3.1"],
        &["report", "FILE", "--target", "replica:2.3.1"],
        &["fmt", "--check", "FILE"],
    ] {
        let named = |file: &'static str| -> Vec<&str> {
            arguments.iter().map(|word| if *word == "FILE" { file } else { word }).collect()
        };
        let (plain, piped) = (from_file(&named("x.toml")), fed(&named("-"), GOOD, folder.path()));
        assert_eq!(piped.status.code(), plain.status.code(), "{arguments:?}: {}", err(&piped));
        assert_eq!(
            out(&piped).replace("x.toml", "-").lines().count(),
            out(&plain).lines().count(),
            "{arguments:?}"
        );
    }
    let untidy = GOOD.replace(" = ", "=");
    let tidy = fed(&["fmt", "-"], &untidy, folder.path());
    assert_eq!((tidy.status.code(), out(&tidy)), (Some(0), GOOD.to_owned()));
    let conf = "vrrp_script chk {\n script x\n}\nvrrp_instance one {\n track_script {\n chk\n }\n}\n";
    let soak = ["soak", "--config", "-", "--life", "1min", "--most", "2min", "--failures", "1"];
    let soaked = fed(&soak, conf, folder.path());
    assert_eq!(soaked.status.code(), Some(0), "{}", err(&soaked));
}

#[test]
fn an_output_file_may_be_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.toml"), GOOD).unwrap();
    for (arguments, holds) in [
        (&["shrink", "x.toml", "--target", "replica:2.3.1", "-q", "-o", "-"][..], "format = 1"),
        (&["report", "x.toml", "--target", "replica:2.3.1", "--html", "-"], "<!DOCTYPE html>"),
        (&["replay", "x.toml", "--junit", "-"], "<testsuites"),
    ] {
        let output = treefall(arguments, folder.path());
        assert!(out(&output).contains(holds), "{arguments:?}: {output:?}");
        assert!(!folder.path().join("-").exists(), "{arguments:?}");
    }
}

#[test]
fn errors_of_every_file_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong");
    fs::create_dir(&wrong).unwrap();
    fs::write(wrong.join("a.toml"), GOOD.replace("timeout =", "timeuot =")).unwrap();
    fs::write(wrong.join("b.toml"), "format = 99\n").unwrap();
    fs::write(wrong.join("c.toml"), GOOD).unwrap();
    for arguments in [
        &["replay", "wrong"][..],
        &["matrix", "wrong"],
        &["fmt", "wrong"],
        &["corpus", "import", "wrong", "--out", "corpus"],
    ] {
        let output = treefall(&[arguments, &["--json"]].concat(), folder.path());
        let text = err(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(
            text.contains("no key \"timeuot\"") && text.contains("format 99 is newer"),
            "{arguments:?}: {text}"
        );
        let error = last(&output)["error"].as_str().unwrap_or_default().to_owned();
        assert!(error.contains("timeuot") && error.contains("format 99"), "{arguments:?}: {error}");
    }
    let output = treefall(&["hunt", "--target", "replica:9", "--target", "enigne"], folder.path());
    let text = err(&output);
    assert!(text.contains("replica:9") && text.contains("enigne"), "{text}");
    let output = treefall(&["merge", "no-a", "no-b"], folder.path());
    assert!(err(&output).contains("no-a") && err(&output).contains("no-b"), "{}", err(&output));
}

#[test]
fn a_replay_reports_the_run_and_its_expectation() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.toml"), GOOD).unwrap();
    fs::write(folder.path().join("wrong.toml"), GOOD.replace("no-dangling-node", "clean")).unwrap();
    let replayed = |file: &str, target: &str| {
        let output = treefall(&["replay", file, "--target", target], folder.path());
        (output.status.code(), out(&output))
    };
    let (status, text) = replayed("x.toml", "replica:2.3.1");
    let does = "crashes by SIGSEGV in rb_insert_color, breaks no-dangling-node/cleanup/unused";
    assert_eq!((status, text), (Some(0), format!("ok   x.toml on replica:2.3.1: as expected: {does}\n")));
    let (status, text) = replayed("wrong.toml", "replica:2.3.1");
    assert!(
        text.starts_with(&format!("FAIL wrong.toml on replica:2.3.1: NOT as expected: {does}")),
        "{text}"
    );
    assert_eq!(status, Some(1));
    // This one has no expectation.
    let newest = format!("replica:{}-ReloadSkipsQueuedTimeout", Release::NEWEST);
    assert_eq!(replayed("x.toml", &newest), (Some(0), format!("ok   x.toml on {newest}: clean\n")));
}

#[test]
fn the_summary_has_one_type_and_the_last_line_status_and_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.toml"), GOOD).unwrap();
    let table: [(&[&str], bool, i32, bool); 10] = [
        (&["hunt", "--target", "replica:2.3.1", "--traces", "20"], true, 1, false),
        (&["hunt", "--target", "replica:mended", "--traces", "20"], true, 0, false),
        (&["hunt", "--target", "replica:9"], true, 2, true),
        (&["hunt", "--no-such-flag"], true, 2, true),
        (&["--no-such-flag"], true, 2, true),
        (&["explore", "--resume", "no-such"], true, 2, true),
        (&["soak", "--target", "engine:/bin/true"], true, 2, true),
        (&["replay", "x.toml"], false, 0, false),
        (&["replay", "no-such.toml"], false, 2, true),
        (&["merge"], false, 2, true),
    ];
    for (arguments, is_array, status, is_error) in table {
        let output = treefall(&[arguments, &["--json"]].concat(), folder.path());
        let last = last(&output);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", err(&output));
        assert_eq!(last["status"], status, "{arguments:?}");
        assert_eq!(last["error"].is_string(), is_error, "{arguments:?}: {last}");
        assert_eq!(
            (last["summary"].is_array(), last["summary"].is_object()),
            (is_array, !is_array),
            "{arguments:?}"
        );
        if is_error && !is_array {
            assert_eq!(
                (&last["summary"]["error"], &last["summary"]["status"]),
                (&last["error"], &last["status"])
            );
        }
    }
}

#[test]
fn hunt_and_merge_end_with_1_if_there_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let hunt = ["hunt", "--target", "replica:2.3.1", "--traces", "20", "--out", "part"];
    assert_eq!(treefall(&hunt, folder.path()).status.code(), Some(1));
    assert_eq!(treefall(&["merge", "part", "--out", "all"], folder.path()).status.code(), Some(1));
    let clean = ["hunt", "--target", "replica:mended", "--traces", "20", "--out", "clean"];
    assert_eq!(treefall(&clean, folder.path()).status.code(), Some(0));
    assert_eq!(treefall(&["merge", "clean", "--out", "none"], folder.path()).status.code(), Some(0));
}

#[test]
fn a_failed_triage_names_the_file_of_the_failure() {
    let folder = tempfile::tempdir().unwrap();
    let hunt = ["hunt", "--target", "replica:2.3.1", "--all", "--traces", "200", "--json"];
    let whole = treefall(&hunt, folder.path());
    assert_eq!(whole.status.code(), Some(1));
    let findings = out(&whole).lines().count() - 1;
    // A folder blocks the path of its report, so only this failure fails.
    let first: Value = serde_json::from_str(out(&whole).lines().next().unwrap()).unwrap();
    let report = folder.path().join(first["report"].as_str().unwrap());
    fs::remove_file(&report).unwrap();
    fs::create_dir(&report).unwrap();
    fs::write(report.join("x"), "x").unwrap();
    fs::remove_file(folder.path().join("reports/replica_2.3.1/hunt.json")).unwrap();
    let part = treefall(&hunt, folder.path());
    assert_eq!(part.status.code(), Some(3), "{}", err(&part));
    let objects: Vec<Value> = out(&part).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len() - 1, findings, "the others are reported as before");
    let failed: Vec<&Value> = objects.iter().filter(|it| it["kept_as_found"].is_string()).collect();
    assert_eq!(failed.len(), 1, "{objects:?}");
    assert!(failed[0]["error"].is_string() && failed[0]["signature"] == first["signature"], "{failed:?}");
    let found = failed[0]["kept_as_found"].as_str().unwrap();
    assert!(err(&part).contains(found), "{}", err(&part));
    let replayed = treefall(&["replay", found], folder.path());
    assert_eq!(replayed.status.code(), Some(0), "{}", err(&replayed));
}
