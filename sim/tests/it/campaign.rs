//! Tests campaigns as typed: a hunt in parts, a resumed hunt and merged findings give the same as one hunt.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// A release with many failures that shrink quickly.
const TARGET: &str = "replica:2.0.19";

fn treefall(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_treefall"));
    command.current_dir(folder).args(arguments).arg("--json").output().expect("treefall can be run")
}

/// Returns the printed objects without times and folders, and the summary.
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
fn a_resumed_hunt_finds_what_one_hunt_finds() {
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

/// Each defect of the release leads or contributes to a finding, or is listed as masked; each finding has its own
/// folder.
#[test]
fn a_hunt_with_all_reports_every_defect_and_finding() {
    let folder = tempfile::tempdir().expect("a folder");
    for release in ["2.2.4", "2.2.8", "2.4.3"] {
        let target = format!("replica:{release}");
        let hunt = ["hunt", "--target", &target, "--all", "--traces", "60", "--out", release];
        let output = treefall(folder.path(), &hunt);
        let text = String::from_utf8_lossy(&output.stdout);
        let mut found: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let summary = found.pop().expect("a summary")["summary"][0].clone();
        let mut named = BTreeSet::new();
        let mut folders = BTreeSet::new();
        for finding in &found {
            let causes = finding["defects"].as_array().expect("a list");
            assert_eq!(finding["leading"], finding["defect"]);
            assert_eq!(finding["also_required"].as_array().expect("a list"), &causes[1..], "{finding}");
            named.extend(causes.iter().map(|it| it.as_str().expect("a name").to_owned()));
            let scenario = finding["scenario"].as_str().expect("a path");
            assert!(folders.insert(scenario.to_owned()), "{scenario} is two findings'");
            let id = folder.path().join(scenario).with_file_name("finding.json");
            let id: Value =
                serde_json::from_str(&std::fs::read_to_string(id).expect("it is there")).expect("JSON");
            assert_eq!((&id["signature"], &id["cause"]), (&finding["signature"], &finding["leading"]));
        }
        let hidden = &summary["hidden"];
        for list in ["masked", "latent"] {
            named.extend(hidden[list].as_object().expect("an object").keys().cloned());
        }
        named.extend(
            hidden["not_seen"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|it| it.as_str().expect("a name").to_owned()),
        );
        let release = treefall::model::release::Release::parse(release).expect("a release");
        let known: BTreeSet<String> = release.defects().iter().map(|it| it.name().to_owned()).collect();
        assert_eq!(named, known, "{release}");
    }
}

#[test]
fn resuming_a_finished_hunt_only_repeats_triage() {
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
fn a_resumed_hunt_keeps_its_sampling() {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, _) = hunt(folder.path(), &["--traces", "60", "--sampling", "pct:4", "--out", "whole"]);
    let (part, _) = hunt(folder.path(), &["--traces", "6", "--sampling", "pct:4", "--out", "parts"]);
    assert!(part != whole, "the second part has nothing to find");
    let resumed = treefall(folder.path(), &["hunt", "--resume", "parts", "--traces", "60"]);
    assert_eq!(objects(&resumed).0, whole);
    let signature = whole[0]["signature"].as_str().expect("a name").replace('/', "_");
    let found = folder.path().join("whole/replica_2.0.19").join(signature).join("minimal.toml");
    let text = std::fs::read_to_string(found).expect("a scenario");
    assert!(text.contains("found-by = \"treefall hunt --sampling pct:4\""), "{text}");
}

#[test]
fn merged_parts_equal_one_hunt() {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, summary) = hunt(folder.path(), &["--traces", "600", "--out", "whole"]);
    for shard in ["1/3", "2/3", "3/3"] {
        hunt(folder.path(), &["--traces", "600", "--shard", shard, "--out", &shard.replace('/', "-of-")]);
    }
    let two = treefall(folder.path(), &["merge", "1-of-3", "3-of-3", "--out", "two"]);
    let (_, text) = objects(&two);
    assert_eq!(text["missing"][0], format!("{TARGET}, seed 3: missing parts (of 3): 2"));
    let all = treefall(folder.path(), &["merge", "1-of-3", "2-of-3", "3-of-3", "--out", "all"]);
    assert_eq!(all.status.code(), Some(1));
    let (merged, text) = objects(&all);
    // Replaces the slashes of a folder's name.
    let plain = |it: String| it.replace('/', "_");
    // A failure that a part met only while shrinking is kept as found.
    let (found, met): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|failure| !failure["wakes_minimal"].is_null());
    assert_eq!(signatures(&found), signatures(&whole).into_iter().map(plain).collect());
    let id = |failure: &Value| (failure["signature"].to_string(), failure["cause"].to_string());
    assert_eq!(found.iter().map(id).collect::<BTreeSet<_>>().len(), found.len(), "{found:?}");
    assert!(found.iter().all(|failure| failure["cause"].is_string()), "{found:?}");
    assert!(
        !met.iter().any(|failure| signatures(&found).contains(&failure["signature"].to_string())),
        "{met:?}"
    );
    assert_eq!((&text["traces"], &text["missing"]), (&summary[0]["traces"], &Value::Array(Vec::new())));
    let folders = std::fs::read_dir(folder.path().join("all/replica_2.0.19")).expect("a folder");
    let minimal =
        |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").path().join("minimal.toml");
    let minimal: Vec<_> = folders.map(minimal).filter(|path| path.is_file()).collect();
    assert_eq!(minimal.len(), found.len());
    for minimal in minimal {
        let signature = minimal.display().to_string();
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

/// Runs the example job as Slurm would start its tasks; the second time, each task resumes.
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
    let (_, text) = objects(&treefall(folder.path(), &["merge", "parts/1", "parts/2"]));
    assert_eq!((&text["traces"], &text["missing"]), (&Value::from(40), &Value::Array(Vec::new())));
}

