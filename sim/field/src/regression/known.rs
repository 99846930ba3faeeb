//! Embeds the files of `scenarios/`, so that they are available wherever the program runs.

use treefall_scenario::{self as scenario, Scenario};

macro_rules! files {
    ($($name:literal,)*) => {
        /// Path below `scenarios/` and text of each file.
        const FILES: &[(&str, &str)] = &[
            $( ($name, include_str!(concat!("../../../../scenarios/", $name))), )*
        ];
    };
}

files! {
    "cancelled-entry/node-its-own-child.toml",
    "cancelled-entry/tick-before-timeout.toml",
    "cancelled-entry/tick-meets-timeout.toml",
    "children-after-reload/nobody-signals-it.toml",
    "children-after-reload/obedient-child.toml",
    "children-after-reload/reloads-closer-than-a-second.toml",
    "children-after-reload/reloads-with-time-between.toml",
    "children-after-reload/second-expiry.toml",
    "children-after-reload/stubborn-child.toml",
    "exit-erases-twice/signals-first.toml",
    "exit-erases-twice/timer-first.toml",
    "interface-delays/change-before-reload.toml",
    "interface-delays/next-change-cancels-freed-timer.toml",
    "misc-check/killed-after-a-thousand-seconds.toml",
    "misc-check/obedient.toml",
    "overlapping-runs/ends-before-the-tick.toml",
    "overlapping-runs/first-run-is-dropped.toml",
    "overlapping-runs/skipped-run-starts.toml",
    "queued-timeout-and-reload/child-exits-too.toml",
    "queued-timeout-and-reload/signals-first.toml",
    "queued-timeout-and-reload/timer-first.toml",
    "queued-timeout-and-reload/two-time-out-one-exits.toml",
    "shutdown/hup-and-term-in-one-read.toml",
    "shutdown/hup-then-term.toml",
    "shutdown/obedient-child.toml",
    "shutdown/stubborn-child.toml",
    "stale-argument/reload-while-idle.toml",
    "stale-argument/reload-while-running.toml",
    "timeout-and-pid-tree/exit-before-timeout-handler.toml",
    "timeout-and-pid-tree/exit-in-time.toml",
    "timeout-and-pid-tree/timeout-then-exit.toml",
}

/// Returns the known scenarios, each with its path below `scenarios/`.
#[must_use]
pub fn scenarios() -> Vec<(&'static str, Scenario)> {
    // A test reads them all, so that every embedded file is valid.
    FILES.iter().filter_map(|(name, text)| Some((*name, scenario::read(name, text).ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_held_and_is_a_scenario() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
        let mut there = BTreeSet::new();
        for folder in std::fs::read_dir(&root).expect("the folder") {
            let folder = folder.expect("an entry").path();
            for file in folder.read_dir().into_iter().flatten() {
                let path = file.expect("an entry").path();
                if path.extension().is_some_and(|extension| extension == "toml") {
                    let name = path.strip_prefix(&root).expect("below it").display().to_string();
                    there.insert(name);
                }
            }
        }
        let held: BTreeSet<String> = scenarios().into_iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(held, there);
    }
}
