//! Why a defect that a release has was the cause of no failure: by running, never by a list of exceptions.
//!
//! A hunt keeps the first trace of each signature and cause. A defect can be missing among the causes because its traces
//! are rare; because another one always breaks first what it would break (*masked*); or because nothing else in the
//! release brings about what it needs (*latent*). Which of these it is, replicas of the release with other defects
//! mended, or put in, tell.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use treefall_model::event::SubjectKind;
use treefall_model::release::{Defect, Defects, Rules};
use treefall_model::trace::Trace;
use treefall_model::verdict::{Outcome, Signature, Verdict, Violation};

use crate::cause::cause;
use crate::generator::Source;
use crate::hunt::Failure;
use crate::shrink::{self, Limits};
use treefall_base::control::Control;
use treefall_subject::Options;
use treefall_subject::replica::{probe_replica, run_replica};

/// Most traces of a search on a replica with this defect alone.
const ALONE_TRACES: u64 = 500;
/// Most traces of a search on a replica with this defect and one other.
const BESIDE_TRACES: u64 = 80;

/// From so many traces a way down is tried.
const MET_MAX: usize = 6;
/// Most candidates on one way down.
const RUNS_MAX: u64 = 3_000;

/// So often a signature may turn out to be due to others alone before it is no longer asked for its cause.
const REFUSALS_MAX: usize = 6;

/// Where a defect hides.
#[derive(Clone, Debug)]
pub enum Visibility {
    /// Nowhere: this trace shows it on the release as it is.
    Shown(Box<Failure>),
    /// Behind others of the release: it shows when these are mended, each of which must be.
    MaskedBy(Vec<Defect>),
    /// It does nothing in this release; it would beside this defect.
    LatentWithout(Defect),
    /// It was not met.
    NotSeen,
}

impl Visibility {
    /// Where it hides, to follow the defect's name; `None`: it is shown.
    #[must_use]
    pub fn in_words(&self) -> Option<String> {
        match self {
            Self::Shown(_) => None,
            Self::MaskedBy(masks) => {
                let masks: Vec<&str> = masks.iter().map(|defect| defect.name()).collect();
                Some(format!("masked by {}", masks.join(" and ")))
            }
            Self::LatentWithout(other) => Some(format!("latent: would show beside {other}")),
            Self::NotSeen => Some("not seen".to_owned()),
        }
    }
}

/// Where the defects of a release hide that lead none of its findings.
#[derive(Clone, Default, Debug)]
pub struct Behind {
    /// Those that are not hidden, each with a trace that shows it.
    pub shown: Vec<(Defect, Failure)>,
    /// Where each of the others hides.
    pub hidden: BTreeMap<Defect, Visibility>,
}

/// Looks for each defect of `rules` that is not among `leading`, in the traces of the campaign of `seed`.
///
/// Once interrupted, the rest counts as not seen.
#[must_use]
pub fn look_behind(rules: Rules, leading: &BTreeSet<Defect>, seed: u64, control: Control<'_, ()>) -> Behind {
    let missing: Vec<Defect> = rules.defects.iter().filter(|defect| !leading.contains(defect)).collect();
    let failure = |defect: &Defect| {
        control.check(()).map_or(Visibility::NotSeen, |()| visibility_of(*defect, rules, seed))
    };
    let told: Vec<Visibility> = missing.par_iter().map(failure).collect();
    let mut behind = Behind::default();
    for (defect, told) in missing.into_iter().zip(told) {
        match told {
            Visibility::Shown(failure) => behind.shown.push((defect, *failure)),
            hidden => drop(behind.hidden.insert(defect, hidden)),
        }
    }
    behind
}

