//! Interrupts and resumes hunts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::cli::output::Output;
use treefall_report::provenance::FoundBy;
use treefall_report::store::Store;
use treefall_search::campaign::Shard;

/// Runs or resumes a hunt in `folder` and interrupts it at the `asked_max`-th question whether to continue.
fn searched(folder: &Path, asked_max: u64) -> Searched {
    let target = &workers::targets(&["replica:2.3.1".to_owned()]).expect("a target")[0];
    let campaign = match Campaign::load_all(folder) {
        Ok(mut campaigns) => campaigns.remove(0),
        Err(_) => Campaign::new("replica:2.3.1", 3, Shard::WHOLE),
    };
    let plan = Plan { so_far: campaign.tally, ..Plan::new(3, Some(40), true) };
    let asked = AtomicU64::new(0);
    let interrupted = || asked.fetch_add(1, Ordering::Relaxed) >= asked_max;
    let store = Store::new(folder);
    let by = FoundBy::Hunt(plan.source);
    let pipeline = Pipeline { target, baseline: None, by, store: &store, build_up_max: 500 };
    let campaign = Some(campaign);
    let one = SearchJob { plan, limit: None, pipeline, jobs: 2, campaign, interrupted: &interrupted };
    search(one, &mut Output::json_only()).expect("a replica runs")
}

/// Reads every file of the folder, at any depth.
fn files(folder: &Path) -> BTreeMap<std::path::PathBuf, String> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = Path::new(path.file_name().expect("a name")).to_owned();
        if path.is_dir() {
            files.extend(self::files(&path).into_iter().map(|(below, text)| (name.join(below), text)));
        } else {
            files.insert(name, std::fs::read_to_string(&path).expect("a text"));
        }
    }
    files
}

/// Reads every file, without the folder's own name.
fn plain(folder: &Path) -> BTreeMap<std::path::PathBuf, String> {
    let name = folder.display().to_string();
    files(folder).into_iter().map(|(path, text)| (path, text.replace(&name, "FOLDER"))).collect()
}

#[test]
fn a_resumed_hunt_leaves_the_same_files_as_a_whole_one() {
    let whole = tempfile::tempdir().expect("a folder");
    let all = searched(whole.path(), u64::MAX);
    assert!(all.processed.as_found.is_empty() && all.processed.stored.len() > 2);
    for asked_max in [0, 3, 20, 1_000, 3_000] {
        let parts = tempfile::tempdir().expect("a folder");
        let part = searched(parts.path(), asked_max);
        assert!(part.processed.stored.len() < all.processed.stored.len(), "{asked_max}: it was stopped");
        // A failure without triage is stored as found, and nothing else of it.
        for failure in &part.processed.as_found {
            let store = Store::new(parts.path());
            let there = |file| store.folder("replica:2.3.1", *failure).join(file).exists();
            assert!(there("found.toml") && !there("minimal.toml") && !there("report.txt"), "{failure:?}");
        }
        let rest = searched(parts.path(), u64::MAX);
        assert_eq!(rest.processed.stored.len(), all.processed.stored.len());
        assert_eq!(plain(parts.path()), plain(whole.path()), "{asked_max}");
    }
}
