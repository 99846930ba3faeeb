//! The fuzzer's files and scenarios, there and back, as typed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn treefall(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_treefall"));
    command.current_dir(folder).args(arguments).output().expect("treefall can be run")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn crash() -> PathBuf {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    scenarios.join("queued-timeout-and-reload/timer-first.toml")
}

#[test]
fn a_scenario_goes_into_the_corpus_and_comes_back_shrunk_with_its_cause() {
    let folder = tempfile::tempdir().expect("a folder");
    let imported =
        treefall(folder.path(), &["corpus", "import", &crash().display().to_string(), "--into", "c"]);
    assert_eq!(imported.status.code(), Some(0), "{}", said(&imported));
    assert_eq!(names(&folder.path().join("c")), ["conformance", "engine", "mended", "scenario_text"]);
    let seeds = names(&folder.path().join("c/conformance"));
    let seed = seeds.iter().find(|name| name.ends_with("-2.3.1")).expect("a seed of 2.3.1");
    let seed = format!("c/conformance/{seed}");
    let exported = treefall(folder.path(), &["corpus", "export", &seed, "--out", "o"]);
    assert_eq!(exported.status.code(), Some(1), "{}", said(&exported));
    assert!(said(&exported).contains("ReloadFreesQueuedTimeout"), "{}", said(&exported));
    let kept = "o/replica_2.3.1/no-dangling-node_cleanup_unused";
    let files = ["finding.json", "found.toml", "minimal.toml", "report.html", "report.json", "report.txt"];
    assert_eq!(names(&folder.path().join(kept)), files);
    assert!(folder.path().join("o/index.html").is_file());
    let replayed =
        treefall(folder.path(), &["replay", &format!("{kept}/minimal.toml"), "--target", "replica:2.3.1"]);
    assert_eq!(replayed.status.code(), Some(0), "{}", said(&replayed));
    // Another night finds it again: that is no news.
    let again = treefall(folder.path(), &["corpus", "export", &seed, "--out", "o"]);
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert!(said(&again).contains("known: it was kept before"), "{}", said(&again));
    // The same trace breaks nothing without defects.
    let clean = treefall(folder.path(), &["corpus", "export", "c/mended", "--out", "o"]);
    assert_eq!(clean.status.code(), Some(0), "{}", said(&clean));
}

#[test]
fn a_corpus_is_copied_to_what_reaches_as_much() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenarios = crash().parent().expect("a folder").display().to_string();
    treefall(folder.path(), &["corpus", "import", &scenarios, "--into", "c"]);
    let mended = folder.path().join("c/mended");
    let before = names(&mended);
    for name in &before {
        fs::copy(mended.join(name), mended.join(format!("{name}-again"))).expect("copied");
    }
    let pruned = treefall(folder.path(), &["corpus", "minimise", "c/mended", "--into", "small"]);
    assert_eq!(pruned.status.code(), Some(0), "{}", said(&pruned));
    let kept = names(&folder.path().join("small"));
    assert!(!kept.is_empty() && kept.len() <= before.len(), "{kept:?}");
}

#[test]
fn a_file_of_no_known_fuzz_target_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("bytes"), [1, 2, 3]).expect("written");
    for arguments in [
        &["corpus", "export", "bytes"][..],
        &["corpus", "export", "bytes", "--of", "rbtree"],
        &["corpus", "export", "not-there", "--of", "mended"],
    ] {
        let refused = treefall(folder.path(), arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {}", said(&refused));
    }
    assert_eq!(names(folder.path()), ["bytes"]);
}
