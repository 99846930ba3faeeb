//! A hunt in parts, a hunt gone on with, and finds brought together: as typed, and as one hunt would have it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// A release with many finds, each of which is shrunk in no time.
const TARGET: &str = "replica:2.0.19";

fn treefall(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_treefall"));
    command.current_dir(folder).args(arguments).arg("--json").output().expect("treefall can be run")
}

/// The objects printed, but for what depends on the time or on the folder; the summary apart.
fn objects(output: &Output) -> (Vec<Value>, Value) {
    let text = String::from_utf8_lossy(&output.stdout);
    let mut objects: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for object in &mut objects {
        if let Some(fields) = object.as_object_mut() {
            for field in ["elapsed_ms", "scenario", "report", "html"] {
                fields.remove(field);
            }
        }
    }
    let last = objects.pop().expect("a summary");
    (objects, last["summary"].clone())
}

fn hunt(folder: &Path, more: &[&str]) -> (Vec<Value>, Value) {
    let base = ["hunt", "--target", TARGET, "--seed", "3", "--all"];
    let output = treefall(folder, &[base.as_slice(), more].concat());
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    objects(&output)
}

fn signatures(objects: &[Value]) -> BTreeSet<String> {
    objects.iter().map(|object| object["signature"].to_string()).collect()
}

#[test]
fn a_hunt_that_is_gone_on_with_finds_what_one_hunt_finds() {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, summary) = hunt(folder.path(), &["--traces", "600", "--out", "whole"]);
    let (part, _) = hunt(folder.path(), &["--traces", "5", "--out", "parts"]);
    assert!(part.len() < whole.len(), "the second part has nothing to find");
    let resumed = treefall(folder.path(), &["hunt", "--resume", "parts", "--traces", "600"]);
    let (resumed, resumed_summary) = objects(&resumed);
    assert_eq!(resumed, whole);
    for field in ["traces", "events", "findings"] {
        assert_eq!(resumed_summary[0][field], summary[0][field], "{field}");
    }
}

#[test]
fn a_hunt_that_came_to_its_break_is_only_worked_out_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = ["hunt", "--target", TARGET, "--seed", "3", "--out", "parts"];
    let (whole, summary) = objects(&treefall(folder.path(), &base));
    let (resumed, resumed_summary) = objects(&treefall(folder.path(), &["hunt", "--resume", "parts"]));
    assert!(!whole.is_empty());
    assert_eq!(resumed, whole);
    for field in ["traces", "events", "findings"] {
        assert_eq!(resumed_summary[0][field], summary[0][field], "{field}");
    }
}

#[test]
fn a_hunt_goes_on_as_it_draws() {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, _) = hunt(folder.path(), &["--traces", "60", "--sampling", "pct:4", "--out", "whole"]);
    let (part, _) = hunt(folder.path(), &["--traces", "6", "--sampling", "pct:4", "--out", "parts"]);
    assert!(part.len() < whole.len(), "the second part has nothing to find");
    let resumed = treefall(folder.path(), &["hunt", "--resume", "parts", "--traces", "60"]);
    assert_eq!(objects(&resumed).0, whole);
    let signature = whole[0]["signature"].as_str().expect("a name").replace('/', "_");
    let found = folder.path().join("whole/replica_2.0.19").join(signature).join("minimal.toml");
    let text = std::fs::read_to_string(found).expect("a scenario");
    assert!(text.contains("found-by = \"treefall hunt --sampling pct:4\""), "{text}");
}

#[test]
fn the_parts_of_a_campaign_merge_to_what_one_hunt_finds() {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, summary) = hunt(folder.path(), &["--traces", "600", "--out", "whole"]);
    for shard in ["1/3", "2/3", "3/3"] {
        hunt(folder.path(), &["--traces", "600", "--shard", shard, "--out", &shard.replace('/', "-of-")]);
    }
    let two = treefall(folder.path(), &["merge", "1-of-3", "3-of-3", "--out", "two"]);
    let (_, told) = objects(&two);
    assert_eq!(told["missing"][0], format!("{TARGET}, seed 3: of 3 parts not here: 2"));
    let all = treefall(folder.path(), &["merge", "1-of-3", "2-of-3", "3-of-3", "--out", "all"]);
    assert_eq!(all.status.code(), Some(1));
    let (merged, told) = objects(&all);
    // A folder's name has no slash.
    let plain = |it: String| it.replace('/', "_");
    assert_eq!(signatures(&merged), signatures(&whole).into_iter().map(plain).collect());
    assert_eq!((&told["traces"], &told["missing"]), (&summary[0]["traces"], &Value::Array(Vec::new())));
    for find in &merged {
        let signature = find["signature"].as_str().expect("a name");
        let minimal = folder.path().join("all/replica_2.0.19").join(signature).join("minimal.toml");
        let replayed =
            treefall(folder.path(), &["replay", &minimal.display().to_string(), "--target", TARGET]);
        assert_eq!(
            replayed.status.code(),
            Some(0),
            "{signature}: {}",
            String::from_utf8_lossy(&replayed.stderr)
        );
    }
}

/// The example job, as Slurm would start its tasks: the second time each goes on.
#[test]
fn the_tasks_of_the_example_job_make_up_the_campaign() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/hunt.slurm");
    for id in ["1", "2", "1"] {
        let mut task = Command::new(&script);
        task.current_dir(folder.path()).env("SLURM_ARRAY_TASK_ID", id).env("SLURM_ARRAY_TASK_COUNT", "2");
        task.env("TARGET", TARGET).env("TRACES", "40").env("TREEFALL", env!("CARGO_BIN_EXE_treefall"));
        let output = task.output().expect("a shell");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let (_, told) = objects(&treefall(folder.path(), &["merge", "parts/1", "parts/2"]));
    assert_eq!((&told["traces"], &told["missing"]), (&Value::from(40), &Value::Array(Vec::new())));
}

#[test]
fn a_folder_without_a_hunt_cannot_be_gone_on_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = treefall(folder.path(), &["hunt", "--resume", "."]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no hunt was begun here"));
    let both = treefall(folder.path(), &["hunt", "--resume", ".", "--seed", "4"]);
    assert_eq!(both.status.code(), Some(2));
    let shard = treefall(folder.path(), &["hunt", "--shard", "9/8"]);
    assert!(String::from_utf8_lossy(&shard.stderr).contains("which part of how many"));
}

#[test]
fn a_folder_in_which_there_is_nothing_is_not_merged() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("empty")).expect("a folder");
    let refused = treefall(folder.path(), &["merge", "empty", "--out", "all"]);
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("empty: there is no find and no hunt was begun here"), "{told}");
    assert!(!folder.path().join("all").exists());
    // A hunt that found nothing is something.
    let target = "replica:mended";
    treefall(folder.path(), &["hunt", "--target", target, "--traces", "3", "--out", "clean"]);
    let merged = treefall(folder.path(), &["merge", "clean", "--out", "all"]);
    assert_eq!(merged.status.code(), Some(0), "{}", String::from_utf8_lossy(&merged.stderr));
}
