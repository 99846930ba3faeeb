//! A scenario against a subject: what was expected, what happened.
//!
//! Used by `treefall replay` and by the tests that the scenario files are.

use std::collections::BTreeSet;

use treefall_model::event::Event;
use treefall_model::id::Run;
use treefall_model::release::Release;

use treefall_scenario::{Comparison, Expectation, Scenario};
use treefall_subject::target::{Base, ReplicaName, Target};
use treefall_subject::{Options, Ran, Subject, SubjectError, build};

/// One scenario on one subject.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The target's name.
    pub target: String,
    /// What was expected; `None` when the file says nothing of this target.
    pub expected: Option<Expectation>,
    /// What happened.
    pub ran: Ran,
}

impl Checked {
    /// How it differs from what was expected; `None` when nothing was.
    #[must_use]
    pub fn comparison(&self) -> Option<Comparison> {
        self.expected.as_ref().map(|expected| expected.compare(&self.ran.verdict))
    }

    /// Whether it is as expected, or clean when nothing was expected.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.comparison().map_or_else(|| self.ran.verdict.is_clean(), |it| it.is_as_expected())
    }
}

/// The replicas that a scenario speaks of: each release once, `mended` last.
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

/// What the scenario expects of a target whose program is of `release`. Of a replica with other defects than
/// its release has, nothing is expected.
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

/// Runs the scenario.
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

/// The runs that the scenario ends and that no release it speaks of starts.
///
/// Nothing is said of a trace that a program drew at random, nor of an exit that a subject did not live to see: what
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
    // Without an expectation there is no release that could have started them.
    Ok(if scenario.expect.rows().is_empty() { Vec::new() } else { open.into_iter().collect() })
}
