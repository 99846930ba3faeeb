//! Runs a scenario on a subject, and compares the result with its expectation.
//!
//! `treefall replay` and the tests of the scenario files use it.

use std::collections::BTreeSet;

use treefall_model::event::Event;
use treefall_model::id::Run;
use treefall_model::release::Release;

use treefall_scenario::{Comparison, Expectation, Scenario};
use treefall_subject::target::{Base, ReplicaName, Target};
use treefall_subject::{Options, Ran, Subject, SubjectError, build};

/// The run of one scenario on one subject.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The target's name.
    pub target: String,
    /// The expectation; `None` if the file has none for this target.
    pub expected: Option<Expectation>,
    /// The run.
    pub ran: Ran,
}

impl Checked {
    /// Compares the run with its expectation; `None` if there is none.
    #[must_use]
    pub fn comparison(&self) -> Option<Comparison> {
        self.expected.as_ref().map(|expected| expected.compare(&self.ran.verdict))
    }

    /// Returns whether the run is as expected, or clean if nothing was expected.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.comparison().map_or_else(|| self.ran.verdict.is_clean(), |it| it.is_as_expected())
    }
}

/// Returns the replicas that a scenario mentions: each release once, `mended` last.
#[must_use]
pub fn replicas_of(scenario: &Scenario) -> Vec<Target> {
    // No replica has network interfaces.
    if !scenario.trace.setup().links.is_empty() {
        return Vec::new();
    }
    let releases = Release::ALL.iter().filter(|release| scenario.expect.of(**release).is_some());
    let mended = scenario.expect.of_mended().map(|_| ReplicaName::mended());
    releases.map(|release| ReplicaName::of(*release)).chain(mended).map(Target::Replica).collect()
}

/// Returns the expectation for a target whose program is of `release`. A replica whose defects differ from its
/// release's has none.
#[must_use]
pub fn expected(scenario: &Scenario, target: &Target, release: Option<Release>) -> Option<Expectation> {
    match target {
        Target::Replica(ReplicaName { with, without, .. }) if !with.is_empty() || !without.is_empty() => None,
        Target::Replica(ReplicaName { base: Base::Mended, .. }) => scenario.expect.of_mended().cloned(),
        Target::Replica(ReplicaName { base: Base::Release(release), .. }) => {
            scenario.expect.of(*release).cloned()
        }
        Target::Engine(_) | Target::Daemon(_) | Target::Configured(..) => {
            let expected = release.and_then(|release| scenario.expect.of(release));
            expected.map(|expected| expected.of_kind(target.kind()))
        }
    }
}

/// Runs the scenario on a subject.
///
/// # Errors
/// When the subject cannot run.
pub fn check(
    scenario: &Scenario,
    target: &Target,
    release: Option<Release>,
    subject: &mut dyn Subject,
    want: Options,
) -> Result<Checked, SubjectError> {
    let ran = subject.run_one(&scenario.trace, want)?;
    Ok(Checked { target: target.to_string(), expected: expected(scenario, target, release), ran })
}

/// Returns the runs that the scenario ends but that no release that it mentions starts.
///
/// Random traces, and exits after the end of the subject, are not checked: what would have followed is unknown.
/// would have come then is not known.
///
/// # Errors
/// When a replica cannot run.
pub fn never_started(scenario: &Scenario) -> Result<Vec<Run>, SubjectError> {
    let ended = scenario.trace.wakes().iter().flat_map(|wake| wake.exits.iter().map(|exit| exit.run));
    let mut open: BTreeSet<Run> = ended.collect();
    if scenario.provenance.trace.is_some() {
        return Ok(Vec::new());
    }
    for target in replicas_of(scenario) {
        if open.is_empty() {
            break;
        }
        let ran = build(&target)?.run_one(&scenario.trace, Options::COMPARE)?;
        let mut moot = BTreeSet::new();
        for record in &ran.records {
            match record.event {
                Event::Started { run, .. } => drop(open.remove(&run)),
                Event::Moot { run, .. } => drop(moot.insert(run)),
                _ => {}
            }
        }
        if !ran.verdict.outcome.survived() {
            open.retain(|run| moot.contains(run));
        }
    }
    // Without an expectation no release could have started them.
    Ok(if scenario.expect.rows().is_empty() { Vec::new() } else { open.into_iter().collect() })
}