#[test]
fn a_folder_without_a_hunt_cannot_be_resumed() {
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
fn an_empty_folder_is_not_merged() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("empty")).expect("a folder");
    let refused = treefall(folder.path(), &["merge", "empty", "--out", "all"]);
    assert_eq!(refused.status.code(), Some(2));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("empty: this folder has no finding and no campaign"), "{text}");
    assert!(!folder.path().join("all").exists());
    // A campaign without findings is still a campaign.
    let target = "replica:mended";
    treefall(folder.path(), &["hunt", "--target", target, "--traces", "3", "--out", "clean"]);
    let merged = treefall(folder.path(), &["merge", "clean", "--out", "all"]);
    assert_eq!(merged.status.code(), Some(0), "{}", String::from_utf8_lossy(&merged.stderr));
}

/// Runs a hunt that would take hours, and interrupts it with Ctrl-C.
fn interrupted(folder: &Path) {
    let hunt = ["hunt", "--target", TARGET, "--seed", "3", "--all", "--traces", "1000000000", "--out", "it"];
    let mut hunt = Command::new(env!("CARGO_BIN_EXE_treefall"))
        .args(hunt)
        .current_dir(folder)
        .spawn()
        .expect("it starts");
    let file = folder.join("it/replica_2.0.19/hunt.json");
    while !file.exists() {
        assert_eq!(hunt.try_wait().expect("its state"), None, "it ended by itself");
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    // While a hunt runs, no other one can start or resume in its folder.
    let busy = format!("it: another treefall (process {}) is writing to this folder", hunt.id());
    for words in [
        &["hunt", "--target", "replica:mended", "--traces", "3", "--out", "it"][..],
        &["hunt", "--resume", "it"],
        &["survey", "--out", "it"],
        &["explore", "--wakes", "2", "--out", "it"],
        &["soak", "--failures", "1", "--out", "it"],
        &["merge", "it", "--out", "it"],
    ] {
        let refused = treefall(folder, words);
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && text.contains(&busy), "{words:?}: {text}");
    }
    let pid = rustix::process::Pid::from_child(&hunt);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is there");
    assert_eq!(hunt.wait().expect("it ends").code(), Some(1));
    assert!(!folder.join("it/.treefall.lock").exists(), "the lock's file is left");
}

