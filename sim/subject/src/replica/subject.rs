//! The replica as a subject: a fresh one for every trace.

use treefall_model::event::SubjectKind;
use treefall_model::judge::Judge;
use treefall_model::observe::{AsDaemon, Observed, Options, Watch};
use treefall_model::release::Rules;
use treefall_model::trace::Trace;
use treefall_model::verdict::{Signature, Verdict};
use treefall_world::Counts;

use super::{Fault, Mutant, Replica};
use crate::backtrace::EntryLife;
use crate::target::ReplicaName;
use crate::{Ran, Subject, SubjectError, cut_off, without_interfaces};

/// Runs traces by the rules of a release.
#[derive(Clone, Debug)]
pub struct ReplicaSubject {
    name: ReplicaName,
    rules: Rules,
    seen_as: SubjectKind,
}

impl ReplicaSubject {
    /// Returns the replica with this name.
    #[must_use]
    pub fn new(name: ReplicaName) -> Self {
        Self { rules: name.rules(), name, seen_as: SubjectKind::Replica }
    }

    /// Restricts it to what a subject of this kind shows.
    #[must_use]
    pub fn seen_as(self, kind: SubjectKind) -> Self {
        Self { seen_as: kind, ..self }
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

    fn fitted(&self, trace: Trace) -> Trace {
        cut_off(trace)
    }

    fn takes(&self, trace: &Trace) -> bool {
        trace.setup().links.is_empty()
    }

    fn run(&mut self, traces: &[Trace], options: Options) -> Result<Vec<Ran>, SubjectError> {
        without_interfaces(self, traces)?;
        Ok(traces.iter().map(|trace| run_replica_as(self.seen_as, trace, self.rules, options)).collect())
    }
}

/// Runs one trace on a replica that goes by `rules`. A scheduler alone listens to no network interface: it sees none of
/// their events, as an explanation of a daemon's run needs it.
#[must_use]
pub fn run_replica(trace: &Trace, rules: Rules, options: Options) -> Ran {
    let watch = Watch::new(trace.setup(), SubjectKind::Replica, options);
    let finished = Replica::new(trace, rules, watch).run();
    let first_use = finished.first_use;
    ran(finished.counts, finished.observer.finish(finished.outcome), first_use)
}

/// The place where a run of a replica crashes or hangs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CrashSite {
    /// The innermost function.
    pub function: &'static str,
    /// The operation of the scheduler that called it, or the same function if it is one itself.
    pub operation: &'static str,
}

/// Returns where a trace crashes or hangs on a replica with these `rules`; `None` when it survives.
#[must_use]
pub fn crash_site(trace: &Trace, rules: Rules) -> Option<CrashSite> {
    let judge = Judge::of(trace.setup(), SubjectKind::Replica);
    let finished = Replica::new(trace, rules, judge).run();
    match finished.fault? {
        Fault::Segv { function, .. } | Fault::Aborted { function } | Fault::Endless { function } => {
            Some(CrashSite { function, operation: finished.operation })
        }
        Fault::Over { .. } => None,
    }
}

/// Runs one trace with a mutant, which exists only with debug assertions
/// ([`MUTANTS_AVAILABLE`](super::MUTANTS_AVAILABLE)).
#[must_use]
pub fn run_mutant(trace: &Trace, rules: Rules, mutant: Mutant, options: Options) -> Ran {
    let watch = Watch::new(trace.setup(), SubjectKind::Replica, options);
    let finished = Replica::new(trace, rules, watch).with_mutant(mutant).run();
    let first_use = finished.first_use;
    ran(finished.counts, finished.observer.finish(finished.outcome), first_use)
}

/// Runs one trace, and shows what a subject of this kind shows.
#[must_use]
pub fn run_replica_as(kind: SubjectKind, trace: &Trace, rules: Rules, options: Options) -> Ran {
    if kind != SubjectKind::Daemon {
        return run_replica(trace, rules, options);
    }
    let watch = AsDaemon::new(Watch::new(trace.setup(), SubjectKind::Daemon, options));
    let finished = Replica::new(trace, rules, watch).with_instance().run();
    let first_use = finished.first_use.map(|records| finished.observer.passed_of(records));
    ran(finished.counts, finished.observer.into_inner().finish(finished.outcome), first_use)
}

fn ran(counts: Counts, seen: Observed, first_use: Option<u64>) -> Ran {
    Ran {
        backtrace: Vec::new(),
        life: EntryLife::default(),
        ledger: Vec::new(),
        beside: None,
        verdict: seen.verdict,
        digest: seen.digest,
        digest_at_break: seen.digest_at_break,
        used_after_free: seen.used_after_free,
        counts,
        records: seen.records,
        marks: seen.marks,
        contents: seen.contents,
        first_use,
    }
}

/// Runs one trace on a replica with these `rules` until `signature` shows, or nothing more can. The outcome of a run
/// that is cut short is unknown, and reported as survived.
#[must_use]
pub fn probe_replica(trace: &Trace, rules: Rules, signature: Signature) -> Verdict {
    probe_replica_as(SubjectKind::Replica, trace, rules, signature)
}

/// Does the same, and shows what a subject of this kind shows.
#[must_use]
pub fn probe_replica_as(kind: SubjectKind, trace: &Trace, rules: Rules, signature: Signature) -> Verdict {
    let judge = Judge::of(trace.setup(), kind);
    let wanted = |judge: &Judge<'_>| !judge.is_over() && !judge.shows(signature);
    if kind == SubjectKind::Daemon {
        let replica = Replica::new(trace, rules, AsDaemon::new(judge)).with_instance();
        let run = replica.run_while(|judge| wanted(judge.inner()));
        run.observer.into_inner().finish(run.outcome)
    } else {
        let run = Replica::new(trace, rules, judge).run_while(wanted);
        run.observer.finish(run.outcome)
    }
}
