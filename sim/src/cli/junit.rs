//! The runs of a replay, and the answer of a check, as JUnit XML, which most CI systems show.
//!
//! Always: a scenario is a suite, a target a case of it, and of a check a pair of programs and a finding; no times are in
//! it, so that equal runs give equal files.

use std::path::Path;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::output::Output;
use super::{CliError, files};
use treefall_field::check::Checked;

/// What becomes the file: its suites, in the order in which they were run.
pub(super) struct Junit {
    /// The command.
    title: &'static str,
    suites: Vec<TestSuite>,
}

impl Junit {
    pub(super) fn new(title: &'static str) -> Self {
        Self { title, suites: Vec::new() }
    }

    /// A part of a check, with what is worse in it, if anything is.
    pub(super) fn judged(&mut self, suite: &str, case: &str, worse: Option<&str>) {
        let status = worse.map_or_else(TestCaseStatus::success, |told| {
            status(NonSuccessKind::Failure, "worse", told.lines().next().unwrap_or_default(), told)
        });
        let mut case = TestCase::new(case, status);
        case.set_classname(suite);
        self.add(suite, case);
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

    /// What ended the command before its end.
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

    /// Writes the file, whole or not at all.
    pub(super) fn write(&self, path: &Path, output: &mut Output) -> Result<(), CliError> {
        // A report counts what a suite has when it is added: so they are when they are whole.
        let mut report = Report::new(self.title);
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