#[test]
fn an_unfinished_hunt_is_lost_only_with_overwrite() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    interrupted(folder);
    let file = folder.join("it/replica_2.0.19/hunt.json");
    let read = || std::fs::read_to_string(&file).expect("hunt.json");
    let before = read();
    let anew = ["hunt", "--target", TARGET, "--traces", "6", "--out", "it"];
    for words in
        [&anew[..], &["hunt", "--target", "replica:mended", "--target", TARGET, "--for", "1s", "--out", "it"]]
    {
        let refused = treefall(folder, words);
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{words:?}: {text}");
        assert!(
            text.contains("was stopped here after") && text.contains("`treefall hunt --resume it`"),
            "{text}"
        );
        assert_eq!(before, read());
    }
    // Another target has its own place.
    let other = treefall(folder, &["hunt", "--target", "replica:mended", "--traces", "3", "--out", "it"]);
    assert_eq!(other.status.code(), Some(0), "{}", String::from_utf8_lossy(&other.stderr));
    let lost = treefall(folder, &[&anew[..], &["--overwrite"]].concat());
    assert_eq!(lost.status.code(), Some(1), "{}", String::from_utf8_lossy(&lost.stderr));
    // A hunt that reached its end or its time limit is complete.
    for words in [&anew[..], &["hunt", "--target", TARGET, "--all", "--for", "50ms", "--out", "it"], &anew] {
        let again = treefall(folder, words);
        assert_eq!(again.status.code(), Some(1), "{words:?}: {}", String::from_utf8_lossy(&again.stderr));
    }
    // A file that no hunt wrote stays, whatever the flags.
    std::fs::write(&file, "{\"prey\": \"deer\"}").expect("written");
    let foreign = treefall(folder, &[&anew[..], &["--overwrite"]].concat());
    let text = String::from_utf8_lossy(&foreign.stderr).into_owned();
    assert!(foreign.status.code() == Some(2) && text.contains("not what a hunt wrote"), "{text}");
    assert_eq!(read(), "{\"prey\": \"deer\"}");
}

#[test]
fn an_unfinished_search_is_lost_only_with_overwrite() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let explore = [
        "explore",
        "--target",
        "replica:mended",
        "--scripts",
        "2",
        "--wakes",
        "12",
        "--for",
        "50ms",
        "--out",
        "it",
    ];
    let stopped = treefall(folder, &explore);
    assert_eq!(stopped.status.code(), Some(1));
    let file = folder.join("it/replica_mended/explore.checkpoint");
    let before = std::fs::read(&file).expect("a checkpoint");
    let refused = treefall(folder, &explore);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    let remedy = "`treefall explore --target replica:mended --resume it` continues it";
    assert!(refused.status.code() == Some(2) && text.contains(remedy), "{text}");
    assert_eq!(before, std::fs::read(&file).expect("a checkpoint"));
    assert_eq!(treefall(folder, &[&explore[..], &["--overwrite"]].concat()).status.code(), Some(1));
    std::fs::write(&file, "no checkpoint").expect("written");
    let foreign = treefall(folder, &[&explore[..], &["--overwrite"]].concat());
    let text = String::from_utf8_lossy(&foreign.stderr).into_owned();
    assert!(foreign.status.code() == Some(2) && text.contains("this is no checkpoint"), "{text}");
}

#[test]
fn a_page_that_treefall_did_not_write_is_not_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    hunt(folder, &["--traces", "6", "--out", "finds"]);
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/exit-erases-twice/timer-first.toml");
    let (index, page) = (folder.join("finds/index.html"), folder.join("page.html"));
    // Its own pages are overwritten.
    for _ in 0..2 {
        assert_eq!(treefall(folder, &["report", "finds"]).status.code(), Some(0));
        assert_eq!(treefall(folder, &["report", scenario, "--html", "page.html"]).status.code(), Some(0));
    }
    for file in [&index, &page] {
        std::fs::write(file, "<html>a garden</html>").expect("written");
    }
    for words in [
        &["report", "finds"][..],
        &["report", scenario, "--html", "page.html"],
        &["hunt", "--target", TARGET, "--traces", "6", "--out", "finds"],
        &["survey", "--out", "finds"],
        &["explore", "--wakes", "2", "--out", "finds"],
        &["soak", "--failures", "1", "--out", "finds"],
    ] {
        let refused = treefall(folder, words);
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{words:?}: {text}");
        assert!(text.contains("treefall did not write this file"), "{words:?}: {text}");
    }
    for file in [&index, &page] {
        assert_eq!(std::fs::read_to_string(file).expect("it is there"), "<html>a garden</html>");
    }
}

#[test]
fn the_index_covers_only_folders_of_targets() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    hunt(folder, &["--traces", "6", "--out", "a/finds"]);
    let refused = treefall(folder, &["report", "a"]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(2) && text.contains("name a folder that a hunt wrote to"),
        "{text}"
    );
    assert!(!folder.join("a/index.html").exists());
    // Other folders beside the targets are ignored, whatever their names.
    let other = folder.join("a/finds/others/report");
    std::fs::create_dir_all(&other).expect("a folder");
    for name in ["report.json", "report.html"] {
        std::fs::write(other.join(name), "not treefall's").expect("written");
    }
    let of = |words: &[&str]| objects(&treefall(folder, words)).1["reports"].as_u64();
    let all = of(&["report", "a/finds"]);
    assert!(all > Some(0));
    assert_eq!(of(&["report", "a/finds/replica_2.0.19", "--html", "target.html"]), all);
}
