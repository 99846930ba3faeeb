//! Tests reports for upstream: the text of an issue, a shell recipe, and a regression test that compiles and can
//! fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::reports::newest_hidden;

const TREEFALL: &str = env!("CARGO_BIN_EXE_treefall");

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn report(file: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(TREEFALL);
    command.arg("report").arg(format!("scenarios/{file}")).args(arguments).current_dir(top());
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    newest_hidden(&String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn the_issue_of_2468() {
    insta::assert_snapshot!(report(
        "queued-timeout-and-reload/timer-first.toml",
        &["--target", "replica:2.3.1", "--issue"]
    ));
}

#[test]
fn the_issue_of_the_unsignalled_child() {
    insta::assert_snapshot!(report(
        "children-after-reload/nobody-signals-it.toml",
        &["--target", "replica:2.3.4", "--issue"]
    ));
}

#[test]
fn events_that_a_shell_cannot_cause_are_refused_by_name() {
    let text =
        report("misc-check/killed-after-a-thousand-seconds.toml", &["--target", "replica:2.0.19", "--issue"]);
    assert!(text.contains("No shell recipe: a script that is no track script"), "{text}");
    // And described in terms of its kind, each event with its time.
    assert!(text.contains("A checker process with these misc checks"), "{text}");
    assert!(text.contains("\n1. At 1.0 s the timeout of the first run of check_web expires."), "{text}");
    assert!(text.contains("\n2. At 3.0 s nothing has come"), "{text}");
    assert!(
        text.contains("\n3. At 4.0 s the first run of check_dns ends by itself, with status 0."),
        "{text}"
    );
}

/// Returns treefall's libraries that may match this test, the newest first.
fn libraries() -> Vec<PathBuf> {
    let deps = std::env::current_exe().expect("this test").parent().expect("a folder").to_path_buf();
    let mut found: Vec<_> = fs::read_dir(&deps)
        .expect("the folder of what was built")
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_it = name.starts_with("libtreefall-") && name.ends_with(".rlib");
            is_it.then_some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        })
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}

fn compile(source: &Path, to: &Path) -> Result<(), String> {
    let mut said = String::from("there is no library of treefall beside this test");
    for library in libraries() {
        let deps = library.parent().expect("a folder");
        let output = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()))
            .args(["--test", "--edition", "2024", "-C", "debuginfo=0", "-D", "warnings"])
            .arg("-L")
            .arg(format!("dependency={}", deps.display()))
            .arg("--extern")
            .arg(format!("treefall={}", library.display()))
            .arg(source)
            .arg("-o")
            .arg(to)
            .output()
            .expect("rustc runs where cargo does");
        if output.status.success() {
            return Ok(());
        }
        said = String::from_utf8_lossy(&output.stderr).into_owned();
    }
    Err(said)
}

fn run(test: &Path, target: Option<&str>) -> Output {
    let mut command = Command::new(test);
    command.env_remove("TREEFALL_TARGET").envs(target.map(|target| ("TREEFALL_TARGET", target)));
    command.output().expect("it runs")
}

#[test]
fn the_regression_test_fails_only_on_the_affected_release() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, test) = (folder.path().join("regression.rs"), folder.path().join("regression"));
    let text =
        report("queued-timeout-and-reload/timer-first.toml", &["--target", "replica:2.3.1", "--rust-test"]);
    fs::write(&source, &text).expect("written");
    compile(&source, &test).unwrap_or_else(|said| panic!("{said}\n{text}"));
    let fails = run(&test, None);
    let said = String::from_utf8_lossy(&fails.stdout).into_owned() + &String::from_utf8_lossy(&fails.stderr);
    assert!(!fails.status.success() && said.contains("replica:2.3.1 breaks no-dangling-node"), "{said}");
    for mended in ["replica:2.3.2", "replica:mended"] {
        let passes = run(&test, Some(mended));
        assert!(passes.status.success(), "{mended}: {}", String::from_utf8_lossy(&passes.stdout));
    }
}

/// Runs the recipe of the crash on the keepalived of this machine, if it has the defect.
#[test]
#[ignore = "seven seconds of real time, root and a keepalived of 2.2.5 to 2.3.1: run it with --ignored"]
fn the_recipe_of_2468_kills_a_real_keepalived() {
    let issue = report("queued-timeout-and-reload/timer-first.toml", &["--target", "engine", "--issue"]);
    let recipe =
        issue.split_once("```sh\n").and_then(|(_, rest)| rest.split_once("```")).expect("a recipe").0;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("recipe.sh");
    fs::write(&file, recipe).expect("written");
    let output = Command::new("unshare").args(["-n", "sh"]).arg(&file).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("segmentation fault"), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}
