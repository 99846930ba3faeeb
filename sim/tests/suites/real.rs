//! Lists tests of real programs: on each usable program, or ignored with the reason.
//!
//! Invariant: no test is skipped silently, and with `TREEFALL_REQUIRE_REAL` none is skipped.

use crate::named;
use libtest_mimic::{Failed, Trial};
use treefall::model::release::Release;
use treefall::roots::find_programs;
use treefall::subject::build;
use treefall::subject::target::{Place, Target};

/// A test on one program of the given release.
pub(crate) type Test = fn(&Place, Release) -> Result<(), Failed>;

/// Returns the tests of a suite on every program that can run as such a subject.
pub(crate) fn trials(suite: &str, tests: &[(&str, Test)], subject: fn(Place) -> Target) -> Vec<Trial> {
    let places = find_programs();
    let required = std::env::var_os("TREEFALL_REQUIRE_REAL").is_some();
    let why_not = match places.first() {
        None => Some("no keepalived is installed".to_owned()),
        Some(place) => build(&subject(place.clone())).err().map(|error| error.to_string()),
    };
    if let Some(why) = &why_not {
        assert!(!required, "TREEFALL_REQUIRE_REAL is set and no program can be run: {why}");
    }
    match why_not {
        Some(why) => ignored(suite, tests, &why),
        None => places.iter().flat_map(|place| of_program(suite, tests, place)).collect(),
    }
}

fn of_program(suite: &str, tests: &[(&str, Test)], place: &Place) -> Vec<Trial> {
    let program = place.open().expect("the program opens");
    let release = program.release();
    let trial = |(name, test): &(&str, Test)| {
        let (place, test) = (place.clone(), *test);
        Trial::test(named(suite, format!("{release}: {name}")), move || test(&place, release))
    };
    tests.iter().map(trial).collect()
}

fn ignored(suite: &str, tests: &[(&str, Test)], why: &str) -> Vec<Trial> {
    let kind = format!("ignored: {why}");
    let trial = |(name, _): &(&str, Test)| {
        Trial::test(named(suite, name), || Ok(())).with_ignored_flag(true).with_kind(&kind)
    };
    tests.iter().map(trial).collect()
}
