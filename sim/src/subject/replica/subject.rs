//! The replica as a subject: a fresh one for every trace.

use treefall_model::event::SubjectKind;
use treefall_model::judge::Judge;
use treefall_model::observe::{AsDaemon, Options, Watch};
use treefall_model::release::Rules;
use treefall_model::trace::Trace;
use treefall_model::verdict::{Signature, Verdict};

use super::{Finished, Replica};
use crate::subject::target::ReplicaName;
use crate::subject::{Ran, Subject, SubjectError};

/// Runs traces by the rules of a release.
#[derive(Clone, Debug)]
pub struct ReplicaSubject {
    name: ReplicaName,
    rules: Rules,
}

impl ReplicaSubject {
    /// The replica of this name.
    #[must_use]
    pub fn new(name: ReplicaName) -> Self {
        Self { rules: name.rules(), name }
    }
}

impl Subject for ReplicaSubject {
    fn kind(&self) -> SubjectKind {
        SubjectKind::Replica
    }

    fn name(&self) -> String {
        self.name.to_string()
    }

    fn rules(&self) -> Rules {
        self.rules
    }

    fn run(&mut self, traces: &[Trace], options: Options) -> Result<Vec<Ran>, SubjectError> {
        Ok(traces.iter().map(|trace| run_replica(trace, self.rules, options)).collect())
    }
}

/// Runs one trace on a replica that goes by `rules`.
#[must_use]
pub fn run_replica(trace: &Trace, rules: Rules, options: Options) -> Ran {
    let watch = Watch::new(trace.setup(), SubjectKind::Replica, options);
    let Finished { observer, outcome, first_use, counts, .. } = Replica::new(trace, rules, watch).run();
    let seen = observer.finish(outcome);
    Ran {
        verdict: seen.verdict,
        digest: seen.digest,
        digest_at_break: seen.digest_at_break,
        counts,
        records: seen.records,
        marks: seen.marks,
        first_use,
    }
}

/// The same, as far as a whole daemon would show it.
#[must_use]
pub fn run_replica_as_daemon(trace: &Trace, rules: Rules, options: Options) -> Ran {
    let watch = AsDaemon::new(Watch::new(trace.setup(), SubjectKind::Daemon, options));
    let Finished { observer, outcome, first_use, counts, .. } = Replica::new(trace, rules, watch).with_instance().run();
    let first_use = first_use.map(|records| observer.passed_of(records));
    let seen = observer.into_inner().finish(outcome);
    Ran {
        verdict: seen.verdict,
        digest: seen.digest,
        digest_at_break: seen.digest_at_break,
        counts,
        records: seen.records,
        marks: seen.marks,
        first_use,
    }
}

/// Runs one trace on a replica that goes by `rules` no further than until `signature` shows, or nothing more can:
/// for who asks only that, many times. Of a run that was cut short so the outcome is not known; it says survived.
#[must_use]
pub fn probe_replica(trace: &Trace, rules: Rules, signature: Signature) -> Verdict {
    let judge = Judge::of(trace.setup(), SubjectKind::Replica);
    let shows = |judge: &Judge<'_>| judge.breaks().iter().any(|broken| broken.signature == signature);
    let run = Replica::new(trace, rules, judge).run_while(|judge| !judge.is_over() && !shows(judge));
    run.observer.finish(run.outcome)
}
