//! A hunt that was interrupted and resumed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::cli::output::Output;
use treefall_report::provenance::FoundBy;
use treefall_report::store::Store;
use treefall_search::campaign::Shard;

/// A hunt in `folder`, gone on with if it was begun, until the word to stop comes when it was asked for so often.
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
    search(one, &mut Output::of_machines()).expect("a replica runs")
}

/// Every file below, with what is in it.
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

/// Each of them, where its folder's own name is taken out.
fn plain(folder: &Path) -> BTreeMap<std::path::PathBuf, String> {
    let name = folder.display().to_string();
    files(folder).into_iter().map(|(path, text)| (path, text.replace(&name, "FOLDER"))).collect()
}

#[test]
fn a_hunt_that_was_stopped_anywhere_and_gone_on_with_leaves_what_one_that_was_not_leaves() {
    let whole = tempfile::tempdir().expect("a folder");
    let all = searched(whole.path(), u64::MAX);
    assert!(all.processed.as_found.is_empty() && all.processed.stored.len() > 2);
    for asked_max in [0, 3, 20, 1_000, 3_000] {
        let parts = tempfile::tempdir().expect("a folder");
        let part = searched(parts.path(), asked_max);
        assert!(part.processed.stored.len() < all.processed.stored.len(), "{asked_max}: it was stopped");
        // What is not worked out is there as it was found, and nothing else of it.
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
