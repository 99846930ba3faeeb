//! Tests `treefall corpus` as typed: scenarios to fuzz inputs and back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn treefall(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_treefall"));
    command.current_dir(folder).args(arguments).output().expect("treefall can be run")
}

fn output_text(output: &Output) -> String {
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
fn an_exported_seed_is_shrunk_and_has_its_cause() {
    let folder = tempfile::tempdir().expect("a folder");
    let imported =
        treefall(folder.path(), &["corpus", "import", &crash().display().to_string(), "--into", "c"]);
    assert_eq!(imported.status.code(), Some(0), "{}", output_text(&imported));
    assert_eq!(names(&folder.path().join("c")), ["conformance", "engine", "mended", "scenario_text"]);
    let seeds = names(&folder.path().join("c/conformance"));
    let seed = seeds.iter().find(|name| name.ends_with("-2.3.1")).expect("a seed of 2.3.1");
    let seed = format!("c/conformance/{seed}");
    let exported = treefall(folder.path(), &["corpus", "export", &seed, "--out", "o"]);
    assert_eq!(exported.status.code(), Some(1), "{}", output_text(&exported));
    assert!(output_text(&exported).contains("ReloadFreesQueuedTimeout"), "{}", output_text(&exported));
    let kept = "o/replica_2.3.1/no-dangling-node_cleanup_unused";
    let files = ["finding.json", "found.toml", "minimal.toml", "report.html", "report.json", "report.txt"];
    assert_eq!(names(&folder.path().join(kept)), files);
    assert!(folder.path().join("o/index.html").is_file());
    let replayed =
        treefall(folder.path(), &["replay", &format!("{kept}/minimal.toml"), "--target", "replica:2.3.1"]);
    assert_eq!(replayed.status.code(), Some(0), "{}", output_text(&replayed));
    // Another night finds it again, which is not new.
    let again = treefall(folder.path(), &["corpus", "export", &seed, "--out", "o"]);
    assert_eq!(again.status.code(), Some(0), "{}", output_text(&again));
    assert!(output_text(&again).contains("known: already stored"), "{}", output_text(&again));
    // Without defects, the same trace violates nothing.
    let clean = treefall(folder.path(), &["corpus", "export", "c/mended", "--out", "o"]);
    assert_eq!(clean.status.code(), Some(0), "{}", output_text(&clean));
}

#[test]
fn a_minimised_corpus_reaches_as_many_states() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenarios = crash().parent().expect("a folder").display().to_string();
    treefall(folder.path(), &["corpus", "import", &scenarios, "--into", "c"]);
    let mended = folder.path().join("c/mended");
    let before = names(&mended);
    for name in &before {
        fs::copy(mended.join(name), mended.join(format!("{name}-again"))).expect("copied");
    }
    let pruned = treefall(folder.path(), &["corpus", "minimise", "c/mended", "--into", "small"]);
    assert_eq!(pruned.status.code(), Some(0), "{}", output_text(&pruned));
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
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {}", output_text(&refused));
    }
    assert_eq!(names(folder.path()), ["bytes"]);
}
