//! What tests of real programs share: where they run, and where they are ignored, with the reason.
//!
//! Always: no test is passed over in silence, and with `TREEFALL_REQUIRE_REAL` none is.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use treefall::model::release::Release;
use treefall::roots::find_programs;
use treefall::subject::build;
use treefall::subject::program::Program;
use treefall::subject::target::{Place, Target};

/// A test on one program, which says that it is of this release.
pub(crate) type Test = fn(&Place, Release) -> Result<(), Failed>;

/// Runs the tests on every program that there is and that can be run as such a subject.
pub(crate) fn run(tests: &[(&str, Test)], subject: fn(Place) -> Target) -> ExitCode {
    let arguments = Arguments::from_args();
    let places = find_programs();
    let required = std::env::var_os("TREEFALL_REQUIRE_REAL").is_some();
    let why_not = match places.first() {
        None => Some("no keepalived is installed".to_owned()),
        Some(place) => build(&subject(place.clone())).err().map(|error| error.to_string()),
    };
    if let Some(why) = &why_not {
        assert!(!required, "TREEFALL_REQUIRE_REAL is set and no program can be run: {why}");
    }
    let trials = match why_not {
        Some(why) => ignored(tests, &why),
        None => places.iter().flat_map(|place| trials(tests, place)).collect(),
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials(tests: &[(&str, Test)], place: &Place) -> Vec<Trial> {
    let program = Program::open(&place.path, place.root.as_deref()).expect("the program can be looked at");
    let release = program.release();
    let trial = |(name, test): &(&str, Test)| {
        let (place, test) = (place.clone(), *test);
        Trial::test(format!("{release}: {name}"), move || test(&place, release))
    };
    tests.iter().map(trial).collect()
}

fn ignored(tests: &[(&str, Test)], why: &str) -> Vec<Trial> {
    let kind = format!("ignored: {why}");
    let trial =
        |(name, _): &(&str, Test)| Trial::test(*name, || Ok(())).with_ignored_flag(true).with_kind(&kind);
    tests.iter().map(trial).collect()
}
