//! Tests `treefall roots` and `treefall matrix` with programs of other releases.
//!
//! Invariant: nothing is downloaded. A script of this test replaces the tool that unpacks a suite, and unpacks the
//! small scheduler of `subject/scheduler.c`.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A temporary cache, and a folder with the tool.
struct Bench {
    folder: TempDir,
}

impl Bench {
    /// `tool` is the script's body; its last argument is the folder to fill.
    fn new(tool: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let script = bin.join("mmdebstrap");
        fs::write(&script, format!("#!/bin/sh\nfor to; do :; done\n{tool}\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    /// Creates a tool that unpacks the scheduler.
    fn working() -> Self {
        let bench = Self::new("");
        let program = bench.path("keepalived");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/subject/scheduler.c");
        let done = Command::new("cc").args(["-O1", "-w", "-Wl,-E", "-o"]).arg(&program).arg(source).status();
        assert!(done.unwrap().success());
        let lines = [
            "echo \"$*\" >> \"$0.said\"".to_owned(),
            "mkdir -p \"$to/usr/sbin\" \"$to/usr/lib\"".to_owned(),
            format!("cp {} \"$to/usr/sbin/keepalived\"", program.display()),
        ];
        let script = bench.path("bin/mmdebstrap");
        fs::write(&script, format!("#!/bin/sh\nfor to; do :; done\n{}\n", lines.join("\n"))).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn treefall(&self, arguments: &[&str]) -> Output {
        let mut path = OsString::from(self.path("bin"));
        path.push(":/usr/bin:/bin");
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut command = Command::new(env!("CARGO_BIN_EXE_treefall"));
        command.args(arguments).current_dir(top).env("PATH", path).env("TREEFALL_CACHE", self.path("cache"));
        command.output().unwrap()
    }

    /// Returns the names in the cache.
    fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("cache/roots")) else { return Vec::new() };
        let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn objects(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_fetched_suite_is_found_afterwards() {
    let bench = Bench::working();
    let fetched = bench.treefall(&["roots", "fetch", "sid", "--json"]);
    assert_eq!(fetched.status.code(), Some(0), "{}", error(&fetched));
    assert_eq!(bench.names(), ["sid"]);
    let root = bench.path("cache/roots/sid");
    let object = &objects(&fetched)[0];
    assert_eq!(object["target"], format!("engine:/usr/sbin/keepalived@{}", root.display()));
    assert_eq!((&object["release"], &object["was_there"]), (&"2.3.4".into(), &false.into()));
    assert_eq!(fs::read_link(root.join("lib")).unwrap(), Path::new("usr/lib"));

    let once_more = bench.treefall(&["roots", "fetch", "sid", "--json"]);
    assert_eq!(objects(&once_more)[0]["was_there"], true);
    let tool_ran = || fs::read_to_string(bench.path("bin/mmdebstrap.said")).unwrap().lines().count();
    assert_eq!(tool_ran(), 1);
    assert_eq!(bench.treefall(&["roots", "fetch", "sid", "--again"]).status.code(), Some(0));
    assert_eq!((tool_ran(), bench.names()), (2, vec!["sid".to_owned()]));

    let listed = bench.treefall(&["roots", "list", "--json"]);
    assert_eq!(objects(&listed)[0]["suite"], "sid");
    let targets = bench.treefall(&["targets", "--json"]);
    assert!(objects(&targets).iter().any(|it| it["target"] == object["target"]), "{:?}", objects(&targets));
}

#[test]
fn a_failed_fetch_leaves_nothing_behind() {
    let failing = "mkdir -p \"$to\"; echo 'I: trying' >&2; echo 'E: no such suite' >&2; exit 25";
    let table: [(&str, &str, i32, &str); 3] = [
        (failing, "buster", 3, "could not unpack buster (exit status: 25): E: no such suite; check the name"),
        (
            "mkdir -p \"$to\"",
            "buster",
            3,
            "buster was unpacked, and its keepalived is of no use: cannot read",
        ),
        ("", "../buster", 2, "`../buster` is no name of a suite"),
    ];
    for (tool, suite, status, says) in table {
        let bench = Bench::new(tool);
        let output = bench.treefall(&["roots", "fetch", suite]);
        assert_eq!(output.status.code(), Some(status), "{}", error(&output));
        assert!(error(&output).contains(says), "no `{says}` in {}", error(&output));
        assert_eq!(bench.names(), [""; 0]);
    }
}

#[test]
fn without_the_tool_the_error_says_how_to_install_it() {
    let bench = Bench::new("");
    fs::remove_file(bench.path("bin/mmdebstrap")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_treefall"));
    command.args(["roots", "fetch", "sid"]).env("PATH", bench.path("bin"));
    let output = command.env("TREEFALL_CACHE", bench.path("cache")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(error(&output).contains("mmdebstrap is not installed"), "{}", error(&output));
    assert!(error(&output).contains("apt-get install mmdebstrap"));
}

#[test]
fn a_matrix_names_the_first_bad_and_the_first_good_release() {
    let table = [
        // 2.3.2 does not have this crash but another one, so it is not good.
        ("scenarios/queued-timeout-and-reload/timer-first.toml", "2.3.2", "2.3.3", &[["2.2.5", "2.3.1"]][..]),
        ("scenarios/exit-erases-twice/timer-first.toml", "2.3.3", "2.3.3", &[["2.3.2", "2.3.2"]]),
        // A good release between two bad rows is not the first good one.
        (
            "scenarios/cancelled-entry/node-its-own-child.toml",
            "2.3.2",
            "2.3.3",
            &[["2.0.8", "2.0.10"], ["2.0.20", "2.3.1"]],
        ),
    ];
    let bench = Bench::new("");
    let files = table.map(|(file, ..)| file);
    let output = bench.treefall(&[&["matrix", "--json"], &files[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    let objects = objects(&output);
    for (file, first_without, first_good, bad) in table {
        let object = objects.iter().find(|it| it["scenario"] == file && !it["bad"].is_boolean()).unwrap();
        assert_eq!((&object["first_bad"], &object["first_good"]), (&bad[0][0].into(), &first_good.into()));
        assert_eq!(object["first_without"], first_without);
        assert_eq!(object["bad"], serde_json::json!(bad));
        let of_2_3_2 =
            objects.iter().find(|it| it["scenario"] == file && it["target"] == "replica:2.3.2").unwrap();
        let other = if of_2_3_2["bad"] == true { serde_json::json!([]) } else { serde_json::json!(["2548"]) };
        assert_eq!(of_2_3_2["other_crashes"], other, "{file}");
        let of_replicas = objects.iter().filter(|it| {
            it["scenario"] == file && it["target"].as_str().is_some_and(|name| name.starts_with("replica:"))
        });
        assert_eq!(of_replicas.count(), treefall::model::release::Release::ALL.len());
    }
    assert_eq!(objects.last().unwrap()["summary"]["scenarios"], 3);
}

#[test]
fn a_real_program_that_differs_from_its_replica_is_named() {
    let bench = Bench::new("");
    let program = bench.path("keepalived");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/subject/scheduler.c");
    let build = |fault: &str| {
        let mut command = Command::new("cc");
        command.args(["-O1", "-w", "-Wl,-E", fault, "-o"]).arg(&program).arg(&source);
        assert!(command.status().unwrap().success());
    };
    let target = format!("engine:{}", program.display());
    let matrix =
        || bench.treefall(&["matrix", "scenarios/queued-timeout-and-reload/", "--target", &target, "--json"]);
    build("-DFAULT=SOUND");
    let sound = matrix();
    assert_eq!(sound.status.code(), Some(0), "{:?}", objects(&sound));
    build("-DFAULT=ABORT");
    let faulty = matrix();
    assert_eq!(faulty.status.code(), Some(1));
    assert!(objects(&faulty).iter().any(|it| it["differ"] == serde_json::json!([target])));
    let replica = bench.treefall(&["matrix", "scenarios/", "--target", "replica:2.3.1"]);
    assert_eq!(replica.status.code(), Some(2));
    assert!(error(&replica).contains("the table already has every replica release"));
}
