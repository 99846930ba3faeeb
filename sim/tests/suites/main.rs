//! Tests whose list depends on the machine: real programs, namespaces, a browser, the scenario files.
//!
//! Invariant: a test that cannot run here is ignored, with the reason. `TREEFALL_REQUIRE_REAL` makes a missing
//! program a failure. Names begin with the suite: `cargo test -p treefall --test suites -- daemons::`.

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// Creates a test whose name begins with the suite of the calling file.
macro_rules! trial {
    ($name:expr, $run:expr) => {
        Trial::test(crate::named(module_path!(), $name), $run)
    };
}

#[path = "../support/good.rs"]
mod good;
#[path = "../../../model/tests/it/hand/mod.rs"]
mod hand;
#[path = "../support/processes.rs"]
mod processes;
#[path = "../support/programs.rs"]
mod programs_built;
#[path = "../support/walk.rs"]
mod walk;

mod real;

mod cli;
mod daemon;
mod daemon_config;
mod daemon_scripts;
mod daemons;
mod engine;
mod equality;
mod explore_real;
mod histories;
mod report_html;
mod scenarios;
mod terminal;

const SUITES: [fn() -> Vec<Trial>; 12] = [
    cli::trials,
    daemon::trials,
    daemon_config::trials,
    daemon_scripts::trials,
    daemons::trials,
    engine::trials,
    equality::trials,
    explore_real::trials,
    histories::trials,
    report_html::trials,
    scenarios::trials,
    terminal::trials,
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    // Commands of the documents run at the top of the repository.
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::set_current_dir(top).expect("the repository is there");
    let trials = SUITES.iter().flat_map(|trials| trials()).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Returns the name of a test: its suite, then its statement.
fn named(module: &str, name: impl Display) -> String {
    let suite = module.split("::").nth(1).unwrap_or(module);
    format!("{suite}::{name}")
}