/// Where `defect` hides in a release of these `rules`, in the traces of the campaign of `seed`, and of the same with
/// cancelling scripts.
#[must_use]
pub fn visibility_of(defect: Defect, rules: Rules, seed: u64) -> Visibility {
    let others = || rules.defects.iter().filter(move |other| *other != defect);
    let alone = without(rules, others());
    let source = Source::swarm(seed);
    let met = search(defect, alone, rules, source, ALONE_TRACES);
    if let Some(hidden) = met.told(defect, rules) {
        return hidden;
    }
    // Those of the release first: what it needs may be there.
    let strangers = Defect::ALL.into_iter().filter(|other| !rules.defects.has(*other));
    for other in others().chain(strangers) {
        let met = search(defect, alone.with(other), rules, source, BESIDE_TRACES);
        if !rules.defects.has(other) && met.first.is_some() {
            return Visibility::LatentWithout(other);
        }
        if let Some(hidden) = met.told(defect, rules) {
            return hidden;
        }
    }
    // keepalived's scripts cancel nothing, and so does a campaign that is not asked to.
    let met = search(defect, alone, rules, source.cancelling(), ALONE_TRACES);
    met.told(defect, rules).unwrap_or(Visibility::NotSeen)
}

fn without(rules: Rules, defects: impl Iterator<Item = Defect>) -> Rules {
    defects.fold(rules, Rules::without)
}

/// What a search for one defect met.
#[derive(Default)]
struct Met {
    /// The first trace that the defect is a cause of, shrunk.
    first: Option<Failure>,
    /// A trace of which it is the leading cause on the release itself.
    on_release: Option<Failure>,
    /// A trace of which it is a cause there, and not the leading one.
    required: Option<Failure>,
}

impl Met {
    fn told(self, defect: Defect, rules: Rules) -> Option<Visibility> {
        let shown = self.on_release.or(self.required).map(|failure| Visibility::Shown(Box::new(failure)));
        shown.or_else(|| self.first.map(|failure| Visibility::MaskedBy(masks(&failure, defect, rules))))
    }
}

/// Looks for traces of which `defect` is a cause under `rules`, and on the way down from each to a small one for
/// one of which it is the leading cause, or at least a cause, on `release` too.
fn search(defect: Defect, rules: Rules, release: Rules, source: Source, traces: u64) -> Met {
    let mut met = Met::default();
    let (mut tried, mut refused) = (0, Vec::new());
    for number in 0..traces {
        let trace = source.trace(number);
        let verdict = run_replica(&trace, rules, Options::VERDICT).verdict;
        for broken in verdict.breaks {
            let signature = broken.signature;
            let refusals = refused.iter().filter(|other| **other == signature).count();
            if refusals >= REFUSALS_MAX || tried >= MET_MAX {
                continue;
            }
            if !is_cause(defect, &trace, signature, rules) {
                refused.push(signature);
                continue;
            }
            tried += 1;
            let (mut leading, mut required) = (None, None);
            let small = shrunk(&trace, signature, |trace| {
                if !is_cause(defect, trace, signature, rules) {
                    return false;
                }
                if is_cause(defect, trace, signature, release) {
                    let place =
                        if leads(defect, trace, signature, release) { &mut leading } else { &mut required };
                    *place = Some(trace.clone());
                }
                true
            });
            met.first.get_or_insert_with(|| failure_of(number, small, signature, rules, &broken));
            if let Some(shown) = leading {
                let small = shrunk(&shown, signature, |trace| {
                    is_cause(defect, trace, signature, release) && leads(defect, trace, signature, release)
                });
                met.on_release = Some(failure_of(number, small, signature, release, &broken));
                return met;
            }
            if let Some(shown) = required.filter(|_| met.required.is_none()) {
                let small = shrunk(&shown, signature, |trace| is_cause(defect, trace, signature, release));
                met.required = Some(failure_of(number, small, signature, release, &broken));
            }
        }
        if tried >= MET_MAX {
            break;
        }
    }
    met
}

fn failure_of(number: u64, trace: Trace, signature: Signature, rules: Rules, like: &Violation) -> Failure {
    let verdict = run_replica(&trace, rules, Options::VERDICT).verdict;
    let broken = verdict.violation(signature).unwrap_or(like).clone();
    Failure::new(number, trace, broken, verdict)
}

