//! Writes the runs of a replay, or the answer of a check, as JUnit XML, which most CI systems show.
//!
//! Invariants: a scenario is a suite and a target a case of it; in a check a pair of programs is a suite and a
//! finding a case. The file has no times, so equal runs write equal files.

use std::path::Path;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::output::Output;
use super::{CliError, files};
use treefall_field::check::Checked;

/// The suites of the file, in the order of their runs.
pub(super) struct Junit {
    /// Name of the command.
    title: &'static str,
    suites: Vec<TestSuite>,
}

impl Junit {
    pub(super) fn new(title: &'static str) -> Self {
        Self { title, suites: Vec::new() }
    }

    /// Adds a part of a check, with what is worse, if anything.
    pub(super) fn judged(&mut self, suite: &str, case: &str, worse: Option<&str>) {
        let status = worse.map_or_else(TestCaseStatus::success, |text| {
            status(NonSuccessKind::Failure, "worse", text.lines().next().unwrap_or_default(), text)
        });
        let mut case = TestCase::new(case, status);
        case.set_classname(suite);
        self.add(suite, case);
    }

    /// Adds the run of a scenario, with its text for people.
    pub(super) fn ran(&mut self, scenario: &Path, checked: &Checked, text: &str) {
        let status = if checked.is_good() {
            TestCaseStatus::success()
        } else {
            let broken = checked.ran.verdict.signatures().map(|signature| signature.to_string());
            let broken: Vec<String> = broken.collect();
            let kind = broken.first().map_or("clean", String::as_str);
            status(NonSuccessKind::Failure, kind, text.lines().next().unwrap_or_default().trim(), text)
        };
        self.case(scenario, &checked.target, status);
    }

    /// Adds a scenario that a target cannot play.
    pub(super) fn not_played(&mut self, scenario: &Path, target: &str, why: &str) {
        let mut status = TestCaseStatus::skipped();
        status.set_message(why);
        self.case(scenario, target, status);
    }

    /// Adds the error that ended the command early.
    pub(super) fn failed(&mut self, error: &str) {
        let first = error.lines().next().unwrap_or_default();
        let command = self.title.strip_prefix("treefall ").unwrap_or(self.title);
        self.case(Path::new("treefall"), command, status(NonSuccessKind::Error, "error", first, error));
    }

    fn case(&mut self, scenario: &Path, target: &str, status: TestCaseStatus) {
        let name = scenario.display().to_string();
        let mut case = TestCase::new(target, status);
        case.set_classname(name.as_str());
        case.extra.insert("file".into(), name.as_str().into());
        self.add(&name, case);
    }

    fn add(&mut self, name: &str, case: TestCase) {
        match self.suites.last_mut().filter(|suite| suite.name.as_str() == name) {
            Some(suite) => drop(suite.add_test_case(case)),
            None => {
                let mut suite = TestSuite::new(name);
                suite.add_test_case(case);
                self.suites.push(suite);
            }
        }
    }

    /// Writes the file atomically.
    pub(super) fn write(&self, path: &Path, output: &mut Output) -> Result<(), CliError> {
        // A report counts the cases of a suite when the suite is added, so add whole suites.
        let mut report = Report::new(self.title);
        report.add_test_suites(self.suites.iter().cloned());
        let text = report.to_string().map_err(|error| CliError::Harness(format!("no XML: {error}")))?;
        files::write(path, &text, "--junit", output)
    }
}

fn status(kind: NonSuccessKind, what: &str, message: &str, text: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(what).set_message(message).set_description(text);
    status
}
