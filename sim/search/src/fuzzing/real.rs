//! Fuzzes the real program: in its own process, under the same world, against the replica of its release.
//!
//! Invariant: a crash or hang of the program is a verdict, so that the fuzzer continues after every known one. It
//! ends only on a difference from the replica, or on a failure that no known defect explains.

use std::sync::{Mutex, OnceLock, PoisonError};

use treefall_model::release::{Defects, Rules};

use super::input::TraceAlone;
use super::judged::{OnState, as_scenario, explained, fail, judged};
use crate::oracle::{Agreement, compare};
use treefall_subject::program::find_installed;
use treefall_subject::replica::run_replica;
use treefall_subject::target::{self, Target};
use treefall_subject::{Options, Subject, build};

/// Names the target, as on the command line. Without it, an installed keepalived is used.
const TARGET: &str = "TREEFALL_FUZZ_TARGET";

fn program() -> &'static Mutex<Box<dyn Subject>> {
    static PROGRAM: OnceLock<Mutex<Box<dyn Subject>>> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let name = std::env::var(TARGET).unwrap_or_else(|_| "engine".to_owned());
        let wrong = |why: String| -> ! { panic!("{TARGET}={name}: {why}") };
        let targets =
            target::parse(&name, &find_installed()).unwrap_or_else(|error| wrong(error.to_string()));
        let Some(target @ Target::Engine(_)) = targets.first() else {
            wrong("no real scheduler; name one as `engine:PATH`".to_owned())
        };
        Mutex::new(build(target).unwrap_or_else(|error| wrong(error.to_string())))
    })
}

/// Checks the real program against the replica of its release, and both against the model. Reports the replica's
/// states.
///
/// # Panics
/// When the two differ; when a law remains broken with all known defects of the release fixed; or when there is no
/// program.
pub fn engine(input: &TraceAlone, tell: OnState<'_>) {
    let mut program = program().lock().unwrap_or_else(PoisonError::into_inner);
    let trace = program.fitted(input.0.clone());
    let rules = program.rules();
    let real = program.run_one(&trace, Options::COMPARE).unwrap_or_else(|error| panic!("{error}"));
    let replica = run_replica(&trace, rules, Options::COMPARE);
    if let Agreement::Differs(difference) = compare(program.kind(), &replica, &real) {
        panic!("{} and its replica differ: {difference}\n{}", program.name(), as_scenario(&trace));
    }
    let verdict = judged("the replica of the program", &trace, rules, tell);
    if !verdict.is_clean() {
        let mended = Rules { defects: Defects::NONE, ..rules };
        let mended = judged("all defects mended", &trace, mended, &mut |_| ());
        let known = explained(&verdict, &mended);
        if !known {
            fail(&program.name(), &trace, &real.verdict, "no known defect explains it");
        }
    }
}
