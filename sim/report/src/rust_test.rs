//! A failure as a regression test in Rust: one file, for a project that has treefall among its dev-dependencies.

use super::Report;
use crate::wording::claim;

/// The file. It fails on the failure's target, and passes where its law is not broken; `TREEFALL_TARGET` names another.
#[must_use]
pub fn rust_test(report: &Report<'_>) -> String {
    let finding = report.finding;
    let law = finding.signature().law.name();
    let names = report.names();
    // As many signs as it takes that the scenario does not end the literal.
    let mut hashes = "#".to_owned();
    while report.scenario.contains(&format!("\"{hashes}")) {
        hashes.push('#');
    }
    format!(
        r##"//! Regression test made by `treefall report --rust-test`: {signature} on {target}.
//!
//! {claim}
//!
//! It runs on the target below, or on the one that TREEFALL_TARGET names, as `engine:./keepalived/keepalived`.

use treefall::scenario;
use treefall::subject::{{Options, build, program, target}};

/// Where it was found.
const FOUND_ON: &str = {target:?};
/// The law that must hold.
const LAW: &str = {law:?};
/// What the outside world does.
const SCENARIO: &str = r{hashes}"{scenario}"{hashes};

#[test]
fn {name}_holds() {{
    let scenario = scenario::read("scenario", SCENARIO).unwrap_or_else(|problems| panic!("{{}}", problems.render(false)));
    let on = std::env::var("TREEFALL_TARGET").unwrap_or_else(|_| FOUND_ON.to_owned());
    let targets = target::parse(&on, &program::find_installed()).expect("a target");
    for target in targets {{
        let mut subject = build(&target).expect("it can be run");
        let verdict = subject.run_one(&scenario.trace, Options::VERDICT).expect("a run").verdict;
        let broken = verdict.breaks.iter().find(|broken| broken.signature.law.name() == LAW);
        if let Some(broken) = broken {{
            panic!("{{target}} breaks {{LAW}} at {{}} s: {{}}; {{}}", broken.at, broken.detail, verdict.outcome);
        }}
    }}
}}
"##,
        signature = finding.signature(),
        target = finding.target,
        claim = claim(finding, &names),
        scenario = report.scenario,
        name = law.replace('-', "_"),
    )
}
