//! The runs of a replay as JUnit XML, which most CI systems show.
//!
//! Always: a scenario is a suite, a target a case of it; no times are in it, so that equal runs give equal files.

use std::path::Path;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::output::Output;
use super::{CliError, files};
use treefall_field::check::Checked;

/// What becomes the file: its suites, in the order in which they were run.
pub(super) struct Junit {
    suites: Vec<TestSuite>,
}

impl Junit {
    pub(super) fn new() -> Self {
        Self { suites: Vec::new() }
    }

    /// A scenario's run, with what people are told of it.
    pub(super) fn ran(&mut self, scenario: &Path, checked: &Checked, told: &str) {
        let status = if checked.is_good() {
            TestCaseStatus::success()
        } else {
            let broken = checked.ran.verdict.signatures().map(|signature| signature.to_string());
            let broken: Vec<String> = broken.collect();
            let kind = broken.first().map_or("clean", String::as_str);
            status(NonSuccessKind::Failure, kind, told.lines().next().unwrap_or_default().trim(), told)
        };
        self.case(scenario, &checked.target, status);
    }

    /// A scenario that a target cannot be given.
    pub(super) fn not_played(&mut self, scenario: &Path, target: &str, why: &str) {
        let mut status = TestCaseStatus::skipped();
        status.set_message(why);
        self.case(scenario, target, status);
    }

    /// What ended the replay before its end.
    pub(super) fn failed(&mut self, error: &str) {
        let first = error.lines().next().unwrap_or_default();
        self.case(Path::new("treefall"), "replay", status(NonSuccessKind::Error, "error", first, error));
    }

    fn case(&mut self, scenario: &Path, target: &str, status: TestCaseStatus) {
        let name = scenario.display().to_string();
        let mut case = TestCase::new(target, status);
        case.set_classname(name.as_str());
        case.extra.insert("file".into(), name.as_str().into());
        match self.suites.last_mut().filter(|suite| suite.name.as_str() == name) {
            Some(suite) => drop(suite.add_test_case(case)),
            None => {
                let mut suite = TestSuite::new(name.as_str());
                suite.add_test_case(case);
                self.suites.push(suite);
            }
        }
    }

    /// Writes the file, whole or not at all.
    pub(super) fn write(&self, path: &Path, output: &mut Output) -> Result<(), CliError> {
        // A report counts what a suite has when it is added: so they are when they are whole.
        let mut report = Report::new("treefall replay");
        report.add_test_suites(self.suites.iter().cloned());
        let text = report.to_string().map_err(|error| CliError::Harness(format!("no XML: {error}")))?;
        files::write(path, &text, "--junit", output)
    }
}

fn status(kind: NonSuccessKind, what: &str, message: &str, told: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(what).set_message(message).set_description(told);
    status
}