fn is_cause(defect: Defect, trace: &Trace, signature: Signature, rules: Rules) -> bool {
    let shows = |rules| probe_replica(trace, rules, signature).shows(signature);
    shows(rules) && !shows(rules.without(defect))
}

fn leads(defect: Defect, trace: &Trace, signature: Signature, rules: Rules) -> bool {
    cause(SubjectKind::Replica, trace, signature, rules).leading() == Some(defect)
}

/// The smallest trace to which edits lead that are all `wanted`.
fn shrunk(trace: &Trace, signature: Signature, mut wanted: impl FnMut(&Trace) -> bool) -> Trace {
    let verdict = |shows: bool| {
        let broken = Violation::bare(signature);
        Verdict { breaks: if shows { vec![broken] } else { Vec::new() }, outcome: Outcome::Survived }
    };
    let limits = Limits { runs_max: RUNS_MAX, pairs: false };
    let judge = |trace: &Trace| Ok::<_, std::convert::Infallible>(verdict(wanted(trace)));
    match shrink::shrink(trace.clone(), verdict(true), signature, limits, judge) {
        Ok(shrunk) => shrunk.trace,
        Err(never) => match never {},
    }
}

/// Which defects of the release must be mended for `find` to show: each one, put back in by itself with all that
/// were put back before, hides it.
fn masks(failure: &Failure, defect: Defect, rules: Rules) -> Vec<Defect> {
    let mut mended: Defects = rules.defects.iter().filter(|other| *other != defect).collect();
    for other in rules.defects.iter().filter(|other| *other != defect) {
        let fewer = mended.without(other);
        if is_cause(defect, &failure.trace, failure.signature(), without(rules, fewer.iter())) {
            mended = fewer;
        }
    }
    mended.iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use treefall_model::event::Step;
    use treefall_model::release::Release;

    fn of(release: &str) -> Rules {
        Rules::of(Release::parse(release).expect("a release"))
    }

    #[test]
    fn until_2_3_1_the_skipped_timeout_is_masked_by_the_freed_one_and_mending_that_shows_it() {
        let hidden = visibility_of(Defect::ReloadSkipsQueuedTimeout, of("2.2.8"), 1);
        let Visibility::MaskedBy(masks) = hidden else { panic!("{hidden:?}") };
        assert_eq!(masks, [Defect::ReloadFreesQueuedTimeout]);
    }

    #[test]
    fn a_defect_that_shares_its_signature_with_another_is_shown_all_the_same() {
        let hidden = visibility_of(Defect::ReloadForgetsChildren, of("2.2.4"), 1);
        let Visibility::Shown(failure) = hidden else { panic!("{hidden:?}") };
        assert!(is_cause(Defect::ReloadForgetsChildren, &failure.trace, failure.signature(), of("2.2.4")));
    }

    #[test]
    fn what_only_a_cancelled_entry_shows_is_shown_and_where_timeouts_leave_the_tree_at_once_it_is_masked() {
        let shown = visibility_of(Defect::CancelLeavesPidEntry, of("2.2.8"), 1);
        assert!(
            matches!(&shown, Visibility::Shown(failure) if failure.signature().step == Step::Cancel),
            "{shown:?}"
        );
        let masked = visibility_of(Defect::CancelLeavesPidEntry, of("2.0.12"), 1);
        let Visibility::MaskedBy(masks) = masked else { panic!("{masked:?}") };
        assert_eq!(masks, [Defect::TimeoutDropsPidEntryEarly]);
    }

    #[test]
    fn signalling_the_group_of_nobody_is_latent_in_the_newest_release() {
        let hidden = visibility_of(Defect::GroupOfNobody, Rules::of(Release::NEWEST), 1);
        assert!(matches!(hidden, Visibility::LatentWithout(_)), "{hidden:?}");
    }
}
